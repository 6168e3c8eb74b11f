//! How pictures are drawn: a [`Scene`] of plain shapes is laid out once and painted as SVG and as PNG.
//!
//! Layout is arithmetic on IEEE doubles with `+ - * /` and `sqrt`, and logarithms come from `libm`, so that every
//! machine places every shape alike. Nothing here knows of rows or policies.

mod chart;
mod font;
mod heat_map;
mod marks;
mod paint;
mod palette;
mod scale;
mod scene;

pub(super) use chart::{Axis, Chart, Entry, Plot, Swatch, footnote, heading, legend, legend_width};
pub(super) use font::{fitted, width};
pub(super) use heat_map::{HeatMap, Labels};
pub(super) use marks::{Curve, Marker};
pub(super) use palette::{GREY, INK, LIGHT, SHADE, hue, series_look};
pub(super) use scale::{Scale, size_unit, time_unit};
pub(super) use scene::{Align, HEIGHT, Ink, Rgb, Scene, Stroke, WIDTH};

use super::NamedFile;
use crate::error::Result;

/// Both files of a picture, `NAME.svg` and `NAME.png`.
///
/// # Errors
/// When a backend fails, which no scene causes.
pub(super) fn files(name: &str, scene: &Scene) -> Result<Vec<NamedFile>> {
    Ok(vec![svg_file(name, scene)?, (format!("{name}.png"), paint::png(scene)?)])
}

/// The picture as `NAME.svg` alone.
///
/// # Errors
/// When the backend fails, which no scene causes.
pub(super) fn svg_file(name: &str, scene: &Scene) -> Result<NamedFile> {
    Ok((format!("{name}.svg"), paint::svg(scene)?.into_bytes()))
}
