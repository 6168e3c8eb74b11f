//! Hit-rate curves: what each cache policy misses on one trace, at each capacity.

use serde::Serialize;

use super::PhaseCounts;

/// One sequence of the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CurveSequence {
    /// Category or prompt name; empty where not known.
    pub category: String,
    /// Tokens replayed.
    pub tokens: PhaseCounts,
    /// Lookups: each event asks once for each of its experts.
    pub lookups: PhaseCounts,
}

/// One capacity that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CurveCapacity {
    /// Share of all experts in parts per million: as asked for, else that of the room.
    pub share_ppm: u64,
    /// Experts of average size that fit.
    pub experts: u64,
    /// The same in the unit of the sizes: bytes where the size of an expert is known, else experts.
    pub room: u64,
}

/// What one policy missed at one capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CurvePoint {
    /// All misses.
    pub misses: PhaseCounts,
    /// Bytes of the experts missed; zero where their size is not known.
    pub miss_bytes: PhaseCounts,
    /// By sequence.
    pub by_sequence: Vec<PhaseCounts>,
    /// By layer.
    pub by_layer: Vec<PhaseCounts>,
    /// The most by which one event exceeded its pool's room, in the unit of the sizes.
    pub overshoot_max: u64,
    /// What the pools hold in all where that is more than was asked for, because every layer's share was raised to the
    /// experts of one token; else the capacity asked for.
    pub room: u64,
}

/// One policy over all capacities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PolicyCurve {
    /// The policy with what was added to it, as `layer-lru+floor` or `lru/second-hit`.
    pub name: String,
    /// No engine can run it: it knows the future, or has room without limit.
    pub is_bound: bool,
    /// It was profiled on the sequences that it is judged on.
    pub in_sample: bool,
    /// In the order of the capacities.
    pub points: Vec<CurvePoint>,
}

impl PolicyCurve {
    /// Whether an engine could do as well: neither a bound nor profiled on what it is judged on.
    pub fn is_candidate(&self) -> bool {
        !self.is_bound && !self.in_sample
    }
}

/// How the popularity of experts moves between the earlier and the later half of the trace, in each layer's hottest
/// quarter of experts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Share of the later half's selections that its own hottest experts serve, in parts per million.
    pub own_ppm: u64,
    /// Share that the earlier half's hottest experts serve.
    pub carried_ppm: u64,
}

/// Every policy on one trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TraceCurves {
    /// Name of the trace for reports, from its file.
    pub name: String,
    /// Model, as the trace says.
    pub model: String,
    /// Where the trace comes from, and its fingerprint.
    pub source: String,
    /// Licence of the trace; empty where not known.
    pub licence: String,
    /// MoE layers.
    pub layers: u64,
    /// Experts per layer.
    pub experts: u64,
    /// Experts per token.
    pub top_k: u64,
    /// Size of one expert by layer, in bytes; empty where not known, and sizes are then counted in experts.
    pub expert_bytes: Vec<u64>,
    /// What is replayed as one event (`layer` or `access`), what happens between sequences (`keep` or `clear`), and where
    /// profiles come from, in words.
    pub settings: Vec<(String, String)>,
    /// The sequences.
    pub sequences: Vec<CurveSequence>,
    /// Lookups by layer.
    pub lookups_by_layer: Vec<PhaseCounts>,
    /// First lookups of an expert, which miss at any capacity.
    pub compulsory: PhaseCounts,
    /// The capacities, in the order asked for.
    pub capacities: Vec<CurveCapacity>,
    /// The policies, in the order asked for.
    pub curves: Vec<PolicyCurve>,
    /// Lookups that a global LRU of so many slots serves and one of fewer does not, `[slots]` from 0 to all experts; an
    /// expert that is larger than the average takes more than one. First lookups are not among them.
    pub lru_needs: Vec<PhaseCounts>,
    /// The same for Belady's rule; empty where the experts' sizes differ.
    pub belady_needs: Vec<PhaseCounts>,
    /// How popularity moves; `None` where the trace is too short to tell.
    pub drift: Option<Drift>,
}

impl TraceCurves {
    /// All lookups.
    pub fn lookups(&self) -> PhaseCounts {
        self.sequences.iter().map(|sequence| sequence.lookups).sum()
    }

    /// All tokens.
    pub fn tokens(&self) -> PhaseCounts {
        self.sequences.iter().map(|sequence| sequence.tokens).sum()
    }

    /// Whether decode is what is judged: it is wherever the trace has any, else prompts are.
    pub fn judges_decode(&self) -> bool {
        self.lookups().decode > 0
    }

    /// The count of the phase that is judged.
    pub fn judged(&self, counts: PhaseCounts) -> u64 {
        if self.judges_decode() { counts.decode } else { counts.prefill }
    }

    /// Experts of one token in all layers: below so many slots LRU finds nothing again.
    pub fn cycle_experts(&self) -> u64 {
        self.layers * self.top_k
    }

    /// All experts of all layers.
    pub fn all_experts(&self) -> u64 {
        self.layers * self.experts
    }

    /// The curve of this name.
    pub fn curve(&self, name: &str) -> Option<&PolicyCurve> {
        self.curves.iter().find(|curve| curve.name == name)
    }

    /// Share of the judged lookups that hit at a point, from 0 to 1.
    pub fn hit_rate(&self, point: &CurvePoint) -> f64 {
        let lookups = self.judged(self.lookups());
        if lookups == 0 { 0.0 } else { 1.0 - self.judged(point.misses) as f64 / lookups as f64 }
    }

    /// Misses of a global LRU of so many slots among the judged lookups.
    pub fn lru_misses(&self, slots: u64) -> u64 {
        self.misses_of(&self.lru_needs, slots)
    }

    /// Misses by Belady's rule with so many slots among the judged lookups.
    pub fn belady_misses(&self, slots: u64) -> u64 {
        self.misses_of(&self.belady_needs, slots)
    }

    fn misses_of(&self, needs: &[PhaseCounts], slots: u64) -> u64 {
        let within = usize::try_from(slots).unwrap_or(usize::MAX).saturating_add(1);
        let served: PhaseCounts = needs.iter().take(within).copied().sum();
        self.judged(self.lookups()) - self.judged(served)
    }
}
