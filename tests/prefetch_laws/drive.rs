//! Drives a predictor by hand, and a prefetcher by random steps that a simulator could take.

use std::collections::BTreeSet;

use moesim::metrics::PrefetchCounts;
use moesim::prefetch::{
    Ask, Claim, Observed, Predictor, PredictorInput, PredictorNeeds, PredictorRegistry, PrefetchShape,
    Prefetcher, Profile, Request,
};
use proptest::prelude::*;

/// A built-in predictor with a recall of one half.
pub(crate) fn build(name: &str, layers: u32, experts: u32, profile: Option<&Profile>) -> Box<dyn Predictor> {
    let registry = PredictorRegistry::default();
    let row = registry.find(name).unwrap();
    (row.build)(&PredictorInput { layers, experts, top_k: 2, seed: 1, recall_ppm: &[500_000], profile })
}

/// What a built-in predictor must be told.
pub(crate) fn needs(name: &str) -> PredictorNeeds {
    PredictorRegistry::default().find(name).unwrap().needs
}

/// Observes an event.
pub(crate) fn observe(predictor: &mut dyn Predictor, pass: u64, layer: u32, experts: &[u32]) {
    predictor.observe(&Observed { layer, experts, pass });
}

/// What it says of a target, told no truth.
pub(crate) fn predict(
    predictor: &mut dyn Predictor,
    from_layer: u32,
    target: u32,
    distance: u32,
    limit: usize,
) -> Vec<u32> {
    let mut out = Vec::new();
    predictor.predict(&Ask { from_layer, target, distance, pass: 0, limit, truth: &[] }, &mut out);
    out
}

/// A random run: the shape of the prefetcher, its predictor, and what every event asks for.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) shape: PrefetchShape,
    pub(crate) predictor: &'static str,
    /// Passes of each sequence, each a list of layer events.
    pub(crate) sequences: Vec<Vec<Vec<Vec<u32>>>>,
    /// Objects that the cache holds.
    pub(crate) resident: BTreeSet<u32>,
    /// Transfers that begin, and transfers that end, after each plan, in turn.
    pub(crate) speeds: Vec<(usize, usize)>,
}

pub(crate) fn runs() -> impl Strategy<Value = Run> {
    let shape = (1_u32..5, 2_u32..7, 0_u64..40, 0_u32..6, 0_u32..5);
    let predictors = proptest::sample::select(vec![
        "none",
        "previous-token",
        "popularity",
        "gate-lookahead",
        "transition",
        "activation-matrix",
        "oracle",
    ]);
    (shape, predictors).prop_flat_map(|((layers, experts, budget, depth, limit), predictor)| {
        let all: Vec<u32> = (0..experts).collect();
        let event = proptest::sample::subsequence(all, 1..=experts as usize).prop_shuffle();
        let pass = proptest::collection::vec(event, layers as usize);
        let sequence = proptest::collection::vec(pass, 1..6);
        let sequences = proptest::collection::vec(sequence, 1..4);
        let sizes = proptest::collection::vec(1_u64..9, layers as usize);
        let resident = proptest::collection::btree_set(0..layers * experts, 0..6);
        let speeds = proptest::collection::vec((0_usize..4, 0_usize..4), 1..9);
        (sequences, sizes, resident, speeds).prop_map(move |(sequences, sizes, resident, speeds)| {
            let shape = PrefetchShape { layers, experts, sizes, budget, depth, limit };
            Run { shape, predictor, sequences, resident, speeds }
        })
    })
}

/// The links as a simulator would keep them: what waits, and what is on its way.
#[derive(Debug, Default)]
struct Links {
    waiting: Vec<Request>,
    moving: Vec<Request>,
}

impl Links {
    /// Takes a transfer back; the bytes it had moved, half of them where it had begun.
    fn take_back(&mut self, object: u32) -> Option<u64> {
        self.waiting.retain(|request| request.object != object);
        let at = self.moving.iter().position(|request| request.object == object)?;
        Some(self.moving.remove(at).bytes / 2)
    }
}

/// Steps through a run and checks after each step what must hold then.
pub(crate) struct Driver<'a> {
    run: &'a Run,
    pub(crate) prefetcher: Prefetcher,
    links: Links,
    expected: PrefetchCounts,
    step: usize,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(run: &'a Run) -> Self {
        let predictor = build(run.predictor, run.shape.layers, run.shape.experts, None);
        let prefetcher = Prefetcher::new(run.shape.clone(), predictor, needs(run.predictor));
        Self { run, prefetcher, links: Links::default(), expected: PrefetchCounts::default(), step: 0 }
    }

    /// The whole run; the counts at its end.
    pub(crate) fn finish(&mut self) -> PrefetchCounts {
        let mut pass = 0;
        for sequence in &self.run.sequences {
            self.prefetcher.begin_sequence();
            for at in 0..sequence.len() {
                for layer in 0..self.run.shape.layers {
                    self.event(sequence, at, layer, pass);
                }
                pass += 1;
            }
            let mut cancelled = Vec::new();
            self.prefetcher.end_of_sequence(&mut cancelled);
            self.cancel(&cancelled);
            assert_eq!((self.prefetcher.held(), self.prefetcher.held_bytes()), (0, 0));
        }
        self.prefetcher.counts()
    }

    fn event(&mut self, sequence: &[Vec<Vec<u32>>], at: usize, layer: u32, pass: u64) {
        let (run, layers) = (self.run, self.run.shape.layers);
        let experts = &sequence[at][layer as usize];
        self.prefetcher.observe(&Observed { layer, experts, pass });
        for expert in experts {
            let object = layer * run.shape.experts + expert;
            if !run.resident.contains(&object) {
                let held = self.prefetcher.state(object);
                assert_eq!(self.prefetcher.claim(object), held);
                self.expected.used += u64::from(held != Claim::Absent);
                self.expected.late += u64::from(matches!(held, Claim::Waiting | Claim::InFlight));
                self.links.take_back(object);
                assert_eq!(self.prefetcher.claim(object), Claim::Absent, "claimed twice");
            }
        }
        let mut cancelled = Vec::new();
        let before = self.held_of(layer);
        self.prefetcher.event_over(layer, &mut cancelled);
        assert!(cancelled.iter().all(|object| before.contains(object)));
        assert!(self.held_of(layer).is_empty());
        self.cancel(&cancelled);
        self.plan(sequence, at, layer);
        let (starts, ends) = run.speeds[self.step % run.speeds.len()];
        self.step += 1;
        for request in self.links.waiting.drain(..starts.min(self.links.waiting.len())) {
            self.prefetcher.started(request.object);
            self.links.moving.push(request);
        }
        for request in self.links.moving.drain(..ends.min(self.links.moving.len())) {
            self.prefetcher.arrived(request.object);
            assert_eq!(self.prefetcher.state(request.object), Claim::Ready);
        }
        self.conserved(u64::from(layers));
    }

    fn plan(&mut self, sequence: &[Vec<Vec<u32>>], at: usize, layer: u32) {
        let (run, shape) = (self.run, &self.run.shape);
        let left =
            (sequence.len() - at - 1) as u64 * u64::from(shape.layers) + u64::from(shape.layers - 1 - layer);
        let mut requests = Vec::new();
        let truth = |target: moesim::prefetch::Target, out: &mut Vec<u32>| {
            assert!(needs(run.predictor).truth, "the truth for a predictor that needs none");
            out.extend(&sequence[at + usize::from(target.next_pass)][target.layer as usize]);
        };
        let resident = |object| run.resident.contains(&object);
        self.prefetcher.plan(layer, left, truth, resident, &mut requests);
        for request in requests {
            let of = request.object / shape.experts;
            assert!(!run.resident.contains(&request.object), "a resident expert was requested");
            assert_eq!(request.bytes, shape.sizes[of as usize]);
            assert_eq!(self.prefetcher.state(request.object), Claim::Waiting);
            let on_its_way = self.links.waiting.iter().chain(&self.links.moving);
            assert!(on_its_way.into_iter().all(|other| other.object != request.object), "requested twice");
            let distance = if of > layer { of - layer } else { of + shape.layers - layer };
            assert!(distance <= shape.depth && u64::from(distance) <= left, "beyond its reach");
            self.expected.issued += 1;
            self.expected.issued_bytes += request.bytes;
            self.links.waiting.push(request);
        }
    }

    fn cancel(&mut self, cancelled: &[u32]) {
        for object in cancelled {
            match self.links.take_back(*object) {
                Some(moved) => {
                    self.prefetcher.wasted(moved);
                    self.expected.wasted_bytes += moved;
                }
                None => self.expected.cancelled += 1,
            }
        }
    }

    /// Objects of a layer that the buffer holds or awaits.
    fn held_of(&self, layer: u32) -> Vec<u32> {
        let objects = layer * self.run.shape.experts..(layer + 1) * self.run.shape.experts;
        objects.filter(|object| self.prefetcher.state(*object) != Claim::Absent).collect()
    }

    fn conserved(&self, layers: u64) {
        let (shape, counts) = (&self.run.shape, self.prefetcher.counts());
        let held: Vec<u32> =
            (0..u32::try_from(layers).unwrap()).flat_map(|layer| self.held_of(layer)).collect();
        let bytes: u64 = held.iter().map(|object| shape.sizes[(object / shape.experts) as usize]).sum();
        assert_eq!((self.prefetcher.held(), self.prefetcher.held_bytes()), (held.len() as u64, bytes));
        assert!(bytes <= shape.budget, "{bytes} bytes in a buffer of {}", shape.budget);
        assert_eq!(counts.issued, counts.used + counts.cancelled + counts.wasted + self.prefetcher.held());
        let passed_over = counts.already_resident + counts.already_held + counts.dropped_for_budget;
        assert_eq!(counts.predicted, counts.issued + passed_over);
        let Self { expected, .. } = self;
        assert_eq!((counts.used, counts.late), (expected.used, expected.late));
        assert_eq!((counts.issued, counts.issued_bytes), (expected.issued, expected.issued_bytes));
        assert_eq!(counts.cancelled, expected.cancelled);
        assert!(counts.wasted_bytes >= expected.wasted_bytes);
    }
}
