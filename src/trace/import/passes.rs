//! Cuts a stream of `(layer, expert)` selections without token numbers into passes, layers and tokens.
//!
//! Shared by formats that write one selection after another, layer by layer. A pass (one forward of a batch) ends where
//! a layer comes again that it already holds: layers need not come in order of their numbers, only in the same order
//! each time. A model of a single MoE layer cannot be cut.

/// The selections of one layer in one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) layer: u64,
    pub(super) experts: Vec<u64>,
    /// Line of its first selection, from 1; 1 where the file has no lines.
    pub(super) line: usize,
}

/// Joins neighbouring selections of one layer.
pub(super) fn runs(selections: impl IntoIterator<Item = (u64, u64, usize)>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (layer, expert, line) in selections {
        match runs.last_mut() {
            Some(run) if run.layer == layer => run.experts.push(expert),
            _ => runs.push(Run { layer, experts: vec![expert], line }),
        }
    }
    runs
}

/// How often every run repeats its own content: 3 where an engine reports gate, up and down, 2 where it reports two
/// fused matrices, else 1.
pub(super) fn repeats(runs: &[Run]) -> usize {
    let all_repeat = |times: usize| {
        runs.iter().all(|run| {
            let (part, rest) = (run.experts.len() / times, run.experts.len() % times);
            rest == 0 && run.experts.chunks(part.max(1)).all(|chunk| chunk == &run.experts[..part])
        })
    };
    [3, 2].into_iter().find(|times| all_repeat(*times)).unwrap_or(1)
}

/// Cuts runs into passes.
pub(super) fn passes(runs: Vec<Run>) -> Vec<Vec<Run>> {
    let mut passes: Vec<Vec<Run>> = Vec::new();
    for run in runs {
        match passes.last_mut() {
            Some(pass) if pass.iter().all(|earlier| earlier.layer != run.layer) => pass.push(run),
            _ => passes.push(vec![run]),
        }
    }
    passes
}

/// The most common number of experts in a run, the smaller one on a tie: top-k, since decode passes outnumber prompts.
pub(super) fn common_length(runs: &[Run]) -> Option<usize> {
    let mut lengths = std::collections::BTreeMap::new();
    for run in runs {
        *lengths.entry(run.experts.len()).or_insert(0usize) += 1;
    }
    lengths.into_iter().rev().max_by_key(|(_, count)| *count).map(|(length, _)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(u64, u64)]) -> Vec<Run> {
        runs(pairs.iter().map(|(layer, expert)| (*layer, *expert, 1)))
    }

    #[test]
    fn string_order_of_layers_does_not_cut_a_pass() {
        let runs = of(&[(1, 0), (12, 1), (2, 5), (1, 3), (12, 3), (2, 3)]);
        let layers = passes(runs)
            .iter()
            .map(|pass| pass.iter().map(|run| run.layer).collect())
            .collect::<Vec<Vec<_>>>();
        assert_eq!(layers, [[1, 12, 2], [1, 12, 2]]);
    }

    #[test]
    fn repeats_only_where_every_run_does() {
        assert_eq!(
            repeats(&of(&[(0, 1), (0, 2), (0, 1), (0, 2), (0, 1), (0, 2), (1, 4), (1, 4), (1, 4)])),
            3
        );
        assert_eq!(repeats(&of(&[(0, 1), (0, 1), (1, 4), (1, 4)])), 2);
        assert_eq!(repeats(&of(&[(0, 1), (0, 1), (0, 1), (1, 4), (1, 5), (1, 6)])), 1);
    }

    #[test]
    fn the_smaller_length_wins_a_tie() {
        assert_eq!(common_length(&of(&[(0, 1), (0, 2), (1, 4)])), Some(1));
        assert_eq!(common_length(&[]), None);
    }
}
