//! Reports of runs under a load of requests: what somebody who serves users asks. How much load does a configuration
//! bear, what do users wait for then, what holds it back, what does it cost?
//!
//! A sweep of which any row was under load is a serving sweep; all others keep the reports they had. Everything said
//! here is in the rows, formatted and compared.

mod answer;
mod columns;
#[cfg(test)]
pub(super) mod fixture;
mod limit;
mod load;
mod numbers;
mod point;
mod table;
#[cfg(test)]
mod tests;

pub(super) use answer::answer;
pub(super) use columns::COLUMNS;
pub(super) use load::{
    Knee, LoadSeries, Served, Swept, is_saturated, knee, ledger_settings, load_series, settings, showcase,
    swept,
};
pub(super) use numbers::figures;
pub(super) use point::describe;
pub(super) use table::{machine, results, shown};

use crate::metrics::{Row, ServingSummary};

/// What holds a run under load back; none without load, and where nothing is known of its GPUs.
pub(super) fn held_back(row: &Row) -> Option<String> {
    limit::limit_text(&Served::of(row)?)
}

/// The row's result under load; none where it could not run or had no load.
pub(super) fn served(row: &Row) -> Option<&ServingSummary> {
    row.summary()?.serving.as_deref()
}

/// Whether any row was under load.
pub(super) fn is_serving(rows: &[Row]) -> bool {
    rows.iter().any(|row| served(row).is_some())
}
