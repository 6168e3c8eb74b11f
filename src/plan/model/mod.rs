//! The model and how its weights are stored: bytes of every part of every layer.

mod from_gguf;
mod from_scheme;
mod sizes;
mod whole;

pub use sizes::ExpertSizes;
pub use whole::WholeModel;

use std::path::Path;
use std::sync::Arc;

use super::Inputs;
use super::resolve::Resolver;
use crate::catalogue::{ModelRow, QuantScheme};
use crate::error::Error;
use crate::model::{ComponentBytes, Dtype, ModelSpec, hf};
use crate::serving::WeightSizes;
use crate::units::Bytes;

/// A model with the sizes of its weights.
#[derive(Clone, Debug)]
pub(in crate::plan) struct ModelPlan {
    pub(in crate::plan) spec: Arc<ModelSpec>,
    /// Name of the quantisation.
    pub(in crate::plan) quant: String,
    /// Each layer by part, routed experts left out.
    pub(in crate::plan) layers: Vec<ComponentBytes>,
    /// One routed expert, by MoE layer.
    pub(in crate::plan) experts: Vec<Bytes>,
    /// Embeddings, output projection and last norm.
    pub(in crate::plan) outside: ComponentBytes,
    /// Type of the KV cache.
    pub(in crate::plan) kv: Dtype,
    /// Type of most of the routed experts' weights, where it is one.
    pub(in crate::plan) expert_dtype: Option<Dtype>,
}

impl ModelPlan {
    /// All routed experts together.
    pub(in crate::plan) fn experts_total(&self) -> Bytes {
        let per_layer = u64::from(self.spec.experts());
        self.experts.iter().map(|expert| expert.times(per_layer)).sum()
    }

    /// What passes read.
    pub(in crate::plan) fn sizes(&self) -> WeightSizes {
        let logits = if self.spec.tied_embeddings { self.outside.embeddings } else { self.outside.lm_head };
        WeightSizes {
            layers: self.layers.iter().map(ComponentBytes::total).collect(),
            experts: self.experts.clone(),
            logits,
        }
    }

    /// Everything but the routed experts, and but the first `skipped` layers, by part.
    pub(in crate::plan) fn resident_from(&self, skipped: usize) -> ComponentBytes {
        let mut all = self.outside;
        for layer in self.layers.iter().skip(skipped) {
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

impl Overrides {
    /// The same without what blocks hold beside the weights: [`Dtype::plain`]. The KV cache stays.
    fn plain(&self) -> Self {
        let plain = |dtype: Option<Dtype>| dtype.map(Dtype::plain);
        Self {
            embeddings: plain(self.embeddings),
            lm_head: plain(self.lm_head),
            attention: plain(self.attention),
            router: plain(self.router),
            shared_experts: plain(self.shared_experts),
            dense_ffn: plain(self.dense_ffn),
            experts: plain(self.experts),
            kv: self.kv,
        }
    }
}

pub(in crate::plan) fn resolve(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<ModelPlan> {
    let overrides = overrides(resolver);
    let scheme_name = resolver.scenario().quant.scheme.clone();
    let simplified = resolver.scenario().model.simplified == Some(true);
    if let Some(path) = resolver.scenario().model.gguf.clone() {
        if simplified {
            resolver.refuse("model.simplified", |place| {
                Error::at(place, "model.simplified: found beside model.gguf")
                    .expected("model.name or model.config: a file has the weights that it has")
            });
        }
        return from_gguf::resolve(resolver, inputs, &path, &overrides);
    }
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
    let (mut spec, scheme) = (spec?, scheme?);
    if let Some(written) = resolver.scenario().model.simplified {
        resolver.given("model.simplified", written);
        if simplified {
            spec = Arc::new(spec.simplified());
        }
    }
    let kv = overrides.kv.unwrap_or(scheme.kv.value);
    if overrides.kv.is_none() {
        resolver.note("quant.kv", kv.name, format!("quantisation scheme {}", scheme.id));
    }
    if simplified {
        resolver.note(
            "bits of a weight",
            "whole",
            "model.simplified: no scales, and one type beside the experts",
        );
        return Some(from_scheme::sizes(spec, &scheme.plain(), &overrides.plain(), kv));
    }
    Some(from_scheme::sizes(spec, scheme, &overrides, kv))
}

fn spec(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<Arc<ModelSpec>> {
    let section = &resolver.scenario().model;
    if let Some(path) = &section.config {
        resolver.given("model.config", path.display());
        let spec = inputs.model(path, || {
            let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, "read", &cause))?;
            hf::import(&text, path)
        });
        return spec.map_err(|error| resolver.refuse_file("model.config", error)).ok();
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
        resolver.dtype(key, name)
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
