//! What requests are about and how urgent they are.
//!
//! A request's domain is drawn from a stream of its own, so that it does not depend on the requests before it.

use super::{DomainShare, PriorityShare, chance};
use crate::rng::{Purpose, stream};

/// Replicate of the stream that gives a request's domain; others of the same purpose and entity are left to routing.
const DOMAIN: u64 = 0;

/// Weights of the domains at request `at` of `count`: a straight line from the shares of `begin` to those of `end`.
pub(super) fn shares_at(
    domains: &[DomainShare],
    at: usize,
    count: usize,
) -> impl Iterator<Item = f64> + Clone + '_ {
    let begin: f64 = domains.iter().map(|domain| domain.begin).sum();
    let end: f64 = domains.iter().map(|domain| domain.end).sum();
    let way = at as f64 / count.saturating_sub(1).max(1) as f64;
    domains.iter().map(move |domain| domain.begin / begin * (1.0 - way) + domain.end / end * way)
}

/// The domain of each request, as position in `domains`, of which there are one or more.
pub(super) fn domains(domains: &[DomainShare], seed: u64, count: usize) -> Vec<u16> {
    (0..count)
        .map(|at| {
            let point = chance::uniform(&mut stream(seed, Purpose::RequestRouting, at as u64, DOMAIN));
            u16::try_from(chance::choose(shares_at(domains, at, count), point)).unwrap_or(u16::MAX)
        })
        .collect()
}

/// The priority of each request; `priorities` are one or more.
pub(super) fn priorities(priorities: &[PriorityShare], seed: u64, count: usize) -> Vec<u8> {
    let mut rng = stream(seed, Purpose::Priorities, 0, 0);
    let shares = priorities.iter().map(|priority| priority.share);
    (0..count)
        .map(|_| priorities[chance::choose(shares.clone(), chance::uniform(&mut rng))].priority)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weights() -> impl Strategy<Value = Vec<DomainShare>> {
        prop::collection::vec((0.0..5.0_f64, 0.0..5.0_f64), 1..6).prop_map(|pairs| {
            let share = |(at, (begin, end)): (usize, (f64, f64))| DomainShare {
                name: at.to_string(),
                begin: begin + f64::from(u8::from(at == 0)),
                end: end + f64::from(u8::from(at == 0)),
            };
            pairs.into_iter().enumerate().map(share).collect()
        })
    }

    proptest! {
        /// Shares have the sum 1 everywhere, are those asked for at both ends, and go from one to the other monotonically.
        #[test]
        fn shares_drift_in_a_straight_line(domains in weights(), count in 2_usize..50) {
            let at = |at: usize| shares_at(&domains, at, count).collect::<Vec<f64>>();
            let begin: f64 = domains.iter().map(|domain| domain.begin).sum();
            let end: f64 = domains.iter().map(|domain| domain.end).sum();
            for (place, domain) in domains.iter().enumerate() {
                prop_assert!((at(0)[place] - domain.begin / begin).abs() < 1e-12);
                prop_assert!((at(count - 1)[place] - domain.end / end).abs() < 1e-12);
                let rises = domain.end / end >= domain.begin / begin;
                for step in 1..count {
                    let (before, after) = (at(step - 1)[place], at(step)[place]);
                    let step = if rises { after - before } else { before - after };
                    prop_assert!(step >= -1e-12, "{} then {}", before, after);
                }
            }
            for step in 0..count {
                prop_assert!((at(step).iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
        }
    }
}
