//! Over-committed GPU memory where the driver spills it to host memory: every pass reads the spilled share over the
//! host link.

use super::machine::MachinePlan;
use super::resolve::Resolver;
use crate::memory::{Ledger, Tier};
use crate::scenario::Overcommit;
use crate::serving::GpuRates;
use crate::units::{Bandwidth, Bytes};

/// The GPU's rates where memory spills; `None` where nothing does, because it fits or because it must.
pub(super) fn rates(resolver: &mut Resolver<'_>, machine: &MachinePlan, ledger: &Ledger) -> Option<GpuRates> {
    let spills = match resolver.scenario().hardware.overcommit {
        Some(written) => {
            resolver.given("hardware.overcommit", written.spelling());
            written == Overcommit::Spill
        }
        None => machine.engine.spills.value,
    };
    let (needed, capacity) = (ledger.total(Tier::Vram), ledger.capacity(Tier::Vram));
    let spilled = needed.saturating_sub(capacity);
    let link = machine.copies.filter(|_| spills && spilled > Bytes::ZERO)?;
    // What spills comes through the GPU's memory system, too, however fast the link.
    let slow = link.curve.peak.min(machine.rates.memory);
    let memory = mixed(machine.rates.memory, slow, spilled, needed)?;
    let why = format!("{spilled} of {needed} spill to host memory and are read at {}", link.curve.peak);
    resolver.note("gpu memory rate, spilled", memory, why);
    Some(GpuRates { memory, ..machine.rates })
}

/// The rate of reading `slow` of `all` bytes at one rate and the rest at the other, one after the other.
fn mixed(fast: Bandwidth, slow_rate: Bandwidth, slow: Bytes, all: Bytes) -> Option<Bandwidth> {
    let (fast, slow_rate) = (u128::from(fast.bytes_per_s()), u128::from(slow_rate.bytes_per_s()));
    let (slow, all) = (u128::from(slow.get()), u128::from(all.get()));
    let denominator = (all - slow) * slow_rate + slow * fast;
    let rate = (all * slow_rate).checked_mul(fast)?.checked_div(denominator)?;
    Bandwidth::from_bytes_per_s(u64::try_from(rate).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reading one part in ten over a link a tenth as fast takes 1.9 times as long.
    #[test]
    fn a_spilled_tenth_nearly_halves_the_rate() {
        let rate = |text: &str| -> Bandwidth { text.parse().unwrap() };
        let mixed = mixed(rate("1000 GB/s"), rate("100 GB/s"), Bytes::new(10), Bytes::new(100)).unwrap();
        assert_eq!(mixed.bytes_per_s(), 1_000_000_000_000 * 10 / 19);
    }
}
