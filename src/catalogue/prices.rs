//! What parts, machines, hours and energy cost, each price with the day or month it held.
//!
//! A price says which rows of other kinds it is for, so that one of DDR5 serves every CPU that takes it. Data-centre GPUs
//! are sold in contracts without a list price, so they have rents instead. Left out: taxes, freight, used parts.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use super::entry::{Entry, Fact, named_row};
use super::load::parse_embedded;
use super::quantity::{Power, Usd};
use super::sourced::Sourced;

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PricedPart {
    /// One graphics card or accelerator.
    Gpu,
    /// One processor.
    Cpu,
    /// A terabyte (10^12 bytes) of a drive.
    Storage,
    /// A GiB of host memory.
    Dram,
    /// Board, power supply, case and cooling of one machine.
    Platform,
    /// A machine whose CPU and GPU share one memory, all of it.
    Machine,
    /// An hour of one GPU, its share of the machine and its power included.
    Rent,
    /// A kilowatt-hour.
    Electricity,
}

impl PricedPart {
    /// What the price is called among the facts of the row that it is for.
    fn fact(self) -> &'static str {
        match self {
            Self::Gpu | Self::Cpu | Self::Storage | Self::Machine | Self::Electricity => "price",
            Self::Dram => "dram_price",
            Self::Platform => "platform_price",
            Self::Rent => "rent",
        }
    }

    /// The unit of the price.
    pub fn per(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::Cpu => "CPU",
            Self::Storage => "TB",
            Self::Dram => "GiB",
            Self::Platform | Self::Machine => "machine",
            Self::Rent => "GPU-hour",
            Self::Electricity => "kWh",
        }
    }
}

impl fmt::Display for PricedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
            Self::Storage => "storage",
            Self::Dram => "dram",
            Self::Platform => "platform",
            Self::Machine => "machine",
            Self::Rent => "rent",
            Self::Electricity => "electricity",
        })
    }
}

/// One price.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Name in listings.
    pub id: String,
    /// Name for people.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to know before trusting it.
    #[serde(default)]
    pub note: String,
    /// What is paid for.
    pub part: PricedPart,
    /// Rows of other kinds that the price is for.
    pub of: Vec<String>,
    /// Day or month at which the price held, `2022-10`.
    pub date: String,
    /// Price of one unit of [`PricedPart::per`].
    pub price: Sourced<Usd>,
    /// Power at work of one unit: of the platform, or of a GiB of host memory.
    pub power: Option<Sourced<Power>>,
}

static ROWS: LazyLock<Vec<Price>> =
    LazyLock::new(|| parse_embedded(include_str!("data/prices.toml"), "prices.toml"));

impl Price {
    /// The price of this part for the row of another kind; `None` where none is documented.
    pub fn of(part: PricedPart, row: &str) -> Option<&'static Self> {
        ROWS.iter().find(|price| price.part == part && price.of.iter().any(|id| id == row))
    }

    /// The first price of this part, whatever it is for.
    pub fn first(part: PricedPart) -> Option<&'static Self> {
        ROWS.iter().find(|price| price.part == part)
    }

    /// What buying the row of another kind costs, for a cell of its listing; a dash where nobody says.
    pub(super) fn cell(row: &str) -> String {
        let bought = Self::of(PricedPart::Gpu, row).or_else(|| Self::of(PricedPart::Machine, row));
        bought.map_or_else(|| "-".to_owned(), |price| price.price.value.to_string())
    }

    /// What is known of the prices of a row of another kind, each with its date.
    pub(super) fn facts_of(row: &str) -> Vec<Fact> {
        let named = ROWS.iter().filter(|price| price.of.iter().any(|id| id == row));
        let fact = |price: &Self| Fact {
            key: price.part.fact().to_owned(),
            value: format!("{} per {}, {}", price.price.value, price.part.per(), price.date),
            source: price.price.source.clone(),
            fidelity: price.price.fidelity,
        };
        named.map(fact).collect()
    }
}

impl Entry for Price {
    const WHAT: &'static str = "price";
    const KIND: &'static str = "prices";
    const COLUMNS: &'static [&'static str] = &["id", "name", "price", "per", "date", "fidelity", "source"];

    named_row!(ROWS);

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.price.value.to_string(),
            self.part.per().to_owned(),
            self.date.clone(),
            self.price.fidelity.to_string(),
            self.price.source.clone(),
        ]
    }

    fn facts(&self) -> Vec<Fact> {
        let of = if self.of.is_empty() { String::new() } else { format!(" of {}", self.of.join(", ")) };
        let price = Fact::new("price", &self.price);
        let value = format!("{} per {}{of}, {}", price.value, self.part.per(), self.date);
        let price = Fact { value, ..price };
        std::iter::once(price).chain(Fact::optional("power", self.power.as_ref())).collect()
    }
}
