//! Pictures.
pub(super) const NAMES: [(&str, &str); 0] = [];
