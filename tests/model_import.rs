//! Reading `config.json`: every spelling, and what a bad file gets to hear. Real files are in `model_files.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

use std::path::Path;

use moesim::model::attention::{Linear, Mamba};
use moesim::model::{Attention, Dtype, Ffn, ModelSpec, hf};
use serde_json::{Value, json};

fn import(config: &Value) -> Result<ModelSpec, String> {
    let text = serde_json::to_string_pretty(config).unwrap();
    hf::import(&text, Path::new("x/config.json")).map_err(|error| error.to_string())
}

/// `base` with the keys of `changes` put in; `null` takes a key out.
fn with(base: &Value, changes: &Value) -> Value {
    let mut config = base.clone();
    for (key, value) in changes.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

fn mixtral() -> Value {
    json!({
        "model_type": "mixtral", "num_hidden_layers": 4, "hidden_size": 64, "vocab_size": 100,
        "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32,
        "num_local_experts": 8, "num_experts_per_tok": 2,
    })
}

fn qwen3() -> Value {
    with(&mixtral(), &json!({ "model_type": "qwen3_moe", "moe_intermediate_size": 16 }))
}

fn deepseek() -> Value {
    with(
        &mixtral(),
        &json!({
            "model_type": "deepseek_v3", "num_local_experts": null, "n_routed_experts": 8, "moe_intermediate_size": 16,
            "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 8,
            "n_shared_experts": 2, "first_k_dense_replace": 1,
        }),
    )
}

#[test]
fn layers_with_experts_in_every_spelling() {
    let jamba = json!({
        "model_type": "jamba", "attn_layer_period": 4, "attn_layer_offset": 1, "mamba_expand": 2, "mamba_d_state": 4,
        "mamba_d_conv": 4, "expert_layer_period": 2, "expert_layer_offset": 1,
    });
    let ernie = json!({
        "model_type": "ernie4_5_moe", "moe_num_experts": 8, "moe_k": 2, "num_experts_per_tok": null,
        "moe_intermediate_size": 16, "num_local_experts": null, "moe_layer_start_index": 1, "moe_layer_end_index": 2,
        "moe_layer_interval": 1,
    });
    let hunyuan = json!({ "model_type": "hunyuan", "moe_topk": [2, 2, 2, 2], "num_experts_per_tok": null });
    let llama4 = json!({ "model_type": "llama4", "intermediate_size_mlp": 48 });
    for (base, changes, expected) in [
        (mixtral(), json!({}), vec![0, 1, 2, 3]),
        (qwen3(), json!({ "decoder_sparse_step": 2 }), vec![1, 3]),
        (qwen3(), json!({ "decoder_sparse_step": 0 }), vec![]),
        (qwen3(), json!({ "decoder_sparse_step": 1, "mlp_only_layers": [0, 2] }), vec![1, 3]),
        (qwen3(), json!({ "mlp_layer_types": ["dense", "sparse", "sparse", "dense"] }), vec![1, 2]),
        (deepseek(), json!({}), vec![1, 2, 3]),
        (deepseek(), json!({ "first_k_dense_replace": 2, "moe_layer_freq": 1 }), vec![2, 3]),
        (deepseek(), json!({ "first_k_dense_replace": 0, "moe_layer_freq": 2 }), vec![0, 2]),
        (deepseek(), json!({ "first_k_dense_replace": null, "moe_layer_freq": [0, 1, 0, 1] }), vec![1, 3]),
        (deepseek(), json!({ "first_k_dense_replace": null, "moe_layers_enum": "1, 3,4" }), vec![1, 3]),
        (
            deepseek(),
            json!({ "num_nextn_predict_layers": 1, "moe_layer_freq": [0, 1, 1, 1, 1] }),
            vec![1, 2, 3],
        ),
        (with(&mixtral(), &llama4), json!({ "interleave_moe_layer_step": 2 }), vec![1, 3]),
        (with(&mixtral(), &llama4), json!({ "moe_layers": [0, 3] }), vec![0, 3]),
        (with(&mixtral(), &jamba), json!({}), vec![1, 3]),
        (with(&mixtral(), &ernie), json!({}), vec![1, 2]),
        (with(&mixtral(), &ernie), json!({ "moe_layer_end_index": -1 }), vec![1, 2, 3]),
        (with(&mixtral(), &hunyuan), json!({ "moe_layer_num_skipped": 3 }), vec![3]),
    ] {
        let config = with(&base, &changes);
        let spec = import(&config).unwrap_or_else(|error| panic!("{changes}: {error}"));
        assert_eq!(spec.moe_layer_ids(), expected, "{changes}");
        assert!(expected.is_empty() || (spec.experts(), spec.top_k()) == (8, 2), "{changes}");
    }
}

fn shared_inter(spec: &ModelSpec) -> u64 {
    spec.layers.iter().find_map(|layer| layer.moe()).unwrap().shared_inter
}

#[test]
fn shared_experts_in_every_spelling() {
    for (base, changes, expected) in [
        (mixtral(), json!({}), 0),
        (deepseek(), json!({}), 32),
        (deepseek(), json!({ "n_shared_experts": null }), 0),
        (qwen3(), json!({ "shared_expert_intermediate_size": 0 }), 0),
        (qwen3(), json!({ "model_type": "qwen2_moe", "shared_expert_intermediate_size": 40 }), 40),
        (
            mixtral(),
            json!({ "model_type": "step3p5", "moe_intermediate_size": 16, "share_expert_dim": 24 }),
            24,
        ),
        (mixtral(), json!({ "model_type": "minimax_m2", "shared_intermediate_size": 8 }), 8),
        (mixtral(), json!({ "model_type": "hunyuan", "num_shared_expert": [1, 1, 1, 1] }), 32),
        (
            mixtral(),
            json!({ "model_type": "hunyuan", "num_shared_expert": 1, "use_mixed_mlp_moe": false }),
            0,
        ),
        (mixtral(), json!({ "model_type": "llama4", "intermediate_size_mlp": 48 }), 32),
        (
            mixtral(),
            json!({ "model_type": "nemotron_h", "hybrid_override_pattern": "EEEE",
            "moe_intermediate_size": 16, "moe_shared_expert_intermediate_size": 20 }),
            20,
        ),
    ] {
        let config = with(&base, &changes);
        assert_eq!(shared_inter(&import(&config).unwrap()), expected, "{changes}");
    }
}

/// A letter for each layer's token mixer.
fn mixers(spec: &ModelSpec) -> String {
    let letter = |attention: &Attention| match attention {
        Attention::None => '-',
        Attention::Gqa(_) => 'g',
        Attention::SlidingWindow { .. } => 's',
        Attention::Mla(_) => 'l',
        Attention::Linear(Linear::DeltaNet(_)) => 'd',
        Attention::Linear(Linear::KimiDelta(_)) => 'k',
        Attention::Mamba(Mamba::V1(_)) => '1',
        Attention::Mamba(Mamba::V2(_)) => '2',
    };
    spec.layers.iter().map(|layer| letter(&layer.attention)).collect()
}

#[test]
fn token_mixers_in_every_spelling() {
    let next = json!({
        "model_type": "qwen3_next", "shared_expert_intermediate_size": 16, "linear_num_key_heads": 2,
        "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_conv_kernel_dim": 4,
    });
    let next = with(&qwen3(), &next);
    let full = "full_attention";
    let types = json!([full, "sliding_attention", full, "linear_attention"]);
    let kimi = json!({
        "model_type": "kimi_linear", "linear_attn_config":
            { "kda_layers": [1, 2, 3], "num_heads": 4, "head_dim": 8, "short_conv_kernel_size": 4 },
    });
    let nemotron = json!({
        "model_type": "nemotron_h", "hybrid_override_pattern": "M*-E", "moe_intermediate_size": 16,
        "mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 4, "conv_kernel": 4,
    });
    for (base, changes, expected) in [
        (mixtral(), json!({}), "gggg"),
        (mixtral(), json!({ "sliding_window": 16 }), "ssss"),
        (qwen3(), json!({ "sliding_window": 16, "use_sliding_window": false }), "gggg"),
        (
            qwen3(),
            json!({ "sliding_window": 16, "use_sliding_window": true, "max_window_layers": 3 }),
            "gggs",
        ),
        (next.clone(), json!({ "full_attention_interval": 4 }), "dddg"),
        (next, json!({ "layer_types": types, "sliding_window": 16 }), "gsgd"),
        (
            mixtral(),
            json!({ "model_type": "mimo_v2_flash", "moe_intermediate_size": 16,
            "hybrid_layer_pattern": [0, 1, 1, 0], "sliding_window_size": 16 }),
            "gssg",
        ),
        (
            mixtral(),
            json!({ "model_type": "llama4", "intermediate_size_mlp": 48, "attention_chunk_size": 16 }),
            "sssg",
        ),
        (
            mixtral(),
            json!({ "model_type": "llama4", "intermediate_size_mlp": 48, "attention_chunk_size": 16,
            "no_rope_layers": [1, 0, 1, 0] }),
            "sgsg",
        ),
        (deepseek(), json!({}), "llll"),
        (deepseek(), kimi, "kkkl"),
        (mixtral(), nemotron, "2g--"),
    ] {
        let config = with(&base, &changes);
        let spec = import(&config).unwrap_or_else(|error| panic!("{changes}: {error}"));
        assert_eq!(mixers(&spec), expected, "{changes}");
    }
}

#[test]
fn a_model_inside_another_keeps_what_the_outer_one_says() {
    let config = json!({
        "model_type": "qwen3_vl_moe", "tie_word_embeddings": true, "vision_config": { "hidden_size": 7 },
        "text_config": with(&qwen3(), &json!({ "model_type": "qwen3_vl_moe_text" })),
    });
    let spec = import(&config).unwrap();
    assert!(spec.tied_embeddings);
    assert_eq!((spec.hidden, spec.params().lm_head), (64, 0));
    assert_eq!(spec.logits_params(), 6400);
}

#[test]
fn biases_norms_and_matrices_are_counted_as_the_family_has_them() {
    let params = |changes: Value| import(&with(&mixtral(), &changes)).unwrap().layers[0];
    let plain = params(json!({}));
    // Layer norms of Phi-3.5-MoE have biases, and so have its four projections.
    let phi = params(json!({ "model_type": "phimoe", "attention_bias": true }));
    assert_eq!(phi.norm_params(), 2 * plain.norm_params());
    assert_eq!(phi.attention_params() - plain.attention_params(), 64 + 32 + 32 + 64);
    let gpt_oss = params(json!({ "model_type": "gpt_oss" }));
    assert_eq!(gpt_oss.attention_params() - phi.attention_params(), 4);
    assert_eq!(gpt_oss.router_params() - plain.router_params(), 8);
    assert_eq!(gpt_oss.expert_params() - plain.expert_params(), 2 * 32 + 64);
    // A norm of one head's width, of all heads' width.
    assert_eq!(params(json!({ "model_type": "granitemoe" })), plain);
    let olmoe = params(json!({ "model_type": "olmoe" }));
    assert_eq!(olmoe.norm_params() - plain.norm_params(), 64 + 32);
    // Two matrices an expert.
    let nemotron = json!({
        "model_type": "nemotron_h", "hybrid_override_pattern": "EEEE", "moe_intermediate_size": 32,
    });
    assert_eq!(params(nemotron).expert_params() * 3, plain.expert_params() * 2);
}

#[test]
fn bad_files_hear_where_what_and_what_was_expected() {
    let good = serde_json::to_string_pretty(&mixtral()).unwrap();
    for (found, put, message) in [
        (
            "\"hidden_size\": 64,",
            "",
            "x/config.json: key \"hidden_size\" is missing, expected a whole number from 1 to 131072",
        ),
        (
            "\"hidden_size\": 64",
            "\"hidden_size\": \"wide\"",
            "x/config.json:2:3: key \"hidden_size\" is \"wide\", expected a whole number from 1 to 131072",
        ),
        (
            "\"hidden_size\": 64",
            "\"hidden_size\": 0",
            "x/config.json:2:3: key \"hidden_size\" is 0, expected a whole number from 1 to 131072",
        ),
        (
            "\"hidden_size\": 64",
            "\"hidden_size\": 64.5",
            "x/config.json:2:3: key \"hidden_size\" is 64.5, expected a whole number from 1 to 131072",
        ),
        (
            "\"num_key_value_heads\": 2",
            "\"num_key_value_heads\": 3",
            "x/config.json:8:3: 4 query heads cannot share 3 key-value heads evenly, \
             expected a divisor of the number of query heads",
        ),
        (
            "\"num_experts_per_tok\": 2",
            "\"num_experts_per_tok\": 9",
            "x/config.json:6:3: key \"num_experts_per_tok\" sends a token to 9 of 8 experts, \
             expected a whole number from 1 to the 8 experts",
        ),
        (
            "\"num_local_experts\": 8",
            "\"experts\": 8",
            "x/config.json: key \"num_experts\" or \"num_local_experts\" or \"n_routed_experts\" or \"moe_num_experts\" \
             is missing, expected a whole number from 1 to 4096",
        ),
        (
            "\"mixtral\"",
            "\"mixtrel\"",
            "x/config.json:4:3: model type \"mixtrel\" is not modelled, did you mean \"mixtral\"?",
        ),
        (
            "\"mixtral\"",
            "\"mixtral\", \"tie_word_embeddings\": 1",
            "x/config.json:4:28: key \"tie_word_embeddings\" is 1, expected true or false",
        ),
        (
            "\"mixtral\"",
            "\"mixtral\", \"layer_types\": [\"full_attention\"]",
            "x/config.json:4:28: key \"layer_types\" is a list of 1, expected 4, one for each layer",
        ),
        (
            "\"mixtral\"",
            "\"mixtral\", \"moe_latent_size\": 8",
            "x/config.json:4:28: latent-MoE expert projection (moe_latent_size) is not modelled",
        ),
        (
            "\"mixtral\"",
            "\"mixtral\", \"first_k_dense_replace\": 1, \"moe_layer_freq\": [1, 1, 1, 1]",
            "x/config.json:4:28: keys \"moe_layer_freq\" and \"first_k_dense_replace\" disagree about layer 0, \
             expected the same layers to have experts by both",
        ),
        ("\"mixtral\",", "\"mixtral\"", "x/config.json:5:3: not JSON: expected `,` or `}`"),
    ] {
        let text = good.replacen(found, put, 1);
        assert_ne!(text, good, "{found}");
        let error = hf::import(&text, Path::new("x/config.json")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    let list = hf::import("[1]", Path::new("x/config.json")).unwrap_err();
    assert_eq!(
        list.to_string(),
        "x/config.json: found a list of 1, expected an object with the model's keys"
    );
    let nested = json!({ "text_config": with(&mixtral(), &json!({ "hidden_size": true })) });
    assert_eq!(
        import(&nested).unwrap_err(),
        "x/config.json:3:5: key \"text_config.hidden_size\" is true, expected a whole number from 1 to 131072"
    );
}

/// Whatever stands in a key: an error, or a model whose counts do not overflow.
#[test]
fn hostile_values_never_panic() {
    let hostile = [
        json!(0),
        json!(-1),
        json!(1),
        json!(3),
        json!(u64::MAX),
        json!(1e300),
        json!(1 << 10),
        json!(1 << 12),
        json!(1 << 14),
        json!(1 << 17),
        json!("text"),
        json!([]),
        json!([0]),
        json!([1, -2, "x", null]),
        json!({}),
        json!(true),
        Value::Null,
    ];
    let bf16 = Dtype::by_name("bf16").unwrap();
    let mut tried = 0;
    let keys = ["layer_types", "moe_layer_freq", "mlp_layer_types", "linear_attn_config", "sliding_window"];
    for base in [mixtral(), qwen3(), deepseek()] {
        let own = base.as_object().unwrap().keys().cloned();
        for key in own.chain(keys.map(str::to_owned)).filter(|key| key != "model_type") {
            for value in &hostile {
                tried += 1;
                let config = with(&base, &json!({ key.as_str(): value }));
                if let Ok(spec) = import(&config) {
                    assert!(spec.params().total() > 0 && spec.kv_bytes(u64::MAX, bf16).get() > 0);
                    assert!(spec.layers.iter().all(|layer| layer.attention_flops(u64::MAX) > 0));
                }
            }
        }
    }
    assert!(tried > 500);
}

#[test]
fn a_dense_model_has_no_experts() {
    let spec = import(&with(&mixtral(), &json!({ "model_type": "llama" }))).unwrap();
    assert!(spec.layers.iter().all(|layer| matches!(layer.ffn, Ffn::Dense(_))));
    assert_eq!((spec.experts(), spec.top_k(), spec.moe_layer_ids().len()), (0, 0, 0));
    assert_eq!(spec.params(), spec.active_params());
}
