//! Writes the shipped traces into `traces/` again: `cargo run --example ship_traces`.

use std::path::Path;

use moesim::error::Result;
use moesim::trace::synthetic::shipped;

fn main() -> Result<()> {
    shipped::write_into(&Path::new(env!("CARGO_MANIFEST_DIR")).join("traces"))
}
