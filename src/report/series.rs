//! Rows sorted into series: those that differ in nothing but the expert cache's capacity.
//!
//! A series is named after what varies in the sweep. The labels a point resolved to come first; an axis is added only
//! where labels and capacity do not already determine its value, so that an axis of capacities in any spelling never
//! becomes part of a name.

use std::collections::BTreeMap;

use super::meta::{ReportMeta, axis_value};
use super::text_table::last_part;
use crate::metrics::{ConfigLabels, Row};

/// Rows of one policy in one setting, by ascending capacity.
pub(super) struct Series<'a> {
    /// Policy and whatever else varies: `lru, rtx4090, depth 2`.
    pub label: String,
    /// The part of the label after the policy; empty where only the policy varies.
    pub setting: String,
    /// The policy reads the future.
    pub oracle: bool,
    /// The points, by capacity and then by position in the sweep.
    pub rows: Vec<&'a Row>,
}

/// Axes that set the capacity, and so place a point along its series. Values above the size of all experts resolve to
/// one capacity, which must not make series of them.
const CAPACITY_AXES: [&str; 4] =
    ["cache.capacity", "cache.slots_per_layer", "cache.experts", "hardware.vram"];

/// Policy of a model that routes nothing, so that there is nothing to cache.
const NO_POLICY: &str = "none";

/// What varies between the rows of a sweep, apart from policy and capacity.
pub(super) struct Varying {
    fields: Vec<usize>,
    axes: Vec<String>,
    keys: Vec<String>,
}

/// The labels that may tell two settings apart.
fn fields(config: &ConfigLabels) -> [String; 9] {
    [
        config.model.clone(),
        config.quant.clone(),
        config.gpu.clone(),
        config.engine.clone(),
        config.backing.clone(),
        config.cache_scope.clone(),
        config.replay.clone(),
        config.trace.clone(),
        format!("context {}", config.context_tokens),
    ]
}

impl Varying {
    /// Of all rows of a sweep.
    pub(super) fn of(rows: &[Row]) -> Self {
        let keys = ReportMeta::default().axis_keys(rows);
        let all: Vec<[String; 9]> = rows.iter().map(|row| fields(&row.config)).collect();
        let differs = |field: &usize| all.iter().any(|values| values[*field] != all[0][*field]);
        let mut varying =
            Self { fields: (0..9).filter(differs).collect(), axes: Vec::new(), keys: keys.clone() };
        for key in keys {
            if !CAPACITY_AXES.contains(&key.as_str()) && varying.leaves_open(rows, &key) {
                varying.axes.push(key);
            }
        }
        varying
    }

    /// Whether two rows that agree in everything known so far differ in this axis.
    fn leaves_open(&self, rows: &[Row], key: &str) -> bool {
        let mut seen: BTreeMap<(&str, u64, Vec<String>), &str> = BTreeMap::new();
        rows.iter().any(|row| {
            let known = (row.config.policy.as_str(), row.config.cache_capacity_bytes, self.parts(row));
            let value = axis_value(row, key);
            *seen.entry(known).or_insert(value) != value
        })
    }

    fn parts(&self, row: &Row) -> Vec<String> {
        let values = fields(&row.config);
        let axes =
            self.axes.iter().map(|key| format!("{} {}", last_part(key, &self.keys), axis_value(row, key)));
        self.fields.iter().map(|field| values[*field].clone()).chain(axes).collect()
    }

    /// What tells a row's setting from others, without policy and capacity; empty where nothing does.
    pub(super) fn setting(&self, row: &Row) -> String {
        self.parts(row).join(", ")
    }

    /// The policy, marked where it is an oracle, and the setting; the model alone where there is neither.
    pub(super) fn label(&self, row: &Row) -> String {
        let oracle = if row.config.policy_is_oracle { " (oracle)" } else { "" };
        let policy = format!("{}{oracle}", row.config.policy);
        let policy = (row.config.policy != NO_POLICY).then_some(policy);
        let parts: Vec<String> = policy.into_iter().chain(self.parts(row)).collect();
        if parts.is_empty() { row.config.model.clone() } else { parts.join(", ") }
    }
}

/// All series, in the order in which they first appear in the sweep.
pub(super) fn series_of(rows: &[Row]) -> Vec<Series<'_>> {
    let varying = Varying::of(rows);
    let mut series: Vec<Series<'_>> = Vec::new();
    for row in rows {
        let label = varying.label(row);
        match series.iter_mut().find(|one| one.label == label) {
            Some(one) => one.rows.push(row),
            None => series.push(Series {
                label,
                setting: varying.setting(row),
                oracle: row.config.policy_is_oracle,
                rows: vec![row],
            }),
        }
    }
    for one in &mut series {
        one.rows.sort_by_key(|row| (row.config.cache_capacity_bytes, row.index));
    }
    series
}

/// The fastest real policy at each setting and capacity, of the rows that ran.
pub(super) fn fastest_of(rows: &[Row]) -> Vec<&Row> {
    let varying = Varying::of(rows);
    let mut best: BTreeMap<(String, u64), &Row> = BTreeMap::new();
    let rank = |row: &Row| (row.summary().map_or(u64::MAX, |summary| summary.tpot_ns.p50), row.index);
    for row in rows.iter().filter(|row| !row.config.policy_is_oracle && row.summary().is_some()) {
        let key = (varying.setting(row), row.config.cache_capacity_bytes);
        let entry = best.entry(key).or_insert(row);
        if rank(row) < rank(entry) {
            *entry = row;
        }
    }
    best.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Outcome;

    fn row(policy: &str, capacity: u64, axes: &[(&str, &str)]) -> Row {
        Row {
            index: 0,
            axes: axes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            config: ConfigLabels {
                policy: policy.to_owned(),
                policy_is_oracle: policy == "belady",
                cache_capacity_bytes: capacity,
                ..ConfigLabels::default()
            },
            ledger: Vec::new(),
            tiers: Vec::new(),
            quality: crate::metrics::Quality::default(),
            cost: crate::metrics::CostBasis::default(),
            outcome: Outcome::CannotRun(Vec::new()),
        }
    }

    fn labels(rows: &[Row]) -> Vec<String> {
        series_of(rows).into_iter().map(|series| series.label).collect()
    }

    #[test]
    fn an_axis_of_capacities_never_names_a_series() {
        let rows = [row("lru", 1, &[("cache.share", "1 %")]), row("lru", 2, &[("cache.share", "2 %")])];
        assert_eq!(labels(&rows), ["lru"]);
    }

    #[test]
    fn an_axis_that_labels_do_not_explain_does() {
        let rows = [
            row("lru", 1, &[("prefetch.depth", "0")]),
            row("lru", 1, &[("prefetch.depth", "2")]),
            row("belady", 1, &[("prefetch.depth", "2")]),
        ];
        assert_eq!(labels(&rows), ["lru, depth 0", "lru, depth 2", "belady (oracle), depth 2"]);
    }

    #[test]
    fn only_labels_that_vary_are_named() {
        let mut rows = [row("lru", 1, &[]), row("lru", 1, &[])];
        rows[0].config.gpu = "rtx3090".to_owned();
        rows[1].config.gpu = "rtx4090".to_owned();
        rows.iter_mut().for_each(|row| row.config.model = "olmoe".to_owned());
        assert_eq!(labels(&rows), ["lru, rtx3090", "lru, rtx4090"]);
        assert_eq!(labels(&[]), Vec::<String>::new());
    }

    /// Capacities that were cut down to the size of all experts stay in their series.
    #[test]
    fn a_capacity_axis_never_makes_series() {
        let rows = [
            row("lru", 16, &[("cache.capacity", "16 GiB")]),
            row("lru", 16, &[("cache.capacity", "17 GiB")]),
        ];
        assert_eq!(series_of(&rows).len(), 1);
    }
}
