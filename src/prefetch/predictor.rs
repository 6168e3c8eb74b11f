//! The predictor trait. A predictor only guesses; the mechanism ([`super::Prefetcher`]) owns the budget, what is on its
//! way and what is dropped, so a wrong predictor wastes transfers but cannot break conservation.

/// One routed layer event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed<'a> {
    /// MoE layer, from 0.
    pub layer: u32,
    /// What it asked for, each expert once, in order of first appearance.
    pub experts: &'a [u32],
    /// Number of the pass, rising by one from pass to pass within a sequence.
    pub pass: u64,
}

/// A question: what will a layer ahead ask for?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The layer that was routed last.
    pub from_layer: u32,
    /// The layer asked about.
    pub target: u32,
    /// Layers from the one to the other, at least 1; the target is in the next pass where it is not above `from_layer`.
    pub distance: u32,
    /// Number of the pass that the target event belongs to.
    pub pass: u64,
    /// Most experts to name.
    pub limit: usize,
    /// What the target event will really ask for, each expert once, in order of first appearance. Empty unless the
    /// predictor's registry row says that it needs the truth.
    pub truth: &'a [u32],
}

/// A guess at which experts the layers ahead will ask for.
pub trait Predictor: Send {
    /// A new sequence begins: what was seen of the one before is its past no longer. What a predictor keeps of earlier
    /// sequences, its registry row declares by [`super::PredictorRow::learns`].
    fn begin_sequence(&mut self);

    /// A layer event of the running sequence was routed. Events come in the order of passes and layers.
    fn observe(&mut self, seen: &Observed<'_>);

    /// Appends the experts of `ask.target` to `out`, which is empty, the most probable first: at most `ask.limit`, none
    /// twice, the lower number first among equals. It may name none.
    fn predict(&mut self, ask: &Ask<'_>, out: &mut Vec<u32>);
}
