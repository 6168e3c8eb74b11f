//! A synthetic router: traces whose popularity, repetition and differences between sequences follow those of real ones.
//!
//! For models without a published trace, for studies that turn one statistic at a time, and for the traces that ship
//! with the program. What it leaves out: any link between layers, between the prompt's words and the experts, and
//! layers that differ from each other in skew.
//!
//! Streams are keyed by layer and sequence, so a trace with more sequences begins with the same ones.

mod fit;
mod router;
pub mod shipped;
mod spec;

use rand::Rng;

use super::{NO_EXPERT_U16, Phase, Trace, TraceBuilder};
use crate::error::Result;
use crate::rng::{Purpose, Xoshiro256PlusPlus, stream};
pub use fit::fit;
use router::{Urn, below, gate_weights, happens, nearly_normal, probability, shuffled};
pub use spec::SyntheticSpec;

/// Entity of the streams that belong to a whole sequence rather than to one layer of it.
const ALL_LAYERS: u64 = u64::MAX;

/// Generates the trace of a specification; the same one gives the same trace everywhere.
///
/// # Errors
/// Where the specification cannot be, see [`SyntheticSpec::check`].
pub fn generate(spec: &SyntheticSpec) -> Result<Trace> {
    spec.check()?;
    let base: Vec<Vec<f64>> = (0..u64::from(spec.layers)).map(|layer| base_pulls(spec, layer)).collect();
    let header = spec.header();
    let mut builder =
        if spec.weights { TraceBuilder::with_weights(header)? } else { TraceBuilder::new(header)? };
    let width = spec.layers as usize * spec.top_k as usize;
    for sequence in 0..u64::from(spec.sequences) {
        let plan = Plan::of(spec, sequence);
        let mut rows = vec![NO_EXPERT_U16; plan.topics.len() * width];
        let mut weights = if spec.weights { vec![0; rows.len()] } else { Vec::new() };
        for (layer, base) in (0..).zip(&base) {
            fill_layer(spec, sequence, layer, base, &plan, &mut rows, &mut weights);
        }
        builder.begin_sequence("", u64::from(plan.prompt_tokens))?;
        for (token, row) in rows.chunks_exact(width).enumerate() {
            let phase = if token < plan.prompt_tokens as usize { Phase::Prefill } else { Phase::Decode };
            match weights.get(token * width..(token + 1) * width) {
                Some(weights) if spec.weights => builder.push_weighted(phase, row, weights)?,
                _ => builder.push(phase, row)?,
            }
        }
    }
    builder.finish()
}

/// Logarithm of each expert's pull in one layer, before any sequence's taste.
fn base_pulls(spec: &SyntheticSpec, layer: u64) -> Vec<f64> {
    let order =
        shuffled(spec.experts as usize, &mut stream(spec.seed, Purpose::SyntheticPopularity, layer, 0));
    let mut pulls = vec![0.0; order.len()];
    for (rank, expert) in (1_u32..).zip(order) {
        pulls[expert] = -spec.zipf_slope * libm::log(f64::from(rank) + spec.zipf_offset);
    }
    pulls
}

/// What all layers of a sequence share.
struct Plan {
    prompt_tokens: u32,
    /// Power to which all pulls are raised; a factor on their logarithms.
    sharpness: f64,
    /// For each token: whether it begins a new topic.
    topics: Vec<bool>,
}

impl Plan {
    fn of(spec: &SyntheticSpec, sequence: u64) -> Self {
        let mut rng = stream(spec.seed, Purpose::SyntheticRouting, ALL_LAYERS, sequence);
        let mut length = |[least, most]: [u32; 2]| {
            least + u32::try_from(below(u64::from(most - least) + 1, &mut rng)).unwrap_or(0)
        };
        let (prompt_tokens, decode_tokens) = (length(spec.prompt_tokens), length(spec.decode_tokens));
        let begins = u64::from(u32::MAX / spec.topic_tokens);
        let tokens = prompt_tokens as usize + decode_tokens as usize;
        // Sequence 0 is the median one; the next ones fill the range evenly, so that a few already show the spread.
        let spread = libm::sqrt(12.0) * (radical_inverse(sequence + 1) - 0.5);
        let sharpness = libm::exp(spec.sequence_spread * spread);
        Self {
            prompt_tokens,
            sharpness,
            topics: (0..tokens).map(|_| rng.next_u64() >> 32 <= begins).collect(),
        }
    }
}

/// The bits of a number mirrored at the binary point: 1/2, 1/4, 3/4, 1/8, ... (van der Corput, 1935).
fn radical_inverse(number: u64) -> f64 {
    (number.reverse_bits() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Fills one layer of all rows of a sequence.
fn fill_layer(
    spec: &SyntheticSpec,
    sequence: u64,
    layer: u64,
    base: &[f64],
    plan: &Plan,
    rows: &mut [u16],
    weights: &mut [u16],
) {
    let top_k = spec.top_k as usize;
    let stay = probability(spec.stickiness);
    let mut taste = stream(spec.seed, Purpose::SyntheticPopularity, layer, sequence + 1);
    let mut routing = stream(spec.seed, Purpose::SyntheticRouting, layer, sequence);
    let of_sequence = tilted(base, spec.sequence_tilt, &mut taste);
    let topic = |taste: &mut Xoshiro256PlusPlus| {
        let pulls = tilted(&of_sequence, spec.topic_tilt, taste);
        Urn::of(&pulls.iter().map(|pull| plan.sharpness * pull).collect::<Vec<_>>())
    };
    let mut urn = topic(&mut taste);
    let mut chosen: Vec<u16> = Vec::with_capacity(top_k);
    let width = spec.layers as usize * top_k;
    let first = usize::try_from(layer).unwrap_or(usize::MAX) * top_k;
    for (token, new_topic) in plan.topics.iter().enumerate() {
        if *new_topic && spec.topic_tilt > 0.0 {
            urn = topic(&mut taste);
        }
        chosen.retain(|_| happens(stay, &mut routing));
        urn.fill(&mut chosen, top_k, &mut routing);
        let slots = token * width + first..token * width + first + top_k;
        rows[slots.clone()].copy_from_slice(&chosen);
        if spec.weights {
            weights[slots].copy_from_slice(&gate_weights(top_k, &mut routing));
        }
    }
}

fn tilted(pulls: &[f64], tilt: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    pulls.iter().map(|pull| pull + tilt * nearly_normal(rng)).collect()
}
