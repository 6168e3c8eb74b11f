//! Numbers and phrases that text and picture share.

use crate::metrics::{Sensitivity, SensitivityBar, SensitivityEnd, SensitivityMetric};
use crate::report::format::{ratio, span};

/// Below this many thousandths a change rounds to nothing in percent with one decimal.
const TINY_PERMILLE: u64 = 1;

/// A value of the metric: `7.71 ms`, `129.7 tokens/s`.
pub(in crate::report) fn amount(metric: SensitivityMetric, value: u64) -> String {
    if metric.is_time() {
        return span(value);
    }
    let decimals = if value < 10_000 { 2 } else { 1 };
    format!("{} tokens/s", ratio(u128::from(value), 1000, decimals))
}

/// Thousandths by which `value` differs from `base`, rounded to the nearest.
pub(super) fn permille(base: u64, value: u64) -> i64 {
    if base == 0 {
        return 0;
    }
    let (base, value) = (i128::from(base), i128::from(value));
    let doubled = (value - base) * 2000;
    let rounded = (doubled + doubled.signum() * base) / (2 * base);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

/// The change with its sign: `+12.3 %`, `-0.4 %`, `0.0 %`.
pub(in crate::report) fn changed(base: u64, value: u64) -> String {
    let permille = permille(base, value);
    let sign = match permille {
        0 => "",
        ..0 => "-",
        _ => "+",
    };
    format!("{sign}{} %", ratio(u128::from(permille.unsigned_abs()), 10, 1))
}

/// `20 %`, `12.5 %`.
pub(in crate::report) fn by_words(by_permille: u64) -> String {
    let text = ratio(u128::from(by_permille), 10, 1);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// Whether both ends run and neither changes the metric by as much as is shown.
fn tiny(bar: &SensitivityBar, base: u64) -> bool {
    let small = |end: &&SensitivityEnd| {
        end.varied.value().is_some_and(|value| permille(base, value).unsigned_abs() < TINY_PERMILLE)
    };
    bar.ends().iter().filter(|end| small(end)).count() == 2
}

/// The bars that are shown; the others are named in one line.
pub(in crate::report) fn notable(found: &Sensitivity) -> (Vec<&SensitivityBar>, Vec<&SensitivityBar>) {
    let base = found.base.unwrap_or(0);
    found.bars.iter().partition(|bar| !tiny(bar, base))
}
