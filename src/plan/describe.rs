//! A plan in words: every setting with its origin, the ledger, what is lost of quality, and what does not fit.

use std::fmt::Write;

use super::Plan;
use crate::memory::Tier;
use crate::units::Bytes;

impl Plan {
    /// The plan as text for a terminal, in blocks: settings, memory, quality where any is lost, verdict.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let settings: Vec<[&str; 3]> = self
            .settings
            .iter()
            .map(|setting| [setting.key.as_str(), setting.value.as_str(), setting.origin.as_str()])
            .collect();
        columns(&mut text, &settings);
        for tier in Tier::ALL {
            let (total, capacity) = (self.ledger.total(tier), self.ledger.capacity(tier));
            if total > Bytes::ZERO {
                let _ = writeln!(text, "\n{} {total} of {capacity}", tier.label());
                for line in self.ledger.lines().iter().filter(|line| line.tier == tier.name()) {
                    let _ = writeln!(text, "  {:<16} {:>10}", line.owner, Bytes::new(line.bytes).to_string());
                }
            }
        }
        let quality = self.quality.describe();
        if !quality.is_empty() {
            let _ = write!(text, "\n{quality}");
        }
        text.push('\n');
        if self.fits() {
            let _ = writeln!(text, "It fits: {} of VRAM stay free.", self.ledger.free(Tier::Vram));
        }
        for problem in &self.problems {
            let _ = writeln!(text, "It cannot run: {problem}.");
        }
        text
    }
}

impl Plan {
    /// The plan as JSON: settings, memory by tier and owner, quality, and what does not fit.
    pub fn to_json(&self) -> serde_json::Value {
        let settings = self.settings.iter().map(|setting| {
            serde_json::json!({ "key": setting.key, "value": setting.value, "origin": setting.origin })
        });
        serde_json::json!({
            "config": self.labels,
            "settings": settings.collect::<Vec<_>>(),
            "ledger": self.ledger.lines(),
            "tiers": self.ledger.needs(),
            "quality": self.quality,
            "problems": self.problems,
        })
    }
}

/// Left-aligned columns, two spaces apart.
fn columns(text: &mut String, rows: &[[&str; 3]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [key, value, origin] in rows {
        let _ = writeln!(text, "{key:<first$}  {value:<second$}  {origin}");
    }
}
