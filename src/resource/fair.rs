//! A bus that several flows share, max-min fair: a memory bus under copies, reads and CPU work.
//!
//! Each flow has a speed of its own, at which it goes while nobody disturbs it. Where the speeds together exceed the
//! capacity, the slow ones keep theirs and the others share what is left in equal parts (water-filling; Bertsekas and
//! Gallager, "Data Networks", section 6.5). Shares change only when a flow joins or leaves, in one walk over the flows.
//!
//! Progress is counted in integers fine enough for every share, so an undisturbed flow ends to the nanosecond when it
//! should, and n equal flows take n times as long as one. Ends are rounded up, which leaves the bus idle for less than a
//! nanosecond per change. The product of a flow's bytes, its nanoseconds alone and the number of flows must stay below
//! 3.4 * 10^29 (a terabyte for ten years); beyond it, arithmetic panics.

use crate::metrics::LinkUse;
use crate::units::{Bandwidth, Bytes, SimDuration, SimTime};

const NS_PER_S: u128 = 1_000_000_000;

/// A flow on one [`FairLink`], numbered in the order of joining.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FlowId(u64);

/// A flow of `b` bytes that takes `a` ns alone is `a * b * 10^9` units of work: `b * 10^9` a nanosecond at its own
/// speed, `a * r` at a rate of `r` bytes per second.
#[derive(Clone, Copy, Debug)]
struct Flow {
    id: FlowId,
    bytes: Bytes,
    alone: u128,
    /// Units of work a nanosecond at its own speed.
    own: u128,
    /// Bytes per second that it takes from the bus at its own speed, rounded up.
    load: u128,
    left: u128,
}

/// A shared bus with books.
#[derive(Clone, Debug)]
pub struct FairLink {
    capacity: Bandwidth,
    /// Slowest first.
    flows: Vec<Flow>,
    /// How many of the flows go at their own speed. The others share `rest`.
    free: usize,
    /// Bytes per second that the free flows leave.
    rest: u128,
    next: Option<(SimTime, FlowId)>,
    updated: SimTime,
    joined: u64,
    busy: SimDuration,
    bytes: Bytes,
    done: u64,
}

impl FairLink {
    /// An idle bus.
    pub fn new(capacity: Bandwidth) -> Self {
        Self {
            capacity,
            flows: Vec::new(),
            free: 0,
            rest: 0,
            next: None,
            updated: SimTime::ZERO,
            joined: 0,
            busy: SimDuration::ZERO,
            bytes: Bytes::ZERO,
            done: 0,
        }
    }

    /// Adds a flow of `bytes` that takes `alone` when nothing disturbs it. One without bytes loads nothing and ends at
    /// `now + alone`; one with bytes takes at least 1 ns. Everybody's end may change: ask [`FairLink::next_end`].
    pub fn join(&mut self, now: SimTime, bytes: Bytes, alone: SimDuration) -> FlowId {
        self.advance(now);
        let id = FlowId(self.joined);
        self.joined += 1;
        let empty = bytes == Bytes::ZERO;
        let alone = u128::from(alone.as_ns()).max(u128::from(!empty));
        let own = u128::from(bytes.get()).max(1) * NS_PER_S;
        let load = if empty { 0 } else { own.div_ceil(alone) };
        let at = self.flows.partition_point(|flow| flow.load <= load);
        self.flows.insert(at, Flow { id, bytes, alone, own, load, left: alone * own });
        self.share();
        id
    }

    /// The first flow to end if nothing changes, and when; of several the one that joined first.
    pub fn next_end(&self) -> Option<(SimTime, FlowId)> {
        self.next
    }

    /// Takes out a flow that has ended. Panics where it has not, or is not there.
    pub fn leave(&mut self, now: SimTime, id: FlowId) {
        self.advance(now);
        let at = self.flows.iter().position(|flow| flow.id == id).expect("the flow is on the bus");
        let flow = self.flows.remove(at);
        assert_eq!(flow.left, 0, "{id:?} leaves before its end");
        self.bytes += flow.bytes;
        self.done += 1;
        self.share();
    }

    /// The books at the end of a run of length `span`: bytes of the flows that left, and the time with at least one
    /// flow. A bus that was busy longer than the run lasted is a bug, so it panics.
    pub fn usage(&self, name: &str, span: SimDuration) -> LinkUse {
        let current = (SimTime::ZERO + span).since(self.updated);
        let busy = if self.flows.is_empty() { self.busy } else { self.busy + current };
        LinkUse {
            name: name.to_owned(),
            bytes: self.bytes.get(),
            jobs: self.done,
            busy_ns: busy.as_ns(),
            idle_ns: (span - busy).as_ns(),
        }
    }

    /// The speed of the flow at `at` as a fraction of units of work a nanosecond.
    fn speed(&self, at: usize) -> (u128, u128) {
        let flow = &self.flows[at];
        if at < self.free {
            return (flow.own, 1);
        }
        let sharers = (self.flows.len() - self.free) as u128;
        // The load is rounded up, so a share just below it may still be more than the flow's own speed.
        ((flow.own * sharers).min(self.rest * flow.alone), sharers)
    }

    /// Everybody moves on to `now` at the present speeds.
    fn advance(&mut self, now: SimTime) {
        assert!(now >= self.updated, "the bus has already reached {} ns", self.updated.as_ns());
        let passed = now.since(self.updated);
        if passed == SimDuration::ZERO {
            return;
        }
        for at in 0..self.flows.len() {
            let (work, per) = self.speed(at);
            let work = u128::from(passed.as_ns()) * work;
            let flow = &mut self.flows[at];
            // Wide divisions are the cost of a change, and most flows are alone or undisturbed.
            flow.left = flow.left.saturating_sub(if per == 1 { work } else { work / per });
        }
        if !self.flows.is_empty() {
            self.busy += passed;
        }
        self.updated = now;
    }

    /// Water-filling, and the first end that follows from it.
    fn share(&mut self) {
        (self.free, self.rest) = (0, u128::from(self.capacity.bytes_per_s()));
        let count = self.flows.len();
        for (flow, sharers) in self.flows.iter().zip((1..=count).rev()) {
            if flow.load * sharers as u128 > self.rest {
                break;
            }
            self.rest -= flow.load;
            self.free += 1;
        }
        let ends = (0..count).map(|at| {
            let (work, per) = self.speed(at);
            let left = (self.flows[at].left * per).div_ceil(work);
            let left = SimDuration::from_ns(u64::try_from(left).unwrap_or(u64::MAX));
            (self.updated + left, self.flows[at].id)
        });
        self.next = ends.min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Joins at their times, in order; the end of each flow.
    fn ends(link: &mut FairLink, joins: &[(u64, u64, u64)]) -> Vec<u64> {
        let mut ends = vec![0; joins.len()];
        let mut take = |link: &mut FairLink, until: u64| {
            while let Some((end, id)) = link.next_end().filter(|(end, _)| end.as_ns() <= until) {
                link.leave(end, id);
                ends[usize::try_from(id.0).unwrap()] = end.as_ns();
                check(link);
            }
        };
        for &(at, bytes, alone) in joins {
            take(link, at);
            link.join(SimTime::from_ns(at), Bytes::new(bytes), SimDuration::from_ns(alone));
            check(link);
        }
        take(link, u64::MAX);
        ends
    }

    /// Laws of the shares: no more than the capacity is used, all of it where somebody could use more (but for less
    /// than a byte per second and flow), and nobody is throttled below what another gets.
    fn check(link: &FairLink) {
        let rate = |at: usize| {
            let (work, per) = link.speed(at);
            if link.flows[at].load == 0 {
                0.0
            } else {
                work as f64 / per as f64 / link.flows[at].alone as f64
            }
        };
        let rates: Vec<f64> = (0..link.flows.len()).map(rate).collect();
        let capacity = link.capacity.bytes_per_s() as f64;
        let sum: f64 = rates.iter().sum();
        let loads: f64 = link.flows.iter().map(|flow| flow.load as f64).sum();
        let fuzz = capacity * 1e-12;
        assert!(sum <= capacity + fuzz, "{sum} B/s of {capacity}");
        assert!(
            sum >= capacity.min(loads) - rates.len() as f64 - fuzz,
            "{sum} B/s of {capacity} for {loads}"
        );
        let most = rates.iter().copied().fold(0.0, f64::max);
        assert!(rates[link.free..].iter().all(|rate| *rate >= most - 1.0 - fuzz), "{rates:?}");
    }

    /// The same in floating point, capacity in bytes a nanosecond: the water level by bisection, from change to change.
    fn slow_ends(capacity: f64, joins: &[(u64, u64, u64)]) -> Vec<f64> {
        let mut ends: Vec<f64> =
            joins.iter().map(|join| if join.1 == 0 { (join.0 + join.2) as f64 } else { f64::NAN }).collect();
        let mut active: Vec<(usize, f64, f64)> = Vec::new();
        let (mut now, mut waiting) = (0.0, 0);
        loop {
            let (mut low, mut high) = (0.0, capacity);
            for _ in 0..100 {
                let level: f64 = (low + high) / 2.0;
                let used: f64 = active.iter().map(|(_, _, own)| own.min(level)).sum();
                if used > capacity { high = level } else { low = level }
            }
            let end = |flow: &(usize, f64, f64)| now + flow.1 / flow.2.min(high);
            let first = active.iter().map(end).fold(f64::INFINITY, f64::min);
            let join = joins.get(waiting).map_or(f64::INFINITY, |join| join.0 as f64);
            let next = first.min(join);
            if next.is_infinite() {
                return ends;
            }
            let done: Vec<bool> = active.iter().map(|flow| end(flow) <= next).collect();
            for (flow, done) in active.iter_mut().zip(&done) {
                flow.1 -= (next - now) * flow.2.min(high);
                if *done {
                    ends[flow.0] = next;
                }
            }
            let mut done = done.into_iter();
            active.retain(|_| done.next() == Some(false));
            now = next;
            if first > join {
                let (_, bytes, alone) = joins[waiting];
                if bytes > 0 {
                    active.push((waiting, bytes as f64, bytes as f64 / alone.max(1) as f64));
                }
                waiting += 1;
            }
        }
    }

    fn link(gb_per_s: u64) -> FairLink {
        FairLink::new(Bandwidth::from_bytes_per_s(gb_per_s * 1_000_000_000).unwrap())
    }

    /// A link of 12 GB/s, 12 bytes a nanosecond; flows as (joined, bytes, ns alone) and their ends.
    #[test]
    fn closed_forms() {
        type Case<'a> = (&'a str, &'a [(u64, u64, u64)], &'a [u64]);
        let cases: [Case; 9] = [
            ("one at its own speed", &[(5, 100, 100)], &[105]),
            ("one that wants more than there is", &[(5, 1200, 10)], &[105]),
            ("two that fit", &[(0, 600, 100), (0, 600, 100)], &[100, 100]),
            ("two equal ones take twice as long", &[(0, 1200, 100), (0, 1200, 100)], &[200, 200]),
            // 2 bytes/ns stay with the slow one, 10 go to the other.
            ("a slow one leaves its share", &[(0, 200, 100), (0, 1200, 100)], &[100, 117]),
            // 1200 bytes in 100 ns; then 6 each until the first ends at 300, the second alone after that.
            ("one joins halfway", &[(0, 2400, 200), (100, 2400, 200)], &[300, 400]),
            ("an empty one loads nothing", &[(0, 0, 70), (0, 1200, 100)], &[70, 100]),
            ("nothing at all", &[(3, 0, 0)], &[3]),
            // 4 each until the first is done at 100, 6 each until the second is, at 200.
            ("three of different sizes", &[(0, 400, 1), (0, 1000, 1), (0, 2200, 1)], &[100, 200, 300]),
        ];
        for (name, joins, expected) in cases {
            assert_eq!(ends(&mut link(12), joins), expected, "{name}");
        }
    }

    proptest! {
        /// n equal flows that the link throttles take n times as long as the link takes for one, exactly.
        #[test]
        fn equal_flows_share_equally(count in 1_usize..40, bytes in 1_u64..1 << 40, alone in 1_u64..1000, rate in 1_u64..1 << 40) {
            let capacity = Bandwidth::from_bytes_per_s(rate).unwrap();
            let joins = vec![(7, bytes, alone); count];
            let all = capacity.time_for(Bytes::new(bytes * count as u64)).as_ns();
            prop_assert_eq!(ends(&mut FairLink::new(capacity), &joins), vec![7 + all.max(alone); count]);
        }

        /// Flows that fit together never notice each other.
        #[test]
        fn undisturbed_flows_end_on_time(joins in prop::collection::vec((0_u64..1000, 0_u64..1000, 1000_u64..3000), 1..12)) {
            let mut joins = joins;
            joins.sort_unstable();
            let expected: Vec<u64> = joins.iter().map(|(at, _, alone)| at + alone).collect();
            prop_assert_eq!(ends(&mut link(12), &joins), expected);
        }

        /// Within a nanosecond per change of a slow simulation; no more bytes than capacity times busy time; nobody is
        /// faster than alone; busy + idle = span.
        #[test]
        fn equals_a_slow_link(
            joins in prop::collection::vec((0_u64..100_000, 0_u64..200_000, 0_u64..50_000), 1..16),
            rate in 1_u64..12,
        ) {
            let mut joins = joins;
            joins.sort_unstable();
            let mut link = link(rate);
            let fast = ends(&mut link, &joins);
            let slow = slow_ends(rate as f64, &joins);
            let slack = 1.0 + 2.0 * joins.len() as f64;
            for ((fast, slow), (at, _, alone)) in fast.iter().zip(&slow).zip(&joins) {
                prop_assert!((*fast as f64 - slow).abs() <= slack, "{fast} for {slow}");
                prop_assert!(*fast >= at + alone);
            }
            let span = SimDuration::from_ns(*fast.iter().max().unwrap() + 9);
            let books = link.usage("dram", span);
            prop_assert_eq!(books.busy_ns + books.idle_ns, span.as_ns());
            prop_assert_eq!(books.bytes, joins.iter().map(|join| join.1).sum::<u64>());
            prop_assert!(books.bytes <= rate * books.busy_ns, "{} bytes in {} ns", books.bytes, books.busy_ns);
        }
    }
}
