//! The earlier sequence that resembles this one most.
//!
//! MoE-Infinity (Xue et al., 2024, arXiv 2401.14361; engine `TorchMoE/MoE-Infinity`): a sequence is its matrix of
//! activation counts, layer by expert. The running sequence's matrix is held against a collection of earlier ones by the
//! mean over layers of the cosine of their rows, and the best match's counts for the target layer are the prediction,
//! highest first. Where there is no match, or it says nothing of that layer, the running sequence's own counts are.
//!
//! Parameter: a profile. With one, the collection is its sequences, spread evenly where they are too many, and stays as
//! it is; without, each sequence joins it when the next begins, and where it is full the one matched least often goes, as
//! in the engine (the paper clusters instead). The engine weighs layers ahead by their distance, which changes nothing
//! within one layer; it counts tokens where this counts layer events, which differs in prompts alone.
//!
//! Cosines are fixed-point numbers of 30 bits. They are kept up with each event instead of computed anew: an event moves
//! one row, and so one cosine for each member of the collection.

use crate::prefetch::ranking::Ranking;
use crate::prefetch::{Ask, Observed, Predictor, Profile};

/// Most matrices in the collection.
const COLLECTION: usize = 64;
/// Bits behind the point of a cosine and of the entries of a row of length one.
const BITS: u32 = 30;

/// Matches the running sequence with earlier ones.
#[derive(Clone, Debug)]
pub struct ActivationMatrix {
    layers: usize,
    experts: usize,
    learns: bool,
    /// Places in the collection, and how many are taken, from the first.
    places: usize,
    taken: usize,
    /// Counts of each member: `[place][layer][expert]`.
    counts: Vec<u32>,
    /// The same with each row scaled to length one: `[layer][expert][place]`, so that one event reads few lines.
    unit: Vec<u32>,
    /// How often each member was the best match.
    matched: Vec<u64>,
    running: Running,
    best: Option<usize>,
    ranking: Ranking,
}

/// The running sequence and what it has in common with each member.
#[derive(Clone, Debug)]
struct Running {
    /// Activation counts, `[layer][expert]`.
    counts: Vec<u32>,
    /// Sum of squares of each row.
    squares: Vec<u64>,
    /// Products of rows, running with unit, `[layer][place]`, and the cosines that they come to.
    products: Vec<u64>,
    cosines: Vec<u64>,
    /// Sum of the cosines of all layers, by place.
    similarity: Vec<u64>,
}

impl Running {
    fn clear(&mut self) {
        self.counts.fill(0);
        for numbers in [&mut self.squares, &mut self.products, &mut self.cosines, &mut self.similarity] {
            numbers.fill(0);
        }
    }
}

impl ActivationMatrix {
    /// For this many layers and experts per layer, with a profile of the same shape or none.
    pub fn new(layers: u32, experts: u32, profile: Option<&Profile>) -> Self {
        let (layers, experts) = (layers as usize, experts as usize);
        let objects = layers * experts;
        let places = profile.map_or(COLLECTION, |profile| profile.sequences().min(COLLECTION));
        let mut new = Self {
            layers,
            experts,
            learns: profile.is_none(),
            places,
            taken: 0,
            counts: vec![0; places * objects],
            unit: vec![0; places * objects],
            matched: vec![0; places],
            running: Running {
                counts: vec![0; objects],
                squares: vec![0; layers],
                products: vec![0; layers * places],
                cosines: vec![0; layers * places],
                similarity: vec![0; places],
            },
            best: None,
            ranking: Ranking::default(),
        };
        if let Some(profile) = profile {
            for place in 0..places {
                new.store(place, profile.sequence(place * profile.sequences() / places));
            }
            new.taken = places;
        }
        new
    }

    /// Puts a matrix into a place of the collection.
    fn store(&mut self, place: usize, matrix: &[u32]) {
        let objects = self.layers * self.experts;
        self.counts[place * objects..(place + 1) * objects].copy_from_slice(matrix);
        self.matched[place] = 1;
        for (layer, row) in matrix.chunks_exact(self.experts).enumerate() {
            let squares: u128 = row.iter().map(|count| u128::from(*count).pow(2)).sum();
            // The row's length with as many bits behind the point as the quotient keeps and two to spare.
            let length = (squares << (2 * (BITS + 2))).isqrt().max(1);
            for (expert, count) in row.iter().enumerate() {
                let scaled = (u128::from(*count) << (2 * BITS + 2)) / length;
                let at = (layer * self.experts + expert) * self.places + place;
                self.unit[at] = u32::try_from(scaled).unwrap_or(u32::MAX);
            }
        }
    }

    /// The running sequence joins the collection.
    fn learn(&mut self) {
        let least = (0..self.taken).min_by_key(|place| self.matched[*place]).unwrap_or(0);
        let place = if self.taken < self.places { self.taken } else { least };
        let matrix = std::mem::take(&mut self.running.counts);
        self.store(place, &matrix);
        self.running.counts = matrix;
        self.taken = self.taken.max(place + 1);
    }

    /// Takes the products of `layer` to cosines, and their change into the similarity of each member.
    fn compare(&mut self, layer: usize) {
        let running = &mut self.running;
        // One over the length of the running row: products are multiplied by it, which is far cheaper than to divide.
        let length = (u128::from(running.squares[layer]) << (2 * BITS)).isqrt().max(1);
        let inverse = u64::try_from((1_u128 << (3 * BITS)) / length).unwrap_or(u64::MAX);
        let of_layer = layer * self.places..layer * self.places + self.taken;
        let cosines = running.cosines[of_layer.clone()].iter_mut();
        let products = &running.products[of_layer];
        for ((cosine, product), similarity) in cosines.zip(products).zip(&mut running.similarity) {
            let now =
                u64::try_from((u128::from(*product) * u128::from(inverse)) >> (2 * BITS)).unwrap_or(u64::MAX);
            *similarity = *similarity - *cosine + now;
            *cosine = now;
        }
        self.best = None;
    }

    /// The member most like the running sequence, the first among equals; `None` where none is like it at all.
    fn best_match(&mut self) -> Option<usize> {
        if self.best.is_none() {
            let similarity = &self.running.similarity[..self.taken];
            let best = (0..self.taken).rev().max_by_key(|place| similarity[*place]);
            self.best = best.filter(|place| similarity[*place] > 0);
            self.best.iter().for_each(|place| self.matched[*place] += 1);
        }
        self.best
    }
}

impl Predictor for ActivationMatrix {
    fn begin_sequence(&mut self) {
        if self.learns && self.running.squares.iter().any(|squares| *squares > 0) {
            self.learn();
        }
        self.running.clear();
        self.best = None;
    }

    fn observe(&mut self, seen: &Observed<'_>) {
        let layer = seen.layer as usize;
        let products = &mut self.running.products[layer * self.places..layer * self.places + self.taken];
        for expert in seen.experts {
            let object = layer * self.experts + *expert as usize;
            let count = &mut self.running.counts[object];
            if *count == u32::MAX {
                continue;
            }
            self.running.squares[layer] += 2 * u64::from(*count) + 1;
            *count += 1;
            let unit = &self.unit[object * self.places..object * self.places + products.len()];
            products.iter_mut().zip(unit).for_each(|(product, entry)| *product += u64::from(*entry));
        }
        self.compare(layer);
    }

    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>) {
        let target = ask.target as usize * self.experts..(ask.target as usize + 1) * self.experts;
        if let Some(place) = self.best_match() {
            let objects = self.layers * self.experts;
            let member = &self.counts[place * objects..(place + 1) * objects];
            let scores = member[target.clone()].iter().map(|count| u64::from(*count));
            self.ranking.best(scores, ask.limit, out);
        }
        if out.is_empty() {
            let scores = self.running.counts[target].iter().map(|count| u64::from(*count));
            self.ranking.best(scores, ask.limit, out);
        }
    }
}
