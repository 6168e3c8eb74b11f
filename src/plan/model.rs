//! The model and how its weights are stored: bytes of every part of every layer.

use std::path::Path;
use std::sync::Arc;

use super::Inputs;
use super::resolve::Resolver;
use crate::catalogue::{FfnMix, ModelRow, QuantScheme};
use crate::error::Error;
use crate::model::{ComponentBytes, DTYPES, Dtype, Ffn, LayerSpec, ModelSpec, hf};
use crate::serving::WeightSizes;
use crate::units::Bytes;

/// A model with the sizes of its weights.
#[derive(Clone, Debug)]
pub(super) struct ModelPlan {
    pub(super) spec: Arc<ModelSpec>,
    /// Name of the quantisation.
    pub(super) quant: String,
    /// Each layer by part, routed experts left out.
    pub(super) layers: Vec<ComponentBytes>,
    /// One routed expert, by MoE layer.
    pub(super) experts: Vec<Bytes>,
    /// Embeddings, output projection and last norm.
    pub(super) outside: ComponentBytes,
    /// Type of the KV cache.
    pub(super) kv: Dtype,
}

impl ModelPlan {
    /// All routed experts together.
    pub(super) fn experts_total(&self) -> Bytes {
        let per_layer = u64::from(self.spec.experts());
        self.experts.iter().map(|expert| expert.times(per_layer)).sum()
    }

    /// What passes read.
    pub(super) fn sizes(&self) -> WeightSizes {
        let logits = if self.spec.tied_embeddings { self.outside.embeddings } else { self.outside.lm_head };
        WeightSizes {
            layers: self.layers.iter().map(ComponentBytes::total).collect(),
            experts: self.experts.clone(),
            logits,
        }
    }

    /// Everything but the routed experts, by part.
    pub(super) fn resident(&self) -> ComponentBytes {
        let mut all = self.outside;
        for layer in &self.layers {
            all += *layer;
        }
        all
    }
}

/// Types of the components where the user overrides the scheme's.
#[derive(Clone, Copy, Debug, Default)]
struct Overrides {
    embeddings: Option<Dtype>,
    lm_head: Option<Dtype>,
    attention: Option<Dtype>,
    router: Option<Dtype>,
    shared_experts: Option<Dtype>,
    dense_ffn: Option<Dtype>,
    experts: Option<Dtype>,
    kv: Option<Dtype>,
}

pub(super) fn resolve(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<ModelPlan> {
    let overrides = overrides(resolver);
    let scheme_name = resolver.scenario().quant.scheme.clone();
    let spec = spec(resolver, inputs);
    let scheme = match &scheme_name {
        Some(name) => {
            let scheme = resolver.row::<QuantScheme>("quant.scheme", name);
            resolver.given("quant.scheme", name);
            scheme
        }
        None => {
            resolver.note("quant.scheme", "bf16", "default: unquantised 16-bit weights");
            resolver.row::<QuantScheme>("quant.scheme", "bf16")
        }
    };
    let (spec, scheme) = (spec?, scheme?);
    let kv = overrides.kv.unwrap_or(scheme.kv.value);
    if overrides.kv.is_none() {
        resolver.note("quant.kv", kv.name, format!("quantisation scheme {}", scheme.id));
    }
    Some(from_scheme(spec, scheme, &overrides, kv))
}

fn spec(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<Arc<ModelSpec>> {
    let section = &resolver.scenario().model;
    if let Some(path) = &section.config {
        resolver.given("model.config", path.display());
        let spec = inputs.model(path, || {
            let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, "read", &cause))?;
            hf::import(&text, path)
        });
        return spec.map_err(|error| resolver.push(error)).ok();
    }
    let Some(name) = &section.name else {
        resolver.refuse("model", |place| {
            Error::at(place, "model.name is missing")
                .expected("a model of the catalogue, or model.config or model.gguf")
        });
        return None;
    };
    resolver.given("model.name", name);
    let row = resolver.row::<ModelRow>("model.name", name)?;
    inputs.model(Path::new(&row.id), || Ok(row.spec.clone())).map_err(|error| resolver.push(error)).ok()
}

fn overrides(resolver: &mut Resolver<'_>) -> Overrides {
    let section = &resolver.scenario().quant;
    let mut dtype = |key: &str, name: &Option<String>| {
        let name = name.as_ref()?;
        resolver.given(key, name);
        let found = Dtype::by_name(name);
        if found.is_none() {
            resolver.refuse(key, |place| {
                let known = DTYPES.iter().map(|dtype| dtype.name);
                Error::at(place, format!("unknown storage type {name:?}")).nearest(name, known)
            });
        }
        found
    };
    Overrides {
        embeddings: dtype("quant.embeddings", &section.embeddings),
        lm_head: dtype("quant.lm_head", &section.lm_head),
        attention: dtype("quant.attention", &section.attention),
        router: dtype("quant.router", &section.router),
        shared_experts: dtype("quant.shared_experts", &section.shared_experts),
        dense_ffn: dtype("quant.dense_ffn", &section.dense_ffn),
        experts: dtype("quant.experts", &section.experts),
        kv: dtype("quant.kv", &section.kv),
    }
}

/// Weights of gate and up together and of down, in a network of `params` weights; biases count with down.
fn split_ffn(params: u64, hidden: u64, inter: u64, gated: bool) -> (u64, u64) {
    let gate_up = (hidden * inter * if gated { 2 } else { 1 }).min(params);
    (gate_up, params - gate_up)
}

fn layer_bytes(
    spec: &LayerSpec,
    scheme: &QuantScheme,
    overrides: &Overrides,
    number: usize,
    layers: usize,
) -> ComponentBytes {
    let attention = spec.attention.projections(spec.hidden);
    let attention = match overrides.attention {
        Some(dtype) => dtype.bytes_for(attention.total()),
        None => scheme.attention.value.bytes_at(
            attention.query_key,
            attention.value,
            attention.output,
            number,
            layers,
        ),
    };
    let ffn = |params: u64, gated: bool, inter: u64, mix: FfnMix, other: Option<Dtype>| {
        let (gate_up, down) = split_ffn(params, spec.hidden, inter, gated);
        match other {
            Some(dtype) => dtype.bytes_for(params),
            None => mix.bytes_at(gate_up, down, number, layers),
        }
    };
    let shared = spec.moe().map_or(Bytes::ZERO, |moe| {
        ffn(
            spec.shared_params(),
            moe.gated,
            moe.shared_inter,
            scheme.shared_experts.value,
            overrides.shared_experts,
        )
    });
    let dense = match &spec.ffn {
        Ffn::Dense(dense) => ffn(
            spec.dense_ffn_params(),
            dense.gated,
            dense.inter,
            scheme.dense_ffn.value,
            overrides.dense_ffn,
        ),
        _ => Bytes::ZERO,
    };
    ComponentBytes {
        attention,
        norms: scheme.norms.value.bytes_for(spec.norm_params()),
        router: overrides.router.unwrap_or(scheme.router.value).bytes_for(spec.router_params()),
        shared_experts: shared,
        dense_ffn: dense,
        ..ComponentBytes::default()
    }
}

fn from_scheme(spec: Arc<ModelSpec>, scheme: &QuantScheme, overrides: &Overrides, kv: Dtype) -> ModelPlan {
    let count = spec.layers.len();
    let layers = spec
        .layers
        .iter()
        .enumerate()
        .map(|(number, layer)| layer_bytes(layer, scheme, overrides, number, count));
    let expert = |(number, layer): (usize, &LayerSpec)| {
        let moe = layer.moe()?;
        let params = layer.expert_params();
        let (gate_up, down) = split_ffn(params, layer.hidden, moe.expert_inter, moe.gated);
        Some(match overrides.experts {
            Some(dtype) => dtype.bytes_for(params),
            None => scheme.expert_bytes(gate_up, down, number, count),
        })
    };
    let params = spec.params();
    let outside_norms: u64 = params.norms - spec.layers.iter().map(LayerSpec::norm_params).sum::<u64>();
    let lm_head = overrides.lm_head.unwrap_or(scheme.lm_head.value);
    // A tied matrix is stored once, as the output projection is.
    let embeddings =
        if spec.tied_embeddings { lm_head } else { overrides.embeddings.unwrap_or(scheme.embeddings.value) };
    let outside = ComponentBytes {
        embeddings: embeddings.bytes_for(params.embeddings),
        lm_head: lm_head.bytes_for(params.lm_head),
        norms: scheme.norms.value.bytes_for(outside_norms),
        ..ComponentBytes::default()
    };
    let changed = overrides.embeddings.or(overrides.lm_head).or(overrides.attention).or(overrides.router);
    let changed = changed.or(overrides.shared_experts).or(overrides.dense_ffn).or(overrides.experts);
    let quant = if changed.is_some() { format!("{} (changed)", scheme.id) } else { scheme.id.clone() };
    ModelPlan {
        layers: layers.collect(),
        experts: spec.layers.iter().enumerate().filter_map(expert).collect(),
        outside,
        quant,
        kv,
        spec,
    }
}
