//! The grouped kernel of routed experts: laws of its formula, which engine has it, and the catalogue's kernels against
//! measured launches.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

mod common;

#[path = "kernels/measured.rs"]
mod measured;

use std::path::Path;

use moesim::catalogue::{Entry, Gpu, Kernel};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::serving::{GpuRates, MoeKernel};
use moesim::units::{Bandwidth, Bytes, FlopRate, SimDuration};
use proptest::prelude::*;

use measured::{Launch, aiconfigurator, llm_serving_sim, serving_kernel};

/// Largest median error, in percent.
const BAR: f64 = 15.0;

/// Absolute errors in percent, in ascending order.
fn errors(row: &Kernel, launches: &[Launch]) -> Vec<f64> {
    let mut errors: Vec<f64> = launches.iter().map(|launch| launch.error(row).abs()).collect();
    errors.sort_by(f64::total_cmp);
    errors
}

fn at(sorted: &[f64], share: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let index = (sorted.len() as f64 * share) as usize;
    sorted[index.min(sorted.len() - 1)]
}

#[allow(clippy::print_stdout, reason = "the table of errors is what a person runs this test for")]
/// Prints a row's errors and holds them to the bar and to what the catalogue says of them.
fn judge(row: &Kernel, launches: &[Launch]) {
    let all = errors(row, launches);
    let fitted: Vec<Launch> = launches.iter().filter(|launch| !launch.fits_l2()).cloned().collect();
    let apart = errors(row, &fitted);
    let [median, p90, worst] = [0.5, 0.9, 1.0].map(|share| at(&all, share));
    println!(
        "{:24} {:4} rows: median {median:5.1} %, p90 {p90:5.1} %, worst {worst:6.1} %; {:4} from memory: {:5.1} %, {:5.1} %, {:6.1} %",
        row.id,
        all.len(),
        apart.len(),
        at(&apart, 0.5),
        at(&apart, 0.9),
        at(&apart, 1.0),
    );
    assert!(median <= BAR, "{}: {median}", row.id);
    assert_eq!(fitted.len(), row.fitted_rows.value as usize, "{}", row.id);
    for (what, ours, said) in [("median", median, &row.median_error), ("p90", p90, &row.p90_error)] {
        let said = said.value.ppm() as f64 / 10_000.0;
        assert!((ours - said).abs() < 0.2, "{}: {what} {ours}, the catalogue says {said}", row.id);
    }
}

#[test]
fn measured_launches_come_out_within_the_bar() {
    let Some(shared) = common::shared("kernels") else { return };
    let launches = aiconfigurator(&shared);
    let mut judged = 0;
    for row in Kernel::all() {
        let gpu = Gpu::find(&row.gpu.value).unwrap();
        let own: Vec<Launch> = launches
            .iter()
            .filter(|one| one.gpu == gpu.id && one.dtype == row.dtype.value)
            .cloned()
            .collect();
        if !own.is_empty() {
            judge(row, &own);
            judged += own.len();
        }
    }
    assert_eq!(judged, launches.len(), "every row has a kernel");
}

#[test]
fn activated_experts_times_tokens_come_out_within_the_bar() {
    let Some(shared) = common::shared("kernels") else { return };
    judge(Kernel::find("rtx-pro-6000-moe-bf16").unwrap(), &llm_serving_sim(&shared));
}

#[test]
fn every_kernel_is_of_a_known_gpu_and_within_its_peaks() {
    for row in Kernel::all() {
        let gpu = Gpu::find(&row.gpu.value).unwrap();
        assert_eq!(Kernel::on(gpu, &row.dtype.value), Some(row), "{}", row.id);
        assert!(row.memory(gpu) <= gpu.bandwidth.value, "{}", row.id);
        assert!(row.compute(gpu) <= gpu.fp8.as_ref().map_or(gpu.fp16.value, |rate| rate.value), "{}", row.id);
        assert!([16, 32, 64, 128, 256].contains(&row.tile.value), "{}", row.id);
    }
}

#[test]
fn one_token_is_bound_by_memory_on_every_measured_gpu() {
    // An expert of Qwen3-30B-A3B.
    let (hidden, inter) = (2048, 768);
    let params = 3 * hidden * inter;
    for row in Kernel::all() {
        let gpu = Gpu::find(&row.gpu.value).unwrap();
        let kernel = serving_kernel(row, hidden, inter);
        let weights = measured::weight_bytes(&row.dtype.value, params);
        let moved = kernel.time_alike(8, 1, 0, weights);
        assert_eq!(kernel.time_alike(8, 1, 2 * params, weights), moved, "{}", row.id);
        assert!(moved >= row.memory(gpu).time_for(weights.times(8)), "{}", row.id);
        let many = kernel.time(4096, 2 * params, weights);
        assert!(many > kernel.time(4096, 0, weights), "{}: many tokens are bound by arithmetic", row.id);
    }
}

/// One decode token of a shipped trace, everything resident.
fn planned(engine: &str, gpu: &str, (model, scheme): (&str, &str)) -> Plan {
    let text = format!(
        "[model]\nname = \"{model}\"\n[quant]\nscheme = \"{scheme}\"\n[hardware]\ngpu = \"{gpu}\"\n\
         [engine]\nprofile = \"{engine}\"\n[placement]\nexperts = \"vram\"\n\
         [workload]\nsequences = 1\ndecode_tokens = 1\ntrace = \"{model}.moetrace\"\n"
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/kernels.toml");
    plan(&ScenarioFile::parse(&text, &path, &[]).unwrap().point(0).unwrap(), &Inputs::default()).unwrap()
}

#[test]
fn a_measured_kernel_serves_the_engines_that_have_it() {
    let (qwen, oss) = ("qwen3-30b-a3b", "gpt-oss-120b");
    for (engine, gpu, model, expected) in [
        ("vllm", "h200-sxm", (qwen, "bf16"), Some("h200-sxm-moe-bf16")),
        ("vllm", "h200-sxm", (qwen, "fp8"), Some("h200-sxm-moe-fp8")),
        ("sglang", "l40s", (qwen, "fp8"), Some("l40s-moe-fp8")),
        // Its experts have biases, which storage types do not count.
        ("vllm", "l40s", (oss, "mxfp4"), Some("l40s-moe-mxfp4")),
        ("vllm", "h200-sxm", (qwen, "q4_k_m"), None),
        ("vllm", "rtx4090", (qwen, "fp8"), None),
    ] {
        let plan = planned(engine, gpu, model);
        let note = plan.settings.iter().find(|setting| setting.key == "expert kernel").unwrap();
        match expected {
            Some(id) => assert_eq!(note.value, id),
            None => assert!(note.origin.starts_with("assumed"), "{}", note.origin),
        }
        let fixed = expected.map_or(28_000, |id| Kernel::find(id).unwrap().fixed.value.as_ns());
        assert_eq!(plan.costs.launch_overhead().as_ns(), fixed);
        // One token is bound by memory, so that its experts take what their weights take.
        let experts = plan.costs.experts();
        let rate = expected.map_or_else(
            || Gpu::find(gpu).unwrap().bandwidth.value.at_ppm(854_000),
            |id| Kernel::find(id).unwrap().memory(Gpu::find(gpu).unwrap()),
        );
        let (weights, top_k) = (experts.bytes(0), plan.workload.trace.header().top_k);
        let least = rate.time_for(weights.times(top_k.into())).as_ns();
        let time = experts.single_token_time(0, top_k as usize).as_ns();
        assert!(
            (least..=least + least / 100).contains(&time),
            "{engine} {gpu} {model:?}: {time} ns of {least}"
        );
    }
    let plan = planned("llama.cpp", "h200-sxm", (qwen, "bf16"));
    assert!(plan.settings.iter().all(|setting| setting.key != "expert kernel"));
    assert_eq!(plan.costs.launch_overhead(), plan.costs.overheads().launch);
}

fn kernels() -> impl Strategy<Value = MoeKernel> {
    let rate = 1_000_000_000_u64..10_000_000_000_000_000;
    (rate.clone(), rate, 0_u32..300, 0_u64..100_000, 0_u64..100_000).prop_map(
        |(compute, memory, tile, activations, fixed)| {
            let rates = GpuRates {
                compute: FlopRate::from_flops_per_s(compute).unwrap(),
                memory: Bandwidth::from_bytes_per_s(memory).unwrap(),
            };
            MoeKernel::grouped(rates, tile, Bytes::new(activations), SimDuration::from_ns(fixed))
        },
    )
}

/// Nanoseconds, rounded down.
fn ns(amount: u64, rate: u64) -> u64 {
    u64::try_from(u128::from(amount) * 1_000_000_000 / u128::from(rate)).unwrap()
}

proptest! {
    #[test]
    fn more_tokens_are_never_faster(kernel in kernels(), tokens in 0_u64..20_000, more in 0_u64..1000) {
        let time = |tokens| kernel.time(tokens, 1_000_000, Bytes::new(2_000_000));
        prop_assert!(time(tokens) <= time(tokens + more));
        prop_assert!(kernel.padded(tokens) >= tokens);
        prop_assert!(kernel.padded(tokens) < tokens + 300);
    }

    #[test]
    fn more_experts_are_never_faster(kernel in kernels(), count in 0_u64..200, tokens in 1_u64..500) {
        // At the fastest rate drawn such an expert takes 2 ns: one below a nanosecond could be lost in rounding.
        let weights = Bytes::new(20_000_000);
        let time = |count| kernel.time_alike(count, tokens, 1_000_000, weights);
        prop_assert!(time(count) < time(count + 1));
        // Experts add up, to the rounding of each.
        let sum = kernel.time(tokens, 1_000_000, weights).times(count);
        prop_assert!(sum >= time(count) && sum.as_ns() <= time(count).as_ns() + 2 * count);
    }

    #[test]
    fn nothing_beats_the_roofline(
        compute in 1_000_000_000_u64..1_000_000_000_000_000,
        memory in 1_000_000_000_u64..1_000_000_000_000_000,
        tile in 0_u32..300,
        tokens in 1_u64..20_000,
    ) {
        let rates = GpuRates {
            compute: FlopRate::from_flops_per_s(compute).unwrap(),
            memory: Bandwidth::from_bytes_per_s(memory).unwrap(),
        };
        let kernel = MoeKernel::grouped(rates, tile, Bytes::new(100), SimDuration::ZERO);
        let time = kernel.time(tokens, 3_000_000, Bytes::new(5_000_000)).as_ns();
        prop_assert!(time >= ns(tokens * 3_000_000, compute).max(ns(5_000_000, memory)));
        let plain = MoeKernel::plain(rates).time(tokens, 3_000_000, Bytes::new(5_000_000));
        prop_assert_eq!(plain, rates.time(tokens * 3_000_000, Bytes::new(5_000_000)));
    }
}
