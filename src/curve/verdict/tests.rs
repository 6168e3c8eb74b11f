//! Laws of the judgement on small made traces.

use super::judge;
use crate::cache::{Grouping, Registry, Scope};
use crate::curve::{CapacityAsked, CurveRequest, Progress, Series, run_all};
use crate::metrics::{
    CurvePoint, CurveWarning, DISTANCE_MIN_POINTS, PhaseCounts, PolicyCurve, Situation, Standing,
    TraceCurves, Verdict,
};
use crate::trace::{PassOptions, Phase, Trace, TraceBuilder, TraceHeader};

/// A trace of `layers` layers of `experts` experts; `choose(sequence, token, layer)` are the experts of a token.
fn trace(
    (layers, experts, top_k): (u32, u32, u32),
    (sequences, tokens): (u16, u16),
    choose: impl Fn(u16, u16, u32) -> Vec<u16>,
) -> Trace {
    let header = TraceHeader { layer_ids: (0..layers).collect(), experts, top_k, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    for sequence in 0..sequences {
        builder.begin_sequence("", 0).unwrap();
        for token in 0..tokens {
            let ids: Vec<u16> = (0..layers).flat_map(|layer| choose(sequence, token, layer)).collect();
            builder.push(Phase::Decode, &ids).unwrap();
        }
    }
    builder.finish().unwrap()
}

/// Experts that look drawn, low numbers more often than high ones.
fn skewed(sequence: u16, token: u16, layer: u32) -> Vec<u16> {
    let mut state = u32::from(sequence) * 7919 + u32::from(token) * 104_729 + layer * 1_299_709 + 1;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    let rate = draw();
    let first = [0.5, 0.75, 0.9, 0.97].iter().filter(|level| rate > **level).count();
    let first = u16::try_from(first * 3).unwrap() + if draw() > 0.5 { 1 } else { 0 };
    vec![first, first + 2]
}

fn curves(trace: &Trace, names: &[&str], capacities: &[CapacityAsked]) -> TraceCurves {
    let registry = Registry::default();
    let series: Vec<Series> =
        names.iter().map(|name| Series::plain(registry.find(name).unwrap().clone())).collect();
    run(trace, &series, capacities)
}

fn run(trace: &Trace, series: &[Series], capacities: &[CapacityAsked]) -> TraceCurves {
    let request = CurveRequest {
        name: "made".to_owned(),
        trace,
        options: PassOptions::default(),
        grouping: Grouping::Layer,
        clear_between: false,
        series,
        capacities,
        expert_bytes: Vec::new(),
        profile: None,
        seed: 1,
    };
    run_all(&[request], &Progress::default()).unwrap().remove(0)
}

fn shares(count: u64) -> Vec<CapacityAsked> {
    (1..=count).map(|step| CapacityAsked::Share(step * 1_000_000 / count)).collect()
}

fn curve(curves: &TraceCurves, name: &str) -> usize {
    curves.curves.iter().position(|curve| curve.name == name).unwrap()
}

#[test]
fn lru_recovers_nothing_and_belady_everything() {
    let trace = trace((4, 16, 2), (6, 80), skewed);
    let curves = curves(&trace, &["lru", "fifo", "random", "belady"], &shares(16));
    let verdict = judge(&curves);
    let (lru, belady) = (curve(&curves, "lru"), curve(&curves, "belady"));
    let mut defined = 0;
    for at in &verdict.capacities {
        let distance = (at.belady_hit_rate.unwrap() - at.lru_hit_rate.unwrap()) * 100.0;
        assert!(distance >= 0.0);
        let found = (at.policies[lru].recovered, at.policies[belady].recovered);
        if distance >= DISTANCE_MIN_POINTS {
            assert_eq!(found, (Some(0.0), Some(1.0)));
            defined += 1;
        } else {
            assert_eq!(found, (None, None));
        }
        assert_eq!(at.lru_hit_rate, Some(at.policies[lru].hit_rate));
        assert!(!at.policies[belady].competes);
        let equivalent = at.policies[lru].lru_equivalent.unwrap();
        assert_eq!((equivalent.experts, equivalent.more), (at.capacity.experts, 0.0));
    }
    assert!(defined > 5, "{defined}");
    let last = verdict.capacities.last().unwrap();
    assert_eq!(last.winner.as_ref().unwrap().name, "lru", "among equals it is LRU");
}

/// One pass over the trace gives the references where the curves were not asked for.
#[test]
fn references_need_no_curves() {
    let trace = trace((3, 12, 2), (3, 60), |a, b, c| skewed(a, b, c).iter().map(|id| id % 12).collect());
    let all = curves(&trace, &["fifo", "lru", "belady"], &shares(12));
    let alone = curves(&trace, &["fifo"], &shares(12));
    let (all, alone) = (judge(&all), judge(&alone));
    for (with, without) in all.capacities.iter().zip(&alone.capacities) {
        assert_eq!(with.policies[0], without.policies[0]);
        assert_eq!(with.lru_hit_rate, without.lru_hit_rate);
        assert_eq!(with.belady_hit_rate, without.belady_hit_rate);
    }
    assert!(alone.warnings.contains(&CurveWarning::NoLru));
    assert!(!all.warnings.contains(&CurveWarning::NoLru));
}

/// An LRU of the equivalent size hits at least as much, and one of a slot less hits less.
#[test]
fn the_equivalent_is_the_smallest() {
    let trace = trace((4, 16, 2), (4, 80), skewed);
    let curves = curves(&trace, &["lru", "random", "belady"], &shares(8));
    let verdict = judge(&curves);
    for (at, judged) in verdict.capacities.iter().enumerate() {
        for (policy, of) in curves.curves.iter().zip(&judged.policies) {
            let misses = policy.points[at].misses.decode;
            let slots = of.lru_equivalent.unwrap().experts;
            assert!(curves.lru_misses(slots) <= misses);
            if misses != curves.lru_misses(judged.capacity.experts) {
                assert!(slots == 0 || curves.lru_misses(slots - 1) > misses, "{} at {at}", policy.name);
            }
        }
    }
}

/// Every layer goes round all of its experts; four layers of top-1 are a cycle of four.
#[test]
fn less_than_a_token_is_below_the_cycle() {
    let trace = trace((4, 8, 1), (1, 100), |_, token, _| vec![token % 8]);
    let asked = [1, 3, 4, 31, 32].map(CapacityAsked::Experts);
    let verdict = judge(&curves(&trace, &["lru", "belady"], &asked));
    let situations: Vec<_> = verdict.capacities.iter().map(|at| at.situation.unwrap()).collect();
    assert_eq!(
        situations,
        [
            Situation::BelowCycle,
            Situation::BelowCycle,
            Situation::WorkingSetFailure,
            Situation::PolicyFailure,
            Situation::Fine
        ]
    );
    let warning = CurveWarning::BelowCycle { capacities: vec![0, 1], cycle_experts: 4 };
    assert!(verdict.warnings.contains(&warning), "{:?}", verdict.warnings);
    assert!(verdict.warnings.contains(&CurveWarning::TooFewSequences { sequences: 1 }));
    let winner = |at: usize| verdict.capacities[at].winner.as_ref().unwrap();
    assert_eq!((winner(0).name.as_str(), winner(0).paired), ("lru", None));
}

/// The second half uses other experts than the first: counts that are never forgotten hold what is no longer asked for.
#[test]
fn counts_are_a_mismatch_where_popularity_moves() {
    let trace = trace((2, 32, 2), (4, 100), |sequence, token, layer| {
        let hot = skewed(sequence, token, layer)[0] % 6;
        let base = if sequence < 2 { 0 } else { 16 };
        vec![base + hot, base + (hot + 1 + token % 3) % 8]
    });
    let verdict = judge(&curves(&trace, &["lru", "lfu-perfect", "random", "belady"], &shares(8)));
    let drift = verdict.warnings.iter().find(|warning| matches!(warning, CurveWarning::Drift { .. }));
    let Some(CurveWarning::Drift { own, carried }) = drift else { panic!("{:?}", verdict.warnings) };
    assert!(own - carried > 0.5, "{own} {carried}");
    let mismatches: Vec<&str> = verdict
        .warnings
        .iter()
        .filter_map(|warning| match warning {
            CurveWarning::Mismatch { policy, .. } => Some(policy.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(mismatches, ["lfu-perfect"]);
}

/// Policies with these misses at the one capacity in each of these sequences of 1,000 lookups; Belady misses 100.
fn made(policies: &[(&str, &[u64])]) -> TraceCurves {
    let counts = |decode: u64| PhaseCounts { prefill: 0, decode };
    let policy = |(name, misses): &(&str, &[u64])| PolicyCurve {
        name: (*name).to_owned(),
        points: vec![CurvePoint {
            misses: counts(misses.iter().sum()),
            by_sequence: misses.iter().map(|misses| counts(*misses)).collect(),
            ..CurvePoint::default()
        }],
        ..PolicyCurve::default()
    };
    let mut curves = TraceCurves {
        layers: 1,
        experts: 10,
        top_k: 1,
        capacities: vec![crate::metrics::CurveCapacity { experts: 5, room: 5, share_ppm: 500_000 }],
        curves: policies.iter().map(policy).collect(),
        ..TraceCurves::default()
    };
    for _ in policies[0].1 {
        curves.sequences.push(crate::metrics::CurveSequence {
            lookups: counts(1000),
            tokens: counts(1000),
            ..crate::metrics::CurveSequence::default()
        });
    }
    let bound = vec![100; policies[0].1.len()];
    curves.curves.push(PolicyCurve { is_bound: true, ..policy(&("belady", &bound)) });
    curves
}

fn only(verdict: &Verdict) -> &crate::metrics::CapacityVerdict {
    &verdict.capacities[0]
}

#[test]
fn a_lead_counts_where_sequences_agree() {
    // Leads of 1, 2, 3, 4 and 5 points, as in the test of the interval.
    let steady = judge(&made(&[("lru", &[400; 5]), ("new", &[390, 380, 370, 360, 350])]));
    let winner = only(&steady).winner.as_ref().unwrap();
    let paired = winner.paired.unwrap();
    assert_eq!((winner.name.as_str(), paired.sequences, paired.significant), ("new", 5, true));
    assert!((paired.mean_points - 3.0).abs() < 1e-9 && (paired.low_points - 1.0371).abs() < 1e-4);
    assert_eq!(only(&steady).situation, Some(Situation::PolicyFailure));
    let overall = steady.overall.as_ref().unwrap();
    let names: Vec<&str> = overall.ranking.iter().map(|ranked| ranked.name.as_str()).collect();
    assert_eq!(names, ["belady", "new", "lru"]);
    assert_eq!((overall.ranking[1].wins, overall.winner.as_ref()), (1, Some(winner)));
    assert!((overall.ranking[1].mean_recovered - 0.1).abs() < 1e-9);

    let scattered = judge(&made(&[("lru", &[400; 4]), ("new", &[300, 490, 300, 490])]));
    assert!(!only(&scattered).winner.as_ref().unwrap().paired.unwrap().significant);
}

/// Of 5,000 lookups four are 0.08 points, and five are 0.1.
#[test]
fn a_lead_that_rounds_away_is_none() {
    for (misses, expected) in [(396, "lru"), (395, "new")] {
        let verdict = judge(&made(&[("new", &[400, 400, 400, 400, misses]), ("lru", &[400; 5])]));
        assert_eq!(only(&verdict).winner.as_ref().unwrap().name, expected);
        assert_eq!(verdict.overall.unwrap().winner.unwrap().name, expected);
    }
}

#[test]
fn what_no_engine_can_do_does_not_win() {
    let mut curves =
        made(&[("lru", &[400, 400]), ("own", &[200, 200]), ("more", &[200, 200]), ("worse", &[500, 500])]);
    curves.curves[1].in_sample = true;
    curves.curves[2].points[0].room = 6;
    let verdict = judge(&curves);
    assert_eq!(only(&verdict).winner.as_ref().unwrap().name, "lru");
    let standing = |name: &str| {
        let ranking = &verdict.overall.as_ref().unwrap().ranking;
        ranking.iter().find(|ranked| ranked.name == name).unwrap().standing
    };
    assert_eq!(standing("own"), Standing::InSample);
    assert_eq!(standing("more"), Standing::ExceedsCapacity);
    assert_eq!(standing("belady"), Standing::Bound);
    assert_eq!(standing("worse"), Standing::Candidate);
    assert_eq!(only(&verdict).policies[3].recovered, Some(-1.0 / 3.0));
    let expected = [
        CurveWarning::ExceedsCapacity { policy: "more".to_owned(), capacities: vec![0], room: 6 },
        CurveWarning::InSample { policies: vec!["own".to_owned()] },
    ];
    assert_eq!(verdict.warnings, expected);
}

/// With a floor every layer has room for one token, so that a capacity below the cycle is exceeded.
#[test]
fn a_floor_that_exceeds_the_capacity_is_told() {
    let trace = trace((4, 16, 2), (2, 40), skewed);
    let mut row = Registry::default().find("lru").unwrap().clone().scoped(Scope::PerLayer);
    row.name = "by-layer".to_owned();
    let series = [Series { floor: true, ..Series::plain(row) }];
    let verdict = judge(&run(&trace, &series, &[4, 8, 16].map(CapacityAsked::Experts)));
    let warning =
        CurveWarning::ExceedsCapacity { policy: "by-layer+floor".to_owned(), capacities: vec![0], room: 8 };
    assert!(verdict.warnings.contains(&warning), "{:?}", verdict.warnings);
    assert_eq!(
        (verdict.capacities[0].winner.is_none(), verdict.capacities[1].winner.is_some()),
        (true, true)
    );
}

#[test]
fn a_trace_without_lookups_is_judged_without_panic() {
    let verdict = judge(&TraceCurves::default());
    assert_eq!((verdict.capacities.len(), verdict.overall), (0, None));
    let empty = TraceCurves {
        capacities: vec![crate::metrics::CurveCapacity::default()],
        curves: vec![PolicyCurve { points: vec![CurvePoint::default()], ..PolicyCurve::default() }],
        ..TraceCurves::default()
    };
    assert_eq!(judge(&empty).capacities[0].belady_hit_rate, None);
}
