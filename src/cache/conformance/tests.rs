//! The suite holds for every built-in policy, and each of its checks can fail.

use std::sync::atomic::{AtomicU32, Ordering};

use super::case::Case;
use super::script::{EXPERTS, OBJECTS, Script};
use super::{CONDITIONS, PLAIN, Pins, check, check_under};
use crate::cache::policies::Lru;
use crate::cache::{Access, Candidates, Lookup, Needs, Policy, PolicyInput, PolicyRow, Registry, Scope};

#[test]
fn every_registered_policy_conforms() {
    for row in Registry::default().rows() {
        check(row).unwrap();
    }
}

/// First in, first out, with one thing wrong with it.
#[derive(Default)]
struct Toy {
    fault: Fault,
    queue: Vec<u32>,
    slots: usize,
    /// The latest event it was told of, and what that asked for.
    event: u64,
    own: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    ForgetsToUntrack,
    GivesUp,
    CountsInsteadOfWeighing,
    NamesSomethingAlways,
    KeepsItsOwnBooks,
    ForgetsWhatIsTakenBack,
    ForgetsWithTheSequence,
    ForgetsWithTheCapacity,
    ForgetsTheFilledStart,
    DrawsFromOutside,
    PreloadsWhatIsNotThere,
}

impl Toy {
    fn new(fault: Fault, input: &PolicyInput<'_>) -> Self {
        Self { fault, slots: input.slots as usize, event: u64::MAX, ..Self::default() }
    }

    fn touch(&mut self, object: u32, access: &Access) {
        if access.event != self.event {
            self.own.clear();
            self.event = access.event;
        }
        self.own.push(object);
    }
}

impl Policy for Toy {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
        if self.fault != Fault::ForgetsTheFilledStart || access.event != u64::MAX {
            self.queue.push(object);
        }
    }

    fn on_remove(&mut self, object: u32) {
        if self.fault != Fault::ForgetsWhatIsTakenBack {
            self.on_evict(object);
        }
    }

    fn on_evict(&mut self, object: u32) {
        if self.fault != Fault::ForgetsToUntrack {
            self.queue.retain(|other| *other != object);
        }
    }

    fn on_sequence(&mut self) {
        if self.fault == Fault::ForgetsWithTheSequence {
            self.queue.clear();
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots as usize;
        if self.fault == Fault::ForgetsWithTheCapacity {
            let surplus = self.queue.len().saturating_sub(self.slots);
            self.queue.drain(..surplus);
        }
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        static OUTSIDE: AtomicU32 = AtomicU32::new(0);
        let allowed: Vec<u32> =
            self.queue.iter().copied().filter(|object| candidates.allows(*object)).collect();
        match self.fault {
            Fault::ForgetsToUntrack => self.queue.first().copied(),
            Fault::GivesUp => None,
            Fault::CountsInsteadOfWeighing => {
                allowed.first().copied().filter(|_| self.queue.len() > self.slots)
            }
            Fault::NamesSomethingAlways => allowed.first().copied().or(self.queue.is_empty().then_some(0)),
            Fault::KeepsItsOwnBooks | Fault::ForgetsWhatIsTakenBack => {
                self.queue.iter().copied().find(|object| !self.own.contains(object))
            }
            Fault::DrawsFromOutside => {
                let draw = OUTSIDE.fetch_add(1, Ordering::Relaxed) as usize % 7;
                allowed.get(draw % allowed.len().max(1)).copied()
            }
            _ => allowed.first().copied(),
        }
    }

    fn preload(&self) -> Vec<u32> {
        if self.fault == Fault::PreloadsWhatIsNotThere { vec![1 << 20] } else { Vec::new() }
    }
}

fn toy(fault: Fault) -> PolicyRow {
    PolicyRow::new("toy", "", move |input| Toy::new(fault, input))
}

#[test]
fn a_sound_toy_conforms() {
    check(&toy(Fault::None)).unwrap();
}

/// Each fault is found, and the law that it breaks is named. What a condition is there to find, the plain cases do not.
#[test]
fn every_fault_is_found() {
    const NO_VICTIM: &str = "it found no victim";
    const NOT_THAT: &str = "which may not be evicted";
    for (fault, name, law) in [
        (Fault::ForgetsToUntrack, "plain", NOT_THAT),
        (Fault::GivesUp, "plain", NO_VICTIM),
        (Fault::DrawsFromOutside, "plain", "two runs of one input differ"),
        (Fault::PreloadsWhatIsNotThere, "plain", "wants object 1048576 preloaded"),
        (Fault::CountsInsteadOfWeighing, "sizes differ by layer", NO_VICTIM),
        (Fault::KeepsItsOwnBooks, "some experts are pinned", NO_VICTIM),
        (Fault::NamesSomethingAlways, "all experts are pinned", NOT_THAT),
        (Fault::KeepsItsOwnBooks, "admission on the second miss", NO_VICTIM),
        (Fault::ForgetsWhatIsTakenBack, "large events pass through", NOT_THAT),
        (Fault::ForgetsWithTheSequence, "sequences begin", NO_VICTIM),
        (Fault::ForgetsWithTheCapacity, "the capacity changes", NO_VICTIM),
        (Fault::ForgetsWhatIsTakenBack, "misses are taken back", NOT_THAT),
        (Fault::ForgetsTheFilledStart, "a filled start", NO_VICTIM),
        (Fault::CountsInsteadOfWeighing, "all at once", NO_VICTIM),
    ] {
        let row = toy(fault);
        let conditions = CONDITIONS.iter().find(|conditions| conditions.name == name).unwrap();
        let verdict = check_under(&row, conditions).err();
        let verdict = verdict.unwrap_or_else(|| panic!("{fault:?} is not found where {name}"));
        assert!(verdict.contains(&format!(", {name}: ")), "{fault:?}: {verdict}");
        assert!(verdict.contains(law), "{fault:?}: {verdict:?}, expected: {law}");
        // Where each layer has its share, the next layer's event ends what its own account still spares.
        let account = matches!(fault, Fault::KeepsItsOwnBooks | Fault::ForgetsWhatIsTakenBack);
        assert_eq!(
            check_under(&row, &PLAIN).is_err(),
            account || name == "plain",
            "{fault:?} in the plain cases"
        );
    }
}

/// A row that claims to need unlimited room must never evict.
#[test]
fn a_policy_that_claims_to_need_no_limit_is_held_to_it() {
    let needs = Needs { unlimited: true, ..Needs::default() };
    let row = PolicyRow::new("toy", "", |input| Lru::new(input.objects)).needing(needs);
    let verdict = check(&row).unwrap_err();
    assert!(verdict.contains("misses of a policy that never evicts"), "{verdict}");
    check(&toy(Fault::GivesUp).needing(needs)).unwrap();
}

/// What only a broken mechanism could do is found too.
#[test]
fn a_broken_mechanism_would_be_found() {
    let row = PolicyRow::new("lru", "", |input| Lru::new(input.objects));
    let script = Script::generate(0);
    let conditions = CONDITIONS.iter().find(|conditions| conditions.pins == Pins::Some).unwrap();
    let case = Case { row: &row, seed: 0, scope: Scope::Global, room: 12, conditions, script: &script };
    let event = &script.events[OBJECTS as usize];
    let own = |object: u32| event.selections.iter().any(|one| event.layer * EXPERTS + one.expert == object);
    let there: Vec<bool> = (0..OBJECTS).map(|object| object.is_multiple_of(7) || own(object)).collect();
    let hits = vec![Lookup::Hit; event.selections.len()];
    let bytes = there.iter().filter(|resident| **resident).count() as u64;

    assert_eq!(case.check_event(event, &there, &there, &hits), Ok(()));
    assert_eq!(case.check_bytes(event, &there, bytes, 1), Ok(()));
    let without = |lost: &dyn Fn(u32) -> bool| -> Vec<bool> {
        (0..OBJECTS).map(|object| there[object as usize] && !lost(object)).collect()
    };
    let no_pins = without(&|object| object.is_multiple_of(7) && !own(object));
    let law = |result: Result<(), String>, expected: &str| {
        let verdict = result.unwrap_err();
        assert!(verdict.contains(expected), "{verdict:?}, expected: {expected}");
    };
    law(case.check_event(event, &no_pins, &there, &[Lookup::Miss]), "resident before: true");
    law(case.check_event(event, &there, &without(&own), &hits), "was evicted");
    law(case.check_event(event, &there, &no_pins, &hits), "is pinned and was evicted");
    law(case.check_bytes(event, &there, bytes + 1, 1), "are booked");
    let strangers = vec![true; OBJECTS as usize];
    law(case.check_bytes(event, &strangers, u64::from(OBJECTS), 30), "bytes stay in a pool of 30");
}
