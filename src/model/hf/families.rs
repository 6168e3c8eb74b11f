//! The model families that are known, as a table of what their code builds, and the model that follows from one.
//!
//! Each row was read off the modelling code of transformers 5.23 (`models/<family>/modeling_<family>.py`) or, for
//! MiMo, Hunyuan and DeepSeek, off the code published with the weights.

use super::mixers::{self, MixerRule};
use super::reader::{Config, LAYERS, VOCAB, WIDTH};
use super::{latent, moe, pattern, softmax};
use crate::error::Result;
use crate::model::attention::OutputGate;
use crate::model::{LayerSpec, ModelSpec, Mtp};

/// A yes or no: the same for the whole family, or a key with the default that the family's code gives it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flag {
    Off,
    On,
    Key(&'static str, bool),
}

impl Flag {
    pub(super) fn read(self, config: &Config) -> Result<bool> {
        match self {
            Self::Off => Ok(false),
            Self::On => Ok(true),
            Self::Key(key, default) => config.flag(key, default),
        }
    }
}

/// Normalisation of queries and keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum QkRule {
    None,
    PerHead(Flag),
    PerLayer,
    /// `qk_norm_type`, where `use_qk_norm` does not switch it off; else per layer (MiniMax).
    Typed,
}

/// What a family's code builds.
pub(super) struct Family {
    pub(super) model_types: &'static [&'static str],
    /// Some layers have experts.
    pub(super) experts: Flag,
    pub(super) mixer: MixerRule,
    /// Norms of the residual stream in each layer, and those that layers with experts add.
    pub(super) norms: u64,
    pub(super) moe_norms: u64,
    /// Layer norms with bias, not RMS norms.
    pub(super) norm_bias: bool,
    pub(super) tied: bool,
    pub(super) lm_head_bias: Flag,
    pub(super) qk_norm: QkRule,
    pub(super) qkv_bias: Flag,
    pub(super) output_bias: Flag,
    pub(super) sinks: bool,
    pub(super) gate: OutputGate,
    /// Spellings of the inner widths.
    pub(super) dense_inter: &'static [&'static str],
    pub(super) expert_inter: &'static [&'static str],
    /// The key that gives the width of the shared expert where it is not one of the usual ones.
    pub(super) shared_inter: Option<&'static str>,
    pub(super) shared_gate: bool,
    pub(super) gated: bool,
    pub(super) ffn_bias: Flag,
    pub(super) expert_bias: bool,
    pub(super) router_bias: bool,
    pub(super) selection_bias: Flag,
    pub(super) router_scale: bool,
    /// Number of modules that predict further tokens, where each repeats the last layer.
    pub(super) mtp: Option<&'static str>,
}

const INTER: &[&str] = &["intermediate_size"];
const MOE_INTER: &[&str] = &["moe_intermediate_size"];
const ATTENTION_BIAS: Flag = Flag::Key("attention_bias", false);

/// Llama with Mixtral's experts: what most families vary.
const PLAIN: Family = Family {
    model_types: &["mixtral"],
    experts: Flag::On,
    mixer: softmax::gqa,
    norms: 2,
    moe_norms: 0,
    norm_bias: false,
    tied: false,
    lm_head_bias: Flag::Off,
    qk_norm: QkRule::None,
    qkv_bias: ATTENTION_BIAS,
    output_bias: ATTENTION_BIAS,
    sinks: false,
    gate: OutputGate::None,
    dense_inter: INTER,
    expert_inter: INTER,
    shared_inter: None,
    shared_gate: false,
    gated: true,
    ffn_bias: Flag::Off,
    expert_bias: false,
    router_bias: false,
    selection_bias: Flag::Off,
    router_scale: false,
    mtp: None,
};

const DENSE: Family = Family { experts: Flag::Off, ..PLAIN };

/// DeepSeek-V2: latent attention, shared experts.
const LATENT: Family = Family { mixer: latent::mla, expert_inter: MOE_INTER, ..PLAIN };

/// Qwen3-MoE.
const QWEN3_MOE: Family = Family { qk_norm: QkRule::PerHead(Flag::On), expert_inter: MOE_INTER, ..PLAIN };

/// Qwen3-Next: linear attention between gated full attention.
const QWEN_NEXT: Family =
    Family { mixer: mixers::delta_net, gate: OutputGate::PerChannel, shared_gate: true, ..QWEN3_MOE };

pub(super) const FAMILIES: &[Family] = &[
    PLAIN,
    Family { model_types: &["llama", "mistral"], ffn_bias: Flag::Key("mlp_bias", false), ..DENSE },
    Family { model_types: &["qwen2"], qkv_bias: Flag::On, output_bias: Flag::Off, ..DENSE },
    Family { model_types: &["qwen3"], qk_norm: QkRule::PerHead(Flag::On), ..DENSE },
    Family {
        model_types: &["qwen2_moe"],
        qkv_bias: Flag::Key("qkv_bias", true),
        output_bias: Flag::Off,
        expert_inter: MOE_INTER,
        shared_gate: true,
        ..PLAIN
    },
    Family { model_types: &["qwen3_moe", "qwen3_vl_moe", "qwen3_vl_moe_text"], ..QWEN3_MOE },
    Family { model_types: &["qwen3_next"], ..QWEN_NEXT },
    Family {
        model_types: &["qwen3_5_moe", "qwen3_5_moe_text"],
        mtp: Some("mtp_num_hidden_layers"),
        ..QWEN_NEXT
    },
    Family { model_types: &["deepseek"], expert_inter: MOE_INTER, ..PLAIN },
    Family { model_types: &["deepseek_v2"], ..LATENT },
    Family {
        model_types: &["deepseek_v3", "deepseek_v32", "kimi_k2", "glm_moe_dsa"],
        selection_bias: Flag::On,
        mtp: Some("num_nextn_predict_layers"),
        ..LATENT
    },
    Family { model_types: &["kimi_linear"], mixer: latent::kimi_linear, selection_bias: Flag::On, ..LATENT },
    Family {
        model_types: &["glm4_moe"],
        qk_norm: QkRule::PerHead(Flag::Key("use_qk_norm", false)),
        output_bias: Flag::Off,
        expert_inter: MOE_INTER,
        selection_bias: Flag::On,
        mtp: Some("num_nextn_predict_layers"),
        ..PLAIN
    },
    Family {
        model_types: &["gpt_oss"],
        qkv_bias: Flag::Key("attention_bias", true),
        output_bias: Flag::Key("attention_bias", true),
        sinks: true,
        expert_bias: true,
        router_bias: true,
        ..PLAIN
    },
    Family { model_types: &["olmoe"], qk_norm: QkRule::PerLayer, ..PLAIN },
    Family {
        model_types: &["phimoe"],
        norm_bias: true,
        lm_head_bias: Flag::Key("lm_head_bias", false),
        ..PLAIN
    },
    Family { model_types: &["granitemoe"], ..PLAIN },
    Family {
        model_types: &["hunyuan", "hunyuan_v1_moe"],
        qk_norm: QkRule::PerHead(Flag::Key("use_qk_norm", true)),
        expert_inter: &["moe_intermediate_size", "intermediate_size"],
        ..PLAIN
    },
    Family {
        model_types: &["ernie4_5_moe"],
        tied: true,
        qkv_bias: Flag::Key("use_bias", false),
        output_bias: Flag::Key("use_bias", false),
        ffn_bias: Flag::Key("use_bias", false),
        expert_inter: MOE_INTER,
        selection_bias: Flag::On,
        ..PLAIN
    },
    Family {
        model_types: &["minimax_m2"],
        qk_norm: QkRule::Typed,
        qkv_bias: Flag::Off,
        output_bias: Flag::Off,
        selection_bias: Flag::Key("use_routing_bias", true),
        ..PLAIN
    },
    Family {
        model_types: &["minimax_m3", "minimax_m3_vl_text"],
        mixer: softmax::block_sparse,
        qk_norm: QkRule::Typed,
        qkv_bias: Flag::Off,
        output_bias: Flag::Off,
        dense_inter: &["dense_intermediate_size"],
        expert_inter: &["moe_intermediate_size", "intermediate_size"],
        selection_bias: Flag::Key("use_routing_bias", true),
        ..PLAIN
    },
    Family {
        model_types: &["mimo_v2_flash"],
        mixer: softmax::mimo,
        output_bias: Flag::Off,
        expert_inter: MOE_INTER,
        selection_bias: Flag::On,
        ..PLAIN
    },
    Family {
        model_types: &["step3p5", "step3p7"],
        mixer: softmax::step,
        qk_norm: QkRule::PerHead(Flag::On),
        gate: OutputGate::PerHead,
        expert_inter: MOE_INTER,
        selection_bias: Flag::Key("use_moe_router_bias", true),
        ..PLAIN
    },
    Family {
        model_types: &["llama4", "llama4_text"],
        dense_inter: &["intermediate_size_mlp"],
        shared_inter: Some("intermediate_size"),
        ..PLAIN
    },
    Family {
        model_types: &["gemma4", "gemma4_text"],
        experts: Flag::Key("enable_moe_block", false),
        mixer: softmax::gemma4,
        norms: 4,
        moe_norms: 3,
        tied: true,
        qk_norm: QkRule::PerHead(Flag::On),
        expert_inter: MOE_INTER,
        shared_inter: Some("intermediate_size"),
        router_scale: true,
        ..PLAIN
    },
    Family {
        model_types: &["jamba"],
        mixer: mixers::jamba,
        qkv_bias: Flag::Off,
        output_bias: Flag::Off,
        ..PLAIN
    },
    Family {
        model_types: &["nemotron_h"],
        qkv_bias: Flag::Off,
        output_bias: Flag::Off,
        norms: 1,
        gated: false,
        expert_inter: MOE_INTER,
        ffn_bias: Flag::Key("mlp_bias", false),
        selection_bias: Flag::On,
        ..PLAIN
    },
];

/// The model that a config of this family describes.
pub(super) fn build(config: &Config, family: &Family, name: &str) -> Result<ModelSpec> {
    let hidden = config.size("hidden_size", WIDTH)?;
    let vocab = config.size("vocab_size", VOCAB)?;
    let count = usize::try_from(config.size("num_hidden_layers", LAYERS)?).unwrap_or(usize::MAX);
    let layers = match config.get(mixers::BLOCK_PATTERN) {
        Some(_) => mixers::blocks(config, family, hidden, count)?,
        None => decoder(config, family, hidden, count)?,
    };
    let modules = family.mtp.map(|key| config.opt_number(key, 0, LAYERS)).transpose()?.flatten().unwrap_or(0);
    let mtp = layers
        .last()
        .filter(|_| modules > 0)
        .map(|layer| Mtp { modules: u32::try_from(modules).unwrap_or(u32::MAX), layer: *layer });
    Ok(ModelSpec {
        name: name.to_owned(),
        hidden,
        vocab,
        layers,
        tied_embeddings: config.outer_flag("tie_word_embeddings", family.tied)?,
        lm_head_bias: family.lm_head_bias.read(config)?,
        final_norm_bias: family.norm_bias,
        mtp,
    })
}

/// Layers that each have a token mixer and a feed-forward part.
fn decoder(config: &Config, family: &Family, hidden: u64, count: usize) -> Result<Vec<LayerSpec>> {
    let kinds = pattern::kinds(config, count)?;
    let sparse = match family.experts.read(config)? {
        true => pattern::moe_layers(config, count)?,
        false => vec![false; count],
    };
    let layer = |index: usize| {
        Ok(LayerSpec {
            hidden,
            attention: (family.mixer)(config, family, index, kinds[index])?,
            ffn: moe::ffn(config, family, index, sparse[index])?,
            norms: family.norms + if sparse[index] { family.moe_norms } else { 0 },
            norm_bias: family.norm_bias,
        })
    };
    (0..count).map(layer).collect()
}
