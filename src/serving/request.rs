//! Requests: what the system knows of one, and what only the simulation knows.
//!
//! A scheduler is told a [`RequestView`]. How many tokens the answer will have is in [`Request`], which no scheduler is
//! given: it hears that a request has ended when it ends.

use crate::units::SimTime;

/// Number of a request: its place in the order of the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

impl RequestId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the serving system knows of a request when it arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// Its number.
    pub id: RequestId,
    /// When it came.
    pub arrival: SimTime,
    /// Tokens of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// 0 is most urgent.
    pub priority: u8,
}

/// A request of the workload, with what only the simulation knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it comes; in a closed loop zero, since its user decides.
    pub arrival: SimTime,
    /// Tokens of the prompt, at least 1.
    pub prompt_tokens: u32,
    /// Tokens of the answer, at least 1. The system does not know it.
    pub output_tokens: u32,
    /// 0 is most urgent.
    pub priority: u8,
    /// What it is about: position in the workload's domains.
    pub domain: u16,
    /// Its blocks' hashes: `begin..end` in [`RequestSet::hashes`]; empty where prompts share nothing.
    pub hashes: (u32, u32),
}

/// A workload: requests in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSet {
    /// The requests. Times of arrival do not descend.
    pub requests: Vec<Request>,
    /// Hashes of prompt blocks, of all requests one after another. Two prompts share their first `n` blocks where their
    /// first `n` hashes are equal.
    pub hashes: Vec<u64>,
    /// Tokens that one hash stands for; zero without hashes.
    pub hash_tokens: u32,
    /// Names of the domains; empty where there is only one.
    pub domains: Vec<String>,
    /// Where users wait for their answers before they ask again.
    pub closed: Option<ClosedLoop>,
    /// What was interpreted, one line each.
    pub notes: Vec<String>,
}

/// Users that each have at most one request at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedLoop {
    /// How many.
    pub users: u32,
    /// How long each request's user thinks before asking it, in nanoseconds, by request.
    pub think_ns: Vec<u64>,
}

impl RequestSet {
    /// What the system is told of a request that comes at `arrival`.
    pub fn view(&self, id: RequestId, arrival: SimTime) -> RequestView {
        let request = &self.requests[id.index()];
        RequestView { id, arrival, prompt_tokens: request.prompt_tokens, priority: request.priority }
    }

    /// The hashes of a request's prompt blocks.
    pub fn hashes_of(&self, id: RequestId) -> &[u64] {
        let (begin, end) = self.requests[id.index()].hashes;
        &self.hashes[begin as usize..end as usize]
    }
}
