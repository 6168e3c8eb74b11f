//! What a report says of the sweep as a whole.

use serde::{Deserialize, Serialize};

use crate::metrics::Row;

/// Title, axes and provenance of a sweep. It holds no time, host or folder, since those differ between equal runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportMeta {
    /// Heading of every document and picture.
    pub title: String,
    /// Name of the scenario file.
    pub scenario_name: String,
    /// Keys of the swept axes, in the order of the scenario.
    pub axes: Vec<String>,
    /// Where the numbers come from, one fact a line: crate version, trace fingerprint, seed.
    pub provenance: Vec<String>,
    /// Remarks a reader must know, one a line.
    pub notes: Vec<String>,
}

impl ReportMeta {
    /// The axis keys, and after them any that only rows name.
    pub(super) fn axis_keys(&self, rows: &[Row]) -> Vec<String> {
        let mut keys = self.axes.clone();
        for (key, _) in rows.iter().flat_map(|row| &row.axes) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        keys
    }
}

/// The value of an axis as written in the scenario; empty where the row does not have it.
pub(super) fn axis_value<'a>(row: &'a Row, key: &str) -> &'a str {
    row.axes.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
}
