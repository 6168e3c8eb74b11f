//! Links between GPUs, by class: within a machine over NVLink or PCI Express, between machines over a network.
//!
//! A row says what share of the link's peak each kind of exchange reaches and which fixed times it has. The peak itself
//! is the GPU's own where the link is: half of its `gpu_link` or its `host_link`. How many GPUs a machine has belongs to
//! the scenario. Left out: switches that add up numbers on the way (NVLink SHARP) and what depends on how the slots of a
//! machine are wired.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::Gpu;
use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::units::{Bandwidth, SimDuration, UnitError};

/// Where the peak of a link comes from, one direction of one GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkPeak {
    /// Half of the GPU's `gpu_link`, which counts both directions.
    GpuLink,
    /// The GPU's `host_link`.
    HostLink,
    /// The link's own.
    Own(Bandwidth),
}

impl FromStr for LinkPeak {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        match text {
            "gpu_link / 2" => Ok(Self::GpuLink),
            "host_link" => Ok(Self::HostLink),
            rate => rate.parse().map(Self::Own),
        }
    }
}

impl<'de> Deserialize<'de> for LinkPeak {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        String::deserialize(source)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for LinkPeak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GpuLink => f.write_str("gpu_link / 2"),
            Self::HostLink => f.write_str("host_link"),
            Self::Own(rate) => rate.fmt(f),
        }
    }
}

/// A kind of exchange between ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    /// All-reduce.
    AllReduce,
    /// All-gather and reduce-scatter.
    Gather,
    /// All-to-all of tokens to experts.
    AllToAll,
    /// One rank to another.
    Send,
}

/// What a kind of exchange costs on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeTerms {
    /// Once for each exchange.
    pub latency: SimDuration,
    /// For each step of a ring, or for each other rank of an all-to-all.
    pub step: SimDuration,
    /// Share of the link's peak.
    pub share: Ratio,
}

/// A class of links between GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkClass {
    /// Name in scenarios.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to know before trusting it.
    #[serde(default)]
    pub note: String,
    /// Peak of one direction of one GPU.
    pub peak: Sourced<LinkPeak>,
    /// Fixed time of an all-reduce.
    pub all_reduce_latency: Sourced<SimDuration>,
    /// Time of each of its `2 (n - 1)` steps among `n` ranks.
    pub all_reduce_step: Sourced<SimDuration>,
    /// What it reaches of the peak.
    pub all_reduce_share: Sourced<Ratio>,
    /// Fixed time of an all-gather or a reduce-scatter.
    pub gather_latency: Sourced<SimDuration>,
    /// Time of each of its `n - 1` steps.
    pub gather_step: Sourced<SimDuration>,
    /// What it reaches of the peak.
    pub gather_share: Sourced<Ratio>,
    /// Fixed time of an all-to-all.
    pub all_to_all_latency: Sourced<SimDuration>,
    /// Time for each other rank.
    pub all_to_all_step: Sourced<SimDuration>,
    /// What it reaches of the peak, a rank's own part counted as if it moved.
    pub all_to_all_share: Sourced<Ratio>,
    /// Fixed time of a send from one rank to another.
    pub send_latency: Sourced<SimDuration>,
    /// What it reaches of the peak.
    pub send_share: Sourced<Ratio>,
}

impl LinkClass {
    /// The link between GPUs of this kind in one machine: NVLink where they have it, else PCI Express; `None` where they
    /// have neither.
    pub fn within_machine(gpu: &Gpu) -> Option<&'static Self> {
        let id = if gpu.gpu_link.is_some() { "nvlink" } else { "pcie" };
        Self::find(id).filter(|class| class.peak_of(gpu).is_some())
    }

    /// Peak of one direction between GPUs of this kind; `None` where they have no such link.
    pub fn peak_of(&self, gpu: &Gpu) -> Option<Bandwidth> {
        match self.peak.value {
            LinkPeak::GpuLink => gpu.gpu_link.as_ref().map(|link| link.value.at_ppm(Ratio::ONE.ppm() / 2)),
            LinkPeak::HostLink => gpu.host_link.as_ref().map(|link| link.value),
            LinkPeak::Own(rate) => Some(rate),
        }
    }

    /// What a kind of exchange costs.
    pub fn terms(&self, kind: ExchangeKind) -> ExchangeTerms {
        let (latency, step, share) = match kind {
            ExchangeKind::AllReduce => {
                (&self.all_reduce_latency, Some(&self.all_reduce_step), &self.all_reduce_share)
            }
            ExchangeKind::Gather => (&self.gather_latency, Some(&self.gather_step), &self.gather_share),
            ExchangeKind::AllToAll => {
                (&self.all_to_all_latency, Some(&self.all_to_all_step), &self.all_to_all_share)
            }
            ExchangeKind::Send => (&self.send_latency, None, &self.send_share),
        };
        let step = step.map_or(SimDuration::ZERO, |step| step.value);
        ExchangeTerms { latency: latency.value, step, share: share.value }
    }
}

static ROWS: LazyLock<Vec<LinkClass>> =
    LazyLock::new(|| parse_embedded(include_str!("data/interconnects.toml"), "interconnects.toml"));

impl Entry for LinkClass {
    const WHAT: &'static str = "interconnect";
    const KIND: &'static str = "interconnects";
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "peak", "all-reduce", "share", "all-to-all", "share", "send"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.peak.value.to_string(),
            self.all_reduce_latency.value.to_string(),
            self.all_reduce_share.value.to_string(),
            self.all_to_all_latency.value.to_string(),
            self.all_to_all_share.value.to_string(),
            self.send_latency.value.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::new("peak", &self.peak),
            Fact::new("all_reduce_latency", &self.all_reduce_latency),
            Fact::new("all_reduce_step", &self.all_reduce_step),
            Fact::new("all_reduce_share", &self.all_reduce_share),
            Fact::new("gather_latency", &self.gather_latency),
            Fact::new("gather_step", &self.gather_step),
            Fact::new("gather_share", &self.gather_share),
            Fact::new("all_to_all_latency", &self.all_to_all_latency),
            Fact::new("all_to_all_step", &self.all_to_all_step),
            Fact::new("all_to_all_share", &self.all_to_all_share),
            Fact::new("send_latency", &self.send_latency),
            Fact::new("send_share", &self.send_share),
        ]
    }
}
