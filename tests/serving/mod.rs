//! A small model under a load of requests, and what holds for every run.

use std::fmt::Write as _;

use moesim::metrics::{Quantiles, ServingSummary, Summary};
use moesim::plan::{Plan, ServingPlan};
use moesim::sim::simulate;

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../sim_laws/bench.rs"]
pub(crate) mod bench;

pub(crate) use bench::{Bench, Sequence};

/// Layers, experts and experts per token.
pub(crate) const DIMENSIONS: (usize, u32, usize) = (4, 8, 2);

/// Routing without a pattern that a law could lean on: a few numbers, multiplied and added.
pub(crate) fn rows(count: usize, seed: u64) -> Vec<Vec<u16>> {
    let (layers, experts, top_k) = DIMENSIONS;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u16::try_from((state >> 33) % u64::from(below)).unwrap()
    };
    let mut row = || {
        let mut row = Vec::new();
        for _ in 0..layers {
            let mut chosen: Vec<u16> = Vec::new();
            while chosen.len() < top_k {
                // Squares make the first experts the popular ones.
                let expert = draw(experts) * draw(experts) / u16::try_from(experts).unwrap();
                if !chosen.contains(&expert) {
                    chosen.push(expert);
                }
            }
            row.extend(chosen);
        }
        row
    };
    (0..count).map(|_| row()).collect()
}

/// A sequence with so many prompt and decode tokens.
pub(crate) fn sequence(prompt: usize, decode: usize, seed: u64) -> Sequence {
    Sequence { prompt: rows(prompt, seed), decode: rows(decode, seed + 1000) }
}

/// A bench with three sequences, and request logs beside it: `log.csv`, and `chat.jsonl` and
/// `mooncake.jsonl`, whose prompts begin alike.
pub(crate) fn bench() -> Bench {
    let bench = Bench::new(DIMENSIONS, &[sequence(9, 20, 1), sequence(24, 12, 2), sequence(3, 40, 3)]);
    let mut log = "arrival_ms,prompt_tokens,output_tokens,priority\n".to_owned();
    let mut chat = String::new();
    for at in 0..40_u64 {
        let (prompt, output) = (1 + at * 37 % 90, 1 + at * 11 % 14);
        writeln!(log, "{},{prompt},{output},{}", at * at * 3, at % 3).unwrap();
        // Two conversations: each prompt is the one before it and a bit more.
        let blocks: Vec<String> = (0..=at / 8).map(|block| (block * 2 + at % 2).to_string()).collect();
        let prompt = 16 * blocks.len() as u64 - at % 5;
        writeln!(
            chat,
            r#"{{"chat_id": {}, "timestamp": {}, "input_length": {prompt}, "output_length": {output}, "hash_ids": [{}]}}"#,
            at % 2,
            at / 3,
            blocks.join(", ")
        )
        .unwrap();
    }
    let mut mooncake = String::new();
    for at in 0..14_u64 {
        let (prompt, shared) = (700 + at * 61 % 500, at % 3);
        writeln!(
            mooncake,
            r#"{{"timestamp": {}, "input_length": {prompt}, "output_length": {}, "hash_ids": [{shared}, {}]}}"#,
            at * 150,
            1 + at % 5,
            shared * 10 + at % 2 + 3
        )
        .unwrap();
    }
    std::fs::write(bench.folder().join("mooncake.jsonl"), mooncake).unwrap();
    std::fs::write(bench.folder().join("log.csv"), log).unwrap();
    std::fs::write(bench.folder().join("chat.jsonl"), chat).unwrap();
    bench
}

/// The plan of these settings, in which `@` is the bench's folder.
pub(crate) fn plan(bench: &Bench, settings: &[impl AsRef<str>]) -> Plan {
    let folder = bench.folder().display().to_string();
    let settings: Vec<String> =
        settings.iter().map(|one| one.as_ref().replace("\"@", &format!("\"{folder}"))).collect();
    let texts: Vec<&str> = settings.iter().map(String::as_str).collect();
    bench.plan(&texts).unwrap_or_else(|error| panic!("{settings:?}: {error}"))
}

/// Serves, and checks what holds for every run.
pub(crate) fn serve(plan: &Plan) -> Summary {
    assert!(plan.fits(), "{:?}", plan.problems);
    let summary = simulate(plan).unwrap();
    check(plan, &summary);
    summary
}

/// What a summary says of serving.
pub(crate) fn of(summary: &Summary) -> &ServingSummary {
    summary.serving.as_ref().unwrap()
}

/// Whether every value of one list is at most that of another by the same request: then so are all quantiles.
#[track_caller]
pub(crate) fn below(what: &str, less: &Quantiles, more: &Quantiles) {
    let all = |of: &Quantiles| [of.sum, of.min, of.p10, of.p50, of.p90, of.p95, of.p99, of.max];
    assert!(
        all(less).iter().zip(all(more)).all(|(less, more)| *less <= more),
        "{what}: {less:?} and {more:?}"
    );
}

/// Requests, tokens, times and bytes add up.
pub(crate) fn check(plan: &Plan, summary: &Summary) {
    let (serving, found) = (plan.serving.as_ref().unwrap(), of(summary));
    check_requests(serving, found);
    check_tokens(serving, found);
    check_latencies(found);
    check_gpus(serving, found);
    check_slices(found);
    for counts in [&summary.prefill, &summary.decode] {
        assert_eq!(counts.hits + counts.misses, counts.lookups);
        let selections = counts.tokens * u64::from(plan.cache.shape.layers * serving.top_k);
        assert_eq!(counts.selections, selections, "{counts:?}");
        assert!(counts.lookups <= counts.selections);
    }
    assert_eq!(
        summary.prefill.tokens + summary.decode.tokens,
        found.pass_tokens.sum,
        "every token is routed"
    );
    if serving.counts.is_some() {
        let load = &found.expert_load;
        assert!(load.busiest_permille >= 1000, "the busiest expert has no less than the mean: {load:?}");
    }
}

fn check_requests(plan: &ServingPlan, found: &ServingSummary) {
    let (requests, asked) = (&found.requests, plan.requests.requests.len() as u64);
    assert_eq!(requests.arrived, asked, "every request comes");
    assert_eq!(requests.finished + requests.rejected, asked, "and leaves: {requests:?}");
    assert_eq!(requests.in_flight, 0);
    assert!(requests.too_long <= requests.rejected);
    if plan.scheduler.max_queue.is_none() {
        assert_eq!(requests.too_long, requests.rejected, "only what no cache could hold is turned away");
    }
    assert_eq!(found.replicas, u64::from(plan.replicas));
    assert_eq!(found.gpus, found.gpu_use.len() as u64);
}

fn check_tokens(plan: &ServingPlan, found: &ServingSummary) {
    let (requests, tokens) = (&found.requests, &found.tokens);
    if requests.rejected == 0 {
        let asked = |of: fn(&moesim::serving::Request) -> u32| -> u64 {
            plan.requests.requests.iter().map(|request| u64::from(of(request))).sum()
        };
        assert_eq!(tokens.prompt, asked(|request| request.prompt_tokens));
        assert_eq!(tokens.output, asked(|request| request.output_tokens), "tokens out are tokens asked for");
    }
    // Who no cache can hold may have got some tokens first.
    assert!(tokens.generated >= tokens.output);
    if requests.too_long == 0 {
        assert_eq!(tokens.generated, tokens.output);
        // A request that comes back computes the last token it was given as if it were of the prompt.
        let (needed, done) = (tokens.prompt + tokens.recomputed, tokens.prefilled + tokens.prefix_hits);
        assert!((needed..=needed + found.kv.preemptions).contains(&done), "{tokens:?}");
        let decoded = found.pass_tokens.sum - tokens.prefilled;
        let from_prompts = tokens.generated - decoded;
        let comes_back = requests.finished..=requests.finished + found.kv.preemptions;
        assert!(comes_back.contains(&from_prompts), "a prompt gives one token: {tokens:?}");
    }
    if !plan.kv.reuses_prefixes {
        // What comes back may find nothing of its own either.
        assert_eq!(tokens.prefix_hits, 0);
    }
    if found.kv.preemptions == 0 {
        assert_eq!((tokens.recomputed, found.kv.swapped_bytes), (0, 0));
    }
}

fn check_latencies(found: &ServingSummary) {
    let finished = found.requests.finished;
    for (what, times) in [("ttft", &found.ttft_ns), ("e2e", &found.e2e_ns), ("queue", &found.queue_ns)] {
        assert_eq!(times.count, finished, "{what} of every finished request");
    }
    below("queue <= TTFT", &found.queue_ns, &found.ttft_ns);
    below("TTFT <= end to end", &found.ttft_ns, &found.e2e_ns);
    assert!(found.e2e_ns.max <= found.span_ns);
    assert!(found.tpot_ns.count <= finished);
    if found.requests.too_long == 0 {
        assert_eq!(found.itl_ns.count, found.tokens.generated - finished, "one gap between two tokens");
        assert_eq!(found.itl_ns.sum, found.e2e_ns.sum - found.ttft_ns.sum, "gaps add up");
    }
    let first = &found.ttft_ns_percentiles;
    if finished > 0 {
        assert_eq!((first.len(), first[0], first[100]), (101, found.ttft_ns.min, found.ttft_ns.max));
    }
    if let Some(goodput) = &found.goodput {
        assert!(goodput.met <= finished);
    }
}

fn check_gpus(plan: &ServingPlan, found: &ServingSummary) {
    for gpu in &found.gpu_use {
        let all = gpu.busy_ns + gpu.wait_ns + gpu.exchange_ns + gpu.idle_ns;
        assert_eq!(all, found.span_ns, "busy + wait + exchange + idle = span: {gpu:?}");
    }
    let active: u64 = found.gpu_use.iter().map(|gpu| found.span_ns - gpu.idle_ns).sum();
    if plan.layout.pp == 1 && plan.swap.is_none() {
        let each = u64::from(plan.layout.stage_gpus());
        assert_eq!(active, found.pass_ns.sum * each, "a GPU is active as long as it has a pass");
    }
    assert_eq!(
        (found.batch.count, found.pass_tokens.count, found.pass_ns.count),
        (found.passes, found.passes, found.passes)
    );
    let ranks = u64::from(plan.layout.dp);
    assert!(found.batch.max <= ranks * u64::from(plan.scheduler.max_batch));
    if plan.scheduler.chunked_prefill {
        assert!(found.pass_tokens.max <= ranks * u64::from(plan.scheduler.token_budget));
    }
    assert!(found.kv.peak_bytes <= found.kv.capacity_bytes, "{:?}", found.kv);
    assert!(found.kv.mean_bytes <= found.kv.peak_bytes);
}

fn check_slices(found: &ServingSummary) {
    let sum = |of: fn(&moesim::metrics::ServingSlice) -> u64| -> u64 { found.slices.iter().map(of).sum() };
    assert_eq!(sum(|slice| slice.arrived), found.requests.arrived);
    assert_eq!(sum(|slice| slice.generated), found.tokens.generated);
    assert_eq!(sum(|slice| slice.prefilled), found.tokens.prefilled);
    assert_eq!(sum(|slice| slice.passes), found.passes);
    assert_eq!(sum(|slice| slice.preemptions), found.kv.preemptions);
    assert_eq!(sum(|slice| slice.span_ns), found.span_ns, "slices cover the run");
    let mut end_ns = 0;
    for slice in &found.slices {
        assert_eq!(slice.begin_ns, end_ns, "one after another");
        end_ns += slice.span_ns;
        assert!(slice.busy_ns <= slice.span_ns && slice.hits <= slice.lookups);
    }
}
