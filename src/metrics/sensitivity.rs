//! What an answer depends on: a point, and the point again with one parameter at a time a little smaller and larger.

use serde::{Deserialize, Serialize};

use super::{Quantiles, Row, SequenceSummary, Summary};

/// Declares the parameters with their names in files and their titles.
macro_rules! parameters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $id:literal, $title:literal;)+) => {
        /// A parameter of a point that can be varied.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Parameter {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Parameter {
            /// All of them, in the order in which those of equal effect are shown.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in files: that of the scenario's key, where there is one that says the same.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }

            /// Its name in tables and pictures.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                }
            }
        }
    };
}

parameters! {
    /// Bytes per second of GPU memory as the engine reaches it: bandwidth times efficiency.
    GpuMemory = "gpu_memory_rate", "GPU memory bandwidth";
    /// Operations per second of the GPU as the engine reaches it.
    GpuCompute = "gpu_compute_rate", "GPU compute rate";
    /// Bytes per second of copies between host and GPU, both ways.
    HostLink = "engine.h2d_bandwidth", "host link bandwidth (H2D)";
    /// Fixed time of one copy.
    HostLinkLatency = "engine.h2d_latency", "host link latency (H2D)";
    /// Bytes per second of reads from the drive.
    Nvme = "engine.nvme_bandwidth", "NVMe bandwidth";
    /// Fixed time of one read.
    NvmeLatency = "engine.nvme_latency", "NVMe latency";
    /// Theoretical bandwidth of host memory, and with it what the CPU's threads reach together.
    DramBandwidth = "hardware.dram_bandwidth", "DRAM bandwidth";
    /// What the CPU's kernels reach with experts: the rate of one thread and the efficiency of all.
    CpuExperts = "engine.cpu_thread_bandwidth", "CPU expert bandwidth";
    /// Operations per second of the CPU.
    CpuCompute = "cpu_compute_rate", "CPU compute rate";
    /// Bytes per second between GPUs, whatever the exchange.
    Interconnect = "parallel.interconnect", "interconnect bandwidth";
    /// Fixed times of exchanges between GPUs.
    InterconnectLatency = "interconnect_latency", "interconnect latency";
    /// The engine's time for each pass.
    PerToken = "engine.per_token_overhead", "engine overhead per pass";
    /// The engine's time for each sequence of a pass.
    PerRequest = "engine.per_request_overhead", "engine overhead per request";
    /// The engine's time for each layer.
    PerLayer = "engine.per_layer_overhead", "engine overhead per layer";
    /// The time of a launch from the host.
    Launch = "engine.kernel_launch", "kernel launch";
    /// Fixed time of a measured kernel of routed experts.
    KernelFixed = "expert_kernel_fixed", "expert kernel, fixed time";
    /// Fixed time of a layer whose experts run on the CPU.
    CpuLayer = "engine.cpu_layer_overhead", "CPU layer overhead";
    /// GPU memory: what the cache and the KV cache have is planned anew.
    Vram = "hardware.vram", "VRAM capacity";
    /// Host memory.
    Dram = "hardware.dram", "DRAM capacity";
    /// Room of the expert cache where the scenario fixes it.
    ExpertCache = "cache.capacity", "expert cache in VRAM";
    /// Room in host memory for experts that live on NVMe, where the scenario fixes it.
    HostCache = "placement.dram_cache", "expert cache in DRAM";
    /// GPU memory for what is fetched ahead.
    PrefetchBudget = "prefetch.budget", "prefetch buffer";
    /// Room of the KV cache where the scenario fixes it.
    KvCache = "kv.capacity", "KV cache capacity";
    /// Requests a second, of a log its speed.
    RequestRate = "requests.rate", "request rate";
    /// Users of a closed loop.
    Users = "requests.users", "users";
    /// Mean length of prompts.
    PromptTokens = "requests.prompt_tokens", "prompt length";
    /// Mean length of answers.
    OutputTokens = "requests.output_tokens", "answer length";
    /// Tokens in the KV cache before the first that is replayed.
    Depth = "workload.depth", "context depth";
    /// Share of lookups that hit, where it is assumed.
    HitRate = "cache.hit_rate", "assumed hit rate";
    /// How unevenly the router chooses: the logarithms of all experts' pulls.
    Skew = "router.skew", "routing skew";
    /// Share of experts that the router keeps from token to token.
    Repetition = "workload.repeat", "routing repetition";
}

/// What is asked of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SensitivityMetric {
    /// Median time per output token: over sequences, under load over requests.
    Tpot,
    /// Median time to first token.
    Ttft,
    /// 99th percentile of the time per output token.
    TpotP99,
    /// 99th percentile of the time to first token.
    TtftP99,
    /// Output tokens a second, in thousandths.
    Throughput,
}

impl SensitivityMetric {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Tpot, Self::Ttft, Self::TpotP99, Self::TtftP99, Self::Throughput];

    /// Its name as an option of the command line.
    pub fn id(self) -> &'static str {
        match self {
            Self::Tpot => "tpot",
            Self::Ttft => "ttft",
            Self::TpotP99 => "tpot_p99",
            Self::TtftP99 => "ttft_p99",
            Self::Throughput => "throughput",
        }
    }

    /// Its name in a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Tpot => "TPOT",
            Self::Ttft => "TTFT",
            Self::TpotP99 => "p99 TPOT",
            Self::TtftP99 => "p99 TTFT",
            Self::Throughput => "throughput",
        }
    }

    /// Whether it is a time, of which less is better; else a rate.
    pub fn is_time(self) -> bool {
        self != Self::Throughput
    }

    /// Nanoseconds, or thousandths of a token a second; `None` where the run has no such number.
    pub fn of(self, summary: &Summary) -> Option<u64> {
        let (tpot, ttft) = match &summary.serving {
            Some(serving) => (&serving.tpot_ns, &serving.ttft_ns),
            None => (&summary.tpot_ns, &summary.ttft_ns),
        };
        let some = |of: &Quantiles, value: u64| (of.count > 0).then_some(value);
        match self {
            Self::Tpot => some(tpot, tpot.p50),
            Self::TpotP99 => some(tpot, tpot.p99),
            Self::Ttft => some(ttft, ttft.p50),
            Self::TtftP99 => some(ttft, ttft.p99),
            Self::Throughput => match &summary.serving {
                Some(serving) => rate(serving.tokens.output, serving.span_ns),
                None => rate(summary.decode.tokens, summary.decode_time.total_ns()),
            },
        }
    }

    /// The same of one sequence that was replayed.
    pub fn of_sequence(self, sequence: &SequenceSummary) -> Option<u64> {
        match self {
            Self::Tpot | Self::TpotP99 => sequence.tpot_ns(),
            Self::Ttft | Self::TtftP99 => (sequence.prefill_tokens > 0).then_some(sequence.prefill_ns),
            Self::Throughput => rate(sequence.decode_tokens, sequence.decode_ns),
        }
    }
}

/// Thousandths of `count` a second.
fn rate(count: u64, ns: u64) -> Option<u64> {
    let scaled = (u128::from(count) * 1_000_000_000_000).checked_div(u128::from(ns))?;
    (count > 0).then(|| u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// What became of a variation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Varied {
    /// It ran, and this is the metric: nanoseconds, or thousandths of a token a second.
    Ran(u64),
    /// It cannot run, for these reasons.
    CannotRun(Vec<String>),
}

impl Varied {
    /// The metric, where it ran.
    pub fn value(&self) -> Option<u64> {
        match self {
            Self::Ran(value) => Some(*value),
            Self::CannotRun(_) => None,
        }
    }
}

/// One end of a bar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensitivityEnd {
    /// What the parameter is there, in words.
    pub setting: String,
    /// What came of it.
    pub varied: Varied,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensitivityBar {
    /// Which.
    pub parameter: Parameter,
    /// What it is in the point itself, in words.
    pub setting: String,
    /// With less of it.
    pub less: SensitivityEnd,
    /// With more of it.
    pub more: SensitivityEnd,
    /// The ends are those of a router fitted to the recorded trace, as relative changes applied to the point.
    pub is_fitted: bool,
}

impl SensitivityBar {
    /// Both ends, less first.
    pub fn ends(&self) -> [&SensitivityEnd; 2] {
        [&self.less, &self.more]
    }

    /// Distance between the lowest and the highest metric, the point's own included.
    pub fn swing(&self, base: u64) -> u64 {
        let all = self.ends().into_iter().filter_map(|end| end.varied.value());
        let (low, high) = all.fold((base, base), |(low, high), value| (low.min(value), high.max(value)));
        high - low
    }

    /// Whether both ends run.
    pub fn runs(&self) -> bool {
        self.ends().iter().all(|end| end.varied.value().is_some())
    }
}

/// The sequences of a trace that were replayed fastest and slowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptRange {
    /// Sequences that were replayed.
    pub sequences: u64,
    /// Number of the one with the lowest metric, and the metric.
    pub lowest: (u32, u64),
    /// The same of the highest.
    pub highest: (u32, u64),
}

/// A point and what it would be with each parameter varied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// The point as it is.
    pub row: Row,
    /// What is asked.
    pub metric: SensitivityMetric,
    /// By how much each parameter is varied, in thousandths.
    pub by_permille: u64,
    /// The metric of the point; `None` where it cannot run.
    pub base: Option<u64>,
    /// The parameters that the point has, the greatest swing first; of equals in the order of [`Parameter::ALL`].
    pub bars: Vec<SensitivityBar>,
    /// This prompt or another; `None` under load and where all sequences are alike.
    pub prompts: Option<PromptRange>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

impl Sensitivity {
    /// Puts bars in their order and finds the sequences' range.
    pub fn new(
        (row, metric, by_permille): (Row, SensitivityMetric, u64),
        mut bars: Vec<SensitivityBar>,
        notes: Vec<String>,
    ) -> Self {
        let base = row.summary().and_then(|summary| metric.of(summary));
        let swing = |bar: &SensitivityBar| std::cmp::Reverse(bar.swing(base.unwrap_or(0)));
        bars.sort_by_key(|bar| (swing(bar), bar.parameter));
        let prompts = row.summary().and_then(|summary| prompts(summary, metric));
        Self { row, metric, by_permille, base, bars, prompts, notes }
    }
}

fn prompts(summary: &Summary, metric: SensitivityMetric) -> Option<PromptRange> {
    if summary.serving.is_some() {
        return None;
    }
    let of = |one: &SequenceSummary| Some((one.sequence, metric.of_sequence(one)?));
    let all: Vec<(u32, u64)> = summary.sequences.iter().filter_map(of).collect();
    let lowest = all.iter().min_by_key(|(sequence, value)| (*value, *sequence)).copied()?;
    let highest =
        all.iter().min_by_key(|(sequence, value)| (std::cmp::Reverse(*value), *sequence)).copied()?;
    (lowest.1 < highest.1).then_some(PromptRange { sequences: all.len() as u64, lowest, highest })
}
