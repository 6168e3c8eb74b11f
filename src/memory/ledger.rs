//! Owners and bytes by tier, the capacity of each tier, and the words for a shortfall.

use crate::metrics::{LedgerLine, TierNeed};
use crate::units::Bytes;

/// A level of memory, fastest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The GPU's memory, or the one pool of a unified-memory machine.
    Vram,
    /// The host's memory.
    Dram,
    /// Flash storage.
    Nvme,
}

impl Tier {
    /// Every tier, fastest first.
    pub const ALL: [Self; 3] = [Self::Vram, Self::Dram, Self::Nvme];

    /// Name in data files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vram => "vram",
            Self::Dram => "dram",
            Self::Nvme => "nvme",
        }
    }

    /// Name in sentences.
    pub fn label(self) -> &'static str {
        match self {
            Self::Vram => "VRAM",
            Self::Dram => "DRAM",
            Self::Nvme => "NVMe",
        }
    }
}

/// What each owner takes of each tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    lines: Vec<(Tier, String, Bytes)>,
    capacities: Vec<(Tier, Bytes)>,
}

impl Ledger {
    /// Sets what the machine has of a tier. A tier without a capacity must not be used.
    pub fn set_capacity(&mut self, tier: Tier, capacity: Bytes) {
        self.capacities.retain(|(known, _)| *known != tier);
        self.capacities.push((tier, capacity));
        self.capacities.sort_unstable();
    }

    /// Books bytes of a tier to an owner; nothing for zero bytes.
    pub fn add(&mut self, tier: Tier, owner: &str, bytes: Bytes) {
        if bytes > Bytes::ZERO {
            self.lines.push((tier, owner.to_owned(), bytes));
        }
    }

    /// All that is booked on a tier. Stops at 2^64 bytes, which no tier has: such a plan is short in any case.
    pub fn total(&self, tier: Tier) -> Bytes {
        let lines = self.lines.iter().filter(|(of, _, _)| *of == tier);
        Bytes::new(lines.fold(0, |sum: u64, (_, _, bytes)| sum.saturating_add(bytes.get())))
    }

    /// What the machine has of a tier; zero where none was set.
    pub fn capacity(&self, tier: Tier) -> Bytes {
        self.capacities.iter().find(|(of, _)| *of == tier).map_or(Bytes::ZERO, |(_, capacity)| *capacity)
    }

    /// What is left of a tier; zero where it is over-committed.
    pub fn free(&self, tier: Tier) -> Bytes {
        self.capacity(tier).saturating_sub(self.total(tier))
    }

    /// One sentence for each tier that is too small, naming its largest owners:
    /// `needs 26.1 GiB of VRAM, has 24.0 GiB; the largest part is kv cache with 5.20 GiB`.
    pub fn shortfalls(&self) -> Vec<String> {
        Tier::ALL.into_iter().filter_map(|tier| self.shortfall(tier)).collect()
    }

    /// The same of one tier; `None` where it is large enough.
    pub fn shortfall(&self, tier: Tier) -> Option<String> {
        let (needed, capacity) = (self.total(tier), self.capacity(tier));
        if needed <= capacity {
            return None;
        }
        let mut owners: Vec<_> = self.lines.iter().filter(|(of, _, _)| *of == tier).collect();
        owners.sort_by_key(|(_, _, bytes)| std::cmp::Reverse(*bytes));
        let parts: Vec<String> =
            owners.iter().take(3).map(|(_, owner, bytes)| format!("{owner} {bytes}")).collect();
        let short = needed.saturating_sub(capacity);
        Some(format!(
            "needs {needed} of {}, has {capacity}: {short} too much; the largest parts are {}",
            tier.label(),
            parts.join(", ")
        ))
    }

    /// The lines as data, in the order in which they were booked.
    pub fn lines(&self) -> Vec<LedgerLine> {
        let line = |(tier, owner, bytes): &(Tier, String, Bytes)| LedgerLine {
            tier: tier.name().to_owned(),
            owner: owner.clone(),
            bytes: bytes.get(),
        };
        self.lines.iter().map(line).collect()
    }

    /// Need against capacity, one entry per tier that has a capacity or is used.
    pub fn needs(&self) -> Vec<TierNeed> {
        let need = |tier: Tier| TierNeed {
            tier: tier.name().to_owned(),
            needed_bytes: self.total(tier).get(),
            capacity_bytes: self.capacity(tier).get(),
        };
        let used = |tier: &Tier| self.capacity(*tier) > Bytes::ZERO || self.total(*tier) > Bytes::ZERO;
        Tier::ALL.into_iter().filter(used).map(need).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_names_the_need_the_capacity_and_the_owners() {
        let mut ledger = Ledger::default();
        ledger.set_capacity(Tier::Vram, Bytes::GIB.times(24));
        ledger.set_capacity(Tier::Dram, Bytes::GIB.times(64));
        ledger.add(Tier::Vram, "expert cache", Bytes::GIB.times(20));
        ledger.add(Tier::Vram, "kv cache", Bytes::GIB.times(5));
        ledger.add(Tier::Vram, "attention", Bytes::GIB);
        ledger.add(Tier::Dram, "routed experts", Bytes::GIB.times(60));
        assert_eq!(
            ledger.shortfalls(),
            [
                "needs 26.0 GiB of VRAM, has 24.0 GiB: 2.00 GiB too much; the largest parts are expert cache 20.0 GiB, \
              kv cache 5.00 GiB, attention 1.00 GiB"
            ]
        );
        assert_eq!(ledger.free(Tier::Dram), Bytes::GIB.times(4));
        assert_eq!(ledger.needs().len(), 2);
    }

    #[test]
    fn every_tier_that_is_too_small_is_named() {
        let mut ledger = Ledger::default();
        ledger.add(Tier::Vram, "attention", Bytes::GIB);
        ledger.add(Tier::Nvme, "routed experts", Bytes::GIB);
        assert_eq!(ledger.shortfalls().len(), 2);
    }
}
