//! What a workload cannot be, all of it at once.

use super::{Arrivals, DomainShare, Extent, Length, Lengths, PriorityShare, Think, WorkloadSpec};
use crate::error::{Error, Result};

/// Highest rate accepted: one request a nanosecond; above it times coincide.
const MAX_RATE: f64 = 1e9;
/// Least and largest spread of gaps accepted: below it they are equal, above it nearly all are zero.
const CV_OF_GAPS: (f64, f64) = (0.01, 20.0);
/// Widest spread of lengths accepted; real ones have 0.5 to 3.
const MAX_CV_OF_LENGTHS: f64 = 20.0;
/// Largest factor on a log's rate.
const MAX_SCALE: f64 = 1e6;
/// Most requests: more would be a slip of the pen.
pub(super) const MAX_REQUESTS: u32 = 10_000_000;
/// Longest time a user thinks: ten days.
const MAX_THINK_NS: u64 = 864_000_000_000_000;
/// Latest arrival, a hundred years, so that a simulation can go on from there.
pub(super) const LAST_NS: u64 = 3_155_760_000_000_000_000;

impl WorkloadSpec {
    /// # Errors
    /// Everything that cannot be, all at once.
    pub fn check(&self) -> Result<()> {
        let mut wants = Wants(Vec::new());
        wants.arrivals(&self.arrivals);
        wants.lengths(&self.lengths);
        wants.extent(self);
        wants.log(self);
        wants.domains(&self.domains);
        wants.priorities(&self.priorities);
        Error::join(wants.0).map_or(Ok(()), Err)
    }
}

/// Problems found so far.
struct Wants(Vec<Error>);

impl Wants {
    fn that(&mut self, holds: bool, found: impl Into<String>, expected: impl Into<String>) {
        if !holds {
            self.0.push(Error::new(found).expected(expected.into()));
        }
    }

    fn arrivals(&mut self, arrivals: &Arrivals) {
        match *arrivals {
            Arrivals::Poisson { rate_per_s } | Arrivals::Uniform { rate_per_s } => self.rate(rate_per_s),
            Arrivals::Gamma { rate_per_s, cv } => {
                self.rate(rate_per_s);
                let (least, most) = CV_OF_GAPS;
                let expected = format!("{least} to {most} (1 is poisson, equal gaps are uniform)");
                self.that((least..=most).contains(&cv), format!("cv of gamma arrivals is {cv}"), expected);
            }
            Arrivals::Closed { users, think } => {
                self.that(users > 0, "a closed loop of 0 users", "1 or more");
                let (Think::Fixed { ns } | Think::Exponential { mean_ns: ns }) = think;
                self.that(ns <= MAX_THINK_NS, format!("think time is {ns} ns"), "at most ten days");
            }
            Arrivals::Log { scale } => {
                let found = format!("scale of the log's rate is {scale}");
                self.that(scale > 0.0 && scale <= MAX_SCALE, found, format!("above 0, up to {MAX_SCALE}"));
            }
        }
    }

    fn rate(&mut self, rate_per_s: f64) {
        let found = format!("rate of arrivals is {rate_per_s} requests/s");
        self.that(rate_per_s > 0.0 && rate_per_s <= MAX_RATE, found, format!("above 0, up to {MAX_RATE}"));
    }

    fn lengths(&mut self, lengths: &Lengths) {
        match lengths {
            Lengths::Log => {}
            Lengths::Empirical { pairs } => {
                self.that(!pairs.is_empty(), "no lengths to draw from", "one pair or more");
                let zero = pairs.iter().position(|(prompt, output)| *prompt == 0 || *output == 0);
                let found =
                    zero.map_or(String::new(), |at| format!("pair {at} of lengths is {:?}", pairs[at]));
                self.that(zero.is_none(), found, "1 token or more each");
            }
            Lengths::Each { prompt, output } => {
                self.length("prompts", prompt);
                self.length("answers", output);
            }
        }
    }

    fn length(&mut self, of: &str, length: &Length) {
        match *length {
            Length::Fixed { tokens } => {
                self.that(tokens > 0, format!("length of {of} is 0 tokens"), "1 or more");
            }
            Length::Lognormal { mean, cv, max } => {
                self.that(max > 0, format!("longest of {of} is 0 tokens"), "1 or more");
                let found = format!("mean length of {of} is {mean} tokens");
                let most = max.max(1);
                self.that(
                    (1.0..=f64::from(most)).contains(&mean),
                    found,
                    format!("1 to {most} (the longest)"),
                );
                let found = format!("cv of the length of {of} is {cv}");
                self.that(
                    (0.0..=MAX_CV_OF_LENGTHS).contains(&cv),
                    found,
                    format!("0 to {MAX_CV_OF_LENGTHS}"),
                );
            }
        }
    }

    fn extent(&mut self, spec: &WorkloadSpec) {
        match spec.extent {
            Extent::Requests { count } => {
                let found = format!("a workload of {count} requests");
                self.that((1..=MAX_REQUESTS).contains(&count), found, format!("1 to {MAX_REQUESTS}"));
                let Some(log) = spec.rows() else { return };
                let rows = log.rows.len();
                let found = format!("{count} requests of {}, which has {rows}", log.name);
                let instead = if matches!(spec.arrivals, Arrivals::Log { .. }) {
                    format!("at most {rows}")
                } else {
                    format!("at most {rows}, or lengths drawn from it (empirical)")
                };
                self.that(count as usize <= rows, found, instead);
            }
            Extent::Log => {}
            Extent::Duration { ns } => {
                self.that(ns > 0, "a workload of 0 ns", "a longer time");
                let closed = matches!(spec.arrivals, Arrivals::Closed { .. });
                let found = "the extent of a closed loop is a time, but its requests come when answers do";
                self.that(!closed, found, "a number of requests");
            }
        }
    }

    fn log(&mut self, spec: &WorkloadSpec) {
        for (what, asked) in [
            ("arrivals of a log", matches!(spec.arrivals, Arrivals::Log { .. })),
            ("lengths of a log", matches!(spec.lengths, Lengths::Log)),
            ("as many requests as a log has", spec.extent == Extent::Log),
        ] {
            let given = spec.log.is_some();
            self.that(!asked || given, format!("{what}, and there is none"), "a request log");
        }
        if let Some(log) = spec.log.as_ref() {
            let (name, rows) = (&log.name, log.rows.len());
            self.that(rows > 0, format!("{name} has no requests"), "one or more");
            let most = MAX_REQUESTS;
            self.that(
                rows <= most as usize,
                format!("{name} has {rows} requests"),
                format!("at most {most}"),
            );
        }
    }

    fn domains(&mut self, domains: &[DomainShare]) {
        let most = usize::from(u16::MAX);
        self.that(domains.len() <= most, format!("{} domains", domains.len()), format!("at most {most}"));
        for (at, domain) in domains.iter().enumerate() {
            let name = &domain.name;
            self.that(!name.is_empty(), format!("domain {at} has no name"), "one");
            let twice = domains[..at].iter().any(|earlier| earlier.name == *name);
            self.that(!twice, format!("domain {name:?} stands there twice"), "each once");
            for (when, share) in [("first", domain.begin), ("last", domain.end)] {
                let found = format!("share of domain {name:?} at the {when} request is {share}");
                self.share(share, found);
            }
        }
        for (when, sum) in [
            ("first", domains.iter().map(|domain| domain.begin).sum::<f64>()),
            ("last", domains.iter().map(|domain| domain.end).sum()),
        ] {
            let found = format!("shares of all domains at the {when} request are 0");
            self.that(domains.is_empty() || sum != 0.0, found, "one above 0");
        }
    }

    fn priorities(&mut self, priorities: &[PriorityShare]) {
        for (at, PriorityShare { priority, share }) in priorities.iter().enumerate() {
            let twice = priorities[..at].iter().any(|earlier| earlier.priority == *priority);
            self.that(!twice, format!("priority {priority} stands there twice"), "each once");
            self.share(*share, format!("share of priority {priority} is {share}"));
        }
        let sum: f64 = priorities.iter().map(|priority| priority.share).sum();
        self.that(priorities.is_empty() || sum != 0.0, "shares of all priorities are 0", "one above 0");
    }

    fn share(&mut self, share: f64, found: String) {
        self.that((0.0..=1e9).contains(&share), found, "0 or more, up to 1000000000");
    }
}
