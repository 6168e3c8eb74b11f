//! The section of a scenario that says what things cost. Whatever it leaves out is taken from the catalogue's prices.

use super::Percent;
use super::money::{Dollars, Lifetime, PriceDate, Wattage};
use super::section::section;

section! {
    /// Prices of the user's own, and how long and how much the machine runs.
    CostSection, COST_KEYS, "cost." {
        /// Price of one GPU, instead of the catalogue's.
        gpu: Dollars = "\"1599 USD\"",
        /// Price of one CPU.
        cpu: Dollars = "\"699 USD\"",
        /// Price of all drives of one machine.
        storage: Dollars = "\"120 USD\"",
        /// Price of a GiB of host memory.
        dram_per_gib: Dollars = "\"10.50 USD\"",
        /// Price of board, power supply, case and cooling of one machine.
        platform: Dollars = "\"450 USD\"",
        /// Price of one machine at once, GPUs included, instead of its parts.
        machine: Dollars = "\"3999 USD\"",
        /// Rent of one machine for an hour, power included; takes the place of any purchase.
        rent: Dollars = "\"2.50 USD\"",
        /// Price of a kilowatt-hour.
        electricity: Dollars = "\"0.30 USD\"",
        /// Power of one machine at work beside its GPUs.
        host_power: Wattage = "\"80 W\"",
        /// How long what was bought is used.
        amortisation: Lifetime = "\"3 years\"",
        /// Share of that time in which it runs as simulated.
        utilisation: Percent = "\"50 %\"",
        /// What somebody else takes for a million output tokens.
        api_price: Dollars = "\"0.60 USD\"",
        /// Month or day of the prices in this section.
        date: PriceDate = "\"2026-11\"",
    }
}
