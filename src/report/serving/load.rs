//! Rows along the load: which of them form a series, where a series begins to give way, and which row to show.

use std::fmt;

use super::numbers::{judged, thousandths};
use super::served;
use crate::metrics::{Row, ServingSummary, Summary};
use crate::report::meta::{ReportMeta, axis_value};
use crate::report::numeric_axis::numeric_axis;
use crate::report::text_table::last_part;

/// How much is asked of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report) enum Load {
    /// Requests come by themselves: thousandths of one a second.
    Rate(u64),
    /// Users who wait for their answers: how many.
    Users(u64),
}

impl Load {
    /// None where a log says when requests come, at no one rate.
    pub(in crate::report) fn of(serving: &ServingSummary) -> Option<Self> {
        match (serving.rate_millihertz, serving.users) {
            (0, 0) => None,
            (0, users) => Some(Self::Users(users)),
            (rate, _) => Some(Self::Rate(rate)),
        }
    }

    /// In requests a second, or users.
    pub(in crate::report) fn value(self) -> f64 {
        match self {
            Self::Rate(millihertz) => millihertz as f64 / 1000.0,
            Self::Users(users) => users as f64,
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(millihertz) => {
                let noun = if *millihertz == 1000 { "request" } else { "requests" };
                write!(f, "{} {noun}/s", thousandths(*millihertz))
            }
            Self::Users(1) => write!(f, "1 user"),
            Self::Users(users) => write!(f, "{users} users"),
        }
    }
}

/// A row that ran under load.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Served<'a> {
    pub row: &'a Row,
    pub summary: &'a Summary,
    pub serving: &'a ServingSummary,
    /// None where the load has no one number.
    pub load: Option<Load>,
}

impl<'a> Served<'a> {
    pub(in crate::report) fn of(row: &'a Row) -> Option<Self> {
        let serving = served(row)?;
        Some(Self { row, summary: row.summary()?, serving, load: Load::of(serving) })
    }

    /// `4 requests/s (point 3)`, `point 3` where the load has no one number.
    pub(in crate::report) fn named(&self) -> String {
        match self.load {
            Some(load) => format!("{load} (point {})", self.row.index),
            None => format!("point {}", self.row.index),
        }
    }
}

/// Rows that differ in nothing but the load, by ascending load.
pub(in crate::report) struct LoadSeries<'a> {
    /// What tells the series from others; empty where there is one.
    pub label: String,
    /// The policy reads the future.
    pub oracle: bool,
    pub points: Vec<Served<'a>>,
}

/// Keys that say how much is asked.
const LOAD_KEYS: [&str; 2] = ["requests.rate", "requests.users"];
/// Keys that set the VRAM for experts.
const CAPACITY_KEYS: [&str; 4] =
    ["cache.capacity", "cache.slots_per_layer", "cache.experts", "hardware.vram"];

/// The swept keys that do not merely say how much is asked.
fn other_keys(rows: &[Row]) -> Vec<String> {
    let keys = ReportMeta::default().axis_keys(rows);
    keys.into_iter().filter(|key| !LOAD_KEYS.contains(&key.as_str())).collect()
}

/// `lru, ep 8`: the values of some keys that vary, with the key's name where a value says too little.
fn setting(rows: &[Row], row: &Row, keys: &[String]) -> String {
    let varies = |key: &&String| rows.iter().any(|other| axis_value(other, key) != axis_value(row, key));
    let named = |key: &String| {
        let value = axis_value(row, key);
        let speaks = value.chars().next().is_some_and(char::is_alphabetic);
        let speaks = speaks && !matches!(value, "true" | "false" | "auto" | "none");
        if speaks { value.to_owned() } else { format!("{} {value}", last_part(key, keys)) }
    };
    keys.iter().filter(varies).map(named).collect::<Vec<_>>().join(", ")
}

/// What tells each row's setting from others, whatever their load.
pub(in crate::report) fn settings(rows: &[Row]) -> Vec<String> {
    let keys = other_keys(rows);
    rows.iter().map(|row| setting(rows, row, &keys)).collect()
}

/// What tells the ledger of each row from others: neither its load nor its policy has a part in it.
pub(in crate::report) fn ledger_settings(rows: &[Row]) -> Vec<String> {
    let keys: Vec<String> = other_keys(rows).into_iter().filter(|key| key != "cache.policy").collect();
    rows.iter().map(|row| setting(rows, row, &keys)).collect()
}

/// The rows under load in series, in the order in which they first appear.
pub(in crate::report) fn load_series(rows: &[Row]) -> Vec<LoadSeries<'_>> {
    let mut series = series_by(rows, &settings(rows));
    for one in &mut series {
        one.points.sort_by_key(|point| (point.load, point.row.index));
    }
    series
}

fn series_by<'a>(rows: &'a [Row], labels: &[String]) -> Vec<LoadSeries<'a>> {
    let mut series: Vec<LoadSeries<'a>> = Vec::new();
    for (row, label) in rows.iter().zip(labels) {
        let Some(point) = Served::of(row) else { continue };
        let oracle = row.config.policy_is_oracle;
        let label = if oracle && !label.is_empty() { format!("{label} (oracle)") } else { label.clone() };
        match series.iter_mut().find(|one| one.label == label) {
            Some(one) => one.points.push(point),
            None => series.push(LoadSeries { label, oracle, points: vec![point] }),
        }
    }
    series
}

/// A sweep along one number.
pub(in crate::report) struct Swept<'a> {
    /// The number with its unit: `request rate (requests/s)`.
    pub label: String,
    /// The same in few words: `request rate`.
    pub name: String,
    /// The number is the load.
    pub by_load: bool,
    /// Series with the value of each of their points, which ascend.
    pub series: Vec<(LoadSeries<'a>, Vec<f64>)>,
}

/// Along the load where it varies, else along whatever number does; none where nothing numeric varies.
pub(in crate::report) fn swept<'a>(rows: &'a [Row]) -> Option<Swept<'a>> {
    let series = load_series(rows);
    let loads = |one: &LoadSeries<'_>| one.points.iter().filter_map(|point| point.load).collect::<Vec<_>>();
    if series.iter().any(|one| loads(one).windows(2).any(|pair| pair[0] != pair[1])) {
        let users = series.iter().flat_map(loads).all(|load| matches!(load, Load::Users(_)));
        let (name, label) =
            if users { ("users", "users") } else { ("request rate", "request rate (requests/s)") };
        let valued = |mut one: LoadSeries<'a>| {
            one.points.retain(|point| point.load.is_some());
            let values = one.points.iter().filter_map(|point| point.load).map(Load::value).collect();
            (one, values)
        };
        let series = series.into_iter().map(valued).filter(|(one, _)| !one.points.is_empty()).collect();
        return Some(Swept { label: label.to_owned(), name: name.to_owned(), by_load: true, series });
    }
    along_another(rows)
}

fn along_another<'a>(rows: &'a [Row]) -> Option<Swept<'a>> {
    let axis = numeric_axis(rows)?;
    let is_own = |key: &String| match &axis.key {
        Some(own) => own == key,
        None => CAPACITY_KEYS.contains(&key.as_str()),
    };
    let keys: Vec<String> = ReportMeta::default().axis_keys(rows);
    let others: Vec<String> = keys.iter().filter(|key| !is_own(key)).cloned().collect();
    let labels: Vec<String> = rows.iter().map(|row| setting(rows, row, &others)).collect();
    let at = |point: &Served<'_>| {
        let place = rows.iter().position(|row| std::ptr::eq(row, point.row));
        place.and_then(|place| axis.values.get(place)).copied().unwrap_or(0.0)
    };
    let sorted = |mut one: LoadSeries<'a>| {
        one.points.sort_by(|a, b| at(a).total_cmp(&at(b)));
        let values = one.points.iter().map(at).collect();
        (one, values)
    };
    let name = axis.key.as_ref().map_or("VRAM for experts", |key| last_part(key, &keys)).to_owned();
    let label = match (&axis.key, axis.unit) {
        (None, unit) => format!("VRAM for routed experts ({unit})"),
        (Some(key), "") => key.clone(),
        (Some(key), unit) => format!("{key} ({unit})"),
    };
    let series = series_by(rows, &labels).into_iter().map(sorted).collect();
    Some(Swept { label, name, by_load: false, series })
}

/// Whether requests come faster than they are served: some were turned away by a full queue, or a tenth of all that
/// came were waiting when the last of them did. Without slices, whether a tenth of the rate asked for was not served.
/// Users who wait for their answers never ask for more than they get.
pub(in crate::report) fn is_saturated(serving: &ServingSummary) -> bool {
    if serving.requests.rejected > serving.requests.too_long {
        return true;
    }
    if serving.users > 0 {
        return false;
    }
    match serving.slices.iter().rfind(|slice| slice.arrived > 0) {
        Some(last) => {
            let waiting = u128::from(last.waiting_permille);
            waiting >= 2000 && waiting * 10 > u128::from(serving.requests.arrived) * 1000
        }
        None => {
            let served = u128::from(serving.requests.finished) * 1_000_000_000_000;
            let asked = u128::from(serving.rate_millihertz) * u128::from(serving.span_ns);
            served * 10 < asked * 9
        }
    }
}

/// Where a series begins to give way.
pub(in crate::report) struct Knee<'s, 'a> {
    /// The point of least load.
    pub least: &'s Served<'a>,
    /// The point of most load up to which all keep the limits; none where not even the first does.
    pub held: Option<&'s Served<'a>>,
    /// The first that does not; none where all do.
    pub broken: Option<&'s Served<'a>>,
    /// The limits are a service level, not twice the latency under least load.
    pub by_slo: bool,
}

/// Of the requests whose fate is known, so many must be within the service level, as in DistServe (Zhong et al., OSDI
/// 2024).
pub(super) const MET_PERCENT: u64 = 90;
/// The 99th percentiles of TTFT and TPOT may be so many times those under least load.
pub(super) const SLOWER: u64 = 2;

/// By the service level where every point has one, else by the 99th percentiles of TTFT and TPOT; none for fewer than
/// two different loads.
pub(in crate::report) fn knee<'s, 'a>(series: &'s LoadSeries<'a>) -> Option<Knee<'s, 'a>> {
    let points = &series.points;
    let (least, most) = (points.first()?, points.last()?);
    if least.load.is_none() || least.load == most.load {
        return None;
    }
    let by_slo = points.iter().all(|point| point.serving.goodput.is_some());
    let held_count = points.iter().take_while(|point| holds(least, point, by_slo)).count();
    Some(Knee {
        least,
        held: held_count.checked_sub(1).and_then(|last| points.get(last)),
        broken: points.get(held_count),
        by_slo,
    })
}

fn holds(least: &Served<'_>, point: &Served<'_>, by_slo: bool) -> bool {
    let serving = point.serving;
    if let Some(goodput) = serving.goodput.as_ref().filter(|_| by_slo) {
        let (met, all) = (u128::from(goodput.met), u128::from(judged(serving)));
        return all > 0 && met * 100 >= all * u128::from(MET_PERCENT);
    }
    serving.ttft_ns.count > 0 && !is_saturated(serving) && slower(least, point).is_empty()
}

/// The measures whose 99th percentile is beyond its limit.
pub(super) fn slower(least: &Served<'_>, point: &Served<'_>) -> Vec<&'static str> {
    let beyond = |ours: u64, theirs: u64| u128::from(ours) > u128::from(theirs) * u128::from(SLOWER);
    let (ours, theirs) = (point.serving, least.serving);
    let ttft = beyond(ours.ttft_ns.p99, theirs.ttft_ns.p99).then_some("TTFT");
    let tpot = beyond(ours.tpot_ns.p99, theirs.tpot_ns.p99).then_some("TPOT");
    ttft.into_iter().chain(tpot).collect()
}

/// The row that pictures of one run show: of the real rows, or of oracles where there are no others, the one of most load
/// that is not saturated; else the one of most load. Of equals, the first in the sweep.
pub(in crate::report) fn showcase(rows: &[Row]) -> Option<Served<'_>> {
    let all = || rows.iter().filter_map(Served::of);
    let has_real = all().any(|point| !point.row.config.policy_is_oracle);
    let fit = || all().filter(|point| !has_real || !point.row.config.policy_is_oracle);
    let most = |point: &Served<'_>| (point.load, std::cmp::Reverse(point.row.index));
    let calm = fit().filter(|point| !is_saturated(point.serving)).max_by_key(most);
    calm.or_else(|| fit().max_by_key(most))
}
