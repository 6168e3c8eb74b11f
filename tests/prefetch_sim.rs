//! Prefetching with a clock: when it helps, when it hurts, and what it never changes.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "timing_laws/any.rs"]
mod any;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "sim_laws/bench.rs"]
mod bench;

use moesim::metrics::{AccessCounts, Outcome, Row, Summary};
use moesim::plan::Plan;
use moesim::report::{ReportMeta, csv};
use moesim::sim::simulate;
use moesim::units::Bytes;
use proptest::prelude::*;

use any::{DIMENSIONS, caches, decode, fetching, one_of, placements, prefetches, rates, sequences, texts};
use bench::{Bench, decode_only, link, run, small};

const ACROSS: &str = "engine.overlap=\"across-layers\"";
const ORACLE: &str = "prefetch.predictor=\"oracle\"";

/// Results as they are written: the summary in JSON, and the row of the table but for the predictor's name.
fn written(plan: &Plan) -> (String, Vec<u8>) {
    let summary = simulate(plan).unwrap();
    let mut config = plan.labels.clone();
    config.prefetch = "none".to_owned();
    let json = serde_json::to_string(&summary).unwrap();
    let row = Row {
        index: 0,
        axes: Vec::new(),
        config,
        ledger: plan.ledger.lines(),
        tiers: plan.ledger.needs(),
        quality: moesim::metrics::Quality::default(),
        cost: moesim::metrics::CostBasis::default(),
        outcome: Outcome::Done(Box::new(summary)),
    };
    (json, csv(&ReportMeta::default(), &[row]).unwrap())
}

/// What the cache saw before any prefetch.
fn seen(counts: &AccessCounts) -> [u64; 8] {
    let AccessCounts { lookups, hits, misses, miss_bytes, weight_hit, fetched, dram_lookups, .. } = *counts;
    [lookups, hits, misses, miss_bytes, weight_hit, fetched, dram_lookups, counts.dram_hits]
}

fn events(summary: &Summary) -> u64 {
    summary.prefill.events + summary.decode.events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// No layer ahead, nobody who guesses and no word of prefetching are one thing, byte for byte.
    #[test]
    fn depth_zero_is_no_prefetching(
        sequences in sequences(), cache in caches(), placement in placements(), rates in rates(),
        overlap in one_of(any::OVERLAPS), predictor in one_of(any::PREDICTORS),
    ) {
        let bench = Bench::weighted(DIMENSIONS, &sequences);
        let settings = [cache, placement, rates, overlap].concat();
        let plan = |more: &[&str]| bench.plan(&[&texts(&settings)[..], more].concat());
        let Ok(plain) = plan(&[]) else { return Ok(()) };
        prop_assume!(plain.fits());
        let expected = written(&plain);
        for more in [&[predictor[0].as_str(), "prefetch.depth=0"][..], &["prefetch.predictor=\"none\""], &["prefetch.depth=2"]] {
            let plan = plan(more).unwrap();
            prop_assert_eq!(&plan.ledger.lines(), &plain.ledger.lines());
            prop_assert_eq!(&written(&plan), &expected);
        }
    }

    /// Where a miss is fetched, what the caches of GPU and host hold does not depend on who guesses.
    #[test]
    fn hits_before_prefetch_do_not_depend_on_it(
        sequences in sequences(), cache in caches(), home in fetching(), rates in rates(), prefetch in prefetches(),
        overlap in one_of(&any::OVERLAPS[1..]),
    ) {
        let bench = Bench::weighted(DIMENSIONS, &sequences);
        let settings = [cache, home, rates, overlap].concat();
        let plain = bench.run(&texts(&settings));
        let guessed = bench.run(&[&texts(&settings)[..], &texts(&prefetch)].concat());
        prop_assert_eq!(seen(&plain.prefill), seen(&guessed.prefill));
        prop_assert_eq!(seen(&plain.decode), seen(&guessed.decode));
    }

    /// A demand waits for at most one chunk of prefetch on each link, so a layer is late by no more than that and the
    /// guessing itself.
    #[test]
    fn a_layer_is_late_by_at_most_a_chunk(
        sequences in sequences(), cache in caches(), home in fetching(), rates in rates(), prefetch in prefetches(),
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let settings = [cache, home, rates, vec![ACROSS.to_owned()]].concat();
        let plain = bench.plan(&texts(&settings)).unwrap();
        // A bus gives no device a time of its own.
        prop_assume!(plain.machine.dram_bus.is_none());
        let guessing = bench.plan(&[&texts(&settings)[..], &texts(&prefetch)].concat()).unwrap();
        let (without, with) = (run(&plain), run(&guessing));
        let size = Bytes::new(small::EXPERT_BYTES);
        let link = guessing.machine.h2d.unwrap();
        let chunk = link.curve.time(link.chunk.map_or(size, |chunk| chunk.min(size)));
        let read = guessing.machine.nvme.map_or(0, |drive| drive.curve.time(size, 1).as_ns());
        let cost = guessing.prefetch.as_ref().map_or(0, |plan| plan.cost.as_ns() * u64::from(plan.depth));
        let late = events(&with) * (chunk.as_ns() + read + cost);
        prop_assert!(with.span_ns <= without.span_ns + late, "{} after {} and {}", with.span_ns, without.span_ns, late);
    }

    /// Who knows the truth one layer ahead never makes a run slower.
    #[test]
    fn the_truth_one_layer_ahead_never_hurts(
        sequences in sequences(), cache in caches(), rates in rates(), nvme in any::<bool>(),
    ) {
        let bench = Bench::new(DIMENSIONS, &sequences);
        let home = if nvme { any::HOMES[1] } else { any::HOMES[0] };
        let settings = [&texts(&cache)[..], &texts(&rates), &[home, ACROSS, "prefetch.experts=6"]].concat();
        let without = bench.run(&settings);
        let with = bench.run(&[&settings[..], &[ORACLE]].concat());
        prop_assert!(with.span_ns <= without.span_ns, "{} after {}", with.span_ns, without.span_ns);
        prop_assert_eq!(with.prefetch.wasted, 0);
    }

    /// A single sequence with a link that carries an expert in no time: nobody waits who could guess right.
    #[test]
    fn the_truth_and_an_ample_link_leave_no_wait(decode in decode(), cache in caches()) {
        let bench = Bench::new(DIMENSIONS, &decode);
        let ample = ["engine.h2d_bandwidth=\"9000 GB/s\"", "engine.h2d_latency=\"0 ns\"", ACROSS, ORACLE];
        let summary = bench.run(&[&texts(&cache)[..], &ample].concat());
        // Only the first layer of all has nothing before it that could have known.
        let first = 2 * small::EXPERT_BYTES / 9_000 + 2;
        prop_assert!(summary.decode_time.wait_h2d_ns <= first, "{} ns", summary.decode_time.wait_h2d_ns);
        prop_assert!(summary.prefetch.late == 0 && summary.decode.misses - summary.prefetch.used <= 2);
    }
}

fn ceil_ns(amount: u64, per_s: u64) -> u64 {
    u64::try_from((u128::from(amount) * 1_000_000_000).div_ceil(u128::from(per_s))).unwrap()
}

/// One copy that begins when the layer before has been routed: it has that layer's expert and this layer's attention to
/// hide behind.
#[test]
fn a_prefetch_hides_behind_a_layer() {
    let bench = Bench::new((2, 4, 1), &decode_only(&[&[0, 1]]));
    let weights = (small::ATTENTION_PARAMS + 2 * small::HIDDEN + 4 * small::HIDDEN) * 2;
    let gpu = |bytes: u64| ceil_ns(bytes, small::GPU_BYTES_PER_S);
    let stretch = gpu(weights + small::KV_BYTES_PER_TOKEN) + 10_000;
    let hiding = gpu(small::EXPERT_BYTES) + 5_000 + stretch;
    let cache = ["cache.start=\"filled\"", "cache.capacity=\"25 %\"", ACROSS];
    let resident = bench.run(&["placement.experts=\"vram\""]).span_ns;
    for (copy, waited) in [(hiding, 0), (hiding - 1, 0), (hiding + 1, 1), (2 * hiding, hiding)] {
        let latency = format!("engine.h2d_latency=\"{} ns\"", copy - 1);
        let link_rate = [latency.as_str(), "engine.h2d_bandwidth=\"9000000 TB/s\""];
        let settings = [&cache[..], &link_rate].concat();
        let summary = bench.run(&[&settings[..], &[ORACLE]].concat());
        assert_eq!((summary.decode.hits, summary.decode.misses), (1, 1));
        assert_eq!(summary.decode.hits_when_needed, if waited == 0 { 2 } else { 1 });
        assert_eq!((summary.prefetch.used, summary.prefetch.late), (1, u64::from(waited > 0)));
        assert_eq!((summary.decode_time.wait_h2d_ns, summary.span_ns), (waited, resident + waited));
        // Guessing takes its time on the GPU, before each of the two layers.
        let dear = bench.run(&[&settings[..], &[ORACLE, "prefetch.cost=\"7 us\""]].concat());
        let still = waited.saturating_sub(7_000);
        assert_eq!(dear.span_ns, resident + 14_000 + still);
        assert_eq!(bench.run(&settings).span_ns, resident + copy);
    }
}

/// Twelve experts a layer, of which a token needs two that the last did not: wrong guesses keep the link busy.
fn churn() -> Bench {
    let rows: Vec<Vec<u16>> = (0..12_u16)
        .map(|token| {
            (0..4_u16).flat_map(|layer| [(2 * token + layer) % 12, (2 * token + layer + 1) % 12]).collect()
        })
        .collect();
    let rows: Vec<&[u16]> = rows.iter().map(Vec::as_slice).collect();
    Bench::new((4, 12, 2), &decode_only(&rows))
}

/// Prefetching hurts where guesses are wrong and copies cannot be cut, and less so where they can.
#[test]
fn a_bad_guess_costs_more_than_none() {
    let bench = churn();
    let settings = ["cache.capacity=\"20 %\"", "cache.start=\"empty\"", ACROSS];
    let wrong =
        ["prefetch.predictor=\"gate-lookahead\"", "prefetch.recall=[\"0.0001 %\"]", "prefetch.experts=2"];
    let right =
        ["prefetch.predictor=\"gate-lookahead\"", "prefetch.recall=[\"100 %\"]", "prefetch.experts=2"];
    let run = |more: &[&str]| bench.run(&[&settings[..], more].concat());
    let (none, bad, good) = (run(&[]), run(&wrong), run(&right));
    assert!(bad.span_ns > none.span_ns, "{} against {}", bad.span_ns, none.span_ns);
    assert!(good.span_ns < none.span_ns, "{} against {}", good.span_ns, none.span_ns);
    assert!(bad.prefetch.wasted_bytes > 0 && bad.prefetch.used == 0);
    let carried = |summary: &Summary| link(summary, "h2d").unwrap().bytes;
    assert!(carried(&bad) > carried(&none));
    assert_eq!(carried(&good), carried(&none));
    let chunks = run(&[&wrong[..], &["engine.copy_chunk=\"200 KB\""]].concat());
    assert!(none.span_ns < chunks.span_ns && chunks.span_ns < bad.span_ns);
    // Where a layer waits for all copies that were begun in it, wrong ones cost their whole time.
    let within =
        |more: &[&str]| bench.run(&[&settings[..2], &["engine.overlap=\"within-layer\""], more].concat());
    assert!(within(&wrong).span_ns > bad.span_ns.max(within(&[]).span_ns));
}
