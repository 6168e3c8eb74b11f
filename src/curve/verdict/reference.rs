//! What policies are held against: LRU, Belady and random victims at each capacity, and LRU at any number of slots.

use crate::metrics::{
    CurvePoint, DISTANCE_MIN_POINTS, LruEquivalent, POLICY_FAILURE_POINTS, PhaseCounts, PolicyCurve,
    Situation, TraceCurves, WORKING_SET_RATE,
};

/// Misses of the references, in the judged phase.
pub(super) struct References<'a> {
    pub(super) curves: &'a TraceCurves,
    /// Judged lookups of all sequences.
    lookups: u64,
    /// Misses of LRU by slots; empty where not known.
    lru_by_slots: Vec<u64>,
    /// The same by Belady's rule.
    belady_by_slots: Vec<u64>,
    /// The curves that were replayed.
    pub(super) lru: Option<&'a PolicyCurve>,
    belady: Option<&'a PolicyCurve>,
    random: Option<&'a PolicyCurve>,
}

impl<'a> References<'a> {
    pub(super) fn new(curves: &'a TraceCurves) -> Self {
        let lookups = curves.judged(curves.lookups());
        let by_slots = |needs: &[PhaseCounts]| {
            let served = needs.iter().scan(0, |sum, need| {
                *sum += curves.judged(*need);
                Some(*sum)
            });
            served.map(|served| lookups.saturating_sub(served)).collect()
        };
        Self {
            curves,
            lookups,
            lru_by_slots: by_slots(&curves.lru_needs),
            belady_by_slots: by_slots(&curves.belady_needs),
            lru: curves.curve("lru"),
            belady: curves.curve("belady"),
            random: curves.curve("random"),
        }
    }

    /// Misses of a curve in the judged phase.
    pub(super) fn misses(&self, point: &CurvePoint) -> u64 {
        self.curves.judged(point.misses)
    }

    /// A number of misses as a hit rate; zero where nothing was looked up.
    pub(super) fn rate(&self, misses: u64) -> f64 {
        if self.lookups == 0 { 0.0 } else { 1.0 - misses as f64 / self.lookups as f64 }
    }

    /// What the curve misses at a capacity, else what so many slots of one pool do: the former is exact for experts of any
    /// sizes.
    fn misses_at(&self, at: usize, curve: Option<&PolicyCurve>, by_slots: &[u64]) -> Option<u64> {
        let replayed = curve.and_then(|curve| curve.points.get(at)).map(|point| self.misses(point));
        replayed.or_else(|| {
            let slots = usize::try_from(self.curves.capacities[at].experts).unwrap_or(usize::MAX);
            by_slots.get(slots.min(by_slots.len().saturating_sub(1))).copied()
        })
    }

    pub(super) fn lru_misses(&self, at: usize) -> Option<u64> {
        self.misses_at(at, self.lru, &self.lru_by_slots)
    }

    pub(super) fn belady_misses(&self, at: usize) -> Option<u64> {
        self.misses_at(at, self.belady, &self.belady_by_slots)
    }

    pub(super) fn random_misses(&self, at: usize) -> Option<u64> {
        self.misses_at(at, self.random, &[])
    }

    /// By how many percentage points one number of misses is fewer than another.
    pub(super) fn points(&self, misses: u64, than: u64) -> f64 {
        if self.lookups == 0 { 0.0 } else { (than as f64 - misses as f64) * 100.0 / self.lookups as f64 }
    }

    /// From LRU to Belady, in percentage points; `None` where either is not known or they are too close.
    pub(super) fn distance(&self, at: usize) -> Option<f64> {
        let distance = self.points(self.belady_misses(at)?, self.lru_misses(at)?);
        (distance >= DISTANCE_MIN_POINTS).then_some(distance)
    }

    /// Share of that distance that so many misses recover.
    pub(super) fn recovered(&self, at: usize, misses: u64) -> Option<f64> {
        Some(self.points(misses, self.lru_misses(at)?) / self.distance(at)?)
    }

    pub(super) fn is_below_cycle(&self, at: usize) -> bool {
        self.curves.capacities[at].experts < self.curves.cycle_experts()
    }

    /// What holds a policy of so many misses back.
    pub(super) fn situation(&self, at: usize, misses: u64) -> Option<Situation> {
        if self.is_below_cycle(at) {
            return Some(Situation::BelowCycle);
        }
        let belady = self.belady_misses(at)?;
        Some(if self.rate(belady) < WORKING_SET_RATE {
            Situation::WorkingSetFailure
        } else if self.points(belady, misses) >= POLICY_FAILURE_POINTS {
            Situation::PolicyFailure
        } else {
            Situation::Fine
        })
    }

    /// The smallest LRU that misses no more. Where that is no other number of misses than LRU's own at this capacity, it is
    /// this capacity.
    pub(super) fn lru_equivalent(&self, at: usize, misses: u64) -> Option<LruEquivalent> {
        let own = self.curves.capacities[at].experts;
        let slots = match self.lru_misses(at) {
            Some(lru) if lru == misses => own,
            _ => {
                let slots = self.lru_by_slots.partition_point(|lru| *lru > misses);
                (slots < self.lru_by_slots.len()).then_some(slots as u64)?
            }
        };
        let sizes: u128 = self.curves.expert_bytes.iter().map(|size| u128::from(*size)).sum();
        let bytes = (sizes * u128::from(slots)).checked_div(u128::from(self.curves.layers));
        let bytes = bytes.and_then(|bytes| u64::try_from(bytes).ok());
        Some(LruEquivalent {
            experts: slots,
            bytes: bytes.filter(|_| !self.curves.expert_bytes.is_empty()),
            more: if own == 0 { 0.0 } else { slots as f64 / own as f64 - 1.0 },
        })
    }
}
