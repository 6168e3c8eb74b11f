//! Admission: whether what has missed comes to stay. It is an axis of its own beside the policy's order of eviction.
//!
//! What is refused is fetched and used like any other, but leaves at the end of its event, and the policy never hears of
//! it (or, where only the end of the event decides, hears that it was taken back).

/// When a missing expert is taken into the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Always.
    #[default]
    Always,
    /// On its second miss within as many misses of its pool as the pool has slots (Maggs and Sitaraman, "Algorithmic
    /// nuggets in content delivery", 2015, keep one-hit wonders out so; the window is that of 2Q's ghost queue).
    SecondHit,
    /// Never by an event that is larger than its pool, which would evict everything else: such an event passes through.
    BypassLargeEvents,
}

impl Admission {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("always", Self::Always),
        ("second-hit", Self::SecondHit),
        ("bypass-large-events", Self::BypassLargeEvents),
    ];
}

/// What the gate remembers of a whole cache.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) kind: Admission,
    /// Misses of each pool so far.
    misses: Vec<u64>,
    /// By object: the number of the pool's miss that was refused last, from 1.
    refused: Vec<u64>,
    /// Objects that this event has found missing and that may have to leave when it ends.
    pub(super) provisional: Vec<u32>,
    /// Bytes of this event's unpinned experts.
    pub(super) event_bytes: u64,
}

impl Gate {
    pub(super) fn new(kind: Admission, pools: u32, objects: u32) -> Self {
        Self {
            kind,
            misses: vec![0; pools as usize],
            refused: vec![0; objects as usize],
            provisional: Vec::new(),
            event_bytes: 0,
        }
    }

    pub(super) fn begin_event(&mut self) {
        self.provisional.clear();
        self.event_bytes = 0;
    }

    /// Whether a miss of `object` is admitted into a pool of so many slots, as far as can be told before the event ends.
    pub(super) fn admits(&mut self, pool: usize, object: u32, slots: u32) -> bool {
        if self.kind != Admission::SecondHit {
            return true;
        }
        self.misses[pool] += 1;
        let last = std::mem::replace(&mut self.refused[object as usize], self.misses[pool]);
        last > 0 && self.misses[pool] - last <= u64::from(slots)
    }
}
