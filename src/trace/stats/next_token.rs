//! How much of a token's choice repeats that of the token before it.
//!
//! Only consecutive decode tokens of one sequence count. Two baselines without order stand beside the measured share,
//! both exact expectations over the very tokens of the trace. With `n_i` the decode tokens that chose expert `i`
//! among `T` decode tokens, two different ones taken at random share `sum n_i (n_i - 1) / (T (T - 1))` experts, out
//! of `sum n_i / T` chosen by each: for many tokens this is `sum p_i^2 / sum p_i` with inclusion probabilities `p_i =
//! n_i / T`. Over the whole trace it is what popularity alone explains; within each sequence, what popularity and the
//! sequence's own taste explain. What the measured share has above both is short-term memory.

use serde::Serialize;

use crate::trace::Trace;

use super::walk::{Slots, index};

/// Share of a decode token's experts that the token before it in the same sequence chose too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct NextTokenReuse {
    /// Selections by decode tokens that have a decode token before them.
    pub selections: u64,
    /// Those that repeat a selection of the token before.
    pub repeated: u64,
    /// `repeated / selections`; `None` without selections.
    pub share: Option<f64>,
    /// The same if the tokens of the whole trace were shuffled.
    pub chance: Option<f64>,
    /// The same if the tokens of each sequence were shuffled among themselves.
    pub chance_within_sequence: Option<f64>,
}

/// Running sums of one layer.
#[derive(Clone, Default)]
struct Sums {
    selections: u64,
    repeated: u64,
    /// Expected repeats when each sequence is shuffled.
    within_sequence: f64,
}

/// `sum n (n - 1)` over the experts of one layer.
fn ordered_pairs(counts: &[u64]) -> f64 {
    counts.iter().map(|n| u128::from(*n) * u128::from(n.saturating_sub(1))).sum::<u128>() as f64
}

/// Per layer, and the whole.
pub(super) fn next_token_reuse(trace: &Trace) -> (Vec<NextTokenReuse>, NextTokenReuse) {
    let header = trace.header();
    let (layers, experts) = (header.layers(), header.experts as usize);
    let slots = Slots::of(trace);
    let mut sums = vec![Sums::default(); layers];
    let mut counts = vec![0_u64; layers * experts];
    let mut tokens = 0_u64;
    // The last decode row, counted from 1, that chose each object; rows are unique over the trace.
    let mut chosen = vec![0_usize; layers * experts];
    for sequence in trace.sequences() {
        let mut of_sequence = vec![0_u64; layers * experts];
        let first = index(sequence.first_token + sequence.prefill_tokens);
        let end = index(sequence.first_token + sequence.tokens);
        for row in first..end {
            for (layer, sums) in sums.iter_mut().enumerate() {
                for expert in slots.row(row, layer) {
                    let object = layer * experts + usize::from(expert);
                    let before = std::mem::replace(&mut chosen[object], row + 1);
                    if before == row + 1 {
                        continue;
                    }
                    of_sequence[object] += 1;
                    sums.selections += u64::from(row > first);
                    sums.repeated += u64::from(row > first && before == row);
                }
            }
        }
        let length = (end - first) as f64;
        for (layer, sums) in sums.iter_mut().enumerate().filter(|_| end > first) {
            sums.within_sequence += ordered_pairs(&of_sequence[layer * experts..][..experts]) / length;
        }
        counts.iter_mut().zip(of_sequence).for_each(|(all, one)| *all += one);
        tokens += (end - first) as u64;
    }
    let chances: Vec<Option<f64>> = (0..layers)
        .map(|layer| {
            let counts = &counts[layer * experts..][..experts];
            let chosen: u64 = counts.iter().sum();
            (tokens > 1 && chosen > 0).then(|| ordered_pairs(counts) / ((tokens - 1) as f64 * chosen as f64))
        })
        .collect();
    finish(&sums, &chances)
}

fn finish(sums: &[Sums], chances: &[Option<f64>]) -> (Vec<NextTokenReuse>, NextTokenReuse) {
    let of = |sums: &Sums, chance: Option<f64>| {
        let share = |part: f64| (sums.selections > 0).then(|| part / sums.selections as f64);
        NextTokenReuse {
            selections: sums.selections,
            repeated: sums.repeated,
            share: share(sums.repeated as f64),
            chance: chance.filter(|_| sums.selections > 0),
            chance_within_sequence: share(sums.within_sequence),
        }
    };
    let by_layer = sums.iter().zip(chances).map(|(sums, chance)| of(sums, *chance)).collect();
    let total = Sums {
        selections: sums.iter().map(|sums| sums.selections).sum(),
        repeated: sums.iter().map(|sums| sums.repeated).sum(),
        within_sequence: sums.iter().map(|sums| sums.within_sequence).sum(),
    };
    // Weighted by selections, as the measured share is.
    let expected: f64 =
        sums.iter().zip(chances).map(|(sums, chance)| sums.selections as f64 * chance.unwrap_or(0.0)).sum();
    let chance = (total.selections > 0).then(|| expected / total.selections as f64);
    (by_layer, of(&total, chance))
}
