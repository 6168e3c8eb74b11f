//! A model as a GGUF file stores it: the file says how large every tensor is.

use std::path::Path;
use std::sync::Arc;

use super::super::Inputs;
use super::super::resolve::Resolver;
use super::{ModelPlan, Overrides};
use crate::error::Error;
use crate::model::{ComponentBytes, Dtype, LayerSpec, gguf};
use crate::scenario::QuantSection;
use crate::units::Bytes;

type Given = fn(&QuantSection) -> bool;

/// The keys that say how weights are stored.
const WEIGHT_KEYS: [(&str, Given); 8] = [
    ("quant.scheme", |quant| quant.scheme.is_some()),
    ("quant.embeddings", |quant| quant.embeddings.is_some()),
    ("quant.lm_head", |quant| quant.lm_head.is_some()),
    ("quant.attention", |quant| quant.attention.is_some()),
    ("quant.router", |quant| quant.router.is_some()),
    ("quant.shared_experts", |quant| quant.shared_experts.is_some()),
    ("quant.dense_ffn", |quant| quant.dense_ffn.is_some()),
    ("quant.experts", |quant| quant.experts.is_some()),
];

/// A GGUF file says itself how every tensor is stored, so a scheme beside it would be ignored: it is refused.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    path: &Path,
    overrides: &Overrides,
) -> Option<ModelPlan> {
    resolver.given("model.gguf", path.display());
    let keys = WEIGHT_KEYS.iter().filter(|(_, given)| given(&resolver.scenario().quant)).map(|(key, _)| *key);
    for key in keys.collect::<Vec<_>>() {
        resolver.refuse(key, |place| {
            Error::at(place, format!("{key} beside model.gguf"))
                .hint("the file says how its weights are stored")
        });
    }
    let file = inputs.gguf(path).map_err(|error| resolver.refuse_file("model.gguf", error)).ok()?;
    if let Some(first) = file.missing.first() {
        let (place, count) = (resolver.place("model.gguf"), file.missing.len());
        let found =
            format!("model.gguf: {} lacks {count} tensors, the first of them {first}", path.display());
        let of_several =
            format!("this is one of {} files: join them with llama-gguf-split --merge", file.shards);
        resolver.push(if file.shards > 1 {
            Error::at(place, found).hint(of_several)
        } else {
            Error::at(place, found).expected("a file that lists the whole model")
        });
        return None;
    }
    if file.other_bytes > Bytes::ZERO {
        let why = "tensors that no pass reads, such as modules for speculative decoding";
        resolver.note("not loaded", file.other_bytes, why);
    }
    let kv = overrides.kv.or_else(|| Dtype::by_name("f16"))?;
    if overrides.kv.is_none() {
        resolver.note("quant.kv", kv.name, "default of engines that read GGUF");
    }
    let without_experts = |mut bytes: ComponentBytes| {
        bytes.routed_experts = Bytes::ZERO;
        bytes
    };
    let layers: Vec<ComponentBytes> = file.layers.iter().map(|layer| without_experts(layer.bytes)).collect();
    let norms: Bytes = layers.iter().map(|layer| layer.norms).sum();
    let outside = ComponentBytes {
        embeddings: file.bytes.embeddings,
        lm_head: file.bytes.lm_head,
        norms: file.bytes.norms.saturating_sub(norms),
        ..ComponentBytes::default()
    };
    let is_moe = |layer: &(&LayerSpec, &gguf::GgufLayer)| layer.0.moe().is_some();
    let experts =
        file.spec.layers.iter().zip(&file.layers).filter(is_moe).map(|(_, layer)| layer.expert_bytes);
    let spec = Arc::new(file.spec.clone());
    Some(ModelPlan {
        experts: experts.collect(),
        routed: Arc::clone(&spec),
        spec,
        quant: "gguf".to_owned(),
        layers,
        outside,
        kv,
        // The header tells sizes by tensor; which kernel reads them is not worked out from it.
        expert_dtype: None,
        stored: None,
    })
}
