//! What the suite replays: generated, deterministic, and shaped like routing. Layers in a cycle, popular and unpopular
//! experts, prompts whose events hold many experts and ask for some of them more than once.

use crate::cache::NEVER;
use crate::rng::{Purpose, stream};
use rand::Rng;

pub(in crate::cache) const LAYERS: u32 = 5;
pub(in crate::cache) const EXPERTS: u32 = 12;
pub(in crate::cache) const OBJECTS: u32 = LAYERS * EXPERTS;
const PASSES: u64 = 120;
/// Tokens of the first pass of a sequence; all others have one.
const PROMPT: u32 = 6;
const TOP_K: u32 = 3;
const SEQUENCE: u64 = 16;
const RESIZE: u64 = 7;

/// One selection, with what a policy may be told of it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Selection {
    pub(in crate::cache) expert: u32,
    pub(in crate::cache) weight: u16,
    pub(in crate::cache) next_event: u64,
}

/// One layer event, and what happens before it where a case asks for such things.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Event {
    pub(in crate::cache) layer: u32,
    pub(in crate::cache) selections: Vec<Selection>,
    /// The first of a sequence.
    pub(in crate::cache) begins: bool,
    /// Every second of its misses is dealt with elsewhere.
    pub(super) forgoes: bool,
    /// The capacity from here on, in eighths of all experts.
    pub(super) eighths: Option<u64>,
}

/// The events of a run.
#[derive(Clone, Debug)]
pub(in crate::cache) struct Script {
    pub(in crate::cache) events: Vec<Event>,
    /// First event that asks for each object; [`NEVER`] where none does.
    pub(in crate::cache) first_events: Vec<u64>,
}

impl Script {
    /// Odd seeds have gate weights, even ones have none.
    pub(in crate::cache) fn generate(seed: u64) -> Self {
        let mut experts = below(seed, 0);
        let mut rest = below(seed, 1);
        let mut events = Vec::new();
        for pass in 0..PASSES {
            let begins = pass % SEQUENCE == 0;
            let tokens = if begins { PROMPT } else { 1 };
            for layer in 0..LAYERS {
                let selection = |_| Selection {
                    // The smaller of two draws: low experts are popular.
                    expert: experts(EXPERTS).min(experts(EXPERTS)),
                    weight: if seed % 2 == 1 { u16::try_from(rest(1 << 16)).unwrap_or(0) } else { 0 },
                    next_event: NEVER,
                };
                events.push(Event {
                    layer,
                    selections: (0..TOP_K * tokens).map(selection).collect(),
                    begins: begins && layer == 0,
                    forgoes: rest(4) == 0,
                    eighths: (pass % RESIZE == 0 && layer == 2).then(|| u64::from(rest(9))),
                });
            }
        }
        let first_events = look_ahead(&mut events);
        Self { events, first_events }
    }

    /// The same with an event for each selection.
    #[cfg(test)]
    pub(in crate::cache) fn singly(&self) -> Self {
        let single = |event: &Event| -> Vec<Event> {
            let of = |rank: usize| Event {
                selections: vec![event.selections[rank]],
                begins: event.begins && rank == 0,
                ..event.clone()
            };
            (0..event.selections.len()).map(of).collect()
        };
        let mut events: Vec<Event> = self.events.iter().flat_map(single).collect();
        let first_events = look_ahead(&mut events);
        Self { events, first_events }
    }
}

/// Numbers below a bound, drawn from a stream of their own.
fn below(seed: u64, replicate: u64) -> impl FnMut(u32) -> u32 {
    let mut rng = stream(seed, Purpose::SyntheticRouting, u64::MAX, replicate);
    move |bound| u32::try_from((u64::from(rng.next_u32()) * u64::from(bound)) >> 32).unwrap_or(0)
}

/// Writes the next event that asks for the same expert into each selection, and returns the first for each object.
fn look_ahead(events: &mut [Event]) -> Vec<u64> {
    let mut upcoming = vec![NEVER; OBJECTS as usize];
    for (number, event) in (0_u64..).zip(events).collect::<Vec<_>>().into_iter().rev() {
        let object = |expert: u32| (event.layer * EXPERTS + expert) as usize;
        // Two walks, so that several appearances in one event all see the event after it.
        event.selections.iter_mut().for_each(|one| one.next_event = upcoming[object(one.expert)]);
        event.selections.iter().for_each(|one| upcoming[object(one.expert)] = number);
    }
    upcoming
}
