//! Dollars for a million output tokens against decode latency: every point with a price, and the front of those that
//! nothing real beats in both.

use super::common::{Sheet, only, short_label, text_entry};
use super::pareto::{self, FRONT, Placed};
use crate::metrics::Row;
use crate::report::cost::usd;
use crate::report::draw::{
    Axis, Chart, Entry, Ink, Marker, SHADE, Scale, Scene, Stroke, Swatch, series_look, time_unit,
};
use crate::report::format::size;
use crate::report::series::Varying;
use crate::report::serving::{LoadSeries, Served, is_serving, load_series};

pub(super) const NAME: &str = "cost_vs_latency";
pub(super) const TITLE: &str = "cost per token against decode latency";

/// Where dollars per token over latency differ by less than this, in percent, and machines cost the same, cost only says
/// again what latency says.
const ALIKE_PERCENT: u128 = 125;
/// A larger ratio between the dearest and the cheapest point makes the axis logarithmic.
const LINEAR_RATIO_MAX: f64 = 8.0;

/// Series with marks of their own.
const SERIES_MAX: usize = 24;

/// Latency in nanoseconds and millionths of a dollar for a million output tokens.
type Place = (u64, u64);

fn place(row: &Row) -> Option<Place> {
    let tpot = &row.summary()?.tpot_ns;
    (tpot.count > 0 && tpot.p50 > 0).then_some((tpot.p50, row.microdollars_per_mtok()?))
}

/// Points that look alike.
struct Marks<'a> {
    label: String,
    oracle: bool,
    rows: Vec<&'a Row>,
    stroke: Stroke,
    marker: Marker,
}

/// Series with priced points: those of other pictures, under load those that differ in nothing but the load.
fn marks<'a>(sheet: &Sheet<'a>, serving: bool) -> Vec<Marks<'a>> {
    let named: Vec<(String, bool, Vec<&Row>)> = if serving {
        let rows = |series: &LoadSeries<'a>| series.points.iter().map(|point| point.row).collect();
        let all = load_series(sheet.rows);
        all.iter().map(|series| (series.label.clone(), series.oracle, rows(series))).collect()
    } else {
        sheet.series.iter().map(|series| (series.label.clone(), series.oracle, series.rows.clone())).collect()
    };
    let look = |(index, (label, oracle, rows)): (usize, (String, bool, Vec<&'a Row>))| {
        let (stroke, marker) = series_look(index, oracle);
        Marks { label, oracle, rows, stroke, marker }
    };
    let priced = |marks: &Marks<'_>| marks.rows.iter().any(|row| place(row).is_some());
    named.into_iter().enumerate().map(look).filter(priced).collect()
}

/// Whether cost says more than latency does.
fn differs(rows: &[Row]) -> bool {
    let priced: Vec<(&Row, Place)> = rows.iter().filter_map(|row| Some((row, place(row)?))).collect();
    let machine = |row: &Row| (row.cost.rent_microdollars(), row.cost.purchase_microdollars());
    let Some(((first, _), _)) = priced.split_first() else { return false };
    if priced.iter().any(|(row, _)| machine(row) != machine(first)) {
        return true;
    }
    let slope = |(_, (ns, cost)): &(&Row, Place)| u128::from(*cost) * 1_000_000_000 / u128::from(*ns);
    let (least, most) = (priced.iter().map(slope).min(), priced.iter().map(slope).max());
    least.zip(most).is_some_and(|(least, most)| most * 100 > least * ALIKE_PERCENT)
}

/// `None` where no price is known, or cost is latency in other units.
pub(super) fn scene(sheet: &Sheet<'_>) -> Option<Scene> {
    if !differs(sheet.rows) {
        return None;
    }
    let places: Vec<Place> = sheet.rows.iter().filter_map(place).collect();
    let (unit_ns, time) = time_unit(places.iter().map(|place| place.0).max().unwrap_or(0));
    let scaled = |(ns, cost): Place| (ns as f64 / unit_ns, cost as f64 / 1e6);
    let x: Vec<f64> = places.iter().map(|place| scaled(*place).0).collect();
    let y: Vec<f64> = places.iter().map(|place| scaled(*place).1).collect();
    let serving = is_serving(sheet.rows);
    let marks = marks(sheet, serving);
    let of = if serving { "requests" } else { "sequences" };
    let chart = Chart {
        title: sheet.title(TITLE),
        subtitle: sheet.subtitle.clone(),
        x: Axis::new(
            format!("time per output token, median over {of} ({time})"),
            Scale::log_beyond(LINEAR_RATIO_MAX, &x),
        ),
        y: Axis::new("cost of a million output tokens (USD)", Scale::log_beyond(LINEAR_RATIO_MAX, &y)),
        legend: legend(&marks),
        line_at: None,
        note: note(sheet.rows),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    let at = |place: Place| plot.at(scaled(place).0, scaled(place).1);
    let mut dots: Vec<(f64, f64)> = Vec::new();
    for place in marks.iter().skip(SERIES_MAX).flat_map(|marks| &marks.rows).filter_map(|row| place(row)) {
        scene.disc(at(place), 2.5, Ink::solid(SHADE));
        dots.push(at(place));
    }
    let corners: Vec<Placed<'_, (f64, f64)>> = pareto::fronts(sheet.rows, place)
        .into_iter()
        .map(|front| front.into_iter().map(|(row, place)| (row, at(place))).collect())
        .collect();
    for front in &corners {
        let places: Vec<(f64, f64)> = front.iter().map(|(_, at)| *at).collect();
        let steps = pareto::steps(&places, plot.right);
        scene.line(&steps, FRONT);
        // Labels keep clear of the line.
        dots.extend(steps.windows(2).flat_map(|pair| along(pair[0], pair[1])));
    }
    for marks in marks.iter().take(SERIES_MAX) {
        let places: Vec<(f64, f64)> = marks.rows.iter().filter_map(|row| place(row)).map(at).collect();
        if serving {
            scene.line(&places, Stroke { width: 1.0, ..marks.stroke });
        }
        places.iter().for_each(|place| marks.marker.draw(&mut scene, *place, 4.0, marks.stroke.ink.rgb));
        dots.extend(places);
    }
    let varying = Varying::of(sheet.rows);
    let varied = only(sheet.rows.iter().map(|row| row.config.cache_capacity_bytes)).is_none();
    let label = |row: &Row| {
        let load = Served::of(row).and_then(|served| served.load).map(|load| load.to_string());
        let room = format!(", {}", size(row.config.cache_capacity_bytes));
        let setting = || format!("{}{}", short_label(&varying.label(row)), if varied { &room } else { "" });
        let cost = row.microdollars_per_mtok().map_or_else(String::new, usd);
        format!("{}: {cost}", load.unwrap_or_else(setting))
    };
    pareto::labels(&mut scene, &plot, &corners, &dots, &label);
    Some(scene)
}

/// Places along a straight line, some pixels apart.
fn along((x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    (0..=120).map(move |step| {
        let part = f64::from(step) / 120.0;
        (x + (to_x - x) * part, y + (to_y - y) * part)
    })
}

/// What the cost is made of, and which points have none.
fn note(rows: &[Row]) -> String {
    let ran = || rows.iter().filter(|row| row.output_tokens().is_some());
    let rented = ran().filter(|row| row.cost.rent.is_some()).count();
    let made = match (rented, ran().count()) {
        (0, _) => "Write-off of the purchase and electricity",
        (rented, all) if rented == all => "Rent",
        _ => "Rent where there is one, else write-off of the purchase and electricity",
    };
    let without = ran().filter(|row| row.microdollars_per_mtok().is_none()).count();
    let without = if without > 0 { format!(" {without} points have no price.") } else { String::new() };
    format!("{made}; prices and dates are in results.json.{without}")
}

fn legend(all: &[Marks<'_>]) -> Vec<Entry> {
    let mut legend: Vec<Entry> = all
        .iter()
        .take(SERIES_MAX)
        .filter(|marks| !marks.label.is_empty())
        .map(|marks| Entry {
            swatch: Swatch::Mark(marks.marker, marks.stroke.ink),
            text: short_label(&marks.label),
        })
        .collect();
    let others = all.len().saturating_sub(SERIES_MAX);
    legend.extend((others > 0).then(|| text_entry(format!("{others} more series"))));
    legend.push(Entry { swatch: Swatch::Line(FRONT, None), text: "front of each model".to_owned() });
    let has_oracle = all.iter().any(|marks| marks.oracle);
    legend.extend(has_oracle.then(|| text_entry("(without oracles)".to_owned())));
    legend
}
