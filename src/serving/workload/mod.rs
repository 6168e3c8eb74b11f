//! Workloads: from a specification to requests with their times, lengths, domains and priorities.
//!
//! Arrivals in an open or a closed loop or from a log, times lengths, times a mix that may drift. Everything random has
//! a stream of its own: a sweep over the rate compares the same requests, and a workload of more requests begins with
//! those of a shorter one (but for the domains where the mix drifts, since that is a way from the first request to the
//! last). What is left out: conversations whose next request quotes the answer before it, and lengths that depend on
//! the domain.

mod arrivals;
mod chance;
mod check;
mod lengths;
mod log;
mod mix;
mod spec;

use super::{ClosedLoop, Request, RequestSet};
use crate::error::Result;
use crate::units::SimTime;
pub use log::{LogRow, RequestLog, read_log, read_log_with};
pub use spec::{Arrivals, DomainShare, Extent, Length, Lengths, PriorityShare, Think, WorkloadSpec};

/// Generates the requests of a specification; the same one gives the same requests everywhere.
///
/// # Errors
/// What cannot be, all at once (see [`WorkloadSpec::check`]); arrivals beyond a hundred years; more requests within a
/// duration than can be meant.
pub fn generate(spec: &WorkloadSpec) -> Result<RequestSet> {
    spec.check()?;
    let times = arrivals::times(spec)?;
    let count = times.arrivals_ns.len();
    let mut notes = notes(spec, count);
    let lengths = lengths::lengths(spec, count, &mut notes);
    let (names, domains) = domains(spec, count);
    let priorities = priorities(spec, count);
    let hashed = matches!(spec.lengths, Lengths::Log).then(|| spec.rows()).flatten();
    let request = |at: usize| Request {
        arrival: SimTime::from_ns(times.arrivals_ns[at]),
        prompt_tokens: lengths[at].0,
        output_tokens: lengths[at].1,
        priority: priorities[at],
        domain: domains[at],
        hashes: hashed.map_or((0, 0), |log| log.rows[at].hashes),
    };
    let requests: Vec<Request> = (0..count).map(request).collect();
    let last_hash = requests.last().map_or(0, |request| request.hashes.1);
    Ok(RequestSet {
        hashes: hashed.map_or_else(Vec::new, |log| log.hashes[..last_hash as usize].to_vec()),
        hash_tokens: hashed.map_or(0, |log| log.hash_tokens),
        requests,
        domains: names,
        closed: times.closed,
        notes,
    })
}

/// Names of the domains, and each request's.
fn domains(spec: &WorkloadSpec, count: usize) -> (Vec<String>, Vec<u16>) {
    if !spec.domains.is_empty() {
        let names = spec.domains.iter().map(|domain| domain.name.clone()).collect();
        return (names, mix::domains(&spec.domains, spec.seed, count));
    }
    match spec.rows() {
        Some(log) => (log.domains.clone(), log.rows.iter().take(count).map(|row| row.domain).collect()),
        None => (Vec::new(), vec![0; count]),
    }
}

fn priorities(spec: &WorkloadSpec, count: usize) -> Vec<u8> {
    if !spec.priorities.is_empty() {
        return mix::priorities(&spec.priorities, spec.seed, count);
    }
    match spec.rows() {
        Some(log) => log.rows.iter().take(count).map(|row| row.priority).collect(),
        None => vec![0; count],
    }
}

/// What was interpreted in the log, and what of it is not used.
fn notes(spec: &WorkloadSpec, count: usize) -> Vec<String> {
    let Some(log) = spec.rows() else { return Vec::new() };
    let (name, rows) = (&log.name, log.rows.len());
    let mut notes = log.notes.clone();
    let mut note = |holds: bool, text: String| notes.extend(holds.then_some(text));
    let own_lengths = !matches!(spec.lengths, Lengths::Log);
    note(
        own_lengths && !log.hashes.is_empty(),
        format!("{name}: hashes of prompt blocks are left out, since lengths are not the log's"),
    );
    note(
        !spec.domains.is_empty() && !log.domains.is_empty(),
        format!("{name}: its domains are left out for those of the workload"),
    );
    note(
        !spec.priorities.is_empty() && log.has_priorities(),
        format!("{name}: its priorities are left out for those of the workload"),
    );
    let ended = matches!(spec.extent, Extent::Duration { .. }) && count == rows;
    note(ended, format!("{name}: ends after {rows} requests, before the time of the workload is over"));
    notes
}
