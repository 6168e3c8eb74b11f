//! Models, hardware, links between GPUs, storage types, engines and prices, every number with its source.
//!
//! The rows are TOML files compiled into the program and read once, strictly: an unknown key or a number without a
//! source is an error. A row may give one `source` and `fidelity` for all its numbers; after loading each number
//! carries its own ([`Sourced`]). What depends on the user's machine rather than on the part (DRAM capacity, number of
//! GPUs, how many lanes the slot really has) belongs to the scenario.

mod cpus;
mod engines;
mod entry;
mod gpus;
mod interconnects;
mod kernels;
mod layers;
mod load;
pub mod models;
mod prices;
mod quality;
mod quant;
mod quantity;
mod sourced;
mod storage;
pub mod view;

pub use cpus::Cpu;
pub use engines::{CopyKind, EngineProfile, NvmePath, Overlap};
pub use entry::{Entry, Fact};
pub use gpus::Gpu;
pub use interconnects::{ExchangeKind, ExchangeTerms, LinkClass, LinkPeak};
pub use kernels::Kernel;
pub use layers::{LayerMix, LayerRule};
pub use load::parse;
pub use models::ModelRow;
pub use prices::{Price, PricedPart};
pub use quality::{Loss, LossPart, QualityRow};
pub use quant::{AttentionMix, FfnMix, QuantScheme};
pub use quantity::{Power, Ratio, TransferRate, Usd, Watts};
pub use sourced::{Fidelity, Sourced};
pub use storage::Storage;
