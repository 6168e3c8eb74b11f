//! The list of known keys, and what to say of an unknown one.

use std::sync::LazyLock;

use crate::error::{Error, Place, nearest_name};

use super::{schema, schema_advise, schema_allocator, schema_cost, schema_serving};

/// A key that a scenario may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyDoc {
    /// The dotted key, such as `cache.policy`.
    pub key: &'static str,
    /// A value it could have, as TOML.
    pub example: &'static str,
    /// What it means, in one line.
    pub doc: &'static str,
}

/// The section that holds the axes instead of keys.
pub(super) const SWEEP: &str = "sweep";

static KEYS: LazyLock<Vec<KeyDoc>> = LazyLock::new(|| {
    [
        schema::TOP_KEYS,
        schema::MODEL_KEYS,
        schema::QUANT_KEYS,
        schema::HARDWARE_KEYS,
        schema::ENGINE_KEYS,
        schema::PLACEMENT_KEYS,
        schema::CACHE_KEYS,
        schema::PREFETCH_KEYS,
        schema_allocator::ALLOCATOR_KEYS,
        schema::WORKLOAD_KEYS,
        schema_serving::REQUESTS_KEYS,
        schema_serving::ROUTER_KEYS,
        schema_serving::SCHEDULER_KEYS,
        schema_serving::KV_KEYS,
        schema_serving::PARALLEL_KEYS,
        schema_serving::SLO_KEYS,
        schema_cost::COST_KEYS,
        schema_advise::ADVISE_KEYS,
        schema::OUTPUT_KEYS,
    ]
    .concat()
});

/// Every key that a scenario may have, section by section. Each may also be an axis in `[sweep]`.
pub fn keys() -> &'static [KeyDoc] {
    &KEYS
}

pub(super) fn is_key(key: &str) -> bool {
    keys().iter().any(|row| row.key == key)
}

/// The section of a dotted key, empty at the top, and its name within.
pub(super) fn split(key: &str) -> (&str, &str) {
    key.split_once('.').unwrap_or(("", key))
}

pub(super) fn is_section(name: &str) -> bool {
    !name.is_empty() && keys().iter().any(|row| split(row.key).0 == name)
}

fn names_in(section: &str) -> Vec<&'static str> {
    keys().iter().map(|row| split(row.key)).filter(|row| row.0 == section).map(|row| row.1).collect()
}

/// The sections, `sweep` among them, in the order of the list of keys.
fn sections() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        keys().iter().map(|row| split(row.key).0).filter(|name| !name.is_empty()).collect();
    names.dedup();
    names.push(SWEEP);
    names
}

/// An unknown name in a section, at the top where `section` is empty.
pub(super) fn unknown_key(place: Place, section: &str, name: &str) -> Error {
    let at_top = section.is_empty();
    let message =
        if at_top { format!("unknown key {name:?}") } else { format!("unknown key {name:?} in [{section}]") };
    let mut known = names_in(section);
    if at_top {
        known.extend(sections());
    }
    // The right name in the wrong section is the likelier slip than a misspelling of another.
    let elsewhere = keys().iter().find(|row| split(row.key).1 == name);
    match (nearest_name(name, &known), elsewhere) {
        (None, Some(row)) => {
            let whereabouts = if row.key == name { " above the first section" } else { "" };
            Error::at(place, message).hint(format!("did you mean {:?}{whereabouts}?", row.key))
        }
        _ => Error::at(place, message).nearest(name, known),
    }
}

/// An unknown section.
pub(super) fn unknown_section(place: Place, name: &str) -> Error {
    Error::at(place, format!("unknown section [{name}]")).nearest(name, sections())
}

/// A dotted key in `[sweep]` that is no key of a scenario.
pub(super) fn unknown_axis(place: Place, key: &str) -> Error {
    let error = Error::at(place, format!("unknown key {key:?} in [{SWEEP}]"));
    let known: Vec<&str> = keys().iter().map(|row| row.key).collect();
    match (nearest_name(key, &known), keys().iter().find(|row| split(row.key).1 == key)) {
        (Some(_), _) => error.nearest(key, known),
        (None, Some(row)) => error.hint(format!("did you mean {:?}?", row.key)),
        (None, None) => match split(key) {
            (section, _) if is_section(section) => {
                let within = known.into_iter().filter(|known| split(known).0 == section);
                error.expected(format!("one of {}", within.collect::<Vec<_>>().join(", ")))
            }
            _ => error.expected("a key such as \"cache.capacity\""),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    fn read(text: &str) -> Result<Scenario, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn every_key_in_the_list_can_be_read() {
        for row in keys() {
            let scenario = read(&format!("{} = {}", row.key, row.example));
            assert_ne!(scenario, Ok(Scenario::default()), "{} is read", row.key);
            assert!(scenario.is_ok(), "{}: {scenario:?}", row.key);
            assert!(row.doc.ends_with('.') && !row.doc.contains('\n'), "{}", row.key);
        }
    }

    #[test]
    fn the_sections_know_the_keys_of_the_list_and_no_others() {
        for section in [""].into_iter().chain(sections()).filter(|name| *name != SWEEP) {
            let prefix = if section.is_empty() { String::new() } else { format!("{section}.") };
            let message = read(&format!("{prefix}nonsense = 1")).unwrap_err();
            let fields: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
            let mut known = names_in(section);
            if section.is_empty() {
                known.extend(sections().into_iter().filter(|name| *name != SWEEP));
            }
            assert_eq!(fields, known, "[{section}]");
        }
    }
}
