//! Parameter counts against the figures that publishers give, and the laws that hold between counts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use moesim::catalogue::models::{self, ActiveCounts, ModelRow};
use moesim::model::{Attention, Dtype, LayerSpec, WeightTypes};
use moesim::units::Bytes;

use ActiveCounts::{All, WithoutEmbeddings, WithoutInputEmbedding};

/// Tolerances in parts of a thousand.
const TOTAL: f64 = 10.0;
const ACTIVE: f64 = 30.0;

/// Published figures in billions of parameters; 0 where the figure is rounded so far that it says nothing at this
/// tolerance (a "3B" may be 3.4B).
struct Row(&'static str, f64, f64, ActiveCounts, &'static str);

const PUBLISHED: &[Row] = &[
    Row("mixtral-8x7b", 46.7, 12.9, All, "mistral.ai/news/mixtral-of-experts"),
    Row("mixtral-8x22b", 141.0, 39.0, All, "mistral.ai/news/mixtral-8x22b"),
    Row("qwen1.5-moe-a2.7b", 14.3, 2.7, All, "model card"),
    Row("qwen2-57b-a14b", 57.0, 14.0, All, "arXiv 2407.10671"),
    Row("qwen3-30b-a3b", 30.5, 3.3, All, "model card"),
    Row("qwen3-235b-a22b", 235.0, 22.0, All, "model card"),
    Row("qwen3-coder-480b-a35b", 480.0, 35.0, All, "model card"),
    Row("qwen3-next-80b-a3b", 80.0, 0.0, All, "model card; active is rounded to 3"),
    Row("qwen3.5-35b-a3b", 35.0, 0.0, All, "model card; active is rounded to 3"),
    Row("qwen3.5-122b-a10b", 122.0, 10.0, All, "model card"),
    Row("qwen3.5-397b-a17b", 397.0, 17.0, All, "model card"),
    Row("deepseek-moe-16b", 16.4, 2.8, All, "arXiv 2401.06066"),
    Row("deepseek-v2-lite", 15.7, 2.4, WithoutInputEmbedding, "arXiv 2405.04434, appendix on V2-Lite"),
    Row("deepseek-v2", 236.0, 21.0, WithoutInputEmbedding, "arXiv 2405.04434, abstract"),
    Row("deepseek-v3", 671.0, 37.0, WithoutInputEmbedding, "arXiv 2412.19437, abstract; without MTP"),
    Row("deepseek-r1", 671.0, 37.0, WithoutInputEmbedding, "model card"),
    // "1,043B" in third-party tables counts experts in all 61 layers; the first layer is dense.
    Row("kimi-k2", 1026.5, 32.0, All, "safetensors metadata, with FP8 scales; model card"),
    Row("glm-5", 744.0, 40.0, WithoutEmbeddings, "model card"),
    Row("gpt-oss-20b", 20.91, 3.61, WithoutInputEmbedding, "arXiv 2508.10925, table 1"),
    Row("gpt-oss-120b", 116.83, 5.13, WithoutInputEmbedding, "arXiv 2508.10925, table 1"),
    Row("olmoe-1b-7b", 6.9, 1.3, All, "arXiv 2409.02060"),
    Row("phi-3.5-moe", 41.9, 6.6, All, "safetensors metadata; model card"),
    Row("granite-3.1-3b-a800m", 3.3, 0.8, WithoutEmbeddings, "model card"),
    // Scout's 109B include a vision tower of about 0.9B, which is not part of the model here.
    Row("llama-4-scout", 0.0, 17.0, All, "model card"),
    Row("llama-4-maverick", 400.0, 17.0, All, "model card"),
    Row("gemma-4-26b-a4b", 25.2, 3.8, All, "model card"),
    Row("glm-4.5-air", 106.0, 12.0, WithoutEmbeddings, "arXiv 2508.06471, table 1"),
    Row("minimax-m2", 230.0, 10.0, WithoutEmbeddings, "model card"),
    Row("hunyuan-a13b", 80.0, 13.0, All, "model card"),
    Row("ernie-4.5-21b-a3b", 21.8, 0.0, All, "safetensors metadata; active is rounded to 3"),
    Row("mimo-v2-flash", 309.0, 15.0, All, "model card"),
    Row("jamba-v0.1", 52.0, 12.0, All, "model card"),
    Row("nemotron-3-nano-30b-a3b", 31.6, 3.6, All, "NVIDIA research page, with embeddings"),
    Row("nemotron-3-nano-30b-a3b", 31.6, 3.2, WithoutInputEmbedding, "NVIDIA research page"),
    Row("qwen3-8b", 8.2, 8.2, All, "model card"),
    Row("qwen3-32b", 32.8, 32.8, All, "model card"),
    Row("llama-3.1-70b", 70.6, 70.6, All, "safetensors metadata"),
];

fn find(name: &str) -> &'static ModelRow {
    models::find(name).unwrap_or_else(|| panic!("no model {name:?}"))
}

/// Difference from a published figure in parts of a thousand; none where there is no figure.
fn off(counted: u64, published_b: f64) -> f64 {
    if published_b == 0.0 { 0.0 } else { (counted as f64 / 1e9 / published_b - 1.0).abs() * 1000.0 }
}

#[test]
fn counts_agree_with_what_publishers_say() {
    let mut wrong = Vec::new();
    for Row(name, total_b, active_b, counts, source) in PUBLISHED {
        let spec = &find(name).spec;
        let (total, active) = (spec.params().total(), counts.apply(&spec.active_params()));
        println!(
            "{name:24} total {:8.3}B, published {total_b} ({:4.1} per mille); active {:7.3}B, published {active_b} \
             ({:4.1} per mille); {source}",
            total as f64 / 1e9,
            off(total, *total_b),
            active as f64 / 1e9,
            off(active, *active_b),
        );
        if off(total, *total_b) > TOTAL || off(active, *active_b) > ACTIVE {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(PUBLISHED.iter().filter(|row| row.1 > 0.0 && row.2 > 0.0).count() >= 20);
}

#[test]
fn the_convention_for_active_parameters_is_the_one_most_publishers_use() {
    let fits = |counts: ActiveCounts| {
        let rows = PUBLISHED.iter().filter(|row| row.2 > 0.0);
        rows.filter(|row| off(counts.apply(&find(row.0).spec.active_params()), row.2) <= ACTIVE).count()
    };
    let (all, without_input, without) = (fits(All), fits(WithoutInputEmbedding), fits(WithoutEmbeddings));
    println!("all {all}, without input embedding {without_input}, without embeddings {without}");
    assert!(all > without_input && without_input > without);
}

/// Parameters of published checkpoints to the last one, as the Hub's safetensors metadata give them.
#[test]
fn exact_totals() {
    for (name, total) in [
        ("mixtral-8x7b", 46_702_792_704),
        ("qwen3-30b-a3b", 30_532_122_624),
        ("olmoe-1b-7b", 6_919_161_856),
        ("qwen3-8b", 8_190_735_360),
        ("llama-3.1-70b", 70_553_706_496),
    ] {
        assert_eq!(find(name).spec.params().total(), total, "{name}");
    }
}

/// The parts of a layer by hand: gpt-oss has every kind of bias, and sinks.
#[test]
fn a_layer_by_hand() {
    let spec = &find("gpt-oss-20b").spec;
    let layer = &spec.layers[0];
    let (hidden, queries, keys) = (2880, 64 * 64, 8 * 64);
    let matrices = hidden * (queries + 2 * keys) + queries * hidden;
    assert_eq!(layer.attention_params(), matrices + (queries + 2 * keys) + hidden + 64);
    assert_eq!(layer.expert_params(), 3 * 2880 * 2880 + 2 * 2880 + 2880);
    assert_eq!(layer.router_params(), 2880 * 32 + 32);
    assert_eq!(layer.norm_params(), 2 * 2880);
    assert_eq!((layer.shared_params(), layer.dense_ffn_params()), (0, 0));
    assert_eq!((spec.experts(), spec.top_k(), spec.moe_layer_ids().len()), (32, 4, 24));
}

#[test]
fn parts_add_up_and_active_is_the_exact_share() {
    for row in models::all() {
        let (spec, all, active) = (&row.spec, row.spec.params(), row.spec.active_params());
        let layers: u64 = spec.layers.iter().map(|layer| layer.params().total()).sum();
        let outside = all.embeddings + all.lm_head + spec.hidden * (1 + u64::from(spec.final_norm_bias));
        assert_eq!(layers + outside, all.total(), "{}", row.id);
        assert!(active.total() <= all.total(), "{}", row.id);
        assert_eq!(active.total() - active.routed_experts, all.total() - all.routed_experts, "{}", row.id);
        if spec.experts() > 0 {
            let (experts, top_k) = (u64::from(spec.experts()), u64::from(spec.top_k()));
            assert_eq!(active.routed_experts * experts, all.routed_experts * top_k, "{}", row.id);
        }
    }
}

#[test]
fn bytes_follow_from_counts_and_types() {
    let bf16 = WeightTypes::uniform(Dtype::by_name("bf16").unwrap());
    for row in models::all() {
        let bytes = row.spec.weight_bytes(&bf16);
        assert_eq!(bytes.total(), Bytes::new(2 * row.spec.params().total()), "{}", row.id);
    }
    // Experts at 4.25 bits, as OpenAI ships them: 24,883,200 weights and 8,640 biases.
    let mixed = WeightTypes { routed_experts: Dtype::by_name("mxfp4").unwrap(), ..bf16 };
    let layer = &find("gpt-oss-120b").spec.layers[0];
    assert_eq!(layer.expert_bytes(&mixed), Bytes::new((24_883_200 + 8_640) / 32 * 17));
    let experts = find("gpt-oss-120b").spec.weight_bytes(&mixed).routed_experts;
    assert_eq!(experts, layer.expert_bytes(&mixed).times(36 * 128));
}

fn kv_layer(name: &str, wanted: fn(&Attention) -> bool) -> &'static LayerSpec {
    find(name).spec.layers.iter().find(|layer| wanted(&layer.attention)).unwrap()
}

#[test]
fn key_value_bytes_by_kind_of_attention() {
    let bf16 = Dtype::by_name("bf16").unwrap();
    // Grouped-query attention: 2 x 4 heads x 128 x 2 bytes a layer.
    let spec = &find("qwen3-30b-a3b").spec;
    assert_eq!(spec.layers[0].kv_bytes_per_token(bf16), Bytes::new(2048));
    assert_eq!(spec.kv_bytes(1000, bf16), Bytes::new(48 * 2048 * 1000));
    // A window of 128 in every second layer.
    let spec = &find("gpt-oss-20b").spec;
    assert_eq!(spec.kv_bytes(100, bf16), Bytes::new(24 * 2048 * 100));
    assert_eq!(spec.kv_bytes(5000, bf16), Bytes::new(12 * 2048 * (5000 + 128)));
    // One latent of 512 + 64 for all heads.
    let spec = &find("deepseek-v3").spec;
    assert_eq!(spec.kv_bytes(1, bf16), Bytes::new(61 * 576 * 2));
    // Linear attention keeps a state and no tokens: 32 heads x 128 x 128 x 4 bytes, and 3 inputs of 8,192 channels.
    let layer = kv_layer("qwen3-next-80b-a3b", |attention| matches!(attention, Attention::Linear(_)));
    assert_eq!(layer.kv_tokens_kept(100_000), 0);
    assert_eq!(layer.kv_bytes(100_000, bf16), Bytes::new(32 * 128 * 128 * 4 + 3 * 8192 * 2));
    assert_eq!(layer.kv_bytes(100_000, bf16), layer.state_bytes());
    let layer = kv_layer("jamba-v0.1", |attention| matches!(attention, Attention::Mamba(_)));
    assert_eq!(layer.state_bytes(), Bytes::new(8192 * 16 * 4 + 3 * 8192 * 2));
    // A block without a token mixer keeps nothing.
    let layer = kv_layer("nemotron-3-nano-30b-a3b", |attention| *attention == Attention::None);
    assert_eq!(layer.kv_bytes(1000, bf16), Bytes::ZERO);
}

#[test]
fn a_longer_context_never_needs_fewer_bytes_or_flops() {
    let q8 = Dtype::by_name("q8_0").unwrap();
    for row in models::all() {
        let states: Bytes = row.spec.layers.iter().map(LayerSpec::state_bytes).sum();
        assert_eq!(row.spec.kv_bytes(0, q8), states, "{}", row.id);
        for pair in [0, 1, 100, 128, 129, 1024, 8192, 8193, 1 << 20].windows(2) {
            assert!(row.spec.kv_bytes(pair[0], q8) <= row.spec.kv_bytes(pair[1], q8), "{}", row.id);
            for layer in &row.spec.layers {
                assert!(layer.attention_flops(pair[0]) <= layer.attention_flops(pair[1]), "{}", row.id);
                let bytes = layer.kv_bytes_per_token(q8).get() * layer.kv_tokens_kept(pair[1]);
                assert_eq!(
                    layer.kv_bytes(pair[1], q8),
                    Bytes::new(bytes) + layer.state_bytes(),
                    "{}",
                    row.id
                );
            }
        }
    }
}

#[test]
fn attention_flops_grow_with_what_is_attended_to() {
    let full = &find("qwen3-30b-a3b").spec.layers[0];
    assert_eq!(full.attention_flops(1000), 4 * 32 * 128 * 1000);
    let windowed = &find("gpt-oss-20b").spec.layers[0];
    assert_eq!(windowed.attention_flops(5000), windowed.attention_flops(128));
    // Latent attention: absorbed heads are 576 + 512 wide, expanded ones 192 + 128.
    let latent = &find("deepseek-v3").spec.layers[0];
    assert_eq!(latent.attention_flops(10), 2 * 128 * (576 + 512) * 10);
    assert_eq!(latent.prefill_attention_flops(10), 2 * 128 * (192 + 128) * 10);
    // An indexer looks at everything, attention at 2,048 tokens.
    let sparse = &find("deepseek-v3.2").spec.layers[0];
    let index = 2 * 64 * 128;
    assert_eq!(sparse.attention_flops(4096), latent.attention_flops(2048) + index * 4096);
    // A layer's matrices: twice what a token uses.
    assert_eq!(
        full.matmul_flops(),
        2 * (full.attention_params() + full.router_params() + 8 * full.expert_params())
    );
}

#[test]
fn further_token_prediction_stands_apart() {
    let spec = &find("deepseek-v3").spec;
    let mtp = spec.mtp.as_ref().unwrap();
    assert_eq!(mtp.modules, 1);
    // "11.5B unique parameters" says the repository's README_WEIGHTS.md; its router and norms are rounded away.
    assert!(off(mtp.params().total(), 11.5) < TOTAL);
    assert!(find("kimi-k2").spec.mtp.is_none() && find("mixtral-8x7b").spec.mtp.is_none());
}
