//! Under load: whether copies alone let a deployment keep up.

use crate::plan::{MissAction, Plan, ServingPlan};
use crate::units::Bytes;

/// What a real batch may share more than independent tokens would.
const SPARE: f64 = 2.0;

/// Output tokens a second that are asked for, and those that copies allow at best, both in thousandths, where copies do
/// not let the deployment keep up; `None` where they do, or where nothing is copied.
///
/// A pass of `b` tokens asks for the experts that `b` independent draws of the trace's shares would choose; of these a GPU
/// misses at least what its cache cannot hold. Rates over all batches that may run are compared with the load.
pub(in crate::advise) fn keeps_up(plan: &Plan) -> Option<(u64, u64)> {
    let serving = plan.serving.as_ref().filter(|serving| !serving.is_resident)?;
    let link = plan.machine.h2d?;
    if plan.placement.miss.action != MissAction::Fetch {
        return None;
    }
    let asked = asked_per_s(serving)?;
    let ranks = u64::from(serving.layout.ep.max(1));
    let held: u64 = plan.cache.shape.pool_capacity.iter().sum();
    let sizes = &plan.cache.shape.sizes;
    let most = u64::from(serving.scheduler.max_batch) * u64::from(serving.layout.dp);
    let largest = sizes.iter().max().copied().unwrap_or(0);
    let of_one_s = link.curve.time(Bytes::new(largest)).as_ns() as f64 / 1e9 / (largest as f64).max(1.0);
    let mut best: f64 = 0.0;
    let mut batch = 1;
    while batch <= most {
        let missed = (union_bytes(serving, sizes, batch) / ranks as f64 - held as f64).max(0.0);
        let seconds = missed * of_one_s;
        if seconds <= 0.0 {
            return None;
        }
        best = best.max(batch as f64 / seconds);
        batch *= 2;
    }
    let allowed = best * f64::from(serving.replicas) * SPARE;
    (allowed < asked).then(|| (permille(asked), permille(allowed)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate, far below 2^53")]
fn permille(rate: f64) -> u64 {
    (rate * 1e3).round() as u64
}

/// Output tokens a second of an open load.
fn asked_per_s(serving: &ServingPlan) -> Option<f64> {
    let requests = &serving.requests.requests;
    if serving.rate_millihertz == 0 || requests.is_empty() {
        return None;
    }
    let tokens: u64 = requests.iter().map(|request| u64::from(request.output_tokens)).sum();
    Some(tokens as f64 / requests.len() as f64 * serving.rate_millihertz as f64 / 1e3)
}

/// Bytes of the distinct experts, all layers, that so many independent tokens choose, as one GPU's parts of them.
fn union_bytes(serving: &ServingPlan, sizes: &[u64], tokens: u64) -> f64 {
    let shares = &serving.shares;
    let experts = shares.experts as usize;
    let chance = |count: &u64| (*count as f64 / shares.tokens.max(1) as f64).min(1.0);
    let missing = |count: &u64| libm::pow(1.0 - chance(count), tokens as f64);
    let of_layer = |(layer, size): (usize, &u64)| {
        let counts = shares.selections.get(layer * experts..(layer + 1) * experts).unwrap_or_default();
        counts.iter().map(|count| 1.0 - missing(count)).sum::<f64>() * *size as f64
    };
    sizes.iter().enumerate().map(of_layer).sum()
}
