//! What every device did and when, within a window of simulated time: the data of a timeline.
//!
//! All times are nanoseconds since the run began, all sizes bytes. Layers are named by the model's own numbers.

/// Which part of a run is recorded, and how much of it at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First instant of interest.
    pub from_ns: u64,
    /// End of the window.
    pub until_ns: u64,
    /// Most slices and samples together.
    pub events_max: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self::WHOLE
    }
}

impl Window {
    /// The whole run, however long.
    pub const WHOLE: Self = Self { from_ns: 0, until_ns: u64::MAX, events_max: usize::MAX };
}

/// One row of the timeline. What stands in one row never overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Passes, one after the other.
    Passes,
    /// Work of the GPU stream.
    Gpu,
    /// What the idle GPU stream waited for.
    Waits,
    /// Copies from host to GPU.
    H2d,
    /// Copies from GPU to host.
    D2h,
    /// Reads from the drive.
    Nvme,
    /// Work of the CPU.
    Cpu,
    /// The memory bus of the host, as long as anything moves over it.
    Dram,
}

impl Lane {
    /// All lanes, in the order in which they are shown.
    pub const ALL: [Self; 8] =
        [Self::Passes, Self::Gpu, Self::Waits, Self::H2d, Self::D2h, Self::Nvme, Self::Cpu, Self::Dram];
}

/// Why an expert is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was asked for and not there.
    Miss,
    /// It may be asked for.
    Prefetch,
    /// It was prefetched, and asked for before it was there.
    LatePrefetch,
}

/// What the GPU stream waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A copy to the GPU.
    H2d,
    /// A read from the drive.
    Nvme,
    /// The CPU.
    Cpu,
}

/// What happened in a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// A pass over `tokens` tokens.
    Pass {
        /// Of a prompt; else it decodes.
        prefill: bool,
        /// Tokens of all its sequences.
        tokens: u64,
    },
    /// Attention, router and whatever else comes before the experts of a layer.
    Stretch {
        /// The layer.
        layer: u32,
    },
    /// What follows the last MoE layer: the output projection.
    Head,
    /// Experts of a layer.
    Experts {
        /// The layer.
        layer: u32,
        /// How many in this launch.
        count: u64,
        /// They were in GPU memory when the router chose them.
        resident: bool,
        /// Which one, where it is one that has just arrived.
        expert: Option<u32>,
    },
    /// An expert on its way: a copy or a read.
    Expert {
        /// The layer.
        layer: u32,
        /// Its number in the layer.
        expert: u32,
        /// Why.
        cause: Cause,
    },
    /// An expert that GPU memory has evicted on its way back to host memory.
    Evicted {
        /// The model's own number of the layer whose event evicted it.
        layer: u32,
    },
    /// Activations on their way to the CPU or back.
    Activations {
        /// The layer.
        layer: u32,
    },
    /// Blocks of GPU memory are moved together.
    Compaction,
    /// The GPU stream stood idle.
    Wait(Awaited),
    /// Something moved over the memory bus of the host: by lane, in the order of [`Lane::ALL`].
    Bus([bool; 8]),
}

/// A stretch of time in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its row.
    pub lane: Lane,
    /// Begin.
    pub start_ns: u64,
    /// End, after the begin.
    pub end_ns: u64,
    /// What happened.
    pub activity: Activity,
    /// Position of the pass in the run, from 0.
    pub pass: u64,
    /// Sequence of the pass, by its position in the trace.
    pub sequence: u32,
    /// Tokens in the KV cache before the pass: the position of a decoded token in its sequence.
    pub context: u64,
    /// Bytes moved or read.
    pub bytes: u64,
    /// Part of the time that is the engine's own; only for the GPU stream.
    pub overhead_ns: u64,
}

/// A quantity that is followed over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Bytes in the expert cache.
    CacheBytes,
    /// Bytes that the prefetch buffer holds or awaits.
    PrefetchBytes,
    /// Copies to the GPU that run or wait.
    H2dQueue,
}

impl Level {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::CacheBytes, Self::PrefetchBytes, Self::H2dQueue];
}

/// A level from this instant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Of what.
    pub level: Level,
    /// From when.
    pub at_ns: u64,
    /// How much.
    pub value: u64,
}

/// What was recorded of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// What was asked for.
    pub window: Window,
    /// Length of the run.
    pub span_ns: u64,
    /// Rows of the devices that the configuration has, whether or not anything stands in them.
    pub lanes: Vec<Lane>,
    /// Slices that touch the window, whole, by row and then by begin.
    pub slices: Vec<Slice>,
    /// Levels within the window, by level and then by time.
    pub samples: Vec<Sample>,
    /// Where the limit on events cut the recording: what begins before this is complete, of the rest something is
    /// missing.
    pub cut_ns: Option<u64>,
}
