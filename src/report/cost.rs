//! What a point costs, in words and cells: the machine's price with its dates, energy and dollars per token, payback.

use std::cmp::Reverse;
use std::fmt::Write;

use super::format::{listed, ratio, share};
use super::series::Varying;
use super::serving::figures;
use crate::metrics::{CostBasis, NoPayback, PricePart, Row};

/// Column of `results.csv` and how a row fills it; empty where nothing is known.
type Column = (&'static str, fn(&Row) -> String);

/// Costs of every row, replayed or under load. Dollars and joules are per output token, days of the calendar.
pub(super) const COLUMNS: &[Column] = &[
    ("purchase_usd", |row| known(row.cost.purchase_microdollars(), |price| dollars(price, 2))),
    ("rent_usd_per_hour", |row| known(row.cost.rent_microdollars(), |rent| dollars(rent, 4))),
    ("cost_usd_per_mtok", |row| known(row.microdollars_per_mtok(), |cost| dollars(cost, 6))),
    ("joules_per_token", |row| joules_per_token(row, 6)),
    ("payback_days", |row| known(row.payback_days(), |days| days.to_string())),
    ("price_missing", |row| row.cost.missing.join("; ")),
];

fn known(value: Option<u64>, show: impl Fn(u64) -> String) -> String {
    value.map_or_else(String::new, show)
}

/// Millionths of a dollar as dollars.
fn dollars(micro: u64, decimals: u32) -> String {
    ratio(u128::from(micro), 1_000_000, decimals)
}

/// An amount for reading: whole dollars from a hundred on, else three figures.
pub(super) fn usd(micro: u64) -> String {
    format!("{} USD", figures(u128::from(micro), 1_000_000))
}

/// Joules per output token; empty where power is not known.
pub(super) fn joules_per_token(row: &Row, decimals: u32) -> String {
    let energy = row.millijoules().zip(row.output_tokens());
    energy.map_or_else(String::new, |(energy, (tokens, _))| {
        ratio(u128::from(energy), u128::from(tokens) * 1000, decimals)
    })
}

/// Dollars per million output tokens; empty where no price is known.
pub(super) fn dollars_per_million_tokens(row: &Row, decimals: u32) -> String {
    known(row.microdollars_per_mtok(), |cost| dollars(cost, decimals))
}

/// Oldest and newest date of some prices: `2022-10 to 2026-06`, or the one that there is; empty without any.
fn dates<'a>(parts: impl Iterator<Item = &'a PricePart>) -> String {
    let mut dates: Vec<&str> = parts.map(|part| part.date.as_str()).collect();
    dates.sort_unstable();
    match (dates.first(), dates.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (Some(only), _) => (*only).to_owned(),
        _ => String::new(),
    }
}

/// The block of one point that ran: price, energy, cost, payback. Nothing where nothing is known.
pub(super) fn describe(text: &mut String, row: &Row) {
    let cost = &row.cost;
    price(text, cost);
    if let (Some(busy), Some(idle)) = (cost.busy_milliwatts, cost.idle_milliwatts) {
        let watts = |milliwatts: u64| ratio(u128::from(milliwatts), 1000, 0);
        let energy = known(row.millijoules(), |energy| match energy {
            ..1_000_000 => format!("{} J", ratio(u128::from(energy), 1000, 0)),
            _ => format!("{} kJ", ratio(u128::from(energy), 1_000_000, 2)),
        });
        let each = joules_per_token(row, 3);
        if !energy.is_empty() {
            let each = if each.is_empty() { each } else { format!(", {each} J per output token") };
            let (busy, idle) = (watts(busy), watts(idle));
            let gpus = if cost.gpus > 1 { "GPUs wait" } else { "the GPU waits" };
            let _ = writeln!(text, "energy   {energy}{each} ({busy} W at work, {idle} W while {gpus})");
        }
    }
    if let Some(each) = row.microdollars_per_mtok() {
        let _ = writeln!(text, "cost     {} per million output tokens: {}", usd(each), makeup(row));
    }
    if let Some(payback) = payback(row) {
        let _ = writeln!(text, "payback  {payback}");
    }
}

/// What buying takes, part by part, or what has no price; and the rent where there is one.
fn price(text: &mut String, cost: &CostBasis) {
    let part = |part: &PricePart| format!("{} {} ({})", part.what, usd(part.microdollars), part.date);
    if let Some(purchase) = cost.purchase_microdollars() {
        let parts: Vec<String> = cost.parts.iter().map(part).collect();
        let _ = writeln!(text, "price    {}: {}", usd(purchase), parts.join(", "));
    } else if !cost.missing.is_empty() {
        let _ = writeln!(text, "price    not known of {}", listed(&cost.missing));
    }
    if let Some(rent) = &cost.rent {
        let _ = writeln!(text, "rent     {}", part(rent));
    }
}

/// What the cost of a token is made of.
fn makeup(row: &Row) -> String {
    let cost = &row.cost;
    if let Some(rent) = &cost.rent {
        return format!("rent of {} an hour ({})", usd(rent.microdollars), rent.date);
    }
    let machine = known(row.write_off_microdollars_per_mtok(), usd);
    let electricity = known(row.electricity_microdollars_per_mtok(), usd);
    let kilowatt_hour = cost
        .electricity
        .as_ref()
        .map_or_else(String::new, |price| format!(" at {} a kWh ({})", usd(price.microdollars), price.date));
    let years = ratio(u128::from(cost.amortisation_hours), 8760, 1);
    let years = years.trim_end_matches(".0");
    let used = share(cost.utilisation_ppm);
    format!(
        "{machine} for the machine over {years} years at {used} use, {electricity} for electricity{kilowatt_hour}"
    )
}

/// When the purchase has paid against the API, or why it never does; none where no API is compared.
fn payback(row: &Row) -> Option<String> {
    let api = row.cost.api.as_ref()?;
    let against = format!("{} per million tokens ({})", usd(api.microdollars), api.date);
    let cost = || known(row.microdollars_per_mtok(), usd);
    Some(match row.payback() {
        Ok(hours) => format!(
            "after {hours} hours at work, {} days at {} use, against an API at {against}",
            known(row.payback_days(), |days| days.to_string()),
            share(row.cost.utilisation_ppm)
        ),
        Err(NoPayback::NoApiPrice) => return None,
        Err(NoPayback::NoTokens) => "never: no output token came out".to_owned(),
        Err(NoPayback::Rented) => {
            format!("none, since the machine is rented: {} against an API at {against}", cost())
        }
        Err(NoPayback::PriceMissing) => {
            format!("not known against an API at {against}: no price of {}", listed(&row.cost.missing))
        }
        Err(NoPayback::PowerUnknown) => {
            format!("not known against an API at {against}: the GPU's power is not known")
        }
        Err(NoPayback::Electricity) => format!(
            "never: electricity alone is {}, an API takes {against}",
            known(row.electricity_microdollars_per_mtok(), usd)
        ),
    })
}

/// The cheapest real point per million output tokens, with what its prices are and how old; none without prices.
pub(super) fn cheapest(rows: &[Row]) -> Option<String> {
    let varying = Varying::of(rows);
    let priced = rows.iter().filter(|row| !row.config.policy_is_oracle).filter_map(|row| {
        let rate = row.output_tokens_per_s_permille();
        Some((row.microdollars_per_mtok()?, Reverse(rate), row.index, row))
    });
    let (each, _, index, row) = priced.min_by_key(|(each, rate, index, _)| (*each, *rate, *index))?;
    let cost = &row.cost;
    let parts = if cost.rent.is_some() { &[][..] } else { cost.parts.as_slice() };
    let bought = known(cost.purchase_microdollars().filter(|_| cost.rent.is_none()), |price| {
        format!(", {} to buy", usd(price))
    });
    let electricity = cost.electricity.as_ref().filter(|_| cost.rent.is_none());
    let dates = dates(parts.iter().chain(&cost.rent).chain(electricity));
    let energy = joules_per_token(row, 3);
    let energy = if energy.is_empty() { energy } else { format!(", {energy} J per token") };
    Some(format!(
        "**Cheapest:** {} (point {index}): {} per million output tokens{bought}{energy}; prices of {dates}, to override in [cost].",
        varying.label(row),
        usd(each),
    ))
}
