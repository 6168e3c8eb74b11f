//! The pictures of a comparison of policies.

use rayon::prelude::*;

use super::curve_sheet::CurveSheet;
use super::{
    curve_bytes, curve_heat_map, curve_hit_rate, curve_layers, curve_recovered, curve_reuse, curve_sequences,
};
use crate::error::Result;
use crate::metrics::TraceCurves;
use crate::report::NamedFile;
use crate::report::draw::{Scene, files, svg_file};

/// A name without its ending, and its picture.
pub(super) type Picture = (&'static str, Scene);

/// All pictures of one trace as SVG and PNG: `hit_rate`, `bytes_per_token`, `recovered`, `heat_map`, `reuse`, and
/// `sequences` where there are at least two.
///
/// # Errors
/// When a picture cannot be drawn, which no number causes.
pub(in crate::report) fn curve_pictures(curves: &TraceCurves) -> Result<Vec<NamedFile>> {
    rendered(&scenes(curves))
}

/// Hit rates by layer as SVG and PNG: `layers` and `layers_lru`.
///
/// # Errors
/// When a picture cannot be drawn, which no number causes.
pub(in crate::report) fn curve_layer_pictures(curves: &TraceCurves) -> Result<Vec<NamedFile>> {
    rendered(&layer_scenes(curves))
}

/// The pictures of a page on several traces as SVG, `policies-TRACE-hit_rate.svg` and `policies-TRACE-recovered.svg`.
///
/// # Errors
/// When a picture cannot be drawn, which no number causes.
pub fn curve_page_pictures(all: &[TraceCurves]) -> Result<Vec<NamedFile>> {
    let mut files = Vec::new();
    for curves in all {
        let sheet = CurveSheet::new(curves);
        let trace = file_stem(&curves.name);
        let name = |picture: &str| format!("policies-{trace}-{picture}");
        files.push(svg_file(&name(curve_hit_rate::NAME), &curve_hit_rate::scene(&sheet))?);
        files.push(svg_file(&name(curve_recovered::NAME), &curve_recovered::scene(&sheet))?);
    }
    Ok(files)
}

/// A trace's name as part of a file's.
pub(in crate::report) fn file_stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}

pub(super) fn scenes(curves: &TraceCurves) -> Vec<Picture> {
    let sheet = CurveSheet::new(curves);
    let mut scenes = vec![
        (curve_hit_rate::NAME, curve_hit_rate::scene(&sheet)),
        (curve_bytes::NAME, curve_bytes::scene(&sheet)),
        (curve_recovered::NAME, curve_recovered::scene(&sheet)),
        (curve_heat_map::NAME, curve_heat_map::scene(&sheet)),
        (curve_reuse::NAME, curve_reuse::scene(&sheet)),
    ];
    scenes.extend(curve_sequences::scene(&sheet).map(|scene| (curve_sequences::NAME, scene)));
    scenes
}

pub(super) fn layer_scenes(curves: &TraceCurves) -> Vec<Picture> {
    let sheet = CurveSheet::new(curves);
    vec![
        (curve_layers::NAME, curve_layers::scene(&sheet)),
        (curve_layers::LRU_NAME, curve_layers::lru(&sheet)),
    ]
}

/// In the order given whatever the number of threads.
fn rendered(pictures: &[Picture]) -> Result<Vec<NamedFile>> {
    let rendered: Vec<Result<Vec<NamedFile>>> =
        pictures.par_iter().map(|(name, scene)| files(name, scene)).collect();
    Ok(rendered.into_iter().collect::<Result<Vec<_>>>()?.concat())
}
