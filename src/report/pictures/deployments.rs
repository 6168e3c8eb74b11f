//! The two pictures of a table of deployments: memory and latency, a line for each configuration.

use super::{deployments_latency, deployments_memory};
use crate::error::Result;
use crate::metrics::Deployment;
use crate::report::NamedFile;
use crate::report::draw::{Align, GREY, INK, Scene, fitted, width};

const LABEL_EM: f64 = 12.0;
const LABEL_WIDTH_MAX: f64 = 230.0;
/// Left margin of the labels.
const MARGIN: f64 = 24.0;
/// At most so many configurations are drawn.
const ROWS_MAX: usize = 14;

/// Names of the pictures without their ending, and what they show.
pub(in crate::report) fn names(one: &Deployment) -> [(String, &'static str); 2] {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let id: String = one.id.chars().map(plain).collect();
    [(format!("deployments-{id}-memory"), "memory"), (format!("deployments-{id}-latency"), "latency")]
}

/// All pictures, each painted as its files.
pub(in crate::report) fn render(
    all: &[Deployment],
    painted: impl Fn(&str, &Scene) -> Result<Vec<NamedFile>>,
) -> Result<Vec<NamedFile>> {
    let rendered: Vec<Vec<NamedFile>> = all
        .iter()
        .map(|one| {
            let [(memory, _), (latency, _)] = names(one);
            let mut pictures = painted(&memory, &deployments_memory::scene(one))?;
            pictures.extend(painted(&latency, &deployments_latency::scene(one))?);
            Ok(pictures)
        })
        .collect::<Result<_>>()?;
    Ok(rendered.concat())
}

/// The table with at most as many rows as a picture has room for.
pub(super) fn drawn(one: &Deployment) -> usize {
    one.rows.len().min(ROWS_MAX)
}

/// Where labels end.
pub(super) fn labels_end(one: &Deployment) -> f64 {
    let widest = one.rows.iter().map(|row| width(&row.title, LABEL_EM)).fold(0.0, f64::max);
    MARGIN + widest.min(LABEL_WIDTH_MAX) + 8.0
}

/// The label of a row, grey where it cannot run.
pub(super) fn label(scene: &mut Scene, one: &Deployment, index: usize, (right, y): (f64, f64)) {
    let row = &one.rows[index];
    let ink = if row.row.summary().is_some() { INK } else { GREY };
    let text = fitted(&row.title, LABEL_EM, right - 8.0 - MARGIN);
    scene.text((right - 8.0, y), &text, LABEL_EM, Align::End, ink);
}
