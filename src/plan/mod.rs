//! What will run.
