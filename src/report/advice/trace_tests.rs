//! Every figure of a page is one of the row that its sentence names.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fixture::{all, desktop};
use super::value::{dollars, grouped, shown, watts};
use super::{View, advice_page, groups};
use crate::metrics::Row;
use crate::metrics::advice::{Advice, Fate, Metric};
use crate::report::explanation::explanation_json;
use crate::report::format::{fixed, percent, ratio, share, signed, size, span};
use crate::report::serving::held_back;

const UNITS: [&str; 18] = [
    "ns",
    "us",
    "ms",
    "s",
    "B",
    "KiB",
    "MiB",
    "GiB",
    "TiB",
    "USD",
    "USD/h",
    "USD/kWh",
    "W",
    "%",
    "tokens/s",
    "requests/s",
    "tokens",
    "requests",
];

type Figures = BTreeSet<String>;

/// Every number of a text that is not a part of a name, with its unit.
fn figures(text: &str) -> Figures {
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || "()[];\"'`|*".contains(c)).collect();
    let mut found = Figures::new();
    for (at, word) in words.iter().enumerate() {
        let number = word.trim_end_matches([',', ':', '.']).trim_start_matches(['-', '+']);
        let is_number = number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || ",.".contains(c));
        if !is_number {
            continue;
        }
        let next = words.get(at + 1).map(|next| next.trim_end_matches([',', ':', '.']));
        let unit = next.filter(|next| number.len() == word.len() && UNITS.contains(next) || *next == "%");
        found.insert(unit.map_or_else(|| number.to_owned(), |unit| format!("{number} {unit}")));
    }
    found
}

/// Everything that is in some data: its integers in every unit, its fractions, its texts.
fn held(value: &Value, into: &mut Figures) {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => {
                let money = dollars(whole);
                let texts = [
                    grouped(whole),
                    span(whole),
                    size(whole),
                    watts(whole),
                    share(whole),
                    money.clone(),
                    format!("{money}/h"),
                    format!("{money}/kWh"),
                    format!("{} requests", grouped(whole)),
                    format!("{} tokens", grouped(whole)),
                ];
                texts.iter().for_each(|text| into.extend(figures(text)));
            }
            None => {
                let (number, of_thousand) =
                    (number.as_f64().unwrap_or(0.0), number.as_i64().unwrap_or(0).unsigned_abs());
                into.extend(figures(&format!("{} % {} %", fixed(number, 1), signed(number, 1))));
                let change = |decimals| format!("{} %", ratio(u128::from(of_thousand), 10, decimals));
                into.extend([change(0), change(1)]);
            }
        },
        Value::String(text) => into.extend(figures(text)),
        Value::Array(values) => values.iter().for_each(|value| held(value, into)),
        Value::Object(values) => values.iter().for_each(|(name, value)| {
            held(value, into);
            if let (true, Some(change)) = (name.starts_with("change_permille"), value.as_i64()) {
                let size = u128::from(change.unsigned_abs());
                into.extend([0, 1].map(|decimals| format!("{} %", ratio(size, 10, decimals))));
            }
        }),
        _ => {}
    }
}

fn every_metric() -> Vec<Metric> {
    Metric::names().iter().filter_map(|name| Metric::find(name)).collect()
}

/// What may be said of a row: what it holds, its metrics, and shares of what it holds.
fn of_row(advice: &Advice, row: &Row) -> Figures {
    let mut found = Figures::new();
    held(&serde_json::to_value(row).unwrap(), &mut found);
    held(&serde_json::to_value(advice.candidate(row.index)).unwrap(), &mut found);
    let metrics = every_metric();
    let values = metrics.iter().filter_map(|metric| Some((*metric, metric.of(row)?)));
    for (metric, value) in values {
        found.extend(figures(&shown(metric, value)));
        let limits = advice.limits.iter().filter(|limit| limit.metric == metric);
        limits.for_each(|limit| found.extend(figures(&share(limit.excess_ppm(value)))));
    }
    let share_of = |part, whole| format!("{} %", percent(part, whole, 1));
    found.extend(row.tiers.iter().map(|tier| share_of(tier.needed_bytes, tier.capacity_bytes)));
    if let Some(summary) = row.summary() {
        let (time, total) = (&summary.decode_time, summary.decode_time.total_ns());
        let shares =
            [time.gpu_compute_ns, time.wait_h2d_ns, time.wait_nvme_ns, time.wait_cpu_ns, time.overhead_ns];
        found.extend(shares.map(|ns| share_of(ns, total)));
    }
    found.extend(held_back(row).map(|text| figures(&text)).unwrap_or_default());
    found
}

/// Counts of candidates, and what is said of those that were not simulated.
fn of_candidates(advice: &Advice) -> Figures {
    let view = View::of(advice);
    let mut found = Figures::new();
    let table = super::files::candidates(&view).unwrap();
    let mut reader = csv::Reader::from_reader(table.as_slice());
    reader
        .records()
        .for_each(|line| line.unwrap().iter().skip(1).for_each(|cell| found.extend(figures(cell))));
    let front = advice.front().count();
    let open = advice.candidates.iter().filter(|one| one.fate == Fate::Open).count();
    let mut counts = vec![advice.rows.len(), advice.candidates.len() - open, front, front.min(12)];
    counts.extend(groups(&view).iter().map(|group| group.members.len()));
    found.extend(counts.into_iter().map(|count| grouped(count as u64)));
    found
}

fn of_question(advice: &Advice) -> Figures {
    let limits = advice.limits.iter().map(|limit| limit.text.clone());
    let texts = [advice.description.clone(), advice.load.clone()]
        .into_iter()
        .chain(advice.notes.clone())
        .chain(limits);
    texts.flat_map(|text| figures(&text)).collect()
}

/// What the sources of a sentence allow; says which row is not there.
fn allowed(advice: &Advice, tag: &str) -> Result<Figures, String> {
    let mut found = Figures::new();
    let mut rows: Vec<&Row> = Vec::new();
    for source in tag.split(", ") {
        match source {
            "candidates.csv" => found.extend(of_candidates(advice)),
            "question" => found.extend(of_question(advice)),
            "validation" => {
                held(&serde_json::to_value(&advice.trust).unwrap(), &mut found);
                found.extend(advice.trust.as_ref().map(|trust| trust.series.len().to_string()));
            }
            "advice.json" => {
                let explanation = advice.explanation.as_ref().map(explanation_json);
                held(&serde_json::to_value(explanation).unwrap(), &mut found);
                held(&serde_json::to_value((&advice.launch, &advice.stages)).unwrap(), &mut found);
            }
            row => {
                let index = row.strip_prefix("row ").and_then(|index| index.parse().ok());
                let row = index.and_then(|index| advice.row(index)).ok_or(format!("there is no [{row}]"))?;
                found.extend(of_row(advice, row));
                rows.push(row);
            }
        }
    }
    for (one, other) in rows.iter().flat_map(|one| rows.iter().map(move |other| (one, other))) {
        for metric in every_metric() {
            let values = metric.of(one).zip(metric.of(other));
            found.extend(values.map(|(a, b)| figures(&shown(metric, a.abs_diff(b)))).unwrap_or_default());
        }
    }
    Ok(found)
}

/// A source in brackets, which ends a sentence.
fn is_tag(text: &str) -> bool {
    let known = |source: &str| {
        matches!(source, "candidates.csv" | "question" | "validation" | "advice.json")
            || source.starts_with("row ")
    };
    text.split(", ").all(known)
}

/// The sentences of an item with their sources; a lead belongs to all, and what has no source has an empty one.
fn sentences(item: &str) -> Vec<(String, String)> {
    let plain = item.replace("&lt;", "<").replace("&amp;", "&").replace('\\', "");
    let (mut found, mut rest) = (Vec::new(), plain.as_str());
    let mut from = 0;
    while let Some(open) = rest[from..].find('[').map(|at| from + at) {
        let close = rest[open..].find("].").map(|at| open + at);
        match close.filter(|close| is_tag(&rest[open + 1..*close])) {
            Some(close) => {
                found.push((rest[..open].to_owned(), rest[open + 1..close].to_owned()));
                (rest, from) = (&rest[close + 2..], 0);
            }
            None => from = open + 1,
        }
    }
    found.push((rest.to_owned(), String::new()));
    found
}

/// Everything that a page says without a row that has it.
fn untraced(page: &str, advice: &Advice) -> Vec<String> {
    let mut problems = Vec::new();
    let mut in_command = false;
    for line in page.lines() {
        in_command ^= line.starts_with("```");
        if let Some(item) = line.strip_prefix("- ").filter(|_| !in_command) {
            for (text, tag) in sentences(item) {
                let told = numbered(&text, advice, &mut problems);
                let may = if tag.is_empty() { Ok(Figures::new()) } else { allowed(advice, &tag) };
                match may {
                    Ok(may) => problems.extend(
                        figures(&told).difference(&may).map(|one| format!("{one:?} in {text}[{tag}]")),
                    ),
                    Err(problem) => problems.push(problem),
                }
            }
        } else if let Some(cells) =
            line.strip_prefix("| ").filter(|line| line.contains(|c: char| c.is_ascii_digit()))
        {
            let cells = cells.replace("**", "").replace('\\', "");
            let index: Option<u64> = cells.split(' ').next().and_then(|index| index.parse().ok());
            let Some(row) = index.and_then(|index| advice.row(index)) else { continue };
            let mut may = of_row(advice, row);
            may.insert(row.index.to_string());
            problems.extend(figures(&cells).difference(&may).map(|one| format!("{one:?} in {line}")));
        }
    }
    problems
}

/// The text without numbers of candidates, each of which must be one, and without those of steps.
fn numbered(text: &str, advice: &Advice, problems: &mut Vec<String>) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for at in 1..words.len() {
        let number: Option<u64> = words[at].trim_end_matches([':', ',']).parse().ok();
        match (words[at - 1].trim_start_matches(['*', '(']), number) {
            ("number" | "Number", Some(index)) => {
                if advice.candidate(index).is_none() {
                    problems.push(format!("there is no number {index}"));
                }
                words[at] = "";
            }
            ("Step", Some(_)) => words[at] = "",
            _ => {}
        }
    }
    words.join(" ")
}

#[test]
fn every_figure_is_one_of_its_row() {
    for (name, advice) in all() {
        let problems = untraced(&advice_page(&advice), &advice);
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
    }
}

#[test]
fn the_test_finds_what_is_not_there() {
    let advice = desktop();
    let page = advice_page(&advice);
    for (from, to) in [
        ("85.4 ms", "85.5 ms"),
        ("1,199 USD", "1,198 USD"),
        ("18 configurations", "17 configurations"),
        ("[row 27]", "[row 26]"),
        ("[row 27]", "[row 0]"),
        (" [row 27].", "."),
        ("8.1 %", "8.2 %"),
        ("number 21", "number 99"),
        ("13.71 %", "13.72 %"),
    ] {
        assert!(page.contains(from), "{from}");
        assert!(!untraced(&page.replace(from, to), &advice).is_empty(), "{from} -> {to}");
    }
}

#[test]
fn figures_are_numbers_with_units_and_no_names() {
    for (text, expect) in [
        ("needs 61.0 GiB (1,204 of them), 12.5 %.", vec!["1,204", "12.5 %", "61.0 GiB"]),
        ("gpt-oss-120b in q4_k_m on rtx3090, p99 (-34 %)", vec!["34 %"]),
    ] {
        assert_eq!(figures(text).into_iter().collect::<Vec<_>>(), expect);
    }
}
