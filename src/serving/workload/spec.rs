//! What a workload is asked to look like.
//!
//! Nothing is drawn here and no file is read: a log arrives already read. What cannot be is in `check`.

use std::sync::Arc;

use super::RequestLog;

/// How requests come, how long they are, what they are about, and how many there are.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadSpec {
    /// When requests come.
    pub arrivals: Arrivals,
    /// Tokens of prompts and answers.
    pub lengths: Lengths,
    /// How many requests.
    pub extent: Extent,
    /// What requests are about; empty for the log's own domains where its rows are taken in order, else for one domain.
    pub domains: Vec<DomainShare>,
    /// How urgent they are; empty for the log's own priorities where its rows are taken in order, else for 0 everywhere.
    pub priorities: Vec<PriorityShare>,
    /// The log for [`Arrivals::Log`], [`Lengths::Log`] and [`Extent::Log`].
    pub log: Option<Arc<RequestLog>>,
    /// Seed of everything random here.
    pub seed: u64,
}

/// When requests come. The first of an open loop comes at 0 ns.
///
/// Gaps of one seed are drawn with mean 1 and then divided by the rate: workloads that differ only in rate hold the same
/// requests in the same order, nearer to each other or farther apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Independent users: exponential gaps.
    Poisson {
        /// Mean requests per second.
        rate_per_s: f64,
    },
    /// Bursts: gamma-distributed gaps.
    Gamma {
        /// Mean requests per second.
        rate_per_s: f64,
        /// Standard deviation of the gaps over their mean. 1 is Poisson, to the byte; larger is burstier. vLLM's
        /// `--burstiness` is `1 / cv^2`.
        cv: f64,
    },
    /// Equal gaps.
    Uniform {
        /// Requests per second.
        rate_per_s: f64,
    },
    /// Users who wait for their answers before they ask again.
    Closed {
        /// How many.
        users: u32,
        /// How long they think before each request, the first one included.
        think: Think,
    },
    /// The times of the log, in its order.
    Log {
        /// Factor on the log's rate: 2 halves its gaps.
        scale: f64,
    },
}

/// How long a user thinks before a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Think {
    /// The same time every time.
    Fixed {
        /// Nanoseconds; may be zero.
        ns: u64,
    },
    /// Exponentially distributed.
    Exponential {
        /// Mean in nanoseconds; may be zero.
        mean_ns: u64,
    },
}

/// Tokens of prompts and answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Lengths {
    /// The pairs of the log in its order, with its hashes of prompt blocks.
    Log,
    /// Pairs `(prompt, answer)` drawn with replacement, so that the two stay correlated; [`RequestLog::pairs`] gives
    /// those of a log. They come without hashes: prompts share nothing.
    Empirical {
        /// What to draw from.
        pairs: Arc<[(u32, u32)]>,
    },
    /// Prompt and answer each by themselves, independent of each other.
    Each {
        /// Of the prompt.
        prompt: Length,
        /// Of the answer.
        output: Length,
    },
}

/// A length in tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// Always the same.
    Fixed {
        /// At least 1.
        tokens: u32,
    },
    /// Log-normal, rounded to whole tokens and cut to `1 ..= max`.
    Lognormal {
        /// Mean before cutting.
        mean: f64,
        /// Standard deviation over the mean, before cutting.
        cv: f64,
        /// Longest.
        max: u32,
    },
}

/// How many requests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// So many.
    Requests {
        /// At least 1.
        count: u32,
    },
    /// As many as the log has.
    Log,
    /// Those that come earlier than this after the first; at most as many as the log has, where its rows are taken in
    /// order. A closed loop has no times of its own, so that it needs a count.
    Duration {
        /// Nanoseconds.
        ns: u64,
    },
}

/// A domain and its share of the requests. Shares need not have the sum 1. They go from `begin` at the first request to
/// `end` at the last, linearly in the order of the requests; equal ones do not drift.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainShare {
    /// Its name.
    pub name: String,
    /// Weight at the first request.
    pub begin: f64,
    /// Weight at the last.
    pub end: f64,
}

/// A priority and its share of the requests. Shares need not have the sum 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriorityShare {
    /// 0 is most urgent.
    pub priority: u8,
    /// Weight.
    pub share: f64,
}

impl WorkloadSpec {
    /// The log, where its rows are taken in order: request `i` is row `i`.
    pub(super) fn rows(&self) -> Option<&RequestLog> {
        let in_order = matches!(self.arrivals, Arrivals::Log { .. }) || matches!(self.lengths, Lengths::Log);
        self.log.as_deref().filter(|_| in_order)
    }

    /// Requests per second asked for: the rate of an open loop, the log's mean rate times its scale; `None` for a closed
    /// loop and for a log whose requests all come at once.
    pub fn rate_per_s(&self) -> Option<f64> {
        match self.arrivals {
            Arrivals::Poisson { rate_per_s }
            | Arrivals::Gamma { rate_per_s, .. }
            | Arrivals::Uniform { rate_per_s } => Some(rate_per_s),
            Arrivals::Closed { .. } => None,
            Arrivals::Log { scale } => Some(self.log.as_ref()?.rate_per_s()? * scale),
        }
    }

    /// How requests come, in words: `poisson, 4 requests/s`, `closed loop, 32 users`.
    pub fn load(&self) -> String {
        match self.arrivals {
            Arrivals::Poisson { rate_per_s } => format!("poisson, {rate_per_s} requests/s"),
            Arrivals::Gamma { rate_per_s, cv } => format!("gamma of cv {cv}, {rate_per_s} requests/s"),
            Arrivals::Uniform { rate_per_s } => format!("uniform, {rate_per_s} requests/s"),
            Arrivals::Closed { users: 1, .. } => "closed loop, 1 user".to_owned(),
            Arrivals::Closed { users, .. } => format!("closed loop, {users} users"),
            Arrivals::Log { scale } => {
                let name = self.log.as_ref().map_or("log", |log| log.name.as_str());
                let rate = self.rate_per_s().map_or(String::new(), |rate| format!(", {rate:.3} requests/s"));
                if scale == 1.0 { format!("{name}{rate}") } else { format!("{name} at {scale} times{rate}") }
            }
        }
    }
}
