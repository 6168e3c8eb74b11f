//! Weights against the sizes of published checkpoints, and the figures that people quote for MoE models.
//!
//! A published size is that of all weight files of a repository; headers, tokenizers and metadata are a few MB. Tolerance is
//! 2 %, and most pairs are within a few thousandths.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "common/footprint.rs"]
mod footprint;

use footprint::{ask, of, on_gpus, one, weights_held};
use moesim::catalogue::models;
use moesim::footprint::FootprintAsk;
use moesim::metrics::{ExpertRoom, Footprint};
use moesim::model::{Dtype, WeightTypes};

const GB: u64 = 1_000_000_000;
const GIB: u64 = 1 << 30;
const MB: u64 = 1_000_000;

/// Model, scheme, bytes as published, where.
type Published = (&'static str, &'static str, u64, &'static str);

const QWEN_30B: &str =
    "bartowski's GGUF files, listed at model.aibase.com/zh/models/details/1924737621108723712";
const QWEN_32B: &str =
    "bartowski's GGUF files, listed at model.aibase.com/zh/models/details/1924737620894814208";
const MIXTRAL_22B: &str = "huggingface.co/bartowski/Mixtral-8x22B-v0.1-GGUF";

const PUBLISHED: &[Published] = &[
    (
        "mixtral-8x7b",
        "fp16",
        93_405_585_408,
        "huggingface.co/mistralai/Mixtral-8x7B-v0.1, total_size in model.safetensors.index.json",
    ),
    (
        "mixtral-8x7b",
        "int4",
        24_650 * MB,
        "huggingface.co/TheBloke/mixtral-8x7b-v0.1-AWQ/tree/main, three files",
    ),
    (
        "qwen3-30b-a3b",
        "bf16",
        61_064_245_248,
        "huggingface.co/Qwen/Qwen3-30B-A3B, total_size in model.safetensors.index.json",
    ),
    ("qwen3-30b-a3b", "q8_0", 32_480 * MB, QWEN_30B),
    ("qwen3-30b-a3b", "q6_k", 25_100 * MB, QWEN_30B),
    ("qwen3-30b-a3b", "q5_k_m", 21_740 * MB, QWEN_30B),
    // memory.weights.total, one decimal.
    ("qwen3-30b-a3b", "q4_k_m", 172 * GIB / 10, "github.com/ollama/ollama/issues/10458"),
    (
        "qwen3-32b",
        "bf16",
        65_524_246_528,
        "huggingface.co/Qwen/Qwen3-32B, total_size in model.safetensors.index.json",
    ),
    ("qwen3-32b", "q8_0", 34_820 * MB, QWEN_32B),
    ("qwen3-8b", "bf16", 16_380 * MB, "huggingface.co/Qwen/Qwen3-8B/tree/main, five files"),
    ("qwen3-8b", "int4", 6_090 * MB, "huggingface.co/Intel/Qwen3-8B-int4-AutoRound/tree/main, groups of 128"),
    ("mixtral-8x22b", "q5_k_m", 99_960 * MB, MIXTRAL_22B),
    ("mixtral-8x22b", "q4_k_m", 85_580 * MB, MIXTRAL_22B),
    ("mixtral-8x22b", "q4_k_s", 80_470 * MB, MIXTRAL_22B),
    ("mixtral-8x22b", "iq4_xs", 76_350 * MB, MIXTRAL_22B),
    ("mixtral-8x22b", "q3_k_m", 67_780 * MB, MIXTRAL_22B),
    ("mixtral-8x22b", "q2_k", 52_100 * MB, MIXTRAL_22B),
    ("gpt-oss-120b", "mxfp4", 65_200 * MB, "huggingface.co/openai/gpt-oss-120b/tree/main/original"),
    ("gpt-oss-120b", "mxfp4", 608 * GIB / 10, "arXiv 2508.10925, table 1"),
    ("gpt-oss-20b", "mxfp4", 128 * GIB / 10, "arXiv 2508.10925, table 1"),
];

/// What is off, and what is not in the table. GGUF files of Mixtral-8x22B are up to 1.9 % larger than the schemes say: for
/// models of eight experts `llama-quantize` keeps key and value projections in Q8_0 and raises the output projection
/// (`n_expert == 8` in llama-quant.cpp), which the schemes leave out. NVIDIA's NVFP4 files of Qwen3-Next (50.8 GB,
/// huggingface.co/nvidia/Qwen3-Next-80B-A3B-Thinking-NVFP4) add a module that predicts a further token and keep more than
/// `nvfp4` does in 16 bits: it says 45.8 GB, with attention in 16 bits 48.0.
#[test]
fn published_checkpoints_within_two_percent() {
    for (model, scheme, published, source) in PUBLISHED {
        let bytes = of(model, scheme).weight_bytes();
        let permille = bytes.abs_diff(*published) * 1000 / published;
        assert!(
            permille < 20,
            "{model} {scheme}: {bytes} B, {source} says {published}: {permille} permille off"
        );
    }
    let mut pairs: Vec<_> = PUBLISHED.iter().map(|(model, scheme, ..)| (model, scheme)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    assert!(pairs.len() >= 10);
}

#[test]
fn unquantised_checkpoints_to_the_byte() {
    for (model, scheme, published, _) in PUBLISHED.iter().filter(|(.., source)| source.contains("total_size"))
    {
        assert_eq!(of(model, scheme).weight_bytes(), *published, "{model} {scheme}");
    }
}

/// DeepSeek-V3's files have 688.6 GB (huggingface.co/deepseek-ai/DeepSeek-V3, total_size in model.safetensors.index.json), 2.2 %
/// above the model: they hold the module that predicts a further token, with copies of embedding and head, which no engine
/// loads unless it speculates.
#[test]
fn the_files_of_deepseek_v3_hold_its_mtp_module_too() {
    const FILES: u64 = 688_586_727_753;
    let model = of("deepseek-v3", "fp8");
    assert!(model.weight_bytes().abs_diff(FILES) * 1000 / FILES > 20);
    let (fp8, bf16) = (Dtype::by_name("fp8").unwrap(), Dtype::by_name("bf16").unwrap());
    let types = WeightTypes {
        embeddings: bf16,
        lm_head: bf16,
        norms: bf16,
        router: bf16,
        ..WeightTypes::uniform(fp8)
    };
    let mtp =
        models::find("deepseek-v3").unwrap().spec.mtp.as_ref().unwrap().params().bytes(&types).total().get();
    let copies = model.part("embeddings").bytes + model.part("lm_head").bytes;
    let files = model.weight_bytes() + mtp + copies;
    assert!(files.abs_diff(FILES) * 1000 / FILES < 1, "{files} B");
}

/// What people quote of Qwen3-30B-A3B and of the dense model beside it. `total = experts x expert + shared` and
/// `active = top-k x expert + shared`.
#[test]
fn dense_beside_moe() {
    // Scheme, GB of all weights, GB that one token uses, in tenths; MoE, then dense.
    for (scheme, moe, active, dense) in [
        ("fp16", 611, 67, 655),
        ("fp8", 312, 40, 343),
        ("int8", 316, 40, 348),
        // INT4 with its scales, and embeddings at 16 bits: 16.8, not a quarter of 61.1 (15.3).
        ("int4", 168, 27, 193),
    ] {
        let (qwen, other) = (of("qwen3-30b-a3b", scheme), of("qwen3-32b", scheme));
        let tenths = |bytes: u64| (bytes + GB / 20) / (GB / 10);
        assert_eq!(tenths(qwen.weight_bytes()), moe, "{scheme}");
        assert_eq!(tenths(qwen.active_bytes()), active, "{scheme}");
        assert_eq!(tenths(other.weight_bytes()), dense, "{scheme}");
        assert_eq!(other.active_bytes(), other.weight_bytes(), "every token uses all of a dense model");
    }
}

#[test]
fn totals_follow_from_their_formulas() {
    for model in
        ["mixtral-8x7b", "qwen3-30b-a3b", "gpt-oss-120b", "deepseek-v3", "llama-4-maverick", "qwen3-32b"]
    {
        let found = of(model, "bf16");
        let with = |experts: u64| found.moe_layers * experts * found.expert_params + found.shared_params();
        assert_eq!(with(found.experts), found.params(), "{model}");
        assert_eq!(with(found.top_k), found.active_params(), "{model}");
    }
    let mixtral = of("mixtral-8x7b", "fp16");
    assert_eq!(mixtral.params(), 46_702_792_704);
    assert_eq!(mixtral.weight_bytes(), 93_405_585_408);
}

/// Parts add up to the weights, lines to what a tier needs, and the weights in the ledger are the weights.
#[test]
fn books_are_kept() {
    for (model, scheme) in [("mixtral-8x7b", "int4"), ("qwen3-30b-a3b", "q4_k_m"), ("qwen3-32b", "fp8")] {
        let found = of(model, scheme);
        for tier in &found.tiers {
            let lines = found.ledger.iter().filter(|line| line.tier == tier.tier);
            assert_eq!(lines.map(|line| line.bytes).sum::<u64>(), tier.needed_bytes, "{model} {}", tier.tier);
        }
        assert_eq!(weights_held(&found), found.weight_bytes(), "{model}");
        assert_eq!((found.fits(), found.problems.len()), (None, 0), "{model}: nobody asked for a GPU");
    }
}

/// Several GPUs hold at least the model together, and with nothing held twice hardly more.
#[test]
fn gpus_hold_the_model_together() {
    for (degrees, twice) in
        [([4, 1, 4, 1], 3), ([1, 4, 4, 1], 200), ([2, 2, 4, 1], 100), ([2, 1, 2, 2], 40), ([1, 1, 1, 4], 20)]
    {
        let whole = of("mixtral-8x7b", "fp16");
        let found = one(&on_gpus(ask("mixtral-8x7b", "fp16"), degrees));
        let held = weights_held(&found) * found.degrees.gpus();
        assert_eq!(found.weight_bytes(), whole.weight_bytes(), "{degrees:?}");
        assert!(held >= whole.weight_bytes(), "{degrees:?}: {held}");
        let more = (held - whole.weight_bytes()) * 1000 / whole.weight_bytes();
        assert!(more <= twice, "{degrees:?}: {more} permille held twice");
    }
}

/// A second sequence needs a second KV cache and nothing else; the way through a deployment of one GPU books what the way
/// through a replay does.
#[test]
fn sequences_need_kv_cache_alone() {
    let sequences = |batch: u32| {
        let batch = std::num::NonZeroU32::new(batch).unwrap();
        one(&FootprintAsk { batch, ..ask("qwen3-30b-a3b", "bf16") })
    };
    let (first, fourth) = (sequences(1), sequences(4));
    assert_eq!(fourth.owned("vram", "kv cache"), 4 * first.owned("vram", "kv cache"));
    let rest = |one: &Footprint| one.vram_bytes() - one.owned("vram", "kv cache");
    assert_eq!(rest(&fourth), rest(&first));
}

/// Less room costs time: all experts, one token's, one.
#[test]
fn offloading_costs_latency() {
    let asked = FootprintAsk { offloads: true, ..ask("olmoe-1b-7b", "int4") };
    let found = one(&asked);
    let runs = [ExpertRoom::Resident, ExpertRoom::OneToken, ExpertRoom::OneExpert]
        .map(|room| found.offloaded(room).unwrap());
    for pair in runs.windows(2) {
        assert!(pair[0].vram_bytes() > pair[1].vram_bytes());
        assert!(pair[0].tpot_ns().unwrap() < pair[1].tpot_ns().unwrap());
    }
    let cache = runs[1].row.config.cache_capacity_bytes;
    assert_eq!(cache, found.part("routed_experts").active_bytes);
    assert_eq!(cache, runs[1].row.config.token_working_set_bytes);
    assert!(runs.iter().all(|run| !run.is_supposed && run.row.config.trace == "olmoe-1b-7b.moetrace"));
}

/// What does not fit is simulated on a machine that has as much, and says so.
#[test]
fn more_memory_than_there_is_is_supposed() {
    let asked = FootprintAsk {
        offloads: true,
        gpu: Some("rtx3060-12g".to_owned()),
        sets: vec!["workload.decode_tokens=2".to_owned(), "workload.sequences=1".to_owned()],
        ..ask("olmoe-1b-7b", "bf16")
    };
    let found = one(&asked);
    assert_eq!(found.fits(), Some(false));
    let supposed = |room| found.offloaded(room).unwrap().is_supposed;
    assert!(supposed(ExpertRoom::Resident) && !supposed(ExpertRoom::OneToken));
    assert!(found.offloaded(ExpertRoom::Resident).unwrap().tpot_ns().is_some());
}
