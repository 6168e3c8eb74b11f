//! A set of small numbers that knows its greatest: the order of policies whose ranks never change.

const BITS: u32 = u64::BITS;

/// Numbers below a bound, as bits in words, and above each 64 words a bit for each that is not zero.
#[derive(Clone, Debug)]
pub struct RankSet {
    /// The numbers first, then each level's summary, to a level of one word.
    levels: Vec<Vec<u64>>,
}

impl RankSet {
    /// An empty set of numbers below `bound`.
    pub fn new(bound: u32) -> Self {
        let mut levels = Vec::new();
        let mut words = bound;
        while words > 1 || levels.is_empty() {
            words = words.div_ceil(BITS).max(1);
            levels.push(vec![0; words as usize]);
        }
        Self { levels }
    }

    /// Adds a number.
    #[inline]
    pub fn insert(&mut self, number: u32) {
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[(at / BITS) as usize];
            let known = *word != 0;
            *word |= 1 << (at % BITS);
            if known {
                break;
            }
            at /= BITS;
        }
    }

    /// Takes a number out, if it is in.
    #[inline]
    pub fn remove(&mut self, number: u32) {
        let mut at = number;
        for level in &mut self.levels {
            let word = &mut level[(at / BITS) as usize];
            *word &= !(1 << (at % BITS));
            if *word != 0 {
                break;
            }
            at /= BITS;
        }
    }

    /// The greatest number of the set.
    #[inline]
    pub fn last(&self) -> Option<u32> {
        let top = self.levels.len() - 1;
        greatest(self.levels[top][0]).map(|bit| self.descend(top, bit))
    }

    /// The greatest number of the set below `number`.
    #[inline]
    pub fn before(&self, number: u32) -> Option<u32> {
        let mut at = number;
        for (height, level) in self.levels.iter().enumerate() {
            let word = at / BITS;
            if let Some(bit) = greatest(level[word as usize] & ((1 << (at % BITS)) - 1)) {
                return Some(self.descend(height, word * BITS + bit));
            }
            at = word;
        }
        None
    }

    /// All numbers, greatest first.
    #[inline]
    pub fn descending(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.last(), |number| self.before(*number))
    }

    /// The greatest number below the bit `at` of a level.
    #[inline]
    fn descend(&self, height: usize, mut at: u32) -> u32 {
        for level in self.levels[..height].iter().rev() {
            at = at * BITS + greatest(level[at as usize]).unwrap_or(0);
        }
        at
    }
}

/// The highest bit that is set.
#[inline]
fn greatest(word: u64) -> Option<u32> {
    word.checked_ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Against a sorted set, with bounds of one, two and three levels.
        #[test]
        fn agrees_with_a_sorted_set(
            bound in prop::sample::select(vec![1_u32, 63, 64, 65, 4096, 4097, 9000]),
            operations in prop::collection::vec((0_u32..9000, prop::bool::ANY), 1..200),
        ) {
            let (mut set, mut sorted) = (RankSet::new(bound), BTreeSet::new());
            for (number, insert) in operations {
                let number = number % bound;
                if insert {
                    set.insert(number);
                    sorted.insert(number);
                } else {
                    set.remove(number);
                    sorted.remove(&number);
                }
                prop_assert_eq!(set.last(), sorted.last().copied());
                prop_assert_eq!(set.before(number), sorted.range(..number).next_back().copied());
            }
            prop_assert_eq!(set.descending().collect::<Vec<_>>(), sorted.into_iter().rev().collect::<Vec<_>>());
        }
    }
}
