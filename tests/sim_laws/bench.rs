//! A small model with a trace of its own, and what holds for every run.

use std::path::Path;

use moesim::metrics::{LinkUse, Summary};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;
use moesim::sim::simulate;
use moesim::trace::{Compression, Phase, Trace, TraceBuilder, TraceHeader, write_file};
use tempfile::TempDir;

#[path = "bytes.rs"]
mod bytes;

/// The figures of a small model in BF16, all from its configuration.
pub(crate) mod small {
    pub(crate) const HIDDEN: u64 = 1024;
    pub(crate) const VOCAB: u64 = 1000;
    /// Gate, up and down.
    pub(crate) const EXPERT_BYTES: u64 = 3 * HIDDEN * HIDDEN * 2;
    /// Query and output are 8 heads of 128 wide, key and value two.
    pub(crate) const ATTENTION_PARAMS: u64 = 2 * HIDDEN * HIDDEN + 2 * HIDDEN * 256;
    pub(crate) const KV_BYTES_PER_TOKEN: u64 = 2 * 256 * 2;
    /// 80 % of 1008 GB/s.
    pub(crate) const GPU_BYTES_PER_S: u64 = 806_400_000_000;
}

/// A folder with a model of `layers` layers of `experts` experts, all of one width, and a trace of it.
pub(crate) struct Bench {
    folder: TempDir,
    inputs: Inputs,
}

impl Bench {
    pub(crate) fn new(dimensions: (usize, u32, usize), sequences: &[Sequence]) -> Self {
        Self::with_config(&mixtral(dimensions), dimensions, sequences)
    }

    pub(crate) fn with_config(config: &str, dimensions: (usize, u32, usize), sequences: &[Sequence]) -> Self {
        Self::of(config, &routing(dimensions, sequences))
    }

    /// As [`Bench::new`], with gate weights: those of a token fall from rank to rank.
    pub(crate) fn weighted(dimensions: (usize, u32, usize), sequences: &[Sequence]) -> Self {
        Self::of(&mixtral(dimensions), &weighted_routing(dimensions, sequences))
    }

    fn of(config: &str, trace: &Trace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        write_file(trace, Compression::None, &folder.path().join("trace.moetrace")).unwrap();
        Self { folder, inputs: Inputs::default() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The bench's scenario with these settings on top of round figures.
    pub(crate) fn plan(&self, settings: &[&str]) -> moesim::error::Result<Plan> {
        const BASE: &str = r#"
            [model]
            config = "config.json"
            [hardware]
            gpu = "rtx4090"
            [engine]
            profile = "generic"
            h2d_bandwidth = "10 GB/s"
            h2d_latency = "20 us"
            nvme_bandwidth = "2 GB/s"
            nvme_latency = "100 us"
            per_token_overhead = "1 ms"
            per_layer_overhead = "10 us"
            kernel_launch = "5 us"
            overlap = "none"
            [workload]
            trace = "trace.moetrace"
        "#;
        planned(BASE, &self.folder.path().join("bench.toml"), settings, &self.inputs)
    }

    pub(crate) fn run(&self, settings: &[&str]) -> Summary {
        run(&self.plan(settings).unwrap())
    }
}

fn mixtral((layers, experts, top_k): (usize, u32, usize)) -> String {
    format!(
        r#"{{"model_type": "mixtral", "hidden_size": 1024, "intermediate_size": 1024, "num_hidden_layers": {layers},
        "num_attention_heads": 8, "num_key_value_heads": 2, "num_local_experts": {experts},
        "num_experts_per_tok": {top_k}, "vocab_size": 1000, "tie_word_embeddings": false}}"#
    )
}

pub(crate) fn planned(
    text: &str,
    path: &Path,
    settings: &[&str],
    inputs: &Inputs,
) -> moesim::error::Result<Plan> {
    let sets: Vec<String> = settings.iter().map(|set| (*set).to_owned()).collect();
    let point = ScenarioFile::parse(text, path, &sets)?.point(0)?;
    plan(&point, inputs)
}

/// Simulates, and checks what holds for every run.
pub(crate) fn run(plan: &Plan) -> Summary {
    assert!(plan.fits(), "{:?}", plan.problems);
    let summary = simulate(plan).unwrap();
    check_books(plan, &summary);
    summary
}

/// One sequence: prompt rows and decode rows, each `[layer][k]`.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) prompt: Vec<Vec<u16>>,
    pub(crate) decode: Vec<Vec<u16>>,
}

fn header((layers, experts, top_k): (usize, u32, usize)) -> TraceHeader {
    let layer_ids = (0..u32::try_from(layers).unwrap()).collect();
    TraceHeader { layer_ids, experts, top_k: u32::try_from(top_k).unwrap(), ..TraceHeader::default() }
}

pub(crate) fn routing(dimensions: (usize, u32, usize), sequences: &[Sequence]) -> Trace {
    let mut builder = TraceBuilder::new(header(dimensions)).unwrap();
    for sequence in sequences {
        builder.begin_sequence("", sequence.prompt.len() as u64).unwrap();
        sequence.prompt.iter().for_each(|row| builder.push(Phase::Prefill, row).unwrap());
        sequence.decode.iter().for_each(|row| builder.push(Phase::Decode, row).unwrap());
    }
    builder.finish().unwrap()
}

/// Gate weight of a rank, of which those of a token add up to less than one.
pub(crate) fn weight_of(rank: usize, expert: u16) -> u16 {
    30_000 / u16::try_from(rank + 1).unwrap() + 7 * expert
}

fn weighted_routing(dimensions: (usize, u32, usize), sequences: &[Sequence]) -> Trace {
    let mut builder = TraceBuilder::with_weights(header(dimensions)).unwrap();
    let weights = |row: &[u16]| -> Vec<u16> {
        row.iter().enumerate().map(|(at, expert)| weight_of(at % dimensions.2, *expert)).collect()
    };
    for sequence in sequences {
        builder.begin_sequence("", sequence.prompt.len() as u64).unwrap();
        for (phase, rows) in [(Phase::Prefill, &sequence.prompt), (Phase::Decode, &sequence.decode)] {
            rows.iter().for_each(|row| builder.push_weighted(phase, row, &weights(row)).unwrap());
        }
    }
    builder.finish().unwrap()
}

pub(crate) fn decode_only(rows: &[&[u16]]) -> Vec<Sequence> {
    vec![Sequence { prompt: Vec::new(), decode: rows.iter().map(|row| row.to_vec()).collect() }]
}

pub(crate) fn link<'a>(summary: &'a Summary, name: &str) -> Option<&'a LinkUse> {
    summary.links.iter().find(|link| link.name == name)
}

/// Shares add up to spans, devices to the run, bytes to experts, fates to misses, tokens to the trace.
pub(crate) fn check_books(plan: &Plan, summary: &Summary) {
    check_time(summary);
    check_tokens(plan, summary);
    check_fates(summary);
    bytes::check(plan, summary);
}

fn check_time(summary: &Summary) {
    let spans = summary.prefill_time.total_ns() + summary.decode_time.total_ns();
    assert_eq!(spans, summary.span_ns, "the shares of all passes are the run");
    for link in &summary.links {
        assert_eq!(link.busy_ns + link.idle_ns, summary.span_ns, "{}: busy + idle = span", link.name);
    }
    let gpu = link(summary, "gpu").unwrap();
    let of_both = |share: fn(&moesim::metrics::TimeShares) -> u64| {
        share(&summary.prefill_time) + share(&summary.decode_time)
    };
    assert_eq!(gpu.busy_ns, of_both(|time| time.gpu_compute_ns + time.overhead_ns));
    assert_eq!(gpu.idle_ns, of_both(|time| time.waits_ns()));
}

fn check_tokens(plan: &Plan, summary: &Summary) {
    let passes = &plan.workload.passes;
    for (counts, phase) in [(&summary.prefill, Phase::Prefill), (&summary.decode, Phase::Decode)] {
        let own = || passes.iter().filter(|pass| pass.phase == phase);
        assert_eq!(counts.tokens, own().map(|pass| pass.rows).sum::<u64>());
        assert_eq!(counts.events, own().count() as u64 * u64::from(plan.cache.shape.layers));
    }
    let steps = passes.iter().filter(|pass| pass.phase == Phase::Decode).count() as u64;
    assert_eq!(summary.token_latency_ns.count, steps);
    assert_eq!(summary.token_latency_ns.sum, summary.decode_time.total_ns());
    let sum =
        |of: fn(&moesim::metrics::SequenceSummary) -> u64| -> u64 { summary.sequences.iter().map(of).sum() };
    assert_eq!(sum(|one| one.decode_tokens), summary.decode.tokens);
    assert_eq!(sum(|one| one.decode_ns), summary.decode_time.total_ns());
    assert_eq!(sum(|one| one.prefill_ns), summary.prefill_time.total_ns());
    assert_eq!(sum(|one| one.decode_hits), summary.decode.hits);
    assert_eq!(sum(|one| one.decode_lookups), summary.decode.lookups);
}

/// Every miss has one fate, and whatever was fetched ahead was used, cancelled or wasted.
fn check_fates(summary: &Summary) {
    for counts in [&summary.prefill, &summary.decode] {
        assert_eq!(counts.hits + counts.misses, counts.lookups);
        let spared = counts.degraded + counts.skipped + counts.substituted;
        assert_eq!(counts.fetched + counts.on_cpu + spared, counts.misses, "one fate for each miss");
        assert!(counts.dram_hits <= counts.dram_lookups && counts.dram_lookups <= counts.misses);
        let lost = counts.weight_degraded + counts.weight_skipped + counts.weight_substituted;
        assert!(lost + counts.weight_hit <= counts.weight_total);
    }
    let prefetch = &summary.prefetch;
    let ready = summary.prefill.hits_when_needed + summary.decode.hits_when_needed
        - summary.prefill.hits
        - summary.decode.hits;
    assert_eq!(prefetch.used - prefetch.late, ready, "what was ready when it was needed");
    let named =
        prefetch.issued + prefetch.already_resident + prefetch.already_held + prefetch.dropped_for_budget;
    assert_eq!(prefetch.predicted, named);
    assert_eq!(
        prefetch.issued,
        prefetch.used + prefetch.cancelled + prefetch.wasted,
        "nothing is held at the end"
    );
}
