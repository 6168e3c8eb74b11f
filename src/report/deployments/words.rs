//! What a row says, in cells and sentences. Every figure comes from the row.

use crate::metrics::{Agreement, DeploymentRow, Outcome, Quote, percent_words};
use crate::report::cost::usd;
use crate::report::footprint::decimal;
use crate::report::format::{ratio, size, span};
use crate::report::serving::figures;

/// Differences below this share of the larger sum are told together, in thousandths.
const NAMED_PERMILLE: u128 = 4;

/// Median times to first token and per output token in nanoseconds; `None` where there is none.
pub(in crate::report) fn shown_latency(row: &DeploymentRow) -> (Option<u64>, Option<u64>) {
    let Some(summary) = row.row.summary() else { return (None, None) };
    let (ttft, tpot) = match &summary.serving {
        Some(serving) => (&serving.ttft_ns, &serving.tpot_ns),
        None => (&summary.ttft_ns, &summary.tpot_ns),
    };
    let median = |times: &crate::metrics::Quantiles| (times.count > 0).then_some(times.p50);
    (median(ttft), median(tpot))
}

/// Why it cannot run; empty where it did.
pub(in crate::report) fn short_of(row: &DeploymentRow) -> String {
    match &row.row.outcome {
        Outcome::Done(_) => String::new(),
        Outcome::CannotRun(reasons) => reasons.join("; "),
    }
}

/// A time, or a dash.
pub(super) fn time(ns: Option<u64>) -> String {
    ns.map_or_else(|| "-".to_owned(), span)
}

/// Output tokens per second of all users together.
pub(super) fn rate(row: &DeploymentRow) -> String {
    let rate = row.row.output_tokens();
    rate.map_or_else(
        || "-".to_owned(),
        |(tokens, ns)| figures(u128::from(tokens) * 1_000_000_000, u128::from(ns)),
    )
}

/// What is bought, or rented.
pub(super) fn price(row: &DeploymentRow) -> String {
    let cost = &row.row.cost;
    match (cost.purchase_microdollars(), &cost.rent) {
        (_, Some(rent)) => format!("{} an hour", usd(rent.microdollars)),
        (Some(purchase), None) => usd(purchase),
        (None, None) => "-".to_owned(),
    }
}

/// The estimated loss of the score.
pub(super) fn loss(row: &DeploymentRow) -> String {
    if row.row.quality.parts.is_empty() {
        return "none".to_owned();
    }
    row.row.quality.loss_ppm().map_or_else(|| "unknown".to_owned(), |ppm| format!("~{}", percent_words(ppm)))
}

/// GPUs and their name.
pub(super) fn hardware(row: &DeploymentRow) -> String {
    match row.row.cost.gpus {
        0 | 1 => row.row.config.gpu.clone(),
        gpus => format!("{gpus} x {}", row.row.config.gpu),
    }
}

/// Where the routed experts lie, and how much of GPU memory caches them.
pub(super) fn placement(row: &DeploymentRow) -> String {
    let lines = row.row.ledger.iter().filter(|line| line.owner == "routed experts" && line.bytes > 0);
    let homes: Vec<(String, u64)> = lines.map(|line| (line.tier.to_uppercase(), line.bytes)).collect();
    let mut text = match homes.as_slice() {
        [] if row.row.config.experts_total_bytes == 0 => return "dense".to_owned(),
        [(home, _)] => home.clone(),
        several => {
            let parts: Vec<String> =
                several.iter().map(|(home, bytes)| format!("{home} {}", decimal(*bytes))).collect();
            parts.join(", ")
        }
    };
    for line in row.row.ledger.iter().filter(|line| line.bytes > 0) {
        let cache = match line.owner.as_str() {
            "expert cache" => "cache",
            "host expert cache" | "page cache" => "DRAM cache",
            _ => continue,
        };
        text.push_str(&format!(", {cache} {}", decimal(line.bytes)));
    }
    text
}

/// Memory of one GPU, as it is counted and as it is sold.
pub(super) fn capacity(row: &DeploymentRow) -> String {
    let tier = row.row.tier("vram");
    tier.map_or_else(String::new, |tier| {
        format!("{} ({})", decimal(tier.capacity_bytes), size(tier.capacity_bytes))
    })
}

/// What is quoted in few words: `74.5 GB in all`.
pub(super) fn quoted(row: &DeploymentRow) -> String {
    let each = |quote: &Quote| match quote.metric.as_str() {
        "vram" => quote.value.clone(),
        Quote::CARD => format!("{} cards", quote.value),
        metric => format!("{} {}", metric.replace('_', " "), quote.value),
    };
    let all: Vec<String> = row.quotes.iter().map(each).collect();
    if all.is_empty() { "-".to_owned() } else { all.join("; ") }
}

/// A difference in GB with its sign.
fn difference(bytes: i128) -> String {
    let sign = if bytes < 0 { '-' } else { '+' };
    format!("{sign}{} GB", ratio(bytes.unsigned_abs(), 1_000_000_000, 2))
}

/// A quoted figure beside ours, as a sentence.
pub(super) fn judged(quote: &Quote) -> String {
    let says = if quote.says.is_empty() { String::new() } else { format!(" ({})", quote.says) };
    let head = match quote.metric.as_str() {
        Quote::CARD => format!("Quoted: cards of {}{says}.", quote.value),
        _ => format!("Quoted: {}, {}{says}.", quote.value, quote.label),
    };
    let exact = size(quote.exact_bytes);
    let cards = match quote.agreement() {
        Agreement::AllCards => format!("It needs {exact}, which every such card has."),
        Agreement::LargestCards if quote.to_bytes.is_none() => {
            format!("It needs {exact}, more than the smallest such card has.")
        }
        Agreement::LargestCards => format!("It needs {exact}: the largest of such cards, not the smallest."),
        Agreement::NoCard => format!("It needs {exact}, more than any such card has."),
        agreement => return format!("{head} {}", figure(quote, agreement)),
    };
    format!("{head} {cards}")
}

fn figure(quote: &Quote, agreement: Agreement) -> String {
    let off = quote.off_permille();
    let apart = format!("{} %", ratio(u128::from(off.unsigned_abs()), 10, 1));
    let how_far = match off {
        0 => "the same to a thousandth".to_owned(),
        1.. => format!("{apart} more"),
        _ => format!("{apart} less"),
    };
    let verdict = match (agreement, quote.within_ppm) {
        (Agreement::Follows, Some(within)) => {
            format!(": within the {} that rounding explains", percent_words(within))
        }
        (Agreement::Misses, Some(within)) => {
            format!(": beyond the {} that rounding would explain", percent_words(within))
        }
        _ => ", so the figure does not follow".to_owned(),
    };
    let exact = decimal(quote.exact_bytes);
    match quote.simplified_bytes {
        Some(bytes) => {
            format!("Its formula gives {}, {how_far}{verdict}. Counted exactly: {exact}.", decimal(bytes))
        }
        None => format!("Counted exactly: {exact}, {how_far}{verdict}."),
    }
}

/// Where exact counting and that of texts part, owner by owner; nothing where texts do not count.
pub(super) fn differences(row: &DeploymentRow) -> Option<String> {
    let simplified = row.simplified.as_ref()?;
    let (exact, texts) = (row.vram_bytes(), simplified.vram_bytes());
    let notable = u128::from(exact.max(texts)) * NAMED_PERMILLE / 1000;
    let all = row.differences();
    let (large, small): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, bytes)| bytes.unsigned_abs() > notable);
    let mut parts: Vec<String> =
        large.iter().map(|(owner, bytes)| format!("{owner} {}", difference(*bytes))).collect();
    let rest: i128 = small.iter().map(|(_, bytes)| bytes).sum();
    // Else it would be shown as nothing.
    if rest.unsigned_abs() >= 5_000_000 {
        parts.push(format!("all else {}", difference(rest)));
    }
    let sum = i128::from(exact) - i128::from(texts);
    let fits = |fits: bool| if fits { "fits" } else { "does not fit" };
    Some(format!(
        "A GPU needs {} as texts count, which {}, and {} counted exactly, which {}: {} = {}.",
        decimal(texts),
        fits(simplified.fits()),
        decimal(exact),
        fits(row.row.summary().is_some()),
        parts.join(", "),
        difference(sum)
    ))
}
