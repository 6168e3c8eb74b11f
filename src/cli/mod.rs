//! The command line: clap structs and one short file per command. No logic lives here; a command loads, calls the
//! library, and writes what it returns.
//!
//! Results go to stdout and files, everything else to stderr. Exit codes: 0 for success, 1 for a validation that leaves
//! its band, 2 for anything the user can mend, 130 for a sweep that was interrupted. A broken pipe is not an error.

mod advise;
mod calibrate;
mod capacity;
mod catalog;
mod console;
mod curve;
mod deployments;
mod effects;
mod explain;
mod memory;
mod model;
mod plan;
mod policies;
mod predictors;
mod run;
mod scenario;
mod sensitivity;
mod sweep;
mod trace;
mod validate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cache::Registry;
use crate::catalogue::view::Table;
use crate::error::{Error, Place, Result};
use crate::plan::Inputs;
use crate::prefetch::PredictorRegistry;
use crate::report::{NamedFile, folder};

/// Latency and memory of mixture-of-experts serving, for every deployment configuration, before you buy.
#[derive(Debug, Parser)]
#[command(name = "moesim", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Simulate one configuration and say where its time goes.
    Run(run::RunArgs),
    /// Say what holds one configuration back: run it again with each resource doubled.
    Explain(explain::ExplainArgs),
    /// Say what the answer depends on: run one configuration again with each parameter a little smaller and larger.
    Sensitivity(sensitivity::SensitivityArgs),
    /// Simulate every point of a scenario, write tables and pictures.
    Sweep(sweep::SweepArgs),
    /// Find the highest rate of requests that a configuration sustains within limits on latency.
    Capacity(capacity::CapacityArgs),
    /// Find what to buy and how to run it: search configurations for the best within limits.
    Advise(advise::AdviseArgs),
    /// Compare cache policies on routing traces: hit rates at every capacity, and which policy wins.
    Curve(curve::CurveArgs),
    /// Show what a scenario resolves to: every setting with its origin, and the memory it needs.
    Plan(plan::PlanArgs),
    /// Hold predictions against published measurements.
    Validate(validate::ValidateArgs),
    /// Show the effects that measurements show, each in a picture and a table.
    Effects(effects::EffectsArgs),
    /// Show deployments that texts describe: memory, latency, quality and price beside the figures that they quote.
    Deployments(deployments::DeploymentsArgs),
    /// Fit parameters to measurements, for example of your own machine.
    Calibrate(calibrate::CalibrateArgs),
    /// Read, describe and convert routing traces.
    #[command(subcommand)]
    Trace(trace::TraceCommand),
    /// Look up models, hardware, quantisation schemes and engines.
    Catalog(catalog::CatalogArgs),
    /// Count the parameters of a config.json, a GGUF file or a known model.
    Model(model::ModelArgs),
    /// Show who owns which bytes of a GPU for models, quantisations and layouts, and what offloading costs.
    Memory(memory::MemoryArgs),
    /// Look up what a scenario may say.
    Scenario(scenario::ScenarioCommandArgs),
    /// List the cache policies.
    Policies(policies::PoliciesArgs),
    /// List the predictors of prefetches.
    Predictors(predictors::PredictorsArgs),
}

/// A scenario and its overrides.
#[derive(Debug, Args)]
struct ScenarioArgs {
    /// Scenario file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Override a key of the scenario; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// How a command ended, when it did not fail.
enum Ended {
    Well,
    /// Predictions are further from measurements than they may be.
    OutOfBand,
    Interrupted,
}

/// The policies and predictors that every scenario may name.
struct Known {
    policies: Registry,
    predictors: PredictorRegistry,
}

impl Known {
    fn inputs(self) -> Inputs {
        Inputs::new(self.policies).with_predictors(self.predictors)
    }
}

/// Parses the process's arguments and runs the command, with these policies known to every scenario. A program that
/// brings a policy of its own calls this from its `main` (`examples/custom_policy.rs`).
pub fn main(policies: Registry) -> ExitCode {
    main_with(policies, PredictorRegistry::default())
}

/// The same for a program that brings predictors of its own, too.
pub fn main_with(policies: Registry, predictors: PredictorRegistry) -> ExitCode {
    let cli = Cli::parse();
    let known = Known { policies, predictors };
    let ended = match &cli.command {
        Command::Run(args) => run::run(args, known),
        Command::Explain(args) => explain::run(args, known),
        Command::Sensitivity(args) => sensitivity::run(args, known),
        Command::Advise(args) => advise::run(args, known),
        Command::Capacity(args) => capacity::run(args, known),
        Command::Sweep(args) => sweep::run(args, known),
        Command::Curve(args) => curve::run(args, &known.policies),
        Command::Plan(args) => plan::run(args, known),
        Command::Validate(args) => validate::run(args, known),
        Command::Effects(args) => effects::run(args, known),
        Command::Deployments(args) => deployments::run(args, known),
        Command::Calibrate(args) => calibrate::run(args, known),
        Command::Trace(command) => trace::run(command),
        Command::Catalog(args) => catalog::run(args),
        Command::Model(args) => model::run(args),
        Command::Memory(args) => memory::run(args, known),
        Command::Scenario(args) => scenario::run(args),
        Command::Predictors(args) => predictors::run(args, &known.predictors),
        Command::Policies(args) => policies::run(args, &known.policies),
    };
    match ended {
        Ok(Ended::Well) => ExitCode::SUCCESS,
        Ok(Ended::OutOfBand) => ExitCode::from(1),
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(error) => {
            console::error(&error);
            ExitCode::from(2)
        }
    }
}

/// Runs a command on so many threads, one per core where none are given.
fn in_threads(threads: Option<usize>, work: impl FnOnce() -> Result<Ended> + Send) -> Result<Ended> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|cause| {
        Error::at(Place::option("--threads"), format!("cannot start the threads: {cause}"))
    })?;
    pool.install(work)
}

/// A page of documentation, with its pictures in the folder `pictures` beside it.
fn write_page(page: &Path, text: String, pictures: &[NamedFile]) -> Result<()> {
    let Some(name) = page.file_name().and_then(|name| name.to_str()) else {
        let error = Error::at(Place::option("--docs"), format!("found {:?}", page.display().to_string()));
        return Err(error.expected("the name of a file"));
    };
    let folder = page.parent().unwrap_or(Path::new(""));
    let folder = if folder == Path::new("") { Path::new(".") } else { folder };
    folder::write(&folder.join("pictures"), pictures)?;
    folder::write(folder, &[(name.to_owned(), text.into_bytes())])
}

/// Text to stdout.
fn show(text: &str) -> Result<Ended> {
    console::out(text)?;
    Ok(Ended::Well)
}

/// A table to stdout.
fn show_table(table: Table) -> Result<Ended> {
    console::table(table)?;
    Ok(Ended::Well)
}

/// A value to stdout as indented JSON.
fn json(value: &impl serde::Serialize) -> Result<Ended> {
    let text = serde_json::to_string_pretty(value).map_err(|cause| Error::new(cause.to_string()))?;
    show(&format!("{text}\n"))
}
