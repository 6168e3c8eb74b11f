//! What can happen, and in which order where it happens at the same instant.

use crate::engine::{Event, Rank};

/// A device that works beside the GPU stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    /// Copies from host to GPU.
    H2d,
    /// Copies from GPU to host.
    D2h,
    /// Reads from NVMe.
    Nvme,
    /// Experts and layers on the CPU.
    Cpu,
}

impl Device {
    pub(super) const ALL: [Self; 4] = [Self::H2d, Self::D2h, Self::Nvme, Self::Cpu];
}

/// Something that happened, at the instant the engine's clock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A pass begins.
    PassBegins,
    /// Blocks of GPU memory have been moved together: the pass goes on.
    Compacted,
    /// The stretch before the experts of the current layer has computed on the GPU: the router's choice is known.
    Routed,
    /// All GPUs have what they need of the tokens: the layer event may begin.
    Dispatched,
    /// All GPUs have what they need of the layer before: the next one begins.
    LayerBegins,
    /// The resident experts of the current layer have computed.
    ResidentDone,
    /// What runs on a device has ended.
    DeviceDone(Device),
    /// Something that shares the DRAM bus has ended, unless the bus has changed since: then the number is an old one.
    BusTick(u64),
    /// One launch of missing experts has computed.
    MissingDone,
    /// The tail after the last MoE layer has computed: the token is out.
    PassDone,
}

impl Event for Happening {
    fn rank(&self) -> Rank {
        match self {
            Self::DeviceDone(Device::Cpu) => Rank::ComputeDone,
            Self::DeviceDone(_) | Self::BusTick(_) => Rank::TransferDone,
            Self::Routed | Self::ResidentDone | Self::MissingDone | Self::PassDone | Self::Compacted => {
                Rank::ComputeDone
            }
            Self::PassBegins | Self::Dispatched | Self::LayerBegins => Rank::Dispatch,
        }
    }
}
