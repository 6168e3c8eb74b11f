//! A channel that serves one piece at a time, demand before prefetch: a copy engine in one direction, or a drive.
//!
//! Prefetches are cut into chunks, and each chunk is a transfer of its own on the curve; demands go whole. What runs is never interrupted,
//! so a demand waits for the demands before it and for at most one chunk of prefetch. Whoever drives the engine asks
//! [`CopyEngine::start`] for the next piece, schedules its end, and reports it with [`CopyEngine::finish`], which may be
//! later than the piece would have taken alone, where a bus is shared.

use std::collections::VecDeque;

use super::curve::RateCurve;
use super::drive::DriveCurve;
use crate::metrics::LinkUse;
use crate::units::{Bytes, SimDuration, SimTime};

/// What a piece takes on an otherwise idle channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// By size: a host link.
    Rate(RateCurve),
    /// By size and by the transfers outstanding, up to a queue depth: a drive.
    Drive(DriveCurve, u32),
}

impl Channel {
    /// How long a piece of `size` takes while `outstanding` transfers wait or run, its own included.
    pub fn time(&self, size: Bytes, outstanding: usize) -> SimDuration {
        match self {
            Self::Rate(curve) => curve.time(size),
            Self::Drive(curve, queue_depth) => {
                curve.time(size, u32::try_from(outstanding).unwrap_or(u32::MAX).min(*queue_depth))
            }
        }
    }
}

/// How urgent a transfer is; the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Computation waits for it.
    Demand,
    /// It may be needed.
    Prefetch,
}

/// Bytes to move, under a name that no other transfer in the engine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The caller's name for it.
    pub tag: u32,
    /// Its size; none is allowed and takes the latency.
    pub bytes: Bytes,
    /// Its queue.
    pub class: Class,
}

/// A transfer, or a chunk of one, that occupies the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The transfer that it belongs to.
    pub tag: u32,
    /// The transfer's class when the piece began.
    pub class: Class,
    /// How long it takes when nothing else disturbs it.
    pub duration: SimDuration,
    /// Its size.
    pub bytes: Bytes,
    /// When it ends if nothing disturbs it.
    pub end: SimTime,
}

/// A transfer that is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The caller's name for it.
    pub tag: u32,
    /// Its class at the end: a promoted prefetch counts as a demand.
    pub class: Class,
}

/// A transfer with bytes that no piece has taken yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    tag: u32,
    /// How many were pushed before it.
    number: u64,
    left: Bytes,
    moved: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    piece: Piece,
    start: SimTime,
    class: Class,
    /// Bytes of the transfer that have moved when the piece ends.
    moved: Bytes,
    /// The transfer is complete with this piece.
    last: bool,
    /// Nobody wants the transfer any more.
    cancelled: bool,
}

/// One channel with a queue of demands, a queue of prefetches, and books.
#[derive(Clone, Debug)]
pub struct CopyEngine {
    channel: Channel,
    chunk: Option<Bytes>,
    demands: VecDeque<Waiting>,
    prefetches: VecDeque<Waiting>,
    running: Option<Running>,
    /// Transfers pushed so far, and how many that were when the last piece began.
    pushed: u64,
    pushed_at_start: u64,
    /// Transfers that were outstanding together with that piece.
    together: usize,
    /// The last size and number of outstanding transfers, and their time: most transfers repeat it.
    last_time: (Bytes, usize, SimDuration),
    busy: SimDuration,
    bytes: Bytes,
    pieces: u64,
}

impl CopyEngine {
    /// An idle engine that cuts prefetches into pieces of at most `chunk`, or moves them whole. A chunk of no bytes is a
    /// bug, so it panics.
    pub fn new(channel: Channel, chunk: Option<Bytes>) -> Self {
        assert_ne!(chunk, Some(Bytes::ZERO), "a chunk holds at least one byte");
        Self {
            channel,
            chunk,
            demands: VecDeque::new(),
            prefetches: VecDeque::new(),
            running: None,
            pushed: 0,
            pushed_at_start: 0,
            together: 0,
            last_time: (Bytes::ZERO, 0, channel.time(Bytes::ZERO, 0)),
            busy: SimDuration::ZERO,
            bytes: Bytes::ZERO,
            pieces: 0,
        }
    }

    /// Appends a transfer to the queue of its class.
    pub fn push(&mut self, transfer: Transfer) {
        let Transfer { tag, bytes, class } = transfer;
        debug_assert!(!self.holds(tag), "tag {tag} is already in the engine");
        let number = self.pushed;
        self.pushed += 1;
        self.queue(class).push_back(Waiting { tag, number, left: bytes, moved: Bytes::ZERO });
    }

    /// Begins the next piece where the engine is idle and something waits. The caller reports its end.
    pub fn start(&mut self, now: SimTime) -> Option<Piece> {
        if self.running.is_some() {
            return None;
        }
        let class = if self.demands.is_empty() { Class::Prefetch } else { Class::Demand };
        let first = if class == Class::Demand { self.demands.front() } else { self.prefetches.front() };
        let outstanding = self.together_with(first?, self.demands.len() + self.prefetches.len());
        (self.together, self.pushed_at_start) = (outstanding, self.pushed);
        let chunk = self.chunk.filter(|_| class == Class::Prefetch);
        let queue = self.queue(class);
        let next = queue.front_mut()?;
        let bytes = chunk.map_or(next.left, |chunk| chunk.min(next.left));
        next.left -= bytes;
        next.moved += bytes;
        let Waiting { tag, left, moved, .. } = *next;
        let last = left == Bytes::ZERO;
        if last {
            queue.pop_front();
        }
        if (self.last_time.0, self.last_time.1) != (bytes, outstanding) {
            self.last_time = (bytes, outstanding, self.channel.time(bytes, outstanding));
        }
        let duration = self.last_time.2;
        let piece = Piece { tag, class, duration, bytes, end: now + duration };
        self.running = Some(Running { piece, start: now, class, moved, last, cancelled: false });
        Some(piece)
    }

    /// Ends the running piece and says which transfer is complete with it. Panics where nothing runs, or where the piece
    /// would have been faster than on an idle channel.
    pub fn finish(&mut self, now: SimTime) -> Option<Finished> {
        let running = self.running.take().expect("a piece runs until it is finished");
        assert!(now >= running.piece.end, "a piece cannot end before {} ns", running.piece.end.as_ns());
        self.busy += now.since(running.start);
        self.bytes += running.piece.bytes;
        self.pieces += 1;
        let complete = running.last && !running.cancelled;
        complete.then_some(Finished { tag: running.piece.tag, class: running.class })
    }

    /// Turns a waiting or running prefetch into a demand, behind the demands that already wait. What has moved of it
    /// stays moved. Does nothing for other tags.
    pub fn promote(&mut self, tag: u32) {
        if let Some(running) = self.running_mut(tag) {
            running.class = Class::Demand;
        }
        if let Some(waiting) = self.remove_prefetch(tag) {
            self.demands.push_back(waiting);
        }
    }

    /// Gives up a prefetch: what has not begun to move is dropped, and it will not be reported as finished. Returns the
    /// bytes moved in vain, those of a running piece included. Does nothing for demands and unknown tags.
    pub fn cancel(&mut self, tag: u32) -> Bytes {
        let waiting = self.remove_prefetch(tag).map(|waiting| waiting.moved);
        let running = self.running_mut(tag).filter(|running| running.class == Class::Prefetch);
        let running = running.map(|running| {
            running.cancelled = true;
            running.moved
        });
        running.or(waiting).unwrap_or(Bytes::ZERO)
    }

    /// The piece that occupies the engine, with the class that its transfer has by now.
    pub fn running(&self) -> Option<Piece> {
        self.running.map(|running| Piece { class: running.class, ..running.piece })
    }

    /// Transfers that run or wait.
    pub fn outstanding(&self) -> usize {
        self.demands.len()
            + self.prefetches.len()
            + usize::from(self.running.is_some_and(|running| running.last))
    }

    /// Whether nothing runs.
    pub fn is_idle(&self) -> bool {
        self.running.is_none()
    }

    /// Whether nothing runs and nothing waits.
    pub fn is_empty(&self) -> bool {
        self.is_idle() && self.demands.is_empty() && self.prefetches.is_empty()
    }

    /// Bytes of all finished pieces.
    pub fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// How long a demand pushed now would wait: the rest of the running piece, and every waiting demand. Exact where the
    /// channel is not disturbed and nothing more is pushed, promoted or cancelled.
    pub fn backlog(&self, now: SimTime) -> SimDuration {
        let running = self.running.map_or(SimDuration::ZERO, |running| running.piece.end.max(now).since(now));
        // Those that wait now are outstanding together until the last of them begins.
        let outstanding = self.demands.len() + self.prefetches.len() + 1;
        let together = self.demands.front().map_or(0, |first| self.together_with(first, outstanding));
        running + self.demands.iter().map(|waiting| self.channel.time(waiting.left, together)).sum()
    }

    /// How many transfers are outstanding together with one that begins now: those that wait, or, where it was under way
    /// beside the piece before it, those that were outstanding then.
    fn together_with(&self, next: &Waiting, outstanding: usize) -> usize {
        if next.number < self.pushed_at_start { outstanding.max(self.together) } else { outstanding }
    }

    /// The books at the end of a run of length `span`; of a piece that still runs, only its time so far is in them.
    /// An engine that was busy longer than the run lasted is a bug, so it panics.
    pub fn usage(&self, name: &str, span: SimDuration) -> LinkUse {
        let end = SimTime::ZERO + span;
        let busy = self.busy + self.running.map_or(SimDuration::ZERO, |running| end.since(running.start));
        LinkUse {
            name: name.to_owned(),
            bytes: self.bytes.get(),
            jobs: self.pieces,
            busy_ns: busy.as_ns(),
            idle_ns: (span - busy).as_ns(),
        }
    }

    fn queue(&mut self, class: Class) -> &mut VecDeque<Waiting> {
        match class {
            Class::Demand => &mut self.demands,
            Class::Prefetch => &mut self.prefetches,
        }
    }

    fn running_mut(&mut self, tag: u32) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.piece.tag == tag && !running.cancelled)
    }

    fn remove_prefetch(&mut self, tag: u32) -> Option<Waiting> {
        let at = self.prefetches.iter().position(|waiting| waiting.tag == tag)?;
        self.prefetches.remove(at)
    }

    fn holds(&self, tag: u32) -> bool {
        let runs = self.running.is_some_and(|running| running.piece.tag == tag && !running.cancelled);
        runs || self.demands.iter().chain(&self.prefetches).any(|waiting| waiting.tag == tag)
    }
}

#[cfg(test)]
mod slow;

#[cfg(test)]
mod tests {
    use super::slow::{Ends, Slow, Starts};
    use super::*;
    use crate::resource::SerialDevice;
    use proptest::prelude::*;

    /// 3 ns and a byte a nanosecond.
    fn link() -> Channel {
        let peak = "1 GB/s".parse().unwrap();
        Channel::Rate(RateCurve::pinned(SimDuration::from_ns(3), peak))
    }

    fn drive() -> Channel {
        let (stream, peak) = ("0.5 GB/s".parse().unwrap(), "2 GB/s".parse().unwrap());
        let latency = SimDuration::from_ns(40);
        Channel::Drive(DriveCurve { latency, stream, peak, best_depth: 2, deep_ppm: 700_000 }, 3)
    }

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Push(Class, u64),
        Promote(usize),
        Cancel(usize),
        Wait(u64),
    }

    /// The engine with somebody who reports its ends, each `delay` late.
    struct Fast {
        engine: CopyEngine,
        delay: u64,
        end: Option<SimTime>,
        starts: Starts,
        ends: Ends,
    }

    impl Fast {
        fn new(channel: Channel, chunk: Option<u64>, delay: u64) -> Self {
            let engine = CopyEngine::new(channel, chunk.map(Bytes::new));
            Self { engine, delay, end: None, starts: Vec::new(), ends: Vec::new() }
        }

        fn push(&mut self, tag: u32, class: Class, bytes: u64) {
            self.engine.push(Transfer { tag, bytes: Bytes::new(bytes), class });
        }

        fn run_to(&mut self, mut now: u64, target: u64) {
            loop {
                if let Some(end) = self.end {
                    if end.as_ns() > target {
                        return;
                    }
                    now = end.as_ns();
                    let done = self.engine.finish(end);
                    self.ends.extend(done.map(|done| (now, done.tag, done.class)));
                }
                let demands = self.engine.demands.len();
                let next = self.engine.start(SimTime::from_ns(now));
                self.end = next.map(|piece| piece.end + SimDuration::from_ns(self.delay));
                let Some(piece) = next else { return };
                assert!(
                    piece.class == Class::Demand || demands == 0,
                    "a prefetch begins while a demand waits"
                );
                self.starts.push((now, piece.tag, piece.class, piece.bytes.get()));
            }
        }
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let push = |class| (0_u64..60).prop_map(move |bytes| Op::Push(class, bytes));
        let op = prop_oneof![
            3 => push(Class::Demand),
            4 => push(Class::Prefetch),
            2 => (0_usize..40).prop_map(Op::Promote),
            2 => (0_usize..40).prop_map(Op::Cancel),
            5 => (0_u64..60).prop_map(Op::Wait),
        ];
        prop::collection::vec(op, 1..60)
    }

    proptest! {
        /// Piece by piece and end by end what the slow engine does; the backlog is the wait of a demand; bytes moved
        /// are those pushed but for the dropped rests; busy + idle = span.
        #[test]
        fn equals_a_slow_engine(ops in ops(), flash in any::<bool>(), chunk in prop::option::of(1_u64..50), delay in 0_u64..3) {
            let channel = if flash { drive() } else { link() };
            let mut slow = Slow::new(channel, chunk, delay);
            let mut fast = Fast::new(channel, chunk, delay);
            let (mut tags, mut owed) = (0, 0);
            for op in ops {
                let now = slow.now;
                match op {
                    Op::Push(class, bytes) => {
                        slow.push(tags, class, bytes);
                        fast.push(tags, class, bytes);
                        (tags, owed) = (tags + 1, owed + bytes);
                    }
                    Op::Promote(at) if at < slow.items.len() => {
                        slow.promote(at);
                        fast.engine.promote(slow.items[at].tag);
                    }
                    Op::Cancel(at) if at < slow.items.len() => {
                        let dropped = slow.items[at];
                        let in_vain = slow.cancel(at);
                        owed -= if slow.items[at].cancelled && !dropped.cancelled { dropped.left } else { 0 };
                        prop_assert_eq!(fast.engine.cancel(dropped.tag), Bytes::new(in_vain));
                    }
                    Op::Wait(ns) => {
                        slow.run_to(now + ns);
                        fast.run_to(now, now + ns);
                    }
                    Op::Promote(_) | Op::Cancel(_) => {}
                }
                let now = slow.now;
                if delay == 0 {
                    let mut later = slow.clone();
                    later.push(u32::MAX, Class::Demand, 7);
                    later.run_to(u64::MAX);
                    let (start, ..) = *later.starts.iter().find(|start| start.1 == u32::MAX).unwrap();
                    prop_assert_eq!(fast.engine.backlog(SimTime::from_ns(now)).as_ns(), start - now);
                }
                slow.run_to(now);
                fast.run_to(now, now);
                prop_assert_eq!(fast.engine.is_idle(), slow.running.is_none());
                let books = fast.engine.usage("h2d", SimDuration::from_ns(now));
                prop_assert_eq!((books.busy_ns, books.busy_ns + books.idle_ns), (slow.busy, now));
            }
            fast.run_to(slow.now, u64::MAX);
            slow.run_to(u64::MAX);
            prop_assert_eq!(&fast.starts, &slow.starts);
            prop_assert_eq!(&fast.ends, &slow.ends);
            prop_assert_eq!((fast.engine.bytes().get(), slow.moved), (owed, owed));
        }

        /// Whole demands alone are served as by the serial device, to the nanosecond and in the books.
        #[test]
        fn demands_alone_are_serial(jobs in prop::collection::vec((0_u64..50, 0_u64..40), 1..100)) {
            let mut fast = Fast::new(link(), None, 0);
            let mut serial = SerialDevice::default();
            let (mut now, mut ends) = (0, Vec::new());
            for ((gap, bytes), tag) in jobs.into_iter().zip(0..) {
                fast.run_to(now, now + gap);
                now += gap;
                fast.push(tag, Class::Demand, bytes);
                fast.run_to(now, now);
                let duration = link().time(Bytes::new(bytes), 1);
                let job = serial.submit(SimTime::from_ns(now), duration, Bytes::new(bytes));
                ends.push((job.end.as_ns(), tag, Class::Demand));
            }
            fast.run_to(now, u64::MAX);
            prop_assert_eq!(fast.ends, ends);
            let span = serial.free_at().since(SimTime::ZERO);
            prop_assert_eq!(fast.engine.usage("h2d", span), serial.usage("h2d", span));
        }
    }

    /// 100 bytes of prefetch in chunks of 40; a demand at 10 ns waits for the first chunk alone (3 + 40 ns), and the
    /// rest follows in chunks of 40 and 20.
    #[test]
    fn a_demand_waits_for_one_chunk() {
        let mut fast = Fast::new(link(), Some(40), 0);
        fast.push(0, Class::Prefetch, 100);
        fast.run_to(0, 10);
        assert_eq!(fast.engine.backlog(SimTime::from_ns(10)), SimDuration::from_ns(33));
        fast.push(1, Class::Demand, 30);
        fast.run_to(10, u64::MAX);
        assert_eq!(fast.ends, [(76, 1, Class::Demand), (142, 0, Class::Prefetch)]);
    }
}
