//! Which of many vectors nothing is better than. Less is better in every place.

/// Whether `one` is at least as good as `other` in everything and better in something.
pub(super) fn dominates(one: &[u64], other: &[u64]) -> bool {
    let mut better = false;
    for (a, b) in one.iter().zip(other) {
        if a > b {
            return false;
        }
        better |= a < b;
    }
    better
}

/// Vectors of which none dominates another, each with a number.
#[derive(Debug, Default)]
pub(super) struct Front {
    members: Vec<(u64, Vec<u64>)>,
}

impl Front {
    /// The number of a member that dominates the vector: the first by number.
    pub(super) fn dominator(&self, vector: &[u64]) -> Option<u64> {
        self.members.iter().filter(|(_, member)| dominates(member, vector)).map(|(number, _)| *number).min()
    }

    /// Takes a vector in unless a member dominates it; members that it dominates leave.
    pub(super) fn add(&mut self, number: u64, vector: Vec<u64>) {
        if self.dominator(&vector).is_none() {
            self.members.retain(|(_, member)| !dominates(&vector, member));
            self.members.push((number, vector));
        }
    }

    /// Whether the number is a member's.
    pub(super) fn has(&self, number: u64) -> bool {
        self.members.iter().any(|(member, _)| *member == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equals_do_not_dominate_each_other() {
        assert!(!dominates(&[1, 2], &[1, 2]));
        assert!(dominates(&[1, 1], &[1, 2]) && !dominates(&[1, 2], &[2, 1]));
    }

    proptest! {
        #[test]
        fn a_front_is_what_no_other_dominates(vectors in prop::collection::vec(prop::collection::vec(0_u64..5, 3), 0..40)) {
            let mut front = Front::default();
            for (number, vector) in vectors.iter().enumerate() {
                front.add(number as u64, vector.clone());
            }
            for (number, vector) in vectors.iter().enumerate() {
                let beaten = vectors.iter().any(|other| dominates(other, vector));
                prop_assert_eq!(front.has(number as u64), !beaten);
                prop_assert_eq!(front.dominator(vector).is_some(), beaten);
            }
        }
    }
}
