//! What a configuration costs in the quality of answers: an estimate from publications, never a measurement of ours.

use serde::{Deserialize, Serialize};

/// One reason why answers are worse than those of the unquantised model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityPart {
    /// The reason: `experts in int4`, `8 experts merged into 4`, `4.2 % of the gate weight skipped`.
    pub what: String,
    /// Share of the unquantised model's benchmark score that is lost, in parts per million; `None` where nothing is
    /// published that an estimate could rest on.
    pub loss_ppm: Option<u64>,
    /// Where the estimate comes from.
    pub source: String,
    /// How the source knows: `measured`, `datasheet`, `derived` or `assumed`.
    pub fidelity: String,
}

/// All reasons; empty for a model as it was published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// In a fixed order.
    pub parts: Vec<QualityPart>,
}

impl Quality {
    /// The losses of all parts together, in parts per million; `None` where one is unknown. Adding is the usual first
    /// approximation for small independent losses; it stops at all of the score.
    pub fn loss_ppm(&self) -> Option<u64> {
        let losses = self.parts.iter().map(|part| part.loss_ppm);
        losses.sum::<Option<u64>>().map(|sum| sum.min(1_000_000))
    }

    /// How well the least known part is known: `unknown` where nothing is published of one; `None` where nothing is lost.
    pub fn fidelity(&self) -> Option<&str> {
        const BEST_FIRST: [&str; 4] = ["measured", "datasheet", "derived", "assumed"];
        let rank = |part: &&QualityPart| match part.loss_ppm {
            Some(_) => {
                BEST_FIRST.iter().position(|known| *known == part.fidelity).unwrap_or(BEST_FIRST.len())
            }
            None => BEST_FIRST.len(),
        };
        let worst = self.parts.iter().max_by_key(rank)?;
        Some(BEST_FIRST.get(rank(&worst)).copied().unwrap_or("unknown"))
    }

    /// What is lost in a few words, always as an estimate: `about 1.27 % of the score lost`. Nothing where nothing is.
    pub fn headline(&self) -> Option<String> {
        if self.parts.is_empty() {
            return None;
        }
        let known: u64 = self.parts.iter().filter_map(|part| part.loss_ppm).sum();
        Some(match self.loss_ppm() {
            Some(loss) => format!("about {} of the score lost", percent_words(loss)),
            None if known == 0 => "loss unknown".to_owned(),
            None => format!(
                "more than about {} of the score lost, part of it unknown",
                percent_words(known.min(1_000_000))
            ),
        })
    }

    /// The estimate in one line: the headline and each part with its loss and how that is known. Nothing where nothing is
    /// lost.
    pub fn line(&self) -> Option<String> {
        let headline = self.headline()?;
        if let [part] = self.parts.as_slice() {
            return Some(format!("{headline}: {} ({}, an estimate)", part.what, known(part)));
        }
        let parts: Vec<String> =
            self.parts.iter().map(|part| format!("{} {} ({})", part.what, loss(part), known(part))).collect();
        Some(format!("{headline}, an estimate: {}", parts.join(", ")))
    }

    /// The estimate with its sources: the headline, and a line for each part. Empty where nothing is lost.
    pub fn describe(&self) -> String {
        let Some(headline) = self.headline() else { return String::new() };
        let mut text = format!("quality  {headline}, estimated from:\n");
        for part in &self.parts {
            text.push_str(&format!("  {}: {} ({}: {})\n", part.what, loss(part), known(part), part.source));
        }
        text
    }
}

fn loss(part: &QualityPart) -> String {
    part.loss_ppm.map_or_else(|| "?".to_owned(), percent_words)
}

fn known(part: &QualityPart) -> &str {
    if part.loss_ppm.is_some() { part.fidelity.as_str() } else { "unknown" }
}

/// Parts per million in percent, with two decimals at most, and one from 10 % on: an estimate is no better.
pub fn percent_words(ppm: u64) -> String {
    let hundredths = if ppm < 100_000 { (ppm + 50) / 100 } else { (ppm + 500) / 1000 * 10 };
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(losses: &[(Option<u64>, &str)]) -> Quality {
        let part = |(loss_ppm, fidelity): &(Option<u64>, &str)| QualityPart {
            what: "experts in int4".to_owned(),
            loss_ppm: *loss_ppm,
            source: "a table".to_owned(),
            fidelity: (*fidelity).to_owned(),
        };
        Quality { parts: losses.iter().map(part).collect() }
    }

    #[test]
    fn losses_add_up_and_the_least_known_part_says_how_far_to_trust_them() {
        type Case =
            (&'static [(Option<u64>, &'static str)], Option<u64>, Option<&'static str>, Option<&'static str>);
        let cases: [Case; 6] = [
            (&[], Some(0), None, None),
            (
                &[(Some(12_700), "derived")],
                Some(12_700),
                Some("derived"),
                Some("about 1.27 % of the score lost"),
            ),
            (
                &[(Some(10_000), "measured"), (Some(20), "assumed")],
                Some(10_020),
                Some("assumed"),
                Some("about 1 % of the score lost"),
            ),
            (
                &[(Some(700_000), "derived"), (Some(600_000), "derived")],
                Some(1_000_000),
                Some("derived"),
                Some("about 100 % of the score lost"),
            ),
            (&[(None, "assumed")], None, Some("unknown"), Some("loss unknown")),
            (
                &[(Some(30_000), "derived"), (None, "assumed")],
                None,
                Some("unknown"),
                Some("more than about 3 % of the score lost, part of it unknown"),
            ),
        ];
        for (losses, loss, fidelity, headline) in cases {
            let quality = quality(losses);
            assert_eq!(quality.loss_ppm(), loss, "{losses:?}");
            assert_eq!(quality.fidelity(), fidelity, "{losses:?}");
            assert_eq!(quality.headline().as_deref(), headline, "{losses:?}");
            assert_eq!(quality.describe().is_empty(), losses.is_empty(), "{losses:?}");
        }
    }

    #[test]
    fn words_always_say_that_it_is_an_estimate() {
        let one = quality(&[(Some(12_000), "derived")]);
        assert_eq!(
            one.line().as_deref(),
            Some("about 1.2 % of the score lost: experts in int4 (derived, an estimate)")
        );
        assert_eq!(
            one.describe(),
            "quality  about 1.2 % of the score lost, estimated from:\n  experts in int4: 1.2 % (derived: a table)\n"
        );
        let two = quality(&[(Some(254_321), "derived"), (None, "assumed")]);
        assert_eq!(
            two.line().as_deref(),
            Some(
                "more than about 25.4 % of the score lost, part of it unknown, an estimate: experts in int4 25.4 % \
                 (derived), experts in int4 ? (unknown)"
            )
        );
        assert_eq!(quality(&[]).line(), None);
    }
}
