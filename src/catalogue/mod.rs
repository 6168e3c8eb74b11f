//! Models, hardware, quantisations and engines, every number with its source.

pub mod models;
