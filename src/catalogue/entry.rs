//! What every kind of row has: names to be found by, and facts to be shown.

use std::fmt::Display;

use serde::Serialize;

use super::{Fidelity, Sourced};

/// One statement about a row, as text with its unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Name of the quantity, as the data files spell it.
    pub key: String,
    /// Its value with a unit.
    pub value: String,
    /// Where it comes from.
    pub source: String,
    /// How far to trust it.
    pub fidelity: Fidelity,
}

impl Fact {
    /// The fact that `key` has this value.
    pub fn new<T: Display>(key: &str, sourced: &Sourced<T>) -> Self {
        Self {
            key: key.to_owned(),
            value: sourced.value.to_string(),
            source: sourced.source.clone(),
            fidelity: sourced.fidelity,
        }
    }

    /// As [`Fact::new`]; nothing where the row does not have the quantity.
    pub fn optional<T: Display>(key: &str, sourced: Option<&Sourced<T>>) -> Option<Self> {
        sourced.map(|sourced| Self::new(key, sourced))
    }
}

/// Lower case without separators: `"RTX 4090"`, `"rtx-4090"` and `"rtx4090"` are one name.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' ' | '.' | '/' | '(' | ')'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// A kind of row in the catalogue.
pub trait Entry: Sized + 'static {
    /// What one row is called in messages: `unknown GPU "rtx4091"`.
    const WHAT: &'static str;
    /// What the kind is called on the command line: `gpus`.
    const KIND: &'static str;
    /// Column heads of its listing, the id first.
    const COLUMNS: &'static [&'static str];

    /// Every row, in the order of the data file.
    fn all() -> &'static [Self];
    /// The name that scenarios use; unique over all kinds.
    fn id(&self) -> &str;
    /// The name that people use.
    fn display_name(&self) -> &str;
    /// Further names that find the row.
    fn aliases(&self) -> &[String];
    /// What to know before trusting the row; empty where there is nothing.
    fn note(&self) -> &str;
    /// One line of the listing, a cell for each of [`Entry::COLUMNS`].
    fn cells(&self) -> Vec<String>;
    /// Everything that is known about the row.
    fn facts(&self) -> Vec<Fact>;

    /// The row with this id, display name or alias; case and separators do not matter.
    fn find(name: &str) -> Option<&'static Self> {
        let wanted = plain(name);
        let is_named = |row: &&Self| {
            [row.id(), row.display_name()]
                .into_iter()
                .chain(row.aliases().iter().map(String::as_str))
                .any(|known| plain(known) == wanted)
        };
        Self::all().iter().find(is_named)
    }

    /// The ids, for a message that suggests one.
    fn names() -> Vec<&'static str> {
        Self::all().iter().map(Self::id).collect()
    }
}

/// The part of an [`Entry`] that is alike for every row read from a data file: its rows are in this static, and its names
/// and its note are fields.
macro_rules! named_row {
    ($rows:ident) => {
        fn all() -> &'static [Self] {
            &$rows
        }
        fn id(&self) -> &str {
            &self.id
        }
        fn display_name(&self) -> &str {
            &self.name
        }
        fn aliases(&self) -> &[String] {
            &self.aliases
        }
        fn note(&self) -> &str {
            &self.note
        }
    };
}

pub(super) use named_row;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_separators_do_not_matter() {
        for name in ["RTX 4090", "rtx-4090", "rtx_4090", "Rtx4090"] {
            assert_eq!(plain(name), "rtx4090", "{name}");
        }
        assert_eq!(plain("llama.cpp"), "llamacpp");
    }
}
