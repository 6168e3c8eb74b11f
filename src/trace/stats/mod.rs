//! What a trace says about its router: popularity, repetition from token to token, reuse distances, differences between
//! sequences.
//!
//! Counts are integers; shares are plain `f64` for display, computed in a fixed order with logarithms from `libm`,
//! so the same trace gives the same digits everywhere. Left out: anything that depends on a cache or a machine.

mod distance;
mod info;
mod load;
mod next_token;
mod popularity;
mod recency;
#[cfg(test)]
mod tests;
mod walk;

use serde::Serialize;

use super::Trace;
pub use distance::{DistanceCounter, ReuseDistances};
pub use info::{CategoryInfo, TraceInfo};
pub use load::{LayerLoad, LoadStats, NAMED_UNUSED, expected_distinct, layer_load};
pub use next_token::NextTokenReuse;
pub use popularity::Popularity;
use popularity::Skew;
pub use recency::RecencyOrder;

/// How uneven the use of experts is, in one layer or over all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Concentration {
    /// Selections, prefill and decode together.
    pub selections: u64,
    /// Share of them on the hottest 10 % of the experts, rounded up to whole experts. Over all layers: each layer's
    /// own hottest, pooled. `None` without selections.
    pub hottest_10_percent: Option<f64>,
    /// As above, for the hottest 25 %.
    pub hottest_25_percent: Option<f64>,
    /// Exponent of the power law of count against rank, by least squares of the logarithms over the experts used; 0
    /// is even. Over all layers: the mean.
    pub zipf_slope: Option<f64>,
    /// Entropy over its largest possible value: 1 is even. Over all layers: the mean.
    pub normalised_entropy: Option<f64>,
    /// Experts never chosen.
    pub unused_experts: u64,
}

/// One MoE layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerStats {
    /// The model's own number of the layer.
    pub layer_id: u32,
    /// Use of the layer's experts.
    pub concentration: Concentration,
    /// Repetition between consecutive decode tokens.
    pub next_token_reuse: NextTokenReuse,
    /// Reuse distances within the layer's own stream.
    pub reuse_distances: ReuseDistances,
}

/// Spread over sequences, by the nearest-rank rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// 10th percentile; all are zero without sequences.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
}

/// All statistics of a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TraceStats {
    /// Shape and origin.
    pub info: TraceInfo,
    /// Use of experts over all layers.
    pub concentration: Concentration,
    /// Repetition between consecutive decode tokens, over all layers.
    pub next_token_reuse: NextTokenReuse,
    /// Reuse distances over the global stream in replay order.
    pub reuse_distances: ReuseDistances,
    /// For each sequence: share of its selections on its own hottest 10 % of each layer's experts.
    pub sequence_own_hottest_10_percent: Spread,
    /// For each sequence: share of its selections on the hottest 10 % of the whole trace. Far below the former
    /// where prompts differ, and then a static placement by a profile of other prompts serves a prompt badly.
    pub sequence_trace_hottest_10_percent: Spread,
    /// Layer by layer, in model order.
    pub layers: Vec<LayerStats>,
}

/// Computes everything in a few passes over the trace.
pub fn compute(trace: &Trace) -> TraceStats {
    let popularity = Popularity::of(trace, 0..trace.sequences().len());
    let (layer_reuse, next_token_reuse) = next_token::next_token_reuse(trace);
    let (layer_distances, reuse_distances) = distance::reuse_distances(trace);
    let experts = trace.header().experts as usize;
    let skews: Vec<Skew> = popularity.counts.chunks(experts.max(1)).map(Skew::of).collect();
    let layers =
        trace.header().layer_ids.iter().zip(&skews).zip(layer_reuse.into_iter().zip(layer_distances));
    let layers = layers
        .map(|((layer_id, skew), (next_token_reuse, reuse_distances))| LayerStats {
            layer_id: *layer_id,
            concentration: concentration(std::slice::from_ref(skew)),
            next_token_reuse,
            reuse_distances,
        })
        .collect();
    let (own, of_trace) = sequence_spreads(trace, &popularity);
    TraceStats {
        info: TraceInfo::of(trace),
        concentration: concentration(&skews),
        next_token_reuse,
        reuse_distances,
        sequence_own_hottest_10_percent: own,
        sequence_trace_hottest_10_percent: of_trace,
        layers,
    }
}

fn concentration(layers: &[Skew]) -> Concentration {
    let selections: u64 = layers.iter().map(Skew::selections).sum();
    let share = |parts| share_of(layers.iter().map(|layer| layer.hottest(parts)).sum(), selections);
    let mean =
        |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    Concentration {
        selections,
        hottest_10_percent: share(10),
        hottest_25_percent: share(4),
        zipf_slope: mean(layers.iter().filter_map(Skew::zipf_slope).collect()),
        normalised_entropy: mean(layers.iter().filter_map(Skew::entropy).collect()),
        unused_experts: layers.iter().map(Skew::unused).sum(),
    }
}

fn share_of(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Share of each sequence's selections on its own hottest tenth, and on the whole trace's hottest tenth.
fn sequence_spreads(trace: &Trace, popularity: &Popularity) -> (Spread, Spread) {
    let experts = trace.header().experts as usize;
    let mut is_hot = vec![false; popularity.counts.len()];
    for (layer, first) in (0..=u16::MAX).zip((0..popularity.counts.len()).step_by(experts.max(1))) {
        let hottest = popularity.hottest_first(crate::units::LayerIndex(layer));
        for expert in hottest.iter().take(experts.div_ceil(10)) {
            is_hot[first + usize::from(*expert)] = true;
        }
    }
    let (mut own, mut of_trace) = (Vec::new(), Vec::new());
    for sequence in 0..trace.sequences().len() {
        let counts = Popularity::of(trace, [sequence]).counts;
        let total = counts.iter().sum();
        let hottest = counts.chunks(experts.max(1)).map(|layer| Skew::of(layer).hottest(10)).sum();
        let on_hot = counts.iter().zip(&is_hot).filter(|(_, hot)| **hot).map(|(count, _)| count).sum();
        own.extend(share_of(hottest, total));
        of_trace.extend(share_of(on_hot, total));
    }
    (spread(own), spread(of_trace))
}

fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).max(1);
        values.get(rank - 1).copied().unwrap_or(0.0)
    };
    Spread { p10: at(10), p50: at(50), p90: at(90) }
}
