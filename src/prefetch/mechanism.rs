//! The mechanism: what is requested ahead, how many bytes of VRAM that takes, and what is dropped.
//!
//! # Semantics
//!
//! After a layer event the predictor is asked about each layer up to `depth` ahead, the nearest first, into the next
//! pass where the last layer lies between. What the cache holds, what the buffer holds or awaits, and what would exceed
//! the budget is passed over; the rest is requested. A request takes its bytes of the budget at once, since it needs a
//! place to arrive in.
//!
//! An entry waits for exactly one event: the next one of its layer. There it is claimed, by a lookup that the cache
//! missed, and moves into the cache; or the event passes it by and it is dropped. So the buffer never holds an expert for
//! longer than one pass, and a depth beyond one whole pass means one whole pass.
//!
//! What it leaves out: time, priorities and the link. The caller moves the bytes.

use super::{Ask, Observed, Predictor, PredictorNeeds};
use crate::metrics::PrefetchCounts;

/// What the buffer has of an expert that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: it was not requested.
    #[default]
    Absent,
    /// It was requested, but its transfer has not begun.
    Waiting,
    /// It is on its way.
    InFlight,
    /// It is there.
    Ready,
}

/// Sizes and limits of a prefetcher. An object is `layer * experts + expert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefetchShape {
    /// MoE layers.
    pub layers: u32,
    /// Experts per layer.
    pub experts: u32,
    /// Bytes of one expert, by layer.
    pub sizes: Vec<u64>,
    /// Bytes of the prefetch buffer.
    pub budget: u64,
    /// Layers ahead, at most `layers`; 0 turns prefetching off.
    pub depth: u32,
    /// Most experts to predict for one layer event; 0 turns prefetching off.
    pub limit: u32,
}

/// An expert to be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// `layer * experts + expert`.
    pub object: u32,
    /// Its size.
    pub bytes: u64,
}

/// A layer event ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its layer.
    pub layer: u32,
    /// Layers from the event that is planned from, at least 1.
    pub distance: u32,
    /// It belongs to the next pass of the sequence.
    pub next_pass: bool,
}

/// Turns guesses into requests within a budget of bytes, and keeps account of them.
pub struct Prefetcher {
    shape: PrefetchShape,
    predictor: Box<dyn Predictor>,
    needs: PredictorNeeds,
    state: Vec<Claim>,
    /// What was requested for the next event of each layer, claimed entries included until the event is over.
    requested: Vec<Vec<u32>>,
    held: u64,
    held_bytes: u64,
    pass: u64,
    counts: PrefetchCounts,
    guesses: Vec<u32>,
    truth: Vec<u32>,
}

impl Prefetcher {
    /// An empty buffer. `needs` is what the predictor's registry row says. Panics unless there is a size for each layer.
    pub fn new(mut shape: PrefetchShape, predictor: Box<dyn Predictor>, needs: PredictorNeeds) -> Self {
        assert_eq!(shape.sizes.len(), shape.layers as usize, "one size per layer");
        shape.depth = shape.depth.min(shape.layers);
        Self {
            state: vec![Claim::Absent; shape.layers as usize * shape.experts as usize],
            requested: vec![Vec::new(); shape.layers as usize],
            shape,
            predictor,
            needs,
            held: 0,
            held_bytes: 0,
            pass: 0,
            counts: PrefetchCounts::default(),
            guesses: Vec::new(),
            truth: Vec::new(),
        }
    }

    /// Whether it ever predicts anything. Where not, every call returns at once.
    pub fn is_active(&self) -> bool {
        self.shape.depth > 0 && self.shape.limit > 0
    }

    /// A new sequence begins. What the buffer holds for the one before is dropped by [`Prefetcher::end_of_sequence`].
    pub fn begin_sequence(&mut self) {
        if self.is_active() {
            self.predictor.begin_sequence();
        }
    }

    /// Tells the predictor of a routed layer event.
    #[inline]
    pub fn observe(&mut self, seen: &Observed<'_>) {
        if self.is_active() {
            self.pass = seen.pass;
            self.predictor.observe(seen);
        }
    }

    /// Appends to `out` what to load after the event of `from_layer`, the most urgent first.
    ///
    /// `events_left` is how many layer events of this sequence come after that one (0 after its last), so that nothing is
    /// loaded for a pass that will not be. `resident` says whether the cache holds an object. `truth` appends what a target
    /// will ask for, each expert once and in order of first appearance; it is called only for predictors that need it.
    pub fn plan(
        &mut self,
        from_layer: u32,
        events_left: u64,
        mut truth: impl FnMut(Target, &mut Vec<u32>),
        resident: impl Fn(u32) -> bool,
        out: &mut Vec<Request>,
    ) {
        if !self.is_active() {
            return;
        }
        let reach = u64::from(self.shape.depth).min(events_left);
        for distance in (1..=self.shape.depth).take_while(|distance| u64::from(*distance) <= reach) {
            let ahead = from_layer + distance;
            let next_pass = ahead >= self.shape.layers;
            let layer = if next_pass { ahead - self.shape.layers } else { ahead };
            self.truth.clear();
            if self.needs.truth {
                truth(Target { layer, distance, next_pass }, &mut self.truth);
            }
            self.guesses.clear();
            let ask = Ask {
                from_layer,
                target: layer,
                distance,
                pass: self.pass + u64::from(next_pass),
                limit: self.shape.limit as usize,
                truth: &self.truth,
            };
            self.predictor.predict(&ask, &mut self.guesses);
            self.request(layer, &resident, out);
        }
    }

    /// Turns the guesses for `layer` into requests.
    fn request(&mut self, layer: u32, resident: impl Fn(u32) -> bool, out: &mut Vec<Request>) {
        let PrefetchShape { experts, budget, limit, .. } = self.shape;
        let bytes = self.shape.sizes[layer as usize];
        // A predictor that names too many experts, or some that do not exist, is held to its contract here.
        let guesses = self.guesses.iter().filter(|expert| **expert < experts).take(limit as usize);
        for expert in guesses {
            let object = layer * experts + expert;
            self.counts.predicted += 1;
            if self.state[object as usize] != Claim::Absent {
                self.counts.already_held += 1;
            } else if resident(object) {
                self.counts.already_resident += 1;
            } else if bytes > budget - self.held_bytes {
                self.counts.dropped_for_budget += 1;
            } else {
                self.state[object as usize] = Claim::Waiting;
                self.requested[layer as usize].push(object);
                self.held += 1;
                self.held_bytes += bytes;
                self.counts.issued += 1;
                self.counts.issued_bytes += bytes;
                out.push(Request { object, bytes });
            }
        }
    }

    /// The transfer of a waiting entry begins. An object that the buffer does not await is left alone, here and in
    /// [`Prefetcher::arrived`]: it was claimed or dropped, and its transfer is the caller's own.
    #[inline]
    pub fn started(&mut self, object: u32) {
        let state = &mut self.state[object as usize];
        if *state == Claim::Waiting {
            *state = Claim::InFlight;
        }
    }

    /// The transfer of an entry ends: it is ready.
    #[inline]
    pub fn arrived(&mut self, object: u32) {
        let state = &mut self.state[object as usize];
        if *state != Claim::Absent {
            *state = Claim::Ready;
        }
    }

    /// The layer event asks for an object that the cache missed. The entry leaves the buffer for the cache and its bytes
    /// are free. Where it was waiting or in flight, the transfer is now the caller's: to promote, or to start anew.
    #[inline]
    pub fn claim(&mut self, object: u32) -> Claim {
        let found = self.release(object);
        if found != Claim::Absent {
            self.counts.used += 1;
            self.counts.late += u64::from(found != Claim::Ready);
        }
        found
    }

    /// Takes an entry out of the buffer.
    #[inline]
    fn release(&mut self, object: u32) -> Claim {
        let found = std::mem::take(&mut self.state[object as usize]);
        if found != Claim::Absent {
            self.held -= 1;
            self.held_bytes -= self.shape.sizes[(object / self.shape.experts) as usize];
        }
        found
    }

    /// The event of `layer` has claimed all it will: what was requested for it beyond that is dropped. Appended to
    /// `cancelled` are the objects whose transfer the caller must take back: those still waiting, and those in flight, for
    /// which it then tells [`Prefetcher::wasted`] how many bytes had moved.
    #[inline]
    pub fn event_over(&mut self, layer: u32, cancelled: &mut Vec<u32>) {
        for at in 0..self.requested[layer as usize].len() {
            let object = self.requested[layer as usize][at];
            match self.release(object) {
                Claim::Absent => {}
                Claim::Waiting => {
                    self.counts.cancelled += 1;
                    cancelled.push(object);
                }
                Claim::InFlight => {
                    self.counts.wasted += 1;
                    cancelled.push(object);
                }
                Claim::Ready => {
                    self.counts.wasted += 1;
                    self.counts.wasted_bytes += self.shape.sizes[layer as usize];
                }
            }
        }
        self.requested[layer as usize].clear();
    }

    /// Bytes that a dropped transfer had moved when it was cancelled.
    pub fn wasted(&mut self, bytes_moved: u64) {
        self.counts.wasted_bytes += bytes_moved;
    }

    /// The sequence is over: everything is dropped, as in [`Prefetcher::event_over`], layer by layer.
    pub fn end_of_sequence(&mut self, cancelled: &mut Vec<u32>) {
        (0..self.shape.layers).for_each(|layer| self.event_over(layer, cancelled));
    }

    /// What the buffer has of an object.
    pub fn state(&self, object: u32) -> Claim {
        self.state[object as usize]
    }

    /// Entries in the buffer: waiting, in flight and ready.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Bytes that they take of the budget.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Sizes and limits.
    pub fn shape(&self) -> &PrefetchShape {
        &self.shape
    }

    /// Counts since the beginning.
    pub fn counts(&self) -> PrefetchCounts {
        self.counts
    }
}
