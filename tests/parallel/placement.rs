//! Placements: every expert has a rank, ranks hold equally much, tokens are conserved, and a profile helps.

use moesim::serving::parallel::{Placement, PlacementShape, RankLoad, Strategy};
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

fn shape(layers: u32, experts: u32, ranks: u32, redundant: u32) -> PlacementShape {
    PlacementShape { layers, experts, ranks, redundant }
}

/// A shape whose ranks get equally many slots, a profile of it, and tokens of one pass.
fn cases() -> impl proptest::strategy::Strategy<Value = (PlacementShape, Vec<u64>, Vec<u32>)> {
    let shapes = (1_u32..4, 1_u32..9, 1_u32..7, 0_u32..4).prop_map(|(layers, per_rank, ranks, more)| {
        let experts = per_rank * ranks;
        shape(layers, experts, ranks, (more * ranks).min(experts))
    });
    shapes.prop_flat_map(|shape| {
        // Loads over several orders of magnitude, some of them zero.
        let load = (0_u32..20, 0_u64..100).prop_map(|(power, any)| any << power);
        let places = (shape.layers * shape.experts) as usize;
        let profile = prop::collection::vec(load, places);
        (Just(shape), profile, prop::collection::vec(0_u32..40, shape.experts as usize))
    })
}

fn place(strategy: Strategy, shape: PlacementShape, profile: &[u64]) -> Placement {
    Placement::new(strategy, shape, Some(profile)).unwrap()
}

/// The slow and obvious split: one token after another, to the replica next in turn.
fn deal_slowly(placement: &Placement, layer: u32, counts: &[u32]) -> Vec<RankLoad> {
    let shape = placement.shape();
    let mut tokens = vec![vec![0_u64; shape.experts as usize]; shape.ranks as usize];
    let mut place = 0;
    for (expert, count) in counts.iter().enumerate() {
        let owners = placement.owners(layer, u32::try_from(expert).unwrap());
        for _ in 0..*count {
            tokens[usize::from(owners[place % owners.len()])][expert] += 1;
            place += 1;
        }
    }
    let load = |experts: &Vec<u64>| RankLoad {
        tokens: experts.iter().sum(),
        experts: u32::try_from(experts.iter().filter(|tokens| **tokens > 0).count()).unwrap(),
    };
    tokens.iter().map(load).collect()
}

proptest! {
    #[test]
    fn every_expert_has_a_rank_and_ranks_have_equal_slots((shape, profile, _) in cases()) {
        for strategy in Strategy::ALL {
            let placement = place(strategy, shape, &profile);
            let slots = placement.slots_per_rank();
            prop_assert_eq!(slots * shape.ranks, shape.experts + shape.redundant);
            for layer in 0..shape.layers {
                for expert in 0..shape.experts {
                    let owners = placement.owners(layer, expert);
                    prop_assert!(!owners.is_empty());
                    for owner in owners {
                        prop_assert_eq!(owners.iter().filter(|other| *other == owner).count(), 1);
                        let held = placement.experts_of(layer, u32::from(*owner));
                        prop_assert!(held.contains(&u16::try_from(expert).unwrap()));
                    }
                }
                let held = (0..shape.ranks).map(|rank| placement.experts_of(layer, rank).len());
                let owned = (0..shape.experts).map(|expert| placement.owners(layer, expert).len());
                prop_assert!(held.clone().all(|held| held <= slots as usize));
                prop_assert_eq!(held.sum::<usize>(), owned.sum::<usize>());
            }
        }
    }

    #[test]
    fn tokens_are_dealt_out_one_by_one((shape, profile, counts) in cases()) {
        for strategy in Strategy::ALL {
            let placement = place(strategy, shape, &profile);
            for layer in 0..shape.layers {
                let mut loads = vec![RankLoad { tokens: 9, experts: 9 }; shape.ranks as usize];
                placement.split(layer, &counts, &mut loads);
                prop_assert_eq!(&loads, &deal_slowly(&placement, layer, &counts));
                let all: u64 = counts.iter().map(|count| u64::from(*count)).sum();
                prop_assert_eq!(loads.iter().map(|load| load.tokens).sum::<u64>(), all);
                // As evenly as whole numbers allow.
                let mut parts = vec![Vec::new(); shape.experts as usize];
                placement.deal(layer, &counts, |_, expert, tokens| parts[expert as usize].push(tokens));
                for (expert, parts) in (0..shape.experts).zip(&parts) {
                    let owners = placement.owners(layer, expert).len();
                    let least = if parts.len() < owners { 0 } else { parts.iter().copied().min().unwrap_or(0) };
                    prop_assert!(parts.iter().all(|part| *part <= least + 1));
                }
            }
        }
    }

    #[test]
    fn a_profile_and_replicas_never_make_the_busiest_rank_busier((shape, profile, _) in cases()) {
        for layer in 0..shape.layers {
            let selections = &profile[(layer * shape.experts) as usize..][..shape.experts as usize];
            let busiest = |strategy, redundant| {
                let shape = PlacementShape { redundant, ..shape };
                place(strategy, shape, &profile).busiest_permille(layer, selections)
            };
            let mut before = u64::MAX;
            for redundant in (0..=shape.experts).step_by(shape.ranks as usize) {
                let balanced = busiest(Strategy::LoadBalanced, redundant);
                prop_assert!(balanced <= before, "{redundant} redundant: {balanced} after {before}");
                prop_assert!(balanced <= busiest(Strategy::Contiguous, redundant));
                prop_assert!(balanced <= busiest(Strategy::RoundRobin, redundant));
                before = balanced;
            }
        }
    }
}

#[test]
fn examples_to_follow_by_hand() {
    let owners = |placement: &Placement| -> Vec<Vec<u16>> {
        (0..placement.shape().experts).map(|expert| placement.owners(0, expert).to_vec()).collect()
    };
    let even = |strategy, redundant| Placement::new(strategy, shape(1, 4, 2, redundant), None).unwrap();
    assert_eq!(owners(&even(Strategy::Contiguous, 0)), [[0], [0], [1], [1]]);
    assert_eq!(owners(&even(Strategy::RoundRobin, 0)), [[0], [1], [0], [1]]);
    // Without a profile the first experts get the replicas.
    assert_eq!(owners(&even(Strategy::Contiguous, 2)), [vec![0, 1], vec![0, 1], vec![0], vec![1]]);
    // 10 + 1 and 4 + 3, not 10 + 4 and 3 + 1.
    let profile = [10, 4, 3, 1];
    let balanced = |redundant| place(Strategy::LoadBalanced, shape(1, 4, 2, redundant), &profile);
    assert_eq!(owners(&balanced(0)), [[0], [1], [1], [0]]);
    assert_eq!(balanced(0).busiest_permille(0, &profile), 1222); // 11 of 9.
    // Two halves of the hottest, two of the second: 5 + 2 + 3 and 5 + 2 + 1.
    assert_eq!(owners(&balanced(2)), [vec![0, 1], vec![0, 1], vec![0], vec![1]]);
    assert_eq!(balanced(2).busiest_permille(0, &profile), 1111);
    let mut loads = [RankLoad::default(); 2];
    balanced(2).split(0, &[5, 1, 0, 2], &mut loads);
    // Expert 0: 3 and 2. Expert 1 is the sixth token: rank 1. Expert 3: rank 1.
    assert_eq!(loads, [RankLoad { tokens: 3, experts: 1 }, RankLoad { tokens: 5, experts: 3 }]);
}

#[test]
fn mistakes_say_what_would_do() {
    let fails = |strategy, shape, profile: Option<&[u64]>| {
        Placement::new(strategy, shape, profile).unwrap_err().to_string()
    };
    for (found, message) in [
        (
            fails(Strategy::Contiguous, shape(2, 8, 3, 0), None),
            "8 experts and 0 replicas on 3 ranks, expected equally many on each, as with 1 replicas",
        ),
        (
            fails(Strategy::Contiguous, shape(1, 0, 0, 0), None),
            "0 experts on 0 ranks, expected at least one of each and at most 65535 ranks",
        ),
        (fails(Strategy::RoundRobin, shape(1, 4, 2, 6), None), "6 redundant experts, expected at most 4"),
        (
            fails(Strategy::LoadBalanced, shape(1, 4, 2, 0), None),
            "a load-balanced placement without a profile, expected selections of each layer and expert",
        ),
        (
            fails(Strategy::LoadBalanced, shape(2, 4, 2, 0), Some(&[1, 2, 3])),
            "a profile of 3 numbers, expected 2 layers x 4 experts = 8",
        ),
        (
            Strategy::by_name("load-balancd").unwrap_err().to_string(),
            "unknown placement \"load-balancd\", did you mean \"load-balanced\"?",
        ),
    ] {
        assert_eq!(found, message);
    }
    for strategy in Strategy::ALL {
        assert_eq!(Strategy::by_name(strategy.name()), Ok(strategy));
    }
}
