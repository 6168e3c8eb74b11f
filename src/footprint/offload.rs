//! Offloading, simulated: the same model with room for all of its experts, for those of one token, and for one.

use super::scenario::{Case, GPU_DEFAULT};
use super::{FootprintAsk, ModelAsk};
use crate::catalogue::{Entry, Gpu};
use crate::error::Result;
use crate::metrics::{ExpertRoom, OffloadRun, Row};
use crate::plan::{Inputs, Plan};
use crate::sweep::run_point;
use crate::trace::synthetic::{RouterKnobs, shipped};

/// Decode tokens of each of the sequences of a router, where no trace of the model ships.
const ROUTED: &str = "router = \"typical\"\nsequences = 4\ndecode_tokens = 64\n";

/// The three runs, from the most room to the least.
pub(super) fn runs(case: &Case<'_>, inputs: &Inputs, plan: &Plan) -> Result<Vec<OffloadRun>> {
    let routing = routing(case.model, inputs)?;
    let one_token = plan.model.active_weights().routed_experts.get();
    // Where memory is one pool, what does not lie there lies on the drive.
    let unified = Gpu::find(&plan.labels.gpu).is_some_and(|gpu| gpu.unified);
    let home = if unified { "nvme" } else { "dram" };
    let rooms = [
        (ExpertRoom::Resident, "[placement]\nexperts = \"vram\"\n".to_owned()),
        (
            ExpertRoom::OneToken,
            format!("[placement]\nexperts = \"{home}\"\n[cache]\ncapacity = \"{one_token} B\"\n"),
        ),
        (ExpertRoom::OneExpert, format!("[placement]\nexperts = \"{home}\"\nsingle_buffer = true\n")),
    ];
    rooms.into_iter().map(|(room, placement)| run(case, inputs, room, &placement, &routing)).collect()
}

fn run(
    case: &Case<'_>,
    inputs: &Inputs,
    room: ExpertRoom,
    placement: &str,
    routing: &str,
) -> Result<OffloadRun> {
    let base = |memory: &str| {
        let context = case.ask.context;
        format!(
            "[hardware]\ngpu = \"{GPU_DEFAULT}\"\n{memory}{placement}[workload]\n{routing}prefill = false\n\
             context = {context}\n"
        )
    };
    let row = run_point(&case.scenario(&base(""))?, 0, inputs)?;
    let memory = enough(case.ask, &row);
    if row.summary().is_some() || memory.is_empty() {
        return Ok(OffloadRun { room, is_supposed: false, row });
    }
    let row = run_point(&case.scenario(&base(&memory))?, 0, inputs)?;
    Ok(OffloadRun { room, is_supposed: true, row })
}

/// Settings that give the machine as much memory as the row lacks, where the user does not say how much there is.
fn enough(ask: &FootprintAsk, row: &Row) -> String {
    let short = [("vram", "hardware.vram"), ("dram", "hardware.dram")].into_iter().filter(|(tier, key)| {
        !ask.sets(key) && row.tier(tier).is_some_and(|need| need.needed_bytes > need.capacity_bytes)
    });
    let line = |(tier, _): (&str, &str)| {
        row.tier(tier).map_or_else(String::new, |need| format!("{tier} = \"{} B\"\n", need.needed_bytes))
    };
    short.map(line).collect()
}

/// What routes tokens: the trace that ships for the model, else a synthetic router.
fn routing(model: &ModelAsk, inputs: &Inputs) -> Result<String> {
    let ModelAsk::Known(id) = model else { return Ok(ROUTED.to_owned()) };
    let Some((stem, spec)) = shipped::all().into_iter().find(|(stem, _)| stem == id) else {
        return Ok(ROUTED.to_owned());
    };
    let name = format!("{stem}.moetrace");
    // Kept under its name, where the plan finds it as if it were a file.
    inputs.generated(&name, &spec, &RouterKnobs::default())?;
    Ok(format!("trace = \"{name}\"\n"))
}
