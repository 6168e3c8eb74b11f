//! Expert caches: mechanism and policies.
