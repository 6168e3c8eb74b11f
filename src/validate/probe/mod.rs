//! Formulas that predict one kind of measurement by themselves, beside the simulation of whole runs.
//!
//! A series that measures one part of a machine (a link, a drive, a kernel) is held against the formula that the simulator
//! has for that part, so that an error is seen where it arises. A probe is a table of inputs and one function; an input may
//! stand in `[parameters]`, in `[fit]`, or in the `set` of a row.

mod all_to_all;
mod copy;
mod cpu_experts;
mod moe_kernel;
mod routing;
mod storage;

pub use routing::{tokens_by_power_law, tokens_evenly};

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::units::{Bandwidth, SimDuration};

use super::quantity::Kind;

/// What a formula says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Work {
    /// Time taken.
    pub(super) seconds: f64,
    /// Bytes moved in that time.
    pub(super) bytes: f64,
}

/// Something a formula is given.
pub(super) struct Input {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    is_required: bool,
    /// What it means.
    pub(super) doc: &'static str,
}

/// One formula.
pub(super) struct Probe {
    /// As in a series file.
    pub(super) name: &'static str,
    /// The formula in words.
    pub(super) doc: &'static str,
    pub(super) inputs: &'static [Input],
    predict: fn(&Values) -> Work,
}

/// Every formula.
pub(super) const PROBES: &[Probe] =
    &[copy::PROBE, storage::PROBE, moe_kernel::PROBE, cpu_experts::PROBE, all_to_all::PROBE];

const fn needed(key: &'static str, kind: Kind, doc: &'static str) -> Input {
    Input { key, kind, is_required: true, doc }
}

const fn optional(key: &'static str, kind: Kind, doc: &'static str) -> Input {
    Input { key, kind, is_required: false, doc }
}

/// The numbers of a row, in the base units of [`Kind`].
#[derive(Clone, Debug, Default)]
pub(super) struct Values(BTreeMap<&'static str, f64>);

impl Values {
    /// Gives an input a number; a later one takes the place of an earlier.
    pub(super) fn put(&mut self, key: &'static str, number: f64) {
        self.0.insert(key, number);
    }

    /// A number that may be left out.
    fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied()
    }

    /// A number, zero where it was left out.
    fn of(&self, key: &str) -> f64 {
        self.get(key).unwrap_or(0.0)
    }

    /// A time in seconds, zero where it was left out.
    fn seconds(&self, key: &str) -> f64 {
        self.of(key) / 1e9
    }

    /// A time, zero where it was left out.
    fn duration(&self, key: &str) -> SimDuration {
        SimDuration::from_ns(whole(self.of(key)))
    }

    /// A rate, at least a byte per second.
    fn rate(&self, key: &str) -> Bandwidth {
        Bandwidth::from_bytes_per_s(whole(self.of(key)).max(1)).expect("at least one")
    }

    /// A share, 1 where it was left out.
    fn share(&self, key: &str) -> f64 {
        self.get(key).map_or(1.0, |ppm| ppm / 1e6)
    }
}

/// The nearest whole number, zero for anything below.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the conversion saturates")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

impl Probe {
    /// The input of this name. The error has no place.
    pub(super) fn input(&self, key: &str) -> Result<&'static Input> {
        self.inputs.iter().find(|input| input.key == key).ok_or_else(|| {
            Error::new(format!("unknown key {key:?} of the probe {:?}", self.name))
                .nearest(key, self.inputs.iter().map(|input| input.key))
        })
    }

    /// What the formula says. The error has no place; it names the inputs that are missing.
    pub(super) fn predict(&self, values: &Values) -> Result<Work> {
        let missing: Vec<String> = self
            .inputs
            .iter()
            .filter(|input| input.is_required && values.get(input.key).is_none())
            .map(|input| format!("{:?} ({})", input.key, input.doc))
            .collect();
        if missing.is_empty() {
            return Ok((self.predict)(values));
        }
        Err(Error::new(format!("the probe {:?} lacks {}", self.name, missing.join(", "))))
    }
}

#[cfg(test)]
fn work(probe: &Probe, given: &[(&'static str, f64)]) -> Work {
    let mut values = Values::default();
    given.iter().for_each(|(key, number)| values.put(key, *number));
    probe.predict(&values).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_inputs_are_named() {
        let error = copy::PROBE.input("latncy").err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("unknown key \"latncy\" of the probe \"copy\", did you mean \"latency\"?")
        );
        let error = copy::PROBE.predict(&Values::default()).unwrap_err().to_string();
        assert!(
            error.starts_with("the probe \"copy\" lacks \"size\" (bytes of one copy), \"latency\""),
            "{error}"
        );
    }

    #[test]
    fn names_and_inputs_are_told_once() {
        for (at, probe) in PROBES.iter().enumerate() {
            assert!(PROBES[..at].iter().all(|other| other.name != probe.name));
            assert!(!probe.doc.is_empty());
            for (at, input) in probe.inputs.iter().enumerate() {
                assert!(probe.inputs[..at].iter().all(|other| other.key != input.key), "{}", input.key);
            }
        }
    }
}
