//! The memory ledger against figures worked out independently, and what a machine cannot hold.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::Path;

use moesim::memory::Tier;
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;

const GIB: u64 = 1 << 30;

/// Plans with these sections; traces and configurations are looked up beside the shipped traces.
fn planned(text: &str) -> moesim::error::Result<Plan> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/memory.toml");
    plan(&ScenarioFile::parse(text, &path, &[])?.point(0)?, &Inputs::default())
}

/// A model on a GPU with a trace and further lines.
fn model(name: &str, scheme: &str, gpu: &str, trace: &str, more: &str) -> moesim::error::Result<Plan> {
    planned(&format!(
        "[model]\nname = \"{name}\"\n[quant]\nscheme = \"{scheme}\"\n[hardware]\ngpu = \"{gpu}\"\ndram = \"2 TB\"\n\
         {more}\n[workload]\nsequences = 1\ndecode_tokens = 8\ntrace = \"{trace}.moetrace\"\n"
    ))
}

fn owner(plan: &Plan, tier: &str, owner: &str) -> u64 {
    let lines = plan.ledger.lines();
    lines.iter().filter(|line| line.tier == tier && line.owner == owner).map(|line| line.bytes).sum()
}

/// The ledger's lines of a tier add up to its total.
fn check_sums(plan: &Plan) {
    for tier in Tier::ALL {
        let lines = plan.ledger.lines();
        let sum: u64 = lines.iter().filter(|line| line.tier == tier.name()).map(|line| line.bytes).sum();
        assert_eq!(sum, plan.ledger.total(tier).get());
    }
    assert_eq!(
        plan.fits(),
        Tier::ALL.iter().all(|tier| plan.ledger.total(*tier) <= plan.ledger.capacity(*tier))
    );
}

#[test]
fn qwen3_30b_in_q4_k_m() {
    let plan = model("qwen3-30b-a3b", "q4_k_m", "rtx4090", "qwen3-30b-a3b", "").unwrap();
    check_sums(&plan);
    // 2048 x 768 x 3 weights: 144 bytes for 256 of them in Q4_K, 210 in Q6_K. The down projections of the first and
    // last eighth of the layers and of every third between are Q6_K.
    let matrix = 2048 * 768 / 256;
    let (small, large) = (matrix * 3 * 144, matrix * (2 * 144 + 210));
    assert_eq!((small, large), (2_654_208, 3_059_712));
    let more_bits = |layer: usize| !(6..42).contains(&layer) || (layer - 6) % 3 == 2;
    let expected: Vec<u64> = (0..48).map(|layer| if more_bits(layer) { large } else { small }).collect();
    assert_eq!(plan.cache.shape.sizes, expected);
    let experts: u64 = expected.iter().map(|size| size * 128).sum();
    assert_eq!(owner(&plan, "dram", "routed experts"), experts);
    assert_eq!(plan.labels.experts_total_bytes, experts);
    assert_eq!(plan.labels.token_working_set_bytes, expected.iter().map(|size| size * 8).sum::<u64>());
    // Embeddings in Q4_K and the output projection in Q6_K, untied.
    assert_eq!(owner(&plan, "vram", "embeddings"), 151_936 * 2048 / 256 * 144);
    assert_eq!(owner(&plan, "vram", "lm head"), 151_936 * 2048 / 256 * 210);
    assert_eq!(owner(&plan, "vram", "router"), 48 * 128 * 2048 * 4);
    assert_eq!(owner(&plan, "vram", "norms"), (48 * (2 * 2048 + 2 * 128) + 2048) * 4);
    // 32 query and 4 key-value heads of 128; values of the same layers have more bits.
    let (wide, narrow) = (2048 * 4096 / 256 * 144, 2048 * 512 / 256);
    let value = |layer: usize| narrow * if more_bits(layer) { 210 } else { 144 };
    let attention: u64 = (0..48).map(|layer| 2 * wide + narrow * 144 + value(layer)).sum();
    assert_eq!(owner(&plan, "vram", "attention"), attention);
    assert_eq!(owner(&plan, "vram", "kv cache"), 48 * 2 * 4 * 128 * 2 * plan.labels.context_tokens);
    // The published file has 18.6 GB.
    let weights = ["embeddings", "lm head", "router", "norms", "attention"];
    let whole = experts + weights.iter().map(|part| owner(&plan, "vram", part)).sum::<u64>();
    assert!((18_500_000_000..18_700_000_000).contains(&whole), "{whole} bytes");
}

#[test]
fn mixtral_in_bf16_takes_93_gb() {
    let plan = model("mixtral-8x7b", "bf16", "h100-sxm", "mixtral-8x7b", "").unwrap();
    check_sums(&plan);
    let expert = 3 * 4096 * 14_336 * 2;
    assert_eq!(owner(&plan, "dram", "routed experts"), 32 * 8 * expert);
    let resident = ["embeddings", "lm head", "router", "norms", "attention"];
    let whole = 32 * 8 * expert + resident.iter().map(|part| owner(&plan, "vram", part)).sum::<u64>();
    // 46,702,792,704 parameters of two bytes.
    assert_eq!(whole, 93_405_585_408);
}

fn kv_of(name: &str, context: u64, more: &str) -> u64 {
    let text = format!(
        "[model]\nname = \"{name}\"\n[quant]\nscheme = \"bf16\"\n[hardware]\ngpu = \"h100-sxm\"\ndram = \"4 TB\"\n\
         [workload]\ncontext = {context}\n{more}"
    );
    owner(&planned(&text).unwrap(), "vram", "kv cache")
}

#[test]
fn kv_caches_by_kind_of_attention() {
    assert_eq!(kv_of("llama-3.1-70b", 8192, ""), 80 * 2 * 8 * 128 * 2 * 8192);
    // Latents of 512 and a rotated key of 64, shared by all heads.
    let deepseek = "trace = \"deepseek-v3.moetrace\"";
    assert_eq!(kv_of("deepseek-v3", 8192, deepseek), 61 * 576 * 2 * 8192);
    assert_eq!(kv_of("deepseek-v3", 131_072, deepseek), 61 * 576 * 2 * 131_072);
    // Every other layer sees 128 tokens.
    let gptoss = "trace = \"gpt-oss-20b.moetrace\"";
    let per_token = 2 * 8 * 64 * 2;
    for context in [8192, 131_072] {
        assert_eq!(kv_of("gpt-oss-20b", context, gptoss), per_token * (12 * context + 12 * 128));
    }
}

#[test]
fn a_full_copy_lies_in_each_lower_home_and_in_no_other() {
    let with = |more: &str| model("qwen3-30b-a3b", "q4_k_m", "rtx4090", "qwen3-30b-a3b", more).unwrap();
    let dram = with("");
    let experts = dram.labels.experts_total_bytes;
    let nvme = with("[placement]\nexperts = \"nvme\"");
    let vram = with("[placement]\nexperts = \"vram\"");
    let homes = |plan: &Plan| ["vram", "dram", "nvme"].map(|tier| owner(plan, tier, "routed experts"));
    assert_eq!(homes(&dram)[1..], [experts, 0]);
    assert_eq!(homes(&nvme)[1..], [0, experts]);
    assert_eq!(homes(&vram), [experts, 0, 0]);
    // Two sets of one event's experts pass through host memory.
    assert_eq!(owner(&nvme, "dram", "staging"), 2 * 8 * 3_059_712);
    assert_eq!(owner(&dram, "dram", "staging"), 0);
    [dram, nvme, vram].iter().for_each(check_sums);
}

#[test]
fn rest_fills_the_card_to_the_last_byte() {
    for more in ["", "[cache]\ncapacity = \"rest\"", "vram = \"9 GB\"", "vram_reserve = \"600 MiB\""] {
        let plan = model("mixtral-8x7b", "q4_k_m", "rtx4090", "mixtral-8x7b", more).unwrap();
        assert!(plan.fits(), "{:?}", plan.problems);
        assert_eq!(plan.ledger.total(Tier::Vram), plan.ledger.capacity(Tier::Vram), "{more:?}");
        assert!(plan.labels.cache_capacity_bytes < plan.labels.experts_total_bytes);
        assert!(simulate(&plan).unwrap().decode.misses > 0);
    }
    // Where everything fits it takes no more than everything.
    let plan = model("qwen3-30b-a3b", "q4_k_m", "h100-sxm", "qwen3-30b-a3b", "").unwrap();
    assert_eq!(plan.labels.cache_capacity_bytes, plan.labels.experts_total_bytes);
    assert!(plan.ledger.total(Tier::Vram) < plan.ledger.capacity(Tier::Vram));
    assert_eq!(simulate(&plan).unwrap().decode.misses, 0);
}

#[test]
fn what_does_not_fit_says_what_is_short() {
    let problems =
        |more: &str| model("mixtral-8x7b", "bf16", "rtx4090", "mixtral-8x7b", more).unwrap().problems;
    let all = problems("[placement]\nexperts = \"vram\"");
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(
        all[0].contains("of VRAM, has 24.0 GiB") && all[0].contains("routed experts 84.0 GiB"),
        "{all:?}"
    );
    let cache = problems("[cache]\ncapacity = \"30 GiB\"");
    assert!(cache[0].contains("expert cache 30.0 GiB"), "{cache:?}");
    let tiny = problems("vram = \"1 GiB\"");
    assert!(tiny[0].contains("has 1.00 GiB"), "{tiny:?}");
    // Several tiers at once.
    let text = "[model]\nname = \"mixtral-8x7b\"\n[hardware]\ngpu = \"rtx4090\"\ndram = \"32 GiB\"\nvram = \"1 GiB\"\n\
                [workload]\ntrace = \"mixtral-8x7b.moetrace\"\n";
    let both = planned(text).unwrap();
    assert_eq!(both.problems.len(), 2, "{:?}", both.problems);
    assert!(both.problems[1].contains("of DRAM, has 32.0 GiB"));
    assert!(!both.fits() && both.describe().contains("It cannot run: needs"));
    let disk =
        problems("nvme_capacity = \"50 GB\"\n[placement]\nexperts = \"nvme\"\n[cache]\ncapacity = \"1 GiB\"");
    assert!(disk[0].contains("of NVMe, has 46.6 GiB"), "{disk:?}");
    let text = "[model]\nname = \"qwen3-30b-a3b\"\n[quant]\nscheme = \"q4_k_m\"\n[hardware]\ngpu = \"rtx4090\"\n\
                [workload]\ntrace = \"qwen3-30b-a3b.moetrace\"\ncontext = 16\n";
    let context = planned(text).unwrap().problems;
    assert!(
        context[0].starts_with("workload.context is 16 tokens, but the longest sequence has"),
        "{context:?}"
    );
}

/// Pins that take more than the cache has can never be held to its capacity.
#[test]
fn pins_must_fit_their_cache() {
    let pins: Vec<String> = (0..4).map(|layer| format!("\"{layer}:0\"")).collect();
    let with = |cache: &str| {
        let more = format!("[cache]\npin = [{}]\n{cache}", pins.join(", "));
        model("mixtral-8x7b", "bf16", "h100-sxm", "mixtral-8x7b", &more).unwrap()
    };
    // An expert takes 336 MiB.
    assert!(with("capacity = \"4 GiB\"").fits());
    let tight = with("capacity = \"1 GiB\"");
    assert!(tight.problems.iter().any(|problem| problem.contains("pin")), "{:?}", tight.problems);
}

#[test]
fn unified_memory_has_one_pool_and_no_copies() {
    let on_mac = |more: &str| model("qwen3-30b-a3b", "q4_k_m", "m4-max", "qwen3-30b-a3b", more);
    let error = on_mac("[placement]\nexperts = \"dram\"").unwrap_err().to_string();
    assert!(error.contains("m4-max has one pool of memory: \"dram\" is the same place"), "{error}");
    assert!(error.ends_with("expected \"vram\" or \"nvme\""), "{error}");
    for (more, links) in [
        ("", &["gpu"][..]),
        ("[placement]\nexperts = \"vram\"", &["gpu"]),
        ("[placement]\nexperts = \"nvme\"\n[cache]\ncapacity = \"4 GiB\"", &["gpu", "nvme"]),
    ] {
        let plan = on_mac(more).unwrap();
        check_sums(&plan);
        assert!(plan.fits(), "{:?}", plan.problems);
        let summary = simulate(&plan).unwrap();
        let names: Vec<&str> = summary.links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, links, "{more}");
        assert_eq!(summary.decode.misses > 0, names.contains(&"nvme"));
        assert_eq!(summary.decode_time.wait_h2d_ns, 0);
        assert_eq!(owner(&plan, "dram", "staging"), 0, "there is no other memory to stage in");
    }
}

/// Without a lower tier the experts must fit, whether the home is written or follows from the machine.
#[test]
fn what_has_no_other_home_must_fit() {
    for placement in ["", "[placement]\nexperts = \"vram\""] {
        let more = format!("vram = \"16 GiB\"\n{placement}");
        let plan = model("qwen3-30b-a3b", "q4_k_m", "m4-max", "qwen3-30b-a3b", &more).unwrap();
        assert!(!plan.fits(), "{placement:?}: 17 GiB of experts in 16 GiB");
        assert!(plan.problems[0].contains("of VRAM, has 16.0 GiB"), "{:?}", plan.problems);
    }
}

/// Experts whose home is VRAM are never fetched, whatever the cache section says of its shape.
#[test]
fn experts_at_home_in_vram_never_miss() {
    for cache in ["slots_per_layer = 4", "scope = \"per-layer\"", "start = \"empty\"", "capacity = \"1 GiB\""]
    {
        let more = format!("[placement]\nexperts = \"vram\"\n[cache]\n{cache}");
        let summary = match model("qwen3-30b-a3b", "q4_k_m", "rtx4090", "qwen3-30b-a3b", &more) {
            Ok(plan) => simulate(&plan).unwrap(),
            Err(error) => {
                assert!(error.to_string().contains("placement.experts"), "{cache}: {error}");
                continue;
            }
        };
        assert_eq!((summary.prefill.misses, summary.decode.misses), (0, 0), "{cache}");
    }
}

/// Layers whose experts differ in size share the room so that room for all of them is room for each.
#[test]
fn room_for_every_expert_is_room_for_every_layer() {
    let more = "[cache]\nscope = \"per-layer\"\ncapacity = \"100 %\"";
    let plan = model("qwen3-30b-a3b", "q4_k_m", "rtx4090", "qwen3-30b-a3b", more).unwrap();
    let shape = &plan.cache.shape;
    assert_eq!(shape.sizes.iter().max(), Some(&3_059_712));
    assert!(shape.pool_capacity.iter().sum::<u64>() <= plan.labels.cache_capacity_bytes);
    let summary = simulate(&plan).unwrap();
    assert_eq!(summary.prefill.misses + summary.decode.misses, 0);
}

#[test]
fn a_dense_model_runs_without_a_trace() {
    for policy in ["lru", "lfu-perfect", "fifo", "random", "static", "belady"] {
        let text = format!(
            "[model]\nname = \"qwen3-8b\"\n[hardware]\ngpu = \"rtx4090\"\n[cache]\npolicy = \"{policy}\"\n\
             [workload]\ndecode_tokens = 5\n"
        );
        let plan = planned(&text).unwrap();
        check_sums(&plan);
        assert!(plan.fits(), "{:?}", plan.problems);
        assert_eq!(plan.labels.experts_total_bytes, 0);
        let summary = simulate(&plan).unwrap();
        assert_eq!(
            (summary.decode.tokens, summary.decode.lookups, summary.token_latency_ns.count),
            (5, 0, 5)
        );
        // All weights but the embeddings are read for each token: 8.19 billion less 0.62 billion, at 80 % of 1008 GB/s.
        let ms = summary.decode_time.gpu_compute_ns as f64 / 5e6;
        assert!((18.7..18.9).contains(&ms), "{policy}: {ms} ms a token");
    }
}

/// More context never leaves more room, and a byte less of VRAM never makes anything fit.
#[test]
fn room_falls_with_context_byte_for_byte() {
    let rest = |context: u64| {
        let text = format!(
            "[model]\nname = \"qwen3-30b-a3b\"\n[quant]\nscheme = \"q4_k_m\"\n[hardware]\ngpu = \"rtx4090\"\n\
             vram = \"12 GiB\"\n[workload]\ntrace = \"qwen3-30b-a3b.moetrace\"\ncontext = {context}\n"
        );
        planned(&text).unwrap().labels.cache_capacity_bytes
    };
    let per_token = 48 * 2 * 4 * 128 * 2;
    assert_eq!(rest(8192) - rest(16_384), 8192 * per_token);
    assert!(rest(8192) < 12 * GIB);
}
