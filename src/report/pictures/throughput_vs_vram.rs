//! Decode rate against all the VRAM a point needs, with the card's capacity and the points that do not run.

use super::common::{Sheet, area_entry, legend_of, only, text_entry};
use crate::metrics::Row;
use crate::report::draw::{
    Axis, Chart, Curve, Entry, GREY, Ink, Marker, Plot, SHADE, Scale, Scene, Swatch, size_unit,
};
use crate::report::format::size;
use crate::report::series::Series;

pub(super) const NAME: &str = "throughput_vs_vram";
pub(super) const TITLE: &str = "decode rate against VRAM needed";

const TOO_LARGE: Ink = Ink::tint(SHADE, 0.22);
/// A card with more than this many times the VRAM needed is named beside the plot, lest the data shrink to a corner.
const CARD_RATIO_MAX: u64 = 3;
/// A larger ratio between the highest and the lowest rate makes the axis logarithmic.
const RATE_RATIO_MAX: f64 = 50.0;

fn needed_bytes(row: &Row) -> u64 {
    row.tier("vram").map_or(0, |tier| tier.needed_bytes)
}

pub(super) fn scene(sheet: &Sheet<'_>) -> Scene {
    let largest_bytes = sheet.rows.iter().map(needed_bytes).max().unwrap_or(0);
    if largest_bytes == 0 {
        return sheet.nothing(TITLE, &sheet.no_result());
    }
    let (unit_bytes, bytes) = size_unit(largest_bytes);
    let curves = curves(sheet, unit_bytes);
    let refused: Vec<f64> = sheet
        .rows
        .iter()
        .filter(|row| row.summary().is_none())
        .map(|row| needed_bytes(row) as f64 / unit_bytes)
        .collect();
    let card = only(sheet.rows.iter().filter_map(|row| row.tier("vram")).map(|tier| tier.capacity_bytes));
    let shown = card.filter(|capacity| *capacity / CARD_RATIO_MAX <= largest_bytes);
    let points = || curves.iter().flat_map(|(curve, _)| &curve.points);
    let x: Vec<f64> = points()
        .map(|point| point.0)
        .chain(refused.iter().copied())
        .chain(shown.map(|capacity| capacity as f64 / unit_bytes))
        .collect();
    let x_axis = Axis::new(format!("VRAM needed in all ({bytes})"), Scale::around(&x));
    let mut legend = legend_of(&curves);
    legend.extend(sheet.left_out());
    legend.extend((!refused.is_empty()).then(|| Entry {
        swatch: Swatch::Mark(Marker::Cross, Ink::solid(GREY)),
        text: "cannot run".to_owned(),
    }));
    legend.extend(shown.map(|_| area_entry(TOO_LARGE, "does not fit")));
    legend.extend(match (card, shown) {
        (Some(capacity), None) => Some(text_entry(format!("the card has {}", size(capacity)))),
        (None, _) => Some(text_entry("cards of different sizes".to_owned())),
        _ => None,
    });
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: x_axis,
        y: Axis::new(
            "decode rate (tokens/s)",
            Scale::log_beyond(RATE_RATIO_MAX, &points().map(|p| p.1).collect::<Vec<_>>()),
        ),
        legend,
        line_at: shown
            .map(|capacity| (capacity as f64 / unit_bytes, format!("VRAM of the card, {}", size(capacity)))),
        note: "All tokens over all decode time; VRAM needed is the sum of the memory ledger.".to_owned(),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    if let Some(capacity) = shown {
        shade_beyond(&mut scene, &plot, capacity as f64 / unit_bytes);
    }
    curves.iter().for_each(|(curve, _)| curve.draw(&mut scene, &plot));
    for at in refused {
        let (x, y) = plot.at(at, 0.0);
        Marker::Cross.draw(&mut scene, (x, y - 9.0), 4.5, GREY);
    }
    scene
}

fn curves<'s, 'a>(sheet: &'s Sheet<'a>, unit_bytes: f64) -> Vec<(Curve, &'s Series<'a>)> {
    sheet
        .drawn()
        .map(|(series, stroke, marker)| {
            let rate = |row: &&Row| {
                let rate = row.summary().and_then(|summary| summary.decode_tokens_per_s())?;
                Some((needed_bytes(row) as f64 / unit_bytes, rate))
            };
            let mut points: Vec<(f64, f64)> = series.rows.iter().filter_map(rate).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            (Curve { points, band: Vec::new(), stroke, marker: Some(marker) }, series)
        })
        .filter(|(curve, _)| !curve.points.is_empty())
        .collect()
}

fn shade_beyond(scene: &mut Scene, plot: &Plot, x: f64) {
    let (left, _) = plot.at(x, 0.0);
    scene.rect((left, plot.top), (plot.right - left, plot.bottom - plot.top), TOO_LARGE);
}
