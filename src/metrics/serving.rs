//! The result of one configuration under a load of requests.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// Every request is in exactly one of these: `finished + rejected + in_flight == arrived`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Came within the run.
    pub arrived: u64,
    /// Got their last token.
    pub finished: u64,
    /// Turned away: the queue was full, or the request can never fit the KV cache.
    pub rejected: u64,
    /// Of the rejected, those that no empty KV cache could hold.
    pub too_long: u64,
    /// Waiting or running at the end.
    pub in_flight: u64,
}

/// Tokens by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// Prompt tokens of finished requests.
    pub prompt: u64,
    /// Output tokens of finished requests: what they asked for.
    pub output: u64,
    /// Output tokens of all requests.
    pub generated: u64,
    /// Tokens that went through the model as prompts, those computed again after a preemption included.
    pub prefilled: u64,
    /// Tokens computed again after a preemption.
    pub recomputed: u64,
    /// Prompt tokens found in the KV cache by their prefix and not computed.
    pub prefix_hits: u64,
}

/// The KV cache of one replica's ranks together, summed over replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvUse {
    /// Room in bytes.
    pub capacity_bytes: u64,
    /// Most bytes held at once.
    pub peak_bytes: u64,
    /// Mean over time.
    pub mean_bytes: u64,
    /// Tokens of one block.
    pub block_tokens: u64,
    /// Requests that lost their KV cache to others.
    pub preemptions: u64,
    /// Bytes moved to host memory and back by preemption.
    pub swapped_bytes: u64,
}

/// One GPU of one replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuUse {
    /// Replica, pipeline stage and rank: `0/0/3`.
    pub name: String,
    /// Time in its own work, the engine's own time included.
    pub busy_ns: u64,
    /// Time waiting for copies, drives or the CPU within a pass.
    pub wait_ns: u64,
    /// Time in exchanges with other GPUs, waits for slower ones included.
    pub exchange_ns: u64,
    /// Time without a pass.
    pub idle_ns: u64,
}

/// How evenly the experts are used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpertLoad {
    /// Experts that no token chose, as `(layer, expert)`, MoE layers counted from 0; at most the first 100.
    pub never_used: Vec<(u32, u32)>,
    /// How many those are in all.
    pub never_used_count: u64,
    /// Experts of all layers.
    pub experts: u64,
    /// Mean over layers of the busiest expert's tokens over the mean expert's, in thousandths.
    pub busiest_permille: u64,
    /// Mean over layers of the coefficient of variation of tokens per expert, in thousandths.
    pub variation_permille: u64,
    /// With experts on several GPUs: mean over layer events of the busiest GPU's tokens over the mean GPU's, in
    /// thousandths; zero where experts are on one.
    pub gpu_busiest_permille: u64,
    /// Mean distinct experts of a layer event, in thousandths.
    pub distinct_permille: u64,
}

/// Requests that kept every limit of the service level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goodput {
    /// The limits as written: `ttft < 2 s, tpot < 100 ms`.
    pub slo: String,
    /// Finished requests within all of them.
    pub met: u64,
}

/// State in one slice of the run. Sums are over the slice, levels are means over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingSlice {
    /// Begin of the slice.
    pub begin_ns: u64,
    /// Its length.
    pub span_ns: u64,
    /// Mean requests running, in thousandths.
    pub running_permille: u64,
    /// Mean requests waiting, in thousandths.
    pub waiting_permille: u64,
    /// Mean bytes of the KV cache.
    pub kv_bytes: u64,
    /// Mean bytes of experts in GPU memory.
    pub expert_bytes: u64,
    /// Requests that arrived.
    pub arrived: u64,
    /// Output tokens.
    pub generated: u64,
    /// Prompt tokens computed.
    pub prefilled: u64,
    /// Lookups of experts.
    pub lookups: u64,
    /// Lookups that hit.
    pub hits: u64,
    /// Passes that ended.
    pub passes: u64,
    /// Time with a pass running, mean over replicas.
    pub busy_ns: u64,
    /// Preemptions.
    pub preemptions: u64,
}

/// Everything a report says of one configuration under load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingSummary {
    /// How requests come, in words: `poisson, 4 requests/s`, `closed loop, 32 users`.
    pub load: String,
    /// Requests a second asked for, in thousandths; zero in a closed loop.
    pub rate_millihertz: u64,
    /// Users of a closed loop; zero where requests come by themselves.
    pub users: u64,
    /// Copies of the deployment behind the router.
    pub replicas: u64,
    /// GPUs of all of them.
    pub gpus: u64,
    /// What became of the requests.
    pub requests: RequestCounts,
    /// What became of the tokens.
    pub tokens: TokenCounts,
    /// From the first arrival to the end of the last pass.
    pub span_ns: u64,
    /// Time to first token: from arrival to the end of the pass that gave it.
    pub ttft_ns: Quantiles,
    /// Time per output token of a request after its first, over requests with more than one token.
    pub tpot_ns: Quantiles,
    /// Time between two tokens of a request, over all tokens but first ones.
    pub itl_ns: Quantiles,
    /// From arrival to the last token.
    pub e2e_ns: Quantiles,
    /// From arrival to the first pass that holds some of the prompt.
    pub queue_ns: Quantiles,
    /// 101 quantiles of TTFT, from the smallest to the largest.
    pub ttft_ns_percentiles: Vec<u64>,
    /// 101 quantiles of TPOT.
    pub tpot_ns_percentiles: Vec<u64>,
    /// Passes of all replicas.
    pub passes: u64,
    /// Requests in a pass, over passes.
    pub batch: Quantiles,
    /// Most requests that may run at once in one replica.
    pub batch_limit: u64,
    /// Tokens in a pass, over passes.
    pub pass_tokens: Quantiles,
    /// Time of a pass, over passes.
    pub pass_ns: Quantiles,
    /// The KV cache.
    pub kv: KvUse,
    /// Every GPU.
    pub gpu_use: Vec<GpuUse>,
    /// Evenness of the experts' load.
    pub expert_load: ExpertLoad,
    /// Requests within the service level, where one was given.
    pub goodput: Option<Goodput>,
    /// State over time; at most a few hundred slices of equal length.
    pub slices: Vec<ServingSlice>,
    /// What was interpreted or extended, one line each.
    pub notes: Vec<String>,
}

impl ServingSummary {
    /// Whether requests come faster than they are served: some were turned away by a full queue, or a tenth of all that
    /// came were waiting when the last of them did. Without slices, whether a tenth of the rate asked for was not served.
    /// Users who wait for their answers never ask for more than they get.
    pub fn is_saturated(&self) -> bool {
        if self.requests.rejected > self.requests.too_long {
            return true;
        }
        if self.users > 0 {
            return false;
        }
        match self.slices.iter().rfind(|slice| slice.arrived > 0) {
            Some(last) => {
                let waiting = u128::from(last.waiting_permille);
                waiting >= 2000 && waiting * 10 > u128::from(self.requests.arrived) * 1000
            }
            None => {
                let served = u128::from(self.requests.finished) * 1_000_000_000_000;
                let asked = u128::from(self.rate_millihertz) * u128::from(self.span_ns);
                served * 10 < asked * 9
            }
        }
    }

    /// Output tokens of finished requests per second of the run; `None` for an empty run.
    pub fn output_tokens_per_s(&self) -> Option<f64> {
        self.per_s(self.tokens.output)
    }

    /// Prompt tokens of finished requests per second.
    pub fn prompt_tokens_per_s(&self) -> Option<f64> {
        self.per_s(self.tokens.prompt)
    }

    /// Finished requests per second.
    pub fn requests_per_s(&self) -> Option<f64> {
        self.per_s(self.requests.finished)
    }

    /// Requests within the service level per second.
    pub fn goodput_per_s(&self) -> Option<f64> {
        self.goodput.as_ref().and_then(|goodput| self.per_s(goodput.met))
    }

    fn per_s(&self, count: u64) -> Option<f64> {
        (self.span_ns > 0).then(|| count as f64 / (self.span_ns as f64 / 1e9))
    }
}
