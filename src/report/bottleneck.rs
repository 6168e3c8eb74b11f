//! What holds a point back, as far as its time shares and utilisation tell. What would relieve it takes runs with other
//! resources: see [`super::explanation`].

use super::format::percent;
use crate::metrics::{Summary, TimeShares};

/// Where the largest part of the time goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bound {
    /// The GPU computes.
    Gpu,
    /// The GPU waits for copies.
    HostLink,
    /// The GPU waits for reads.
    Nvme,
    /// The GPU waits for the CPU.
    Cpu,
    /// The engine's own time.
    Overheads,
    /// Blocks of GPU memory are moved together.
    Compaction,
}

impl Bound {
    /// In the order in which shares are shown.
    pub(super) const ALL: [Self; 6] =
        [Self::Gpu, Self::HostLink, Self::Nvme, Self::Cpu, Self::Overheads, Self::Compaction];

    /// Its share of the time.
    pub(super) fn share_ns(self, shares: &TimeShares) -> u64 {
        match self {
            Self::Gpu => shares.gpu_compute_ns,
            Self::HostLink => shares.wait_h2d_ns,
            Self::Nvme => shares.wait_nvme_ns,
            Self::Cpu => shares.wait_cpu_ns,
            Self::Overheads => shares.overhead_ns,
            Self::Compaction => shares.compaction_ns,
        }
    }

    /// What the time is spent on.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Gpu => "GPU compute",
            Self::HostLink => "waiting for H2D",
            Self::Nvme => "waiting for NVMe",
            Self::Cpu => "waiting for CPU",
            Self::Overheads => "overheads",
            Self::Compaction => "compaction",
        }
    }

    /// Who is to blame.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::HostLink => "host link (H2D)",
            Self::Nvme => "NVMe",
            Self::Cpu => "CPU",
            Self::Overheads => "the engine's overheads",
            Self::Compaction => "compaction of GPU memory",
        }
    }

    /// `61.0 % of each token is waiting for copies`.
    pub(super) fn part(self, summary: &Summary) -> String {
        let (shares, unit) = shares(summary);
        let share = percent(self.share_ns(shares), shares.total_ns(), 1);
        let what = match self {
            Self::Gpu => " is computing on the GPU",
            Self::HostLink => " is waiting for copies",
            Self::Nvme => " is waiting for reads",
            Self::Cpu => " is waiting for the CPU",
            Self::Overheads => "",
            Self::Compaction => " is compaction of GPU memory",
        };
        format!("{share} % of {unit}{what}")
    }

    /// The device by its name in the books; none for what is no device.
    fn device(self) -> Option<&'static str> {
        match self {
            Self::Gpu => Some("gpu"),
            Self::HostLink => Some("h2d"),
            Self::Nvme => Some("nvme"),
            Self::Cpu => Some("cpu"),
            Self::Overheads | Self::Compaction => None,
        }
    }
}

/// The shares of decode, or of prompts where nothing is decoded, and what they are shares of.
pub(super) fn shares(summary: &Summary) -> (&TimeShares, &'static str) {
    if summary.decode_time.total_ns() > 0 {
        (&summary.decode_time, "each token")
    } else {
        (&summary.prefill_time, "each prompt")
    }
}

/// The largest share; none where no time passed. Of equals, the first.
pub(super) fn bound(summary: &Summary) -> Option<Bound> {
    let (shares, _) = shares(summary);
    let largest = Bound::ALL.into_iter().rev().max_by_key(|bound| bound.share_ns(shares));
    largest.filter(|_| shares.total_ns() > 0)
}

/// `host link (H2D), 61.0 % of each token is waiting for copies (busy 74.2 % of the run)`; none where no time passed.
pub(super) fn bottleneck(summary: &Summary) -> Option<String> {
    let bound = bound(summary)?;
    let busy = bound.device().and_then(|name| summary.link(name)).map(|link| {
        let busy = percent(link.busy_ns, link.busy_ns + link.idle_ns, 1);
        format!(" (busy {busy} % of the run)")
    });
    Some(format!("{}, {}{}", bound.name(), bound.part(summary), busy.unwrap_or_default()))
}
