//! Models with fewer parameters in their routed experts: experts merged into fewer, and experts that share a projection.
//!
//! Both change a trained model's weights; what that costs in quality is told by the catalogue. How tokens reach merged
//! experts follows from a trace (`trace::ExpertGroups`).

use super::{Ffn, LayerSpec, ModelSpec, Moe};

impl ModelSpec {
    /// The model with `into` routed experts in each MoE layer, each as large as one was: averages of several. The router
    /// keeps an output for each expert that there was, as in MC-SMoE (Li et al., ICLR 2024) and HC-SMoE (Chen et al., ICML
    /// 2025). A token is sent to no more experts than there are. The model itself where it has no more than `into`.
    #[must_use]
    pub fn merged(&self, into: u32) -> Self {
        let before = self.experts();
        if before <= into {
            return self.clone();
        }
        let merged = |moe: &Moe| Moe {
            experts: moe.experts.min(into),
            top_k: moe.top_k.min(into),
            router_experts: if moe.router_experts == 0 { moe.experts } else { moe.router_experts },
            ..*moe
        };
        self.with_moe(&format!("{before} -> {into} experts"), merged)
    }

    /// The model with one up projection for all routed experts of a layer. The model itself where it has none.
    #[must_use]
    pub fn with_shared_up(&self) -> Self {
        if self.experts() == 0 {
            return self.clone();
        }
        self.with_moe("shared up-projection", |moe| Moe { shared_up: true, ..*moe })
    }

    fn with_moe(&self, how: &str, change: impl Fn(&Moe) -> Moe) -> Self {
        let changed = |layer: &LayerSpec| match &layer.ffn {
            Ffn::Moe(moe) => LayerSpec { ffn: Ffn::Moe(change(moe)), ..*layer },
            Ffn::None | Ffn::Dense(_) => *layer,
        };
        Self {
            name: format!("{}, {how}", self.name),
            layers: self.layers.iter().map(changed).collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::models;

    /// Every known model: what is shared is counted once and no longer with each expert, what is merged is gone, and
    /// nothing else changes.
    #[test]
    fn only_the_routed_experts_shrink() {
        for row in models::all() {
            let (spec, shared) = (&row.spec, row.spec.with_shared_up());
            let experts = spec.experts();
            if experts == 0 {
                assert_eq!((&shared, &spec.merged(1)), (spec, spec), "{}", row.id);
                continue;
            }
            for (layer, before) in shared.layers.iter().zip(&spec.layers) {
                let Some(moe) = before.moe() else { continue };
                let up = moe.expert_inter * (before.hidden + u64::from(moe.expert_bias));
                assert_eq!(layer.expert_params() + up, before.expert_params(), "{}", row.id);
                assert_eq!(layer.shared_params(), before.shared_params() + up, "{}", row.id);
                let mut rest = (layer.params(), before.params());
                (rest.0.routed_experts, rest.0.shared_experts) = (0, 0);
                (rest.1.routed_experts, rest.1.shared_experts) = (0, 0);
                assert_eq!(rest.0, rest.1, "{}", row.id);
            }
            assert_eq!(&spec.merged(experts), spec, "{}", row.id);
            let half = spec.merged(experts / 2);
            assert_eq!(half.experts(), experts / 2, "{}", row.id);
            let (all, kept) = (spec.params(), half.params());
            assert_eq!(kept.routed_experts * u64::from(experts), all.routed_experts * u64::from(experts / 2));
            assert_eq!(kept.total() - kept.routed_experts, all.total() - all.routed_experts, "{}", row.id);
            assert_eq!(half.top_k(), spec.top_k().min(experts / 2), "{}", row.id);
        }
    }
}
