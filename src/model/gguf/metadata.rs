//! Puts GGUF metadata in the words of a `config.json`.
//!
//! Names of keys and architectures are those of llama.cpp's `gguf-py/gguf/constants.py` (2026). What metadata leave to
//! llama.cpp's code (biases, norms, tied embeddings) is read off the tensor list.

use serde_json::{Map, Value, json};

use super::header::{Header, Meta};
use crate::error::{Error, Place, Result};

/// Architectures and the model types that they are the same as.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("llama", "llama"),
    ("qwen2", "qwen2"),
    ("qwen3", "qwen3"),
    ("qwen2moe", "qwen2_moe"),
    ("qwen3moe", "qwen3_moe"),
    ("qwen3vlmoe", "qwen3_moe"),
    ("qwen3next", "qwen3_next"),
    ("deepseek", "deepseek"),
    ("deepseek2", "deepseek_v2"),
    ("gpt-oss", "gpt_oss"),
    ("olmoe", "olmoe"),
    ("phimoe", "phimoe"),
    ("glm4moe", "glm4_moe"),
    ("granitemoe", "granitemoe"),
    ("hunyuan-moe", "hunyuan"),
    ("minimax-m2", "minimax_m2"),
    ("ernie4_5-moe", "ernie4_5_moe"),
    ("llama4", "llama4"),
];

/// Keys that only change their name.
const RENAMED: &[(&str, &str)] = &[
    ("embedding_length", "hidden_size"),
    ("attention.head_count", "num_attention_heads"),
    ("attention.head_count_kv", "num_key_value_heads"),
    ("attention.key_length", "head_dim"),
    ("attention.value_length", "v_head_dim"),
    ("attention.q_lora_rank", "q_lora_rank"),
    ("attention.kv_lora_rank", "kv_lora_rank"),
    ("attention.sliding_window", "sliding_window"),
    ("expert_count", "num_experts"),
    ("expert_used_count", "num_experts_per_tok"),
    ("leading_dense_block_count", "first_k_dense_replace"),
    ("nextn_predict_layers", "num_nextn_predict_layers"),
];

/// Architectures whose models have no output projection of their own. Elsewhere one that is not in the first of several
/// files is in another.
const TIED: [&str; 3] = ["granitemoe", "hunyuan-moe", "ernie4_5-moe"];

struct Words<'a> {
    header: &'a Header,
    architecture: &'a str,
    config: Map<String, Value>,
}

/// The config that the metadata amount to.
pub(super) fn config(header: &Header, place: &Place) -> Result<Value> {
    let Some(architecture) = header.text("general.architecture") else {
        return Err(Error::at(place.clone(), "key \"general.architecture\" is missing").expected("text"));
    };
    let Some((_, model_type)) = ARCHITECTURES.iter().find(|(name, _)| *name == architecture) else {
        let message = format!("GGUF architecture {architecture:?} is not modelled");
        return Err(Error::at(place.clone(), message)
            .nearest(architecture, ARCHITECTURES.iter().map(|(name, _)| *name)));
    };
    let mut words = Words { header, architecture, config: Map::new() };
    words.put("model_type", json!(model_type));
    for (key, name) in RENAMED {
        words.rename(key, name);
    }
    words.layers(place)?;
    words.tensors();
    words.widths();
    words.family();
    Ok(Value::Object(words.config))
}

impl Words<'_> {
    fn put(&mut self, key: &str, value: Value) {
        self.config.insert(key.to_owned(), value);
    }

    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.header.number(&self.key(key))
    }

    /// A number, or a list of one and the same for each layer. Other lists stay lists, which the reader of the config
    /// refuses where layers must not differ.
    fn rename(&mut self, key: &str, name: &str) {
        let value = match self.header.metadata.get(&self.key(key)) {
            Some(Meta::Number(number)) => json!(number),
            Some(Meta::Numbers(numbers)) => match numbers.split_first() {
                Some((first, rest)) if rest.iter().all(|number| number == first) => json!(first),
                _ => json!(numbers),
            },
            _ => return,
        };
        self.put(name, value);
    }

    fn has(&self, tensor: &str) -> bool {
        self.header.tensor(tensor).is_some()
    }

    /// Whether any layer has a tensor of this name.
    fn any_layer_has(&self, suffix: &str) -> bool {
        self.header.tensors.iter().any(|tensor| {
            let inside = tensor.name.strip_prefix("blk.").and_then(|name| name.split_once('.'));
            inside.is_some_and(|(_, name)| name == suffix)
        })
    }

    /// One dimension of the first tensor of this name in any layer.
    fn dimension(&self, suffix: &str, index: usize) -> Option<u64> {
        let ending = format!(".{suffix}");
        let tensor = self.header.tensors.iter().find(|tensor| tensor.name.ends_with(&ending))?;
        tensor.dims.get(index).copied()
    }

    /// Modules that predict further tokens are counted among the blocks.
    fn layers(&mut self, place: &Place) -> Result<()> {
        let blocks = self.number("block_count").unwrap_or(0);
        let modules = self.number("nextn_predict_layers").unwrap_or(0);
        let Some(layers) = blocks.checked_sub(modules).filter(|layers| *layers > 0) else {
            let message = format!("key {:?} leaves {blocks} - {modules} layers", self.key("block_count"));
            return Err(Error::at(place.clone(), message).expected("at least one layer"));
        };
        self.put("num_hidden_layers", json!(layers));
        Ok(())
    }

    fn tensors(&mut self) {
        let tokens = match self.header.metadata.get("tokenizer.ggml.tokens") {
            Some(Meta::Long(tokens)) => Some(*tokens),
            _ => None,
        };
        let rows = self.header.tensor("token_embd.weight").and_then(|tensor| tensor.dims.get(1).copied());
        if let Some(vocab) = rows.or(self.number("vocab_size")).or(tokens) {
            self.put("vocab_size", json!(vocab));
        }
        let elsewhere = self.header.shards() > 1 && !TIED.contains(&self.architecture);
        self.put("tie_word_embeddings", json!(!self.has("output.weight") && !elsewhere));
        self.put("lm_head_bias", json!(self.has("output.bias")));
        let bias = self.any_layer_has("attn_q.bias") || self.any_layer_has("attn_qkv.bias");
        self.put("attention_bias", json!(bias));
        self.put("qkv_bias", json!(bias));
        self.put("use_qk_norm", json!(self.any_layer_has("attn_q_norm.weight")));
        self.put("use_routing_bias", json!(self.any_layer_has("exp_probs_b.bias")));
    }

    /// Inner widths; files of some years leave out what the tensors show.
    fn widths(&mut self) {
        self.rename("feed_forward_length", "intermediate_size");
        let expert = self.number("expert_feed_forward_length").or(self.dimension("ffn_down_exps.weight", 0));
        if let Some(width) = expert {
            self.put("moe_intermediate_size", json!(width));
        }
        let shared =
            self.number("expert_shared_feed_forward_length").or(self.dimension("ffn_down_shexp.weight", 0));
        match (shared, self.number("expert_shared_count")) {
            (Some(width), _) => self.put("shared_expert_intermediate_size", json!(width)),
            (None, Some(count)) => self.put("n_shared_experts", json!(count)),
            (None, None) => {}
        }
    }

    /// What single families say in words of their own.
    fn family(&mut self) {
        let experts = self.number("expert_count").unwrap_or(0);
        match self.architecture {
            "llama" if experts > 0 => self.put("model_type", json!("mixtral")),
            "deepseek2" => self.latent(),
            "gpt-oss" => self.alternating(),
            "qwen3next" => self.delta_net(),
            "llama4" => {
                self.rename("feed_forward_length", "intermediate_size_mlp");
                self.rename("expert_feed_forward_length", "intermediate_size");
                self.rename("interleave_moe_layer_step", "interleave_moe_layer_step");
                // Not in the file: llama.cpp's code holds the chunk of Scout and Maverick.
                self.put("attention_chunk_size", json!(8192));
                self.config.remove("shared_expert_intermediate_size");
            }
            // Their expert width is written as the width of the experts only.
            "minimax-m2" | "olmoe" | "phimoe" | "granitemoe" => {
                if let Some(width) = self.config.get("moe_intermediate_size").cloned() {
                    self.put("intermediate_size", width);
                }
            }
            _ => {}
        }
    }

    /// Heads of latent attention: files since 2025 give the absorbed widths as `key_length` and the heads' own as
    /// `key_length_mla`, earlier ones the heads' own only.
    fn latent(&mut self) {
        if self.any_layer_has("exp_probs_b.bias") {
            self.put("model_type", json!("deepseek_v3"));
        }
        let rope = self.number("rope.dimension_count").unwrap_or(0);
        let key = self.number("attention.key_length_mla").or(self.number("attention.key_length"));
        let value = self.number("attention.value_length_mla").or(self.number("attention.value_length"));
        self.put("qk_rope_head_dim", json!(rope));
        self.put("qk_nope_head_dim", json!(key.unwrap_or(0).saturating_sub(rope)));
        self.put("v_head_dim", json!(value));
    }

    /// gpt-oss: a window in every second layer, from the first on.
    fn alternating(&mut self) {
        let layers = self.config.get("num_hidden_layers").and_then(Value::as_u64).unwrap_or(0);
        let kind = |layer: u64| if layer.is_multiple_of(2) { "sliding_attention" } else { "full_attention" };
        self.put("layer_types", (0..layers.min(1 << 12)).map(kind).collect());
        if let Some(width) = self.config.get("moe_intermediate_size").cloned() {
            self.put("intermediate_size", width);
        }
    }

    /// Qwen3-Next: the delta network in the words of a state-space model.
    fn delta_net(&mut self) {
        let values = self.number("ssm.time_step_rank");
        let width = self.number("ssm.inner_size").zip(values.filter(|heads| *heads > 0));
        self.put("linear_num_key_heads", json!(self.number("ssm.group_count")));
        self.put("linear_num_value_heads", json!(values));
        self.put("linear_key_head_dim", json!(self.number("ssm.state_size")));
        self.put("linear_value_head_dim", json!(width.map(|(inner, heads)| inner / heads)));
        self.put("linear_conv_kernel_dim", json!(self.number("ssm.conv_kernel")));
        let interval = self.number("full_attention_interval").unwrap_or(4);
        self.put("full_attention_interval", json!(interval));
    }
}
