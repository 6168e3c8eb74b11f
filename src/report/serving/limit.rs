//! What holds a run under load back, as far as its own numbers tell. What would relieve it takes runs with more of it.

use super::load::{Served, is_saturated};
use super::numbers::GpuTime;
use crate::metrics::{LinkUse, ServingSummary};
use crate::report::format::{counted, percent, size};

/// What holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    /// Nothing: more could be asked for.
    Load,
    /// Requests wait for, or lose, room in the KV cache.
    KvRoom,
    /// Requests wait although there is room: passes are as large as they may be.
    Batch,
    /// GPUs compute.
    Gpu,
    /// GPUs wait for experts.
    Fetches,
    /// GPUs wait for each other.
    Exchange,
}

/// The KV cache counts as full from here on, since whole blocks rarely fill it exactly.
const KV_FULL_PERCENT: u128 = 95;

/// Requests wait before anything is done for them: half of them longer than two long passes.
fn is_queued(serving: &ServingSummary) -> bool {
    is_saturated(serving)
        || serving.kv.preemptions > 0
        || u128::from(serving.queue_ns.p50) > 2 * u128::from(serving.pass_ns.p90)
}

/// None where nothing is known of the GPUs.
pub(super) fn limit(serving: &ServingSummary) -> Option<Limit> {
    let time = GpuTime::of(&serving.gpu_use);
    if time.total() == 0 {
        return None;
    }
    let (kv, batch, queued) = (&serving.kv, &serving.batch, is_queued(serving));
    let full = u128::from(kv.peak_bytes) * 100 >= u128::from(kv.capacity_bytes) * KV_FULL_PERCENT;
    if kv.preemptions > 0 || (queued && full && kv.capacity_bytes > 0) {
        return Some(Limit::KvRoom);
    }
    // Without a queue, GPUs that are idle for a fifth of the time could serve more.
    if !queued && time.idle * 5 >= time.total() {
        return Some(Limit::Load);
    }
    let shares = [(time.busy, Limit::Gpu), (time.wait, Limit::Fetches), (time.exchange, Limit::Exchange)];
    // Of equals, the first.
    let largest = shares.into_iter().fold((time.idle, Limit::Load), |best, one| match one.0 > best.0 {
        true => one,
        false => best,
    });
    match largest.1 {
        Limit::Gpu | Limit::Load if queued && batch.max > 1 && batch.p90 == batch.max => Some(Limit::Batch),
        Limit::Load if queued => Some(Limit::Batch),
        found => Some(found),
    }
}

/// `room for the KV cache: 98.2 % of 12.0 GiB ...; GPUs busy 71.0 %, ...`; none where nothing is known of the GPUs.
pub(super) fn limit_text(served: &Served<'_>) -> Option<String> {
    let serving = served.serving;
    let time = GpuTime::of(&serving.gpu_use);
    let found = limit(serving)?;
    let what = match found {
        Limit::Load => "nothing yet, more could be asked for".to_owned(),
        Limit::KvRoom => format!("room for the KV cache, {}", kv_use(serving)),
        Limit::Batch => {
            let requests = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "request");
            format!("what a pass may hold, {} at most, while others wait", requests(serving.batch.max))
        }
        Limit::Gpu => "the GPUs' own work".to_owned(),
        Limit::Fetches => format!("experts that the GPUs wait for{}", busiest_link(served)),
        Limit::Exchange => "exchanges between GPUs".to_owned(),
    };
    Some(format!("{what}; GPUs {}", time.parts()))
}

/// `98.2 % of 12.0 GiB at the peak, 91.0 % in the mean, 37 preemptions`.
pub(super) fn kv_use(serving: &ServingSummary) -> String {
    let kv = &serving.kv;
    let share = |bytes: u64| percent(bytes, kv.capacity_bytes, 1);
    let preemptions = counted(usize::try_from(kv.preemptions).unwrap_or(usize::MAX), "preemption");
    format!(
        "{} % of {} at the peak, {} % in the mean, {preemptions}",
        share(kv.peak_bytes),
        size(kv.capacity_bytes),
        share(kv.mean_bytes)
    )
}

/// The device other than the GPU that is busiest: ` (h2d busy 88.1 %)`; empty where there is none.
fn busiest_link(served: &Served<'_>) -> String {
    let share = |link: &&LinkUse| {
        u128::from(link.busy_ns) * 1_000_000 / u128::from(link.busy_ns + link.idle_ns).max(1)
    };
    let others = served.summary.links.iter().filter(|link| link.name != "gpu" && link.busy_ns > 0);
    others.max_by_key(share).map_or_else(String::new, |link| {
        format!(" ({} busy {} %)", link.name, percent(link.busy_ns, link.busy_ns + link.idle_ns, 1))
    })
}
