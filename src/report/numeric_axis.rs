//! Along which number the points of a sweep vary: the VRAM for experts, or a swept key whose values are numbers.

use std::str::FromStr;

use super::meta::{ReportMeta, axis_value};
use crate::metrics::Row;
use crate::units::{Bandwidth, Bytes, FlopRate, SimDuration};

/// A number that varies, and its value for each row.
pub(super) struct NumericAxis {
    /// Key of the scenario; `None` for the VRAM for experts.
    pub key: Option<String>,
    /// What the values are numbers of, where they are not mere numbers: `GB/s`, `%`.
    pub unit: &'static str,
    /// In the order of the rows, in that unit.
    pub values: Vec<f64>,
}

/// A value in the unit of its kind.
fn quantity(text: &str) -> Option<(&'static str, f64)> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return Some(("", number));
    }
    if let Some(share) = text.strip_suffix('%') {
        return share.trim().parse().ok().map(|share| ("%", share));
    }
    let size = Bytes::from_str(text).map(|size| ("GiB", size.get() as f64 / (1_u64 << 30) as f64));
    let rate = || Bandwidth::from_str(text).map(|rate| ("GB/s", rate.bytes_per_s() as f64 / 1e9));
    let time = || SimDuration::from_str(text).map(|time| ("us", time.as_ns() as f64 / 1e3));
    let flops = || FlopRate::from_str(text).map(|rate| ("TFLOP/s", rate.flops_per_s() as f64 / 1e12));
    let found = size.or_else(|_| rate()).or_else(|_| time()).or_else(|_| flops()).ok()?;
    found.1.is_finite().then_some(found)
}

/// The VRAM for experts where it varies, else the first swept key whose values are different numbers of one kind; none
/// where nothing numeric varies.
pub(super) fn numeric_axis(rows: &[Row]) -> Option<NumericAxis> {
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    let capacity = |row: &Row| row.config.cache_capacity_bytes as f64 / (1_u64 << 30) as f64;
    let capacities: Vec<f64> = rows.iter().map(capacity).collect();
    if varies(&capacities) {
        return Some(NumericAxis { key: None, unit: "GiB", values: capacities });
    }
    let keys = ReportMeta::default().axis_keys(rows);
    keys.into_iter().find_map(|key| {
        let found: Option<Vec<(&str, f64)>> =
            rows.iter().map(|row| quantity(axis_value(row, &key))).collect();
        let found = found?;
        let unit = rows.first().and_then(|row| quantity(axis_value(row, &key)))?.0;
        let values: Vec<f64> = found.iter().map(|(_, value)| *value).collect();
        (found.iter().all(|(other, _)| *other == unit) && varies(&values)).then_some(NumericAxis {
            key: Some(key),
            unit,
            values,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{ConfigLabels, Outcome};

    fn rows(key: &str, values: &[&str]) -> Vec<Row> {
        let row = |value: &&str| Row {
            index: 0,
            axes: vec![("cache.policy".to_owned(), "lru".to_owned()), (key.to_owned(), (*value).to_owned())],
            config: ConfigLabels::default(),
            ledger: Vec::new(),
            tiers: Vec::new(),
            quality: crate::metrics::Quality::default(),
            cost: crate::metrics::CostBasis::default(),
            outcome: Outcome::CannotRun(Vec::new()),
        };
        values.iter().map(row).collect()
    }

    #[test]
    fn numbers_of_one_kind_make_an_axis() {
        for (values, expected) in [
            (&["1", "2.5", "8"][..], Some(("", vec![1.0, 2.5, 8.0]))),
            (&["10 %", "20%"], Some(("%", vec![10.0, 20.0]))),
            (&["1 GB/s", "500 MB/s"], Some(("GB/s", vec![1.0, 0.5]))),
            (&["1 ms", "10 us"], Some(("us", vec![1000.0, 10.0]))),
            (&["1 GiB", "512 MiB"], Some(("GiB", vec![1.0, 0.5]))),
            (&["1 GiB", "20 %"], None),
            (&["1", "1"], None),
            (&["lru", "lfu"], None),
            (&[], None),
        ] {
            let found = numeric_axis(&rows("engine.x", values)).map(|axis| (axis.unit, axis.values));
            assert_eq!(found, expected, "{values:?}");
        }
    }

    #[test]
    fn expert_vram_comes_first() {
        let mut rows = rows("engine.x", &["1", "2"]);
        rows[1].config.cache_capacity_bytes = 1 << 30;
        let axis = numeric_axis(&rows).unwrap();
        assert_eq!((axis.key, axis.values), (None, vec![0.0, 1.0]));
    }
}
