//! What several test files need.

// A test that is skipped must say so.
#![allow(clippy::print_stderr)]

use std::path::PathBuf;

/// The folder of real traces, configurations and measurements, where it stands beside the repository; the variable
/// `MOESIM_SHARED` names it elsewhere. Prints that the test is skipped where it is absent.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("MOESIM_SHARED").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    {
        eprintln!("{test} skipped: ../shared is not here");
    }
    None
}
