//! Continuous batching first come, first served, decodes first, with room for all: written down as the rules read.

use moesim::serving::scheduler::Batch;

use super::drive::{Case, Job};

/// Request, tokens, context, whether it is prefill, whether it emits.
pub(crate) type Row = (usize, u32, u32, bool, bool);

struct Run {
    number: usize,
    context: u32,
    emitted: u32,
}

/// The slots of all passes, empty ones left out.
pub(crate) fn slots(passes: &[Batch]) -> Vec<Vec<Row>> {
    let rows = |batch: &Batch| -> Vec<Row> {
        let row = |slot: &moesim::serving::scheduler::Slot| {
            (slot.request.index(), slot.tokens, slot.context, slot.is_prefill, slot.emits)
        };
        batch.slots.iter().map(row).collect()
    };
    passes.iter().map(rows).filter(|rows| !rows.is_empty()).collect()
}

/// The passes of a case with one pass under way at a time.
pub(crate) fn passes(case: &Case) -> Vec<Vec<Row>> {
    let jobs = &case.jobs;
    let (mut arrived, mut next, mut step) = (0, 0, 0);
    let mut running: Vec<Run> = Vec::new();
    let mut passes = Vec::new();
    while next < jobs.len() || !running.is_empty() {
        arrived += jobs.iter().filter(|job| job.at == step).count();
        step += 1;
        let mut budget = case.config.token_budget;
        let mut rows: Vec<Row> = Vec::new();
        for run in running.iter_mut().filter(|run| run.context >= jobs[run.number].prompt) {
            rows.push((run.number, 1, run.context, false, true));
            run.context += 1;
            budget -= 1;
        }
        let decoding = rows.len();
        let prompts = |run: &Run| run.context < jobs[run.number].prompt;
        for run in running.iter_mut().filter(|run| prompts(run)) {
            prefill(run, &jobs[run.number], &mut budget, &mut rows);
        }
        while next < arrived && budget > 0 && running.len() < case.config.max_batch as usize {
            let mut run = Run { number: next, context: 0, emitted: 0 };
            prefill(&mut run, &jobs[next], &mut budget, &mut rows);
            running.push(run);
            next += 1;
        }
        rows[..decoding].sort_unstable();
        for (number, _, _, _, emits) in &rows {
            let run = running.iter_mut().find(|run| run.number == *number).unwrap();
            run.emitted += u32::from(*emits);
        }
        running.retain(|run| run.emitted < jobs[run.number].output);
        if !rows.is_empty() {
            passes.push(rows);
        }
    }
    passes
}

fn prefill(run: &mut Run, job: &Job, budget: &mut u32, rows: &mut Vec<Row>) {
    let tokens = (job.prompt - run.context).min(*budget);
    if tokens > 0 {
        let emits = run.context + tokens == job.prompt;
        rows.push((run.number, tokens, run.context, true, emits));
        run.context += tokens;
        *budget -= tokens;
    }
}
