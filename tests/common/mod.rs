//! What several test files need.

use std::path::PathBuf;

/// The folder of real traces, configurations and measurements, where it stands beside the repository; the variable
/// `MOESIM_SHARED` names it elsewhere. Prints that the test is skipped where it is absent.
pub(crate) fn shared(test: &str) -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("MOESIM_SHARED").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    say_skipped(test);
    None
}

/// Writes past the test harness, which keeps what a passing test prints to itself.
fn say_skipped(test: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{test} skipped: ../shared is not here");
}
