//! How far to trust a recommendation: the errors of the engine profile's predictions against published measurements.

use super::page::{Page, Sentence, Source, plain};
use super::value::counted;
use super::view::View;
use crate::metrics::advice::TrustSeries;
use crate::report::format::{fixed, signed};

pub(super) fn trust(page: &mut Page, view: &View<'_>) {
    if view.advice.subject().is_none() {
        return;
    }
    page.heading("How far to trust it");
    let source = [Source::Validation];
    let Some(trust) = view.advice.trust.as_ref().filter(|trust| !trust.series.is_empty()) else {
        let of = view
            .advice
            .trust
            .as_ref()
            .map_or_else(String::new, |trust| format!(", {}", plain(&trust.engine)));
        let text = format!(
            "nothing measured with this profile{of}: its figures are as good as the assumptions behind them"
        );
        page.say("", text, &source);
        return;
    };
    let count = trust.series.len();
    let held = if count == 1 { "one series".to_owned() } else { format!("{count} series") };
    let text = format!(
        "Predictions with the profile {} were held against {held} of measurements",
        plain(&trust.engine)
    );
    page.item(
        "",
        [Some(Sentence::new(text, &source)), unfitted(&trust.series)].into_iter().flatten().collect(),
    );
    let shown = telling(&trust.series);
    for series in &shown {
        page.item(&series.title, told(series));
    }
    if shown.len() < count {
        let text = format!("{} more are in docs/validation.md", count - shown.len());
        page.say("", text, &source);
    }
}

/// Series that get an item of their own.
const SHOWN_MAX: usize = 4;

/// The series that say most: those to which nothing was fitted first, and of these the ones with most rows; in the order of
/// the data.
fn telling(series: &[TrustSeries]) -> Vec<&TrustSeries> {
    let mut ranked: Vec<(usize, &TrustSeries)> = series.iter().enumerate().collect();
    ranked.sort_by_key(|(at, one)| (one.fitted > 0, std::cmp::Reverse(one.rows), *at));
    ranked.truncate(SHOWN_MAX);
    ranked.sort_by_key(|(at, _)| *at);
    ranked.into_iter().map(|(_, one)| one).collect()
}

/// `12.3 %`.
fn pct(error: f64) -> String {
    format!("{} %", fixed(error, 1))
}

/// The span of median errors of series that no parameter was fitted to.
fn unfitted(series: &[TrustSeries]) -> Option<Sentence> {
    let medians = || series.iter().filter(|one| one.fitted == 0).map(|one| one.errors.median_pct);
    let (least, most) = (medians().min_by(f64::total_cmp)?, medians().max_by(f64::total_cmp)?);
    let range = if pct(least) == pct(most) { pct(least) } else { format!("{} to {}", pct(least), pct(most)) };
    let text = format!("Where nothing was fitted to them, the median error is {range}");
    Some(Sentence::new(text, &[Source::Validation]))
}

fn told(series: &TrustSeries) -> Vec<Sentence> {
    let errors = &series.errors;
    let source = [Source::Validation];
    let fitted = match series.fitted {
        0 => "nothing was fitted to them".to_owned(),
        count => format!("{} fitted to these very rows", counted(count, "parameter")),
    };
    let text = format!(
        "median error {}, worst {}, mean signed error {} %, over {}; {fitted}",
        pct(errors.median_pct),
        pct(errors.worst_pct),
        signed(errors.bias_pct, 1),
        counted(series.rows, "row"),
    );
    let measured = format!("Measured by {}", plain(&series.source));
    let mut told = vec![Sentence::new(text, &source)];
    told.extend((!series.source.is_empty()).then(|| Sentence::new(measured, &source)));
    told
}
