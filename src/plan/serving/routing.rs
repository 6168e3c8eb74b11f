//! What routes requests: rows of sequences of the trace, continued where they are too short, or shares of it.

use std::path::Path;
use std::sync::Arc;

use super::requests::Load;
use crate::error::{Error, Result};
use crate::plan::Inputs;
use crate::plan::resolve::Resolver;
use crate::scenario::RequestRouting;
use crate::serving::RoutingShares;
use crate::trace::{Continued, RequestRouting as Rows, RequestSources, RoutingCounts, Trace, continued};

/// Rows of the continuation that requests go round in.
pub(in crate::plan) const POOL_TOKENS: u64 = 4096;

/// A trace made ready for requests of any length.
#[derive(Debug)]
pub struct Continuation {
    /// With the pool at its end.
    pub continued: Continued,
    /// Tokens by expert over its rows.
    pub counts: Arc<RoutingCounts>,
}

impl Continuation {
    /// Of a trace, with a pool drawn by `seed`.
    ///
    /// # Errors
    /// A trace that cannot be continued.
    pub(in crate::plan) fn of(trace: &Trace, seed: u64) -> Result<Self> {
        let continued = continued(trace, POOL_TOKENS, seed)?;
        let counts = Arc::new(RoutingCounts::of(&continued.trace)?);
        Ok(Self { continued, counts })
    }
}

/// What routes requests.
pub(in crate::plan) struct Routed {
    pub(in crate::plan) trace: Arc<Trace>,
    pub(in crate::plan) routes: Arc<Vec<Rows>>,
    pub(in crate::plan) counts: Option<Arc<RoutingCounts>>,
    pub(in crate::plan) shares: Arc<RoutingShares>,
    pub(in crate::plan) notes: Vec<String>,
}

pub(in crate::plan) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    (path, trace): (&Path, &Arc<Trace>),
    load: &Load,
) -> Option<Routed> {
    let how = resolver.scenario().requests.routing.unwrap_or(RequestRouting::Trace);
    match resolver.scenario().requests.routing {
        Some(_) => resolver.given("requests.routing", how.spelling()),
        None => resolver.note("requests.routing", how.spelling(), "default"),
    }
    let dense = inputs.selections(path, trace).iter().all(|count| *count == 0);
    let found = match how {
        RequestRouting::Trace if dense => Ok(Routed {
            trace: Arc::clone(trace),
            routes: Arc::default(),
            counts: None,
            shares: Arc::new(shares(inputs, path, trace)),
            notes: load.requests.notes.clone(),
        }),
        RequestRouting::Trace => rows(resolver, inputs, (path, trace), load),
        RequestRouting::Counts => Ok(Routed {
            trace: Arc::clone(trace),
            routes: Arc::default(),
            counts: None,
            shares: Arc::new(shares(inputs, path, trace)),
            notes: vec!["routing by each expert's share of the trace".to_owned()],
        }),
    };
    found.map_err(|error| resolver.refuse_file("workload.trace", error)).ok()
}

fn shares(inputs: &Inputs, path: &Path, trace: &Trace) -> RoutingShares {
    let selections = inputs.selections(path, trace);
    RoutingShares { selections: selections.to_vec(), tokens: trace.tokens(), experts: trace.header().experts }
}

fn rows(
    resolver: &Resolver<'_>,
    inputs: &Inputs,
    (path, trace): (&Path, &Arc<Trace>),
    load: &Load,
) -> Result<Routed> {
    let seed = resolver.scenario().seed.unwrap_or(0);
    let continuation = inputs.continuation(path, trace, seed)?;
    let sources = RequestSources::of(trace)?;
    let set = &load.requests;
    let mut routes = Vec::with_capacity(set.requests.len());
    let (mut tokens, mut from_pool, mut longer) = (0_u64, 0_u64, 0_u64);
    let mut foreign = vec![0_u64; set.domains.len()];
    for (index, request) in set.requests.iter().enumerate() {
        let domain = set.domains.get(usize::from(request.domain)).map(String::as_str);
        if domain.is_some_and(|name| !sources.has(name)) {
            foreign[usize::from(request.domain)] += 1;
        }
        let (sequence, offset) = sources.choose(domain, seed, index as u64);
        let meta = &trace.sequences()[sequence];
        let rows = Rows::new(&continuation.continued, meta, offset, request.prompt_tokens);
        // The last output token is never put into the model.
        let all = request.prompt_tokens.saturating_add(request.output_tokens - 1);
        let beyond = u64::from(rows.pool_tokens_of(0, all));
        tokens += u64::from(all);
        from_pool += beyond;
        longer += u64::from(beyond > 0);
        routes.push(rows);
    }
    let mut notes = set.notes.clone();
    if from_pool > 0 {
        let share = from_pool as f64 / tokens.max(1) as f64 * 100.0;
        notes.push(format!(
            "{longer} of {} requests are longer than their sequence of the trace: {share:.0} % of all tokens are routed by \
             a synthetic router with the trace's popularity and repetition",
            set.requests.len()
        ));
    }
    for (name, count) in set.domains.iter().zip(foreign).filter(|(_, count)| *count > 0) {
        notes.push(format!(
            "the trace has no category {name:?}: its {count} requests draw from all sequences"
        ));
    }
    Ok(Routed {
        trace: Arc::clone(&continuation.continued.trace),
        routes: Arc::new(routes),
        counts: Some(Arc::clone(&continuation.counts)),
        shares: Arc::new(shares(inputs, path, trace)),
        notes,
    })
}

/// Refuses routing by shares where experts come and go.
pub(in crate::plan) fn check(resolver: &mut Resolver<'_>, is_resident: bool) {
    if resolver.scenario().requests.routing == Some(RequestRouting::Counts) && !is_resident {
        resolver.refuse("requests.routing", |place| {
            Error::at(place, "requests.routing: found \"counts\" where experts come and go")
                .expected("\"trace\", or placement.experts = \"vram\"")
        });
    }
}
