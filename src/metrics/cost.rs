//! What a configuration costs to buy, to rent and to run. Integers: millionths of a dollar, thousandths of a watt.
//!
//! All costs are per output token: prompts are part of what a token costs, and a million output tokens is what people
//! compare. Left out: interest, work, cooling, network, the time between runs.

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
    /// Rent of all machines for an hour, with its date and source.
    pub rent: Option<PricePart>,
    /// Power of all machines with every GPU at work, in milliwatts.
    pub busy_milliwatts: Option<u64>,
    /// Their power with every GPU waiting. The hosts take as much as at work: where GPUs wait, CPUs, copies or drives work.
    pub idle_milliwatts: Option<u64>,
    /// Price of a kilowatt-hour.
    pub electricity: Option<PricePart>,
    /// Price of a million output tokens elsewhere.
    pub api: Option<PricePart>,
    /// Hours over which the purchase is written off.
    pub amortisation_hours: u64,
    /// Share of these hours in which the machine runs as simulated, in parts per million.
    #[serde(default)]
    pub utilisation_ppm: u64,
    /// GPUs of all machines.
    #[serde(default)]
    pub gpus: u64,
    /// Machines.
    #[serde(default)]
    pub machines: u64,
}

/// Why a purchase never pays against an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPayback {
    /// No price of an API was given.
    NoApiPrice,
    /// Nothing is bought.
    Rented,
    /// The price of some part is not known.
    PriceMissing,
    /// The power of the machine is not known.
    PowerUnknown,
    /// No output token to pay for.
    NoTokens,
    /// Electricity alone costs at least what the API takes.
    Electricity,
}

/// Nanoseconds of an hour over the tokens of a million: what turns rates per hour into costs per million tokens.
const HOUR_NS_PER_MILLION: u128 = 3_600_000;
/// Parts per million that are everything.
const WHOLE_PPM: u128 = 1_000_000;

/// `factors` multiplied, over `divisors` multiplied, rounded to the nearest; `None` where it is divided by zero, or where
/// the product exceeds 2^128 or the quotient 2^64.
fn quotient<const N: usize, const M: usize>(factors: [u128; N], divisors: [u128; M]) -> Option<u64> {
    let product = |all: &[u128]| all.iter().try_fold(1_u128, |product, one| product.checked_mul(*one));
    let divisor = product(&divisors).filter(|divisor| *divisor > 0)?;
    let numerator = product(&factors)?.checked_add(divisor / 2)?;
    u64::try_from(numerator / divisor).ok()
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

    /// Nanoseconds of one GPU at work and waiting, summed over GPUs, in the time of [`Row::output_tokens`], and how many
    /// GPUs they are of. At work is a GPU that computes, launches or exchanges with others, since exchanges are kernels
    /// that spin; one that waits for copies, drives or the CPU, or has no pass, takes idle power.
    fn gpu_ns(&self) -> Option<(u128, u128, u64)> {
        let summary = self.summary()?;
        let Some(serving) = &summary.serving else {
            let time = &summary.decode_time;
            let working = time.gpu_compute_ns + time.overhead_ns + time.exchange_ns;
            return Some((u128::from(working), u128::from(time.waits_ns()), 1));
        };
        let all = &serving.gpu_use;
        let working = all.iter().map(|gpu| u128::from(gpu.busy_ns) + u128::from(gpu.exchange_ns)).sum();
        let waiting = all.iter().map(|gpu| u128::from(gpu.wait_ns) + u128::from(gpu.idle_ns)).sum();
        Some((working, waiting, u64::try_from(all.len()).ok()?))
    }

    /// Energy of all machines in the time of [`Row::output_tokens`], in millijoules: busy power while a GPU works, idle
    /// power while it waits, each GPU with its part of the machines. Requests that did not finish took energy too.
    pub fn millijoules(&self) -> Option<u64> {
        let (busy, idle) = (self.cost.busy_milliwatts?, self.cost.idle_milliwatts?);
        let (working, waiting, gpus) = self.gpu_ns()?;
        let energy =
            u128::from(busy).checked_mul(working)?.checked_add(u128::from(idle).checked_mul(waiting)?)?;
        quotient([energy], [1_000_000_000, u128::from(gpus)])
    }

    /// [`Row::millijoules`] for each output token.
    pub fn millijoules_per_token(&self) -> Option<u64> {
        let (tokens, _) = self.output_tokens()?;
        quotient([u128::from(self.millijoules()?)], [u128::from(tokens)])
    }

    /// Millionths of a dollar of rent for a million output tokens: rent for an hour x hours / output tokens x 10^6.
    pub fn rent_microdollars_per_mtok(&self) -> Option<u64> {
        let (tokens, ns) = self.output_tokens()?;
        let rent = u128::from(self.cost.rent_microdollars()?);
        quotient([rent, u128::from(ns)], [u128::from(tokens), HOUR_NS_PER_MILLION])
    }

    /// Millionths of a dollar of the purchase for a million output tokens: purchase / (amortisation x utilisation) is
    /// what an hour at work costs, whatever rent may be paid instead.
    pub fn write_off_microdollars_per_mtok(&self) -> Option<u64> {
        let (tokens, ns) = self.output_tokens()?;
        let cost = &self.cost;
        let purchase = u128::from(cost.purchase_microdollars()?);
        let hours = u128::from(cost.amortisation_hours);
        let per_hour = [u128::from(tokens), HOUR_NS_PER_MILLION, hours, u128::from(cost.utilisation_ppm)];
        quotient([purchase, u128::from(ns), WHOLE_PPM], per_hour)
    }

    /// Millionths of a dollar of electricity for a million output tokens: energy x price of a kilowatt-hour.
    pub fn electricity_microdollars_per_mtok(&self) -> Option<u64> {
        let (tokens, _) = self.output_tokens()?;
        let price = u128::from(self.cost.electricity.as_ref()?.microdollars);
        // A kilowatt-hour is 3.6 x 10^9 mJ, and tokens are counted by the million.
        quotient([u128::from(self.millijoules()?), price], [u128::from(tokens), 3_600])
    }

    /// Millionths of a dollar for a million output tokens: the rent where there is one, which includes power, else the
    /// write-off of the purchase and electricity. `None` where a price, or the power of what is bought, is not known.
    pub fn microdollars_per_mtok(&self) -> Option<u64> {
        if self.cost.rent.is_some() {
            return self.rent_microdollars_per_mtok();
        }
        let write_off = self.write_off_microdollars_per_mtok()?;
        write_off.checked_add(self.electricity_microdollars_per_mtok()?)
    }

    /// Hours of running as simulated after which the purchase has cost no more than the API would have: purchase / (what
    /// the API takes for the tokens of an hour - electricity of an hour), rounded up.
    ///
    /// # Errors
    /// Why it never pays, or why nobody can tell.
    pub fn payback(&self) -> Result<u64, NoPayback> {
        let cost = &self.cost;
        let (tokens, ns) = self.output_tokens().ok_or(NoPayback::NoTokens)?;
        let api = cost.api.as_ref().ok_or(NoPayback::NoApiPrice)?.microdollars;
        if cost.rent.is_some() {
            return Err(NoPayback::Rented);
        }
        let purchase = cost.purchase_microdollars().ok_or(NoPayback::PriceMissing)?;
        let electricity = self.electricity_microdollars_per_mtok().ok_or(NoPayback::PowerUnknown)?;
        let saved = api.checked_sub(electricity).filter(|saved| *saved > 0).ok_or(NoPayback::Electricity)?;
        let hours = u128::from(purchase) * u128::from(ns);
        let per_hour = u128::from(saved) * u128::from(tokens);
        let hours = hours.div_ceil(per_hour.saturating_mul(HOUR_NS_PER_MILLION));
        u64::try_from(hours).map_err(|_| NoPayback::Electricity)
    }

    /// As [`Row::payback`], without the reason where it does not pay.
    pub fn payback_hours(&self) -> Option<u64> {
        self.payback().ok()
    }

    /// Days of the calendar until then, at the utilisation of the cost basis, rounded up.
    pub fn payback_days(&self) -> Option<u64> {
        let utilisation = u128::from(self.cost.utilisation_ppm);
        let hours = u128::from(self.payback_hours()?) * WHOLE_PPM;
        let days = hours.div_ceil((utilisation > 0).then_some(utilisation * 24)?);
        u64::try_from(days).ok()
    }
}
