//! Hit rate against capacity.

use super::curve_lines::Measure;
use super::curve_over_capacity::scene as over_capacity;
use super::curve_sheet::CurveSheet;
use crate::report::draw::{Axis, Scale, Scene};

pub(super) const NAME: &str = "hit_rate";

pub(super) fn scene(sheet: &CurveSheet<'_>) -> Scene {
    let lookups = sheet.lookups().max(1) as f64;
    let of_misses = |misses: u64| 100.0 - misses as f64 * 100.0 / lookups;
    let first = of_misses(sheet.of.judged(sheet.of.compulsory));
    over_capacity(
        sheet,
        &Measure {
            title: format!("hit rate against capacity, {}", sheet.phase()),
            y: Axis::new(format!("lookups that hit in {} (%)", sheet.phase()), Scale::linear(0.0, 100.0)),
            of_point: &|point| of_misses(sheet.of.judged(point.misses)),
            of_misses: Some(&of_misses),
            ends: (100.0, 0.0),
            note: &format!("A lookup is an expert's first appearance in an event. {}", sheet.exactness()),
            limit: format!("first lookups miss: at most {first:.1} %"),
        },
    )
}
