//! A policy under watch: what the mechanism tells it and what it answers are held against the contract of
//! [`Policy`]. After the first breach the policy is left alone, so that the run ends with a sentence and not with a panic.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cache::{Access, Candidates, Policy};

/// The first breach of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Breach(Arc<Mutex<Option<String>>>);

impl Breach {
    /// Takes note, unless something was wrong before.
    pub(super) fn note(&self, law: impl FnOnce() -> String) {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if first.is_none() {
            *first = Some(law());
        }
    }

    fn is_noted(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// An error where anything was noted.
    pub(super) fn check(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

pub(super) struct Watched {
    policy: Box<dyn Policy>,
    tracked: Vec<bool>,
    /// The victim just named, which must be what leaves next.
    named: Option<u32>,
    /// It may find no victim, because it never evicts.
    unlimited: bool,
    breach: Breach,
}

impl Watched {
    pub(super) fn new(policy: Box<dyn Policy>, objects: u32, unlimited: bool, breach: Breach) -> Self {
        if let Some(object) = policy.preload().into_iter().find(|object| *object >= objects) {
            breach.note(|| format!("it wants object {object} preloaded, of {objects} objects"));
        }
        Self { policy, tracked: vec![false; objects as usize], named: None, unlimited, breach }
    }

    /// Whether the mechanism may say of `object` what it just said: that it is tracked, or is not.
    fn expect(&self, object: u32, tracked: bool, what: &str) {
        if self.tracked[object as usize] != tracked {
            self.breach
                .note(|| format!("the mechanism told of {what} of object {object}, tracked: {}", !tracked));
        }
    }

    fn legal(&self, object: u32, candidates: &Candidates<'_>) -> bool {
        self.tracked.get(object as usize) == Some(&true) && candidates.allows(object)
    }
}

impl Policy for Watched {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.expect(object, true, "a hit");
        if !self.breach.is_noted() {
            self.policy.on_hit(object, access);
        }
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.expect(object, false, "an insertion");
        self.tracked[object as usize] = true;
        if !self.breach.is_noted() {
            self.policy.on_insert(object, access);
        }
    }

    fn on_remove(&mut self, object: u32) {
        self.expect(object, true, "a removal");
        self.tracked[object as usize] = false;
        if !self.breach.is_noted() {
            self.policy.on_remove(object);
        }
    }

    fn on_evict(&mut self, object: u32) {
        self.expect(object, true, "an eviction");
        if self.named.take() != Some(object) {
            self.breach.note(|| format!("the mechanism evicted object {object}, which was not named"));
        }
        self.tracked[object as usize] = false;
        if !self.breach.is_noted() {
            self.policy.on_evict(object);
        }
    }

    fn on_sequence(&mut self) {
        if !self.breach.is_noted() {
            self.policy.on_sequence();
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        if !self.breach.is_noted() {
            self.policy.on_capacity(slots);
        }
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let objects = u32::try_from(self.tracked.len()).unwrap_or(u32::MAX);
        let others = (0..objects).find(|object| self.legal(*object, candidates));
        self.named = if self.breach.is_noted() { others } else { self.policy.victim(candidates) };
        match (self.named, others) {
            (Some(object), _) if !self.legal(object, candidates) => {
                self.breach.note(|| format!("it named object {object}, which may not be evicted"));
                self.named = others;
            }
            (None, Some(object)) if !self.unlimited => {
                self.breach.note(|| format!("it found no victim, though object {object} may be evicted"));
            }
            _ => {}
        }
        self.named
    }

    fn preload(&self) -> Vec<u32> {
        self.policy.preload()
    }
}
