//! Deployments as texts describe them, beside what they need and do here.

use serde::{Deserialize, Serialize};

use super::{LedgerLine, Row, TierNeed};

/// A memory ledger by itself: of one GPU (the fullest) and of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryCount {
    /// Who owns which bytes, in a fixed order.
    pub ledger: Vec<LedgerLine>,
    /// Need against capacity per tier.
    pub tiers: Vec<TierNeed>,
}

impl MemoryCount {
    /// GPU memory that it takes.
    pub fn vram_bytes(&self) -> u64 {
        self.tiers.iter().find(|tier| tier.tier == "vram").map_or(0, |tier| tier.needed_bytes)
    }

    /// Bytes of one owner in GPU memory.
    pub fn owned(&self, owner: &str) -> u64 {
        let lines = self.ledger.iter().filter(|line| line.tier == "vram" && line.owner == owner);
        lines.map(|line| line.bytes).sum()
    }

    /// Whether every tier has what is needed of it.
    pub fn fits(&self) -> bool {
        self.tiers.iter().all(|tier| tier.needed_bytes <= tier.capacity_bytes)
    }
}

/// A figure that texts give, with what we count for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// What it is a figure of, as in the file: `vram`, `weights`, `card`, ...
    pub metric: String,
    /// The same in words.
    pub label: String,
    /// As written: `74.5 GB`, `4-8 GB`.
    pub value: String,
    /// The same in bytes; of a range of cards the smallest.
    pub from_bytes: u64,
    /// Of a range the largest, else the figure itself; `None` for a range without end.
    pub to_bytes: Option<u64>,
    /// What the texts say; may be empty.
    pub says: String,
    /// How far rounding on the way may move it, in parts per million; `None` where it does not follow from its formula.
    pub within_ppm: Option<u64>,
    /// Bytes as texts count; `None` where the figure is to be held to exact counting.
    pub simplified_bytes: Option<u64>,
    /// Bytes counted exactly.
    pub exact_bytes: u64,
}

/// How a quoted figure stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// As far as rounding explains.
    Follows,
    /// Said to follow, and further off than rounding explains.
    Misses,
    /// Said not to follow from its own formula.
    DoesNotFollow,
    /// Every card of the class has so much memory.
    AllCards,
    /// The largest cards of the class have so much memory.
    LargestCards,
    /// No card of the class has so much memory.
    NoCard,
}

impl Quote {
    /// The name of the metric that is a class of cards.
    pub const CARD: &'static str = "card";

    /// What the figure is held to.
    pub fn held_bytes(&self) -> u64 {
        self.simplified_bytes.unwrap_or(self.exact_bytes)
    }

    /// How far what it is held to lies above the figure, in thousandths of the figure, rounded to the nearest.
    pub fn off_permille(&self) -> i64 {
        let off = i128::from(self.held_bytes()) - i128::from(self.from_bytes);
        let whole = i128::from(self.from_bytes.max(1));
        let half = if off < 0 { -whole / 2 } else { whole / 2 };
        i64::try_from((off * 1000 + half) / whole).unwrap_or(i64::MAX)
    }

    /// How the figure stands to ours.
    pub fn agreement(&self) -> Agreement {
        let held = self.held_bytes();
        if self.metric == Self::CARD {
            return match self.to_bytes {
                _ if held <= self.from_bytes => Agreement::AllCards,
                None => Agreement::LargestCards,
                Some(to) if held <= to => Agreement::LargestCards,
                Some(_) => Agreement::NoCard,
            };
        }
        let Some(within) = self.within_ppm else { return Agreement::DoesNotFollow };
        let off = u128::from(held.abs_diff(self.from_bytes)) * 1_000_000;
        if off <= u128::from(self.from_bytes) * u128::from(within) {
            Agreement::Follows
        } else {
            Agreement::Misses
        }
    }
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// Short name.
    pub id: String,
    /// What it is, in a few words.
    pub title: String,
    /// What texts say of it.
    pub quotes: Vec<Quote>,
    /// Why figures differ, or what to see.
    pub why: String,
    /// Bytes as stored of the weights that one token uses.
    pub active_bytes: u64,
    /// The same configuration as texts count its memory; `None` where the file does not ask for it.
    pub simplified: Option<MemoryCount>,
    /// The configuration, simulated.
    pub row: Row,
}

impl DeploymentRow {
    /// GPU memory that one GPU needs, counted exactly.
    pub fn vram_bytes(&self) -> u64 {
        self.row.tier("vram").map_or(0, |tier| tier.needed_bytes)
    }

    /// By owner how much more GPU memory exact counting finds than texts do, the largest differences first. They add up to
    /// the difference of both sums. Empty without the counting of texts.
    pub fn differences(&self) -> Vec<(String, i128)> {
        let Some(simplified) = &self.simplified else { return Vec::new() };
        let mut all: Vec<(String, i128)> = Vec::new();
        let exact = self.row.ledger.iter().map(|line| (line, 1));
        for (line, sign) in exact.chain(simplified.ledger.iter().map(|line| (line, -1))) {
            if line.tier != "vram" {
                continue;
            }
            let bytes = sign * i128::from(line.bytes);
            match all.iter_mut().find(|(owner, _)| *owner == line.owner) {
                Some((_, sum)) => *sum += bytes,
                None => all.push((line.owner.clone(), bytes)),
            }
        }
        all.retain(|(_, bytes)| *bytes != 0);
        all.sort_by_key(|(_, bytes)| std::cmp::Reverse(bytes.abs()));
        all
    }
}

/// A table of configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Short name.
    pub id: String,
    /// What it is a table of.
    pub title: String,
    /// The question that it answers.
    pub question: String,
    /// What to see in it.
    pub look_at: String,
    /// The file that it was read from.
    pub file: String,
    /// Tokens that texts count keys, values and activations for, where they count.
    pub simplified_tokens: Option<u64>,
    /// In the order of the file.
    pub rows: Vec<DeploymentRow>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    #[test]
    fn figures_are_held_to_rounding_and_classes_to_their_ends() {
        let figure = |within_ppm, simplified_bytes| Quote {
            metric: "vram".to_owned(),
            from_bytes: 100 * GB,
            to_bytes: Some(100 * GB),
            within_ppm,
            simplified_bytes,
            exact_bytes: 150 * GB,
            ..Quote::default()
        };
        for (within, simplified, off, agreement) in [
            (Some(10_000), Some(99 * GB), -10, Agreement::Follows),
            (Some(10_000), Some(99 * GB - 1), -10, Agreement::Misses),
            (Some(10_000), None, 500, Agreement::Misses),
            (None, Some(100 * GB), 0, Agreement::DoesNotFollow),
        ] {
            let quote = figure(within, simplified);
            assert_eq!((quote.off_permille(), quote.agreement()), (off, agreement), "{within:?}");
        }
        for (to_bytes, exact_bytes, agreement) in [
            (Some(8), 4, Agreement::AllCards),
            (Some(8), 5, Agreement::LargestCards),
            (Some(8), 9, Agreement::NoCard),
            (None, 9, Agreement::LargestCards),
        ] {
            let metric = Quote::CARD.to_owned();
            let quote = Quote { metric, from_bytes: 4, to_bytes, exact_bytes, ..Quote::default() };
            assert_eq!(quote.agreement(), agreement, "{to_bytes:?} {exact_bytes}");
        }
    }
}
