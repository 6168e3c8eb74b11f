//! What all pictures of a comparison share: its capacities by size, its policies by merit, the axis of capacities, words.

use crate::metrics::{CurvePoint, PolicyCurve, TraceCurves};
use crate::report::draw::{Axis, Scale};

/// Where LRU and Belady are closer than one lookup in so many, there is no share of their distance.
const DISTANCE_MIN: u64 = 1000;
/// Where they are closer than one lookup in so many, that share says little and gets no mark of its own.
const TELLING_MIN: f64 = 200.0;
/// Policies are ranked where Belady hits no more than this many percent; above it there is little left to win.
const CONTESTED_PERCENT: u64 = 95;
/// The policies that stand out in pictures of many.
const BEST: usize = 5;

/// A policy with the mean share of the distance from LRU to Belady that it recovers.
#[derive(Clone, Copy)]
pub(super) struct Ranked<'a> {
    pub curve: &'a PolicyCurve,
    /// `None` where LRU and Belady are alike at every capacity.
    pub mean: Option<f64>,
}

/// A comparison prepared for drawing.
pub(super) struct CurveSheet<'a> {
    pub of: &'a TraceCurves,
    /// Positions of the capacities, smallest first.
    pub order: Vec<usize>,
    /// Positions of the capacities over which policies are ranked, smallest first: from the experts of one token on, where
    /// there is something to win. Where there are none, all at which LRU and Belady differ.
    pub contested: Vec<usize>,
    /// All policies but those that hit whatever can hit, best first.
    pub ranked: Vec<Ranked<'a>>,
}

impl<'a> CurveSheet<'a> {
    pub(super) fn new(of: &'a TraceCurves) -> Self {
        let mut order: Vec<usize> = (0..of.capacities.len()).collect();
        order.sort_by_key(|at| of.capacities[*at].experts);
        let mut sheet = Self { of, order, contested: Vec::new(), ranked: Vec::new() };
        sheet.contested = sheet.contested();
        let curves = of.curves.iter().filter(|curve| !sheet.hits_all(curve));
        let mut ranked: Vec<Ranked<'_>> =
            curves.map(|curve| Ranked { curve, mean: sheet.mean(curve) }).collect();
        let key = |one: &Ranked<'_>| one.mean.unwrap_or(f64::NEG_INFINITY);
        // Among equals LRU, then the first.
        let is_other = |one: &Ranked<'_>| one.curve.name != "lru";
        ranked.sort_by(|a, b| key(b).total_cmp(&key(a)).then(is_other(a).cmp(&is_other(b))));
        sheet.ranked = ranked;
        sheet
    }

    fn contested(&self) -> Vec<usize> {
        let differ = |at: &usize| self.distance(*at).is_some();
        let is_open = |at: &usize| {
            let hits = self.belady(*at).map(|misses| self.lookups().saturating_sub(misses));
            hits.is_some_and(|hits| {
                hits.saturating_mul(100) <= self.lookups().saturating_mul(CONTESTED_PERCENT)
            })
        };
        let all = || self.order.iter().copied().filter(differ);
        let contested: Vec<usize> = all().filter(|at| self.is_above_cycle(*at) && is_open(at)).collect();
        if contested.is_empty() { all().collect() } else { contested }
    }

    /// Positions of the capacities at which a share recovered deserves a mark, smallest first.
    pub(super) fn telling(&self) -> Vec<usize> {
        let is_telling = |at: &usize| {
            self.distance(*at).is_some_and(|distance| distance * TELLING_MIN >= self.lookups() as f64)
        };
        let all = || self.order.iter().copied().filter(is_telling);
        let above: Vec<usize> = all().filter(|at| self.is_above_cycle(*at)).collect();
        if above.is_empty() { all().collect() } else { above }
    }

    /// Lookups of the phase that is judged.
    pub(super) fn lookups(&self) -> u64 {
        self.of.judged(self.of.lookups())
    }

    /// The phase that is judged.
    pub(super) fn phase(&self) -> &'static str {
        if self.of.judges_decode() { "decode" } else { "prefill" }
    }

    /// The point of a policy at a capacity; `None` where its pools hold more than that, which no other may.
    pub(super) fn point(&self, curve: &'a PolicyCurve, at: usize) -> Option<&'a CurvePoint> {
        curve.points.get(at).filter(|point| point.room <= self.of.capacities[at].room)
    }

    /// Judged misses of LRU.
    pub(super) fn lru(&self, at: usize) -> Option<u64> {
        let curve = self.of.curve("lru").and_then(|curve| curve.points.get(at));
        let exact =
            || (!self.of.lru_needs.is_empty()).then(|| self.of.lru_misses(self.of.capacities[at].experts));
        curve.map(|point| self.of.judged(point.misses)).or_else(exact)
    }

    /// Judged misses by Belady's rule.
    pub(super) fn belady(&self, at: usize) -> Option<u64> {
        let curve = self.of.curve("belady").and_then(|curve| curve.points.get(at));
        let exact = || {
            (!self.of.belady_needs.is_empty()).then(|| self.of.belady_misses(self.of.capacities[at].experts))
        };
        curve.map(|point| self.of.judged(point.misses)).or_else(exact)
    }

    /// Misses that LRU has beyond Belady's; `None` where they are too few.
    fn distance(&self, at: usize) -> Option<f64> {
        let distance = self.lru(at)?.checked_sub(self.belady(at)?)?;
        (distance > 0 && distance.saturating_mul(DISTANCE_MIN) >= self.lookups()).then_some(distance as f64)
    }

    /// Share of the distance from LRU to Belady that a policy recovers at a capacity, in percent.
    pub(super) fn recovered(&self, curve: &'a PolicyCurve, at: usize) -> Option<f64> {
        let misses = self.of.judged(self.point(curve, at)?.misses);
        Some((self.lru(at)? as f64 - misses as f64) * 100.0 / self.distance(at)?)
    }

    fn mean(&self, curve: &'a PolicyCurve) -> Option<f64> {
        let shares: Vec<f64> = self.contested.iter().filter_map(|at| self.recovered(curve, *at)).collect();
        (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
    }

    /// Whether it is a bound that misses first lookups alone at any capacity.
    pub(super) fn hits_all(&self, curve: &PolicyCurve) -> bool {
        let first = self.of.judged(self.of.compulsory);
        let is_first = |point: &CurvePoint| self.of.judged(point.misses) == first;
        curve.is_bound && curve.name != "belady" && curve.points.iter().all(is_first)
    }

    /// The best that an engine could run, LRU and the floor apart.
    pub(super) fn best(&self) -> Vec<Ranked<'a>> {
        let ranked = self.ranked.iter().filter(|one| {
            one.mean.is_some()
                && one.curve.is_candidate()
                && !["lru", "random"].contains(&one.curve.name.as_str())
        });
        ranked.take(BEST).copied().collect()
    }

    /// The capacity in the middle of those that policies are ranked over, or of all.
    pub(super) fn middle(&self) -> Option<usize> {
        let among = if self.contested.is_empty() { &self.order } else { &self.contested };
        among.get(among.len() / 2).copied()
    }

    /// Where a point lies on the axis: at what its pools hold.
    pub(super) fn place(&self, point: &CurvePoint, at: usize) -> f64 {
        let asked = self.of.capacities[at];
        if point.room <= asked.room || asked.room == 0 {
            return asked.experts as f64;
        }
        asked.experts as f64 * (point.room as f64 / asked.room as f64)
    }

    /// Up to which capacity curves are drawn.
    pub(super) fn reach(&self) -> f64 {
        let places = |curve: &'a PolicyCurve| {
            curve.points.iter().zip(0..self.order.len()).map(|(point, at)| self.place(point, at))
        };
        let asked = self.order.iter().map(|at| self.of.capacities[*at].experts as f64);
        let reach = asked.chain(self.of.curves.iter().flat_map(places)).fold(0.0, f64::max);
        if self.order.len() < 2 { reach.max(self.of.all_experts() as f64) } else { reach }
    }

    /// Capacities in experts, in percent of all, and as a size where it is known.
    pub(super) fn axis(&self) -> Axis {
        let (reach, all) = (self.reach(), self.of.all_experts() as f64);
        let mut axis = Axis::new("capacity of the cache in experts", Scale::linear(0.0, reach));
        if all > 0.0 {
            let percent = Scale::linear(0.0, reach * 100.0 / all).ticks(11).into_iter();
            axis.ticks = percent
                .map(|(percent, _)| (percent * all / 100.0, format!("{:.0}", percent * all / 100.0)))
                .collect();
            let size: u64 = self.of.expert_bytes.iter().sum();
            let known = if size > 0 { "share of all experts, size" } else { "share of all experts" };
            axis.percent_of = Some((known.to_owned(), all));
            axis.bytes_per_unit = (size > 0).then(|| size as f64 / self.of.layers.max(1) as f64);
        }
        axis
    }

    /// Whether LRU can hit at a capacity, as far as that depends on one token's experts.
    pub(super) fn is_above_cycle(&self, at: usize) -> bool {
        self.of.capacities[at].experts >= self.of.cycle_experts()
    }
}
