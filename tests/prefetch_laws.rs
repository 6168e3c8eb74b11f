//! Laws of prefetching: what every predictor must do, what each of them finds on a stream made for it, and what the
//! mechanism keeps whatever it is driven with.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "prefetch_laws/drive.rs"]
mod drive;
#[path = "prefetch_laws/mechanism.rs"]
mod mechanism;

use std::sync::Arc;

use moesim::prefetch::predictors::GateLookahead;
use moesim::prefetch::{Ask, Observed, Predictor, PredictorRegistry, PredictorRow, Profile, conformance};
use moesim::trace::{Phase, Trace, TraceBuilder, TraceHeader};

use drive::{build, observe, predict};

#[test]
fn every_predictor_conforms() {
    let registry = PredictorRegistry::default();
    let laws = registry.rows().iter().map(|row| conformance::check(row).map_err(|law| eprintln!("{law}")));
    assert_eq!(laws.filter(Result::is_err).count(), 0);
    let oracles: Vec<&str> =
        registry.rows().iter().filter(|row| row.is_oracle).map(|row| row.name.as_str()).collect();
    assert_eq!(oracles, ["oracle"]);
}

/// Breaks a law of the suite, one for each number.
struct Lawless(u32, u64);

impl Predictor for Lawless {
    fn begin_sequence(&mut self) {}

    fn observe(&mut self, _: &Observed<'_>) {
        self.1 += 1;
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        out.extend(match self.0 {
            0 => vec![0; ask.limit.min(2)],
            1 => vec![u32::MAX; ask.limit.min(1)],
            2 => (0..u32::try_from(ask.limit).unwrap().min(3) + 1).collect(),
            _ => vec![u32::try_from(self.1 % 7).unwrap(); ask.limit.min(1)],
        });
    }
}

#[test]
fn the_suite_refuses_what_breaks_a_law() {
    for (number, law) in [
        (0, "an expert twice"),
        (1, "does not exist"),
        (2, "more experts than the limit"),
        (3, "earlier sequences change"),
    ] {
        let row = PredictorRow::new("lawless", "", move |_| Lawless(number, 0));
        let found = conformance::check(&row).unwrap_err();
        assert!(found.contains(law), "{law}: {found}");
    }
}

#[test]
fn the_oracle_names_the_truth() {
    let mut oracle = build("oracle", 2, 8, None);
    for (limit, expected) in [(9, vec![5, 0, 3]), (2, vec![5, 0]), (0, vec![])] {
        let mut out = Vec::new();
        let ask = Ask { from_layer: 0, target: 1, distance: 1, pass: 0, limit, truth: &[5, 0, 3] };
        oracle.predict(&ask, &mut out);
        assert_eq!(out, expected);
    }
}

#[test]
fn previous_token_is_perfect_where_nothing_changes() {
    let mut predictor = build("previous-token", 3, 8, None);
    predictor.begin_sequence();
    let events = [[4, 1], [7, 0], [2, 3]];
    for pass in 0..4 {
        for layer in 0..3_u32 {
            observe(&mut *predictor, pass, layer, &events[layer as usize]);
            for distance in 1..=3 {
                let target = (layer + distance) % 3;
                let known = pass > 0 || target <= layer;
                let expected: &[u32] = if known { &events[target as usize] } else { &[] };
                assert_eq!(predict(&mut *predictor, layer, target, distance, 2), expected);
            }
        }
    }
    predictor.begin_sequence();
    assert!(predict(&mut *predictor, 0, 1, 1, 2).is_empty(), "another sequence's past");
}

#[test]
fn popularity_counts_and_prefers_the_lower_number() {
    let mut predictor = build("popularity", 2, 8, None);
    for (pass, experts) in [[6, 3], [3, 5], [5, 2]].iter().enumerate() {
        observe(&mut *predictor, pass as u64, 1, experts);
    }
    assert_eq!(predict(&mut *predictor, 0, 1, 1, 3), [3, 5, 2]);
    assert_eq!(predict(&mut *predictor, 0, 1, 1, 8), [3, 5, 2, 6], "what was never asked for is not named");
    assert!(predict(&mut *predictor, 1, 0, 1, 8).is_empty());
}

/// Recall over many questions, in parts per million.
fn recall(predictor: &mut GateLookahead, distance: u32, truth: &[u32], experts: u32) -> u64 {
    const QUESTIONS: u64 = 40_000;
    let (mut found, mut out) = (0, Vec::new());
    let mut named = vec![0_u64; experts as usize];
    for pass in 0..QUESTIONS {
        out.clear();
        predictor.predict(&Ask { from_layer: 0, target: 1, distance, pass, limit: 64, truth }, &mut out);
        assert_eq!(out.len(), truth.len(), "a miss is replaced by another");
        found += out.iter().filter(|expert| truth.contains(expert)).count() as u64;
        out.iter().for_each(|expert| named[*expert as usize] += 1);
    }
    // No expert that is not true stands in for a missed one more often than its fair share, within a tenth.
    let wrong = QUESTIONS * truth.len() as u64 - found;
    let fair = wrong / (u64::from(experts) - truth.len() as u64);
    for expert in (0..experts).filter(|expert| !truth.contains(expert)) {
        assert!(named[expert as usize].abs_diff(fair) <= fair / 10 + 50, "expert {expert}: {named:?}");
    }
    found * 1_000_000 / (QUESTIONS * truth.len() as u64)
}

#[test]
fn gate_lookahead_finds_as_much_as_it_should() {
    let asked = [930_000, 810_000, 0, 1_000_000, 500_000];
    let mut predictor = GateLookahead::new(8, 16, 7, &asked);
    for (distance, ppm) in (1..).zip(asked.into_iter().chain([500_000, 500_000])) {
        let found = recall(&mut predictor, distance, &[3, 9, 0, 12], 16);
        assert!(
            found.abs_diff(u64::from(ppm)) <= 10_000,
            "distance {distance}: {found} instead of {ppm} ppm"
        );
    }
}

#[test]
fn gate_lookahead_draws_by_event_alone() {
    let (all, few) = ([1, 2, 3, 4], [5, 6]);
    let ask = |pass, distance, truth| Ask { from_layer: 0, target: 1, distance, pass, limit: 8, truth };
    let answer = |predictor: &mut GateLookahead, ask: &Ask<'_>| {
        let mut out = Vec::new();
        predictor.predict(ask, &mut out);
        out
    };
    let mut one = GateLookahead::new(8, 64, 3, &[800_000, 400_000]);
    let mut two = one.clone();
    for pass in 0..200 {
        let here = answer(&mut one, &ask(pass, 1, &all));
        // The other has drawn for more events before.
        answer(&mut two, &ask(pass + 1_000, 2, &few));
        assert_eq!(answer(&mut two, &ask(pass, 1, &all)), here);
        let farther = answer(&mut two, &ask(pass, 2, &all));
        assert!(farther.iter().filter(|expert| all.contains(expert)).all(|expert| here.contains(expert)));
    }
    // Where nearly everything is true, there are fewer wrong experts than misses, and never one twice.
    let mut blind = GateLookahead::new(8, 5, 3, &[0]);
    assert_eq!(answer(&mut blind, &ask(0, 1, &all)), [0]);
    let mut unknown = GateLookahead::new(8, 5, 3, &[]);
    assert!(answer(&mut unknown, &ask(0, 1, &all)).is_empty());
}

const LAYERS: u32 = 4;
const EXPERTS: u32 = 16;

/// A rule without chance: what layer `layer` of pass `pass` asks for follows from the experts before it.
fn planted(pass: u64, layer: u32, salt: u32) -> [u32; 2] {
    let phase = (u32::try_from(pass % 4).unwrap() * LAYERS + layer) * 7 + salt;
    [phase % EXPERTS, (phase + 3) % EXPERTS]
}

/// A trace of planted sequences, one for each salt.
fn planted_trace(salts: &[u32], passes: u64) -> Trace {
    let header = TraceHeader {
        layer_ids: (0..LAYERS).collect(),
        experts: EXPERTS,
        top_k: 2,
        ..TraceHeader::default()
    };
    let mut builder = TraceBuilder::new(header).unwrap();
    for salt in salts {
        builder.begin_sequence("", 0).unwrap();
        for pass in 0..passes {
            let row = (0..LAYERS).flat_map(|layer| planted(pass, layer, *salt));
            let row: Vec<u16> = row.map(|expert| u16::try_from(expert).unwrap()).collect();
            builder.push(Phase::Decode, &row).unwrap();
        }
    }
    builder.finish().unwrap()
}

/// The share of right answers of a predictor over the passes of one planted sequence, right and asked.
fn right(predictor: &mut dyn Predictor, passes: std::ops::Range<u64>, salt: u32, depth: u32) -> (u64, u64) {
    let (mut good, mut asked) = (0, 0);
    for pass in passes {
        for layer in 0..LAYERS {
            observe(predictor, pass, layer, &planted(pass, layer, salt));
            for distance in 1..=depth {
                let target = (layer + distance) % LAYERS;
                let truth = planted(pass + u64::from(layer + distance >= LAYERS), target, salt);
                let answer = predict(predictor, layer, target, distance, 2);
                asked += 2;
                good += truth.iter().filter(|expert| answer.contains(expert)).count() as u64;
            }
        }
    }
    (good, asked)
}

#[test]
fn transition_learns_a_planted_pattern() {
    for profile in [None, Some(Profile::of(Arc::new(planted_trace(&[0], 30))))] {
        let mut predictor = build("transition", LAYERS, EXPERTS, profile.as_ref());
        predictor.begin_sequence();
        if profile.is_none() {
            let (good, asked) = right(&mut *predictor, 0..10, 0, LAYERS);
            assert!(good < asked, "nothing can be known from the first event on");
        }
        predictor.begin_sequence();
        let (good, asked) = right(&mut *predictor, 10..30, 0, LAYERS);
        assert!(good * 100 >= asked * 99, "profile {}: {good} of {asked}", profile.is_some());
    }
}

/// Learning online and counting a profile are the same counting.
#[test]
fn transition_answers_alike_with_and_without_a_profile() {
    let profile = Profile::of(Arc::new(planted_trace(&[0, 5, 9], 12)));
    let mut online = build("transition", LAYERS, EXPERTS, None);
    for distance in 1..=LAYERS {
        predict(&mut *online, 0, distance % LAYERS, distance, 1);
    }
    for salt in [0, 5, 9] {
        online.begin_sequence();
        for pass in 0..12 {
            (0..LAYERS).for_each(|layer| observe(&mut *online, pass, layer, &planted(pass, layer, salt)));
        }
    }
    let mut given = build("transition", LAYERS, EXPERTS, Some(&profile));
    for layer in 0..LAYERS {
        for expert in 0..EXPERTS {
            for predictor in [&mut online, &mut given] {
                predictor.begin_sequence();
                observe(&mut **predictor, 50, layer, &[expert]);
            }
            for distance in 1..=LAYERS {
                let ask = |predictor: &mut Box<dyn Predictor>| {
                    predict(&mut **predictor, layer, (layer + distance) % LAYERS, distance, 16)
                };
                assert_eq!(ask(&mut online), ask(&mut given), "layer {layer}, expert {expert}");
            }
        }
    }
}

/// Two kinds of sequence, each with its own experts in every layer: `kind * 8 ..`, so that they share none.
fn of_kind(kind: u32, pass: u64, layer: u32) -> [u32; 2] {
    let step = u32::try_from(pass % 2).unwrap();
    [kind * 8 + (layer + step) % 3, kind * 8 + 4 + layer % 3]
}

#[test]
fn activation_matrix_recognises_a_repeated_sequence() {
    let mut predictor = build("activation-matrix", LAYERS, EXPERTS, None);
    for kind in [0, 1, 0, 1] {
        predictor.begin_sequence();
        for pass in 0..6 {
            (0..LAYERS).for_each(|layer| observe(&mut *predictor, pass, layer, &of_kind(kind, pass, layer)));
        }
    }
    for kind in [1, 0] {
        predictor.begin_sequence();
        observe(&mut *predictor, 0, 0, &of_kind(kind, 0, 0));
        for target in 1..LAYERS {
            let mut found = predict(&mut *predictor, 0, target, target, 3);
            let mut expected =
                vec![of_kind(kind, 0, target)[0], of_kind(kind, 1, target)[0], of_kind(kind, 0, target)[1]];
            assert_eq!(found[0], expected[2], "what every pass asked for comes first");
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "kind {kind}, layer {target}");
        }
    }
}

/// The match is that of the definition: the largest mean over layers of the cosine of rows, in exact terms where
/// fixed-point numbers could mislead only in a tie.
#[test]
fn activation_matrix_matches_by_cosine() {
    let trace = planted_trace(&[0, 2, 4, 5, 9, 11], 7);
    let profile = Profile::of(Arc::new(trace));
    let mut predictor = build("activation-matrix", LAYERS, EXPERTS, Some(&profile));
    for salt in [0, 1, 2, 3, 4, 5, 7, 9, 11] {
        predictor.begin_sequence();
        let mut running = vec![0_u32; (LAYERS * EXPERTS) as usize];
        for pass in 0..9 {
            for layer in 0..LAYERS {
                let experts = planted(pass * 2, layer, salt);
                observe(&mut *predictor, pass, layer, &experts);
                experts.iter().for_each(|expert| running[(layer * EXPERTS + expert) as usize] += 1);
                let similarity: Vec<f64> = (0..profile.sequences())
                    .map(|member| cosines(&running, profile.sequence(member)))
                    .collect();
                let best = similarity.iter().copied().fold(0.0, f64::max);
                let target = (layer + 1) % LAYERS;
                let found = predict(&mut *predictor, layer, target, 1, 16);
                let near = (0..profile.sequences()).filter(|member| similarity[*member] > best - 1e-6);
                let mut fits = near.map(|member| ranked(profile.sequence(member), target));
                assert!(best == 0.0 || fits.any(|ranked| ranked == found), "{similarity:?}");
            }
        }
    }
}

fn cosines(one: &[u32], two: &[u32]) -> f64 {
    let product =
        |a: &[u32], b: &[u32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let rows = one.chunks_exact(EXPERTS as usize).zip(two.chunks_exact(EXPERTS as usize));
    rows.map(|(a, b)| product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1e-9)).sum()
}

/// The experts of a layer by count, those without any left out.
fn ranked(counts: &[u32], layer: u32) -> Vec<u32> {
    let row = &counts[(layer * EXPERTS) as usize..((layer + 1) * EXPERTS) as usize];
    let mut experts: Vec<u32> = (0..EXPERTS).filter(|expert| row[*expert as usize] > 0).collect();
    experts.sort_by_key(|expert| (std::cmp::Reverse(row[*expert as usize]), *expert));
    experts
}

#[test]
fn a_full_collection_gives_up_the_member_least_matched() {
    let mut predictor = build("activation-matrix", 2, 256, None);
    let sequence = |predictor: &mut dyn Predictor, expert: u32| {
        predictor.begin_sequence();
        observe(predictor, 0, 0, &[expert]);
        let known = predict(predictor, 0, 1, 1, 1);
        observe(predictor, 0, 1, &[expert]);
        known == [expert]
    };
    // Sixty-four members, the first of them matched once more.
    assert!((0..64).all(|expert| !sequence(&mut *predictor, expert)));
    assert!(sequence(&mut *predictor, 0));
    assert!(!sequence(&mut *predictor, 100), "a stranger");
    assert!(sequence(&mut *predictor, 100), "it was learned");
    assert!(sequence(&mut *predictor, 0), "often matched, so it stayed");
    assert!(!sequence(&mut *predictor, 1), "the first that was matched least had to go");
}

#[test]
fn a_profile_counts_rows_sequences_and_what_follows() {
    let header = TraceHeader { layer_ids: vec![1, 2], experts: 4, top_k: 2, ..TraceHeader::default() };
    let mut builder = TraceBuilder::new(header).unwrap();
    for rows in [[[0, 1, 2, 3], [0, 2, 3, u16::MAX]], [[1, 0, 1, 0], [3, u16::MAX, 3, 0]]] {
        builder.begin_sequence("", 0).unwrap();
        rows.iter().for_each(|row| builder.push(Phase::Decode, row).unwrap());
    }
    let profile = Profile::of(Arc::new(builder.finish().unwrap()));
    assert_eq!(profile.selections(), [3, 2, 1, 1, 2, 1, 1, 3]);
    assert_eq!(profile.sequence(0), [2, 1, 1, 0, 0, 0, 1, 2]);
    assert_eq!(profile.sequence(1), [1, 1, 0, 1, 2, 1, 0, 1]);
    let followed = |distance, layer: usize, from: usize, to: usize| {
        profile.transitions(distance)[(layer * 4 + from) * 4 + to]
    };
    assert_eq!(followed(1, 0, 0, 3), 2, "both rows of the first sequence");
    assert_eq!(followed(1, 1, 3, 0), 1, "into the next row");
    assert_eq!(followed(1, 1, 3, 1), 0, "not into the next sequence");
    assert_eq!((followed(2, 0, 0, 2), followed(2, 1, 1, 3)), (1, 1));
    assert!(profile.transitions(0).is_empty() && profile.transitions(3).is_empty());
    assert!(profile.check(2, 4).is_ok());
    let found = profile.check(2, 8).unwrap_err().to_string();
    assert_eq!(found, "a profile of 2 MoE layers with 4 experts each, expected 2 layers with 8 experts each");
}
