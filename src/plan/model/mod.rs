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
use crate::model::{ComponentBytes, Dtype, ModelSpec, WeightTypes, hf};
use crate::serving::WeightSizes;
use crate::units::Bytes;

/// A model with the sizes of its weights.
#[derive(Clone, Debug)]
pub(in crate::plan) struct ModelPlan {
    pub(in crate::plan) spec: Arc<ModelSpec>,
    /// The model as routers were recorded: before any of its experts were merged.
    pub(in crate::plan) routed: Arc<ModelSpec>,
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
    /// How its parts are stored, for what that costs in quality; `None` where a file says it tensor by tensor.
    pub(in crate::plan) stored: Option<Stored>,
}

/// How a scheme stores a model's weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) struct Stored {
    /// The scheme, where nothing of it was changed.
    pub(in crate::plan) scheme: Option<String>,
    /// Of mixes the type of the first matrix in the middle of the model.
    pub(in crate::plan) types: WeightTypes,
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
    if let Some(path) = resolver.scenario().model.gguf.clone() {
        refuse_beside_a_file(resolver);
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
    let (spec, scheme) = (spec?, scheme?);
    let (spec, routed) = compacted(resolver, spec)?;
    let kv = overrides.kv.unwrap_or(scheme.kv.value);
    if overrides.kv.is_none() {
        resolver.note("quant.kv", kv.name, format!("quantisation scheme {}", scheme.id));
    }
    if resolver.scenario().model.simplified == Some(true) {
        resolver.note(
            "bits of a weight",
            "whole",
            "model.simplified: no scales, and one type beside the experts",
        );
        let sizes = from_scheme::sizes(spec, &scheme.plain(), &overrides.plain(), kv);
        return Some(ModelPlan { routed, ..sizes });
    }
    Some(ModelPlan { routed, ..from_scheme::sizes(spec, scheme, &overrides, kv) })
}

/// Refuses what would change the weights of a file.
fn refuse_beside_a_file(resolver: &mut Resolver<'_>) {
    let section = &resolver.scenario().model;
    for (key, is_there) in [
        ("model.simplified", section.simplified == Some(true)),
        ("model.merge_experts", section.merge_experts.is_some()),
        ("model.shared_up_projection", section.shared_up_projection == Some(true)),
    ] {
        if is_there {
            resolver.refuse(key, |place| {
                Error::at(place, format!("{key}: found beside model.gguf"))
                    .expected("model.name or model.config: a file has the weights that it has")
            });
        }
    }
}

/// The model with what the scenario does to its weights, and the model whose experts its router knows.
fn compacted(
    resolver: &mut Resolver<'_>,
    mut spec: Arc<ModelSpec>,
) -> Option<(Arc<ModelSpec>, Arc<ModelSpec>)> {
    let section = &resolver.scenario().model;
    let experts = spec.experts();
    let without = |resolver: &mut Resolver<'_>, key: &str, found: String| {
        let error = format!("{key}: found {found}, and {} has no routed experts", spec.name);
        resolver
            .refuse(key, |place| Error::at(place, error).expected("a model with experts, or no such key"));
    };
    if let Some(into) = section.merge_experts {
        resolver.given("model.merge_experts", into);
        if experts == 0 {
            without(resolver, "model.merge_experts", into.to_string());
            return None;
        }
        if into.get() > experts {
            resolver.refuse("model.merge_experts", |place| {
                Error::at(place, format!("model.merge_experts: found {into}"))
                    .expected(format!("at most {experts}, the experts of a layer of {}", spec.name))
            });
            return None;
        }
    }
    if let Some(written) = section.shared_up_projection {
        resolver.given("model.shared_up_projection", written);
        if written && experts == 0 {
            without(resolver, "model.shared_up_projection", "true".to_owned());
            return None;
        }
    }
    if let Some(written) = section.simplified {
        resolver.given("model.simplified", written);
        if written {
            spec = Arc::new(spec.simplified());
        }
    }
    let routed = Arc::clone(&spec);
    if section.shared_up_projection == Some(true) {
        spec = Arc::new(spec.with_shared_up());
    }
    if let Some(into) = section.merge_experts {
        spec = Arc::new(spec.merged(into.get()));
    }
    Some((spec, routed))
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
