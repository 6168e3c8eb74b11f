//! The rows of the policies that come with the crate, by family.

use super::{Needs, PolicyRow};
use crate::cache::Scope;
use crate::cache::policies::{
    ActivationAware, AdaptiveReplacement, Belady, BeladySize, Clock, Fifo, GateWeight, Gdsf, LayerDistance,
    LayerLfu, LayerLru, LeCaR, Lfu, LfuDa, LfuEma, LfuPerfect, LfuWindow, Lirs, Lru, Mru, PinLru, Random,
    S3Fifo, Sieve, Slru, Static, TwoQ, Unbounded, WTinyLfu,
};
use crate::cache::stack::StackKind;
use crate::rng::{Purpose, stream};

const FUTURE: Needs = Needs { future: true, profile: false, unlimited: false };
const PROFILE: Needs = Needs { future: false, profile: true, unlimited: false };
const UNLIMITED: Needs = Needs { future: false, profile: false, unlimited: true };

/// Every policy, in the order of lists.
pub(super) fn rows() -> Vec<PolicyRow> {
    [queues(), segments(), frequencies(), of_experts(), bounds()].concat()
}

/// One queue, or none.
fn queues() -> Vec<PolicyRow> {
    vec![
        PolicyRow::new("lru", "least recently used", |input| Lru::new(input.objects))
            .stacked(StackKind::Recency),
        PolicyRow::new("fifo", "first in, first out", |input| Fifo::new(input.objects)),
        PolicyRow::new("clock", "first in, first out, sparing once what was asked for again", |input| {
            Clock::new(input.objects)
        }),
        PolicyRow::new(
            "sieve",
            "a hand sifts newcomers out, what was asked for again stays in place",
            |input| Sieve::new(input.objects),
        ),
        PolicyRow::new("mru", "most recently used, the current event aside", |input| Mru::new(input.objects)),
        PolicyRow::new("random", "a random victim: the floor", |input| {
            Random::new(input.objects, stream(input.seed, Purpose::CacheVictims, u64::from(input.pool), 0))
        }),
    ]
}

/// Several queues, and memories of what was evicted.
fn segments() -> Vec<PolicyRow> {
    vec![
        PolicyRow::new("slru", "four LRU segments, one up with each hit", |input| {
            Slru::new(input.objects, input.slots)
        }),
        PolicyRow::new("s3-fifo", "a small queue on trial, a main queue, a memory of what failed", |input| {
            S3Fifo::new(input.objects, input.slots)
        }),
        PolicyRow::new("2q", "a short FIFO first, LRU on a second use after it", |input| {
            TwoQ::new(input.objects, input.slots)
        }),
        PolicyRow::new("arc", "recency against repeated use, balanced by regret", |input| {
            AdaptiveReplacement::new(input.objects, input.slots)
        }),
        PolicyRow::new("lirs", "the longest distance between the last two uses", |input| {
            Lirs::new(input.objects, input.slots)
        }),
        PolicyRow::new("lecar", "LRU or LFU, drawn by regret", |input| {
            let rng = stream(input.seed, Purpose::LeCaRChoices, u64::from(input.pool), 0);
            LeCaR::new(input.objects, input.slots, rng)
        }),
    ]
}

/// How often an expert is asked for.
fn frequencies() -> Vec<PolicyRow> {
    vec![
        PolicyRow::new("lfu", "least frequently used, counts end with eviction", |input| {
            Lfu::new(input.objects)
        }),
        PolicyRow::new("lfu-perfect", "least frequently used, counts survive eviction", |input| {
            LfuPerfect::new(input.objects)
        }),
        PolicyRow::new(
            "lfu-da",
            "least frequently used, uses counting for more as the cache ages",
            |input| LfuDa::new(input.objects),
        ),
        PolicyRow::new("lfu-window", "least frequently used in the last 64 passes", |input| {
            LfuWindow::new(input.objects, input.layers(), LfuWindow::PASSES)
        }),
        PolicyRow::new("lfu-ema", "least frequently used, uses counting half after 16 passes", |input| {
            LfuEma::new(input.objects, input.layers(), LfuEma::HALF_LIFE)
        }),
        PolicyRow::new(
            "w-tinylfu",
            "a window, before a segmented LRU that admits what is used more",
            |input| WTinyLfu::new(input.objects, input.slots),
        ),
        PolicyRow::new("gdsf", "least uses x cost / size, aged by what was evicted", |input| {
            Gdsf::new(input.objects, input.experts, input.sizes, input.costs)
        }),
    ]
}

/// What is known of mixtures of experts: layers in a cycle, gate weights, sequences, profiles.
fn of_experts() -> Vec<PolicyRow> {
    vec![
        PolicyRow::new("static", "the hottest K experts of each layer by a profile", |input| {
            Static::new(input.profile, input.objects, input.experts)
        })
        .needing(PROFILE),
        PolicyRow::new("layer-lru", "least recently used within the layer's share", |input| {
            LayerLru::new(input.objects)
        })
        .scoped(Scope::PerLayer)
        .stacked(StackKind::Recency),
        PolicyRow::new("layer-lfu", "least frequently used within the layer's share", |input| {
            LayerLfu::new(input.objects)
        })
        .scoped(Scope::PerLayer),
        PolicyRow::new("layer-distance", "the layer farthest ahead in the cycle first", |input| {
            LayerDistance::new(input.layers(), input.experts)
        }),
        PolicyRow::new("gate-weight", "smallest moving average of gate weights first", |input| {
            GateWeight::new(input.objects, input.experts)
        }),
        PolicyRow::new(
            "activation-aware",
            "asked for least in this sequence, deep layers before shallow ones",
            |input| ActivationAware::new(input.layers(), input.experts),
        ),
        PolicyRow::new(
            "pin+lru",
            "a profile's hottest experts stay in half of the slots, lru for the rest",
            |input| PinLru::new(input.profile, input.objects, input.experts, input.slots),
        )
        .needing(PROFILE),
    ]
}

/// What no engine can run.
fn bounds() -> Vec<PolicyRow> {
    vec![
        PolicyRow::new("belady", "farthest next use first: the bound", |input| {
            Belady::new(input.first_events, input.objects)
        })
        .needing(FUTURE)
        .stacked(StackKind::Future),
        PolicyRow::new("belady-size", "largest size times distance to the next use first", |input| {
            BeladySize::new(input.first_events, input.sizes, input.experts)
        })
        .needing(FUTURE),
        PolicyRow::new("unbounded", "never evicts: compulsory misses alone", |_| Unbounded::new())
            .needing(UNLIMITED),
    ]
}
