//! A number with where it comes from and how far to trust it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a number came to be known, most trustworthy first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fidelity {
    /// Read off a running machine.
    Measured,
    /// Published by the maker, or a collection of makers' figures.
    Datasheet,
    /// Computed from measured or published numbers; the source says how.
    Derived,
    /// A judgement without a document behind it; the source says why this value.
    Assumed,
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Measured => "measured",
            Self::Datasheet => "datasheet",
            Self::Derived => "derived",
            Self::Assumed => "assumed",
        })
    }
}

/// A value, its source and its fidelity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sourced<T> {
    /// The value itself.
    pub value: T,
    /// Document, address or reasoning; never empty in the embedded rows.
    pub source: String,
    /// How far to trust it.
    pub fidelity: Fidelity,
}

impl<T: fmt::Display> Sourced<T> {
    /// The value for a cell of a listing; a dash where there is none.
    pub(super) fn cell(sourced: Option<&Self>) -> String {
        sourced.map_or_else(|| "-".to_owned(), |sourced| sourced.value.to_string())
    }
}
