//! The best of many scores, with a fixed order among equals.

/// Picks experts by score. Its buffer is reused from question to question.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranking {
    best: Vec<(u64, u32)>,
}

impl Ranking {
    /// Appends the experts with the highest scores to `out`, best first, the lower number first among equals. `scores`
    /// are those of experts 0, 1, 2, ...; an expert of score zero is not named, since nothing speaks for it.
    pub(super) fn best(&mut self, scores: impl Iterator<Item = u64>, limit: usize, out: &mut Vec<u32>) {
        self.best.clear();
        let mut bar = 0;
        for (expert, score) in (0_u32..).zip(scores) {
            if score <= bar || limit == 0 {
                continue;
            }
            if self.best.len() == limit {
                self.best.pop();
            }
            // Experts come in rising order, so behind all equals is where the higher number belongs.
            let place = self.best.partition_point(|(better, _)| *better >= score);
            self.best.insert(place, (score, expert));
            if self.best.len() == limit {
                bar = self.best[limit - 1].0;
            }
        }
        out.extend(self.best.iter().map(|(_, expert)| *expert));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The law: what sorting all of them gives.
        #[test]
        fn is_the_front_of_a_sorted_list(
            scores in proptest::collection::vec(0_u64..6, 0..40),
            limit in 0_usize..12,
        ) {
            let mut sorted: Vec<u32> = (0..u32::try_from(scores.len()).unwrap()).collect();
            sorted.retain(|expert| scores[*expert as usize] > 0);
            sorted.sort_by_key(|expert| (std::cmp::Reverse(scores[*expert as usize]), *expert));
            sorted.truncate(limit);
            let mut found = Vec::new();
            Ranking::default().best(scores.iter().copied(), limit, &mut found);
            prop_assert_eq!(found, sorted);
        }
    }
}
