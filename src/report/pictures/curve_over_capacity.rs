//! Curves over capacity, whatever they measure: the best policies stand out before all the others, between what is out of
//! reach and what chance alone achieves.

use super::common::{area_entry, text_entry};
use super::curve_labels::Drawn;
use super::curve_lines::{Line, Measure, area, exact, lone, points, points_of};
use super::curve_sheet::{CurveSheet, Ranked};
use super::curve_words::labelled;
use crate::metrics::PolicyCurve;
use crate::report::draw::{
    Chart, Curve, Entry, GREY, INK, Ink, Marker, Plot, SHADE, Scene, Stroke, Swatch, series_look,
};
use crate::report::format::counted;

const UNREACHABLE: Ink = Ink::tint(SHADE, 0.3);
const BELOW_CHANCE: Ink = Ink::tint(SHADE, 0.12);
const OTHERS: Ink = Ink::tint(GREY, 0.4);
/// The looks from here on are for bounds and for policies that know their own profile, in two colours.
const DASHED_FROM: usize = 5;
/// Names are written beside this many of the worst.
const NAMED_WORST: usize = 2;

/// Everything that is drawn, in groups that look alike.
struct Lines<'a> {
    belady: Option<Line>,
    lru: Option<Line>,
    random: Option<Line>,
    /// Bounds and policies that know their own profile.
    dashed: Vec<Line>,
    best: Vec<Line>,
    others: Vec<(Line, Ranked<'a>)>,
    /// First lookups alone.
    limit: Option<f64>,
    /// What the area beyond Belady is called: where sizes differ, its rule is no bound to the last miss.
    beyond: &'static str,
    /// The capacities over which policies are ranked, in words.
    range: String,
}

pub(super) fn scene(sheet: &CurveSheet<'_>, measure: &Measure<'_>) -> Scene {
    if let Some(scene) = sheet.nothing(&measure.title) {
        return scene;
    }
    let lines = Lines::new(sheet, measure);
    let mut legend = lines.legend(measure);
    let (cycle, text) = sheet.cycle();
    let axis = sheet.axis();
    let is_inside = cycle > 0.0 && axis.scale.contains(cycle);
    if !is_inside {
        legend.push(text_entry(format!("one token: {cycle:.0} experts (off axis)")));
    }
    let chart = Chart {
        title: sheet.title(&measure.title),
        subtitle: sheet.subtitle(),
        x: axis,
        y: measure.y.clone(),
        legend,
        line_at: is_inside.then_some((cycle, text)),
        note: sheet.note(measure.note),
    };
    let mut scene = Scene::default();
    let plot = chart.frame(&mut scene);
    lines.draw(&mut scene, &plot, measure, sheet);
    scene
}

impl<'a> Lines<'a> {
    fn new(sheet: &CurveSheet<'a>, measure: &Measure<'_>) -> Self {
        let bound = Stroke::dashed(INK, 1.8, 9.0, 5.0);
        let belady =
            exact(sheet, measure, &sheet.of.belady_needs).or_else(|| points_of(sheet, measure, "belady"));
        let lru = exact(sheet, measure, &sheet.of.lru_needs).or_else(|| points_of(sheet, measure, "lru"));
        let random = points_of(sheet, measure, "random").map(|points| {
            let nothing = measure.of_misses.map(|of_misses| (0.0, of_misses(sheet.lookups())));
            nothing.into_iter().chain(points.into_iter().filter(|point| point.0 > 0.0)).collect()
        });
        let line = |points, stroke, marker, text: String| Line {
            curve: Curve { points, band: Vec::new(), stroke, marker },
            text,
        };
        let reference = |points: Option<Vec<(f64, f64)>>, stroke, text: &str| {
            points.map(|points| {
                let marker = lone(&points);
                line(points, stroke, marker, text.to_owned())
            })
        };
        let best = sheet.best();
        let is_best = |curve: &PolicyCurve| best.iter().any(|one| one.curve.name == curve.name);
        let is_reference = |curve: &PolicyCurve| ["lru", "belady", "random"].contains(&curve.name.as_str());
        let rest = || sheet.ranked.iter().filter(|one| !is_best(one.curve) && !is_reference(one.curve));
        let look = |(stroke, marker): (Stroke, Marker), one: &Ranked<'a>| {
            let share = one.mean.map_or(String::new(), |mean| format!(", {}", signed(mean)));
            line(points(sheet, measure, one.curve), stroke, Some(marker), labelled(one.curve) + &share)
        };
        let thin = Stroke { ink: OTHERS, ..Stroke::solid(GREY, 1.0) };
        Self {
            belady: reference(belady, bound, "belady (bound: it knows the future)"),
            lru: reference(lru, Stroke::solid(INK, 2.6), "lru"),
            random: reference(random, Stroke::dashed(GREY, 1.6, 4.0, 4.0), "random: what chance achieves"),
            dashed: rest()
                .filter(|one| !one.curve.is_candidate())
                .enumerate()
                .map(|(index, one)| {
                    let (stroke, _) = series_look(DASHED_FROM + index % 2, true);
                    let (_, marker) = series_look(DASHED_FROM + index, true);
                    look((Stroke { width: 1.5, ..stroke }, marker), one)
                })
                .collect(),
            best: best.iter().enumerate().map(|(index, one)| look(series_look(index, false), one)).collect(),
            others: rest()
                .filter(|one| one.curve.is_candidate())
                .map(|one| {
                    let points = points(sheet, measure, one.curve);
                    (line(points.clone(), thin, lone(&points), one.curve.name.clone()), *one)
                })
                .collect(),
            range: sheet.contested_range().map_or(String::new(), |range| format!(", {range}")),
            beyond: if sheet.of.belady_needs.is_empty() { "beyond belady" } else { "out of reach" },
            limit: measure.of_misses.map(|of_misses| of_misses(sheet.of.judged(sheet.of.compulsory))),
        }
    }

    fn legend(&self, measure: &Measure<'_>) -> Vec<Entry> {
        let mut legend = Vec::new();
        legend.extend(self.belady.as_ref().map(Line::entry));
        legend.extend(self.lru.as_ref().map(Line::entry));
        if !self.best.is_empty() {
            legend.push(text_entry("best, by mean share of the way".to_owned()));
            legend.push(text_entry(format!("from lru to belady{}:", self.range)));
        }
        legend.extend(self.best.iter().map(Line::entry));
        if !self.dashed.is_empty() {
            legend.push(text_entry("for comparison, no engine has these:".to_owned()));
        }
        legend.extend(self.dashed.iter().map(Line::entry));
        legend.extend(self.random.as_ref().map(Line::entry));
        if let Some((line, _)) = self.others.first() {
            let text = counted(self.others.len(), "other");
            legend.push(Entry { swatch: Swatch::Line(line.curve.stroke, line.curve.marker), text });
        }
        if self.belady.is_some() || self.limit.is_some() {
            legend.push(area_entry(UNREACHABLE, self.beyond));
        }
        legend.extend(self.random.as_ref().map(|_| area_entry(BELOW_CHANCE, "worse than chance")));
        legend.extend(
            self.limit
                .map(|_| Entry { swatch: Swatch::Line(limit_stroke(), None), text: measure.limit.clone() }),
        );
        legend
    }

    fn draw(&self, scene: &mut Scene, plot: &Plot, measure: &Measure<'_>, sheet: &CurveSheet<'_>) {
        let ((best, worst), reach) = (measure.ends, sheet.reach());
        match (&self.belady, self.limit) {
            (Some(line), _) => area(scene, plot, &line.curve.points, best, UNREACHABLE),
            (None, Some(limit)) => area(scene, plot, &[(0.0, limit), (reach, limit)], best, UNREACHABLE),
            (None, None) => {}
        }
        if let Some(line) = &self.random {
            area(scene, plot, &line.curve.points, worst, BELOW_CHANCE);
        }
        if let Some(limit) = self.limit {
            scene.line(&[plot.at(0.0, limit), plot.at(reach, limit)], limit_stroke());
        }
        let mut drawn = Drawn::default();
        let others = self.others.iter().map(|(line, _)| line);
        let references = self.random.iter().chain(&self.belady).chain(&self.dashed).chain(&self.lru);
        for line in others.chain(references).chain(&self.best) {
            line.draw(scene, plot, &mut drawn);
        }
        // The others are the first lines drawn.
        let named = self.others.iter().enumerate().rev();
        let named = named.filter(|(_, (_, one))| one.mean.is_some_and(|mean| mean < 0.0));
        for (number, (line, one)) in named.take(NAMED_WORST) {
            // Elsewhere lines lie close together.
            let is_contested =
                |x: f64| sheet.contested.iter().any(|at| x == sheet.of.capacities[*at].experts as f64);
            let points = line.curve.points.iter().filter(|(x, _)| is_contested(*x));
            let places: Vec<(f64, f64)> = points.map(|(x, y)| plot.at(*x, *y)).collect();
            drawn.name(scene, plot, (&one.curve.name, GREY), (number, &places));
        }
    }
}

fn limit_stroke() -> Stroke {
    Stroke::dashed(GREY, 1.0, 14.0, 4.0)
}

/// A share in percent with its sign.
fn signed(percent: f64) -> String {
    format!("{percent:+.0} %").replace('-', "\u{2013}")
}
