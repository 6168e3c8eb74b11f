//! The result of one simulated configuration.

use serde::{Deserialize, Serialize};

use super::{AccessCounts, AllocatorSummary, LinkUse, PrefetchCounts, Quantiles, ServingSummary, TimeShares};

/// One sequence of the workload. Routing differs more between prompts than policies do, so every headline number is
/// given as a range over these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceSummary {
    /// Position in the trace, from 0.
    pub sequence: u32,
    /// Prompt tokens replayed; zero for a decode-only trace.
    pub prefill_tokens: u64,
    /// Time of the whole prompt, and so of the first token.
    pub prefill_ns: u64,
    /// Tokens decoded; of all sequences where several are decoded together.
    pub decode_tokens: u64,
    /// Decode passes, each of which gives every sequence one token.
    pub decode_passes: u64,
    /// Time of all decode passes.
    pub decode_ns: u64,
    /// Decode lookups.
    pub decode_lookups: u64,
    /// Decode lookups that hit.
    pub decode_hits: u64,
}

impl SequenceSummary {
    /// Mean time per output token of this sequence, rounded to the nearest nanosecond; `None` without decode. Each pass
    /// gives every sequence in it one token.
    pub fn tpot_ns(&self) -> Option<u64> {
        (self.decode_ns + self.decode_passes / 2).checked_div(self.decode_passes)
    }
}

/// Everything a report says of one configuration that ran.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Cache counters of prefill.
    pub prefill: AccessCounts,
    /// Cache counters of decode.
    pub decode: AccessCounts,
    /// Time shares of prefill.
    pub prefill_time: TimeShares,
    /// Time shares of decode.
    pub decode_time: TimeShares,
    /// Time of each decode pass, over all tokens.
    pub token_latency_ns: Quantiles,
    /// Mean time per output token, over sequences.
    pub tpot_ns: Quantiles,
    /// Time to first token (the prompt's prefill), over sequences that have a prompt.
    pub ttft_ns: Quantiles,
    /// One entry per sequence, in trace order.
    pub sequences: Vec<SequenceSummary>,
    /// GPU stream, copy engines, NVMe, CPU, DRAM bus: those that the configuration has.
    pub links: Vec<LinkUse>,
    /// From the first event to the last.
    pub span_ns: u64,
    /// Most bytes by which a single layer event exceeded the cache's capacity while it ran.
    pub overshoot_bytes_max: u64,
    /// What prefetching did.
    pub prefetch: PrefetchCounts,
    /// Events the engine dispatched.
    pub engine_events: u64,
    /// The allocator of GPU memory; `None` where nothing is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocator: Option<Box<AllocatorSummary>>,
    /// Under a load of requests; `None` where sequences are replayed one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving: Option<Box<ServingSummary>>,
}

impl Summary {
    /// Decode rate in tokens per second, all tokens over all decode time; `None` without decode.
    pub fn decode_tokens_per_s(&self) -> Option<f64> {
        let ns = self.decode_time.total_ns();
        (ns > 0).then(|| self.decode.tokens as f64 / (ns as f64 / 1e9))
    }

    /// The books of a device or link; `None` where the configuration does not have it.
    pub fn link(&self, name: &str) -> Option<&LinkUse> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Why the run ended before its time: out of GPU memory. All else but its allocator is empty then.
    pub fn out_of_memory(&self) -> Option<&str> {
        self.allocator.as_deref().and_then(|allocator| allocator.out_of_memory.as_deref())
    }

    /// Tokens of prompts and output together.
    pub fn tokens(&self) -> u64 {
        self.prefill.tokens + self.decode.tokens
    }
}
