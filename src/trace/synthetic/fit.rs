//! Finds the router whose traces have the statistics of a given one.
//!
//! Six parameters, six statistics, each rising with its own parameter:
//!
//! | parameter | statistic |
//! |---|---|
//! | `zipf_slope` | share of selections on each layer's hottest 25 % of experts |
//! | `zipf_offset` | the same for the hottest 10 %, sign turned |
//! | `sequence_tilt` | next-token reuse that shuffling within sequences leaves, less what shuffling the whole trace leaves |
//! | `sequence_spread` | share of a sequence's selections on its own hottest 10 %: 90th less 10th percentile over sequences |
//! | `topic_tilt` | nearness of reuse: median and 75th percentile of the reuse distance, sign turned |
//! | `stickiness` | next-token reuse |
//!
//! Each in turn is bisected with the others held, in ever smaller steps, since they influence one another. A trace of
//! one sequence says nothing about differences between sequences; its tilt and spread are 0. Where no decode token
//! follows another, only the popularity is fitted.

use super::{SyntheticSpec, generate};
use crate::error::{Error, Result};
use crate::trace::stats::{TraceStats, compute};

/// Sequences of the trial traces, at most; up to that many they are as many as in the trace, since statistics over the
/// whole trace depend on it.
const TRIAL_SEQUENCES: u32 = 16;
/// Selections in a trial trace: layers are alike, so a few of them give the shares of all.
const TRIAL_SELECTIONS: u64 = 150_000;
/// Layers of the trial traces, at least.
const TRIAL_LAYERS: u64 = 4;
/// Rounds over all parameters; the step halves from one to the next.
const ROUNDS: u32 = 5;
/// Halvings of the interval in each bisection.
const HALVINGS: u32 = 5;
/// Seed of the trial traces, the same for all so that trials differ in parameters only.
const SEED: u64 = 0x6d6f_6573_696d;

/// A statistic as a number that rises with its parameter.
type Statistic = fn(&TraceStats) -> f64;
/// Which parameter, its largest sensible value, and the statistic that it answers to.
type Knob = (fn(&mut SyntheticSpec) -> &mut f64, f64, Statistic);

const SLOPE: Knob =
    (|spec| &mut spec.zipf_slope, 4.0, |stats| stats.concentration.hottest_25_percent.unwrap_or(0.0));
const OFFSET: Knob =
    (|spec| &mut spec.zipf_offset, 16.0, |stats| -stats.concentration.hottest_10_percent.unwrap_or(0.0));
const SEQUENCE: Knob = (
    |spec| &mut spec.sequence_tilt,
    3.0,
    |stats| {
        let reuse = stats.next_token_reuse;
        reuse.chance_within_sequence.unwrap_or(0.0) - reuse.chance.unwrap_or(0.0)
    },
);
const SPREAD: Knob = (
    |spec| &mut spec.sequence_spread,
    1.5,
    |stats| stats.sequence_own_hottest_10_percent.p90 - stats.sequence_own_hottest_10_percent.p10,
);
const TOPIC: Knob = (
    |spec| &mut spec.topic_tilt,
    3.0,
    |stats| -(stats.reuse_distances.p50 as f64) / stats.info.layers.max(1) as f64,
);
const STICKINESS: Knob =
    (|spec| &mut spec.stickiness, 1.0, |stats| stats.next_token_reuse.share.unwrap_or(0.0));

/// The specification whose traces come closest: same shape, sequences of the mean length. Takes a few seconds.
///
/// # Errors
/// Where the trace has no selections, or a shape that no specification has.
pub fn fit(stats: &TraceStats) -> Result<SyntheticSpec> {
    let mut spec = shape_of(stats)?;
    let has_order = stats.next_token_reuse.share.is_some();
    let knobs = match (has_order, stats.info.sequences) {
        (false, _) => vec![SLOPE, OFFSET],
        (true, 1) => vec![SLOPE, OFFSET, TOPIC, STICKINESS],
        (true, _) => vec![SLOPE, OFFSET, SEQUENCE, SPREAD, TOPIC, STICKINESS],
    };
    for round in 0..ROUNDS {
        for (parameter, largest, statistic) in &knobs {
            let target = statistic(stats);
            let reach = largest / f64::from(1_u32 << round);
            let start = *parameter(&mut spec);
            let (mut low, mut high) = ((start - reach).max(0.0), (start + reach).min(*largest));
            for _ in 0..HALVINGS {
                let middle = f64::midpoint(low, high);
                *parameter(&mut spec) = middle;
                if statistic(&compute(&generate(&trial(&spec))?)) < target {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            *parameter(&mut spec) = thousandths(f64::midpoint(low, high));
        }
    }
    spec.seed = 0;
    Ok(spec)
}

/// The shape of the trace, with an even router.
fn shape_of(stats: &TraceStats) -> Result<SyntheticSpec> {
    let info = &stats.info;
    if stats.concentration.selections == 0 {
        return Err(Error::new("a trace without selections cannot be fitted"));
    }
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let mean = |tokens: u64| [narrow(tokens.div_ceil(info.sequences)); 2];
    let spec = SyntheticSpec {
        model: info.model.clone(),
        layers: narrow(info.layers),
        first_layer_id: info.first_layer_id.unwrap_or(0),
        experts: info.experts,
        top_k: info.top_k,
        expert_size: None,
        zipf_slope: 0.0,
        zipf_offset: 0.0,
        sequence_tilt: 0.0,
        sequence_spread: 0.0,
        topic_tilt: 0.0,
        topic_tokens: 16,
        stickiness: 0.0,
        weights: info.has_weights,
        sequences: narrow(info.sequences),
        prompt_tokens: mean(info.prefill_tokens),
        decode_tokens: mean(info.decode_tokens),
        seed: SEED,
        source: format!("statistics fitted to a trace of {}", info.model),
    };
    spec.check()?;
    Ok(spec)
}

/// The same router on fewer layers and sequences, without weights.
fn trial(spec: &SyntheticSpec) -> SyntheticSpec {
    let sequences = spec.sequences.min(TRIAL_SEQUENCES);
    let length = u64::from(spec.prompt_tokens[1]) + u64::from(spec.decode_tokens[1]);
    let per_layer = length * u64::from(spec.top_k) * u64::from(sequences);
    let layers = (TRIAL_SELECTIONS / per_layer).max(TRIAL_LAYERS).min(u64::from(spec.layers));
    SyntheticSpec {
        layers: u32::try_from(layers).unwrap_or(u32::MAX),
        sequences,
        weights: false,
        ..spec.clone()
    }
}

fn thousandths(value: f64) -> f64 {
    libm::round(value * 1_000.0) / 1_000.0
}
