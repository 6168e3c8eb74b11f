//! The keys of a scenario: one table that makes the typed sections, their documentation and the list of known keys.
//!
//! Every field is optional, since a scenario may leave out what the plan has a default for; but each section refuses
//! keys it does not know.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use serde::Deserialize;

use crate::units::{Bandwidth, Bytes, SimDuration};

use super::choice::{Between, CacheScope, CacheStart, ExpertHome, Overlap, ReplayMode};
use super::given::given;
use super::keys::KeyDoc;
use super::values::{CacheCapacity, PinnedExpert, Reserve};

/// Makes a struct of optional fields and the rows of its keys: `key: Type = example value in TOML`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident, $rows:ident, $prefix:literal
        { $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $example:literal, )+ }
        $( sections { $( $(#[doc = $section_doc:literal])+ $section:ident: $section_type:ty, )+ } )?
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $( $(#[doc = $doc])+ #[serde(deserialize_with = "given")] pub $field: Option<$type>, )+
            $( $( $(#[doc = $section_doc])+ pub $section: $section_type, )+ )?
        }

        pub(super) const $rows: &[KeyDoc] = &[
            $( KeyDoc {
                key: concat!($prefix, stringify!($field)),
                example: $example,
                doc: concat!($($doc),+).trim_ascii_start(),
            }, )+
        ];
    };
}

section! {
    /// One point as the user wrote it, sweep axes replaced by one value each.
    Scenario, TOP_KEYS, "" {
        /// Name of the scenario, for reports.
        name: String = "\"rtx4090\"",
        /// What the scenario is about, for reports.
        description: String = "\"Qwen3-30B-A3B on one RTX 4090\"",
        /// Seed of every random stream.
        seed: u64 = "1",
    }
    sections {
        /// `[model]`
        model: ModelSection,
        /// `[quant]`
        quant: QuantSection,
        /// `[hardware]`
        hardware: HardwareSection,
        /// `[engine]`
        engine: EngineSection,
        /// `[placement]`
        placement: PlacementSection,
        /// `[cache]`
        cache: CacheSection,
        /// `[workload]`
        workload: WorkloadSection,
        /// `[output]`
        output: OutputSection,
    }
}

section! {
    /// The model: exactly one of its keys is given.
    ModelSection, MODEL_KEYS, "model." {
        /// Model of the catalogue.
        name: String = "\"qwen3-30b-a3b\"",
        /// Path of a Hugging Face config.json.
        config: PathBuf = "\"models/config.json\"",
        /// Path of a GGUF file, of which only the header is read.
        gguf: PathBuf = "\"models/model.gguf\"",
    }
}

section! {
    /// How weights and KV cache are stored.
    QuantSection, QUANT_KEYS, "quant." {
        /// Quantisation scheme of the catalogue.
        scheme: String = "\"q4_k_m\"",
        /// Storage type of the token embeddings, instead of the scheme's.
        embeddings: String = "\"q4_k\"",
        /// Storage type of the output head, instead of the scheme's.
        lm_head: String = "\"q6_k\"",
        /// Storage type of the attention weights, instead of the scheme's.
        attention: String = "\"q4_k\"",
        /// Storage type of the routers, instead of the scheme's.
        router: String = "\"f32\"",
        /// Storage type of the shared experts, instead of the scheme's.
        shared_experts: String = "\"q4_k\"",
        /// Storage type of the dense feed-forward layers, instead of the scheme's.
        dense_ffn: String = "\"q4_k\"",
        /// Storage type of the routed experts, instead of the scheme's.
        experts: String = "\"q4_k\"",
        /// Storage type of the KV cache, instead of the scheme's.
        kv: String = "\"f16\"",
    }
}

section! {
    /// The machine.
    HardwareSection, HARDWARE_KEYS, "hardware." {
        /// GPU of the catalogue.
        gpu: String = "\"rtx4090\"",
        /// CPU of the catalogue.
        cpu: String = "\"ryzen-9-7950x\"",
        /// Storage device of the catalogue.
        storage: String = "\"samsung-990-pro\"",
        /// Host memory.
        dram: Bytes = "\"64 GiB\"",
        /// GPU memory, instead of the GPU's own.
        vram: Bytes = "\"16 GiB\"",
        /// GPU memory kept free for a display and other programs; may be zero.
        vram_reserve: Reserve = "\"600 MiB\"",
        /// Bandwidth of the PCIe link in each direction, instead of the GPU's own.
        pcie: Bandwidth = "\"31.5 GB/s\"",
        /// Room on the storage device.
        nvme_capacity: Bytes = "\"1 TB\"",
    }
}

section! {
    /// The inference engine: a profile, and numbers that take the place of the profile's.
    EngineSection, ENGINE_KEYS, "engine." {
        /// Engine profile of the catalogue.
        profile: String = "\"llama.cpp\"",
        /// Achieved bandwidth of copies from host to GPU.
        h2d_bandwidth: Bandwidth = "\"25 GB/s\"",
        /// Fixed time of one copy from host to GPU.
        h2d_latency: SimDuration = "\"10 us\"",
        /// Achieved bandwidth of reads from storage.
        nvme_bandwidth: Bandwidth = "\"6 GB/s\"",
        /// Fixed time of one read from storage.
        nvme_latency: SimDuration = "\"80 us\"",
        /// Time to launch one GPU kernel.
        kernel_launch: SimDuration = "\"5 us\"",
        /// Fixed time per layer of a pass.
        per_layer_overhead: SimDuration = "\"20 us\"",
        /// Fixed time per decoded token.
        per_token_overhead: SimDuration = "\"4 ms\"",
        /// Which copies run beside computation: none or within-layer.
        overlap: Overlap = "\"none\"",
    }
}

section! {
    /// Where the weights lie.
    PlacementSection, PLACEMENT_KEYS, "placement." {
        /// Where the experts that are not in the cache live: dram, nvme or vram.
        experts: ExpertHome = "\"dram\"",
    }
}

section! {
    /// The cache of experts in GPU memory.
    CacheSection, CACHE_KEYS, "cache." {
        /// Cache policy.
        policy: String = "\"lru\"",
        /// Room of the cache: a size, a percentage of all routed experts, or "rest" for what GPU memory is left.
        capacity: CacheCapacity = "\"8 GiB\"",
        /// Room of the cache as experts per MoE layer, instead of capacity.
        slots_per_layer: NonZeroU32 = "16",
        /// One pool for all layers or a share for each: global or per-layer.
        scope: CacheScope = "\"global\"",
        /// What the cache sees as one step: layer or access.
        replay: ReplayMode = "\"layer\"",
        /// What the cache holds at first: empty or filled.
        start: CacheStart = "\"empty\"",
        /// Path of the trace that a static policy counts its experts from.
        profile: PathBuf = "\"traces/profile.moetrace\"",
        /// Experts that never leave the cache, as "layer:expert".
        pin: Vec<PinnedExpert> = "[\"0:5\", \"3:17\"]",
    }
}

section! {
    /// What is replayed.
    WorkloadSection, WORKLOAD_KEYS, "workload." {
        /// Path of the routing trace.
        trace: PathBuf = "\"traces/chat.moetrace\"",
        /// Tokens that the KV cache has room for.
        context: NonZeroU64 = "8192",
        /// Whether prompts are replayed too.
        prefill: bool = "true",
        /// Tokens of a prompt that go through the model in one pass.
        prefill_chunk: NonZeroU64 = "512",
        /// At most so many sequences of the trace.
        sequences: NonZeroU64 = "8",
        /// At most so many decoded tokens of each sequence.
        decode_tokens: NonZeroU64 = "256",
        /// What happens to the cache between sequences: keep or clear.
        between: Between = "\"keep\"",
    }
}

section! {
    /// What is written.
    OutputSection, OUTPUT_KEYS, "output." {
        /// Folder of the results, from the current folder.
        folder: PathBuf = "\"output/rtx4090\"",
        /// Title of the report.
        title: String = "\"Latency against VRAM\"",
    }
}

impl Scenario {
    /// The paths that are relative to the scenario's folder when the file gives them.
    pub(super) fn paths_mut(&mut self) -> [(&'static str, &mut Option<PathBuf>); 4] {
        [
            ("model.config", &mut self.model.config),
            ("model.gguf", &mut self.model.gguf),
            ("cache.profile", &mut self.cache.profile),
            ("workload.trace", &mut self.workload.trace),
        ]
    }
}
