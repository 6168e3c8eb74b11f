//! The `moesim` command: parse, call the library, print one error, set the exit code.
fn main() {}
