//! From what was simulated to what a person does: how a real engine is configured as a point of a scenario says.

pub mod launch;
