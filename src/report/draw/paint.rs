//! Scenes to SVG and PNG through plotters' backends.
//!
//! Backends count in whole units, so a scene is painted four times as large: SVG keeps that as the precision of its view
//! box, PNG is averaged down to twice the nominal size, which also smooths edges.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, RGBColor, ShapeStyle, TextStyle};

use super::font::font;
use super::scene::{Align, HEIGHT, Ink, Scene, Shape, WIDTH};
use crate::error::{Error, Result};

/// Backend units per pixel.
const UNITS: u32 = 4;
/// Backend units averaged into one PNG pixel, each way.
const AVERAGED: u32 = 2;

/// What differs between the backends.
struct Habits {
    /// Where the baseline lies below the top anchor, in em.
    baseline_em: f64,
    /// Thick lines are drawn piece by piece with round corners, instead of as one stroke.
    pieces: bool,
}

/// plotters-svg shifts top-anchored text down by `0.76em`.
const SVG: Habits = Habits { baseline_em: 0.76, pieces: false };
/// plotters' rasteriser puts the baseline half a font height, 1.24 em, below the top.
const BITMAP: Habits = Habits { baseline_em: 0.62, pieces: true };

fn units(pixels: f64) -> i32 {
    // Saturates; scenes are 1000 pixels wide.
    #[allow(clippy::cast_possible_truncation)]
    let whole = (pixels * f64::from(UNITS)).round() as i32;
    whole
}

fn sheet() -> (u32, u32) {
    (units(WIDTH).unsigned_abs(), units(HEIGHT).unsigned_abs())
}

/// The scene as an SVG document of nominal size.
pub(super) fn svg(scene: &Scene) -> Result<String> {
    let (width, height) = sheet();
    let mut text = String::new();
    let mut backend = SVGBackend::with_string(&mut text, (width, height));
    paint(scene, &mut backend, &SVG)?;
    backend.present().map_err(failed)?;
    drop(backend);
    let painted = format!("width=\"{width}\" height=\"{height}\"");
    let nominal = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\"");
    Ok(text.replacen(&painted, &nominal, 1))
}

/// The scene as a PNG of twice the nominal size.
pub(super) fn png(scene: &Scene) -> Result<Vec<u8>> {
    let (width, height) = sheet();
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
    paint(scene, &mut backend, &BITMAP)?;
    backend.present().map_err(failed)?;
    drop(backend);
    let small = averaged(&pixels, width as usize);
    let mut encoded = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut encoded, width / AVERAGED, height / AVERAGED);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    encoder.set_compression(::png::Compression::High);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&small).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(encoded)
}

/// Averages squares of pixels; both sides are multiples of [`AVERAGED`].
fn averaged(pixels: &[u8], width: usize) -> Vec<u8> {
    let side = AVERAGED as usize;
    let stride = width * 3;
    let count = AVERAGED * AVERAGED;
    let mut small = Vec::with_capacity(pixels.len() / (side * side));
    for band in pixels.chunks_exact(stride * side) {
        for x in (0..width).step_by(side) {
            for channel in 0..3 {
                let at = |i: usize| u32::from(band[(i / side) * stride + (x + i % side) * 3 + channel]);
                let sum: u32 = (0..side * side).map(at).sum();
                small.push(u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX));
            }
        }
    }
    small
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(format!("cannot draw a picture: {cause}"))
}

fn filled(ink: Ink) -> ShapeStyle {
    let (red, green, blue) = ink.rgb;
    ShapeStyle { color: RGBColor(red, green, blue).mix(ink.alpha), filled: true, stroke_width: 1 }
}

fn paint<B: DrawingBackend>(scene: &Scene, backend: &mut B, habits: &Habits) -> Result<()> {
    let white = Shape::Rect { corner: (0.0, 0.0), size: (WIDTH, HEIGHT), ink: Ink::solid((255, 255, 255)) };
    std::iter::once(&white).chain(&scene.shapes).try_for_each(|shape| paint_shape(shape, backend, habits))
}

fn paint_shape<B: DrawingBackend>(shape: &Shape, backend: &mut B, habits: &Habits) -> Result<()> {
    let all = |points: &[(f64, f64)]| points.iter().map(|p| (units(p.0), units(p.1))).collect::<Vec<_>>();
    match shape {
        Shape::Rect { corner, size, ink } => {
            let end = (units(corner.0 + size.0), units(corner.1 + size.1));
            backend.draw_rect((units(corner.0), units(corner.1)), end, &filled(*ink), true)
        }
        Shape::Polygon { points, ink } => backend.fill_polygon(all(points), &filled(*ink)),
        Shape::Circle { center, radius, ink } => {
            let at = (units(center.0), units(center.1));
            backend.draw_circle(at, units(*radius).unsigned_abs(), &filled(*ink), true)
        }
        Shape::Line { points, ink, width } => {
            let stroke = ShapeStyle { stroke_width: units(*width).unsigned_abs().max(1), ..filled(*ink) };
            let points = all(points);
            if habits.pieces {
                return in_pieces(&points, stroke, backend);
            }
            backend.draw_path(points, &stroke)
        }
        Shape::Text { at, text, em, align, ink, upright } => {
            let em_units = em * f64::from(UNITS);
            let h_pos = match align {
                Align::Start => HPos::Left,
                Align::Middle => HPos::Center,
                Align::End => HPos::Right,
            };
            let transform = if *upright { FontTransform::Rotate270 } else { FontTransform::None };
            let style = TextStyle {
                font: font(em_units)?.transform(transform),
                color: filled(*ink).color.to_backend_color(),
                pos: Pos::new(h_pos, VPos::Top),
            };
            let rise = em * habits.baseline_em;
            let (x, y) = if *upright { (at.0 - rise, at.1) } else { (at.0, at.1 - rise) };
            backend.draw_text(text, &style, (units(x), units(y)))
        }
    }
    .map_err(failed)
}

fn in_pieces<B: DrawingBackend>(points: &[(i32, i32)], stroke: ShapeStyle, backend: &mut B) -> Result<()> {
    for pair in points.windows(2) {
        backend.draw_line(pair[0], pair[1], &stroke).map_err(failed)?;
    }
    let inner = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
    for corner in inner.iter().filter(|_| stroke.stroke_width > UNITS && stroke.color.3 >= 1.0) {
        backend.draw_circle(*corner, stroke.stroke_width / 2, &stroke.filled(), true).map_err(failed)?;
    }
    Ok(())
}
