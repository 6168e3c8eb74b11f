//! The copy engine again, nanosecond by nanosecond over a plain list: slow, and easy to see right.

use super::{Channel, Class};
use crate::units::Bytes;

#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) tag: u32,
    /// Served in the order of class, then of arrival in the class.
    pub(super) turn: (Class, usize),
    pub(super) left: u64,
    pub(super) moved: u64,
    pub(super) waits: bool,
    pub(super) cancelled: bool,
}

pub(super) type Starts = Vec<(u64, u32, Class, u64)>;
pub(super) type Ends = Vec<(u64, u32, Class)>;

/// The same engine without queues.
#[derive(Clone, Debug)]
pub(super) struct Slow {
    channel: Channel,
    chunk: u64,
    delay: u64,
    pub(super) now: u64,
    turns: usize,
    /// Items when the last piece began, and how many were outstanding with it.
    before: (usize, usize),
    pub(super) items: Vec<Item>,
    pub(super) running: Option<(usize, u64, u64)>,
    pub(super) busy: u64,
    pub(super) moved: u64,
    pub(super) starts: Starts,
    pub(super) ends: Ends,
}

impl Slow {
    pub(super) fn new(channel: Channel, chunk: Option<u64>, delay: u64) -> Self {
        let (items, starts, ends) = (Vec::new(), Vec::new(), Vec::new());
        let chunk = chunk.unwrap_or(u64::MAX);
        let (now, turns, running, busy, moved) = (0, 0, None, 0, 0);
        let before = (0, 0);
        Self { channel, chunk, delay, now, turns, before, items, running, busy, moved, starts, ends }
    }

    fn turn(&mut self, class: Class) -> (Class, usize) {
        self.turns += 1;
        (class, self.turns)
    }

    pub(super) fn push(&mut self, tag: u32, class: Class, bytes: u64) {
        let turn = self.turn(class);
        self.items.push(Item { tag, turn, left: bytes, moved: 0, waits: true, cancelled: false });
    }

    pub(super) fn promote(&mut self, at: usize) {
        let turn = self.turn(Class::Demand);
        let item = &mut self.items[at];
        if item.turn.0 == Class::Prefetch {
            item.turn = turn;
        }
    }

    pub(super) fn cancel(&mut self, at: usize) -> u64 {
        let runs = self.running.is_some_and(|(index, ..)| index == at);
        let item = &mut self.items[at];
        if item.turn.0 == Class::Demand || item.cancelled || !(item.waits || runs) {
            return 0;
        }
        (item.waits, item.cancelled) = (false, true);
        item.moved
    }

    fn start(&mut self) -> bool {
        let waiting = || self.items.iter().enumerate().filter(|(_, item)| item.waits);
        let outstanding = waiting().count();
        let Some((at, _)) = waiting().min_by_key(|(_, item)| item.turn) else { return false };
        let outstanding = if at < self.before.0 { outstanding.max(self.before.1) } else { outstanding };
        self.before = (self.items.len(), outstanding);
        let item = &mut self.items[at];
        let bytes = if item.turn.0 == Class::Prefetch { item.left.min(self.chunk) } else { item.left };
        (item.left, item.moved) = (item.left - bytes, item.moved + bytes);
        item.waits = item.left > 0;
        let time = self.channel.time(Bytes::new(bytes), outstanding).as_ns();
        self.running = Some((at, bytes, time + self.delay));
        self.starts.push((self.now, item.tag, item.turn.0, bytes));
        true
    }

    pub(super) fn run_to(&mut self, target: u64) {
        loop {
            if let Some((at, bytes, 0)) = self.running {
                (self.running, self.moved) = (None, self.moved + bytes);
                let item = self.items[at];
                if item.left == 0 && !item.cancelled {
                    self.ends.push((self.now, item.tag, item.turn.0));
                }
            }
            let works = self.running.is_some() || self.start();
            if matches!(self.running, Some((.., 0))) {
                continue;
            }
            if self.now == target || (!works && target == u64::MAX) {
                return;
            }
            self.now += 1;
            if let Some((.., left)) = &mut self.running {
                (*left, self.busy) = (*left - 1, self.busy + 1);
            }
        }
    }
}
