//! Laws of the pictures of a comparison, on curves that are made up.

use super::curve::{curve_page_pictures, layer_scenes, scenes};
use super::curve_sheet::CurveSheet;
use crate::metrics::{CurveCapacity, CurvePoint, CurveSequence, PhaseCounts, PolicyCurve, TraceCurves};
use crate::report::draw::Scene;

const LAYERS: u64 = 2;
const EXPERTS: u64 = 8;
const SEQUENCES: u64 = 3;

fn decode(decode: u64) -> PhaseCounts {
    PhaseCounts { prefill: 0, decode }
}

/// Two layers of eight experts, top 2: a cycle of 4 experts. LRU serves 600 lookups from 4 slots on and 100 more for each
/// slot after that; Belady's rule 200 more for each from 2 to 10. With 16 first lookups these are 1,816.
fn made(slots: &[u64], policies: &[(&str, f64)]) -> TraceCurves {
    let needs = |served: fn(u64) -> u64| (0..=LAYERS * EXPERTS).map(|slots| decode(served(slots))).collect();
    let sequence = CurveSequence { category: String::new(), tokens: decode(152), lookups: decode(605) };
    let mut curves = TraceCurves {
        name: "made".to_owned(),
        layers: LAYERS,
        experts: EXPERTS,
        top_k: 2,
        sequences: vec![sequence; 3],
        lookups_by_layer: vec![decode(908); 2],
        compulsory: decode(16),
        capacities: slots
            .iter()
            .map(|slots| CurveCapacity { share_ppm: slots * 62_500, experts: *slots, room: *slots })
            .collect(),
        lru_needs: needs(|slots| match slots {
            0..4 => 0,
            4 => 600,
            _ => 100,
        }),
        belady_needs: needs(|slots| if (2..=10).contains(&slots) { 200 } else { 0 }),
        ..TraceCurves::default()
    };
    curves.sequences[0].lookups.decode += 1;
    curves.curves = policies.iter().map(|(name, recovered)| policy(&curves, name, *recovered)).collect();
    curves
}

/// A policy that recovers this share of the distance at every capacity.
fn policy(curves: &TraceCurves, name: &str, recovered: f64) -> PolicyCurve {
    let point = |capacity: &CurveCapacity| {
        let (lru, belady) = (curves.lru_misses(capacity.experts), curves.belady_misses(capacity.experts));
        // Between nothing and all lookups.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let misses = (lru as f64 - recovered * (lru as f64 - belady as f64)).clamp(0.0, 1816.0) as u64;
        CurvePoint {
            misses: decode(misses),
            miss_bytes: decode(misses * 1000),
            by_sequence: vec![decode(misses / SEQUENCES); 3],
            by_layer: vec![decode(misses / LAYERS); 2],
            overshoot_max: 0,
            room: capacity.room,
        }
    };
    PolicyCurve {
        name: name.to_owned(),
        is_bound: name.starts_with("belady"),
        in_sample: name == "static",
        points: curves.capacities.iter().map(point).collect(),
    }
}

const POLICIES: [(&str, f64); 7] = [
    ("lru", 0.0),
    ("arc", 0.4),
    ("fifo", -0.5),
    ("mru", -9.0),
    ("random", -0.8),
    ("static", 0.2),
    ("belady", 1.0),
];

fn text(scene: &Scene) -> String {
    format!("{scene:?}")
}

#[test]
fn lru_recovers_nothing_and_belady_all() {
    let slots: Vec<u64> = (0..=16).collect();
    let curves = made(&slots, &POLICIES);
    let sheet = CurveSheet::new(&curves);
    // From the cycle on, where both rules serve 600; with 10 slots Belady misses first lookups alone, and hits more than
    // 95 %.
    assert_eq!(sheet.contested, [5, 6, 7, 8, 9]);
    for at in &sheet.contested {
        for (name, share) in [("lru", 0.0), ("belady", 100.0)] {
            assert_eq!(sheet.recovered(curves.curve(name).unwrap(), *at), Some(share), "{name} at {at}");
        }
    }
    let means: Vec<(&str, Option<f64>)> =
        sheet.ranked.iter().map(|one| (one.curve.name.as_str(), one.mean.map(f64::round))).collect();
    let names: Vec<&str> = means.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["belady", "arc", "static", "lru", "fifo", "random", "mru"]);
    assert_eq!((means[0].1, means[1].1, means[3].1), (Some(100.0), Some(40.0), Some(0.0)));
    let best: Vec<&str> = sheet.best().iter().map(|one| one.curve.name.as_str()).collect();
    assert_eq!(best, ["arc", "fifo", "mru"], "neither bounds, nor LRU, nor chance, nor in sample");
}

#[test]
fn references_need_no_curves_of_their_own() {
    let curves = made(&[4, 8, 12], &POLICIES);
    let mut alone = curves.clone();
    alone.curves.retain(|curve| !["lru", "belady"].contains(&curve.name.as_str()));
    let (with, without) = (CurveSheet::new(&curves), CurveSheet::new(&alone));
    assert_eq!(with.contested, without.contested);
    for at in 0..3 {
        assert_eq!((with.lru(at), with.belady(at)), (without.lru(at), without.belady(at)));
    }
}

/// In whatever order capacities were asked for, the pictures are the same.
#[test]
fn the_order_of_capacities_is_of_no_importance() {
    let (sorted, shuffled) = (made(&[2, 4, 6, 8, 16], &POLICIES), made(&[8, 2, 16, 6, 4], &POLICIES));
    assert_eq!(scenes(&sorted), scenes(&shuffled));
    assert_eq!(layer_scenes(&sorted), layer_scenes(&shuffled));
}

#[test]
fn pools_with_more_room_do_not_compete() {
    let mut curves = made(&[2, 6, 8], &POLICIES);
    curves.curves[1].points[0].room = 4;
    let sheet = CurveSheet::new(&curves);
    assert!(sheet.point(&curves.curves[1], 0).is_none());
    assert_eq!(sheet.place(&curves.curves[1].points[0], 0), 4.0);
    assert_eq!(sheet.place(&curves.curves[1].points[1], 1), 6.0);
}

#[test]
fn many_policies_are_all_named() {
    let names: Vec<String> = (0..30).map(|index| format!("policy-{index:02}")).collect();
    let mut policies = POLICIES.to_vec();
    let more = names.iter().enumerate();
    policies.extend(more.map(|(index, name)| (name.as_str(), 0.5 - index as f64 / 20.0)));
    let all = scenes(&made(&[2, 4, 6, 8, 10, 12, 14, 16], &policies));
    for picture in ["recovered", "heat_map"] {
        let scene = &all.iter().find(|(name, _)| *name == picture).unwrap().1;
        for name in policies.iter().map(|(name, _)| format!("\"{name}")) {
            assert!(text(scene).contains(&name), "{name} in {picture}");
        }
    }
}

/// What is odd about some curves.
type Change = fn(&mut TraceCurves);

#[test]
fn odd_curves_are_drawn() {
    let changes: [(&str, Change); 16] = [
        ("nothing at all", |curves| *curves = TraceCurves::default()),
        ("no curves", |curves| curves.curves.clear()),
        ("no capacities", |curves| *curves = made(&[], &POLICIES)),
        ("one capacity", |curves| *curves = made(&[6], &POLICIES)),
        ("no room", |curves| *curves = made(&[0], &POLICIES)),
        ("one capacity twice", |curves| *curves = made(&[6, 6], &POLICIES)),
        ("all below the cycle", |curves| *curves = made(&[1, 2, 3], &POLICIES)),
        ("no bound by slots", |curves| curves.belady_needs.clear()),
        ("no bound", |curves| {
            curves.belady_needs.clear();
            curves.curves.retain(|curve| !curve.is_bound);
        }),
        ("neither reference", |curves| {
            (curves.belady_needs, curves.lru_needs) = (Vec::new(), Vec::new());
            curves.curves.retain(|curve| curve.name == "arc");
        }),
        ("no lookups", |curves| curves.sequences.iter_mut().for_each(|one| one.lookups = decode(0))),
        ("no sequences", |curves| curves.sequences.clear()),
        ("no points", |curves| curves.curves.iter_mut().for_each(|curve| curve.points.clear())),
        ("no counts by layer or sequence", |curves| {
            for point in curves.curves.iter_mut().flat_map(|curve| &mut curve.points) {
                (point.by_layer, point.by_sequence) = (Vec::new(), Vec::new());
            }
        }),
        ("one size", |curves| curves.expert_bytes = vec![1 << 20; 2]),
        ("two sizes", |curves| {
            curves.expert_bytes = vec![1 << 20, 3 << 20];
            curves.belady_needs.clear();
        }),
    ];
    for (what, change) in changes {
        let mut curves = made(&[2, 4, 8, 12, 16], &POLICIES);
        change(&mut curves);
        let count = if curves.sequences.len() < 2 { 5 } else { 6 };
        let (all, layers) = (scenes(&curves), layer_scenes(&curves));
        assert_eq!((all.len(), layers.len()), (count, 2), "{what}");
        for (name, scene) in all.iter().chain(&layers) {
            let text = text(scene);
            assert!(
                !text.contains("NaN") && !text.contains("inf,") && !text.contains("inf)"),
                "{what}: {name}"
            );
            assert!(text.contains("Text"), "{what}: {name}");
        }
    }
}

#[test]
fn prompts_are_judged_where_nothing_is_decoded() {
    let mut curves = made(&[4, 8, 16], &POLICIES);
    let swap = |counts: &mut PhaseCounts| {
        *counts = PhaseCounts { prefill: counts.decode, decode: counts.prefill };
    };
    curves.sequences.iter_mut().for_each(|one| {
        swap(&mut one.tokens);
        swap(&mut one.lookups);
    });
    curves.lru_needs.iter_mut().chain(&mut curves.belady_needs).for_each(swap);
    curves.lookups_by_layer.iter_mut().chain([&mut curves.compulsory]).for_each(swap);
    for point in curves.curves.iter_mut().flat_map(|curve| &mut curve.points) {
        swap(&mut point.misses);
    }
    let sheet = CurveSheet::new(&curves);
    assert_eq!((sheet.lookups(), sheet.phase()), (1816, "prefill"));
    assert!(scenes(&curves).iter().all(|(_, scene)| text(scene).contains("prefill")));
}

#[test]
fn the_page_has_two_pictures_for_each_trace() {
    let mut odd = made(&[4, 8, 16], &POLICIES);
    odd.name = "a/b c".to_owned();
    let files = curve_page_pictures(&[made(&[4, 8], &POLICIES), odd]).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "policies-made-hit_rate.svg",
            "policies-made-recovered.svg",
            "policies-a-b-c-hit_rate.svg",
            "policies-a-b-c-recovered.svg"
        ]
    );
    assert!(files.iter().all(|(_, bytes)| bytes.starts_with(b"<svg")));
}
