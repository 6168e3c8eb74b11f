//! Many points at once.
