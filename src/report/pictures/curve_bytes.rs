//! What is fetched for each token against capacity: bytes where the size of an expert is known, else experts.

use super::curve_lines::Measure;
use super::curve_over_capacity::scene as over_capacity;
use super::curve_sheet::CurveSheet;
use crate::metrics::CurvePoint;
use crate::report::draw::{Axis, Scale, Scene};
use crate::report::pictures::common::only;

pub(super) const NAME: &str = "bytes_per_token";

const MIB: f64 = 1_048_576.0;
/// Beyond this ratio of the most to the least, the axis is logarithmic.
const LOG_Y: f64 = 8.0;

pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    let tokens = sheet.of.judged(sheet.of.tokens()).max(1) as f64;
    let sizes = &sheet.of.expert_bytes;
    let size = only(sizes.iter().copied());
    let of_misses = |misses: u64| misses as f64 * size.map_or(1.0, |size| size as f64 / MIB) / tokens;
    let of_point = |point: &CurvePoint| match sizes.is_empty() {
        true => of_misses(sheet.of.judged(point.misses)),
        false => sheet.of.judged(point.miss_bytes) as f64 / MIB / tokens,
    };
    let (what, unit) = if sizes.is_empty() { ("experts", "experts") } else { ("bytes", "MiB") };
    // Where sizes differ, a number of misses does not tell their bytes.
    let is_told = sizes.is_empty() || size.is_some();
    let exactness = if is_told { sheet.exactness() } else { "Experts differ in size." };
    let first = of_misses(sheet.of.judged(sheet.of.compulsory));
    let mut values: Vec<f64> = sheet.of.curves.iter().flat_map(|curve| &curve.points).map(of_point).collect();
    if is_told {
        values.extend([first, of_misses(sheet.lookups())]);
    }
    values.retain(|value| *value > 0.0);
    let scale = Scale::log_beyond(LOG_Y, &values);
    over_capacity(
        sheet,
        &Measure {
            title: format!("{what} fetched per token against capacity, {}", sheet.phase()),
            y: Axis::new(format!("fetched per {} token ({unit})", sheet.phase()), scale),
            of_point: &of_point,
            of_misses: is_told.then_some(&of_misses),
            ends: (0.0, f64::INFINITY),
            note: &format!("Fetched is what missed, each expert once in an event. {exactness}"),
            limit: format!("first lookups: {first:.2} {unit} per token"),
        },
    )
}
