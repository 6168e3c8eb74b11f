//! Many GPUs: laws of layouts, shares, placements and exchanges; measured exchanges; and the 20 GB a GPU that
//! introductory texts give for Mixtral-8x7B on four.

#![allow(clippy::unwrap_used)] // Helpers of tests count as tests.

#[path = "parallel/exchange.rs"]
mod exchange;
#[path = "parallel/layout.rs"]
mod layout;
#[path = "parallel/placement.rs"]
mod placement;
#[path = "parallel/shares.rs"]
mod shares;

use moesim::catalogue::models;
use moesim::model::ModelSpec;

/// A model of the catalogue.
fn model(id: &str) -> &'static ModelSpec {
    &models::find(id).unwrap().spec
}
