//! Colours that remain distinct for colour-blind readers: the set of Okabe and Ito (2008), with a brown in place of
//! its yellow, which is too pale for a line on white.

use super::marks::Marker;
use super::scene::{Rgb, Stroke};

/// Text and frames.
pub(in crate::report) const INK: Rgb = (34, 34, 34);
/// Secondary text.
pub(in crate::report) const GREY: Rgb = (105, 105, 105);
/// Grid lines.
pub(in crate::report) const LIGHT: Rgb = (226, 226, 226);
/// Areas that are out of reach.
pub(in crate::report) const SHADE: Rgb = (150, 150, 150);

const HUES: [Rgb; 8] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (140, 86, 75),
    (0, 0, 0),
];

/// The colour of the `index`-th series.
pub(in crate::report) fn hue(index: usize) -> Rgb {
    HUES[index % HUES.len()]
}

/// Line and marker of the `index`-th series: colours repeat after eight with another marker and dash. Oracles are
/// always dashed, other series of the first round never.
pub(in crate::report) fn series_look(index: usize, oracle: bool) -> (Stroke, Marker) {
    let round = index / HUES.len();
    let marker = Marker::ALL[(index + round) % Marker::ALL.len()];
    let dash = match (oracle, round) {
        (true, _) => Some((7.0, 4.0)),
        (false, 0) => None,
        (false, 1) => Some((2.0, 2.5)),
        (false, _) => Some((11.0, 3.0)),
    };
    (Stroke { dash, ..Stroke::solid(hue(index), 2.0) }, marker)
}

/// A ramp from nearly white over blue to nearly black, `share` from 0 to 1; lightness falls all the way.
pub(super) fn ramp(share: f64) -> Rgb {
    const STOPS: [(f64, f64, f64); 4] =
        [(247.0, 251.0, 255.0), (134.0, 188.0, 220.0), (0.0, 114.0, 178.0), (4.0, 25.0, 64.0)];
    between(&STOPS, share)
}

/// From a dark orange over white at one half to a dark blue, `share` from 0 to 1.
pub(super) fn diverging(share: f64) -> Rgb {
    const STOPS: [(f64, f64, f64); 5] = [
        (166.0, 60.0, 0.0),
        (238.0, 160.0, 104.0),
        (255.0, 255.0, 255.0),
        (122.0, 182.0, 218.0),
        (0.0, 84.0, 148.0),
    ];
    between(&STOPS, share)
}

fn between(stops: &[(f64, f64, f64)], share: f64) -> Rgb {
    let steps = stops.len() - 1;
    let scaled = share.clamp(0.0, 1.0) * steps as f64;
    let index = (1..steps).filter(|stop| scaled >= *stop as f64).count();
    let (low, high, part) = (stops[index], stops[index + 1], scaled - index as f64);
    // Between two channel values, hence within 0..=255.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let mix = |a: f64, b: f64| (a + (b - a) * part).round() as u8;
    (mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_four_series_all_look_different() {
        let looks: Vec<_> = (0..24).map(|index| series_look(index, false)).collect();
        for (index, look) in looks.iter().enumerate() {
            assert!(!looks[..index].contains(look), "{index}");
        }
    }

    #[test]
    fn the_ramp_darkens_from_end_to_end() {
        let sum = |step: u32| {
            let (r, g, b) = ramp(f64::from(step) / 32.0);
            u32::from(r) + u32::from(g) + u32::from(b)
        };
        assert!((0..32).all(|step| sum(step) > sum(step + 1)));
        assert_eq!((ramp(0.0), ramp(1.0)), ((247, 251, 255), (4, 25, 64)));
    }

    #[test]
    fn the_diverging_ramp_is_white_in_its_middle_alone() {
        let white = |step: u32| diverging(f64::from(step) / 32.0) == (255, 255, 255);
        assert!((0..=32).all(|step| white(step) == (step == 16)));
    }
}
