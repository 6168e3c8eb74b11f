//! The answer in words: which point is fastest, what the least VRAM for nearly that is, which policy wins, and where
//! an LRU cache stops helping. Oracle policies are bounds, never answers.

use std::collections::BTreeMap;

use super::allocator;
use super::bottleneck::{Bound, bottleneck, bound};
use super::cost::cheapest;
use super::format::{counted, ratio, size};
use super::point::ranged;
use super::series::Varying;
use super::serving;
use crate::metrics::{Row, Summary};

/// A point that ran and decoded something.
struct Ran<'a> {
    row: &'a Row,
    summary: &'a Summary,
    tpot_ns: u64,
    vram_bytes: u64,
}

/// Latency per policy and whether it is an oracle, at one setting and capacity.
type Contest<'a> = BTreeMap<&'a str, (u64, bool)>;

fn ran(rows: &[Row]) -> Vec<Ran<'_>> {
    let measured = |row| {
        let summary = Row::summary(row).filter(|summary| summary.tpot_ns.count > 0)?;
        let vram_bytes = row.tier("vram").map_or(0, |tier| tier.needed_bytes);
        Some(Ran { row, summary, tpot_ns: summary.tpot_ns.p50, vram_bytes })
    };
    rows.iter().filter_map(measured).collect()
}

/// Models that get sentences of their own.
const MODELS_MAX: usize = 8;

/// Sentences in Markdown; at least one.
pub(super) fn answer(rows: &[Row]) -> Vec<String> {
    let mut sentences = if serving::is_serving(rows) { serving::answer(rows) } else { replayed(rows) };
    sentences.extend(allocator::answer(rows));
    sentences
}

fn replayed(rows: &[Row]) -> Vec<String> {
    let varying = Varying::of(rows);
    let ran = ran(rows);
    let mut models: BTreeMap<(&str, &str), Vec<&Ran<'_>>> = BTreeMap::new();
    for point in ran.iter().filter(|point| !point.row.config.policy_is_oracle) {
        let config = &point.row.config;
        models.entry((&config.model, &config.quant)).or_default().push(point);
    }
    if models.is_empty() {
        return vec![nothing_to_answer(rows, ran.len())];
    }
    let mut sentences: Vec<String> = Vec::new();
    for ((model, quant), points) in models.iter().take(MODELS_MAX) {
        let of = if models.len() > 1 { format!(" of {model}, {quant}") } else { String::new() };
        sentences.extend(fastest_and_smallest(&of, points, &varying));
    }
    if models.len() > MODELS_MAX {
        let left_out = counted(models.len() - MODELS_MAX, "more model");
        sentences.push(format!("**And {left_out}:** see results.csv."));
    }
    sentences.extend(bottlenecks(&ran, models.len()));
    sentences.extend(policy_contest(&ran, &varying));
    sentences.extend(cliff(&ran));
    sentences.extend(cheapest(rows));
    sentences
}

/// The answer as plain text for a terminal, one sentence a line.
pub fn answer_text(rows: &[Row]) -> String {
    answer(rows).into_iter().map(|sentence| sentence.replace("**", "") + "\n").collect()
}

/// The fastest point, and the one of least VRAM that is nearly as fast.
fn fastest_and_smallest(of: &str, points: &[&Ran<'_>], varying: &Varying) -> Vec<String> {
    let Some(fastest) = points.iter().min_by_key(|p| (p.tpot_ns, p.vram_bytes, p.row.index)) else {
        return Vec::new();
    };
    let mut sentences = vec![format!("**Fastest that fits{of}:** {}.", described(fastest, varying))];
    let limit = u128::from(fastest.tpot_ns) * 11 / 10;
    let near = points.iter().filter(|p| u128::from(p.tpot_ns) <= limit);
    if let Some(smallest) = near.min_by_key(|p| (p.vram_bytes, p.tpot_ns, p.row.index)) {
        sentences.push(if smallest.vram_bytes < fastest.vram_bytes {
            format!("**Least VRAM within 10 % of that:** {}.", described(smallest, varying))
        } else {
            "**Least VRAM within 10 % of that:** the same point.".to_owned()
        });
    }
    sentences
}

fn nothing_to_answer(rows: &[Row], ran: usize) -> String {
    match (rows.len(), ran) {
        (0, _) => "The sweep has no points.".to_owned(),
        (_, 0) => "No point ran and decoded a token, so there is no latency to compare.".to_owned(),
        _ => "Only oracle policies ran; they are bounds that no real system reaches.".to_owned(),
    }
}

fn described(point: &Ran<'_>, varying: &Varying) -> String {
    let config = &point.row.config;
    let cache = format!(" with {} for experts", size(config.cache_capacity_bytes));
    format!(
        "{}{} (point {}): TPOT {}, {} of VRAM in all",
        varying.label(point.row),
        if config.experts_total_bytes > 0 { cache.as_str() } else { "" },
        point.row.index,
        ranged(&point.summary.tpot_ns),
        size(point.vram_bytes),
    )
}

/// What holds back how many of the real points, and the fastest of them where there is one model.
fn bottlenecks(ran: &[Ran<'_>], models: usize) -> Option<String> {
    let real = || ran.iter().filter(|point| !point.row.config.policy_is_oracle);
    let mut counts: BTreeMap<Bound, usize> = BTreeMap::new();
    for found in real().filter_map(|point| bound(point.summary)) {
        *counts.entry(found).or_default() += 1;
    }
    let total = counts.values().sum::<usize>();
    let mut ranking: Vec<(Bound, usize)> = counts.into_iter().collect();
    ranking.sort_by_key(|(bound, count)| (std::cmp::Reverse(*count), *bound));
    let listed: Vec<String> = match ranking.as_slice() {
        [] => return None,
        [(bound, _)] if total > 1 => vec![format!("{} at all {total} points", bound.name())],
        several => several
            .iter()
            .map(|(bound, count)| format!("{} at {}", bound.name(), counted(*count, "point")))
            .collect(),
    };
    let fastest = real().min_by_key(|point| (point.tpot_ns, point.vram_bytes, point.row.index));
    let of_fastest = fastest.filter(|_| models == 1).and_then(|point| bottleneck(point.summary));
    let of_fastest = of_fastest.map(|text| format!(" Of the fastest: {text}.")).unwrap_or_default();
    Some(format!("**Bottleneck:** {}.{of_fastest}", listed.join(", ")))
}

/// Which policy wins where two or more real ones ran under equal conditions, and by how much.
fn policy_contest(ran: &[Ran<'_>], varying: &Varying) -> Vec<String> {
    let mut contests: BTreeMap<(String, u64), Contest<'_>> = BTreeMap::new();
    for point in ran {
        let config = &point.row.config;
        let contest = contests.entry((varying.setting(point.row), config.cache_capacity_bytes)).or_default();
        let entry = contest.entry(config.policy.as_str()).or_insert((point.tpot_ns, config.policy_is_oracle));
        entry.0 = entry.0.min(point.tpot_ns);
    }
    contests.retain(|_, contest| contest.values().filter(|(_, oracle)| !oracle).count() > 1);
    if contests.is_empty() {
        return Vec::new();
    }
    let mut wins: BTreeMap<&str, usize> = BTreeMap::new();
    for contest in contests.values() {
        let real = || contest.iter().filter(|(_, (_, oracle))| !oracle);
        let best = real().map(|(_, (tpot, _))| *tpot).min();
        let winners: Vec<&str> =
            real().filter(|(_, (tpot, _))| Some(*tpot) == best).map(|(name, _)| *name).collect();
        real().for_each(|(name, _)| *wins.entry(name).or_default() += usize::from(winners == [*name]));
    }
    let mut ranking: Vec<(&str, usize)> = wins.into_iter().collect();
    ranking.sort_by_key(|(name, won)| (std::cmp::Reverse(*won), *name));
    let (winner, won) = ranking[0];
    let total = counted(contests.len(), "point");
    if won == 0 {
        return vec![format!(
            "**Policy:** no policy alone is fastest at any of the {total} where several ran."
        )];
    }
    let mut text =
        format!("**Policy:** {winner} alone is fastest at {won} of the {total} where several ran.");
    let rival = ranking[1..].iter().find(|(name, _)| *name == "lru").unwrap_or(&ranking[1]).0;
    text.push_str(&against(&contests, winner, rival));
    let bound = contests.values().flatten().find(|(_, (_, oracle))| *oracle).map(|(name, _)| *name);
    text.push_str(&bound.map_or_else(String::new, |name| against(&contests, winner, name)));
    vec![text]
}

/// `Against lru its TPOT is 7.3 % lower in the median (1.0 % higher to 12.0 % lower).`
fn against(contests: &BTreeMap<(String, u64), Contest<'_>>, winner: &str, rival: &str) -> String {
    let mut savings: Vec<i128> = contests
        .values()
        .filter_map(|contest| Some((contest.get(winner)?.0, contest.get(rival)?.0)))
        .filter(|(_, theirs)| *theirs > 0)
        .map(|(ours, theirs)| (i128::from(theirs) - i128::from(ours)) * 1000 / i128::from(theirs))
        .collect();
    savings.sort_unstable();
    let (Some(least), Some(most)) = (savings.first(), savings.last()) else {
        return String::new();
    };
    let median = savings[(savings.len() - 1) / 2];
    format!(
        " Against {rival} its TPOT is {} in the median ({} to {}).",
        lower(median),
        lower(*least),
        lower(*most)
    )
}

fn lower(permille: i128) -> String {
    let sign = match permille {
        0 => return "equal".to_owned(),
        ..0 => "higher",
        _ => "lower",
    };
    format!("{} % {sign}", ratio(permille.unsigned_abs(), 10, 1))
}

/// Where the cache is smaller than what one token asks for, recency finds nothing.
fn cliff(ran: &[Ran<'_>]) -> Option<String> {
    let below = || {
        ran.iter().filter(|point| {
            let config = &point.row.config;
            !config.policy_is_oracle
                && config.is_cached()
                && config.cache_capacity_bytes < config.token_working_set_bytes
                && point.summary.decode.lookups > 0
        })
    };
    let dead = || below().filter(|point| point.summary.decode.hits == 0);
    let working_set = dead().map(|point| point.row.config.token_working_set_bytes).max()?;
    let mut names: Vec<&str> = dead().map(|point| point.row.config.policy.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut capacities: Vec<u64> = dead().map(|point| point.row.config.cache_capacity_bytes).collect();
    capacities.sort_unstable();
    capacities.dedup();
    let shown: Vec<String> = capacities.iter().map(|bytes| size(*bytes)).collect();
    Some(format!(
        "**LRU cliff:** one token asks for {} of experts. Below that these policies hit nothing in decode: {} (at {}).",
        size(working_set),
        names.join(", "),
        shown.join(", ")
    ))
}
