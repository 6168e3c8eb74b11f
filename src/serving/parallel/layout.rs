//! Degrees of parallelism of one replica, and what keeps a model from being laid out so.
//!
//! GPUs are numbered stage by stage, within a stage data-parallel rank by rank, and tensor-parallel ranks of one
//! data-parallel rank lie side by side. Degrees mean what they mean in vLLM (docs, "Data Parallel Deployment" and
//! "Expert Parallel Deployment"), except that `ep` is a number of its own: vLLM knows only 1 and `tp x dp`, SGLang
//! (`--ep-size`) and Megatron also what lies between. Splits that cut through blocks of a storage type are not looked at,
//! nor is the vocabulary, which engines pad.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::attention::{Linear, Mamba};
use crate::model::{Attention, Ffn, LayerSpec, ModelSpec};

/// Most GPUs of one replica; ranks are 16-bit numbers.
pub const GPUS_MAX: u64 = 16_384;

/// How one replica is spread over `tp x dp x pp` GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// GPUs that share each layer's attention and dense networks by tensor parallelism.
    pub tp: u32,
    /// Groups of `tp` GPUs in a stage, each with attention weights and sequences of its own.
    pub dp: u32,
    /// Ranks that the routed experts of a stage are spread over; each rank is `tp x dp / ep` GPUs.
    pub ep: u32,
    /// Pipeline stages.
    pub pp: u32,
}

impl Layout {
    /// Everything on one GPU.
    pub const SINGLE: Self = Self { tp: 1, dp: 1, ep: 1, pp: 1 };

    /// GPUs of a pipeline stage.
    pub const fn stage_gpus(&self) -> u32 {
        self.tp.saturating_mul(self.dp)
    }

    /// GPUs of the replica.
    pub const fn gpus(&self) -> u32 {
        self.stage_gpus().saturating_mul(self.pp)
    }

    /// GPUs that share each routed expert by tensor parallelism: `tp x dp / ep`, at least 1.
    pub const fn moe_tp(&self) -> u32 {
        let gpus = self.stage_gpus() / if self.ep == 0 { 1 } else { self.ep };
        if gpus == 0 { 1 } else { gpus }
    }

    /// Stage of a GPU of the replica.
    pub const fn stage_of(&self, gpu: u32) -> u32 {
        gpu / self.stage_gpus()
    }

    /// Data-parallel rank of a GPU within its stage.
    pub const fn dp_rank_of(&self, gpu: u32) -> u32 {
        gpu % self.stage_gpus() / self.tp
    }

    /// Expert-parallel rank of a GPU within its stage.
    pub const fn ep_rank_of(&self, gpu: u32) -> u32 {
        gpu % self.stage_gpus() / self.moe_tp()
    }

    /// Layers of a stage, of `layers` in all: contiguous, and as even as whole layers allow, the first stages taking one
    /// more. Engines differ in which stages those are; vLLM spares the first and the last (`get_pp_indices`).
    pub fn stage_layers(&self, stage: u32, layers: usize) -> Range<usize> {
        let (stage, stages) = (stage as usize, self.pp.max(1) as usize);
        let (each, more) = (layers / stages, layers % stages);
        let begin = |stage: usize| (stage * each + stage.min(more)).min(layers);
        begin(stage)..begin(stage + 1)
    }

    /// Whether the model can be laid out so, with `redundant` further replicas of experts in each layer.
    ///
    /// # Errors
    /// Every degree that does not divide what it has to divide, with the nearest that would.
    pub fn check(&self, model: &ModelSpec, redundant: u32) -> Result<()> {
        let mut problems = self.degree_problems();
        if problems.is_empty() {
            problems.extend(self.split_problems(model));
            problems.extend(self.expert_problems(model, redundant));
        }
        Error::join(problems).map_or(Ok(()), Err)
    }

    /// What is wrong with the degrees alone; without it the others cannot be judged.
    fn degree_problems(&self) -> Vec<Error> {
        let degrees = [("tp", self.tp), ("dp", self.dp), ("ep", self.ep), ("pp", self.pp)];
        let zeros = degrees.into_iter().filter(|(_, degree)| *degree == 0);
        let mut problems: Vec<Error> =
            zeros.map(|(name, _)| Error::new(format!("{name} is 0")).expected("at least 1")).collect();
        let gpus = u128::from(self.tp) * u128::from(self.dp) * u128::from(self.pp);
        if gpus > u128::from(GPUS_MAX) {
            problems.push(
                Error::new(format!("tp x dp x pp = {} x {} x {} is {gpus} GPUs", self.tp, self.dp, self.pp))
                    .expected(format!("at most {GPUS_MAX}")),
            );
        }
        problems
    }

    /// Everything that is split over `tp` and `pp`. Layers alike give one problem.
    fn split_problems(&self, model: &ModelSpec) -> Vec<Error> {
        let mut problems = Vec::new();
        for layer in &model.layers {
            for (what, parts) in tensor_parallel_parts(layer) {
                problems.extend(divides("tp", self.tp, parts, what));
            }
            problems.extend(kv_head_problem(self.tp, layer));
        }
        let layers = model.layers.len();
        if self.pp as usize > layers {
            problems.push(
                Error::new(format!("pp = {} is more than the model's {layers} layers", self.pp))
                    .expected(format!("at most {layers}")),
            );
        }
        problems
    }

    fn expert_problems(&self, model: &ModelSpec, redundant: u32) -> Vec<Error> {
        if model.experts() == 0 {
            let no_experts = |name: &str, found: u32, expected: u32| {
                (found != expected).then(|| {
                    Error::new(format!("{name} = {found}, and the model has no routed experts"))
                        .expected(expected)
                })
            };
            let problems = [no_experts("ep", self.ep, 1), no_experts("redundant", redundant, 0)];
            return problems.into_iter().flatten().collect();
        }
        let gpus = u64::from(self.stage_gpus());
        let mut problems: Vec<Error> =
            divides("ep", self.ep, gpus, "GPUs of a stage (tp x dp)").into_iter().collect();
        let fits = problems.is_empty();
        if redundant > 0 && self.ep == 1 {
            problems.push(
                Error::new(format!(
                    "redundant = {redundant}, and ep = 1: there is no other rank for a replica"
                ))
                .expected(0),
            );
        }
        for moe in model.layers.iter().filter_map(LayerSpec::moe) {
            if redundant > moe.experts {
                let message =
                    format!("redundant = {redundant} is more than the {} experts of a layer", moe.experts);
                problems.push(Error::new(message).expected(format!("at most {}", moe.experts)));
            }
            let slots = u64::from(moe.experts) + u64::from(redundant);
            let what = match redundant {
                0 => "routed experts of a layer".to_owned(),
                extra => format!("routed experts of a layer ({} and {extra} redundant)", moe.experts),
            };
            problems.extend(divides("ep", self.ep, slots, &what));
            if fits {
                let name = "moe_tp (tp x dp / ep)";
                problems.extend(divides(name, self.moe_tp(), moe.expert_inter, "channels of an expert"));
            }
        }
        problems
    }
}

impl fmt::Display for Layout {
    /// `tp 4, dp 2, ep 8, pp 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tp {}, dp {}, ep {}, pp {}", self.tp, self.dp, self.ep, self.pp)
    }
}

/// What of a layer is split over the tensor-parallel ranks, and into how many parts it could be.
fn tensor_parallel_parts(layer: &LayerSpec) -> Vec<(&'static str, u64)> {
    let mut parts = match &layer.attention {
        Attention::None => Vec::new(),
        Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. } => vec![("attention heads", gqa.heads)],
        Attention::Mla(mla) => vec![("attention heads", mla.heads)],
        Attention::Linear(Linear::DeltaNet(net)) => {
            vec![
                ("key heads of linear attention", net.key_heads),
                ("value heads of linear attention", net.value_heads),
            ]
        }
        Attention::Linear(Linear::KimiDelta(net)) => vec![("heads of linear attention", net.heads)],
        Attention::Mamba(Mamba::V1(mixer)) => vec![("channels of a Mamba mixer", mixer.inner)],
        Attention::Mamba(Mamba::V2(mixer)) => vec![("heads of a Mamba mixer", mixer.heads)],
    };
    match &layer.ffn {
        Ffn::None => {}
        Ffn::Dense(dense) => parts.push(("channels of a dense network", dense.inter)),
        Ffn::Moe(moe) if moe.shared_inter > 0 => {
            parts.push(("channels of the shared experts", moe.shared_inter));
        }
        Ffn::Moe(_) => {}
    }
    parts
}

/// Key and value heads are split while there are enough of them, then replicated: one must divide the other (vLLM,
/// `QKVParallelLinear`).
fn kv_head_problem(tp: u32, layer: &LayerSpec) -> Option<Error> {
    let (Attention::Gqa(gqa) | Attention::SlidingWindow { gqa, .. }) = &layer.attention else { return None };
    let (heads, tp) = (gqa.kv_heads.max(1), u64::from(tp));
    let fits = heads.is_multiple_of(tp) || tp.is_multiple_of(heads);
    (!fits).then(|| {
        Error::new(format!("tp = {tp} neither divides the {heads} key-value heads nor is a multiple of them"))
            .expected(near_divisors(tp, heads))
    })
}

/// The problem where `parts` of something are not a multiple of a degree.
fn divides(name: &str, degree: u32, parts: u64, what: &str) -> Option<Error> {
    (!parts.is_multiple_of(u64::from(degree))).then(|| {
        Error::new(format!("{name} = {degree} does not divide the {parts} {what}"))
            .expected(near_divisors(u64::from(degree), parts))
    })
}

/// The divisors of `whole` next to `found`, below and above: `2 or 4`.
fn near_divisors(found: u64, whole: u64) -> String {
    let divides = |degree: &u64| whole.is_multiple_of(*degree);
    let below = (1..found.min(whole + 1)).rev().find(divides);
    let above = (found + 1..=whole.min(GPUS_MAX)).find(divides);
    let texts: Vec<String> = [below, above].into_iter().flatten().map(|degree| degree.to_string()).collect();
    texts.join(" or ")
}
