//! The best that a candidate could be, without simulating it.
//!
//! What the plan knows is exact: memory, price, power, and the loss of quality that weights bring. Of time there are bounds
//! where sequences are replayed, from two *twins* of the candidate that many candidates share: the same machine with every
//! lookup a hit and nothing prefetched ([`Twin::Hits`]; fetching on a miss is never faster), and the same without routed
//! experts at all ([`Twin::Bare`]; nothing is faster). On top come the misses that no cache of that size can avoid
//! ([`copies`]): each takes the host link, or the CPU where that may compute it. Under load there is no such bound, since
//! requests meet in batches: only what cannot keep up by its copies alone is left out ([`load`]), with a factor of two to
//! spare.

mod copies;
mod load;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(super) use load::keeps_up;

use self::copies::{Copies, Misses};
use crate::cache::stack::StackKind;
use crate::error::Result;
use crate::metrics::advice::{Latency, Metric};
use crate::metrics::{Quantiles, Row, SequenceSummary, Summary};
use crate::plan::{MissAction, MissPlan, Plan};
use crate::scenario::ExpertHome;
use crate::sim::simulate;

/// A value made once, whoever asks first.
type Once<T> = Arc<OnceLock<Result<T>>>;

/// Addresses of trace and passes, whether the cache is emptied between sequences, and whether it is an LRU.
type MissesKey = (usize, usize, (bool, bool));

/// What candidates share.
#[derive(Default)]
pub(super) struct Bounds {
    twins: Mutex<BTreeMap<String, Once<Summary>>>,
    misses: Mutex<BTreeMap<MissesKey, Once<Misses>>>,
}

fn cell<K: Ord, T>(cells: &Mutex<BTreeMap<K, Once<T>>>, key: K) -> Once<T> {
    let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(cells.entry(key).or_default())
}

/// The best values of a candidate's metrics.
pub(super) struct Best {
    /// What the plan knows, as a row without a run.
    row: Row,
    /// What a run could be at best: the twin's summary with the copies' time.
    summary: Option<Summary>,
}

impl Best {
    /// The best value of a metric; `None` where nothing is known of it.
    pub(super) fn of(&self, metric: Metric) -> Option<u64> {
        if metric.is_planned() {
            return metric.of(&self.row);
        }
        if metric == Metric::QualityLoss {
            return metric.of(&self.row);
        }
        let summary = self.summary.as_ref()?;
        let is_bounded = matches!(
            metric,
            Metric::Throughput | Metric::Latency(Latency::Tpot | Latency::Itl | Latency::Ttft, _)
        );
        let row =
            || Row { outcome: crate::metrics::Outcome::Done(Box::new(summary.clone())), ..self.row.clone() };
        is_bounded.then(row).and_then(|row| metric.of(&row))
    }

    /// The same turned so that less is better; zero where nothing is known.
    pub(super) fn badness(&self, metric: Metric) -> u64 {
        self.of(metric).map_or(0, |value| metric.badness(value))
    }
}

/// A configuration that is never slower than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twin {
    /// Every lookup hits.
    Hits,
    /// No routed expert is computed.
    Bare,
}

impl Bounds {
    /// The best of a candidate that fits. `row` is its row without a run, `settings` what makes it.
    ///
    /// # Errors
    /// As [`simulate`].
    pub(super) fn best(
        &self,
        plan: &Plan,
        row: Row,
        point: usize,
        settings: &[(String, String)],
    ) -> Result<Best> {
        if !is_replayed(plan) {
            return Ok(Best { row, summary: None });
        }
        let twin = |kind: Twin| {
            let cell = cell(&self.twins, format!("{kind:?} {}", key(point, settings)));
            cell.get_or_init(|| simulate(&twin_of(plan, kind))).clone()
        };
        let bare = twin(Twin::Bare)?;
        let mut summary = match plan.placement.miss.action {
            MissAction::Fetch => twin(Twin::Hits)?,
            _ => bare.clone(),
        };
        if let Some(copies) = Copies::of(plan) {
            let workload = &plan.workload;
            let kind = Misses::kind(plan);
            let at = (
                Arc::as_ptr(&workload.trace) as usize,
                Arc::as_ptr(&workload.passes) as usize,
                (plan.cache.clear_between, kind == StackKind::Recency),
            );
            let misses = cell(&self.misses, at);
            let misses = misses.get_or_init(|| Misses::of(plan, kind)).as_ref().map_err(Clone::clone)?;
            copies.slow_down(&mut summary, &bare, misses);
        }
        Ok(Best { row, summary: Some(summary) })
    }
}

/// Everything that decides a twin.
fn key(point: usize, settings: &[(String, String)]) -> String {
    let decides = |key: &str| !key.starts_with("cache.") && !key.starts_with("prefetch.");
    let parts = settings.iter().filter(|(key, _)| decides(key)).map(|(key, value)| format!("{key}={value}"));
    format!("{point} {}", parts.collect::<Vec<_>>().join(" "))
}

/// Whether sequences are replayed through a cache, so that the arguments above hold.
fn is_replayed(plan: &Plan) -> bool {
    plan.serving.is_none()
        && matches!(plan.placement.miss.action, MissAction::Fetch | MissAction::Cpu | MissAction::Auto)
        && !plan.machine.single_buffer
        && plan.cache.hit_rate_ppm.is_none()
        && plan.cache.shared_with_kv.is_none()
        && plan.labels.backing != ExpertHome::Vram.spelling()
}

fn twin_of(plan: &Plan, kind: Twin) -> Plan {
    let mut twin = plan.clone();
    twin.cache.hit_rate_ppm = Some(if kind == Twin::Hits { 1_000_000 } else { 0 });
    if kind == Twin::Bare {
        twin.placement.miss = MissPlan { action: MissAction::Skip, below_ppm: None, ..plan.placement.miss };
    }
    twin.prefetch = None;
    twin.allocator = None;
    twin.workload.foretold = None;
    twin.placement.exclusive = false;
    twin
}

/// Brings what follows from the sequences up to date.
fn refresh(summary: &mut Summary) {
    summary.tpot_ns = Quantiles::of(summary.sequences.iter().filter_map(SequenceSummary::tpot_ns).collect());
    let decode: u64 = summary.sequences.iter().map(|sequence| sequence.decode_ns).sum();
    let more = decode.saturating_sub(summary.decode_time.total_ns());
    summary.decode_time.wait_h2d_ns += more;
}
