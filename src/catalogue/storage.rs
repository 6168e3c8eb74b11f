//! Solid-state drives, by class rather than by product.
//!
//! Capacity belongs to the scenario; what an engine reaches of the sequential rates with expert-sized reads is in its
//! profile.

use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::sourced::Sourced;
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
    /// Sequential read.
    pub read: Sourced<Bandwidth>,
    /// Sequential write.
    pub write: Sourced<Bandwidth>,
    /// Time of a small random read with nothing else in the queue.
    pub latency: Sourced<SimDuration>,
    /// PCI Express generation of one drive; none for SATA.
    pub pcie_generation: Option<Sourced<u32>>,
    /// PCI Express lanes of one drive.
    pub pcie_lanes: Option<Sourced<u32>>,
    /// Drives striped together.
    pub drives: Sourced<u32>,
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
            Fact::optional("pcie_generation", self.pcie_generation.as_ref()),
            Fact::optional("pcie_lanes", self.pcie_lanes.as_ref()),
            Some(Fact::new("drives", &self.drives)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
