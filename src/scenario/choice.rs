//! Settings with a closed list of spellings.

use crate::error::{Error, Result};

use super::given::{FromGiven, show};

/// Refuses a value that is none of the spellings.
pub(super) fn unknown(value: &toml::Value, spellings: &[&str]) -> Error {
    let error = Error::new(format!("found {}", show(value)));
    match (spellings, value.as_str()) {
        ([only], _) => error.expected(format!("{only:?}")),
        (_, Some(text)) => error.nearest(text, spellings.iter().copied()),
        (_, None) => error.expected(format!("one of {}", spellings.join(", "))),
    }
}

/// An enum whose spellings are known: an unknown one is answered with the nearest, else with the list.
macro_rules! choice {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $spelling:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every spelling, in the order of the variants.
            pub const SPELLINGS: &'static [&'static str] = &[$($spelling),+];

            /// As a scenario spells it.
            pub const fn spelling(self) -> &'static str {
                match self {
                    $(Self::$variant => $spelling,)+
                }
            }
        }

        impl FromGiven for $name {
            fn from_given(value: &toml::Value) -> Result<Self> {
                match value.as_str() {
                    $(Some($spelling) => Ok(Self::$variant),)+
                    _ => Err(unknown(value, Self::SPELLINGS)),
                }
            }
        }
    };
}

pub(super) use choice;

choice! {
    /// Where the experts that are not in the cache live.
    ExpertHome {
        /// In host memory.
        Dram = "dram",
        /// On the storage device.
        Nvme = "nvme",
        /// All of them in GPU memory, so that there is nothing to cache.
        Vram = "vram",
    }
}

choice! {
    /// How far one cache reaches.
    CacheScope {
        /// One pool that all layers share.
        Global = "global",
        /// A share for each MoE layer, in proportion to the size of its experts.
        PerLayer = "per-layer",
    }
}

choice! {
    /// Whether an expert that misses comes to stay in the cache.
    AdmissionRule {
        /// It does.
        Always = "always",
        /// On its second miss within as many misses as the cache has slots.
        SecondHit = "second-hit",
        /// Unless its event is larger than the cache, which would evict everything else.
        BypassLargeEvents = "bypass-large-events",
    }
}

choice! {
    /// What serves requests for GPU memory.
    AllocatorRule {
        /// Nothing is lost: what the ledger assumes.
        Exact = "exact",
        /// Fixed slots of the largest size of each class.
        Slots = "slots",
        /// Blocks cut from cached segments, as PyTorch's allocator does.
        Caching = "caching",
    }
}

choice! {
    /// How the KV cache takes its memory.
    KvGrowth {
        /// All of it once, at the start.
        Whole = "whole",
        /// Block by block as contexts grow.
        Blocks = "blocks",
        /// Each layer's anew with every token, the old one given back after that.
        Tokens = "tokens",
    }
}

choice! {
    /// What a cache in host memory keeps of what GPU memory holds.
    Tiers {
        /// An expert that is copied to the GPU stays in host memory too, until it is evicted there.
        Inclusive = "inclusive",
        /// It leaves host memory, and what GPU memory evicts is copied back there.
        Exclusive = "exclusive",
    }
}

choice! {
    /// What the cache is shown as one step.
    ReplayMode {
        /// All experts of one pass at one layer: what engines do.
        Layer = "layer",
        /// One expert at a time: what the caching literature does.
        Access = "access",
    }
}

choice! {
    /// What the cache holds before the first token.
    CacheStart {
        /// Nothing.
        Empty = "empty",
        /// As many experts as fit.
        Filled = "filled",
    }
}

choice! {
    /// What happens to the cache between two sequences.
    Between {
        /// It stays as it is.
        Keep = "keep",
        /// It is brought back to its start.
        Clear = "clear",
    }
}

choice! {
    /// Which copies overlap with computation.
    Overlap {
        /// None do: every copy is waited for.
        None = "none",
        /// Those of a layer run beside that layer's work on the GPU.
        WithinLayer = "within-layer",
        /// Those for later layers, too.
        AcrossLayers = "across-layers",
    }
}

choice! {
    /// What is done with an expert that the router chose and GPU memory does not hold.
    MissAction {
        /// It is copied to the GPU and computed there.
        Fetch = "fetch",
        /// The CPU computes it where it lies.
        Cpu = "cpu",
        /// Whichever of the two is done first by the simulator's own estimate.
        Auto = "auto",
        /// A low-bit copy that lies in GPU memory is computed in its place.
        Degrade = "degrade",
        /// It is left out.
        Skip = "skip",
        /// Another expert of the layer that is resident is computed in its place.
        Substitute = "substitute",
    }
}

choice! {
    /// Host memory that copies to the GPU start from.
    Copies {
        /// Page-locked, which the copy engine reads itself.
        Pinned = "pinned",
        /// Ordinary, which the driver copies to a page-locked buffer first.
        Pageable = "pageable",
    }
}

choice! {
    /// Where reads from storage land.
    NvmePath {
        /// In host memory, from where they are copied to the GPU.
        Dram = "dram",
        /// In GPU memory, past the host's.
        Vram = "vram",
    }
}

choice! {
    /// What happens when more GPU memory is wanted than there is.
    Overcommit {
        /// The configuration cannot run.
        Error = "error",
        /// The driver moves the rest to host memory, and every pass reads it over the host link.
        Spill = "spill",
    }
}

choice! {
    /// A synthetic router for models of which no routing was recorded.
    Router {
        /// Every expert is as likely as any other, token by token.
        Uniform = "uniform",
        /// Popularity, taste of sequences and topics, and repetition as fitted to a recorded trace.
        Typical = "typical",
    }
}
