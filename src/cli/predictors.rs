//! `moesim predictors`.

use clap::Args;
use serde_json::json;

use super::{Ended, show_table};
use crate::catalogue::view::Table;
use crate::error::Result;
use crate::prefetch::{PredictorRegistry, PredictorRow};

#[derive(Debug, Args)]
pub(super) struct PredictorsArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PredictorsArgs, registry: &PredictorRegistry) -> Result<Ended> {
    if args.json {
        let row = |row: &PredictorRow| {
            json!({ "name": row.name, "summary": row.about, "oracle": row.is_oracle,
                "needs_truth": row.needs.truth, "profile_optional": row.needs.profile_optional })
        };
        return super::json(&registry.rows().iter().map(row).collect::<Vec<_>>());
    }
    let columns = ["predictor", "needs", "what it does"].map(str::to_owned).to_vec();
    let row = |row: &PredictorRow| vec![row.name.clone(), needs(row).to_owned(), row.about.clone()];
    show_table(Table { columns, rows: registry.rows().iter().map(row).collect() })
}

fn needs(row: &PredictorRow) -> &'static str {
    match (row.is_oracle, row.needs.truth, row.needs.profile_optional) {
        (true, _, _) => "the future (oracle)",
        (false, true, _) => "prefetch.recall",
        (false, false, true) => "a profile, or learns as it goes",
        (false, false, false) => "-",
    }
}
