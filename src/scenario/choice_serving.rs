//! Settings of serving with a closed list of spellings.

use super::choice::{choice, unknown};
use super::given::FromGiven;
use crate::error::Result;

choice! {
    /// How requests come.
    ArrivalProcess {
        /// Gaps are exponential.
        Poisson = "poisson",
        /// Gaps are gamma distributed.
        Gamma = "gamma",
        /// Gaps are equal.
        Uniform = "uniform",
        /// As they came once.
        Log = "log",
        /// From users who wait for their answers.
        Closed = "closed",
    }
}

choice! {
    /// How think times differ.
    ThinkTime {
        /// Not at all.
        Fixed = "fixed",
        /// Exponentially.
        Exponential = "exponential",
    }
}

choice! {
    /// Where lengths come from.
    LengthSource {
        /// From the log, request by request.
        Log = "log",
        /// All are alike.
        Fixed = "fixed",
        /// Drawn.
        Lognormal = "lognormal",
        /// Pairs of the log, drawn.
        Empirical = "empirical",
    }
}

choice! {
    /// How requests are routed to experts.
    RequestRouting {
        /// Row by row.
        Trace = "trace",
        /// By each expert's share.
        Counts = "counts",
    }
}

choice! {
    /// Who is admitted first.
    SchedulerPolicy {
        /// Who came first.
        Fcfs = "fcfs",
        /// Whose prompt has the fewest tokens left.
        ShortestPrefillFirst = "shortest-prefill-first",
        /// Who is most urgent.
        Priority = "priority",
    }
}

choice! {
    /// When a batch takes in requests.
    Batching {
        /// As others leave.
        Continuous = "continuous",
        /// When all have ended.
        Static = "static",
    }
}

choice! {
    /// What the budget of a pass goes to first.
    BatchOrder {
        /// Answers.
        DecodeFirst = "decode-first",
        /// Prompts.
        PrefillFirst = "prefill-first",
    }
}

choice! {
    /// What becomes of a request that must make room.
    PreemptionRule {
        /// Its keys and values are computed again.
        Recompute = "recompute",
        /// They are moved to host memory and back.
        Swap = "swap",
    }
}

choice! {
    /// Where the router of requests sends them.
    ReplicaRouting {
        /// To each replica in turn.
        RoundRobin = "round-robin",
        /// To the one with the fewest requests.
        LeastLoaded = "least-loaded",
    }
}

choice! {
    /// Which rank has which experts.
    PlacementRule {
        /// Neighbours together.
        Contiguous = "contiguous",
        /// In turn.
        RoundRobin = "round-robin",
        /// Greedily by a profile.
        LoadBalanced = "load-balanced",
    }
}

choice! {
    /// How ranks exchange tokens of experts.
    ExchangeKind {
        /// Each token goes to the ranks of its experts and back.
        AllToAll = "all-to-all",
        /// Every rank has every token, and their results are summed.
        AllReduce = "all-reduce",
    }
}
