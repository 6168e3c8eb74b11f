//! The closed set of things that happen.

use crate::engine::{Event, Rank};

/// Something that happened, at the instant the engine's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A pass begins.
    PassBegins,
    /// The stretch before the experts of the current layer has computed: the router's choice is known.
    Routed,
    /// The resident experts of the current layer have computed.
    ResidentDone,
    /// The NVMe read of a missing expert has ended.
    ReadDone(u32),
    /// A missing expert has arrived in VRAM.
    Arrived(u32),
    /// One launch of missing experts has computed.
    MissingDone,
    /// The tail after the last MoE layer has computed: the token is out.
    PassDone,
}

impl Event for Happening {
    fn rank(&self) -> Rank {
        match self {
            Self::ReadDone(_) | Self::Arrived(_) => Rank::TransferDone,
            Self::Routed | Self::ResidentDone | Self::MissingDone | Self::PassDone => Rank::ComputeDone,
            Self::PassBegins => Rank::Dispatch,
        }
    }
}
