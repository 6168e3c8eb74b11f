//! What a configuration costs to buy, to rent and to run. Integers: millionths of a dollar, thousandths of a watt.

use serde::{Deserialize, Serialize};

use super::Row;

/// The price of one part of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricePart {
    /// What is bought: `2 x rtx3090`, `64 GiB of DRAM`.
    pub what: String,
    /// Its price in millionths of a dollar, all pieces together.
    pub microdollars: u64,
    /// Day or month of the price, `2026-11`; `given` where the scenario says it.
    pub date: String,
    /// Where the price comes from.
    pub source: String,
    /// How the source knows.
    pub fidelity: String,
}

/// What a machine costs, whatever runs on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostBasis {
    /// Parts with a known purchase price.
    pub parts: Vec<PricePart>,
    /// Parts without one.
    pub missing: Vec<String>,
    /// Rent of the whole machine for an hour, with its date and source.
    pub rent: Option<PricePart>,
    /// Power of the whole machine at work, in milliwatts.
    pub busy_milliwatts: Option<u64>,
    /// Its power without work.
    pub idle_milliwatts: Option<u64>,
    /// Price of a kilowatt-hour.
    pub electricity: Option<PricePart>,
    /// Price of a million output tokens elsewhere.
    pub api: Option<PricePart>,
    /// Hours over which the purchase is written off.
    pub amortisation_hours: u64,
}

impl CostBasis {
    /// The purchase price in millionths of a dollar; `None` where a part's is unknown.
    pub fn purchase_microdollars(&self) -> Option<u64> {
        if !self.missing.is_empty() || self.parts.is_empty() {
            return None;
        }
        Some(self.parts.iter().map(|part| part.microdollars).fold(0, u64::saturating_add))
    }

    /// The rent for an hour in millionths of a dollar.
    pub fn rent_microdollars(&self) -> Option<u64> {
        self.rent.as_ref().map(|rent| rent.microdollars)
    }
}

impl Row {
    /// Output tokens and the time they took: of the whole run under load, of decoding where sequences are replayed.
    pub fn output_tokens(&self) -> Option<(u64, u64)> {
        let summary = self.summary()?;
        let (tokens, ns) = match &summary.serving {
            Some(serving) => (serving.tokens.output, serving.span_ns),
            None => (summary.decode.tokens, summary.decode_time.total_ns()),
        };
        (tokens > 0 && ns > 0).then_some((tokens, ns))
    }

    /// Output tokens per second, in thousandths.
    pub fn output_tokens_per_s_permille(&self) -> Option<u64> {
        let (tokens, ns) = self.output_tokens()?;
        u64::try_from(u128::from(tokens) * 1_000_000_000_000 / u128::from(ns)).ok()
    }
}
