//! What a pass costs by its tokens, contexts and sequences: what each kind of attention reads, that nothing of a model is
//! forgotten, and what launches cost with graphs and without.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use moesim::catalogue::ModelRow;
use moesim::catalogue::models;
use moesim::model::{Attention, Dtype, LayerSpec, ModelSpec};
use moesim::serving::{GpuRates, MoeKernel, Overheads, PassCosts, Shards, StretchCost, WeightSizes, Work};
use moesim::trace::{Pass, Phase};
use moesim::units::{Bandwidth, Bytes, FlopRate, SimDuration};

fn model(name: &str) -> &'static ModelRow {
    models::all().iter().find(|row| row.id == name).unwrap()
}

fn bf16() -> Dtype {
    Dtype::by_name("bf16").unwrap()
}

/// One byte a nanosecond, and arithmetic for nothing: compute times are bytes.
fn memory_only() -> GpuRates {
    GpuRates {
        compute: FlopRate::from_flops_per_s(u64::MAX).unwrap(),
        memory: Bandwidth::from_bytes_per_s(1_000_000_000).unwrap(),
    }
}

fn overheads(graphs: bool) -> Overheads {
    Overheads {
        per_pass: SimDuration::from_ns(1_000_000),
        per_request: SimDuration::ZERO,
        per_layer: SimDuration::from_ns(1000),
        launch: SimDuration::from_ns(10),
        launches_per_layer: 7,
        graphs,
    }
}

fn costs_with(spec: &ModelSpec, rates: GpuRates, graphs: bool) -> PassCosts {
    let kv = bf16();
    let bytes = |layer: &LayerSpec| {
        let mut params = layer.params();
        params.routed_experts = 0;
        kv.bytes_for(params.total())
    };
    let sizes = WeightSizes {
        layers: spec.layers.iter().map(bytes).collect(),
        experts: spec.layers.iter().filter(|layer| layer.moe().is_some()).map(|_| Bytes::new(1)).collect(),
        logits: kv.bytes_for(spec.logits_params()),
    };
    PassCosts::new(
        spec,
        sizes,
        kv,
        rates,
        overheads(graphs),
        MoeKernel::plain(rates),
        (spec.top_k(), &Shards::default()),
    )
}

fn costs(spec: &ModelSpec) -> PassCosts {
    costs_with(spec, memory_only(), true)
}

fn pass(sequences: u32, rows: u64, context: u64) -> Pass {
    let phase = if rows == u64::from(sequences) { Phase::Decode } else { Phase::Prefill };
    Pass { sequence: 0, phase, first_row: 0, rows, context, sequences }
}

/// All stretches of a pass in the order of the layers, and the tail.
fn whole(costs: &PassCosts, layers: usize, pass: &Pass) -> StretchCost {
    let mut each = Vec::new();
    let mut work = Work::default();
    work.set(pass, None);
    costs.stretch_costs(&work, &mut each);
    let mut sum = costs.tail_cost(&work);
    for layer in 0..layers {
        let one = each[costs.stretch_of(u32::try_from(layer).unwrap())];
        sum.compute += one.compute;
        sum.overhead += one.overhead;
        sum.bytes += one.bytes;
        sum.flops += one.flops;
    }
    sum
}

fn cost(spec: &ModelSpec, pass: &Pass) -> StretchCost {
    whole(&costs(spec), spec.moe_layer_ids().len(), pass)
}

/// A dense model with only the layers of a catalogue model whose attention is chosen.
fn only(name: &str, choose: impl Fn(&Attention) -> bool) -> ModelSpec {
    let mut spec = model(name).spec.clone();
    spec.layers.retain(|layer| choose(&layer.attention));
    assert!(!spec.layers.is_empty(), "{name}");
    spec
}

/// Bytes of cache that a decode token moves at a context, its own token included in it.
fn cache_bytes(spec: &ModelSpec, context: u64) -> u64 {
    let weights: u64 = {
        let routed: u64 = spec.layers.iter().map(|layer| layer.params().routed_experts).sum();
        let layers: u64 = spec.layers.iter().map(|layer| layer.params().total()).sum();
        2 * (layers - routed + spec.logits_params())
    };
    cost(spec, &pass(1, 1, context - 1)).bytes.get() - weights
}

#[test]
fn every_part_but_the_routed_experts_is_read_once() {
    for row in models::all() {
        // A context of nothing: own keys and values, and states, are all that is left beside weights.
        let own: Bytes = row.spec.layers.iter().map(|layer| layer.decode_cache_bytes(1, bf16())).sum();
        assert_eq!(cache_bytes(&row.spec, 1), own.get(), "{}", row.id);
    }
}

#[test]
fn full_attention_reads_all_keys_and_values() {
    // Multi-head, grouped-query.
    for (name, heads, width) in [("olmoe-1b-7b", 16, 128), ("qwen3-30b-a3b", 4, 128)] {
        let spec = &model(name).spec;
        let per_token = spec.layers.len() as u64 * 2 * heads * width * 2;
        for context in [1, 1000, 2000] {
            assert_eq!(cache_bytes(spec, context), context * per_token, "{name}");
        }
        assert_eq!(2 * cache_bytes(spec, 4096), cache_bytes(spec, 8192), "{name}");
    }
}

#[test]
fn a_window_stops_growing() {
    let spec = only("gpt-oss-20b", |attention| matches!(attention, Attention::SlidingWindow { .. }));
    let at = |context| cache_bytes(&spec, context);
    assert_eq!(2 * at(64), at(128));
    assert_eq!(at(128), at(129));
    assert_eq!(cost(&spec, &pass(1, 1, 1000)), cost(&spec, &pass(1, 1, 100_000)));
    let (half, full) =
        (&model("gpt-oss-20b").spec, |context| cache_bytes(&model("gpt-oss-20b").spec, context));
    assert_eq!(full(2000) - full(1000), 1000 * half.layers.len() as u64 / 2 * 2 * 8 * 64 * 2);
}

#[test]
fn latent_attention_reads_its_latents() {
    let spec = &model("deepseek-v2-lite").spec;
    // A latent of 512 and a rotated key of 64 for all heads together.
    assert_eq!(cache_bytes(spec, 3000), 3000 * 27 * (512 + 64) * 2);
}

#[test]
fn sparse_attention_reads_the_selected_tokens_and_all_keys_of_the_indexer() {
    let spec = &model("deepseek-v3.2").spec;
    let layers = spec.layers.len() as u64;
    for (context, selected) in [(1000, 1000), (2048, 2048), (50_000, 2048)] {
        let expected = layers * (selected * (512 + 64) + context * 128) * 2;
        assert_eq!(cache_bytes(spec, context), expected, "{context}");
    }
}

#[test]
fn a_recurrent_state_is_read_and_written_back_whatever_the_context() {
    for name in ["qwen3-next-80b-a3b", "nemotron-3-nano-30b-a3b"] {
        let spec = only(name, |attention| matches!(attention, Attention::Linear(_) | Attention::Mamba(_)));
        let state: u64 = spec.layers.iter().map(|layer| layer.state_bytes().get()).sum();
        assert_eq!(cache_bytes(&spec, 1), 2 * state, "{name}");
        assert_eq!(cost(&spec, &pass(1, 1, 0)), cost(&spec, &pass(1, 1, 1_000_000)), "{name}");
    }
}

#[test]
fn each_sequence_reads_its_own_cache_and_all_share_the_weights() {
    for name in ["qwen3-30b-a3b", "gpt-oss-20b", "deepseek-v3.2", "qwen3-next-80b-a3b"] {
        let spec = &model(name).spec;
        let bytes = |sequences: u32| cost(spec, &pass(sequences, sequences.into(), 4999)).bytes.get();
        let cache = cache_bytes(spec, 5000);
        assert_eq!(bytes(64) - bytes(1), 63 * cache, "{name}");
        // Prompts of several sequences: a cache each, too.
        let prompts =
            |sequences: u32| cost(spec, &pass(sequences, 512 * u64::from(sequences), 0)).bytes.get();
        assert_eq!(prompts(3) - prompts(2), prompts(2) - prompts(1), "{name}");
    }
}

#[test]
fn arithmetic_grows_with_sequences_and_one_token_of_each_is_sampled() {
    // Memory for nothing: times are operations.
    let rates = GpuRates {
        compute: FlopRate::from_flops_per_s(1_000_000_000).unwrap(),
        memory: Bandwidth::from_bytes_per_s(u64::MAX).unwrap(),
    };
    let spec = &model("qwen3-30b-a3b").spec;
    let costs = costs_with(spec, rates, true);
    let time = |pass: &Pass| whole(&costs, 48, pass).compute.as_ns();
    assert_eq!(time(&pass(8, 8, 999)), 8 * time(&pass(1, 1, 999)));
    // All rows pass the layers, the output projection sees one row of each sequence.
    let tail = |pass: &Pass| {
        let mut work = Work::default();
        work.set(pass, None);
        costs.tail_cost(&work).compute.as_ns()
    };
    assert_eq!(tail(&pass(8, 8, 999)), 8 * 2 * spec.logits_params());
    assert_eq!(tail(&pass(1, 512, 0)), 2 * spec.logits_params());
    assert_eq!(tail(&pass(4, 2048, 0)), 4 * tail(&pass(1, 512, 0)));
}

#[test]
fn graphs_spare_the_launches_of_every_layer() {
    let spec = &model("deepseek-v2-lite").spec;
    let layers = spec.layers.len() as u64;
    let overhead = |graphs| {
        let costs = costs_with(spec, memory_only(), graphs);
        whole(&costs, spec.moe_layer_ids().len(), &pass(1, 1, 0)).overhead
    };
    assert_eq!(overhead(true), SimDuration::from_ns(layers * 1000));
    assert_eq!(overhead(false), SimDuration::from_ns(layers * (1000 + 7 * 10)));
}

#[test]
fn a_launch_costs_its_launch_and_what_the_kernel_adds() {
    let spec = &model("qwen3-30b-a3b").spec;
    let rates = memory_only();
    let kernel = MoeKernel::grouped(rates, 128, Bytes::ZERO, SimDuration::from_ns(28_000));
    let sizes = WeightSizes {
        layers: vec![Bytes::ZERO; 48],
        experts: vec![Bytes::new(5000); 48],
        logits: Bytes::ZERO,
    };
    let costs = PassCosts::new(spec, sizes, bf16(), rates, overheads(true), kernel, (8, &Shards::default()));
    assert_eq!(costs.launch_overhead(), SimDuration::from_ns(28_010));
    for count in [0, 1, 8, 20] {
        assert_eq!(costs.experts().single_token_time(3, count), SimDuration::from_ns(5000 * count as u64));
    }
    assert_eq!(costs.experts().time(3, 1), SimDuration::from_ns(5000));
}
