//! Launch lines: the command that configures a real engine as a point of a scenario says, what that engine cannot
//! express, and the measurement that checks the prediction.
//!
//! A pure function of a point, its plan and its result. Only flags that the engines document are written; each engine's
//! file names where. Left out: installing, hosts, ports, several machines, and what changes no time or memory.

mod command;
mod facts;
mod llama_cpp;
mod notes;
mod sglang;
mod vllm;

use crate::metrics::{LaunchLine, Summary};
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::units::Bytes;
use facts::Facts;
use llama_cpp::Fork;

/// The commands for a point: that of its engine profile's engine, or, where the profile is of no engine that can be
/// started, those of the engines that read such weights. With a result the check names the figures to compare.
pub fn launch_lines(scenario: &Scenario, plan: &Plan, summary: Option<&Summary>) -> Vec<LaunchLine> {
    let facts = Facts { scenario, plan, summary };
    let mut lines = match plan.labels.engine.as_str() {
        "llama.cpp" => vec![llama_cpp::line(facts, Fork::Main)],
        "ik_llama.cpp" => vec![llama_cpp::line(facts, Fork::Ik)],
        "ktransformers" => vec![sglang::with_ktransformers(facts)],
        "vllm" => vec![vllm::line(facts)],
        "sglang" => vec![sglang::line(facts)],
        profile => {
            let mut lines = of_any_engine(facts);
            for line in &mut lines {
                let note = format!(
                    "The point was planned with the engine profile {profile:?}, which is not this engine's: expect other times."
                );
                line.notes.insert(0, note);
            }
            lines
        }
    };
    if !plan.fits() {
        let why = format!("The point cannot run: {}.", plan.problems.join("; "));
        lines.iter_mut().for_each(|line| line.notes.insert(0, why.clone()));
    }
    lines
}

/// Where weights are GGUF or do not all lie in GPU memory, llama.cpp; where they are not GGUF, the engines of servers.
fn of_any_engine(facts: Facts<'_>) -> Vec<LaunchLine> {
    let is_apart = facts.outside() > Bytes::ZERO || facts.cpu_layers() > 0;
    let mut lines = Vec::new();
    if facts.is_gguf() || is_apart {
        lines.push(llama_cpp::line(facts, Fork::Main));
    }
    if !facts.is_gguf() {
        lines.push(vllm::line(facts));
        lines.extend((!is_apart).then(|| sglang::line(facts)));
    }
    lines
}
