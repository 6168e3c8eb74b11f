//! Which configuration to buy and run: candidates, the search for those that nothing is better than, and the answer.
//!
//! The question is the section `[advise]` of a scenario. `space` makes candidates of it, each the scenario with some
//! settings changed, so that `moesim run FILE --set ...` runs any of them again. `screen` plans every candidate: what does
//! not fit, breaks a limit whatever happens, or has no price is out, and `bound` says the best that the others could be.
//! `search` simulates what their bounds do not rule out, and keeps the Pareto front. `near` finds what stands beside
//! the answer, or nearest to limits that cannot be kept. `staged` is another strategy: one optimisation after another.
//!
//! Left out on purpose: no heuristic drops a candidate. Where sequences are replayed, the front is that of a search over
//! all candidates; under load, what cannot keep up by its copies alone is an estimate with a factor to spare.

mod bound;
pub mod launch;
mod limit;
mod machine;
mod near;
mod pareto;
mod question;
mod screen;
mod search;
mod space;
mod staged;
mod trust;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use self::bound::Bounds;
use self::launch::launch_lines;
use self::question::Question;
use self::screen::{Screened, Screening};
use self::search::Search;
use self::space::{DIMENSIONS, Draft, space};
use crate::error::Result;
use crate::metrics::Row;
use crate::metrics::advice::{Advice, Candidate, Fate, Metric, MetricUnit};
use crate::plan::{Inputs, plan};
use crate::scenario::{AdviseStrategy, ScenarioFile};
use crate::sweep::{Stop, explain_point};

/// What watches a search.
pub struct Watch<'a> {
    /// Asks the search to stop.
    pub stop: &'a Stop,
    /// Rows of an interrupted search, by number.
    pub known: BTreeMap<u64, Row>,
    /// Told each row that was simulated now, from any thread.
    pub finished: &'a (dyn Fn(&Row) -> Result<()> + Sync),
    /// Told how many candidates are screened or decided, of how many; from any thread.
    pub progress: &'a (dyn Fn(&'static str, u64, u64) + Sync),
}

/// Names of what candidates differ in: the dimensions of the space, and the scenario's own axes.
fn dimensions(scenario: &ScenarioFile) -> Vec<String> {
    let own = scenario.axes().iter().map(|axis| axis.key.clone());
    DIMENSIONS.iter().map(|name| (*name).to_owned()).chain(own).collect()
}

/// Answers the question of a scenario; `limits` come on top of its own. `None` where it was stopped.
///
/// # Errors
/// What is wrong with the question, and with every candidate where all are wrong.
pub fn advise(
    scenario: &ScenarioFile,
    limits: &[String],
    inputs: &Inputs,
    watch: Watch<'_>,
) -> Result<Option<Advice>> {
    let mut question = Question::read(&scenario.point(0)?, limits)?;
    let (drafts, stages) = match question.strategy {
        AdviseStrategy::Search => (space(scenario, &question, inputs)?, Vec::new()),
        AdviseStrategy::Staged => staged::space(scenario, &question, inputs)?,
    };
    let bounds = Bounds::default();
    let mut notes = Vec::new();
    let candidates = loop {
        let screening = Screening { scenario, question: &question, inputs, bounds: &bounds };
        let screened = screened(&screening, drafts.clone(), &watch)?;
        let Some(metric) = dispensable(&question, &screened) else { break screened };
        let unknown = screened.iter().find_map(|one| match &one.out {
            Some(Fate::Unknown(of, what)) if *of == metric => Some(what.clone()),
            _ => None,
        });
        notes.push(format!(
            "{} is left out of the comparison: {}",
            metric.name(),
            unknown.unwrap_or_default()
        ));
        question = question.without(metric);
    };
    let screening = Screening { scenario, question: &question, inputs, bounds: &bounds };
    let progress = |done: u64, all: u64| (watch.progress)("decided", done, all);
    let mut search = Search {
        screening,
        candidates,
        rows: BTreeMap::new(),
        known: watch.known,
        stop: watch.stop,
        finished: watch.finished,
        progress: &progress,
    };
    let (fates, stages) = match question.strategy {
        AdviseStrategy::Search => (search.front(&|_| true)?, Vec::new()),
        AdviseStrategy::Staged => staged::run(&mut search, &stages)?,
    };
    let Some(fates) = fates else { return Ok(None) };
    let mut advice = empty(scenario, &question, notes)?;
    advice.stages = stages;
    answer(&mut search, &mut advice, fates)?;
    if watch.stop.is_asked() {
        return Ok(None);
    }
    finish(search, &mut advice)?;
    Ok(Some(advice))
}

fn screened(screening: &Screening<'_>, drafts: Vec<Draft>, watch: &Watch<'_>) -> Result<Vec<Screened>> {
    let (all, done) = (drafts.len() as u64, AtomicU64::new(0));
    screening.all(drafts, &|| (watch.progress)("screened", done.fetch_add(1, Ordering::Relaxed) + 1, all))
}

/// An objective that nobody asked for and that some candidate's price or quality is not known for.
fn dispensable(question: &Question, screened: &[Screened]) -> Option<Metric> {
    screened.iter().find_map(|one| match &one.out {
        Some(Fate::Unknown(metric, _)) if question.is_only_default(*metric) => Some(*metric),
        _ => None,
    })
}

/// The question's own part of an answer.
fn empty(scenario: &ScenarioFile, question: &Question, notes: Vec<String>) -> Result<Advice> {
    let point = scenario.point(0)?;
    let text = |key: &str| scenario.text(key).unwrap_or_default().to_owned();
    Ok(Advice {
        title: point
            .scenario
            .output
            .title
            .clone()
            .or_else(|| point.scenario.name.clone())
            .unwrap_or_default(),
        description: text("description"),
        load: String::new(),
        file: String::new(),
        dimensions: dimensions(scenario),
        limits: question.limits.clone(),
        objectives: question.objectives.clone(),
        prefer: question.prefer,
        notes,
        candidates: Vec::new(),
        rows: Vec::new(),
        recommended: None,
        nearest: None,
        relaxed: Vec::new(),
        cheaper: None,
        faster: None,
        explanation: None,
        trust: None,
        launch: Vec::new(),
        stages: Vec::new(),
    })
}

/// The recommendation with its neighbours, or what comes nearest to one.
fn answer(search: &mut Search<'_>, advice: &mut Advice, fates: Vec<Fate>) -> Result<()> {
    advice.recommended = recommended(search, &fates);
    if let Some(row) = advice.recommended.and_then(|index| search.rows.get(&index)).cloned() {
        let speed = speed(search.question());
        let cost = cost(search.question(), &row);
        advice.cheaper = search.cheaper(&row, cost, speed)?;
        advice.faster = search.faster(&row, cost, speed)?;
    } else if !advice.limits.is_empty() {
        advice.nearest = search.nearest()?;
        advice.relaxed = search.relaxed()?;
    }
    advice.candidates = search
        .candidates
        .iter()
        .zip(fates)
        .enumerate()
        .map(|(number, (screened, fate))| Candidate {
            index: number as u64,
            choice: screened.draft.choice.clone(),
            settings: screened.draft.settings.clone(),
            bound: bounds_of(search.question(), &screened.best),
            fate,
        })
        .collect();
    Ok(())
}

/// Bounds as values of their metrics, zero where nothing is known.
fn bounds_of(question: &Question, best: &[u64]) -> Vec<u64> {
    let value = |(metric, bad): (&Metric, &u64)| if *bad == 0 { 0 } else { metric.badness(*bad) };
    question.objectives.iter().zip(best).map(value).collect()
}

/// The member of the front that the deciding objective likes best. Of equals the one that costs least quality, since all
/// keep the limits; then by the other objectives in their order.
fn recommended(search: &Search<'_>, fates: &[Fate]) -> Option<u64> {
    let question = search.question();
    let place = question.objectives.iter().position(|metric| *metric == question.prefer)?;
    let quality = question.objectives.iter().position(|metric| *metric == Metric::QualityLoss);
    let of_front = (0_u64..).zip(fates).filter(|(_, fate)| **fate == Fate::Front);
    let ranked = of_front.filter_map(|(index, _)| {
        let vector = search.vector(search.rows.get(&index)?)?;
        Some((vector[place], quality.map(|quality| vector[quality]), vector, index))
    });
    ranked.min().map(|(.., index)| index)
}

/// The objective that says how fast a configuration is.
fn speed(question: &Question) -> Metric {
    let is_time = |metric: &&Metric| metric.unit() == MetricUnit::Time;
    let is_rate = |metric: &&Metric| metric.more_is_better();
    let objectives = &question.objectives;
    objectives
        .iter()
        .find(is_time)
        .or_else(|| objectives.iter().find(is_rate))
        .copied()
        .unwrap_or(Metric::TPOT)
}

/// What a cheaper configuration has less of: price, else rent, else GPU memory.
fn cost(question: &Question, row: &Row) -> Metric {
    let known = |metric: &Metric| question.objectives.contains(metric) && metric.of(row).is_some();
    [Metric::Price, Metric::Rent].into_iter().find(known).unwrap_or(Metric::Vram)
}

/// What is said of the answer beside its row.
fn finish(search: Search<'_>, advice: &mut Advice) -> Result<()> {
    if let Some(subject) = advice.subject() {
        let number = usize::try_from(subject).unwrap_or(usize::MAX);
        if let Some(screened) = search.candidates.get(number) {
            let screening = &search.screening;
            let point = screening.point(&screened.draft)?;
            let plan = plan(&point, screening.inputs)?;
            advice.trust = trust::trust(&plan.labels.engine, screening.inputs)?;
            let summary = search.rows.get(&subject).and_then(Row::summary);
            advice.launch = launch_lines(&point.scenario, &plan, summary);
            if plan.serving.is_none() {
                advice.explanation = Some(explain_point(point, number, screening.inputs)?);
            }
        }
    }
    advice.load = search
        .rows
        .values()
        .find_map(|row| Some(row.summary()?.serving.as_ref()?.load.clone()))
        .unwrap_or_default();
    advice.rows = search.rows.into_values().collect();
    Ok(())
}
