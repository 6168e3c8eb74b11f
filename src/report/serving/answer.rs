//! The answer of a serving sweep in words: how much load is borne, where latency gives way, what the most throughput is,
//! what holds it back, and what it costs. Oracle policies are bounds, never answers.

use std::cmp::Reverse;

use super::limit::limit_text;
use super::load::{Knee, LoadSeries, MET_PERCENT, Served, is_saturated, knee, load_series, slower};
use super::numbers::{met_percent, rate};
use super::point::{evenness, load_words};
use crate::metrics::{Quantiles, Row};
use crate::report::cost::{cheapest, joules_per_token, usd};
use crate::report::format::{counted, listed, span};

/// Settings that are named one by one, and notes.
const LISTED_MAX: usize = 8;

/// Sentences in Markdown; at least one.
pub(in crate::report) fn answer(rows: &[Row]) -> Vec<String> {
    let all = load_series(rows);
    let mut real: Vec<&LoadSeries<'_>> = all.iter().filter(|series| !series.oracle).collect();
    if real.is_empty() {
        return vec!["Only oracle policies ran; they are bounds that no real system reaches.".to_owned()];
    }
    let finished =
        |series: &&LoadSeries<'_>| series.points.iter().any(|point| point.serving.requests.finished > 0);
    if !real.iter().any(finished) {
        return vec!["No point finished a request, so there is no latency to compare.".to_owned()];
    }
    real.retain(finished);
    let mut sentences = Vec::new();
    let best = match best_by_knee(&real) {
        Some((series, knee)) => {
            sentences.extend(knee_sentence(series, &knee));
            sentences.extend(others(&real, series));
            knee.held.unwrap_or(knee.least)
        }
        None => match fastest(&real) {
            Some(fastest) => {
                sentences.push(latency_sentence(&real, &fastest));
                &fastest.1.points[fastest.0]
            }
            None => return sentences,
        },
    };
    let most = most_tokens(&real);
    sentences.extend(most.map(|(series, point)| throughput_sentence(&real, series, point)));
    sentences.extend(most.and_then(|(_, point)| {
        limit_text(point).map(|limit| format!("**Held back at {} by:** {limit}.", point.named()))
    }));
    sentences.extend(lost(&real));
    sentences.extend(evenness(&best.serving.expert_load).map(|text| format!("**Experts:** {text}.")));
    sentences.extend(costs(rows, &real, best));
    sentences.extend(notes(rows));
    sentences
}

/// `lru, ep 8: `; nothing where there is one setting.
fn lead(series: &LoadSeries<'_>) -> String {
    if series.label.is_empty() { String::new() } else { format!("{}: ", series.label) }
}

/// The setting that holds the most load, of equals the one of least TTFT there.
fn best_by_knee<'s, 'a>(real: &[&'s LoadSeries<'a>]) -> Option<(&'s LoadSeries<'a>, Knee<'s, 'a>)> {
    let knees = real.iter().filter_map(|series| Some((*series, knee(series)?)));
    knees.min_by_key(|(_, knee)| {
        let held = knee.held;
        (
            Reverse(held.and_then(|point| point.load)),
            held.map_or(u64::MAX, |point| point.serving.ttft_ns.p99),
            knee.least.row.index,
        )
    })
}

/// Up to which load the limits hold, what latency is there, and what gives way beyond.
fn knee_sentence(series: &LoadSeries<'_>, knee: &Knee<'_, '_>) -> Option<String> {
    let (least, lead) = (knee.least, lead(series));
    let slo = least.serving.goodput.as_ref().filter(|_| knee.by_slo).map(|goodput| &goodput.slo);
    let what = match slo {
        Some(slo) => format!("Most load within the service level ({slo})"),
        None => "Latency knee".to_owned(),
    };
    let Some(held) = knee.held else {
        let broken = knee.broken?;
        let how = gives_way(knee, broken);
        return Some(format!(
            "**{what}:** {lead}below {}, the least load tried, where {how}.",
            broken.named()
        ));
    };
    let limits = match slo {
        Some(_) => format!("; {} % of requests keep it, {MET_PERCENT} % must", met_percent(held.serving, 1)),
        None if std::ptr::eq(held, least) => {
            ", the least load tried; more than twice that is beyond it".to_owned()
        }
        None => format!(", within twice the {} at {}", pair(least), least.named()),
    };
    let beyond = match knee.broken {
        Some(broken) => format!(" At {} {}.", broken.named(), gives_way(knee, broken)),
        None => " No higher load was tried.".to_owned(),
    };
    Some(format!("**{what}:** {lead}{}: {}{limits}.{beyond}", held.named(), tails(held)))
}

/// `TTFT p99 410 ms and TPOT p99 38 ms`.
fn tails(point: &Served<'_>) -> String {
    let tail = |name: &str, q: &Quantiles| (q.count > 0).then(|| format!("{name} p99 {}", span(q.p99)));
    let serving = point.serving;
    let known = tail("TTFT", &serving.ttft_ns).into_iter().chain(tail("TPOT", &serving.tpot_ns));
    listed(&known.collect::<Vec<_>>())
}

/// The same without names: `410 ms and 38 ms`.
fn pair(point: &Served<'_>) -> String {
    let known = [&point.serving.ttft_ns, &point.serving.tpot_ns].into_iter().filter(|q| q.count > 0);
    listed(&known.map(|q| span(q.p99)).collect::<Vec<_>>())
}

/// What a point that is beyond the limits does.
fn gives_way(knee: &Knee<'_, '_>, point: &Served<'_>) -> String {
    let serving = point.serving;
    if serving.requests.finished == 0 {
        return "no request finishes".to_owned();
    }
    if knee.by_slo {
        return format!("{} % do", met_percent(serving, 1));
    }
    let beyond: Vec<String> = slower(knee.least, point)
        .into_iter()
        .map(|name| {
            let quantiles = if name == "TTFT" { &serving.ttft_ns } else { &serving.tpot_ns };
            format!("{name} p99 is {}", span(quantiles.p99))
        })
        .collect();
    let saturated = is_saturated(serving).then(|| "requests come faster than they are served".to_owned());
    listed(&beyond.into_iter().chain(saturated).collect::<Vec<_>>())
}

/// What the other settings hold, most first.
fn others(real: &[&LoadSeries<'_>], best: &LoadSeries<'_>) -> Option<String> {
    let mut knees: Vec<(&str, Option<&Served<'_>>)> = real
        .iter()
        .filter(|series| series.label != best.label)
        .filter_map(|series| Some((series.label.as_str(), knee(series)?.held)))
        .collect();
    if knees.is_empty() {
        return None;
    }
    knees.sort_by_key(|(_, held)| Reverse(held.and_then(|point| point.load)));
    let one = |(label, held): &(&str, Option<&Served<'_>>)| {
        let load = held.map_or("not even the least load".to_owned(), |point| load_words(point.serving));
        format!("{label}: {load}")
    };
    let shown: Vec<String> = knees.iter().take(LISTED_MAX).map(one).collect();
    let more = knees.len().saturating_sub(LISTED_MAX);
    let more = if more > 0 { format!("; and {more} more in results.csv") } else { String::new() };
    Some(format!("**By the same measure:** {}{more}.", shown.join("; ")))
}

/// A point by its place in a series.
type Place<'s, 'a> = (usize, &'s LoadSeries<'a>);

/// The point of least TTFT at the 99th percentile, of those that answer.
fn fastest<'s, 'a>(real: &[&'s LoadSeries<'a>]) -> Option<Place<'s, 'a>> {
    let places = real.iter().flat_map(|series| (0..series.points.len()).map(move |at| (at, *series)));
    let key = |(at, series): &Place<'_, '_>| {
        let point = &series.points[*at];
        (point.serving.ttft_ns.p99, point.row.index)
    };
    places.filter(|(at, series)| series.points[*at].serving.ttft_ns.count > 0).min_by_key(key)
}

fn latency_sentence(real: &[&LoadSeries<'_>], (at, series): &Place<'_, '_>) -> String {
    let point = &series.points[*at];
    let count = real.iter().map(|series| series.points.len()).sum::<usize>();
    let what = if count > 1 { "Least TTFT" } else { "Latency" };
    let serving = point.serving;
    let medians = format!("p50 {} and {}", span(serving.ttft_ns.p50), span(serving.tpot_ns.p50));
    let met = met_percent(serving, 1);
    let slo = serving.goodput.as_ref().map(|goodput| &goodput.slo);
    let slo = slo.map_or_else(String::new, |slo| format!("; {met} % of requests within {slo}"));
    let load = load_words(serving);
    let lead = lead(series);
    format!("**{what}:** {lead}{load} (point {}): {} ({medians}){slo}.", point.row.index, tails(point))
}

/// The point of most output tokens a second.
fn most_tokens<'s, 'a>(real: &[&'s LoadSeries<'a>]) -> Option<(&'s LoadSeries<'a>, &'s Served<'a>)> {
    let points = real.iter().flat_map(|series| series.points.iter().map(move |point| (*series, point)));
    let per_s = |point: &Served<'_>| {
        u128::from(point.serving.tokens.output) * 1_000_000_000_000 / u128::from(point.serving.span_ns.max(1))
    };
    points.max_by_key(|(_, point)| (per_s(point), Reverse(point.row.index)))
}

fn throughput_sentence(real: &[&LoadSeries<'_>], series: &LoadSeries<'_>, point: &Served<'_>) -> String {
    let (serving, ns) = (point.serving, point.serving.span_ns);
    let lead = if real.len() > 1 { lead(series) } else { String::new() };
    let count = real.iter().map(|series| series.points.len()).sum::<usize>();
    let what = if count > 1 { "Most throughput" } else { "Throughput" };
    let state = match is_saturated(serving) {
        true => "; it is saturated there",
        false if serving.users > 0 => "",
        false => "; it keeps up with the load there",
    };
    format!(
        "**{what}:** {lead}{} output tokens/s and {} requests/s at {}{state}.",
        rate(serving.tokens.output, ns),
        rate(serving.requests.finished, ns),
        point.named()
    )
}

/// Requests turned away or preempted, at the point where that is worst.
fn lost(real: &[&LoadSeries<'_>]) -> Option<String> {
    let points = || real.iter().flat_map(|series| series.points.iter());
    let worst = |of: fn(&Served<'_>) -> u64| {
        let count = points().filter(|point| of(point) > 0).count();
        let worst = points().max_by_key(|point| (of(point), Reverse(point.row.index)))?;
        let others = if count > 1 { format!(", some at {count} points in all") } else { String::new() };
        (count > 0).then_some((worst, others))
    };
    let rejected = worst(|point| point.serving.requests.rejected).map(|(point, others)| {
        let requests = &point.serving.requests;
        let long = match requests.too_long {
            0 => String::new(),
            count => format!(" ({count} too long for the KV cache)"),
        };
        let (count, arrived) = (requests.rejected, requests.arrived);
        format!("{count} of {arrived} requests rejected{long} at {}{others}", point.named())
    });
    let preempted = worst(|point| point.serving.kv.preemptions).map(|(point, others)| {
        format!("{} preempted at {}{others}", point.serving.kv.preemptions, point.named())
    });
    let parts: Vec<String> = rejected.into_iter().chain(preempted).collect();
    (!parts.is_empty()).then(|| format!("**Turned away or interrupted:** {}.", parts.join("; ")))
}

/// Energy and cost per token where they are known, at the point that is the answer; where energy is least, and which
/// point is cheapest.
fn costs(rows: &[Row], real: &[&LoadSeries<'_>], best: &Served<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    let ours = joules_per_token(best.row, 3);
    if !ours.is_empty() {
        let points = real.iter().flat_map(|series| series.points.iter());
        let known = points.filter_map(|point| Some((point.row.millijoules_per_token()?, point)));
        let least = known.min_by_key(|(energy, point)| (*energy, point.row.index));
        let least = least.filter(|(_, point)| point.row.index != best.row.index);
        let least = least.map_or_else(String::new, |(_, point)| {
            format!("; least is {} at {}", joules_per_token(point.row, 3), point.named())
        });
        sentences.push(format!("**Energy:** {ours} J per output token at {}{least}.", best.named()));
    }
    let ours = best.row.microdollars_per_mtok();
    sentences.extend(
        ours.map(|cost| format!("**Cost:** {} per million output tokens at {}.", usd(cost), best.named())),
    );
    sentences.extend(cheapest(rows));
    sentences
}

/// What was interpreted, each once.
fn notes(rows: &[Row]) -> Vec<String> {
    let mut notes: Vec<&String> = Vec::new();
    for note in rows.iter().filter_map(super::served).flat_map(|serving| &serving.notes) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let more = notes.len().saturating_sub(LISTED_MAX);
    let mut sentences: Vec<String> = notes
        .iter()
        .take(LISTED_MAX)
        .map(|note| format!("**Note:** {}.", note.trim_end_matches('.')))
        .collect();
    sentences.extend((more > 0).then(|| format!("**And {}** in results.json.", counted(more, "more note"))));
    sentences
}
