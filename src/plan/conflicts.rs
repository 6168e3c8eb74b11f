//! Settings that rule each other out. Each is fine alone, so this is no matter of one key's value.

use super::resolve::Resolver;
use crate::error::Error;
use crate::scenario::{AdmissionRule, MissAction, ReplayMode, Tiers};

/// Refuses what cannot be meant together.
pub(super) fn check(resolver: &mut Resolver<'_>) {
    let scenario = resolver.scenario();
    let (placement, cache, prefetch) = (&scenario.placement, &scenario.cache, &scenario.prefetch);
    let guesses = prefetch.predictor.as_ref().is_some_and(|name| name != "none") && prefetch.depth != Some(0);
    let single_buffer = placement.single_buffer == Some(true);
    if guesses && single_buffer {
        let why = "the one buffer holds the expert that is computed";
        refuse(resolver, "prefetch.predictor", "placement.single_buffer", why, "\"none\"");
    }
    if guesses && cache.hit_rate.is_some() {
        let why = "which experts an assumed hit rate misses is not known, so none can be fetched ahead";
        refuse(resolver, "prefetch.predictor", "cache.hit_rate", why, "\"none\"");
    }
    if cache.yields_to_kv == Some(true) && cache.hit_rate.is_some() {
        let why = "an assumed hit rate is that of no capacity";
        refuse(resolver, "cache.yields_to_kv", "cache.hit_rate", why, "false");
    }
    if cache.admission.is_some_and(|rule| rule != AdmissionRule::Always) && cache.hit_rate.is_some() {
        let why = "an assumed hit rate has no cache to be admitted to";
        refuse(resolver, "cache.admission", "cache.hit_rate", why, "\"always\"");
    }
    if placement.tiers == Some(Tiers::Exclusive) {
        if guesses {
            let why = "what is fetched ahead lies in neither of the two tiers";
            refuse(resolver, "placement.tiers", "prefetch.predictor", why, "\"inclusive\"");
        }
        if single_buffer {
            let why = "one buffer evicts nothing that host memory could take back";
            refuse(resolver, "placement.tiers", "placement.single_buffer", why, "\"inclusive\"");
        }
        if placement.page_cache == Some(true) {
            let why = "the operating system keeps what was read from it";
            refuse(resolver, "placement.tiers", "placement.page_cache", why, "\"inclusive\"");
        }
    }
    if cache.replay == Some(ReplayMode::Access) {
        let why = "one expert at a time is how a cache is replayed that keeps all it fetches";
        if placement.miss.is_some_and(|action| action != MissAction::Fetch) {
            refuse(resolver, "cache.replay", "placement.miss", why, "\"layer\"");
        }
        if single_buffer {
            refuse(resolver, "cache.replay", "placement.single_buffer", why, "\"layer\"");
        }
    }
}

fn refuse(resolver: &mut Resolver<'_>, key: &str, other: &str, why: &str, expected: &str) {
    resolver.refuse(key, |place| {
        Error::at(place, format!("{key}: found beside {other}; {why}")).expected(expected)
    });
}
