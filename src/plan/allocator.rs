//! The allocator of GPU memory: which, with what settings, and what it is asked for at the start.

use std::num::NonZeroU32;

use super::cache::Cache;
use super::machine::MachinePlan;
use super::memory::Booked;
use super::model::ModelPlan;
use super::placement::Placement;
use super::resolve::Resolver;
use super::serving::ServingPlan;
use super::types::kv_bytes;
use super::workload::Workload;
use crate::cache::Grouping;
use crate::error::Error;
use crate::memory::allocator::{AllocatorKind, CLASSES, CachingOptions, Class, MAX_SPLIT_MIN};
use crate::memory::{Tier, workspace_parts};
use crate::model::{Dtype, LayerSpec};
use crate::scenario::{AllocatorRule, AllocatorSection, KvGrowth, Overcommit, Scenario};
use crate::units::{Bandwidth, Bytes, SimDuration};

/// Fixed time of a compaction where the scenario does not say: the device is waited for and every pointer to an expert is
/// written anew. Assumed; some hundred launches of 5 us are of that order.
const SYNC_DEFAULT: SimDuration = SimDuration::from_ns(500_000);
/// Tokens of a block of the KV cache where the scenario does not say: llama.cpp pads contexts to so many.
const KV_BLOCK_DEFAULT: u32 = 256;

/// An allocator whose losses are simulated.
#[derive(Clone, Debug)]
pub struct AllocatorPlan {
    /// Which.
    pub kind: AllocatorKind,
    /// GPU memory that it may take: all but what the framework and the user's reserve have.
    pub capacity: Bytes,
    /// What is allocated before the first pass and stays, with its owner.
    pub fixed: Vec<(String, Bytes)>,
    /// Compaction; `None` where there is none.
    pub compaction: Option<CompactionPlan>,
    /// How the KV cache grows.
    pub kv: KvPieces,
    /// Working memory of one row of a pass in three parts, the last of them whatever the rows.
    pub workspace: [Bytes; 3],
}

/// When blocks are moved together, and what that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactionPlan {
    /// Passes from one to the next.
    pub every: u64,
    /// Fixed time of one.
    pub sync: SimDuration,
    /// GPU memory bandwidth that is reached; every byte is read and written.
    pub memory: Bandwidth,
}

/// How the KV cache asks for memory.
#[derive(Clone, Debug)]
pub enum KvPieces {
    /// It is allocated before the first pass.
    Whole,
    /// In blocks, of each sequence its own.
    Blocks {
        /// Layers whose keys and values lie in GPU memory.
        layers: Vec<LayerSpec>,
        /// How they are stored.
        dtype: Dtype,
        /// Tokens of a block.
        tokens: u64,
    },
    /// In blocks of this size under a load of requests.
    Paged(Bytes),
    /// Each layer's anew whenever it grows.
    Tokens {
        /// Layers whose keys and values lie in GPU memory.
        layers: Vec<LayerSpec>,
        /// How they are stored.
        dtype: Dtype,
    },
}

impl KvPieces {
    /// Bytes of a sequence's block of this number, from 0: what it adds to those before it.
    pub fn block_bytes(&self, index: u64) -> Bytes {
        match self {
            Self::Whole | Self::Tokens { .. } => Bytes::ZERO,
            Self::Paged(block) => *block,
            Self::Blocks { layers, dtype, tokens } => {
                let until = |blocks: u64| kv_bytes(layers, blocks.saturating_mul(*tokens), *dtype, 1);
                until(index + 1).saturating_sub(if index == 0 { Bytes::ZERO } else { until(index) })
            }
        }
    }
}

/// What the allocator's plan depends on.
pub(super) struct Parts<'a> {
    pub(super) model: &'a ModelPlan,
    pub(super) machine: &'a MachinePlan,
    pub(super) placement: &'a Placement,
    pub(super) workload: &'a Workload,
    pub(super) booked: &'a Booked,
    pub(super) cache: Option<&'a Cache>,
    pub(super) serving: Option<&'a ServingPlan>,
}

/// Whether anything but an exact allocator is asked for.
pub(super) fn is_simulated(resolver: &Resolver<'_>) -> bool {
    kind(resolver) != AllocatorRule::Exact
}

fn kind(resolver: &Resolver<'_>) -> AllocatorRule {
    resolver.scenario().allocator.kind.unwrap_or(AllocatorRule::Exact)
}

/// Refuses settings that the kind of allocator does not have, and what an allocator cannot be simulated beside.
pub(super) fn check(resolver: &mut Resolver<'_>) {
    let scenario = resolver.scenario();
    let (section, kind) = (&scenario.allocator, kind(resolver));
    for (key, written, kinds) in keys(section) {
        if written && !kinds.contains(&kind) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("{:?}", kind.spelling())).collect();
            resolver.refuse(key, |place| {
                let found = format!("{key}: found beside allocator.kind = {:?}", kind.spelling());
                Error::at(place, found).expected(format!("allocator.kind = {}", kinds.join(" or ")))
            });
        }
    }
    if kind == AllocatorRule::Exact {
        return;
    }
    if section.max_split_size.is_some_and(|size| size.get() <= MAX_SPLIT_MIN) {
        resolver.refuse("allocator.max_split_size", |place| {
            let found = section.max_split_size.unwrap_or_default();
            Error::at(place, format!("allocator.max_split_size: found {found}"))
                .expected(format!("more than {}, a segment of large blocks", Bytes::new(MAX_SPLIT_MIN)))
        });
    }
    let beside = format!(" beside allocator.kind = {:?}", kind.spelling());
    for (key, other, why, expected) in contradictions(scenario, &beside) {
        resolver
            .refuse(key, |place| Error::at(place, format!("{key}: found{other}; {why}")).expected(expected));
    }
}

/// A key, what it was found beside, why that cannot be, and what was expected.
type Contradiction<'a> = (&'static str, &'a str, &'static str, &'static str);

/// What was written though it cannot be meant where an allocator is simulated.
fn contradictions<'a>(scenario: &Scenario, beside: &'a str) -> Vec<Contradiction<'a>> {
    let section = &scenario.allocator;
    let serves = scenario.requests.arrivals.is_some();
    let yields = scenario.cache.yields_to_kv == Some(true);
    let stages = scenario.parallel.pp.map_or(1, NonZeroU32::get);
    let grows = section.expandable_segments == Some(true);
    let exact = "allocator.kind = \"exact\"";
    let all = [
        (
            scenario.cache.hit_rate.is_some(),
            ("cache.hit_rate", beside, "which experts are in memory is not known", exact),
        ),
        (
            scenario.hardware.overcommit == Some(Overcommit::Spill),
            ("hardware.overcommit", beside, "memory that spills never runs out", exact),
        ),
        (
            grows && section.max_split_size.is_some(),
            (
                "allocator.max_split_size",
                " beside allocator.expandable_segments",
                "a segment that grows is cut anywhere",
                "one of them",
            ),
        ),
        (
            stages > 1 && section.compact_every.is_some_and(|every| every > 0),
            (
                "allocator.compact_every",
                " beside parallel.pp",
                "the stages of a pipeline would stop at different times",
                "parallel.pp = 1",
            ),
        ),
        (
            yields && section.kv == Some(KvGrowth::Whole),
            (
                "allocator.kv",
                " beside cache.yields_to_kv",
                "an expert cache gives way to a KV cache that grows",
                "\"blocks\" or \"tokens\"",
            ),
        ),
        (
            serves && section.kv == Some(KvGrowth::Tokens),
            (
                "allocator.kv",
                " beside requests.arrivals",
                "the KV cache of requests is paged",
                "\"whole\" or \"blocks\"",
            ),
        ),
        (
            serves && section.kv_block_tokens.is_some(),
            (
                "allocator.kv_block_tokens",
                " beside requests.arrivals",
                "blocks of requests are those of kv.block_tokens",
                "no such key where requests are served",
            ),
        ),
    ];
    all.into_iter().filter(|(is_found, _)| *is_found).map(|(_, found)| found).collect()
}

/// Every key but the kind: whether it was written, and the kinds that have it.
fn keys(section: &AllocatorSection) -> [(&'static str, bool, &'static [AllocatorRule]); 6] {
    const CACHING: &[AllocatorRule] = &[AllocatorRule::Caching];
    const BOTH: &[AllocatorRule] = &[AllocatorRule::Slots, AllocatorRule::Caching];
    let compacts = section.compact_every.is_some_and(|every| every > 0);
    [
        ("allocator.max_split_size", section.max_split_size.is_some(), CACHING),
        ("allocator.expandable_segments", section.expandable_segments.is_some(), CACHING),
        ("allocator.compact_every", compacts, CACHING),
        ("allocator.compact_sync", section.compact_sync.is_some(), CACHING),
        ("allocator.kv", section.kv.is_some(), BOTH),
        ("allocator.kv_block_tokens", section.kv_block_tokens.is_some(), BOTH),
    ]
}

/// The allocator of a point; `None` where it is exact.
pub(super) fn resolve(resolver: &mut Resolver<'_>, parts: &Parts<'_>) -> Option<AllocatorPlan> {
    let rule = kind(resolver);
    match resolver.scenario().allocator.kind {
        Some(_) => resolver.given("allocator.kind", rule.spelling()),
        // What a point does not ask for is not shown of it.
        None => return None,
    }
    if rule == AllocatorRule::Exact {
        return None;
    }
    if parts.machine.gpu.unified {
        let gpu = &parts.machine.gpu.id;
        resolver.refuse("allocator.kind", |place| {
            let found =
                format!("allocator.kind: found {:?} on {gpu}, whose memory is one pool", rule.spelling());
            Error::at(place, found).expected("\"exact\"")
        });
    }
    if parts.workload.grouping == Grouping::Access {
        resolver.refuse("cache.replay", |place| {
            let found = format!("cache.replay: found beside allocator.kind = {:?}", rule.spelling());
            Error::at(place, found).expected("\"layer\", which is how engines fetch")
        });
    }
    let kv = kv_pieces(resolver, parts);
    let kind = match rule {
        AllocatorRule::Slots => AllocatorKind::Slots(slots(parts, &kv)),
        _ => AllocatorKind::Caching(options(resolver)),
    };
    let ledger = &parts.booked.ledger;
    let lines = ledger.lines();
    let of = |owner: &str| {
        let line = lines.iter().find(|line| line.tier == Tier::Vram.name() && line.owner == owner);
        Bytes::new(line.map_or(0, |line| line.bytes))
    };
    let outside = of("framework") + of("reserve");
    Some(AllocatorPlan {
        kind,
        capacity: ledger.capacity(Tier::Vram).saturating_sub(outside),
        fixed: fixed(parts, matches!(kv, KvPieces::Whole)),
        compaction: if rule == AllocatorRule::Caching { compaction(resolver, parts.machine) } else { None },
        kv,
        workspace: workspace_parts(&parts.model.spec, 1),
    })
}

fn options(resolver: &mut Resolver<'_>) -> CachingOptions {
    let section = &resolver.scenario().allocator;
    let expandable = resolver.or_default(
        "allocator.expandable_segments",
        section.expandable_segments,
        false,
        "default: PyTorch's",
    );
    let max_split = section.max_split_size.map(|size| {
        resolver.given("allocator.max_split_size", size);
        size.get()
    });
    CachingOptions { max_split, expandable }
}

fn compaction(resolver: &mut Resolver<'_>, machine: &MachinePlan) -> Option<CompactionPlan> {
    let section = &resolver.scenario().allocator;
    let every = resolver.or_default("allocator.compact_every", section.compact_every, 0, "default: none");
    if every == 0 {
        if section.compact_sync.is_some() {
            resolver.refuse("allocator.compact_sync", |place| {
                Error::at(place, "allocator.compact_sync: found without compaction")
                    .expected("allocator.compact_every, like 100")
            });
        }
        return None;
    }
    let why = "default: assumed";
    let sync = resolver.or_default("allocator.compact_sync", section.compact_sync, SYNC_DEFAULT, why);
    Some(CompactionPlan { every, sync, memory: machine.rates.memory })
}

fn kv_pieces(resolver: &mut Resolver<'_>, parts: &Parts<'_>) -> KvPieces {
    let section = &resolver.scenario().allocator;
    let yields = resolver.scenario().cache.yields_to_kv == Some(true);
    let growth = match (section.kv, yields) {
        (Some(growth), _) => {
            resolver.given("allocator.kv", growth.spelling());
            growth
        }
        (None, true) => {
            resolver.note("allocator.kv", "blocks", "default where the expert cache yields to it");
            KvGrowth::Blocks
        }
        (None, false) => {
            resolver.note("allocator.kv", "whole", "default: engines take it at the start");
            KvGrowth::Whole
        }
    };
    let layers = || parts.model.spec.layers[parts.placement.cpu_layers..].to_vec();
    let dtype = parts.model.kv;
    match (growth, parts.serving) {
        (KvGrowth::Whole, _) => KvPieces::Whole,
        (_, Some(serving)) => KvPieces::Paged(serving.kv.shape.bytes(serving.kv.shape.block_tokens())),
        (KvGrowth::Blocks, None) => {
            let written = section.kv_block_tokens.map(NonZeroU32::get);
            let why = "default: llama.cpp's padding";
            let tokens = resolver.or_default("allocator.kv_block_tokens", written, KV_BLOCK_DEFAULT, why);
            KvPieces::Blocks { layers: layers(), dtype, tokens: u64::from(tokens) }
        }
        (KvGrowth::Tokens, None) => KvPieces::Tokens { layers: layers(), dtype },
    }
}

/// The largest request of each class.
fn slots(parts: &Parts<'_>, kv: &KvPieces) -> [u64; CLASSES] {
    let mut sizes = [0; CLASSES];
    let Parts { model, workload, .. } = parts;
    sizes[Class::Expert as usize] = model.experts.iter().map(|size| size.get()).max().unwrap_or(0);
    let [hidden, inner, logits] = workspace_parts(&model.spec, workload.pass_rows);
    sizes[Class::Hidden as usize] = hidden.get();
    sizes[Class::Inner as usize] = inner.get();
    sizes[Class::Logits as usize] = logits.get();
    sizes[Class::Kv as usize] = match kv {
        KvPieces::Whole | KvPieces::Paged(_) | KvPieces::Blocks { .. } => kv.block_bytes(0).get(),
        KvPieces::Tokens { layers, dtype } => {
            let of_layer = |layer: &LayerSpec| layer.kv_bytes(workload.context, *dtype).get();
            layers.iter().map(of_layer).max().unwrap_or(0).saturating_mul(workload.batch)
        }
    };
    sizes
}

/// What is there from the start: a tensor of each layer for weights that layers have, and everything else as a whole.
fn fixed(parts: &Parts<'_>, kv_too: bool) -> Vec<(String, Bytes)> {
    let Parts { model, placement, cache, serving, .. } = parts;
    let stages = serving.map_or(1, |serving| u64::from(serving.layout.pp));
    let layers = (model.layers.len() - placement.cpu_layers) as u64;
    let is_static = serving.is_some_and(|serving| serving.is_resident) || cache.is_none();
    let mut all = Vec::new();
    for line in parts.booked.ledger.lines().into_iter().filter(|line| line.tier == Tier::Vram.name()) {
        let pieces = match line.owner.as_str() {
            "framework" | "reserve" | "workspace" => continue,
            "kv cache" if !kv_too => continue,
            "routed experts" | "expert cache" if !is_static => continue,
            "attention" | "norms" | "router" | "shared experts" | "dense ffn" => layers.div_ceil(stages),
            "routed experts" | "expert cache" | "low-bit copies" => model.experts.len() as u64,
            _ => 1,
        };
        let pieces = pieces.max(1);
        // The first takes what does not divide.
        let each = line.bytes / pieces;
        let first = line.bytes - each * (pieces - 1);
        let sizes =
            std::iter::once(first).chain(std::iter::repeat_n(each, usize::try_from(pieces - 1).unwrap_or(0)));
        all.extend(sizes.filter(|size| *size > 0).map(|size| (line.owner.clone(), Bytes::new(size))));
    }
    all
}
