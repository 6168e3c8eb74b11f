//! A model as a plan keeps it: what it is and what its weights take, before anything is laid out on GPUs.

use std::sync::Arc;

use super::ModelPlan;
use crate::model::{ComponentBytes, Dtype, ModelSpec};
use crate::units::Bytes;

/// The whole model of a plan.
#[derive(Clone, Debug)]
pub struct WholeModel {
    /// Its architecture, as planned: simplified or changed where the scenario says so.
    pub spec: Arc<ModelSpec>,
    /// All of its weights by part.
    pub weights: ComponentBytes,
    /// One routed expert, by MoE layer.
    pub experts: Vec<Bytes>,
    /// Type of the KV cache.
    pub kv: Dtype,
}

impl WholeModel {
    pub(in crate::plan) fn of(model: &ModelPlan) -> Self {
        let mut weights = model.resident_from(0);
        weights.routed_experts = model.experts_total();
        Self { spec: Arc::clone(&model.spec), weights, experts: model.experts.clone(), kv: model.kv }
    }

    /// The weights that one token uses, by part: of the routed experts `top_k` in each layer, of all else everything.
    pub fn active_weights(&self) -> ComponentBytes {
        let chosen = |(expert, top_k): (&Bytes, u32)| expert.times(u64::from(top_k));
        let top_k = self.spec.layers.iter().filter_map(|layer| layer.moe()).map(|moe| moe.top_k);
        ComponentBytes { routed_experts: self.experts.iter().zip(top_k).map(chosen).sum(), ..self.weights }
    }
}
