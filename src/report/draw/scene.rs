//! A picture as a list of shapes, in pixels from the upper left corner of a 1000 x 640 sheet.

/// Width of every picture, in pixels at scale 1.
pub(in crate::report) const WIDTH: f64 = 1000.0;
/// Height of every picture, in pixels at scale 1.
pub(in crate::report) const HEIGHT: f64 = 640.0;

/// A colour.
pub(in crate::report) type Rgb = (u8, u8, u8);

/// A colour and how much it covers what lies below, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Ink {
    pub rgb: Rgb,
    pub alpha: f64,
}

impl Ink {
    /// A colour that covers.
    pub(in crate::report) const fn solid(rgb: Rgb) -> Self {
        Self { rgb, alpha: 1.0 }
    }

    /// A colour that lets what lies below shine through.
    pub(in crate::report) const fn tint(rgb: Rgb, alpha: f64) -> Self {
        Self { rgb, alpha }
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Stroke {
    pub ink: Ink,
    /// Width in pixels.
    pub width: f64,
    /// Pixels drawn and left out in turn; `None` for a solid line.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    /// A solid line.
    pub(in crate::report) const fn solid(rgb: Rgb, width: f64) -> Self {
        Self { ink: Ink::solid(rgb), width, dash: None }
    }

    /// A dashed line.
    pub(in crate::report) const fn dashed(rgb: Rgb, width: f64, on: f64, off: f64) -> Self {
        Self { ink: Ink::solid(rgb), width, dash: Some((on, off)) }
    }
}

/// Which end of a text its position means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Align {
    Start,
    Middle,
    End,
}

/// One shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Rect { corner: (f64, f64), size: (f64, f64), ink: Ink },
    Polygon { points: Vec<(f64, f64)>, ink: Ink },
    Line { points: Vec<(f64, f64)>, ink: Ink, width: f64 },
    Circle { center: (f64, f64), radius: f64, ink: Ink },
    Text { at: (f64, f64), text: String, em: f64, align: Align, ink: Ink, upright: bool },
}

/// A picture: shapes painted in order on white.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::report) struct Scene {
    pub(super) shapes: Vec<Shape>,
}

impl Scene {
    /// A filled rectangle from its upper left corner.
    pub(in crate::report) fn rect(&mut self, corner: (f64, f64), size: (f64, f64), ink: Ink) {
        if size.0 > 0.0 && size.1 > 0.0 {
            self.shapes.push(Shape::Rect { corner, size, ink });
        }
    }

    /// A filled polygon.
    pub(in crate::report) fn polygon(&mut self, points: Vec<(f64, f64)>, ink: Ink) {
        if points.len() > 2 {
            self.shapes.push(Shape::Polygon { points, ink });
        }
    }

    /// A filled disc.
    pub(in crate::report) fn disc(&mut self, center: (f64, f64), radius: f64, ink: Ink) {
        self.shapes.push(Shape::Circle { center, radius, ink });
    }

    /// A line through points; dashes run on around its corners.
    pub(in crate::report) fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let pieces = match stroke.dash {
            None => vec![points.to_vec()],
            Some((on, off)) => dashes(points, on, off),
        };
        for points in pieces.into_iter().filter(|points| points.len() > 1) {
            self.shapes.push(Shape::Line { points, ink: stroke.ink, width: stroke.width });
        }
    }

    /// A horizontal text on a baseline; `em` is the font size in pixels.
    pub(in crate::report) fn text(&mut self, at: (f64, f64), text: &str, em: f64, align: Align, rgb: Rgb) {
        self.push_text(at, text, em, align, rgb, false);
    }

    /// A text that reads upwards, centred on its position.
    pub(in crate::report) fn text_upwards(&mut self, at: (f64, f64), text: &str, em: f64, rgb: Rgb) {
        self.push_text(at, text, em, Align::Middle, rgb, true);
    }

    fn push_text(&mut self, at: (f64, f64), text: &str, em: f64, align: Align, rgb: Rgb, upright: bool) {
        // XML has no way to write control characters.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if !text.trim().is_empty() {
            self.shapes.push(Shape::Text { at, text, em, align, ink: Ink::solid(rgb), upright });
        }
    }
}

/// Cuts a line into pieces of length `on` that leave out `off` between them.
fn dashes(points: &[(f64, f64)], on: f64, off: f64) -> Vec<Vec<(f64, f64)>> {
    let mut pieces = Vec::new();
    let mut piece: Vec<(f64, f64)> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = ((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0)).sqrt();
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let cut = (x0 + (x1 - x0) * done / length, y0 + (y1 - y0) * done / length);
            if drawing {
                piece.push(cut);
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![cut];
            }
            drawing = !drawing;
            left = if drawing { on } else { off };
        }
        left -= length - done;
        if drawing {
            piece.push((x1, y1));
        }
    }
    if drawing {
        pieces.push(piece);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_run_on_around_a_corner() {
        let pieces = dashes(&[(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)], 3.0, 1.0);
        assert_eq!(
            pieces,
            vec![
                vec![(0.0, 0.0), (3.0, 0.0)],
                vec![(4.0, 0.0), (5.0, 0.0), (5.0, 2.0)],
                vec![(5.0, 3.0), (5.0, 5.0)]
            ]
        );
    }

    #[test]
    fn control_characters_and_empty_shapes_are_left_out() {
        let mut scene = Scene::default();
        scene.text((0.0, 0.0), "\u{0}\n", 10.0, Align::Start, (0, 0, 0));
        scene.rect((0.0, 0.0), (0.0, 5.0), Ink::solid((0, 0, 0)));
        scene.line(&[(1.0, 1.0)], Stroke::solid((0, 0, 0), 1.0));
        assert_eq!(scene, Scene::default());
    }
}
