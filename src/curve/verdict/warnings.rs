//! What a reader must know before trusting the curves of a trace.

use super::reference::References;
use super::winner::judged_sequences;
use crate::metrics::{CapacityVerdict, CurveWarning, DRIFT_POINTS, MISMATCH_POINTS, PolicyCurve};

/// All warnings, those on the capacities first.
pub(super) fn warnings(
    references: &References<'_>,
    capacities: &[CapacityVerdict],
    ascending: &[usize],
) -> Vec<CurveWarning> {
    let curves = references.curves;
    let mut warnings = Vec::new();
    let (below, above): (Vec<usize>, Vec<usize>) =
        ascending.iter().copied().partition(|at| references.is_below_cycle(*at));
    if !below.is_empty() {
        let cycle_experts = curves.cycle_experts();
        warnings.push(CurveWarning::BelowCycle { capacities: below, cycle_experts });
    }
    let policies = curves.curves.iter().enumerate();
    warnings.extend(
        policies.filter_map(|(index, curve)| mismatch(references, capacities, &above, (index, curve))),
    );
    warnings.extend(curves.curves.iter().filter_map(|curve| exceeds(references, ascending, curve)));
    let in_sample: Vec<String> =
        curves.curves.iter().filter(|curve| curve.in_sample).map(|curve| curve.name.clone()).collect();
    if !in_sample.is_empty() {
        warnings.push(CurveWarning::InSample { policies: in_sample });
    }
    warnings.extend(drift(references));
    warnings.extend(of_the_whole(references));
    warnings
}

/// A policy that no engine would be better off with than with random victims.
fn mismatch(
    references: &References<'_>,
    capacities: &[CapacityVerdict],
    above: &[usize],
    (index, curve): (usize, &PolicyCurve),
) -> Option<CurveWarning> {
    if curve.is_bound || curve.name == "random" {
        return None;
    }
    let under_lru = |at: usize| capacities[at].policies[index].over_lru_points.map(|points| -points);
    let fails = |at: &usize| {
        let misses = references.misses(&curve.points[*at]);
        let far = under_lru(*at).is_some_and(|points| points >= MISMATCH_POINTS);
        far && references.random_misses(*at).is_some_and(|random| misses >= random)
    };
    let found: Vec<usize> = above.iter().copied().filter(fails).collect();
    let farther = |a: &usize, b: &usize| {
        let of = |at: usize| under_lru(at).unwrap_or(0.0);
        of(*a).total_cmp(&of(*b)).then(b.cmp(a))
    };
    let worst = found.iter().copied().max_by(farther)?;
    Some(CurveWarning::Mismatch { policy: curve.name.clone(), capacities: found, worst })
}

fn exceeds(references: &References<'_>, ascending: &[usize], curve: &PolicyCurve) -> Option<CurveWarning> {
    let over = |at: &usize| curve.points[*at].room > references.curves.capacities[*at].room;
    let capacities: Vec<usize> = ascending.iter().copied().filter(over).collect();
    let room = curve.points[*capacities.first()?].room;
    Some(CurveWarning::ExceedsCapacity { policy: curve.name.clone(), capacities, room })
}

fn drift(references: &References<'_>) -> Option<CurveWarning> {
    let drift = references.curves.drift?;
    let share = |ppm: u64| ppm as f64 / 1e6;
    let (own, carried) = (share(drift.own_ppm), share(drift.carried_ppm));
    ((own - carried) * 100.0 >= DRIFT_POINTS).then_some(CurveWarning::Drift { own, carried })
}

/// What limits the judgement as such.
fn of_the_whole(references: &References<'_>) -> Vec<CurveWarning> {
    let curves = references.curves;
    let sequences = judged_sequences(curves).count() as u64;
    let differ = curves.expert_bytes.windows(2).any(|pair| pair[0] != pair[1]);
    let no_belady = (0..curves.capacities.len()).any(|at| references.belady_misses(at).is_none());
    let found = [
        (sequences < 2, CurveWarning::TooFewSequences { sequences }),
        (sequences >= 2 && references.lru.is_none(), CurveWarning::NoLru),
        (no_belady, CurveWarning::NoBelady),
        (differ && !no_belady, CurveWarning::SizesDiffer),
    ];
    found.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning).collect()
}
