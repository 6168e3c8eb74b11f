//! LeCaR (Vietri, Rodriguez, Martinez, Lyons, Liu, Rangaswami, Zhao and Narasimhan, "Driving cache replacement with
//! ML-based LeCaR", HotStorage 2018).
//!
//! Each victim is chosen by LRU or by LFU, drawn by their weights, and remembered with the one that chose it. A miss that
//! is remembered was that one's mistake, and its weight falls, the more the fresher the mistake.
//!
//! Parameters are the authors': learning rate 0.45, discount 0.005^(1/N) for each access since the eviction, N being the
//! slots (`cache/regret.rs`). What the paper leaves open is as in the program they have published with CACHEUS (Rodriguez et
//! al., FAST 2021): each of the two memories holds half as many names as the cache has slots; a use count lives on in the
//! memory, and a miss found there adds to it; a victim on which both agree is nobody's mistake and not remembered; weights
//! stay between 0.01 and 0.99. Ties of LFU go to the least recently used (in that program to the lowest page number).
//! libCacheSim's LeCaR is another: it forgets the count with the eviction, and so misses more where popularity is skewed.
//!
//! Weights are fixed-point numbers, so runs are the same on every machine. Draws come from the stream `(seed, LeCaR's
//! choices, pool)`.
//!
//! In a cycle of layers longer than the cache every count is one, LRU and LFU agree on the oldest, nothing is remembered
//! and nothing hit. Where the cache is somewhat larger, experts with a second use break the cycle for LFU.
//!
//! With group-atomic events an object's first appearance is the access, its later ones in the event are none, and the
//! clock that ages mistakes counts accesses, not events.

use rand::Rng;

use crate::cache::regret::Weights;
use crate::cache::{Access, Candidates, IndexedHeap, NEVER, NOWHERE, Policy, SegmentList};
use crate::rng::Xoshiro256PlusPlus;

/// Resident objects, least recently used first.
const RECENT: u32 = 0;
/// What LRU alone chose to evict, longest ago first.
const BY_LRU: u32 = 1;
/// What LFU alone chose to evict, longest ago first.
const BY_LFU: u32 = 2;

/// Names in each memory for a hundred slots, from the authors' program.
const MEMORY_PERCENT: u64 = 50;

#[derive(Clone, Copy, Debug)]
struct Record {
    event: u64,
    uses: u64,
    /// The access that used it last, or made it leave.
    access: u64,
}

/// Draws between LRU and LFU by weights that fall with regret.
#[derive(Clone, Debug)]
pub struct LeCaR {
    records: Vec<Record>,
    recency: SegmentList<3>,
    /// By uses, then by the last of them. Hits since are looked up only when an object comes first, since they can but
    /// move it back. The newcomers of the event wait outside, where they are not in the way.
    frequency: IndexedHeap<(u64, u64)>,
    event: u64,
    newcomers: Vec<u32>,
    weights: Weights,
    rng: Xoshiro256PlusPlus,
    accesses: u64,
    slots: u32,
    /// The memory that the victim just named belongs to; nowhere where LRU and LFU agreed.
    memory: u32,
}

impl LeCaR {
    /// Over the objects `0..objects`, in a pool of so many slots, drawing from `rng`.
    pub fn new(objects: u32, slots: u32, rng: Xoshiro256PlusPlus) -> Self {
        Self {
            records: vec![Record { event: NEVER, uses: 0, access: 0 }; objects as usize],
            recency: SegmentList::new(objects),
            frequency: IndexedHeap::new(objects),
            event: NEVER,
            newcomers: Vec::with_capacity(objects as usize),
            weights: Weights::default(),
            rng,
            accesses: 0,
            slots,
            memory: NOWHERE,
        }
    }

    /// The allowed object of the fewest uses, the least recently used among equals.
    #[inline]
    fn rarest(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        loop {
            let first = self.frequency.first_allowed(candidates)?;
            let Record { uses, access, .. } = self.records[first as usize];
            if self.frequency.key(first) == Some((uses, access)) {
                return Some(first);
            }
            self.frequency.set(first, (uses, access));
        }
    }

    /// One more access, in this event.
    #[inline]
    fn note(&mut self, event: u64) {
        self.accesses += 1;
        if event != self.event {
            self.event = event;
            while let Some(object) = self.newcomers.pop() {
                if self.recency.segment(object) == RECENT {
                    let Record { uses, access, .. } = self.records[object as usize];
                    self.frequency.set(object, (uses, access));
                }
            }
        }
    }
}

impl Policy for LeCaR {
    #[inline]
    fn on_hit(&mut self, object: u32, access: &Access) {
        if self.records[object as usize].event == access.event {
            return;
        }
        self.note(access.event);
        let uses = self.records[object as usize].uses + 1;
        self.records[object as usize] = Record { event: access.event, uses, access: self.accesses };
        self.recency.move_to_back(RECENT, object);
    }

    #[inline]
    fn on_insert(&mut self, object: u32, access: &Access) {
        self.note(access.event);
        let record = self.records[object as usize];
        let memory = self.recency.segment(object);
        let uses = if memory == NOWHERE {
            1
        } else {
            self.weights.regret(memory == BY_LRU, self.accesses - record.access, self.slots);
            record.uses + 1
        };
        self.records[object as usize] = Record { event: access.event, uses, access: self.accesses };
        self.recency.move_to_back(RECENT, object);
        self.newcomers.push(object);
    }

    fn on_remove(&mut self, object: u32) {
        self.recency.remove(object);
        self.frequency.remove(object);
    }

    #[inline]
    fn on_evict(&mut self, object: u32) {
        self.on_remove(object);
        if self.memory != NOWHERE {
            self.records[object as usize].access = self.accesses;
            self.recency.push_back(self.memory, object);
            let names = u64::from(self.slots) * MEMORY_PERCENT / 100;
            self.recency.shorten(self.memory, u32::try_from(names).unwrap_or(u32::MAX));
        }
    }

    fn on_capacity(&mut self, slots: u32) {
        self.slots = slots;
    }

    #[inline]
    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        let oldest = self.recency.iter(RECENT).find(|object| candidates.allows(*object));
        let rarest = self.rarest(candidates).or(oldest);
        let lru = self.weights.lru_wins(self.rng.next_u64());
        self.memory = match (oldest == rarest, lru) {
            (true, _) => NOWHERE,
            (false, true) => BY_LRU,
            (false, false) => BY_LFU,
        };
        if lru { oldest } else { rarest }
    }
}
