//! What it costs ranks to exchange bytes: all-reduce, all-gather, reduce-scatter, all-to-all and a plain send.
//!
//! Each kind of exchange is `latency + steps x step + bytes on the busiest link / bandwidth`, a latency and a bandwidth
//! for each kind, since engines use different kernels for them. Ranks of a group are neighbours, and `node_gpus` of them
//! share a machine.
//!
//! - All-reduce of `n` ranks is a ring: `2 (n - 1)` steps and `2 (n - 1) / n` of the bytes over each link; all-gather and
//!   reduce-scatter are half of it (Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations
//!   in MPICH", 2005; `ncclTopoTuneModel` and `nccl-tests`' `PERFORMANCE.md` count the same). Over `m` machines with `k`
//!   ranks each it is hierarchical: within the machine over the fast links, and between machines one ring for each of the
//!   `k` ranks with its `k`-th part over its own network card (Cho et al., "BlueConnect", 2019).
//! - All-to-all: `latency + step x (n - 1) + near / near bandwidth + far / far bandwidth`, where of a rank's bytes the
//!   share `k / n` stays near; the formula that `validate` compares with measurements of `DeepEP`.
//!
//! Contention between exchanges and with copies from the host is left out, and so is the overlap of an exchange with
//! computing: whoever asks decides when it begins.

use crate::units::{Bandwidth, Bytes, SimDuration};

const NS_PER_S: u128 = 1_000_000_000;

/// What one kind of exchange costs on one kind of link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Once for each exchange.
    pub latency: SimDuration,
    /// For each step of a ring, or for each other rank of an all-to-all.
    pub step: SimDuration,
    /// What a rank reaches in one direction.
    pub bandwidth: Bandwidth,
}

/// One kind of link: between GPUs of a machine, or between machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// All-reduce.
    pub all_reduce: Exchange,
    /// All-gather and reduce-scatter.
    pub gather: Exchange,
    /// All-to-all.
    pub all_to_all: Exchange,
    /// One rank to another.
    pub send: Exchange,
}

/// The links between the GPUs of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interconnect {
    /// GPUs of a machine.
    pub node_gpus: u32,
    /// Between GPUs of one machine.
    pub near: Link,
    /// Between machines: the network card of each GPU.
    pub far: Link,
}

/// How the ranks of a group lie: `near` in one machine, in `nodes` machines.
#[derive(Clone, Copy)]
struct Spread {
    near: u64,
    nodes: u64,
}

/// `bytes x parts / (whole x bandwidth)` in nanoseconds, rounded up; saturates.
fn time(bytes: Bytes, parts: u64, whole: u64, bandwidth: Bandwidth) -> u64 {
    let amount = u128::from(bytes.get()).saturating_mul(u128::from(parts)).saturating_mul(NS_PER_S);
    let ns = amount.div_ceil(u128::from(whole.max(1)) * u128::from(bandwidth.bytes_per_s()));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

fn sum(spans: &[u64]) -> SimDuration {
    SimDuration::from_ns(spans.iter().copied().fold(0, u64::saturating_add))
}

fn steps(exchange: &Exchange, count: u64) -> u64 {
    exchange.step.as_ns().saturating_mul(count)
}

impl Interconnect {
    fn spread(&self, ranks: u32) -> Spread {
        let near = ranks.min(self.node_gpus.max(1));
        Spread { near: u64::from(near), nodes: u64::from(ranks.div_ceil(near.max(1))) }
    }

    /// Fixed time of an exchange: the larger of both kinds of links where both are used.
    fn latency(near: &Exchange, far: &Exchange, spread: Spread) -> u64 {
        let latency = near.latency.as_ns();
        if spread.nodes > 1 { latency.max(far.latency.as_ns()) } else { latency }
    }

    /// `rounds` times around the rings: once for a gather or a scatter, twice for an all-reduce.
    fn ring(&self, kind: impl Fn(&Link) -> Exchange, rounds: u64, ranks: u32, bytes: Bytes) -> SimDuration {
        if ranks <= 1 || bytes == Bytes::ZERO {
            return SimDuration::ZERO;
        }
        let (near, far) = (kind(&self.near), kind(&self.far));
        let spread = self.spread(ranks);
        let (within, between) = (rounds * (spread.near - 1), rounds * (spread.nodes - 1));
        sum(&[
            Self::latency(&near, &far, spread),
            steps(&near, within),
            steps(&far, between),
            time(bytes, within, spread.near, near.bandwidth),
            time(bytes, between, spread.nodes * spread.near, far.bandwidth),
        ])
    }

    /// All-reduce of `bytes` that every one of `ranks` ranks has; nothing for one rank or no bytes.
    pub fn all_reduce(&self, ranks: u32, bytes: Bytes) -> SimDuration {
        self.ring(|link| link.all_reduce, 2, ranks, bytes)
    }

    /// All-gather after which each of `ranks` ranks has all of `bytes`; nothing for one rank or no bytes.
    pub fn all_gather(&self, ranks: u32, bytes: Bytes) -> SimDuration {
        self.ring(|link| link.gather, 1, ranks, bytes)
    }

    /// Reduce-scatter of `bytes` that every one of `ranks` ranks has; each keeps its part. Nothing for one rank or no
    /// bytes.
    pub fn reduce_scatter(&self, ranks: u32, bytes: Bytes) -> SimDuration {
        self.ring(|link| link.gather, 1, ranks, bytes)
    }

    /// All-to-all of `ranks` ranks, the busiest of which sends or receives `bytes`, its own part included; nothing for
    /// one rank. No bytes still take the fixed time: ranks cannot know that nothing comes.
    pub fn all_to_all(&self, ranks: u32, bytes: Bytes) -> SimDuration {
        if ranks <= 1 {
            return SimDuration::ZERO;
        }
        let (near, far) = (self.near.all_to_all, self.far.all_to_all);
        let spread = self.spread(ranks);
        let others = u64::from(ranks - 1);
        sum(&[
            Self::latency(&near, &far, spread),
            if spread.nodes > 1 { steps(&far, others) } else { steps(&near, others) },
            time(bytes, spread.near, u64::from(ranks), near.bandwidth),
            time(bytes, u64::from(ranks) - spread.near, u64::from(ranks), far.bandwidth),
        ])
    }

    /// GPUs of the replica, counted from 0, that are in one machine.
    pub fn same_node(&self, from: u32, to: u32) -> bool {
        from / self.node_gpus.max(1) == to / self.node_gpus.max(1)
    }

    /// One GPU of the replica to another, as between pipeline stages; nothing to itself or without bytes.
    pub fn send(&self, from: u32, to: u32, bytes: Bytes) -> SimDuration {
        if from == to || bytes == Bytes::ZERO {
            return SimDuration::ZERO;
        }
        let link = if self.same_node(from, to) { &self.near } else { &self.far };
        sum(&[link.send.latency.as_ns(), steps(&link.send, 1), time(bytes, 1, 1, link.send.bandwidth)])
    }
}
