//! Laws of the batch scheduler: whatever comes, everybody is served once, within the limits, and without a look ahead.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "scheduler_laws/drive.rs"]
mod drive;
#[path = "scheduler_laws/examples.rs"]
mod examples;
#[path = "scheduler_laws/slow.rs"]
mod slow;

use moesim::serving::scheduler::{
    Batching, PassOrder, Preemption, SchedulerConfig, SchedulingPolicy as Policy,
};
use proptest::prelude::*;

use drive::{Case, Drive, Job, State};

fn jobs() -> impl Strategy<Value = Vec<Job>> {
    let hashes = prop::collection::vec(0..2_u64, 0..8);
    let job = (0..30_u32, 1..40_u32, 1..20_u32, 0..3_u8, hashes)
        .prop_map(|(at, prompt, output, priority, hashes)| Job { at, prompt, output, priority, hashes });
    prop::collection::vec(job, 1..25).prop_map(|mut jobs| {
        jobs.sort_by_key(|job| job.at);
        jobs
    })
}

fn configs() -> impl Strategy<Value = SchedulerConfig> {
    let policies =
        prop_oneof![Just(Policy::Fcfs), Just(Policy::ShortestPrefillFirst), Just(Policy::Priority)];
    let batching = prop_oneof![3 => Just(Batching::Continuous), 1 => Just(Batching::Static)];
    let order = prop_oneof![Just(PassOrder::DecodeFirst), Just(PassOrder::PrefillFirst)];
    let preemption = prop_oneof![Just(Preemption::Recompute), Just(Preemption::Swap)];
    let queue = prop_oneof![3 => Just(None), 1 => (1..6_u32).prop_map(Some)];
    (policies, batching, 1..9_u32, 0..30_u32, any::<bool>(), order, queue, preemption).prop_map(
        |(policy, batching, max_batch, more, chunked_prefill, order, max_queue, preemption)| {
            let token_budget = max_batch + more;
            let limits = SchedulerConfig { max_batch, token_budget, max_queue, ..SchedulerConfig::default() };
            SchedulerConfig { policy, batching, chunked_prefill, order, preemption, ..limits }
        },
    )
}

/// Capacities from less than one request to more than all.
fn cases() -> impl Strategy<Value = Case> {
    let changes = prop_oneof![
        2 => Just(Vec::new()),
        1 => prop::collection::vec((0..60_u32, 0..40_u64), 1..4),
    ];
    (configs(), 1..6_u32, prop_oneof![Just(0), 1..6_u32], 4..80_u64, changes, 1..4_usize, jobs()).prop_map(
        |(config, block_tokens, hash_tokens, capacity_blocks, changes, depth, jobs)| Case {
            config,
            block_tokens,
            hash_tokens,
            capacity_blocks,
            changes,
            depth,
            jobs,
        },
    )
}

/// A case without prefixes, changes of capacity or limits of the queue.
fn plain(mut case: Case) -> Case {
    case.changes.clear();
    (case.hash_tokens, case.config.max_queue) = (0, None);
    case
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    /// The drive checks limits, books and order at every step; at the end everybody has one fate, and all bytes are back.
    #[test]
    fn everybody_is_served_once(case in cases()) {
        let steady = case.changes.is_empty();
        let drive = Drive::new(case).run();
        for (one, job) in drive.seen.iter().zip(&drive.case.jobs) {
            match one.state {
                State::Finished => prop_assert_eq!(one.emitted, job.output),
                State::Ended => prop_assert!(one.emitted < job.output && (one.emitted > 0 || !steady)),
                State::Rejected(_) => prop_assert_eq!(one.emitted, 0),
                state => prop_assert!(false, "a request is left {:?}", state),
            }
        }
        prop_assert_eq!(drive.scheduler.kv().used().get(), 0);
        let (out, back) = drive.swapped;
        prop_assert!(back <= out);
        if steady && drive.case.hash_tokens == 0 && drive.seen.iter().all(|one| one.state != State::Ended) {
            prop_assert_eq!(back, out);
        }
    }

    /// Prompt tokens are computed once, found, or computed again; the token that a preempted request had not yet put into the
    /// cache comes with what it computes again.
    #[test]
    fn every_prompt_token_is_accounted_for(mut case in cases()) {
        case.changes.clear();
        let drive = Drive::new(case).run();
        let served = drive.seen.iter().zip(&drive.case.jobs).filter(|(one, _)| one.emitted > 0);
        let prompts: u64 = served.map(|(_, job)| u64::from(job.prompt)).sum();
        let ended = drive.seen.iter().any(|one| one.state == State::Ended);
        let (computed, found) = (drive.prefilled - drive.recomputed, drive.hits);
        if ended {
            prop_assert!(computed + found <= prompts + drive.resumed_fresh);
        } else {
            prop_assert_eq!(computed + found, prompts + drive.resumed_fresh);
        }
        if drive.preemptions == 0 {
            prop_assert_eq!(drive.recomputed, 0);
        }
    }

    /// First come, first served: nobody is admitted before somebody who came earlier.
    #[test]
    fn fcfs_admits_in_order_of_arrival(mut case in cases()) {
        case.config.policy = Policy::Fcfs;
        let drive = Drive::new(case).run();
        prop_assert!(drive.admissions.is_sorted());
    }

    /// Two workloads that differ in the lengths of answers alone are treated alike until the first answer that ends in one
    /// and not in the other.
    #[test]
    fn nobody_looks_ahead(case in cases(), outputs in prop::collection::vec(1..20_u32, 25)) {
        let mut other = case.clone();
        for (job, output) in other.jobs.iter_mut().zip(outputs) {
            job.output = output;
        }
        let (mut one, mut two) = (Drive::new(case), Drive::new(other));
        for step in 0.. {
            let more = (one.step(step), two.step(step));
            // A step ends with answers: passes that began in it were decided before they were seen.
            prop_assert_eq!(&one.passes, &two.passes);
            let states = |drive: &Drive| drive.seen.iter().map(|seen| seen.state).collect::<Vec<_>>();
            if states(&one) != states(&two) || more != (true, true) {
                break;
            }
        }
    }

    /// With room for all and prompts in chunks, the passes are those of a scheduler written down from the rules.
    #[test]
    fn fcfs_with_room_is_the_plain_rule(case in cases()) {
        let mut case = plain(case);
        (case.capacity_blocks, case.depth) = (1 << 20, 1);
        let rules = SchedulerConfig { policy: Policy::Fcfs, batching: Batching::Continuous, ..case.config };
        case.config = SchedulerConfig { order: PassOrder::DecodeFirst, chunked_prefill: true, ..rules };
        let drive = Drive::new(case.clone()).run();
        prop_assert_eq!(slow::slots(&drive.passes), slow::passes(&case));
        prop_assert_eq!(drive.preemptions, 0);
    }

    /// Preemption is for want of room alone, with any order, policy and number of passes under way.
    #[test]
    fn with_room_for_all_nobody_is_preempted(case in cases()) {
        let mut case = plain(case);
        case.capacity_blocks = 1 << 20;
        let drive = Drive::new(case).run();
        prop_assert_eq!((drive.preemptions, drive.recomputed, drive.swapped), (0, 0, (0, 0)));
        prop_assert!(drive.seen.iter().all(|one| one.state == State::Finished));
    }
}
