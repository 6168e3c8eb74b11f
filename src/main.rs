//! The `moesim` command: hand the arguments to the library, set the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    moesim::cli::main(moesim::cache::Registry::default())
}
