//! The keys of a scenario: one table that makes the typed sections, their documentation and the list of known keys.
//!
//! Every field is optional, since a scenario may leave out what the plan has a default for; but each section refuses
//! keys it does not know.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;

use crate::units::{Bandwidth, Bytes, SimDuration};

use super::Percent;
use super::choice::{
    AdmissionRule, Between, CacheScope, CacheStart, Copies, ExpertHome, MissAction, NvmePath, Overcommit,
    Overlap, ReplayMode, Router, Tiers,
};
use super::money::Dollars;
use super::schema_cost::CostSection;
use super::schema_serving::{
    KvSection, ParallelSection, RequestsSection, RouterSection, SchedulerSection, SloSection,
};
use super::section::section;
use super::values::{CacheCapacity, HitRate, PinnedExpert, Reserve};

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
        /// `[prefetch]`
        prefetch: PrefetchSection,
        /// `[workload]`
        workload: WorkloadSection,
        /// `[requests]`
        requests: RequestsSection,
        /// `[router]`
        router: RouterSection,
        /// `[scheduler]`
        scheduler: SchedulerSection,
        /// `[kv]`
        kv: KvSection,
        /// `[parallel]`
        parallel: ParallelSection,
        /// `[slo]`
        slo: SloSection,
        /// `[cost]`
        cost: CostSection,
        /// `[output]`
        output: OutputSection,
    }
}

section! {
    /// The model: by exactly one of name, config and gguf.
    ModelSection, MODEL_KEYS, "model." {
        /// Model of the catalogue.
        name: String = "\"qwen3-30b-a3b\"",
        /// Path of a Hugging Face config.json.
        config: PathBuf = "\"models/config.json\"",
        /// Path of a GGUF file, of which only the header is read.
        gguf: PathBuf = "\"models/model.gguf\"",
        /// Count as introductory texts do: two matrices an expert, keys and values for every head, no output head, whole
        /// bits.
        simplified: bool = "true",
        /// Merge the routed experts of each MoE layer into so many, those that tokens choose together first.
        merge_experts: NonZeroU32 = "4",
        /// One up projection for all routed experts of a layer; each keeps its own gate and down projection.
        shared_up_projection: bool = "true",
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
        /// Theoretical bandwidth of host memory, instead of the CPU's own.
        dram_bandwidth: Bandwidth = "\"83.2 GB/s\"",
        /// Threads that compute experts on the CPU, instead of one for each core.
        cpu_threads: NonZeroU32 = "16",
        /// Memory nodes that the CPU threads span.
        numa_nodes: NonZeroU32 = "1",
        /// Rent of one GPU for an hour; cost.rent, that of the machine, comes before it.
        hourly_price: Dollars = "\"2.50 USD\"",
        /// What happens when GPU memory is too small: error, or spill where the driver moves the rest to host memory.
        overcommit: Overcommit = "\"error\"",
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
        /// Time per sequence of a pass: its part of scheduling, sampling and answering.
        per_request_overhead: SimDuration = "\"50 us\"",
        /// Which copies run beside computation: none, within-layer or across-layers.
        overlap: Overlap = "\"none\"",
        /// Share of the GPU's bandwidth that weight reads reach.
        gpu_memory_efficiency: Percent = "\"80 %\"",
        /// Share of the GPU's dense peak that large matrix products reach.
        gpu_compute_efficiency: Percent = "\"50 %\"",
        /// Whether operations are replayed as one graph, which spares their launches.
        graphs: bool = "true",
        /// GPU operations launched per layer where no graph is replayed.
        launches_per_layer: NonZeroU32 = "20",
        /// Share of the host memory's bandwidth that experts on the CPU reach.
        cpu_memory_efficiency: Percent = "\"75 %\"",
        /// Expert weights that one CPU thread works through.
        cpu_thread_bandwidth: Bandwidth = "\"7 GB/s\"",
        /// Fixed time of a layer whose experts run on the CPU.
        cpu_layer_overhead: SimDuration = "\"100 us\"",
        /// Host memory that copies start from: pinned or pageable.
        copies: Copies = "\"pinned\"",
        /// Largest piece of a copy that a more urgent copy must wait for; without it, a whole expert.
        copy_chunk: Bytes = "\"1 MiB\"",
        /// Where reads from storage land: in host memory (dram) or in GPU memory (vram).
        nvme_path: NvmePath = "\"dram\"",
        /// Reads in flight at once.
        nvme_queue_depth: NonZeroU32 = "4",
        /// Tokens in a pass from which experts that live on the CPU are copied to the GPU and computed there.
        prefill_offload_tokens: NonZeroU64 = "32",
    }
}

section! {
    /// Where the weights lie.
    PlacementSection, PLACEMENT_KEYS, "placement." {
        /// Where the experts that are not in the cache live: dram, nvme or vram.
        experts: ExpertHome = "\"dram\"",
        /// What is done with an expert that is not in GPU memory: fetch, cpu, auto, degrade, skip or substitute.
        miss: MissAction = "\"fetch\"",
        /// Only experts below this share of their token's gate weight are degraded, skipped or substituted; all others
        /// are fetched.
        miss_below: Percent = "\"10 %\"",
        /// Storage type of the copies that are used in place of missing experts.
        low_bit: String = "\"q2_k\"",
        /// MoE layers, from the first, whose experts stay in host memory and are computed by the CPU.
        n_cpu_moe: u64 = "24",
        /// Layers, from the first, that run on the CPU as a whole.
        cpu_layers: u64 = "12",
        /// Experts of each layer, hottest first by cache.profile, that never leave GPU memory.
        hot_experts: NonZeroU32 = "16",
        /// Experts of each layer, next hottest by cache.profile, that never leave host memory.
        warm_experts: NonZeroU32 = "48",
        /// One buffer for one expert at a time in place of a cache: copy, compute, copy the next.
        single_buffer: bool = "true",
        /// Room in host memory for experts that live on NVMe: a size, a percentage of all routed experts, or "rest".
        dram_cache: CacheCapacity = "\"32 GiB\"",
        /// Policy of that room.
        dram_policy: String = "\"lru\"",
        /// What that room keeps of what GPU memory holds: inclusive or exclusive.
        tiers: Tiers = "\"inclusive\"",
        /// The operating system's page cache instead: LRU over what host memory is left, pageable, one read at a time.
        page_cache: bool = "true",
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
        /// Room of the cache as experts of all MoE layers together, instead of capacity.
        experts: NonZeroU32 = "512",
        /// One pool for all layers or a share for each: global or per-layer.
        scope: CacheScope = "\"global\"",
        /// Whether every layer's share has room for the experts of one token, even where that exceeds the capacity.
        layer_floor: bool = "false",
        /// Whether what misses comes to stay: always, second-hit or bypass-large-events.
        admission: AdmissionRule = "\"always\"",
        /// What the cache sees as one step: layer or access.
        replay: ReplayMode = "\"layer\"",
        /// What the cache holds at first: empty or filled.
        start: CacheStart = "\"empty\"",
        /// Path of the trace that a static policy counts its experts from.
        profile: PathBuf = "\"traces/profile.moetrace\"",
        /// Share of lookups that hit, assumed instead of replayed.
        hit_rate: HitRate = "\"80 %\"",
        /// Whether the cache gives way to the KV cache as the context grows, instead of leaving room for all of it.
        yields_to_kv: bool = "true",
        /// Experts that never leave the cache, as "layer:expert".
        pin: Vec<PinnedExpert> = "[\"0:5\", \"3:17\"]",
    }
}

section! {
    /// Loading experts before the router asks for them.
    PrefetchSection, PREFETCH_KEYS, "prefetch." {
        /// Who guesses: a predictor.
        predictor: String = "\"previous-token\"",
        /// Layers ahead that are guessed; zero for none.
        depth: u64 = "1",
        /// Experts guessed for each layer; without it, as many as the router chooses.
        experts: NonZeroU32 = "4",
        /// GPU memory that holds experts until they are asked for.
        budget: Bytes = "\"512 MiB\"",
        /// Share of the experts that gate-lookahead finds, one layer ahead, two layers ahead, and so on.
        recall: Vec<Percent> = "[\"90 %\", \"80 %\"]",
        /// Path of the trace that a predictor learns from before the first token.
        profile: PathBuf = "\"traces/profile.moetrace\"",
        /// Time on the GPU that one guess for one layer takes.
        cost: SimDuration = "\"10 us\"",
    }
}

section! {
    /// What is replayed.
    WorkloadSection, WORKLOAD_KEYS, "workload." {
        /// Path of the routing trace.
        trace: PathBuf = "\"traces/chat.moetrace\"",
        /// Routing without a trace: a synthetic router, uniform or typical.
        router: Router = "\"typical\"",
        /// Share of experts that a synthetic router keeps from token to token.
        repeat: Percent = "\"40 %\"",
        /// Length of the prompts of a synthetic router.
        prompt_tokens: u64 = "512",
        /// Tokens that the KV cache has room for.
        context: NonZeroU64 = "8192",
        /// Whether prompts are replayed too.
        prefill: bool = "true",
        /// Tokens of a prompt that go through the model in one pass.
        prefill_chunk: NonZeroU64 = "512",
        /// At most so many sequences of the trace.
        sequences: NonZeroU64 = "8",
        /// Sequences that are decoded together, each pass holding one token of each.
        batch: NonZeroU32 = "1",
        /// Tokens in the KV cache before the first token that is replayed, instead of the trace's prompt lengths.
        depth: u64 = "4096",
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
    pub(super) fn paths_mut(&mut self) -> [(&'static str, &mut Option<PathBuf>); 7] {
        [
            ("model.config", &mut self.model.config),
            ("model.gguf", &mut self.model.gguf),
            ("cache.profile", &mut self.cache.profile),
            ("prefetch.profile", &mut self.prefetch.profile),
            ("workload.trace", &mut self.workload.trace),
            ("requests.log", &mut self.requests.log),
            ("parallel.profile", &mut self.parallel.profile),
        ]
    }
}
