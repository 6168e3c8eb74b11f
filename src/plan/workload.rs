//! What is replayed: the trace, checked against the model, and the order of its passes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::model::ModelPlan;
use super::resolve::Resolver;
use super::{Inputs, WorkloadPlan, merging, router};
use crate::cache::{Grouping, PolicyRow};
use crate::error::{Error, Result};
use crate::model::ModelSpec;
use crate::scenario::ReplayMode;
use crate::serving::scheduler::SchedulerConfig;
use crate::serving::{Request, RequestSet};
use crate::trace::{NO_EXPERT_U16, Pass, PassOptions, Phase, Trace, TraceBuilder, TraceHeader};
use crate::units::Bytes;

/// Tokens of context where the scenario does not say and no sequence is longer.
const CONTEXT_DEFAULT: u64 = 4096;
/// Prompt tokens in one pass where the scenario does not say: llama.cpp's default micro-batch (`--ubatch-size`).
const PREFILL_CHUNK_DEFAULT: u64 = 512;
/// Tokens decoded for a dense model without a trace.
const DENSE_DECODE_DEFAULT: u64 = 128;

/// The workload with what the ledger and the labels need of it.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) plan: WorkloadPlan,
    pub(super) path: PathBuf,
    /// File name of the trace.
    pub(super) name: String,
    pub(super) grouping: Grouping,
    /// Tokens that the KV cache has room for.
    pub(super) context: u64,
    /// Sequences that are decoded together.
    pub(super) batch: u64,
    pub(super) options: PassOptions,
    /// Tokens of the longest pass.
    pub(super) pass_rows: u64,
    /// Tokens of the longest sequence, prompt included.
    pub(super) longest: u64,
    /// Tokens of all requests, where such are served: as many passes at most.
    pub(super) requested_tokens: Option<u128>,
}

impl Workload {
    /// Bytes of the experts that one token asks for, over all layers.
    pub(super) fn token_working_set(&self, model: &ModelPlan) -> Bytes {
        let top_k = u64::from(self.plan.trace.header().top_k);
        model.experts.iter().map(|expert| expert.times(top_k)).sum()
    }
}

/// Finds the trace and holds it against the model, where that is known. Called even where other settings are wrong, so
/// that a bad trace is told of together with them.
pub(super) fn trace(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: Option<&ModelPlan>,
) -> Option<(PathBuf, Arc<Trace>)> {
    let section = &resolver.scenario().workload;
    if let Some(path) = &section.trace {
        resolver.given("workload.trace", path.display());
        let trace = inputs.trace(path);
        let checked = trace.and_then(|trace| {
            let Some(model) = model else { return Ok((path.clone(), trace)) };
            check_shape(path, &trace, &model.routed)?;
            note_fewer_experts(resolver, &trace, model);
            merging::routed(resolver, inputs, model, (path.clone(), trace))
        });
        return match checked {
            Ok(found) => Some(found),
            Err(error) => {
                resolver.refuse_file("workload.trace", error);
                None
            }
        };
    }
    let model = model?;
    if let Some(router) = section.router
        && !model.experts.is_empty()
    {
        let found = router::trace(resolver, inputs, model, router)?;
        let merged = merging::routed(resolver, inputs, model, found);
        return merged.map_err(|error| resolver.refuse_file("workload.router", error)).ok();
    }
    if !model.experts.is_empty() {
        resolver.refuse("workload", |place| {
            let example = "\"../traces/qwen3-30b-a3b.moetrace\"";
            Error::at(place, "workload.trace is missing")
                .expected(format!("a routing trace, like {example}, or workload.router"))
        });
        return None;
    }
    let tokens = section.decode_tokens.map_or(DENSE_DECODE_DEFAULT, std::num::NonZeroU64::get);
    resolver.note("workload.trace", format!("{tokens} tokens"), "a dense model routes nothing");
    let trace = dense(&model.spec.name, tokens).map_err(|error| resolver.push(error)).ok()?;
    Some((PathBuf::from("dense"), Arc::new(trace)))
}

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    policy: &PolicyRow,
    (path, trace): (PathBuf, Arc<Trace>),
) -> Result<Workload> {
    let section = &resolver.scenario().workload;
    let batch = section.batch.map_or(1, std::num::NonZeroU32::get);
    let options = pass_options(resolver, batch);
    let (trace, passes) = if batch > 1 {
        inputs
            .batched(&path, &trace, &options, batch)
            .map_err(|error| error.within(&resolver.place("workload.batch"), "workload.batch"))?
    } else {
        let passes = inputs.passes(&path, &trace, &options)?;
        (trace, passes)
    };
    if passes.is_empty() {
        let error = Error::new("nothing to replay: the trace has no tokens of the phases asked for");
        return Err(error.within(&resolver.place("workload.trace"), "workload.trace"));
    }
    let grouping = match resolver.scenario().cache.replay {
        Some(ReplayMode::Access) => Grouping::Access,
        Some(ReplayMode::Layer) | None => Grouping::Layer,
    };
    let future = policy
        .needs
        .future
        .then(|| inputs.future(&path, &trace, (&options, batch), &passes, grouping))
        .transpose()?;
    let longest =
        passes.iter().map(|pass| pass.context + pass.rows / u64::from(pass.sequences)).max().unwrap_or(0);
    let context = section.context.map(std::num::NonZeroU64::get);
    let why = "default: 4096, or the longest sequence";
    let context = resolver.or_default("workload.context", context, longest.max(CONTEXT_DEFAULT), why);
    Ok(Workload {
        name: file_name(&path),
        pass_rows: passes.iter().map(|pass: &Pass| pass.rows).max().unwrap_or(1),
        batch: u64::from(batch),
        options,
        plan: WorkloadPlan { trace, passes, future, foretold: None },
        path,
        grouping,
        context,
        longest,
        requested_tokens: None,
    })
}

/// The workload of a deployment that serves requests, whose passes nobody knows beforehand.
pub(super) fn serving(
    resolver: &mut Resolver<'_>,
    policy: &PolicyRow,
    path: PathBuf,
    (trace, requests): (Arc<Trace>, &RequestSet),
    scheduler: &SchedulerConfig,
) -> Workload {
    if policy.needs.future {
        resolver.refuse("cache.policy", |place| {
            let found = format!(
                "cache.policy: {:?} reads the future, which nobody knows where requests arrive",
                policy.name
            );
            Error::at(place, found).expected("a policy that does not")
        });
    }
    if resolver.scenario().cache.replay == Some(ReplayMode::Access) {
        resolver.refuse("cache.replay", |place| {
            Error::at(place, "cache.replay: found \"access\" beside requests.arrivals").expected("\"layer\"")
        });
    }
    let length = |request: &Request| u64::from(request.prompt_tokens) + u64::from(request.output_tokens);
    let longest = requests.requests.iter().map(length).max().unwrap_or(0);
    Workload {
        name: file_name(&path),
        pass_rows: u64::from(scheduler.token_budget),
        batch: u64::from(scheduler.max_batch),
        options: PassOptions::default(),
        plan: WorkloadPlan { trace, passes: Arc::default(), future: None, foretold: None },
        path,
        grouping: Grouping::Layer,
        context: longest,
        longest,
        requested_tokens: Some(requests.requests.iter().map(|request| u128::from(length(request))).sum()),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn pass_options(resolver: &mut Resolver<'_>, batch: u32) -> PassOptions {
    let section = &resolver.scenario().workload;
    let all = |count: Option<std::num::NonZeroU64>| count.map_or(u64::MAX, std::num::NonZeroU64::get);
    if let Some(sequences) = section.sequences {
        resolver.given("workload.sequences", sequences);
    }
    if let Some(tokens) = section.decode_tokens {
        resolver.given("workload.decode_tokens", tokens);
    }
    if let Some(depth) = section.depth {
        resolver.given("workload.depth", depth);
    }
    let (prefill, why) = match batch {
        1 => (true, "default: prompts too, where traced"),
        _ => (false, "default: only decode is replayed in batches"),
    };
    if batch > 1 {
        resolver.given("workload.batch", batch);
        if section.prefill == Some(true) {
            resolver.refuse("workload.prefill", |place| {
                Error::at(place, "workload.prefill: found beside workload.batch")
                    .expected("false: only decode is replayed in batches")
            });
        }
    }
    PassOptions {
        depth: section.depth,
        prefill: resolver.or_default("workload.prefill", section.prefill, prefill, why),
        prefill_chunk: resolver.or_default(
            "workload.prefill_chunk",
            section.prefill_chunk.map(std::num::NonZeroU64::get),
            PREFILL_CHUNK_DEFAULT,
            "default: llama.cpp's micro-batch",
        ),
        sequences: all(section.sequences),
        decode_tokens: all(section.decode_tokens),
    }
}

/// The trace must be of this model: as many MoE layers, the same experts, no more experts per token, and the same layer
/// numbers unless the trace counts MoE layers from 0.
pub(super) fn check_shape(path: &Path, trace: &Trace, model: &ModelSpec) -> Result<()> {
    let header = trace.header();
    let (layer_ids, experts) = (model.moe_layer_ids(), model.experts());
    let shape = |layers: usize, experts: u32| format!("{layers} MoE layers of {experts} experts");
    if header.layers() != layer_ids.len() || header.experts != experts {
        let found = format!("{} holds {}", path.display(), shape(header.layers(), header.experts));
        let expected = format!("{} as {} has", shape(layer_ids.len(), experts), model.name);
        return Err(Error::new(found).expected(expected));
    }
    let counted = (0_u32..).take(layer_ids.len()).eq(header.layer_ids.iter().copied());
    if header.layer_ids != layer_ids && !counted {
        let found = format!("{} holds MoE layers {}", path.display(), ranges(&header.layer_ids));
        let expected = format!("{} as {} has", ranges(&layer_ids), model.name);
        return Err(Error::new(found).expected(expected));
    }
    let top_k = model.top_k();
    if header.top_k > top_k {
        let found = format!("{} routes each token to {} experts", path.display(), header.top_k);
        return Err(Error::new(found).expected(format!("at most {top_k} as {} has", model.name)));
    }
    Ok(())
}

fn note_fewer_experts(resolver: &mut Resolver<'_>, trace: &Trace, model: &ModelPlan) {
    let (traced, top_k) = (trace.header().top_k, model.routed.top_k());
    if traced < top_k {
        let note = format!("the trace routes to {traced}, the model to {top_k}: fewer experts are read");
        resolver.note("experts per token", traced, note);
    }
}

/// Ascending numbers in short: `3-60`, `0, 2, 4, ...`.
fn ranges(numbers: &[u32]) -> String {
    match numbers {
        [] => "none".to_owned(),
        [first, .., last] if (last - first) as usize + 1 == numbers.len() => format!("{first}-{last}"),
        [only] => only.to_string(),
        _ => {
            let shown: Vec<String> = numbers.iter().take(3).map(u32::to_string).collect();
            format!("{}, ...", shown.join(", "))
        }
    }
}

/// A sequence without routing. A trace has at least one layer, so its only slot stays empty.
fn dense(model: &str, tokens: u64) -> Result<Trace> {
    let header = TraceHeader {
        model: model.to_owned(),
        source: "dense".to_owned(),
        layer_ids: vec![0],
        experts: 1,
        top_k: 1,
        ..TraceHeader::default()
    };
    let mut builder = TraceBuilder::new(header)?;
    builder.begin_sequence("", 0)?;
    for _ in 0..tokens {
        builder.push(Phase::Decode, &[NO_EXPERT_U16])?;
    }
    builder.finish()
}
