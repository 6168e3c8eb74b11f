//! The comparison as cells. What all rows of a table share is told once, above it.

use super::words;
use crate::metrics::{Deployment, DeploymentRow};
use crate::report::footprint::decimal;

/// A column: its head, its cell, and whether it is told above the table where all rows share it.
type Column = (&'static str, fn(&DeploymentRow) -> String, bool);

const COLUMNS: [Column; 14] = [
    ("configuration", |row| row.title.clone(), false),
    ("hardware", words::hardware, true),
    ("model", |row| row.row.config.model.clone(), true),
    ("stored as", |row| row.row.config.quant.clone(), true),
    ("experts in", words::placement, true),
    ("quoted", words::quoted, false),
    (
        "as texts count",
        |row| row.simplified.as_ref().map_or_else(|| "-".to_owned(), |count| decimal(count.vram_bytes())),
        true,
    ),
    ("needs", |row| decimal(row.vram_bytes()), false),
    ("has", words::capacity, true),
    ("a token uses", |row| decimal(row.active_bytes), true),
    ("TTFT", |row| words::time(words::shown_latency(row).0), false),
    ("TPOT", |row| words::time(words::shown_latency(row).1), false),
    ("tok/s", words::rate, false),
    ("loss", words::loss, true),
];
/// The last column, which is set to the left.
const PRICE: Column = ("price", words::price, true);
/// Columns set to the left, from the first.
const LEFT: usize = 6;

/// A table with what its rows share.
pub(super) struct Cells {
    /// `hardware: RTX 4090`, one for each shared column.
    pub(super) shared: Vec<String>,
    /// The head first.
    pub(super) lines: Vec<Vec<String>>,
    /// How many columns are set to the left.
    pub(super) left: usize,
}

/// The table of one file.
pub(super) fn cells(deployment: &Deployment) -> Cells {
    let mut columns: Vec<(usize, Column)> = COLUMNS.into_iter().chain([PRICE]).enumerate().collect();
    let mut shared = Vec::new();
    columns.retain(|(_, (head, cell, may_be_shared))| {
        let mut texts = deployment.rows.iter().map(cell);
        let Some(first) = texts.next().filter(|_| *may_be_shared && deployment.rows.len() > 1) else {
            return true;
        };
        let alike = texts.all(|text| text == first);
        if alike && first != "-" {
            shared.push(format!("{head}: {first}"));
        }
        !alike
    });
    let mut lines = vec![columns.iter().map(|(_, (head, ..))| (*head).to_owned()).collect::<Vec<_>>()];
    lines.extend(
        deployment.rows.iter().map(|row| columns.iter().map(|(_, (_, cell, _))| cell(row)).collect()),
    );
    Cells { shared, lines, left: columns.iter().filter(|(index, _)| *index < LEFT).count() }
}
