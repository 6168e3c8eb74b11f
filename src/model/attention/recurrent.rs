//! Token mixers with a state of fixed size: gated delta networks and Mamba.
//!
//! Convolution states hold the `kernel - 1` latest inputs, 16 bits each; recurrent states are 32 bits.

use crate::units::Bytes;

const STATE_BYTES: u64 = 4;
const CONV_BYTES: u64 = 2;
/// Decay (1), prediction (2), rank-one update (2), read (2) of each number of the state.
const DELTA_FLOPS: u64 = 7;
/// Decay (1), input (2), read (2) of each number of the state.
const MAMBA_FLOPS: u64 = 5;

/// Linear attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linear {
    /// Gated delta network (arXiv 2412.06464), as in Qwen3-Next.
    DeltaNet(DeltaNet),
    /// Kimi delta attention: decay per channel (arXiv 2510.26692).
    KimiDelta(KimiDelta),
}

/// Shape of a gated delta network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaNet {
    /// Query and key heads.
    pub key_heads: u64,
    /// Value heads; there are as many states.
    pub value_heads: u64,
    /// Width of a key.
    pub key_dim: u64,
    /// Width of a value.
    pub value_dim: u64,
    /// Kernel of the short convolution.
    pub conv_kernel: u64,
}

/// Shape of Kimi delta attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KimiDelta {
    /// Heads.
    pub heads: u64,
    /// Width of queries, keys and values; the rank of the two gates, too.
    pub head_dim: u64,
    /// Kernel of the short convolution.
    pub conv_kernel: u64,
}

/// A Mamba mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mamba {
    /// Mamba 1 with Jamba's norms of time step, B and C.
    V1(Mamba1),
    /// Mamba 2 with a gated norm of its output, as in Nemotron-H.
    V2(Mamba2),
}

/// Shape of a Mamba 1 mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mamba1 {
    /// Inner width.
    pub inner: u64,
    /// State numbers per inner channel.
    pub state: u64,
    /// Kernel of the convolution.
    pub conv_kernel: u64,
    /// Rank of the time step's projection.
    pub dt_rank: u64,
    /// The convolution has a bias.
    pub conv_bias: bool,
    /// Input and output projection have biases.
    pub proj_bias: bool,
}

/// Shape of a Mamba 2 mixer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mamba2 {
    /// Heads.
    pub heads: u64,
    /// Width of a head.
    pub head_dim: u64,
    /// Groups that share B and C.
    pub groups: u64,
    /// State numbers per inner channel.
    pub state: u64,
    /// Kernel of the convolution.
    pub conv_kernel: u64,
    /// The convolution has a bias.
    pub conv_bias: bool,
    /// Input and output projection have biases.
    pub proj_bias: bool,
}

fn state_bytes(state: u64, conv_channels: u64, conv_kernel: u64) -> Bytes {
    Bytes::new(state * STATE_BYTES + conv_channels * conv_kernel.saturating_sub(1) * CONV_BYTES)
}

impl Linear {
    pub(super) fn params(&self, hidden: u64) -> u64 {
        match self {
            Self::DeltaNet(net) => {
                let (keys, values) = (net.key_heads * net.key_dim, net.value_heads * net.value_dim);
                // Queries, keys, values and the output gate; then the write strength and the decay of each head.
                let input = hidden * (2 * keys + 2 * values + 2 * net.value_heads);
                let decay = 2 * net.value_heads;
                input + net.conv_channels() * net.conv_kernel + decay + values * hidden
            }
            Self::KimiDelta(net) => {
                let width = net.heads * net.head_dim;
                let gates = 2 * net.head_dim * (hidden + width);
                let decay = width + net.heads;
                let input = hidden * (3 * width + net.heads);
                input + 3 * width * net.conv_kernel + gates + decay + width * hidden
            }
        }
    }

    pub(super) fn norm_params(&self) -> u64 {
        match self {
            Self::DeltaNet(net) => net.value_dim,
            Self::KimiDelta(net) => net.head_dim,
        }
    }

    fn state(&self) -> u64 {
        match self {
            Self::DeltaNet(net) => net.value_heads * net.key_dim * net.value_dim,
            Self::KimiDelta(net) => net.heads * net.head_dim * net.head_dim,
        }
    }

    pub(super) fn state_bytes(&self) -> Bytes {
        match self {
            Self::DeltaNet(net) => state_bytes(self.state(), net.conv_channels(), net.conv_kernel),
            Self::KimiDelta(net) => state_bytes(self.state(), 3 * net.heads * net.head_dim, net.conv_kernel),
        }
    }

    pub(super) fn flops(&self) -> u64 {
        DELTA_FLOPS * self.state()
    }
}

impl DeltaNet {
    fn conv_channels(&self) -> u64 {
        2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim
    }
}

impl Mamba {
    pub(super) fn params(&self, hidden: u64) -> u64 {
        match self {
            Self::V1(mixer) => {
                let inner = mixer.inner;
                let conv = inner * (mixer.conv_kernel + u64::from(mixer.conv_bias));
                let selection = inner * (mixer.dt_rank + 2 * mixer.state);
                let time_step = inner * (mixer.dt_rank + 1);
                let proj_bias = if mixer.proj_bias { 2 * inner + hidden } else { 0 };
                3 * hidden * inner + conv + selection + time_step + inner * (mixer.state + 1) + proj_bias
            }
            Self::V2(mixer) => {
                let (inner, conv) = (mixer.heads * mixer.head_dim, mixer.conv_channels());
                let input = inner + conv + mixer.heads;
                let proj_bias = if mixer.proj_bias { input + hidden } else { 0 };
                let conv_params = conv * (mixer.conv_kernel + u64::from(mixer.conv_bias));
                // A, D and the bias of the time step, one of each per head.
                hidden * (input + inner) + conv_params + 3 * mixer.heads + proj_bias
            }
        }
    }

    pub(super) fn norm_params(&self) -> u64 {
        match self {
            Self::V1(mixer) => mixer.dt_rank + 2 * mixer.state,
            Self::V2(mixer) => mixer.heads * mixer.head_dim,
        }
    }

    fn state(&self) -> u64 {
        match self {
            Self::V1(mixer) => mixer.inner * mixer.state,
            Self::V2(mixer) => mixer.heads * mixer.head_dim * mixer.state,
        }
    }

    pub(super) fn state_bytes(&self) -> Bytes {
        match self {
            Self::V1(mixer) => state_bytes(self.state(), mixer.inner, mixer.conv_kernel),
            Self::V2(mixer) => state_bytes(self.state(), mixer.conv_channels(), mixer.conv_kernel),
        }
    }

    pub(super) fn flops(&self) -> u64 {
        MAMBA_FLOPS * self.state()
    }
}

impl Mamba2 {
    fn conv_channels(&self) -> u64 {
        self.heads * self.head_dim + 2 * self.groups * self.state
    }
}
