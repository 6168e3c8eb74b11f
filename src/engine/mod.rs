//! The discrete-event engine: a clock and a queue. It knows nothing of experts.
//!
//! # Ordering guarantees
//!
//! Events are dispatched by `(time, rank, sequence number)`. Time never goes back. At one instant the [`Rank`] decides:
//! what frees a resource comes before what asks for one, so that a finished transfer is seen by the computation that
//! waits for it. Within one rank, events are dispatched in the order in which they were scheduled. There is no other
//! source of order, so a run is a function of its inputs alone.
//!
//! Events cannot be taken out of the queue. An event that may become stale carries a generation of its own, and whoever
//! handles it ignores the ones whose generation has passed.

mod queue;

use crate::error::{Error, Result};
use crate::units::{SimDuration, SimTime};
use queue::Queue;

/// What decides between events of one instant; a lower number is dispatched first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A transfer over a link has ended.
    TransferDone = 0,
    /// A computation has ended.
    ComputeDone = 1,
    /// A time limit has passed.
    Timeout = 2,
    /// Something arrives from outside.
    Arrival = 3,
    /// Work is handed to resources.
    Dispatch = 4,
    /// State is observed, after all else of the instant.
    Sample = 5,
}

/// A closed set of events, small enough to copy.
pub trait Event: Copy {
    /// Its place among the events of one instant.
    fn rank(&self) -> Rank;
}

/// Events dispatched at one instant before the engine calls it a livelock.
const EVENTS_PER_INSTANT_MAX: u64 = 10_000_000;

/// Clock and queue over one event type.
#[derive(Debug)]
pub struct Engine<E> {
    now: SimTime,
    queue: Queue<E>,
    dispatched: u64,
    dispatched_this_instant: u64,
}

impl<E: Event> Default for Engine<E> {
    fn default() -> Self {
        Self { now: SimTime::ZERO, queue: Queue::default(), dispatched: 0, dispatched_this_instant: 0 }
    }
}

impl<E: Event> Engine<E> {
    /// The current instant.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// Events dispatched so far.
    pub fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// Schedules `event` at `time`. An instant that has passed is a bug in the caller, so it panics.
    pub fn schedule_at(&mut self, time: SimTime, event: E) {
        assert!(time >= self.now, "event scheduled at {time:?}, before the clock at {:?}", self.now);
        self.queue.push(time, event.rank(), event);
    }

    /// Schedules `event` after `delay`.
    pub fn schedule_in(&mut self, delay: SimDuration, event: E) {
        self.queue.push(self.now + delay, event.rank(), event);
    }

    /// Moves the clock to the next event and returns it; `None` when nothing is left to happen.
    ///
    /// # Errors
    /// When events of a single instant keep begetting more at that instant.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<E>> {
        let Some((time, event)) = self.queue.pop() else { return Ok(None) };
        if time > self.now {
            self.now = time;
            self.dispatched_this_instant = 0;
        }
        self.dispatched += 1;
        self.dispatched_this_instant += 1;
        if self.dispatched_this_instant > EVENTS_PER_INSTANT_MAX {
            let ns = self.now.as_ns();
            return Err(Error::new(format!(
                "the simulation does not advance: {EVENTS_PER_INSTANT_MAX} events at {ns} ns"
            )));
        }
        Ok(Some(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Happening {
        Copied(u32),
        Computed(u32),
        Asked(u32),
    }

    impl Event for Happening {
        fn rank(&self) -> Rank {
            match self {
                Self::Copied(_) => Rank::TransferDone,
                Self::Computed(_) => Rank::ComputeDone,
                Self::Asked(_) => Rank::Dispatch,
            }
        }
    }

    #[test]
    fn an_instant_is_ordered_by_rank_then_first_come_first_served() {
        use Happening::{Asked, Computed, Copied};
        let mut engine = Engine::default();
        let at = SimTime::from_ns;
        for (time, event) in
            [(5, Asked(0)), (5, Copied(1)), (3, Asked(2)), (5, Computed(3)), (5, Copied(4)), (9, Copied(5))]
        {
            engine.schedule_at(at(time), event);
        }
        let mut seen = Vec::new();
        while let Some(event) = engine.next().unwrap() {
            seen.push((engine.now().as_ns(), event));
        }
        assert_eq!(
            seen,
            [(3, Asked(2)), (5, Copied(1)), (5, Copied(4)), (5, Computed(3)), (5, Asked(0)), (9, Copied(5))]
        );
        assert_eq!(engine.dispatched(), 6);
    }

    #[test]
    #[should_panic(expected = "before the clock")]
    fn the_past_cannot_be_scheduled() {
        let mut engine = Engine::default();
        engine.schedule_at(SimTime::from_ns(5), Happening::Asked(0));
        engine.next().unwrap();
        engine.schedule_at(SimTime::from_ns(4), Happening::Asked(1));
    }

    #[test]
    fn a_livelock_is_an_error_and_not_a_hang() {
        let mut engine = Engine::default();
        engine.schedule_at(SimTime::ZERO, Happening::Asked(0));
        let error = loop {
            match engine.next() {
                Ok(Some(event)) => engine.schedule_in(SimDuration::ZERO, event),
                Ok(None) => panic!("the queue ran empty"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.to_string(), "the simulation does not advance: 10000000 events at 0 ns");
    }
}
