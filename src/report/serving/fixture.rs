//! Rows of serving sweeps as a queue makes them: a server of six requests a second, to which a thousand come.
//!
//! Below saturation waiting is exponential with the mean of an M/M/1 queue; above, the queue grows to the end. All figures
//! are plausible, none is simulated.

#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small positive numbers")]

use crate::metrics::{
    AccessCounts, ConfigLabels, CostBasis, ExpertLoad, Goodput, GpuUse, KvUse, LedgerLine, LinkUse, Outcome,
    PricePart, Quantiles, RequestCounts, Row, ServingSlice, ServingSummary, Summary, TierNeed, TokenCounts,
};
use crate::report::ReportMeta;

const GIB: u64 = 1 << 30;
const REQUESTS: u64 = 1000;
const SERVED_PER_S: f64 = 6.0;
const SLICES: u64 = 60;
const PROMPT: u64 = 500;
const OUTPUT: u64 = 200;

pub(crate) fn meta(axes: &[&str]) -> ReportMeta {
    ReportMeta {
        title: "A server".to_owned(),
        scenario_name: "server.toml".to_owned(),
        axes: axes.iter().map(|key| (*key).to_owned()).collect(),
        ..ReportMeta::default()
    }
}

/// Values of a thousand requests, spread evenly over their quantiles; `ns` gives the value at a share of 0 to 1.
fn values(ns: impl Fn(f64) -> f64) -> Vec<u64> {
    (0..REQUESTS).map(|at| ns((at as f64 + 0.5) / REQUESTS as f64).round() as u64).collect()
}

fn percentiles(sorted: &[u64]) -> Vec<u64> {
    (0..=100).map(|percent| sorted[(percent * (sorted.len() - 1)) / 100]).collect()
}

/// Under requests that come by themselves, `speed` times as fast a server as the plain one.
pub(crate) fn open(rate_millihertz: u64, speed: f64) -> ServingSummary {
    let asked = rate_millihertz as f64 / 1000.0;
    let use_ = asked / (SERVED_PER_S * speed);
    let busy = use_.min(1.0);
    let coming_s = REQUESTS as f64 / asked;
    let span_s = if use_ < 1.0 { coming_s + 6.0 } else { REQUESTS as f64 / SERVED_PER_S / speed + 6.0 };
    let wait_s = |share: f64| match use_ < 0.98 {
        true => -0.1 / speed * use_ / (1.0 - use_) * libm::log(1.0 - share),
        false => share * (span_s - coming_s).max(8.0),
    };
    let queue = values(|share| wait_s(share) * 1e9);
    let ttft = values(|share| (wait_s(share) + 0.15 * (1.0 + busy) / speed) * 1e9);
    let tpot = values(|share| 20e6 / speed * (1.0 + 1.5 * busy * busy) * (0.9 + 0.3 * share * share));
    let batch = (busy * 40.0).max(1.0);
    let mut made = plain(&queue, &ttft, &tpot, batch as u64, span_s);
    made.load = format!("poisson, {asked} requests/s");
    made.rate_millihertz = rate_millihertz;
    made.slices = slices(span_s, coming_s, busy, (asked - SERVED_PER_S * speed).max(0.0));
    made.kv.preemptions = if use_ > 1.0 { 37 } else { 0 };
    made.tokens.recomputed = made.kv.preemptions * 600;
    made
}

/// Users who wait for their answers and ask again at once.
pub(crate) fn closed(users: u64) -> ServingSummary {
    let step_ns = 15e6 + 0.4e6 * users as f64;
    let queue = values(|share| share * 1e6);
    let ttft = values(|share| 120e6 + share * 4e6 * users as f64);
    let tpot = values(|share| step_ns * (0.95 + 0.1 * share));
    let request_s = 0.12 + 200.0 * step_ns / 1e9;
    let span_s = REQUESTS as f64 / users as f64 * request_s;
    let mut made = plain(&queue, &ttft, &tpot, users, span_s);
    made.load = format!("closed loop, {users} users");
    made.users = users;
    made.slices = slices(span_s, span_s, users as f64 / 64.0, 0.0);
    made
}

fn plain(queue: &[u64], ttft: &[u64], tpot: &[u64], batch: u64, span_s: f64) -> ServingSummary {
    let span_ns = (span_s * 1e9) as u64;
    let e2e = ttft.iter().zip(tpot).map(|(first, each)| first + each * (OUTPUT - 1)).collect();
    let passes = (span_s * 25.0) as u64;
    let of_passes = |most: u64| Quantiles::of((1..=100).map(|at| (most * at).div_ceil(100)).collect());
    ServingSummary {
        replicas: 1,
        gpus: 2,
        requests: RequestCounts {
            arrived: REQUESTS,
            finished: REQUESTS - 3,
            in_flight: 3,
            ..RequestCounts::default()
        },
        tokens: TokenCounts {
            prompt: PROMPT * (REQUESTS - 3),
            output: OUTPUT * (REQUESTS - 3),
            generated: OUTPUT * REQUESTS,
            prefilled: PROMPT * REQUESTS,
            ..TokenCounts::default()
        },
        span_ns,
        ttft_ns: Quantiles::of(ttft.to_vec()),
        tpot_ns: Quantiles::of(tpot.to_vec()),
        itl_ns: Quantiles::of(tpot.iter().map(|ns| ns * 9 / 10).collect()),
        e2e_ns: Quantiles::of(e2e),
        queue_ns: Quantiles::of(queue.to_vec()),
        ttft_ns_percentiles: percentiles(ttft),
        tpot_ns_percentiles: percentiles(tpot),
        passes,
        batch: of_passes(batch),
        pass_tokens: of_passes(batch + 256),
        pass_ns: Quantiles::of(tpot.iter().map(|ns| ns * 8 / 10).collect()),
        kv: KvUse {
            capacity_bytes: 20 * GIB,
            peak_bytes: (20 * GIB).min(batch * GIB / 2),
            mean_bytes: (18 * GIB).min(batch * GIB / 3),
            block_tokens: 16,
            ..KvUse::default()
        },
        gpu_use: ["0/0/0", "0/0/1"].map(|name| gpu(name, span_ns, batch.min(40))).to_vec(),
        expert_load: ExpertLoad {
            never_used: vec![(3, 5), (7, 11)],
            never_used_count: 2,
            experts: 1024,
            busiest_permille: 3100,
            variation_permille: 840,
            gpu_busiest_permille: 1310,
            distinct_permille: 18_200,
        },
        ..ServingSummary::default()
    }
}

fn gpu(name: &str, span_ns: u64, batch: u64) -> GpuUse {
    let busy_ns = span_ns / 50 * batch;
    let wait_ns = span_ns / 20;
    let exchange_ns = span_ns / 50;
    GpuUse {
        name: name.to_owned(),
        busy_ns,
        wait_ns,
        exchange_ns,
        idle_ns: span_ns - busy_ns - wait_ns - exchange_ns,
    }
}

fn slices(span_s: f64, coming_s: f64, busy: f64, growth_per_s: f64) -> Vec<ServingSlice> {
    let length_s = span_s / SLICES as f64;
    let of = |at: u64| {
        let begin_s = at as f64 * length_s;
        let comes = begin_s + length_s / 2.0 < coming_s;
        // A little unrest, the same in every run.
        let unrest = 0.8 + (at * 7 % 11) as f64 * 0.04;
        let level = if at == 0 { 0.3 } else { 1.0 } * busy * unrest;
        let waiting = match comes {
            true => begin_s * growth_per_s + 2.0 * busy * busy * unrest,
            false => (span_s - begin_s - length_s).max(0.0) * if growth_per_s > 0.0 { 6.0 } else { 0.0 },
        };
        let tokens = (level * SERVED_PER_S * OUTPUT as f64 * length_s) as u64;
        let lookups = tokens * 8;
        ServingSlice {
            begin_ns: (begin_s * 1e9) as u64,
            span_ns: (length_s * 1e9) as u64,
            running_permille: (level * 40.0 * 1000.0) as u64,
            waiting_permille: (waiting * 1000.0) as u64,
            kv_bytes: (level * 16.0 * GIB as f64) as u64,
            expert_bytes: (16.0 * GIB as f64 * (1.0 - 0.6 / (1.0 + at as f64))) as u64,
            arrived: u64::from(comes) * 10,
            generated: tokens,
            prefilled: tokens * 5 / 2,
            lookups,
            hits: (lookups as f64 * (0.93 - 0.35 / (1.0 + at as f64))) as u64,
            passes: 25,
            busy_ns: (level * length_s * 1e9) as u64,
            preemptions: u64::from(growth_per_s > 0.0 && at % 9 == 5) * 6,
        }
    };
    (0..SLICES).map(of).collect()
}

/// With everything that may be known: a request that is too long and a service level.
pub(crate) fn rich(mut serving: ServingSummary) -> ServingSummary {
    (serving.requests.rejected, serving.requests.too_long) = (1, 1);
    serving.requests.finished -= 1;
    serving.tokens.prompt -= PROMPT;
    serving.tokens.output -= OUTPUT;
    let limit_ns = 1_000_000_000;
    let met = serving.ttft_ns_percentiles.iter().filter(|ns| **ns < limit_ns).count() as u64 * 10;
    serving.goodput = Some(Goodput { slo: "ttft < 1 s".to_owned(), met: met.min(serving.requests.finished) });
    serving.notes = vec!["Arrivals repeat the log from its begin.".to_owned()];
    serving
}

/// As [`row`], on two rented GPUs whose power is known.
pub(crate) fn priced(index: u64, axes: &[(&str, &str)], serving: ServingSummary) -> Row {
    let rent = PricePart {
        what: "2 x GeForce RTX 4090 for an hour".to_owned(),
        microdollars: 2_400_000,
        date: "2026-11".to_owned(),
        ..PricePart::default()
    };
    let cost = CostBasis {
        rent: Some(rent),
        busy_milliwatts: Some(700_000),
        idle_milliwatts: Some(120_000),
        gpus: 2,
        machines: 1,
        ..CostBasis::default()
    };
    Row { cost, ..row(index, axes, serving) }
}

pub(crate) fn row(index: u64, axes: &[(&str, &str)], serving: ServingSummary) -> Row {
    let line = |owner: &str, bytes| LedgerLine { tier: "vram".to_owned(), owner: owner.to_owned(), bytes };
    let ledger = vec![
        line("embeddings", GIB / 2),
        line("attention", 2 * GIB),
        line("kv cache", 10 * GIB),
        line("workspace", GIB / 2),
        line("framework", GIB / 2),
        line("expert cache", 8 * GIB),
    ];
    let counts = |tokens: u64, hits: u64| AccessCounts {
        tokens,
        lookups: tokens * 8,
        hits: tokens * hits / 100 * 8,
        misses: tokens * 8 - tokens * hits / 100 * 8,
        hits_when_needed: tokens * hits / 100 * 8,
        ..AccessCounts::default()
    };
    let link = |name: &str, share: u64| LinkUse {
        name: name.to_owned(),
        bytes: 40 * GIB,
        jobs: 9,
        busy_ns: serving.span_ns / 100 * share,
        idle_ns: serving.span_ns - serving.span_ns / 100 * share,
    };
    let summary = Summary {
        prefill: counts(serving.tokens.prefilled, 80),
        decode: counts(serving.tokens.generated, 92),
        ttft_ns: serving.ttft_ns,
        tpot_ns: serving.tpot_ns,
        links: vec![link("gpu", 60), link("h2d", 45)],
        span_ns: serving.span_ns,
        serving: Some(Box::new(serving)),
        ..Summary::default()
    };
    Row {
        index,
        axes: axes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        config: ConfigLabels {
            model: "qwen3-30b-a3b".to_owned(),
            quant: "bf16".to_owned(),
            gpu: "rtx4090".to_owned(),
            engine: "vllm".to_owned(),
            backing: "dram".to_owned(),
            policy: "lru".to_owned(),
            cache_capacity_bytes: 8 * GIB,
            experts_total_bytes: 54 * GIB,
            token_working_set_bytes: 3 * GIB,
            trace: "chat".to_owned(),
            ..ConfigLabels::default()
        },
        ledger,
        tiers: vec![TierNeed {
            tier: "vram".to_owned(),
            needed_bytes: 43 * GIB / 2,
            capacity_bytes: 24 * GIB,
        }],
        quality: crate::metrics::Quality::default(),
        cost: crate::metrics::CostBasis::default(),
        outcome: Outcome::Done(Box::new(summary)),
    }
}

const RATES: [(u64, &str); 7] =
    [(500, "0.5"), (1000, "1"), (2000, "2"), (4000, "4"), (5500, "5.5"), (8000, "8"), (12_000, "12")];

/// One setting at all rates.
pub(crate) fn rates() -> Vec<Row> {
    let one = |(index, (rate, text)): (usize, &(u64, &str))| {
        row(index as u64, &[("requests.rate", text)], open(*rate, 1.0))
    };
    RATES.iter().enumerate().map(one).collect()
}

/// Three policies at all rates; the second is the fastest, the third an oracle.
pub(crate) fn policies() -> Vec<Row> {
    let mut rows = Vec::new();
    for (policy, speed) in [("lru", 1.0), ("lfu-aged", 1.4), ("belady", 1.6)] {
        for (rate, text) in RATES {
            let axes = [("cache.policy", policy), ("requests.rate", text)];
            let mut row = row(rows.len() as u64, &axes, open(rate, speed));
            row.config.policy = policy.to_owned();
            row.config.policy_is_oracle = policy == "belady";
            rows.push(row);
        }
    }
    rows
}

/// One setting with one to 128 users.
pub(crate) fn users() -> Vec<Row> {
    let all = [1, 2, 4, 8, 16, 32, 64, 128];
    let one = |(index, users): (usize, &u64)| {
        row(index as u64, &[("requests.users", &users.to_string())], closed(*users))
    };
    all.iter().enumerate().map(one).collect()
}

/// One rate at five capacities of the expert cache.
pub(crate) fn capacities() -> Vec<Row> {
    let one = |index: u64| {
        let gib = 4 + index * 4;
        let axes = [("cache.capacity", format!("{gib} GiB"))];
        let axes = axes.each_ref().map(|(key, value)| (*key, value.as_str()));
        let mut row = row(index, &axes, open(4000, 0.6 + 0.2 * index as f64));
        row.config.cache_capacity_bytes = gib * GIB;
        row.ledger.last_mut().into_iter().for_each(|line| line.bytes = gib * GIB);
        row
    };
    (0..5).map(one).collect()
}
