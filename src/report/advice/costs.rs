//! What a configuration needs, costs and gives up: memory by tier, money and power, quality of answers.

use super::page::{Page, Sentence, Source, plain};
use super::value::{dollars, watts};
use crate::metrics::{CostBasis, PricePart, Row};
use crate::report::format::{listed, percent, share, size};
use crate::report::pictures::advice_memory;

/// Owners of memory that are named.
const OWNERS_MAX: usize = 3;

/// Need against capacity of each tier, and who needs most.
pub(super) fn memory(page: &mut Page, row: &Row) {
    page.heading("Memory");
    let gpus = row.summary().and_then(|summary| summary.serving.as_ref()).map_or(1, |serving| serving.gpus);
    for tier in row.tiers.iter().filter(|tier| tier.needed_bytes > 0) {
        let mut owners: Vec<(&str, u64)> = row
            .ledger
            .iter()
            .filter(|line| line.tier == tier.tier && line.bytes > 0)
            .map(|line| (line.owner.as_str(), line.bytes))
            .collect();
        owners.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let most =
            owners.iter().take(OWNERS_MAX).map(|(owner, bytes)| format!("{} {}", plain(owner), size(*bytes)));
        let most = listed(&most.collect::<Vec<_>>());
        let most = if most.is_empty() { most } else { format!("; most of it is {most}") };
        let (needed, has) = (size(tier.needed_bytes), size(tier.capacity_bytes));
        let share = percent(tier.needed_bytes, tier.capacity_bytes, 1);
        let share = if share.is_empty() { share } else { format!(" ({share} %)") };
        let of = if tier.tier == "vram" && gpus > 1 { " on each GPU" } else { "" };
        let text = format!("needs {needed} of {has}{of}{share}{most}");
        page.say(&tier.tier.to_uppercase(), text, &[Source::Row(row.index)]);
    }
    page.picture(advice_memory::NAME, advice_memory::TITLE);
}

/// Purchase part by part, rent and power, each with its date and source; what has no price is named.
pub(super) fn price(page: &mut Page, row: &Row) {
    let (cost, source) = (&row.cost, [Source::Row(row.index)]);
    page.heading("Price");
    page.item("To buy", purchase(cost, &source));
    for part in &cost.parts {
        page.say(&part.what, priced(part, ""), &source);
    }
    if let Some(rent) = &cost.rent {
        page.say("To rent", priced(rent, "/h"), &source);
    }
    let idle = cost.idle_milliwatts.map(|milliwatts| format!(", {} idle", watts(milliwatts)));
    match cost.busy_milliwatts {
        Some(busy) => {
            page.say("Power", format!("{} at work{}", watts(busy), idle.unwrap_or_default()), &source);
        }
        None => page.say("Power", "not known", &source),
    }
    if let Some(electricity) = &cost.electricity {
        page.say("Electricity", priced(electricity, "/kWh"), &source);
    }
    if let Some(api) = &cost.api {
        page.say("The same elsewhere", priced(api, " for a million output tokens"), &source);
    }
}

fn purchase(cost: &CostBasis, source: &[Source]) -> Vec<Sentence> {
    if let Some(total) = cost.purchase_microdollars() {
        return vec![Sentence::new(dollars(total), source)];
    }
    let missing: Vec<String> = cost.missing.iter().map(|part| plain(part)).collect();
    if missing.is_empty() {
        return vec![Sentence::new("no price is known", source)];
    }
    vec![Sentence::new(format!("not known, since no price is known of {}", listed(&missing)), source)]
}

/// `700 USD (2026-11, assumed; where it is from)`.
fn priced(part: &PricePart, per: &str) -> String {
    let date = if part.date == "given" { "as the scenario gives it" } else { part.date.as_str() };
    let known: Vec<String> =
        [date, &part.fidelity].into_iter().filter(|text| !text.is_empty()).map(plain).collect();
    let from = if part.source.is_empty() { String::new() } else { format!("; {}", plain(&part.source)) };
    let known = format!("{}{from}", known.join(", "));
    let known = known.trim_start_matches("; ");
    let known = if known.is_empty() { String::new() } else { format!(" ({known})") };
    format!("{}{per}{known}", dollars(part.microdollars))
}

/// The estimate and what it rests on.
pub(super) fn quality(page: &mut Page, row: &Row) {
    let source = [Source::Row(row.index)];
    page.heading("Quality of answers");
    let parts = &row.quality.parts;
    let text = match row.quality.loss_ppm() {
        Some(_) if parts.is_empty() => "no loss, since the model is as it was published".to_owned(),
        Some(loss) => format!("about {} of the unquantised model's benchmark score lost", share(loss)),
        None => "not known: there is no estimate of every part".to_owned(),
    };
    page.say("Estimate, not measured", text, &source);
    for part in parts {
        let loss = part.loss_ppm.map_or_else(|| "nothing published".to_owned(), share);
        let known: Vec<String> = [&part.fidelity, &part.source]
            .into_iter()
            .filter(|text| !text.is_empty())
            .map(|text| plain(text))
            .collect();
        let known = if known.is_empty() { String::new() } else { format!(" ({})", known.join("; ")) };
        page.say(&part.what, format!("{loss}{known}"), &source);
    }
}
