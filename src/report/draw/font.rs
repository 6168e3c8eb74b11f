//! The embedded font: measured for layout in both formats, and drawn in PNG.
//!
//! SVG names it first and falls back to the reader's sans-serif, which may run a tenth wider; whoever lays out text
//! leaves that much room. The file's ascender and descender add up to 1.24 em because that is the ratio by which
//! plotters tells a font's height from its size, so that both formats come out equally large.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use crate::error::{Error, Result};

/// The name under which the font is registered, which is also SVG's list of families.
const FAMILIES: &str = "Noto Sans, Segoe UI, Helvetica Neue, Arial, Liberation Sans, sans-serif";
/// plotters' ratio of a font's height to its size in em.
const HEIGHT_EM: f64 = 1.24;

static BYTES: &[u8] = include_bytes!("../font/NotoSans-subset.ttf");
static READY: OnceLock<bool> = OnceLock::new();

/// The font at a size in pixels per em.
///
/// # Errors
/// When the embedded file is not a font.
pub(super) fn font(em: f64) -> Result<FontDesc<'static>> {
    let ready = READY.get_or_init(|| register_font(FAMILIES, FontStyle::Normal, BYTES).is_ok());
    if !ready {
        return Err(Error::new("the embedded font cannot be read"));
    }
    Ok(FontDesc::new(FontFamily::Name(FAMILIES), em * HEIGHT_EM, FontStyle::Normal))
}

/// Width of a text in pixels, with room for a fallback font that is a tenth wider.
pub(in crate::report) fn width(text: &str, em: f64) -> f64 {
    let per_mille = font(1000.0).ok().and_then(|font| font.layout_box(text).ok());
    let em_widths = per_mille.map_or(text.chars().count() as f64 * 0.6, |(_, (x, _))| f64::from(x) / 1000.0);
    em_widths * em * 1.1
}

/// The text, or as much of its beginning as fits into `room` pixels with an ellipsis.
pub(in crate::report) fn fitted(text: &str, em: f64, room: f64) -> String {
    if width(text, em) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let shorter: String = kept.iter().chain(['\u{2026}'].iter()).collect();
        if width(&shorter, em) <= room {
            return shorter;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_is_measured() {
        // Advance of "n" in the file: 618 of 1000 units.
        assert!((width("n", 1000.0) - 618.0 * 1.1).abs() < 1.0, "{}", width("n", 1000.0));
        assert!(width("nn", 10.0) > width("n", 10.0));
    }

    #[test]
    fn long_texts_end_in_an_ellipsis() {
        assert_eq!(fitted("short", 12.0, 100.0), "short");
        let cut = fitted("a very long label indeed", 12.0, 60.0);
        assert!(cut.ends_with('\u{2026}') && width(&cut, 12.0) <= 60.0, "{cut}");
        assert_eq!(fitted("x", 12.0, 1.0), "");
    }
}
