//! Cases that one can follow by hand.

use moesim::serving::scheduler::{Batch, Batching, PassOrder, Preemption, SchedulerConfig};

use super::drive::{BLOCK_BYTES, Case, Drive, Job, State};

fn job(at: u32, prompt: u32, output: u32) -> Job {
    Job { at, prompt, output, priority: 0, hashes: Vec::new() }
}

fn case(config: SchedulerConfig, capacity_blocks: u64, jobs: &[Job]) -> Case {
    Case {
        config,
        block_tokens: 4,
        hash_tokens: 0,
        capacity_blocks,
        changes: Vec::new(),
        depth: 1,
        jobs: jobs.to_vec(),
    }
}

/// One pass a line: `p` and `d` for prefill and decode, request, tokens@context, `!` where it emits.
fn shown(passes: &[Batch]) -> Vec<String> {
    let pass = |batch: &Batch| {
        let slots = batch.slots.iter().map(|slot| {
            let (kind, emits) = (if slot.is_prefill { 'p' } else { 'd' }, if slot.emits { "!" } else { "" });
            format!("{kind}{} {}@{}{emits}", slot.request.0, slot.tokens, slot.context)
        });
        let preempted = batch.preempted.iter().map(|request| format!("-{}", request.0));
        let ended = batch.ended_by_capacity.iter().map(|request| format!("x{}", request.0));
        preempted.chain(ended).chain(slots).collect::<Vec<_>>().join(" | ")
    };
    passes.iter().map(pass).filter(|line| !line.is_empty()).collect()
}

fn small() -> SchedulerConfig {
    SchedulerConfig { max_batch: 4, token_budget: 8, ..SchedulerConfig::default() }
}

#[test]
fn decodes_go_first_and_prompts_fill_the_pass() {
    let jobs = [job(0, 5, 3), job(1, 10, 2)];
    let drive = Drive::new(case(small(), 100, &jobs)).run();
    let expected = ["p0 5@0!", "d0 1@5! | p1 7@0", "d0 1@6! | p1 3@7!", "d1 1@10!"];
    assert_eq!(shown(&drive.passes), expected);
}

#[test]
fn prompts_go_first_and_alone() {
    let config = SchedulerConfig { order: PassOrder::PrefillFirst, ..small() };
    let jobs = [job(0, 5, 3), job(1, 10, 2)];
    let drive = Drive::new(case(config, 100, &jobs)).run();
    let expected = ["p0 5@0!", "p1 8@0", "p1 2@8!", "d0 1@5! | d1 1@10!", "d0 1@6!"];
    assert_eq!(shown(&drive.passes), expected);
}

#[test]
fn a_whole_prompt_beyond_the_budget_goes_alone() {
    let config = SchedulerConfig { chunked_prefill: false, ..small() };
    let jobs = [job(0, 5, 2), job(0, 10, 1), job(0, 1, 1)];
    let drive = Drive::new(case(config, 100, &jobs)).run();
    assert_eq!(shown(&drive.passes), ["p0 5@0!", "d0 1@5!", "p1 10@0!", "p2 1@0!"]);
}

#[test]
fn a_static_batch_ends_as_a_whole() {
    let config = SchedulerConfig { batching: Batching::Static, max_batch: 2, ..small() };
    let jobs = [job(0, 5, 1), job(0, 6, 3), job(0, 4, 1)];
    let drive = Drive::new(case(config, 100, &jobs)).run();
    assert_eq!(shown(&drive.passes), ["p0 5@0! | p1 3@0", "p1 3@3!", "d1 1@6!", "d1 1@7!", "p2 4@0!"]);
}

#[test]
fn the_latest_is_preempted_and_computed_again() {
    // Two blocks each; the third of the first takes one of the second's.
    let jobs = [job(0, 7, 4), job(0, 7, 4)];
    let config = SchedulerConfig { token_budget: 14, ..small() };
    let drive = Drive::new(case(config, 4, &jobs)).run();
    let passes = [
        "p0 7@0! | p1 7@0!",
        "d0 1@7! | d1 1@7!",
        "-1 | d0 1@8!",
        "d0 1@9!",
        // Seven of the prompt, and two that were put out: the ninth is new to the cache.
        "p1 9@0!",
        "d1 1@9!",
    ];
    assert_eq!(shown(&drive.passes), passes);
    assert_eq!((drive.recomputed, drive.prefilled, drive.preemptions), (8, 7 + 7 + 9, 1));
}

#[test]
fn swapped_blocks_come_back_as_they_went() {
    let jobs = [job(0, 7, 4), job(0, 7, 4)];
    let config = SchedulerConfig { preemption: Preemption::Swap, token_budget: 14, ..small() };
    let drive = Drive::new(case(config, 4, &jobs)).run();
    let passes = ["p0 7@0! | p1 7@0!", "d0 1@7! | d1 1@7!", "-1 | d0 1@8!", "d0 1@9!", "d1 1@8!", "d1 1@9!"];
    assert_eq!(shown(&drive.passes), passes);
    assert_eq!((drive.swapped, drive.recomputed), ((2 * BLOCK_BYTES, 2 * BLOCK_BYTES), 0));
}

#[test]
fn what_outgrows_the_whole_cache_ends() {
    let drive = Drive::new(case(small(), 2, &[job(0, 7, 4), job(0, 3, 1)])).run();
    assert_eq!(shown(&drive.passes), ["p0 7@0!", "d0 1@7!", "x0 | p1 3@0!"]);
    assert_eq!((drive.seen[0].state, drive.seen[0].emitted), (State::Ended, 2));
}

#[test]
fn a_known_prompt_computes_one_token() {
    let hashes = vec![1, 2];
    let known = Job { hashes, ..job(0, 8, 2) };
    let drive = Drive::new(Case {
        hash_tokens: 4,
        ..case(
            small(),
            100,
            &[known.clone(), Job { at: 4, ..known.clone() }, Job { at: 6, prompt: 9, ..known }],
        )
    });
    let drive = drive.run();
    assert_eq!(shown(&drive.passes), ["p0 8@0!", "d0 1@8!", "p1 1@7!", "d1 1@8!", "p2 1@8!", "d2 1@9!"]);
    assert_eq!((drive.hits, drive.prefilled), (7 + 8, 8 + 1 + 1));
}
