//! Solid-state drives, mostly by class rather than by product.
//!
//! Capacity belongs to the scenario. Where a drive has a read curve ([`Storage::curve`]), it says what reads of a size
//! reach at a queue depth; where it has none, the engine's profile says it as a share of the sequential rate.

use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::resource::DriveCurve;
use crate::units::{Bandwidth, SimDuration};

/// A drive, or drives striped into one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Storage {
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
    /// Sequential read; on rows of measured drives the best rate of reads as large as experts.
    pub read: Sourced<Bandwidth>,
    /// Sequential write.
    pub write: Sourced<Bandwidth>,
    /// Time of a small random read with nothing else in the queue.
    pub latency: Sourced<SimDuration>,
    /// Rate of a single read in flight, its latency not counted.
    pub stream: Option<Sourced<Bandwidth>>,
    /// Reads in flight beyond which large reads get slower; none where they do not.
    pub best_depth: Option<Sourced<u32>>,
    /// Share of the rate that is left beyond `best_depth`.
    pub deep_share: Option<Sourced<Ratio>>,
    /// PCI Express generation of one drive; none for SATA.
    pub pcie_generation: Option<Sourced<u32>>,
    /// PCI Express lanes of one drive.
    pub pcie_lanes: Option<Sourced<u32>>,
    /// Drives striped together.
    pub drives: Sourced<u32>,
}

impl Storage {
    /// Reads by size and queue depth; `None` where the drive has no curve.
    pub fn curve(&self) -> Option<DriveCurve> {
        let whole = Ratio::ONE.ppm();
        let deep = self.deep_share.as_ref().map_or(whole, |share| share.value.ppm());
        Some(DriveCurve {
            latency: self.latency.value,
            stream: self.stream.as_ref()?.value,
            peak: self.read.value,
            best_depth: self.best_depth.as_ref().map_or(1, |depth| depth.value),
            deep_ppm: u32::try_from(deep.min(whole)).unwrap_or(u32::MAX),
        })
    }
}

static ROWS: LazyLock<Vec<Storage>> =
    LazyLock::new(|| parse_embedded(include_str!("data/storage.toml"), "storage.toml"));

impl Entry for Storage {
    const WHAT: &'static str = "storage";
    const KIND: &'static str = "storage";
    const COLUMNS: &'static [&'static str] = &["id", "name", "read", "write", "latency", "PCIe", "drives"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.read.value.to_string(),
            self.write.value.to_string(),
            self.latency.value.to_string(),
            Sourced::cell(self.pcie_generation.as_ref()),
            self.drives.value.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        [
            Some(Fact::new("read", &self.read)),
            Some(Fact::new("write", &self.write)),
            Some(Fact::new("latency", &self.latency)),
            Fact::optional("stream", self.stream.as_ref()),
            Fact::optional("best_depth", self.best_depth.as_ref()),
            Fact::optional("deep_share", self.deep_share.as_ref()),
            Fact::optional("pcie_generation", self.pcie_generation.as_ref()),
            Fact::optional("pcie_lanes", self.pcie_lanes.as_ref()),
            Some(Fact::new("drives", &self.drives)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
