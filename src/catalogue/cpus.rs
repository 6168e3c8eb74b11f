//! Processors that hold the DRAM: memory channels, bandwidth, compute.
//!
//! How much DRAM is in the machine, and whether every channel is filled, is the scenario's business.

use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::{TransferRate, Watts};
use super::sourced::Sourced;
use crate::units::{Bandwidth, FlopRate};

/// A processor of one socket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cpu {
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
    /// Cores, fast and slow ones together.
    pub cores: Sourced<u32>,
    /// Memory channels of 64 bits.
    pub channels: Sourced<u32>,
    /// Parts of the socket with memory of their own (NUMA nodes) as it is delivered; scenarios say how many sockets there
    /// are.
    pub numa_nodes: Sourced<u32>,
    /// Fastest memory that the maker supports.
    pub transfer_rate: Sourced<TransferRate>,
    /// Theoretical DRAM bandwidth: channels x transfer rate x 8 bytes.
    pub bandwidth: Sourced<Bandwidth>,
    /// FP32 peak of the vector units on all cores at base clock.
    pub fp32: Sourced<FlopRate>,
    /// BF16 peak of the matrix units (AMX) on all cores at base clock.
    pub matrix_bf16: Option<Sourced<FlopRate>>,
    /// PCI Express generation of the socket.
    pub pcie_generation: Sourced<u32>,
    /// Sustained power.
    pub tdp: Sourced<Watts>,
    /// Year of launch.
    pub year: Sourced<u32>,
}

static ROWS: LazyLock<Vec<Cpu>> =
    LazyLock::new(|| parse_embedded(include_str!("data/cpus.toml"), "cpus.toml"));

impl Entry for Cpu {
    const WHAT: &'static str = "CPU";
    const KIND: &'static str = "cpus";
    const COLUMNS: &'static [&'static str] =
        &["id", "name", "cores", "channels", "memory", "bandwidth", "FP32", "PCIe", "power", "year"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.cores.value.to_string(),
            self.channels.value.to_string(),
            self.transfer_rate.value.to_string(),
            self.bandwidth.value.to_string(),
            self.fp32.value.to_string(),
            self.pcie_generation.value.to_string(),
            self.tdp.value.to_string(),
            self.year.value.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        [
            Some(Fact::new("cores", &self.cores)),
            Some(Fact::new("channels", &self.channels)),
            Some(Fact::new("numa_nodes", &self.numa_nodes)),
            Some(Fact::new("transfer_rate", &self.transfer_rate)),
            Some(Fact::new("bandwidth", &self.bandwidth)),
            Some(Fact::new("fp32", &self.fp32)),
            Fact::optional("matrix_bf16", self.matrix_bf16.as_ref()),
            Some(Fact::new("pcie_generation", &self.pcie_generation)),
            Some(Fact::new("tdp", &self.tdp)),
            Some(Fact::new("year", &self.year)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
