//! Domains: kinds of text for which other experts are popular.
//!
//! In each layer a domain adds its own taste, nearly normal with a standard deviation of `domain_tilt` nats, to the
//! logarithm of every expert's pull. Streams are keyed by layer and domain, so a domain keeps its experts when others
//! are added. Left out: which domains are alike, and sequences that change their domain.

use super::{RouterKnobs, SyntheticSpec, tilted};
use crate::rng::{Purpose, stream};

/// The pulls of one layer by domain: those of the layer as they are, where there are no domains.
pub(super) fn by_domain(
    spec: &SyntheticSpec,
    knobs: &RouterKnobs,
    layer: u64,
    base: Vec<f64>,
) -> Vec<Vec<f64>> {
    if knobs.domains.is_empty() {
        return vec![base];
    }
    let of_domain = |domain| {
        let mut taste = stream(spec.seed, Purpose::SyntheticDomains, layer, domain);
        tilted(&base, knobs.domain_tilt, &mut taste)
    };
    (0..knobs.domains.len() as u64).map(of_domain).collect()
}

/// Which domain a sequence belongs to; 0 where there are none.
pub(super) fn domain_of(knobs: &RouterKnobs, sequence: u64) -> usize {
    usize::try_from(sequence % (knobs.domains.len() as u64).max(1)).unwrap_or(0)
}

/// The category of a domain's sequences.
pub(super) fn category(knobs: &RouterKnobs, domain: usize) -> &str {
    knobs.domains.get(domain).map_or("", String::as_str)
}
