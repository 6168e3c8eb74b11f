//! Launches as others measured them, and what the catalogue's kernels say of them.

use std::collections::BTreeMap;
use std::path::Path;

use moesim::catalogue::{Entry, Gpu, Kernel};
use moesim::model::Dtype;
use moesim::serving::{GpuRates, MoeKernel, activation_bytes};
use moesim::units::{Bytes, SimDuration};
use moesim::validate::{tokens_by_power_law, tokens_evenly};

/// One measured launch.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) gpu: String,
    /// Storage type as the catalogue names it.
    pub(crate) dtype: String,
    hidden: u64,
    inter: u64,
    /// Tokens of each activated expert.
    tokens: Vec<u64>,
    micros: f64,
}

impl Launch {
    /// Weights of the activated experts fit the GPU's L2 cache, from which a benchmark that repeats one layer then reads
    /// them.
    pub(crate) fn fits_l2(&self) -> bool {
        let l2 = Gpu::find(&self.gpu).unwrap().l2_cache.as_ref().unwrap().value.get();
        weight_bytes(&self.dtype, 3 * self.hidden * self.inter).times(self.tokens.len() as u64).get() <= l2
    }

    /// Predicted over measured time less one, in percent.
    pub(crate) fn error(&self, row: &Kernel) -> f64 {
        let kernel = serving_kernel(row, self.hidden, self.inter);
        let params = 3 * self.hidden * self.inter;
        let weights = weight_bytes(&self.dtype, params);
        let experts = self.tokens.iter().map(|tokens| kernel.time(*tokens, 2 * params, weights));
        let predicted = kernel.fixed() + experts.sum::<SimDuration>();
        (predicted.as_ns() as f64 / 1000.0 / self.micros - 1.0) * 100.0
    }
}

/// A catalogue row as a pass uses it for gated experts of this shape.
pub(crate) fn serving_kernel(row: &Kernel, hidden: u64, inter: u64) -> MoeKernel {
    let gpu = Gpu::find(&row.gpu.value).unwrap();
    let rates = GpuRates { compute: row.compute(gpu), memory: row.memory(gpu) };
    let activations = activation_bytes(hidden, inter, true, row.input_bytes());
    MoeKernel::grouped(rates, row.tile.value, activations, row.fixed.value)
}

pub(crate) fn weight_bytes(dtype: &str, params: u64) -> Bytes {
    let name = if dtype == "fp8-tensor" { "fp8" } else { dtype };
    Dtype::by_name(name).unwrap().bytes_for(params)
}

fn table(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

/// `moe_kernels.csv`: layers of vLLM 0.24 on two GPUs, collected by aiconfigurator.
pub(crate) fn aiconfigurator(shared: &Path) -> Vec<Launch> {
    let read = |row: BTreeMap<String, String>| {
        let number = |key: &str| row[key].parse::<u64>().unwrap();
        let (tokens, experts, top_k) = (number("tokens"), number("experts"), number("top_k"));
        // DeepSeek-V3 limits each token to 4 of 8 groups of experts. Even logits leave the groups tied, and then the
        // same four are taken every time: measured times stop growing at the bytes of half of the experts.
        let reachable = if row["model_shape"] == "DeepSeek-V3" { experts / 2 } else { experts };
        let tokens = match row["routing"].as_str() {
            "balanced" => tokens_evenly(tokens * top_k, reachable),
            "power_law_1.2" => tokens_by_power_law(tokens, experts, top_k, 1.2),
            other => panic!("routing {other}"),
        };
        let dtype = match row["dtype"].as_str() {
            "bfloat16" => "bf16",
            "fp8" => "fp8-tensor",
            "fp8_block" => "fp8",
            "w4a16_mxfp4" => "mxfp4",
            other => panic!("type {other}"),
        };
        Launch {
            gpu: row["gpu"].clone(),
            dtype: dtype.to_owned(),
            hidden: number("hidden"),
            inter: number("expert_ffn"),
            tokens,
            micros: row["latency_ms"].parse::<f64>().unwrap() * 1000.0,
        }
    };
    table(&shared.join("measurements/moe_kernels.csv")).into_iter().map(read).collect()
}

/// Series LSS-MOE: one layer of Qwen3-30B-A3B, its tokens spread evenly over so many activated experts.
pub(crate) fn llm_serving_sim(shared: &Path) -> Vec<Launch> {
    let read = |row: BTreeMap<String, String>| {
        let experts: u64 = row["resident_or_slots"].split(' ').next().unwrap().parse().unwrap();
        Launch {
            gpu: "rtx-pro-6000-server".to_owned(),
            dtype: "bf16".to_owned(),
            hidden: 2048,
            inter: 768,
            tokens: tokens_evenly(row["batch"].parse::<u64>().unwrap() * 8, experts),
            micros: row["value"].parse().unwrap(),
        }
    };
    let rows = table(&shared.join("measurements/calibration.csv"));
    rows.into_iter().filter(|row| row["id"].starts_with("LSS-MOE")).map(read).collect()
}
