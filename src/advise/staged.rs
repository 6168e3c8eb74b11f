//! The staged strategy of introductory texts: as it is, in eight bits, in four, with a shared up-projection, and last with
//! experts in host memory. Each step is tried only where the one before keeps no limits.
//!
//! It stops at the first step that fits, so it misses configurations that a search finds; it is here because people know
//! it and can follow it.

use super::question::Question;
use super::search::Search;
use super::space::{self, Draft};
use crate::error::Result;
use crate::metrics::advice::{Fate, Limit, Stage};
use crate::plan::Inputs;
use crate::scenario::{PlacementFamily as Family, ScenarioFile};

/// A step: its name, quantisation (the scenario's own where there is none), placements, and further settings.
struct Step {
    name: &'static str,
    quant: Option<&'static str>,
    placements: &'static [Family],
    settings: &'static [(&'static str, &'static str)],
}

const SHARED: &[(&str, &str)] = &[("model.shared_up_projection", "true")];
const STEPS: [Step; 5] = [
    Step { name: "as it is", quant: None, placements: &[Family::Resident], settings: &[] },
    Step { name: "INT8", quant: Some("int8"), placements: &[Family::Resident], settings: &[] },
    Step { name: "INT4", quant: Some("int4"), placements: &[Family::Resident], settings: &[] },
    Step {
        name: "INT4, shared up-projection",
        quant: Some("int4"),
        placements: &[Family::Resident],
        settings: SHARED,
    },
    Step {
        name: "INT4, experts in host memory",
        quant: Some("int4"),
        placements: &[Family::CpuLayers, Family::Cache, Family::CpuMisses],
        settings: &[],
    },
];

/// Unquantised weights, where the scenario names no scheme.
const AS_PUBLISHED: &str = "bf16";

/// The candidates of all steps, and how many each has.
///
/// # Errors
/// As [`space::space`]; a step without candidates is none.
pub(super) fn space(
    scenario: &ScenarioFile,
    question: &Question,
    inputs: &Inputs,
) -> Result<(Vec<Draft>, Vec<usize>)> {
    let own = scenario.text("quant.scheme").unwrap_or(AS_PUBLISHED).to_owned();
    let (mut drafts, mut counts) = (Vec::new(), Vec::new());
    let mut last = None;
    for step in &STEPS {
        let quants = vec![step.quant.map_or_else(|| own.clone(), str::to_owned)];
        let engines = question.engines.clone();
        let narrowed = Question { quants, engines, placements: step.placements.to_vec(), ..question.clone() };
        let mut made = match space::space(scenario, &narrowed, inputs) {
            Ok(made) => made,
            Err(error) => {
                last = Some(error);
                Vec::new()
            }
        };
        for draft in &mut made {
            draft
                .settings
                .extend(step.settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        }
        counts.push(made.len());
        drafts.extend(made);
    }
    match last {
        Some(error) if drafts.is_empty() => Err(error),
        _ => Ok((drafts, counts)),
    }
}

/// Takes the steps until one keeps all limits; fates are `None` where it was stopped.
///
/// # Errors
/// As [`Search::front`].
pub(super) fn run(search: &mut Search<'_>, counts: &[usize]) -> Result<(Option<Vec<Fate>>, Vec<Stage>)> {
    let mut stages = Vec::new();
    let mut first = 0;
    let mut all: Vec<Fate> =
        search.candidates.iter().map(|one| one.out.clone().unwrap_or(Fate::Open)).collect();
    for (step, count) in STEPS.iter().zip(counts) {
        let range = first..first + count;
        first += count;
        let Some(fates) = search.front(&|number| range.contains(&number))? else { return Ok((None, stages)) };
        all[range.clone()].clone_from_slice(&fates[range.clone()]);
        let best = range.clone().find(|number| fates[*number] == Fate::Front);
        let shown = best.or_else(|| range.clone().find(|number| search.rows.contains_key(&(*number as u64))));
        let short = if best.is_some() { Vec::new() } else { short(search, &fates[range.clone()]) };
        stages.push(Stage { name: step.name.to_owned(), index: shown.map(|number| number as u64), short });
        if best.is_some() {
            break;
        }
    }
    Ok((Some(all), stages))
}

/// Why nothing of a step is enough, each reason once.
fn short(search: &Search<'_>, fates: &[Fate]) -> Vec<String> {
    if fates.is_empty() {
        return vec!["no engine of those allowed does this".to_owned()];
    }
    let limits: &[Limit] = &search.question().limits;
    let mut reasons: Vec<String> = Vec::new();
    for fate in fates {
        let found = match fate {
            Fate::Refused(reason) => vec![reason.clone()],
            Fate::CannotRun(problems) => problems.clone(),
            Fate::Unknown(_, what) => vec![what.clone()],
            Fate::BeyondLimit { limit, .. } => vec![format!("cannot keep {}", limits[*limit].text)],
            Fate::Breaks(broken) => {
                broken.iter().map(|limit| format!("breaks {}", limits[*limit].text)).collect()
            }
            Fate::CannotKeepUp { .. } | Fate::Saturated => vec!["cannot keep up with the load".to_owned()],
            Fate::Dominated(_) | Fate::Beaten(_) | Fate::Front | Fate::Open => Vec::new(),
        };
        for reason in found {
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
    }
    // The first few tell the step; all candidates have theirs in the list of candidates.
    reasons.truncate(3);
    reasons
}
