//! A synthetic router: traces whose popularity, repetition and differences between sequences follow those of real ones.
//!
//! For models without a published trace, for studies that turn one statistic at a time, and for the traces that ship
//! with the program. What it leaves out: any link between layers, between the prompt's words and the experts, and
//! layers that differ from each other in skew.
//!
//! Streams are keyed by layer and sequence, so a trace with more sequences begins with the same ones; with a
//! [`RouterKnobs::balance`] it does not, since that evens out over the whole trace.

mod domains;
mod fit;
mod router;
pub mod shipped;
mod spec;

use rand::Rng;

use super::{NO_EXPERT_U16, Phase, Trace, TraceBuilder};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Xoshiro256PlusPlus, below, stream};
use domains::{by_domain, category, domain_of};
pub use fit::fit;
use router::{Noise, Urn, evened, gate_weights, hand_over, happens, nearly_normal, probability, shuffled};
pub use spec::{RouterKnobs, SyntheticSpec};

/// Entity of the streams that belong to a whole sequence rather than to one layer of it.
const ALL_LAYERS: u64 = u64::MAX;
/// Replicate of the stream by which a layer is evened out: beyond those of the sequences.
const EVENING: u64 = u64::MAX;

/// Generates the trace of a specification; the same one gives the same trace everywhere.
///
/// # Errors
/// Where the specification cannot be, see [`SyntheticSpec::check`].
pub fn generate(spec: &SyntheticSpec) -> Result<Trace> {
    generate_with(spec, &RouterKnobs::default())
}

/// The same with the router turned. Noise walks all experts for each token and layer, which for 128 of them makes it
/// take almost twice as long; with a balance all ids are held twice.
///
/// # Errors
/// Where the specification or a knob cannot be, see [`SyntheticSpec::check`] and [`RouterKnobs::check`].
pub fn generate_with(spec: &SyntheticSpec, knobs: &RouterKnobs) -> Result<Trace> {
    Error::join([spec.check(), knobs.check()].into_iter().filter_map(Result::err)).map_or(Ok(()), Err)?;
    let pulls = |layer| by_domain(spec, knobs, layer, base_pulls(spec, layer));
    let router = Router {
        spec,
        knobs,
        pulls: (0..u64::from(spec.layers)).map(pulls).collect(),
        noise: Noise::of(knobs.noise),
    };
    let mut header = spec.header();
    header.notes.extend(knobs.note());
    let mut builder =
        if spec.weights { TraceBuilder::with_weights(header)? } else { TraceBuilder::new(header)? };
    let sequences = (0..u64::from(spec.sequences)).map(|sequence| router.sequence(sequence));
    if knobs.balance > 0.0 {
        let mut all: Vec<Made> = sequences.collect();
        (0..spec.layers).for_each(|layer| router.even_out(layer, &mut all));
        all.iter().try_for_each(|made| router.push(made, &mut builder))?;
    } else {
        for made in sequences {
            router.push(&made, &mut builder)?;
        }
    }
    builder.finish()
}

/// What all sequences share.
struct Router<'a> {
    spec: &'a SyntheticSpec,
    knobs: &'a RouterKnobs,
    /// Logarithm of each expert's pull, by layer and domain.
    pulls: Vec<Vec<Vec<f64>>>,
    noise: Option<Noise>,
}

/// One sequence; ids and weights are `[token][layer][k]`.
struct Made {
    plan: Plan,
    domain: usize,
    rows: Vec<u16>,
    weights: Vec<u16>,
}

impl Router<'_> {
    /// Slots of a row.
    fn width(&self) -> usize {
        self.spec.layers as usize * self.spec.top_k as usize
    }

    fn sequence(&self, sequence: u64) -> Made {
        let plan = Plan::of(self.spec, sequence);
        let rows = vec![NO_EXPERT_U16; plan.topics.len() * self.width()];
        let weights = if self.spec.weights { vec![0; rows.len()] } else { Vec::new() };
        let mut made = Made { plan, domain: domain_of(self.knobs, sequence), rows, weights };
        (0..self.spec.layers).for_each(|layer| self.fill_layer(sequence, layer, &mut made));
        made
    }

    fn push(&self, made: &Made, builder: &mut TraceBuilder) -> Result<()> {
        let (width, prompt_tokens) = (self.width(), made.plan.prompt_tokens);
        builder.begin_sequence(category(self.knobs, made.domain), u64::from(prompt_tokens))?;
        for (token, row) in made.rows.chunks_exact(width).enumerate() {
            let phase = if token < prompt_tokens as usize { Phase::Prefill } else { Phase::Decode };
            match made.weights.get(token * width..(token + 1) * width) {
                Some(weights) if self.spec.weights => builder.push_weighted(phase, row, weights)?,
                _ => builder.push(phase, row)?,
            }
        }
        Ok(())
    }

    /// Fills one layer of all rows of a sequence.
    fn fill_layer(&self, sequence: u64, layer: u32, made: &mut Made) {
        let (spec, plan) = (self.spec, &made.plan);
        let top_k = spec.top_k as usize;
        let stay = probability(spec.stickiness);
        let mut taste = stream(spec.seed, Purpose::SyntheticPopularity, u64::from(layer), sequence + 1);
        let mut routing = stream(spec.seed, Purpose::SyntheticRouting, u64::from(layer), sequence);
        let of_sequence = tilted(&self.pulls[layer as usize][made.domain], spec.sequence_tilt, &mut taste);
        let topic = |taste: &mut Xoshiro256PlusPlus| {
            let pulls = tilted(&of_sequence, spec.topic_tilt, taste);
            let turned = |pull: &f64| plan.sharpness * pull / self.knobs.temperature;
            Urn::of(&pulls.iter().map(turned).collect::<Vec<_>>())
        };
        let mut urn = topic(&mut taste);
        let mut chosen: Vec<u16> = Vec::with_capacity(top_k);
        let mut room = Vec::new();
        for (token, new_topic) in plan.topics.iter().enumerate() {
            if *new_topic && spec.topic_tilt > 0.0 {
                urn = topic(&mut taste);
            }
            chosen.retain(|_| happens(stay, &mut routing));
            match &self.noise {
                None => urn.fill(&mut chosen, top_k, &mut routing),
                Some(noise) => urn.fill_noisy(noise, &mut chosen, top_k, &mut room, &mut routing),
            }
            let first = token * self.width() + layer as usize * top_k;
            made.rows[first..first + top_k].copy_from_slice(&chosen);
            if spec.weights {
                made.weights[first..first + top_k].copy_from_slice(&gate_weights(top_k, &mut routing));
            }
        }
    }

    /// Brings the counts of one layer's experts, over all sequences, nearer to each other.
    fn even_out(&self, layer: u32, all: &mut [Made]) {
        let (top_k, width) = (self.spec.top_k as usize, self.width());
        let first = layer as usize * top_k;
        let rows = all.iter().flat_map(|made| made.rows.chunks_exact(width));
        let mut ids: Vec<u16> = rows.flat_map(|row| &row[first..first + top_k]).copied().collect();
        let mut counts = vec![0_u64; self.spec.experts as usize];
        ids.iter().for_each(|expert| counts[usize::from(*expert)] += 1);
        let mut rng = stream(self.spec.seed, Purpose::SyntheticPopularity, u64::from(layer), EVENING);
        hand_over(&mut ids, top_k, &evened(&counts, self.knobs.balance), &mut rng);
        let rows = all.iter_mut().flat_map(|made| made.rows.chunks_exact_mut(width));
        for (row, chosen) in rows.zip(ids.chunks_exact(top_k)) {
            row[first..first + top_k].copy_from_slice(chosen);
        }
    }
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

fn tilted(pulls: &[f64], tilt: f64, rng: &mut Xoshiro256PlusPlus) -> Vec<f64> {
    pulls.iter().map(|pull| pull + tilt * nearly_normal(rng)).collect()
}
