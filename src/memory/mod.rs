//! The ledger of who owns which bytes.
