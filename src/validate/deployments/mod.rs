//! Deployments that introductory texts describe, on today's catalogue: each file is a table of configurations with the
//! figures that texts quote for them, and the reason why ours differ.
//!
//! A row is simulated as it is, so that its figures are those of `moesim run` with the same settings. Where a file says for
//! how many tokens texts count, each row is also counted as they do; that takes a plan and no run. A configuration that
//! does not fit is a row with its reason.

mod metric;
mod read;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use toml::Value;

use crate::error::{Error, Result};
use crate::footprint::textbook;
use crate::metrics::{Deployment, DeploymentRow, MemoryCount, Quote, Row};
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::{Document, ScenarioFile, Setting};
use crate::sweep::run_point;

use self::metric::Metric;
use super::series;

/// Where deployments are looked for, from the current folder.
const FOLDER: &str = "scenarios/deployments";
/// The section that all rows share.
const SCENARIO: &str = "scenario";
/// Where settings of the counting of texts come from.
const TOKENS_PATH: &str = "deployment.simplified_tokens";

/// A quoted figure as its file says it.
struct Quoted {
    metric: &'static Metric,
    value: String,
    from_bytes: u64,
    to_bytes: Option<u64>,
    says: String,
    within_ppm: Option<u64>,
}

/// A row as its file says it.
struct RowText {
    id: String,
    title: String,
    settings: Vec<Setting>,
    quotes: Vec<Quoted>,
    why: String,
}

/// One table of deployments as its file says it.
pub struct DeploymentFile {
    id: String,
    title: String,
    question: String,
    look_at: String,
    /// At most 2^32 - 1, as the length of a context.
    simplified_tokens: Option<u32>,
    rows: Vec<RowText>,
    document: Document,
}

impl DeploymentFile {
    /// Reads the files of several tables.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files, each with its line and column.
    pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Self>> {
        all_or_errors(paths.iter().map(|path| Document::load(path).and_then(read::deployment)))
    }

    /// Reads one table from text; `path` is what errors name and where relative paths start.
    ///
    /// # Errors
    /// As [`DeploymentFile::load_all`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        read::deployment(Document::parse(text, path)?)
    }

    /// Its short name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Plans and simulates every row, on rayon's threads.
    ///
    /// # Errors
    /// What is wrong with any row, at its place in the file. One that does not fit has its reason, and no error.
    pub fn run(&self, inputs: &Inputs) -> Result<Deployment> {
        let rows: Vec<Result<DeploymentRow>> =
            self.rows.par_iter().map(|row| self.run_row(row, inputs)).collect();
        Ok(Deployment {
            id: self.id.clone(),
            title: self.title.clone(),
            question: self.question.clone(),
            look_at: self.look_at.clone(),
            file: self.document.path().display().to_string(),
            simplified_tokens: self.simplified_tokens.map(u64::from),
            rows: all_or_errors(rows.into_iter())?,
        })
    }

    /// Runs several tables, in their order.
    ///
    /// # Errors
    /// As [`DeploymentFile::run`], of all tables together.
    pub fn run_all(all: &[Self], inputs: &Inputs) -> Result<Vec<Deployment>> {
        let ran: Vec<Result<Deployment>> = all.par_iter().map(|one| one.run(inputs)).collect();
        all_or_errors(ran.into_iter())
    }

    fn run_row(&self, text: &RowText, inputs: &Inputs) -> Result<DeploymentRow> {
        let scenario = self.scenario(&text.settings)?;
        let plan = plan(&scenario.point(0)?, inputs)?;
        let simplified = match self.simplified_tokens {
            Some(tokens) => Some(self.simplified(text, tokens, inputs)?),
            None => None,
        };
        let row: Row = run_point(&scenario, 0, inputs)?;
        let exact = MemoryCount { ledger: row.ledger.clone(), tiers: row.tiers.clone() };
        let quotes = text.quotes.iter().map(|quoted| quoted.beside((&plan, &exact), simplified.as_ref()));
        Ok(DeploymentRow {
            id: text.id.clone(),
            title: text.title.clone(),
            quotes: quotes.collect(),
            why: text.why.clone(),
            active_bytes: plan.model.active_weights().total().get(),
            simplified: simplified.as_ref().map(|(_, count)| count.clone()),
            row,
        })
    }

    fn scenario(&self, settings: &[Setting]) -> Result<ScenarioFile> {
        self.document.scenario(SCENARIO, settings)
    }

    /// The row as texts count it: the simplified model with keys and values of so many tokens.
    fn simplified(&self, text: &RowText, tokens: u32, inputs: &Inputs) -> Result<(Plan, MemoryCount)> {
        let with = |key: &str, value: Value| {
            let setting =
                |key: &str, value| Setting { key: key.to_owned(), value, path: TOKENS_PATH.to_owned() };
            let mut settings = text.settings.clone();
            settings.extend([setting("model.simplified", Value::Boolean(true)), setting(key, value)]);
            plan(&self.scenario(&settings)?.point(0)?, inputs)
        };
        let served = plan(&self.scenario(&text.settings)?.point(0)?, inputs)?.serving.is_some();
        let plan = if served {
            // How much the keys and values of one GPU take follows from the layout, so that is planned first.
            let first = with("kv.capacity", Value::from("1 B"))?;
            let room = first.serving.as_ref().map_or(0, |serving| serving.kv.shape.bytes(tokens).get());
            with("kv.capacity", Value::from(format!("{room} B")))?
        } else {
            with("workload.context", Value::from(i64::from(tokens)))?
        };
        let count = textbook(&plan, u64::from(tokens));
        Ok((plan, count))
    }
}

impl Quoted {
    /// The figure beside ours.
    fn beside(&self, exact: (&Plan, &MemoryCount), simplified: Option<&(Plan, MemoryCount)>) -> Quote {
        let is_card = self.metric.name == Quote::CARD;
        let simplified = simplified.filter(|_| !is_card);
        Quote {
            metric: self.metric.name.to_owned(),
            label: self.metric.label.to_owned(),
            value: self.value.clone(),
            from_bytes: self.from_bytes,
            to_bytes: self.to_bytes,
            says: self.says.clone(),
            within_ppm: self.within_ppm,
            simplified_bytes: simplified.map(|(plan, count)| (self.metric.read)(plan, count)),
            exact_bytes: (self.metric.read)(exact.0, exact.1),
        }
    }
}

/// All that is there, or all errors.
fn all_or_errors<T>(results: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let (good, bad): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
    match Error::join(bad.into_iter().filter_map(Result::err)) {
        Some(error) => Err(error),
        None => good.into_iter().collect(),
    }
}

/// The files in `scenarios/deployments`, by name.
///
/// # Errors
/// The folder cannot be read, or holds none.
pub fn shipped_deployments() -> Result<Vec<PathBuf>> {
    series::files_or_none(FOLDER, "deployments")
}
