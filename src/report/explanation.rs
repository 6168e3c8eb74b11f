//! What holds a point back and what would relieve it, in words, a table and JSON.

use serde::Serialize;

use super::bottleneck::{Bound, bottleneck, bound, shares};
use super::format::{ratio, span};
use super::point::described;
use super::text_table::aligned;
use crate::metrics::{Explanation, Quantiles, Relief, Relieved, Row, SequenceSummary, Summary};

/// Below this many thousandths a change is not called help.
const NOTABLE_PERMILLE: i64 = 50;

/// The title of a resource in the table.
fn title(relief: Relief) -> &'static str {
    match relief {
        Relief::GpuMemory => "GPU memory bandwidth",
        Relief::GpuCompute => "GPU compute",
        Relief::HostLink => "host link (H2D, D2H)",
        Relief::Nvme => "NVMe bandwidth",
        Relief::CpuMemory => "CPU memory bandwidth",
        Relief::CpuCompute => "CPU compute",
        Relief::ExpertVram => "VRAM for experts",
        Relief::ExpertDram => "DRAM for experts",
        Relief::Overheads => "engine overheads (halved)",
    }
}

/// What the resource is called in a sentence.
fn called(relief: Relief) -> &'static str {
    blamed(relief).map_or(title(relief), |(name, _)| name)
}

/// What the resource is called as a bottleneck, and which share of the time is its own; none for room, which is not
/// what anything waits for.
fn blamed(relief: Relief) -> Option<(&'static str, Bound)> {
    match relief {
        Relief::GpuMemory => Some(("GPU memory bandwidth", Bound::Gpu)),
        Relief::GpuCompute => Some(("GPU compute", Bound::Gpu)),
        Relief::HostLink => Some(("host link (H2D)", Bound::HostLink)),
        Relief::Nvme => Some(("NVMe bandwidth", Bound::Nvme)),
        Relief::CpuMemory => Some(("CPU memory bandwidth", Bound::Cpu)),
        Relief::CpuCompute => Some(("CPU compute", Bound::Cpu)),
        Relief::Overheads => Some(("the engine's overheads", Bound::Overheads)),
        Relief::ExpertVram | Relief::ExpertDram => None,
    }
}

/// A relief in numbers.
#[derive(Clone, Copy, Debug)]
struct Change {
    relief: Relief,
    after_ns: u64,
    /// Thousandths by which the median changes; negative is faster.
    permille: i64,
    /// The same of the sequence that gains most, and of the one that gains least.
    over_sequences: (i64, i64),
}

/// The latency that counts: time per output token, or to the first where nothing is decoded.
fn latency<'a>(tpot: &'a Quantiles, ttft: &'a Quantiles) -> &'a Quantiles {
    if tpot.count > 0 { tpot } else { ttft }
}

fn permille(before: u64, after: u64) -> i64 {
    if before == 0 {
        return 0;
    }
    let (before, after) = (i128::from(before), i128::from(after));
    let doubled = (after - before) * 2000;
    let rounded = (doubled + doubled.signum() * before) / (2 * before);
    i64::try_from(rounded).unwrap_or(i64::MAX)
}

fn change(before: &Summary, relieved: &Relieved) -> Change {
    let was = latency(&before.tpot_ns, &before.ttft_ns).p50;
    let is = latency(&relieved.tpot_ns, &relieved.ttft_ns).p50;
    let decodes = before.tpot_ns.count > 0;
    let time = |one: &SequenceSummary| if decodes { one.decode_ns } else { one.prefill_ns };
    let pairs = before.sequences.iter().zip(&relieved.sequences);
    let each =
        || pairs.clone().filter(|(was, _)| time(was) > 0).map(|(was, is)| permille(time(was), time(is)));
    Change {
        relief: relieved.resource,
        after_ns: is,
        permille: permille(was, is),
        over_sequences: (each().min().unwrap_or(0), each().max().unwrap_or(0)),
    }
}

/// Every relief, as far as it goes; none where the point cannot run.
fn changes(explanation: &Explanation) -> Vec<Change> {
    let Some(summary) = explanation.row.summary() else { return Vec::new() };
    explanation.reliefs.iter().map(|relieved| change(summary, relieved)).collect()
}

/// `-32.3 %`, `+1.0 %`, `0.0 %`.
fn signed(permille: i64, decimals: u32) -> String {
    let size = ratio(u128::from(permille.unsigned_abs()), 10, decimals);
    let sign = match permille {
        0 => "",
        ..0 => "-",
        _ => "+",
    };
    format!("{sign}{size} %")
}

/// The point, the table of reliefs, and the sentence.
pub fn explanation(explanation: &Explanation) -> String {
    let mut text = described(&explanation.row);
    let Some(summary) = explanation.row.summary() else { return text };
    let changes = changes(explanation);
    let word = if summary.tpot_ns.count > 0 { "TPOT" } else { "TTFT" };
    let now = latency(&summary.tpot_ns, &summary.ttft_ns);
    let head = ["resource doubled", word, "change", "over sequences"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let range = format!("{} to {}", span(now.min), span(now.max));
    lines.push(vec!["(as it is)".to_owned(), span(now.p50), String::new(), range]);
    lines.extend(changes.iter().map(|change| {
        let (most, least) = change.over_sequences;
        vec![
            title(change.relief).to_owned(),
            span(change.after_ns),
            signed(change.permille, 1),
            format!("{} to {}", signed(most, 1), signed(least, 1)),
        ]
    }));
    text.push('\n');
    text.push_str(&aligned(&lines, 1));
    text.push_str(&format!("\n{}\n", sentence(&explanation.row, summary, &changes)));
    text
}

/// What holds the point back and what would relieve it, in sentences; none where it cannot run.
pub(super) fn explained(explanation: &Explanation) -> Option<String> {
    let summary = explanation.row.summary()?;
    Some(sentence(&explanation.row, summary, &changes(explanation)))
}

fn sentence(row: &Row, summary: &Summary, changes: &[Change]) -> String {
    let word = if summary.tpot_ns.count > 0 { "TPOT" } else { "TTFT" };
    let now = latency(&summary.tpot_ns, &summary.ttft_ns);
    let ranking = ranking(changes);
    let device = ranking.iter().find_map(|change| Some((*change, blamed(change.relief)?)));
    let Some((change, (name, blame))) = device.filter(|(change, _)| change.permille <= -NOTABLE_PERMILLE)
    else {
        return nothing_helps(row, summary, &ranking, word);
    };
    let (verb, from) =
        (if change.relief == Relief::Overheads { "halving" } else { "doubling" }, span(now.p50));
    // Copies and reads share the CPU's memory, so it may hold back a point that never waits for the CPU.
    let (shares, _) = shares(summary);
    let blame = if blame.share_ns(shares) > 0 { blame } else { bound(summary).unwrap_or(blame) };
    let mut text = format!(
        "Bottleneck: {name}, {}; {verb} {} would cut {word} from {from} to {} ({}).",
        blame.part(summary),
        if change.relief == Relief::Overheads { "them" } else { "it" },
        span(change.after_ns),
        signed(change.permille, 0),
    );
    if change.relief == Relief::Overheads {
        text.push_str(" More hardware helps less than a leaner engine.");
    }
    let others = ranking.iter().filter(|other| other.relief != change.relief);
    let better = |other: &&&Change| other.permille < change.permille;
    if let Some(other) = others.clone().find(better) {
        text.push_str(&format!(
            " Better still: twice the {} ({}).",
            title(other.relief),
            signed(other.permille, 0)
        ));
    }
    let notable = |other: &&&Change| other.permille <= -NOTABLE_PERMILLE;
    if let Some(other) = others.clone().filter(|other| !better(other)).find(notable) {
        text.push_str(&format!(" Next: {} ({}).", called(other.relief), signed(other.permille, 0)));
    }
    text
}

/// The greatest gain first; of equals, the first in the table.
fn ranking(changes: &[Change]) -> Vec<&Change> {
    let mut ranking: Vec<&Change> = changes.iter().collect();
    ranking.sort_by_key(|change| (change.permille, change.relief));
    ranking
}

/// No rate holds the point back.
fn nothing_helps(row: &Row, summary: &Summary, ranking: &[&Change], word: &str) -> String {
    let most = bottleneck(summary).unwrap_or_else(|| "none".to_owned());
    let Some(best) = ranking.first() else {
        return format!("Most of the time: {most}. Nothing of {} could be doubled.", row.config.model);
    };
    let (name, change) = (called(best.relief), signed(best.permille, 1));
    if best.permille <= -NOTABLE_PERMILLE {
        return format!(
            "Most of the time: {most}. No faster device helps much, but more room does: {name} ({change})."
        );
    }
    format!(
        "Nothing helps much alone: the best, {name}, changes {word} by {change}. Most of the time: {most}."
    )
}

/// An explanation as JSON shows it.
#[derive(Serialize)]
pub struct ExplanationJson<'a> {
    row: &'a Row,
    reliefs: Vec<ReliefJson<'a>>,
    answer: String,
}

#[derive(Serialize)]
struct ReliefJson<'a> {
    #[serde(flatten)]
    relieved: &'a Relieved,
    change_permille: i64,
    change_permille_of_most: i64,
    change_permille_of_least: i64,
}

/// The explanation with its changes and its sentence, to be encoded.
pub fn explanation_json(explanation: &Explanation) -> ExplanationJson<'_> {
    let changes = changes(explanation);
    let answer = explanation.row.summary().map(|summary| sentence(&explanation.row, summary, &changes));
    let reliefs = explanation.reliefs.iter().zip(&changes).map(|(relieved, change)| ReliefJson {
        relieved,
        change_permille: change.permille,
        change_permille_of_most: change.over_sequences.0,
        change_permille_of_least: change.over_sequences.1,
    });
    ExplanationJson {
        row: &explanation.row,
        reliefs: reliefs.collect(),
        answer: answer.unwrap_or_else(|| "The point cannot run.".to_owned()),
    }
}
