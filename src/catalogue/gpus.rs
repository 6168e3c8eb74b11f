//! Accelerators: graphics cards, data-centre GPUs and machines whose CPU and GPU share one memory.
//!
//! Rates are dense peaks; what an engine reaches of them is in its profile. Left out: clocks, and prices, which are
//! rows of their own.

use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::prices::Price;
use super::quantity::Watts;
use super::sourced::Sourced;
use crate::units::{Bandwidth, Bytes, FlopRate};

/// An accelerator. Rates of integer types count an operation like a floating-point one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
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
    /// CPU and GPU share one memory: nothing is copied between them.
    #[serde(default)]
    pub unified: bool,
    /// Nominal memory, before the driver takes its part.
    pub memory: Sourced<Bytes>,
    /// Peak memory bandwidth.
    pub bandwidth: Sourced<Bandwidth>,
    /// Last cache before memory: the L2 cache, or AMD's Infinity Cache. Weights that fit it are read faster than memory
    /// gives them from the second time on.
    pub l2_cache: Option<Sourced<Bytes>>,
    /// FP32 outside the tensor cores.
    pub fp32: Option<Sourced<FlopRate>>,
    /// FP16 in dense matrices with FP32 accumulation.
    pub fp16: Sourced<FlopRate>,
    /// The same with FP16 accumulation: twice as fast on `GeForce`.
    pub fp16_fp16acc: Option<Sourced<FlopRate>>,
    /// BF16 with FP32 accumulation.
    pub bf16: Option<Sourced<FlopRate>>,
    /// FP8 with FP32 accumulation; on `GeForce` half of the rate that is advertised.
    pub fp8: Option<Sourced<FlopRate>>,
    /// INT8 with INT32 accumulation.
    pub int8: Option<Sourced<FlopRate>>,
    /// FP4 with FP32 accumulation.
    pub fp4: Option<Sourced<FlopRate>>,
    /// PCI Express generation of the card.
    pub pcie_generation: Option<Sourced<u32>>,
    /// PCI Express lanes of the card; the slot may have fewer.
    pub pcie_lanes: Option<Sourced<u32>>,
    /// Link to the host in one direction, encoding taken off but no protocol overhead.
    pub host_link: Option<Sourced<Bandwidth>>,
    /// Links to other GPUs, both directions together (NVLink, Infinity Fabric).
    pub gpu_link: Option<Sourced<Bandwidth>>,
    /// Board power; of the whole package where memory is unified.
    pub tdp: Option<Sourced<Watts>>,
    /// Year of launch.
    pub year: Sourced<u32>,
}

static ROWS: LazyLock<Vec<Gpu>> =
    LazyLock::new(|| parse_embedded(include_str!("data/gpus.toml"), "gpus.toml"));

impl Entry for Gpu {
    const WHAT: &'static str = "GPU";
    const KIND: &'static str = "gpus";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "memory",
        "bandwidth",
        "FP16",
        "FP8",
        "FP4",
        "host link",
        "unified",
        "power",
        "price",
        "year",
    ];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.memory.value.to_string(),
            self.bandwidth.value.to_string(),
            self.fp16.value.to_string(),
            Sourced::cell(self.fp8.as_ref()),
            Sourced::cell(self.fp4.as_ref()),
            Sourced::cell(self.host_link.as_ref()),
            (if self.unified { "yes" } else { "no" }).to_owned(),
            Sourced::cell(self.tdp.as_ref()),
            Price::cell(self.id()),
            self.year.value.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        let known = [Fact::new("memory", &self.memory), Fact::new("bandwidth", &self.bandwidth)];
        let rates = [
            ("fp32", &self.fp32),
            ("fp16", &Some(self.fp16.clone())),
            ("fp16_fp16acc", &self.fp16_fp16acc),
            ("bf16", &self.bf16),
            ("fp8", &self.fp8),
            ("int8", &self.int8),
            ("fp4", &self.fp4),
        ]
        .into_iter()
        .filter_map(|(key, rate)| Fact::optional(key, rate.as_ref()))
        .collect::<Vec<_>>();
        let rest = [
            Fact::optional("l2_cache", self.l2_cache.as_ref()),
            Fact::optional("pcie_generation", self.pcie_generation.as_ref()),
            Fact::optional("pcie_lanes", self.pcie_lanes.as_ref()),
            Fact::optional("host_link", self.host_link.as_ref()),
            Fact::optional("gpu_link", self.gpu_link.as_ref()),
            Fact::optional("tdp", self.tdp.as_ref()),
            Some(Fact::new("year", &self.year)),
        ];
        known.into_iter().chain(rates).chain(rest.into_iter().flatten()).collect()
    }
}
