//! Explanations: more of a resource is never slower, and a bottleneck that was planted is the one that is named.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "sim_laws/bench.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod bench;
#[path = "common/binary.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod binary;

use bench::{Bench, Sequence, small};
use binary::{Desk, shipped};
use moesim::metrics::{Explanation, Outcome, Relief, Relieved, Row, Summary};
use moesim::plan::{LayerHome, Plan};
use moesim::report;
use moesim::sim::simulate;
use proptest::prelude::*;
use serde_json::Value;

const DIMENSIONS: (usize, u32, usize) = (3, 6, 2);
const CPU: &str = "hardware.cpu=\"ryzen-7950x\"";
const NVME: &str = "placement.experts=\"nvme\"";
const WITHIN: &str = "engine.overlap=\"within-layer\"";
const NO_OVERHEADS: [&str; 3] = [
    "engine.per_token_overhead=\"0 ns\"",
    "engine.per_layer_overhead=\"0 ns\"",
    "engine.kernel_launch=\"0 ns\"",
];

/// What the library explains, from a plan that a test has at hand.
fn explained(plan: &Plan) -> Explanation {
    let summary = simulate(plan).unwrap();
    let reliefs = Relief::ALL.into_iter().filter_map(|relief| {
        let summary = simulate(&plan.relieved(relief)?).unwrap();
        Some(Relieved::new(relief, summary))
    });
    let reliefs = reliefs.collect();
    let row = Row {
        index: 0,
        axes: Vec::new(),
        config: plan.labels.clone(),
        ledger: plan.ledger.lines(),
        tiers: plan.ledger.needs(),
        quality: moesim::metrics::Quality::default(),
        cost: moesim::metrics::CostBasis::default(),
        outcome: Outcome::Done(Box::new(summary)),
    };
    Explanation { row, reliefs }
}

/// Each token asks for other experts than the one before, in every layer.
fn restless(prompt: usize, tokens: u16) -> Vec<Sequence> {
    let row = |token: u16| {
        (0..3).flat_map(|layer| [(2 * token + layer) % 6, (2 * token + layer + 1) % 6]).collect()
    };
    vec![Sequence { prompt: vec![vec![0, 1, 0, 1, 0, 1]; prompt], decode: (0..tokens).map(row).collect() }]
}

fn sentence_of(prompt: usize, tokens: u16, settings: &[&str]) -> String {
    let plan = Bench::new(DIMENSIONS, &restless(prompt, tokens)).plan(settings).unwrap();
    let text = report::explanation(&explained(&plan));
    text.lines().last().unwrap().to_owned()
}

#[test]
fn a_planted_bottleneck_is_named() {
    let with = |more: &[&'static str]| -> Vec<&'static str> { [&NO_OVERHEADS[..], more].concat() };
    let small_cache = "cache.capacity=\"10 %\"";
    for (prompt, tokens, settings, expected) in [
        (0, 8, with(&[small_cache, "engine.h2d_bandwidth=\"1 GB/s\""]), "Bottleneck: host link (H2D), 9"),
        (
            0,
            8,
            with(&[small_cache, NVME, "engine.nvme_bandwidth=\"300 MB/s\""]),
            "Bottleneck: NVMe bandwidth, 9",
        ),
        (
            0,
            8,
            with(&[
                CPU,
                "placement.n_cpu_moe=3",
                "engine.cpu_memory_efficiency=\"2 %\"",
                "engine.cpu_layer_overhead=\"0 ns\"",
            ]),
            "Bottleneck: CPU memory bandwidth, 9",
        ),
        (
            256,
            0,
            with(&[
                CPU,
                "placement.n_cpu_moe=3",
                "engine.cpu_layer_overhead=\"0 ns\"",
                "engine.prefill_offload_tokens=100000",
            ]),
            "Bottleneck: CPU compute, ",
        ),
        (
            0,
            8,
            with(&["placement.experts=\"vram\"", "engine.gpu_memory_efficiency=\"5 %\""]),
            "Bottleneck: GPU memory bandwidth, 100",
        ),
        (
            512,
            0,
            with(&["placement.experts=\"vram\"", "engine.gpu_compute_efficiency=\"1 %\""]),
            "Bottleneck: GPU compute, 100",
        ),
        (0, 8, vec!["placement.experts=\"vram\""], "Bottleneck: the engine's overheads, 9"),
        (
            0,
            8,
            with(&[
                small_cache,
                CPU,
                "hardware.dram_bandwidth=\"3 GB/s\"",
                "engine.h2d_bandwidth=\"10 GB/s\"",
            ]),
            "Bottleneck: CPU memory bandwidth, 9",
        ),
    ] {
        let said = sentence_of(prompt, tokens, &settings);
        assert!(said.starts_with(expected), "{settings:?}\n{said}");
        assert!(said.contains(if tokens > 0 { "cut TPOT from" } else { "cut TTFT from" }), "{said}");
    }
}

#[test]
fn where_nothing_helps_it_says_so() {
    // Copies that are all latency: no rate matters, and one expert alone overflows the cache.
    let latency = [&NO_OVERHEADS[..], &["engine.h2d_latency=\"50 ms\"", "cache.capacity=\"6 MB\""]].concat();
    let said = sentence_of(0, 8, &latency);
    assert!(
        said.starts_with("Nothing helps much alone: ") && said.contains("host link (H2D), 100.0 %"),
        "{said}"
    );
    let room = [&latency[..1], &["engine.h2d_latency=\"50 ms\"", "cache.capacity=\"60 %\""]].concat();
    let said = sentence_of(0, 40, &room);
    assert!(said.contains("No faster device helps much, but more room does: VRAM for experts (-"), "{said}");
}

#[test]
fn more_room_can_be_better_than_a_faster_link() {
    let settings = ["cache.capacity=\"50 %\"", "engine.h2d_bandwidth=\"2 GB/s\""];
    let said = sentence_of(0, 60, &settings);
    assert!(said.starts_with("Bottleneck: host link (H2D), "), "{said}");
    assert!(said.contains("Better still: twice the VRAM for experts (-"), "{said}");
}

#[test]
fn relief_changes_the_plan_and_nothing_else() {
    let bench = Bench::new(DIMENSIONS, &restless(0, 8));
    let plan = bench.plan(&["cache.capacity=\"40 %\""]).unwrap();
    let absent = [Relief::Nvme, Relief::CpuMemory, Relief::CpuCompute, Relief::ExpertDram];
    for relief in Relief::ALL {
        let relieved = plan.relieved(relief);
        assert_eq!(relieved.is_none(), absent.contains(&relief), "{relief:?}");
        let Some(relieved) = relieved else { continue };
        assert_eq!((&relieved.settings, &relieved.ledger.lines()), (&plan.settings, &plan.ledger.lines()));
    }
    let capacity = |plan: &Plan| plan.cache.shape.pool_capacity.iter().sum::<u64>();
    let vram = plan.relieved(Relief::ExpertVram).unwrap();
    assert_eq!((capacity(&vram), vram.cache.start_filled), (2 * capacity(&plan), false));
    assert_eq!(vram.labels.cache_capacity_bytes, 2 * capacity(&plan));
    let all = vram.relieved(Relief::ExpertVram).unwrap();
    assert_eq!((capacity(&all), all.cache.start_filled), (18 * small::EXPERT_BYTES, true));
    assert!(all.relieved(Relief::ExpertVram).is_none(), "there is nothing more to hold");
    assert_eq!(simulate(&all).unwrap().decode.misses, 0);
    let slots = bench.plan(&["cache.slots_per_layer=4"]).unwrap();
    let slots = slots.relieved(Relief::ExpertVram).unwrap();
    assert_eq!(slots.cache.shape.pool_capacity, [6 * small::EXPERT_BYTES; 3]);
    let link = plan.relieved(Relief::HostLink).unwrap().machine.h2d.unwrap();
    assert_eq!(link.curve.peak.bytes_per_s(), 20_000_000_000);
    assert_eq!(link.curve.latency, plan.machine.h2d.unwrap().curve.latency);
    for settings in
        [&["cache.hit_rate=\"50 %\"", "cache.capacity=\"40 %\""][..], &["placement.single_buffer=true"]]
    {
        assert!(bench.plan(settings).unwrap().relieved(Relief::ExpertVram).is_none(), "{settings:?}");
    }
}

/// The experts of one layer fit, so twice the room takes in those of the last layer of the CPU.
#[test]
fn vram_to_spare_takes_in_layers_of_the_cpu() {
    let bench = Bench::new(DIMENSIONS, &restless(0, 8));
    let plan = bench.plan(&[CPU, "placement.n_cpu_moe=2"]).unwrap();
    let (cpu, gpu) = (LayerHome::CpuExperts, LayerHome::Gpu);
    assert_eq!(plan.placement.homes, [cpu, cpu, gpu]);
    let one = plan.relieved(Relief::ExpertVram).unwrap();
    assert_eq!((&one.placement.homes, &one.cache.elsewhere), (&vec![cpu, gpu, gpu], &vec![0]));
    let (before, after) = (simulate(&plan).unwrap(), simulate(&one).unwrap());
    assert_eq!((before.decode.misses, after.decode.misses), (2 * 2 * 8, 2 * 8));
    let two = one.relieved(Relief::ExpertVram).unwrap();
    assert_eq!(two.placement.homes, [gpu, gpu, gpu]);
    assert_eq!(simulate(&two).unwrap().decode.misses, 0);
    assert!(two.relieved(Relief::ExpertVram).is_none());
}

fn decode_rows() -> impl Strategy<Value = Vec<Sequence>> {
    let distinct = prop::sample::subsequence((0..6_u16).collect::<Vec<_>>(), 2).prop_shuffle();
    let row = prop::collection::vec(distinct, 3).prop_map(|layers| layers.concat());
    prop::collection::vec(row, 1..12).prop_map(|decode| vec![Sequence { prompt: Vec::new(), decode }])
}

fn misses(summary: &Summary) -> u64 {
    summary.prefill.misses + summary.decode.misses
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// One sequence that fetches on demand is never slower with more of anything.
    #[test]
    fn more_is_never_slower(
        sequences in decode_rows(), experts in 1..18_u64, belady in any::<bool>(), nvme in any::<bool>(), within in any::<bool>(),
        gbps in 1..60_u64,
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let room = format!("cache.capacity=\"{} B\"", experts * small::EXPERT_BYTES);
        let link = format!("engine.h2d_bandwidth=\"{gbps} GB/s\"");
        let policy = if belady { "cache.policy=\"belady\"" } else { "cache.policy=\"lru\"" };
        let home = if nvme { NVME } else { "placement.experts=\"dram\"" };
        let overlap = if within { WITHIN } else { "engine.overlap=\"none\"" };
        let plan = bench.plan(&[&room, &link, policy, home, overlap, "cache.start=\"empty\""]).unwrap();
        let before = simulate(&plan).unwrap();
        for relief in Relief::ALL {
            let Some(relieved) = plan.relieved(relief) else { continue };
            let after = simulate(&relieved).unwrap();
            prop_assert!(misses(&after) <= misses(&before));
            // A layer that has become partly resident has a launch more, and its experts are rounded up apart.
            let slack = if relief == Relief::ExpertVram { before.decode.events } else { 0 };
            prop_assert!(after.span_ns <= before.span_ns + slack, "{relief:?}: {} and {}", before.span_ns, after.span_ns);
        }
    }
}

#[test]
fn the_command_prints_the_table_and_the_sentence() {
    let desk = Desk::new();
    let text = format!(
        "model.name = \"qwen3-30b-a3b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\n\
         [workload]\ntrace = \"{}\"\nsequences = 2\ndecode_tokens = 8\n\
         [sweep]\n\"cache.capacity\" = [\"2 GiB\", \"4 GiB\"]\n",
        shipped("qwen3-30b-a3b")
    );
    desk.write("two.toml", text);
    let said = desk.succeed(&["explain", "two.toml", "--point", "1"]);
    for words in [
        "resource doubled",
        "(as it is)",
        "host link (H2D, D2H)",
        "VRAM for experts",
        "engine overheads (halved)",
        "waiting for H2D",
        "h2d      busy ",
        "\nBottleneck: host link (H2D), ",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let table = said.split("resource doubled").nth(1).unwrap();
    assert!(!table.contains("NVMe") && !table.contains("CPU"), "{said}");
    assert_eq!(said, desk.succeed(&["explain", "two.toml", "--set", "cache.capacity=4 GiB"]), "and again");
    let json: Value =
        serde_json::from_str(&desk.succeed(&["explain", "two.toml", "--point", "1", "--json"])).unwrap();
    assert!(json["answer"].as_str().unwrap().starts_with("Bottleneck: host link"));
    let reliefs = json["reliefs"].as_array().unwrap();
    assert_eq!(reliefs.len(), 5);
    let link = reliefs.iter().find(|relief| relief["resource"] == "host-link").unwrap();
    assert!(link["change_permille"].as_i64().unwrap() < 0 && link["tpot_ns"]["p50"].as_u64().unwrap() > 0);
    let row: Value =
        serde_json::from_str(&desk.succeed(&["run", "two.toml", "--point", "1", "--json"])).unwrap();
    assert_eq!(json["row"], row, "the point as it is");

    let said = desk.run(&["explain", "two.toml"]);
    assert!(
        said.code == Some(2) && said.stderr.contains("the scenario has 2 points, and `explain` runs one"),
        "{said:?}"
    );
    let said = desk.succeed(&["explain", "two.toml", "--point", "0", "--set", "hardware.vram=1 GiB"]);
    assert!(said.contains("cannot run: ") && !said.contains("Bottleneck"), "{said}");
}
