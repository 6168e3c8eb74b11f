//! What every engine's command is made from, read from a point and its plan once.

use crate::catalogue::{Entry, Gpu, ModelRow};
use crate::metrics::Summary;
use crate::plan::{LayerHome, Plan};
use crate::scenario::{ArrivalProcess, Rate, Scenario};
use crate::units::{Bytes, SimDuration};

/// What stands where the model's repository is not known.
const MODEL_UNKNOWN: &str = "MODEL";
/// Share of the GPU's memory that an engine can be given at most, in percent: what the driver and the CUDA context take
/// before the engine starts is not free.
const UTILIZATION_MAX: u64 = 95;
/// Requests of a check where the scenario replays sequences instead of serving them.
const CHECK_REQUESTS: u64 = 32;
/// Lengths of a check where the scenario gives none: those of `llama-bench`.
const CHECK_PROMPT: u64 = 512;
const CHECK_OUTPUT: u64 = 128;

/// The point, its plan and, where it was run, its result.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Plan,
    pub(super) summary: Option<&'a Summary>,
}

impl Facts<'_> {
    /// What a setting was resolved to.
    pub(super) fn setting(&self, key: &str) -> Option<&str> {
        let setting = self.plan.settings.iter().find(|setting| setting.key == key)?;
        Some(&setting.value)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.setting(key)?.parse().ok()
    }

    fn row(&self) -> Option<&'static ModelRow> {
        ModelRow::find(self.scenario.model.name.as_deref()?)
    }

    /// Repository of the weights on Hugging Face.
    pub(super) fn hf(&self) -> String {
        self.row().and_then(ModelRow::hf).unwrap_or(MODEL_UNKNOWN).to_owned()
    }

    /// Name of a file of the weights in the quantisation of the point.
    pub(super) fn gguf(&self) -> String {
        if let Some(path) = &self.scenario.model.gguf {
            return path.display().to_string();
        }
        let hf = self.hf();
        let name = hf.rsplit('/').next().unwrap_or(&hf);
        let mix = self.nearest_gguf().unwrap_or(self.scheme());
        format!("{name}-{}.gguf", mix.to_uppercase())
    }

    /// The mix of GGUF types that is nearest in bits, where the scheme is none itself.
    pub(super) fn nearest_gguf(&self) -> Option<&'static str> {
        match self.scheme() {
            "fp8" | "int8" => Some("q8_0"),
            "int4" | "nf4" | "nvfp4" | "attn16-exp4" => Some("q4_k_m"),
            "fp16" => Some("f16"),
            _ => None,
        }
    }

    /// Quantisation scheme, without remarks.
    pub(super) fn scheme(&self) -> &str {
        self.plan.labels.quant.split(' ').next().unwrap_or_default()
    }

    /// Whether the weights are those of a GGUF file.
    pub(super) fn is_gguf(&self) -> bool {
        let scheme = self.scheme();
        let mix = |prefix: &str| {
            let rest = scheme.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        self.scenario.model.gguf.is_some() || mix("q") || mix("iq")
    }

    /// Storage type of the KV cache.
    pub(super) fn kv(&self) -> &str {
        self.setting("quant.kv").unwrap_or("f16")
    }

    /// Layers of the model; where only its MoE layers are known, those.
    pub(super) fn layers(&self) -> usize {
        self.row().map_or(self.plan.placement.homes.len(), |row| row.spec.layers.len())
    }

    /// Tokens that one sequence may have.
    pub(super) fn context(&self) -> u64 {
        self.plan.labels.context_tokens
    }

    /// Sequences that run at once, on each data-parallel rank.
    pub(super) fn sequences(&self) -> u64 {
        match &self.plan.serving {
            Some(serving) => u64::from(serving.scheduler.max_batch),
            None => self.scenario.workload.batch.map_or(1, |batch| u64::from(batch.get())),
        }
    }

    /// Tokens of one pass.
    pub(super) fn pass_tokens(&self) -> u64 {
        match &self.plan.serving {
            Some(serving) => u64::from(serving.scheduler.token_budget),
            None => self.number("workload.prefill_chunk").unwrap_or(512),
        }
    }

    /// Threads that compute experts, where any do.
    pub(super) fn threads(&self) -> Option<u32> {
        self.plan.machine.cpu.map(|cpu| cpu.threads)
    }

    /// MoE layers whose experts stay on the CPU.
    pub(super) fn cpu_layers(&self) -> usize {
        self.plan.placement.homes.iter().filter(|home| **home != LayerHome::Gpu).count()
    }

    /// Bytes of all experts of the layers that the GPU computes, as one GPU has them.
    fn gpu_experts(&self) -> Bytes {
        let shape = &self.plan.cache.shape;
        let homes = self.plan.placement.homes.iter();
        let of_gpu = shape.sizes.iter().zip(homes).filter(|(_, home)| **home == LayerHome::Gpu);
        let all: u64 = of_gpu.map(|(size, _)| size * u64::from(shape.experts)).sum();
        let ranks = self.plan.serving.as_ref().map_or(1, |serving| u64::from(serving.layout.ep.max(1)));
        Bytes::new(all / ranks)
    }

    /// Room of the expert cache.
    pub(super) fn cached(&self) -> Bytes {
        Bytes::new(self.plan.labels.cache_capacity_bytes)
    }

    /// Experts of GPU layers that have no room in its memory; zero where all have.
    pub(super) fn outside(&self) -> Bytes {
        if self.plan.labels.backing == "vram" {
            Bytes::ZERO
        } else {
            self.gpu_experts().saturating_sub(self.cached())
        }
    }

    /// Experts of a layer that have room in GPU memory.
    pub(super) fn experts_per_layer(&self) -> u64 {
        let shape = &self.plan.cache.shape;
        let one_each: u64 = shape.sizes.iter().sum();
        self.cached().get().checked_div(one_each).unwrap_or(0).min(u64::from(shape.experts))
    }

    /// Percent of the GPU's own memory that the lines of the ledger take but for those of these owners, rounded down.
    pub(super) fn utilization(&self, without: &[&str]) -> u64 {
        let lines = self.plan.ledger.lines();
        let own = lines.iter().filter(|line| line.tier == "vram" && !without.contains(&line.owner.as_str()));
        let used: u64 = own.map(|line| line.bytes).sum();
        let vram = self.plan.ledger.needs().into_iter().find(|need| need.tier == "vram");
        let gpu = Gpu::find(&self.plan.labels.gpu).map(|gpu| gpu.memory.value.get());
        let whole = gpu.or(vram.map(|need| need.capacity_bytes)).unwrap_or(0).max(1);
        let percent = u128::from(used) * 100 / u128::from(whole);
        u64::try_from(percent).unwrap_or(u64::MAX).clamp(1, UTILIZATION_MAX)
    }

    /// Prompt and answer of a check.
    pub(super) fn lengths(&self) -> (u64, u64) {
        if let Some(serving) = &self.plan.serving {
            let all = &serving.requests.requests;
            let count = (all.len() as u64).max(1);
            let mean = |tokens: u64| tokens.div_ceil(count).max(1);
            let prompts = all.iter().map(|request| u64::from(request.prompt_tokens)).sum();
            let outputs = all.iter().map(|request| u64::from(request.output_tokens)).sum();
            return (mean(prompts), mean(outputs));
        }
        let workload = &self.scenario.workload;
        let output = workload.decode_tokens.map_or(CHECK_OUTPUT, std::num::NonZeroU64::get);
        (workload.prompt_tokens.filter(|tokens| *tokens > 0).unwrap_or(CHECK_PROMPT), output)
    }

    /// Requests of a check, those that come in a second, and those that run at once.
    pub(super) fn load(&self) -> (u64, Option<String>, Option<u64>) {
        let Some(serving) = &self.plan.serving else { return (CHECK_REQUESTS, None, Some(self.sequences())) };
        let count = serving.requests.requests.len() as u64;
        if let Some(closed) = &serving.requests.closed {
            return (count, None, Some(u64::from(closed.users)));
        }
        let rate = Rate::from_millihertz(serving.rate_millihertz);
        (count, rate.map(|rate| rate.to_string().trim_end_matches(" /s").to_owned()), None)
    }

    /// Shape of the gamma distribution of the gaps between requests, where it is one.
    pub(super) fn burstiness(&self) -> Option<String> {
        let requests = &self.scenario.requests;
        let cv = requests.cv.filter(|_| requests.arrivals == Some(ArrivalProcess::Gamma))?.value();
        (cv > 0.0).then(|| format!("{:.3}", 1.0 / (cv * cv)))
    }

    /// The prediction, in words.
    pub(super) fn predicted(&self) -> String {
        let Some(summary) = self.summary else { return "what `moesim run` predicts".to_owned() };
        let time = |ns: u64| SimDuration::from_ns(ns).to_string();
        if let Some(serving) = &summary.serving {
            return format!(
                "predicted: TPOT {} median and {} p99, TTFT {} median and {} p99, {:.1} output tokens/s",
                time(serving.tpot_ns.p50),
                time(serving.tpot_ns.p99),
                time(serving.ttft_ns.p50),
                time(serving.ttft_ns.p99),
                serving.output_tokens_per_s().unwrap_or(0.0)
            );
        }
        let rate = summary.decode_tokens_per_s().map(|rate| format!("{rate:.1} tokens/s"));
        let tpot = &summary.tpot_ns;
        let ranged =
            format!("TPOT {} ({} to {} over prompts)", time(tpot.p50), time(tpot.min), time(tpot.max));
        let mut parts: Vec<String> = rate.into_iter().chain((tpot.count > 0).then_some(ranged)).collect();
        if summary.ttft_ns.count > 0 {
            parts.push(format!("TTFT {}", time(summary.ttft_ns.p50)));
        }
        format!("predicted: {}", parts.join(", "))
    }
}
