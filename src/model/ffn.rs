//! The feed-forward part of a layer: dense, or routed experts with what every token passes beside them.

/// The feed-forward part of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ffn {
    /// The layer has none: a token mixer that stands alone, as in Nemotron-H.
    None,
    /// One network for all tokens.
    Dense(Dense),
    /// Routed experts.
    Moe(Moe),
}

/// A dense feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dense {
    /// Inner width.
    pub inter: u64,
    /// Gate, up and down projection (three matrices); else up and down (two).
    pub gated: bool,
    /// Every projection has a bias.
    pub bias: bool,
}

/// Routed experts, router, and shared experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moe {
    /// Routed experts.
    pub experts: u32,
    /// Experts each token is sent to.
    pub top_k: u32,
    /// Inner width of one routed expert.
    pub expert_inter: u64,
    /// Experts have a gate, up and down projection (three matrices); else up and down (two). Shared ones, too.
    pub gated: bool,
    /// Every projection of an expert has a bias (gpt-oss).
    pub expert_bias: bool,
    /// Inner width of all shared experts together; 0 where there are none. A dense network that runs beside the experts
    /// (Gemma 4, Hunyuan) is a shared expert.
    pub shared_inter: u64,
    /// The shared expert's output is scaled by a learned gate of one row (Qwen2-MoE).
    pub shared_gate: bool,
    /// The router's logits have a bias (gpt-oss).
    pub router_bias: bool,
    /// A bias that only the choice of experts sees (DeepSeek-V3's loss-free balancing).
    pub selection_bias: bool,
    /// The router scales its input per channel and its output per expert (Gemma 4).
    pub router_scale: bool,
    /// Experts that the router knows where several were merged into one: it keeps an output for each. 0 where it knows
    /// those that there are.
    pub router_experts: u32,
    /// One up projection for all routed experts, each of which keeps its gate and down projection. It is computed once for
    /// a token and counts as a shared expert.
    pub shared_up: bool,
}

/// Parameters of a network of this inner width.
fn network(hidden: u64, inter: u64, gated: bool, bias: bool) -> u64 {
    let inputs = 1 + u64::from(gated);
    let biases = if bias { inputs * inter + hidden } else { 0 };
    (inputs + 1) * hidden * inter + biases
}

impl Dense {
    /// Parameters; `hidden` is the width of the residual stream.
    pub fn params(&self, hidden: u64) -> u64 {
        network(hidden, self.inter, self.gated, self.bias)
    }
}

impl Moe {
    /// Parameters of one routed expert.
    pub fn expert_params(&self, hidden: u64) -> u64 {
        network(hidden, self.expert_inter, self.gated, self.expert_bias) - self.shared_up_params(hidden)
    }

    /// Parameters of the up projection that all routed experts share; 0 where each has its own.
    pub fn shared_up_params(&self, hidden: u64) -> u64 {
        if !self.shared_up {
            return 0;
        }
        self.expert_inter * (hidden + u64::from(self.expert_bias))
    }

    /// Parameters of all shared experts and their gate, and of what the routed ones share.
    pub fn shared_params(&self, hidden: u64) -> u64 {
        let gate = if self.shared_gate && self.shared_inter > 0 { hidden } else { 0 };
        network(hidden, self.shared_inter, self.gated, false) + gate + self.shared_up_params(hidden)
    }

    /// Parameters of the router.
    pub fn router_params(&self, hidden: u64) -> u64 {
        let experts = u64::from(if self.router_experts == 0 { self.experts } else { self.router_experts });
        let biases = (u64::from(self.router_bias) + u64::from(self.selection_bias)) * experts;
        let scale = if self.router_scale { hidden + experts } else { 0 };
        hidden * experts + biases + scale
    }
}
