//! The best of the policies that compete at a capacity, and its lead over LRU by sequence.

use super::reference::References;
use super::statistics::paired;
use crate::metrics::{DISTANCE_MIN_POINTS, Judged, PairedDifference, PolicyCurve, TraceCurves, Winner};

/// Positions of the sequences that have lookups of the judged phase.
pub(super) fn judged_sequences(curves: &TraceCurves) -> impl Iterator<Item = usize> {
    let asked = |at: &usize| curves.judged(curves.sequences[*at].lookups) > 0;
    (0..curves.sequences.len()).filter(asked)
}

/// The policy of fewest misses, the first among equals, but LRU where it does not lead it by as much as counts.
pub(super) fn at(references: &References<'_>, at: usize, policies: &[Judged]) -> Option<Winner> {
    let curves = &references.curves.curves;
    let competing = || curves.iter().enumerate().filter(|(index, _)| policies[*index].competes);
    let misses = |curve: &PolicyCurve| references.misses(&curve.points[at]);
    let (best, fewest) = competing().min_by_key(|(_, curve)| misses(curve))?;
    let leads = |lru: &PolicyCurve| references.points(misses(fewest), misses(lru)) >= DISTANCE_MIN_POINTS;
    let lru = competing().find(|(_, curve)| curve.name == "lru").filter(|(_, lru)| !leads(lru));
    let curve = lru.map_or(best, |(lru, _)| lru);
    Some(Winner { curve, name: curves[curve].name.clone(), paired: lead(references, curve, &[at]) })
}

/// By how many percentage points a policy's hit rate exceeds LRU's in each sequence, in the mean over some capacities.
pub(super) fn lead(references: &References<'_>, curve: usize, at: &[usize]) -> Option<PairedDifference> {
    let curves = references.curves;
    let (policy, lru) = (&curves.curves[curve], references.lru?);
    if policy.name == lru.name || at.is_empty() {
        return None;
    }
    let lead = |sequence: usize| {
        let lookups = curves.judged(curves.sequences[sequence].lookups) as f64;
        let misses = |of: &PolicyCurve, at: usize| curves.judged(of.points[at].by_sequence[sequence]);
        let leads = at.iter().map(|at| misses(lru, *at) as f64 - misses(policy, *at) as f64);
        leads.sum::<f64>() * 100.0 / lookups / at.len() as f64
    };
    paired(&judged_sequences(curves).map(lead).collect::<Vec<_>>())
}
