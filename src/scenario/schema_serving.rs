//! The sections of a scenario that serves requests: what comes, who is served first, where keys and values lie, how many
//! GPUs share the work.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use super::Percent;
use super::choice_serving::{
    ArrivalProcess, BatchOrder, Batching, ExchangeKind, LengthSource, PlacementRule, PreemptionRule,
    ReplicaRouting, RequestRouting, SchedulerPolicy, ThinkTime,
};
use super::numbers::{Factor, Rate};
use super::section::section;
use super::values::KvCapacity;
use crate::units::SimDuration;

section! {
    /// The requests. A scenario with `arrivals` serves them; one without replays sequences one after another.
    RequestsSection, REQUESTS_KEYS, "requests." {
        /// How requests come: poisson, gamma, uniform, log, or closed where users wait for their answers.
        arrivals: ArrivalProcess = "\"poisson\"",
        /// Requests in a given time.
        rate: Rate = "\"4 /s\"",
        /// Coefficient of variation of the gaps between gamma arrivals: 1 is Poisson, more comes in bursts.
        cv: Factor = "2.5",
        /// Users of a closed loop, each with one request at a time.
        users: NonZeroU32 = "32",
        /// How long a user thinks before asking again.
        think_time: SimDuration = "\"10 s\"",
        /// How think times differ: fixed or exponential.
        think: ThinkTime = "\"exponential\"",
        /// Path of a request log: Azure's CSV, Mooncake's JSON lines, or a CSV with named columns.
        log: PathBuf = "\"requests/chat.csv\"",
        /// How many times faster than it was recorded a log comes.
        log_speed: Factor = "2.0",
        /// So many requests.
        count: NonZeroU64 = "1000",
        /// Only requests that come within this time.
        duration: SimDuration = "\"600 s\"",
        /// Where lengths come from: log, fixed, lognormal, or empirical, which draws pairs from the log.
        lengths: LengthSource = "\"lognormal\"",
        /// Tokens of a prompt; the mean where lengths are lognormal.
        prompt_tokens: NonZeroU32 = "1024",
        /// Coefficient of variation of lognormal prompts.
        prompt_cv: Factor = "1.0",
        /// Tokens of an answer; the mean where lengths are lognormal.
        output_tokens: NonZeroU32 = "256",
        /// Coefficient of variation of lognormal answers.
        output_cv: Factor = "1.0",
        /// No lognormal prompt and no answer is longer.
        tokens_max: NonZeroU32 = "32768",
        /// How requests are routed to experts: trace, row by row, or counts, by each expert's share of the trace.
        routing: RequestRouting = "\"trace\"",
        /// What requests are about, with shares: categories of the trace, or domains of the router.
        domains: Vec<String> = "[\"code: 50 %\", \"chat: 50 %\"]",
        /// The shares that the last request sees, where they drift.
        domains_end: Vec<String> = "[\"code: 90 %\", \"chat: 10 %\"]",
        /// Priorities, 0 the most urgent, with shares.
        priorities: Vec<String> = "[\"0: 10 %\", \"1: 90 %\"]",
    }
}

section! {
    /// Knobs of a synthetic router, beside those in `[workload]`.
    RouterSection, ROUTER_KEYS, "router." {
        /// Experts chosen for each token, instead of the model's.
        top_k: NonZeroU32 = "8",
        /// Softmax temperature of the router: above 1 it chooses more evenly.
        temperature: Factor = "1.0",
        /// Noise on the router's logits for each token, in nats.
        noise: Factor = "0.5",
        /// Load balance: from 0 %, free, to 100 %, where every expert is chosen equally often.
        balance: Percent = "\"50 %\"",
        /// Names of domains, each with experts of its own.
        domains: Vec<String> = "[\"code\", \"maths\", \"translation\"]",
        /// How far domains differ in their experts, in nats.
        domain_tilt: Factor = "1.0",
    }
}

section! {
    /// Who is served when.
    SchedulerSection, SCHEDULER_KEYS, "scheduler." {
        /// Who is admitted first: fcfs, shortest-prefill-first or priority.
        policy: SchedulerPolicy = "\"fcfs\"",
        /// Whether a batch takes in requests as others leave (continuous) or runs until all have ended (static).
        batching: Batching = "\"continuous\"",
        /// Requests that run at once, for each data-parallel rank.
        max_batch: NonZeroU32 = "256",
        /// Tokens in a pass, for each data-parallel rank.
        token_budget: NonZeroU32 = "8192",
        /// Whether a prompt may be spread over several passes.
        chunked_prefill: bool = "true",
        /// What the budget of a pass goes to first: decode-first or prefill-first.
        order: BatchOrder = "\"decode-first\"",
        /// Requests that may wait; further ones are turned away.
        max_queue: NonZeroU32 = "1000",
        /// What becomes of a request that must make room: recompute or swap.
        preemption: PreemptionRule = "\"recompute\"",
    }
}

section! {
    /// The memory of keys and values.
    KvSection, KV_KEYS, "kv." {
        /// Room of the KV cache on each GPU: a size, a percentage of what weights leave, or "rest".
        capacity: KvCapacity = "\"rest\"",
        /// Tokens of one block.
        block_tokens: NonZeroU32 = "16",
        /// Whether prompts that begin alike share their blocks.
        prefix_reuse: bool = "true",
    }
}

section! {
    /// How many GPUs share the work, and how.
    ParallelSection, PARALLEL_KEYS, "parallel." {
        /// GPUs that split each attention layer.
        tp: NonZeroU32 = "4",
        /// Groups of them that serve requests of their own, with the experts in common.
        dp: NonZeroU32 = "2",
        /// Ranks that split the experts of each layer.
        ep: NonZeroU32 = "8",
        /// Stages that split the layers.
        pp: NonZeroU32 = "2",
        /// Copies of the whole deployment behind a router of requests.
        replicas: NonZeroU32 = "4",
        /// Where the router of requests sends them: round-robin or least-loaded.
        routing: ReplicaRouting = "\"least-loaded\"",
        /// Which rank has which experts: contiguous, round-robin or load-balanced.
        placement: PlacementRule = "\"contiguous\"",
        /// Further copies of the hottest experts of each layer.
        redundant_experts: u64 = "8",
        /// Path of the trace that load-balanced placement counts its experts from.
        profile: PathBuf = "\"traces/profile.moetrace\"",
        /// How ranks exchange tokens of experts: all-to-all or all-reduce.
        exchange: ExchangeKind = "\"all-to-all\"",
        /// What joins the GPUs: an interconnect of the catalogue.
        interconnect: String = "\"nvlink-h100\"",
        /// GPUs of one machine.
        node_gpus: NonZeroU32 = "8",
    }
}

section! {
    /// Limits that a good request keeps. Those of a single request: goodput counts the requests that keep all.
    SloSection, SLO_KEYS, "slo." {
        /// Time to first token.
        ttft: SimDuration = "\"2 s\"",
        /// Time per output token.
        tpot: SimDuration = "\"100 ms\"",
        /// From arrival to the last token.
        e2e: SimDuration = "\"60 s\"",
    }
}
