//! Grouped kernels of routed experts as measured on a GPU: what share of its peaks they reach, and how they pad tokens.
//!
//! Four parameters for each GPU and storage type, fitted to published launches of 1 to 16,384 tokens; the form is that of
//! `serving::MoeKernel`. They hold for engines that share these kernels; others have the efficiencies of their profile.
//! Left out: kernels of attention, and tuning for single shapes, which the parameters average over.

use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::gpus::Gpu;
use super::load::parse_embedded;
use super::quantity::Ratio;
use super::sourced::Sourced;
use crate::units::{Bandwidth, FlopRate, SimDuration};

/// A grouped kernel on one GPU with experts of one storage type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// Name in the catalogue.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to know before trusting it.
    #[serde(default)]
    pub note: String,
    /// The GPU's id.
    pub gpu: Sourced<String>,
    /// Storage type of the experts. `fp8` has scales by block, `fp8-tensor` one scale for each matrix.
    pub dtype: Sourced<String>,
    /// Fixed time of one launch: routing, alignment, quantising of activations, the launches of its steps.
    pub fixed: Sourced<SimDuration>,
    /// Share of the GPU's peak bandwidth that it reads weights and moves activations at.
    pub memory_efficiency: Sourced<Ratio>,
    /// Share of the GPU's dense peak in the type it computes in, tokens of padding counted.
    pub compute_efficiency: Sourced<Ratio>,
    /// Largest tile: more tokens of an expert are padded to a multiple of it.
    pub tile: Sourced<u32>,
    /// Measurements it was fitted to.
    pub fitted_rows: Sourced<u32>,
    /// Median error over all measurements, those left out of the fit included.
    pub median_error: Sourced<Ratio>,
    /// Error that nine in ten measurements stay below.
    pub p90_error: Sourced<Ratio>,
}

impl Kernel {
    /// The kernel on this GPU for experts of this storage type.
    pub fn on(gpu: &Gpu, dtype: &str) -> Option<&'static Self> {
        Self::all().iter().find(|row| row.gpu.value == gpu.id && row.dtype.value == dtype)
    }

    /// What it reaches of the GPU's memory bandwidth.
    pub fn memory(&self, gpu: &Gpu) -> Bandwidth {
        gpu.bandwidth.value.at_ppm(self.memory_efficiency.value.ppm())
    }

    /// What it reaches of the GPU's dense peak: of FP8 where weights are FP8 and the GPU has it, else of 16 bits.
    pub fn compute(&self, gpu: &Gpu) -> FlopRate {
        let narrow = gpu.fp8.as_ref().filter(|_| self.is_fp8());
        let peak = narrow.map_or(gpu.fp16.value, |rate| rate.value);
        peak.at_ppm(self.compute_efficiency.value.ppm())
    }

    /// Bytes of an activation as the kernel's products read it.
    pub fn input_bytes(&self) -> u64 {
        if self.is_fp8() { 1 } else { 2 }
    }

    fn is_fp8(&self) -> bool {
        self.dtype.value.starts_with("fp8")
    }
}

static ROWS: LazyLock<Vec<Kernel>> =
    LazyLock::new(|| parse_embedded(include_str!("data/kernels.toml"), "kernels.toml"));

impl Entry for Kernel {
    const WHAT: &'static str = "kernel";
    const KIND: &'static str = "kernels";
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "name",
        "GPU",
        "type",
        "memory",
        "compute",
        "tile",
        "per launch",
        "rows",
        "median error",
        "p90",
    ];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.gpu.value.clone(),
            self.dtype.value.clone(),
            self.memory_efficiency.value.to_string(),
            self.compute_efficiency.value.to_string(),
            self.tile.value.to_string(),
            self.fixed.value.to_string(),
            self.fitted_rows.value.to_string(),
            self.median_error.value.to_string(),
            self.p90_error.value.to_string(),
        ]
    }
    fn facts(&self) -> Vec<Fact> {
        vec![
            Fact::new("gpu", &self.gpu),
            Fact::new("dtype", &self.dtype),
            Fact::new("fixed", &self.fixed),
            Fact::new("memory_efficiency", &self.memory_efficiency),
            Fact::new("compute_efficiency", &self.compute_efficiency),
            Fact::new("tile", &self.tile),
            Fact::new("fitted_rows", &self.fitted_rows),
            Fact::new("median_error", &self.median_error),
            Fact::new("p90_error", &self.p90_error),
        ]
    }
}
