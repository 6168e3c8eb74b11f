//! Timelines: what stands in one row never overlaps and adds up to the books of its device, the window and the limit
//! hold, recording changes nothing, and the file is what Perfetto reads.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[path = "sim_laws/bench.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod bench;
#[path = "common/binary.rs"]
#[allow(dead_code, reason = "other tests need the rest")]
mod binary;

use bench::{Bench, Sequence, link};
use binary::{Desk, shipped};
use moesim::metrics::timeline::{Activity, Lane, Level, Slice, Timeline, Window};
use moesim::metrics::{LinkUse, Summary};
use moesim::plan::Plan;
use moesim::report;
use moesim::sim::{record, simulate};
use proptest::prelude::*;
use serde_json::Value;

const DIMENSIONS: (usize, u32, usize) = (3, 6, 2);
const CPU: &str = "hardware.cpu=\"ryzen-7950x\"";

/// A prompt and some tokens for each of two sequences; choices that repeat now and then.
fn sequences() -> Vec<Sequence> {
    let row =
        |token: u16| (0..3).flat_map(|layer| [(token + layer) % 6, (token * 3 + layer + 1) % 6]).collect();
    let rows = |from: u16, count: u16| (from..from + count).map(row).collect();
    vec![
        Sequence { prompt: rows(0, 4), decode: rows(4, 6) },
        Sequence { prompt: Vec::new(), decode: rows(1, 5) },
    ]
}

/// Configurations that between them use every device.
fn settings() -> Vec<Vec<&'static str>> {
    let room = "cache.capacity=\"40 %\"";
    vec![
        vec![room],
        vec![room, "engine.overlap=\"within-layer\""],
        vec![room, "placement.experts=\"nvme\"", "engine.overlap=\"within-layer\""],
        vec![room, CPU, "placement.miss=\"cpu\"", "hardware.dram_bandwidth=\"12 GB/s\""],
        vec![room, CPU, "placement.n_cpu_moe=2", "engine.overlap=\"across-layers\""],
        vec![room, CPU, "placement.cpu_layers=1"],
        vec![room, "placement.single_buffer=true"],
        vec![
            room,
            "engine.overlap=\"across-layers\"",
            "prefetch.predictor=\"popularity\"",
            "prefetch.depth=1",
            "placement.experts=\"nvme\"",
            CPU,
            "hardware.dram_bandwidth=\"9 GB/s\"",
        ],
        vec!["placement.experts=\"vram\""],
    ]
}

fn planned(settings: &[&str]) -> Plan {
    let plan = Bench::new(DIMENSIONS, &sequences()).plan(settings).unwrap();
    assert!(plan.fits(), "{settings:?}: {:?}", plan.problems);
    plan
}

fn row(timeline: &Timeline, lane: Lane) -> Vec<Slice> {
    timeline.slices.iter().filter(|slice| slice.lane == lane).copied().collect()
}

fn total_ns(slices: &[Slice]) -> u64 {
    slices.iter().map(|slice| slice.end_ns - slice.start_ns).sum()
}

fn assert_disjoint(timeline: &Timeline) {
    for lane in Lane::ALL {
        for pair in row(timeline, lane).windows(2) {
            assert!(pair[0].end_ns <= pair[1].start_ns, "{lane:?}: {pair:?}");
        }
    }
    assert!(timeline.slices.iter().all(|slice| slice.start_ns < slice.end_ns));
}

fn books(summary: &Summary, lane: Lane) -> Option<&LinkUse> {
    let name = match lane {
        Lane::Gpu => "gpu",
        Lane::H2d => "h2d",
        Lane::D2h => "d2h",
        Lane::Nvme => "nvme",
        Lane::Cpu => "cpu",
        Lane::Dram => "dram",
        Lane::Passes | Lane::Waits => return None,
    };
    link(summary, name)
}

#[test]
fn rows_add_up_to_the_books_of_their_devices() {
    let mut seen = Vec::new();
    for settings in settings() {
        let plan = planned(&settings);
        let (summary, timeline) = record(&plan, Window::WHOLE).unwrap();
        assert_eq!(summary, simulate(&plan).unwrap(), "{settings:?}: recording changes nothing");
        assert_eq!((timeline.span_ns, timeline.cut_ns), (summary.span_ns, None));
        assert_disjoint(&timeline);
        for lane in Lane::ALL {
            let slices = row(&timeline, lane);
            let Some(books) = books(&summary, lane) else { continue };
            assert_eq!(total_ns(&slices), books.busy_ns, "{settings:?}: {lane:?}");
            assert!(timeline.lanes.contains(&lane));
            if lane != Lane::Dram {
                assert_eq!(
                    slices.iter().map(|slice| slice.bytes).sum::<u64>(),
                    books.bytes,
                    "{settings:?}: {lane:?}"
                );
            }
            seen.extend((!slices.is_empty()).then_some(lane));
        }
        let waits = summary.prefill_time.waits_ns() + summary.decode_time.waits_ns();
        assert_eq!(total_ns(&row(&timeline, Lane::Waits)), waits, "{settings:?}");
        let passes = row(&timeline, Lane::Passes);
        assert_eq!(passes.len(), plan.workload.passes.len());
        let spans = summary.prefill_time.total_ns() + summary.decode_time.total_ns();
        assert_eq!(total_ns(&passes), spans, "{settings:?}: passes are all of the time");
        let overhead: u64 = row(&timeline, Lane::Gpu).iter().map(|slice| slice.overhead_ns).sum();
        let on_cpu = link(&summary, "cpu").is_some();
        assert!(on_cpu || overhead == summary.prefill_time.overhead_ns + summary.decode_time.overhead_ns);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [Lane::Gpu, Lane::H2d, Lane::D2h, Lane::Nvme, Lane::Cpu, Lane::Dram]);
}

/// Two layers, one of whose experts are missing: every slice of the second layer is where a hand puts it.
#[test]
fn a_miss_stands_where_it_belongs() {
    let rows = vec![vec![0_u16, 1, 0, 2]];
    let bench = Bench::new((2, 4, 2), &[Sequence { prompt: Vec::new(), decode: rows }]);
    let plan = bench
        .plan(&["cache.start=\"filled\"", "cache.capacity=\"50 %\"", "engine.overlap=\"within-layer\""])
        .unwrap();
    let (_, timeline) = record(&plan, Window::WHOLE).unwrap();
    let copies = row(&timeline, Lane::H2d);
    assert_eq!(copies.len(), 1);
    let gpu = row(&timeline, Lane::Gpu);
    let what: Vec<Activity> = gpu.iter().map(|slice| slice.activity).collect();
    let experts = |layer, count, resident, expert| Activity::Experts { layer, count, resident, expert };
    assert_eq!(
        what,
        [
            Activity::Stretch { layer: 0 },
            experts(0, 2, true, None),
            Activity::Stretch { layer: 1 },
            experts(1, 1, true, None),
            experts(1, 1, false, Some(2)),
            Activity::Head,
        ]
    );
    assert_eq!(copies[0].start_ns, gpu[2].end_ns, "the copy begins when the router has chosen");
    assert_eq!(gpu[4].start_ns, copies[0].end_ns, "the expert computes as it arrives");
    let waits = row(&timeline, Lane::Waits);
    assert_eq!((waits[0].start_ns, waits[0].end_ns), (gpu[3].end_ns, copies[0].end_ns));
    let text = String::from_utf8(report::timeline(&timeline)).unwrap();
    for name in
        ["L1 E2 fetch (miss)", "L1 attention+router", "L0 experts (2 resident)", "L1 E2 expert (fetched)"]
    {
        assert!(text.contains(&format!("\"name\": \"{name}\"")), "{name}\n{text}");
    }
}

#[test]
fn levels_are_those_of_cache_and_queue() {
    let plan = planned(&settings()[7]);
    let (_, timeline) = record(&plan, Window::WHOLE).unwrap();
    let of = |level| timeline.samples.iter().filter(move |sample| sample.level == level);
    for level in Level::ALL {
        assert!(of(level).any(|sample| sample.value > 0), "{level:?}");
        let times: Vec<u64> = of(level).map(|sample| sample.at_ns).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{level:?}: one value at an instant");
    }
    let capacity = plan.cache.shape.pool_capacity[0];
    let event = u64::from(plan.workload.trace.header().top_k) * 4 * bench::small::EXPERT_BYTES;
    assert!(of(Level::CacheBytes).all(|sample| sample.value <= capacity.max(event)));
    assert!(
        of(Level::PrefetchBytes).all(|sample| sample.value <= plan.prefetch.as_ref().unwrap().budget.get())
    );
    assert_eq!(of(Level::H2dQueue).next_back().unwrap().value, 0, "in the end nothing waits");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A window holds what the whole has of it, and no more events than allowed; before the cut nothing is missing.
    #[test]
    fn windows_and_limits_hold(which in 0_usize..9, from in 0_u64..30_000_000, span in 1_u64..20_000_000, events_max in 0_usize..400) {
        let plan = planned(&settings()[which]);
        let (summary, whole) = record(&plan, Window::WHOLE).unwrap();
        let window = Window { from_ns: from, until_ns: from + span, events_max };
        let (same, part) = record(&plan, window).unwrap();
        prop_assert_eq!(summary, same);
        prop_assert!(part.slices.len() + part.samples.len() <= events_max);
        assert_disjoint(&part);
        let touches = |slice: &&Slice| slice.end_ns > from && slice.start_ns < from + span;
        prop_assert!(part.slices.iter().all(|slice| touches(&slice)));
        prop_assert!(part.samples.iter().all(|sample| (from..from + span).contains(&sample.at_ns)));
        let until = part.cut_ns.unwrap_or(u64::MAX);
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Dram) {
            let expected: Vec<Slice> =
                whole.slices.iter().filter(|slice| slice.lane == lane && touches(slice) && slice.start_ns < until).copied().collect();
            let found: Vec<Slice> = row(&part, lane).into_iter().filter(|slice| slice.start_ns < until).collect();
            prop_assert_eq!(found, expected);
        }
        let bus = |timeline: &Timeline| -> u64 {
            let clipped = |slice: &Slice| slice.end_ns.min(from + span).min(until).saturating_sub(slice.start_ns.max(from));
            row(timeline, Lane::Dram).iter().map(clipped).sum()
        };
        prop_assert_eq!(bus(&part), bus(&whole));
    }
}

/// Every event has what the format asks for; what stands in one row of the file never overlaps there either.
#[test]
fn the_file_is_a_chrome_trace() {
    for settings in settings() {
        let (summary, timeline) = record(&planned(&settings), Window::WHOLE).unwrap();
        let bytes = report::timeline(&timeline);
        let file: Value = serde_json::from_slice(&bytes).unwrap();
        let events = file["traceEvents"].as_array().unwrap();
        let mut gpu_us = 0.0;
        for event in events {
            let number = |key: &str| event[key].as_f64().unwrap_or_else(|| panic!("{key} in {event}"));
            assert!(event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
            match event["ph"].as_str().unwrap() {
                "X" => {
                    assert!(number("dur") > 0.0 && number("ts") >= 0.0);
                    assert!(event["args"]["pass"].is_u64() && event["args"]["sequence"].is_u64());
                    let name = event["name"].as_str().unwrap();
                    if name.starts_with('L') {
                        assert!(event["args"]["layer"].is_u64(), "{event}");
                    }
                    if name.contains("fetch (") || name.contains("read (") || name.contains("prefetch") {
                        assert!(
                            event["args"]["expert"].is_u64() && event["args"]["bytes"].is_u64(),
                            "{event}"
                        );
                        assert!(event["args"]["found"].is_string(), "{event}");
                    }
                    if (&event["pid"], &event["tid"]) == (&Value::from(1), &Value::from(2)) {
                        gpu_us += number("dur");
                    }
                }
                "C" => assert_eq!(event["args"].as_object().unwrap().len(), 1, "{event}"),
                "M" => assert!(event["args"].is_object(), "{event}"),
                other => panic!("{other} in {event}"),
            }
        }
        let busy_us = link(&summary, "gpu").unwrap().busy_ns as f64 / 1e3;
        assert!((gpu_us - busy_us).abs() < 1e-3, "{gpu_us} and {busy_us}");
        let processes = events.iter().filter(|event| event["name"] == "process_name").count();
        let lanes = events.iter().filter(|event| event["name"] == "thread_name").count();
        assert!(processes >= 1 && lanes == timeline.lanes.len());
        assert_eq!(report::timeline(&record(&planned(&settings), Window::WHOLE).unwrap().1), bytes);
    }
}

#[test]
fn the_command_writes_a_file_and_says_where_it_was_cut() {
    let desk = Desk::new();
    desk.write(
        "one.toml",
        format!(
            "model.name = \"qwen3-30b-a3b\"\nquant.scheme = \"q4_k_m\"\nhardware.gpu = \"rtx4090\"\n\
             [workload]\ntrace = \"{}\"\nsequences = 1\ndecode_tokens = 4\n[cache]\ncapacity = \"4 GiB\"\n",
            shipped("qwen3-30b-a3b")
        ),
    );
    let plain = desk.succeed(&["run", "one.toml", "--json"]);
    let said = desk.run(&["run", "one.toml", "--json", "--timeline", "out/all.json"]);
    assert_eq!((said.code, &said.stdout), (Some(0), &plain), "{said:?}");
    assert!(said.stderr.starts_with("out/all.json: ") && !said.stderr.contains("cut"), "{said:?}");
    let read = |name: &str| std::fs::read_to_string(desk.path().join(name)).unwrap();
    let all: Value = serde_json::from_str(&read("out/all.json")).unwrap();
    let line = [
        "run",
        "one.toml",
        "--json",
        "--timeline",
        "part.json",
        "--timeline-from",
        "30 ms",
        "--timeline-span",
        "10 ms",
        "--timeline-events",
        "50",
    ];
    let said = desk.run(&line);
    assert!(said.stderr.contains("part.json: cut by --timeline-events 50: complete until 3"), "{said:?}");
    let part: Value = serde_json::from_str(&read("part.json")).unwrap();
    let count =
        |file: &Value| file["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] != "M").count();
    assert!(count(&all) > 51 && (40..=51).contains(&count(&part)), "50 events and the note of the cut");
    assert!(part["otherData"]["complete_until_us"].is_number());

    for (line, expected) in [
        (&["run", "one.toml", "--timeline-from", "1 ms"][..], "--timeline <FILE>"),
        (&["run", "one.toml", "--timeline", "x.json", "--timeline-from", "1"][..], "expected a time"),
        (&["run", "one.toml", "--timeline", "out"][..], "out is not a file"),
    ] {
        let said = desk.run(line);
        assert!(said.code == Some(2) && said.stderr.contains(expected), "{line:?}: {said:?}");
    }
    let said = desk.run(&["run", "one.toml", "--set", "hardware.vram=\"1 GiB\"", "--timeline", "none.json"]);
    assert!(said.stderr.contains("none.json: not written, since the point cannot run"), "{said:?}");
    assert!(!desk.path().join("none.json").exists());
}
