//! Laws that hold for every policy, as a suite that anyone can run on their own: [`check`].
//!
//! The streams are generated, deterministic, and shaped like routing: layers in a cycle, popular and unpopular experts,
//! prompts whose events hold many experts, and events larger than the cache. They are replayed with one pool and with one
//! for each layer (or as the row divides the cache), with room for one expert up to room for all, and under conditions
//! that change one thing each: experts of different sizes, pins, admission, sequences that begin, a capacity that changes,
//! misses that are dealt with elsewhere, a filled start; and at last all of them at once.
//!
//! The laws, of the policy:
//! - it names as a victim only what is tracked and may be evicted now,
//! - it finds a victim whenever there is one, and none where there is none (a policy that never evicts need not),
//! - it wants nothing preloaded that does not exist,
//! - two runs of one input are alike.
//!
//! And of what comes of it, which a policy could only break together with the mechanism:
//! - what was resident is a hit and what was not is a miss,
//! - an event's own experts stay, unless they were refused or taken back,
//! - pins stay,
//! - bytes are those of what is resident, and nothing but pins and an event alone exceed the capacity,
//! - there are no fewer misses than experts touched that were not there at the start, and just as many where everything
//!   fits, or where the policy never evicts.

mod case;
#[cfg(test)]
mod driven;
mod script;
#[cfg(test)]
mod tests;
mod watched;

#[cfg(test)]
pub(in crate::cache) use driven::Driven;

use super::registry::PolicyRow;
use super::{Admission, Scope};
use case::Case;
use script::{LAYERS, Script};

const SEEDS: u64 = 2;
pub(in crate::cache) const EQUAL: [u64; LAYERS as usize] = [1; LAYERS as usize];
pub(in crate::cache) const UNEVEN: [u64; LAYERS as usize] = [2, 7, 3, 3, 5];

/// Which experts are pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pins {
    None,
    Some,
    All,
}

/// What a case differs in from the plain one.
#[derive(Clone, Copy, Debug)]
struct Conditions {
    name: &'static str,
    /// Of an expert, by layer.
    sizes: [u64; LAYERS as usize],
    pins: Pins,
    admission: Admission,
    /// The policy is told where sequences begin.
    sequences: bool,
    /// The cache is emptied before every other sequence.
    clears: bool,
    /// The capacity of a global pool shrinks and grows.
    resizes: bool,
    /// Some misses are taken back.
    forgoes: bool,
    /// The cache is filled before the first event.
    filled: bool,
}

const PLAIN: Conditions = Conditions {
    name: "plain",
    sizes: EQUAL,
    pins: Pins::None,
    admission: Admission::Always,
    sequences: false,
    clears: false,
    resizes: false,
    forgoes: false,
    filled: false,
};

const CONDITIONS: [Conditions; 11] = [
    PLAIN,
    Conditions { name: "sizes differ by layer", sizes: UNEVEN, ..PLAIN },
    Conditions { name: "some experts are pinned", pins: Pins::Some, ..PLAIN },
    Conditions { name: "all experts are pinned", pins: Pins::All, ..PLAIN },
    Conditions { name: "admission on the second miss", admission: Admission::SecondHit, ..PLAIN },
    Conditions { name: "large events pass through", admission: Admission::BypassLargeEvents, ..PLAIN },
    Conditions { name: "sequences begin", sequences: true, ..PLAIN },
    Conditions { name: "the capacity changes", resizes: true, ..PLAIN },
    Conditions { name: "misses are taken back", forgoes: true, ..PLAIN },
    Conditions { name: "a filled start", filled: true, ..PLAIN },
    Conditions {
        name: "all at once",
        sizes: UNEVEN,
        pins: Pins::Some,
        admission: Admission::SecondHit,
        sequences: true,
        clears: true,
        resizes: true,
        forgoes: true,
        filled: true,
    },
];

/// Runs every law on `row` and names the first that it breaks.
///
/// # Errors
/// The law, and the configuration in which it broke.
pub fn check(row: &PolicyRow) -> Result<(), String> {
    CONDITIONS.iter().try_for_each(|conditions| check_under(row, conditions))
}

fn check_under(row: &PolicyRow, conditions: &Conditions) -> Result<(), String> {
    let scopes = match row.scope {
        Some(scope) => vec![scope],
        None => vec![Scope::Global, Scope::PerLayer],
    };
    for seed in 0..SEEDS {
        let script = Script::generate(seed);
        for scope in &scopes {
            for room in case::rooms(*scope) {
                let case = Case { row, seed, scope: *scope, room, conditions, script: &script };
                case.check().map_err(|law| format!("{}: {law}", case.place()))?;
            }
        }
    }
    Ok(())
}
