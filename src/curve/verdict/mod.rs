//! What curves show: a pure function from [`TraceCurves`] to a [`Verdict`].
//!
//! Nothing is replayed here. A policy is held against LRU and Belady in one pool for all layers, at each capacity and over a
//! range of them; thresholds and their reasons stand beside the types in `metrics`.

mod overall;
mod reference;
mod statistics;
#[cfg(test)]
mod tests;
mod warnings;
mod winner;

use reference::References;

use crate::metrics::{CapacityVerdict, CurvePoint, Judged, PolicyCurve, TraceCurves, Verdict};

/// Judges all policies on one trace.
pub fn judge(curves: &TraceCurves) -> Verdict {
    let references = References::new(curves);
    let mut ascending: Vec<usize> = (0..curves.capacities.len()).collect();
    ascending.sort_by_key(|at| curves.capacities[*at].room);
    let capacities: Vec<CapacityVerdict> =
        (0..curves.capacities.len()).map(|at| capacity(&references, at)).collect();
    Verdict {
        trace: curves.name.clone(),
        judged_sequences: winner::judged_sequences(curves).count() as u64,
        overall: overall::overall(&references, &capacities, &ascending),
        warnings: warnings::warnings(&references, &capacities, &ascending),
        ascending,
        capacities,
    }
}

fn capacity(references: &References<'_>, at: usize) -> CapacityVerdict {
    let curves = references.curves;
    let rate = |misses: Option<u64>| misses.map(|misses| references.rate(misses));
    let policies: Vec<Judged> =
        curves.curves.iter().map(|curve| judged(references, at, curve, &curve.points[at])).collect();
    CapacityVerdict {
        capacity: curves.capacities[at],
        lru_hit_rate: rate(references.lru_misses(at)),
        belady_hit_rate: rate(references.belady_misses(at)),
        random_hit_rate: rate(references.random_misses(at)),
        situation: references.lru_misses(at).and_then(|misses| references.situation(at, misses)),
        winner: winner::at(references, at, &policies),
        policies,
    }
}

fn judged(references: &References<'_>, at: usize, curve: &PolicyCurve, point: &CurvePoint) -> Judged {
    let misses = references.misses(point);
    Judged {
        hit_rate: references.rate(misses),
        over_lru_points: references.lru_misses(at).map(|lru| references.points(misses, lru)),
        recovered: references.recovered(at, misses),
        situation: references.situation(at, misses),
        lru_equivalent: references.lru_equivalent(at, misses),
        competes: curve.is_candidate() && point.room <= references.curves.capacities[at].room,
    }
}
