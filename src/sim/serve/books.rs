//! What is counted of a run as it goes.

use super::flight::Flight;

/// Running totals over all replicas.
#[derive(Debug, Default)]
pub(super) struct ServingBooks {
    /// Times between tokens, each with the number of requests that waited so long.
    pub(super) gaps: Gaps,
    /// The same without the time of compactions, where there may be some.
    pub(super) gaps_without: Gaps,
    pub(super) batch: Vec<u64>,
    pub(super) pass_tokens: Vec<u64>,
    pub(super) pass_ns: Vec<u64>,
    pub(super) prefilled: u64,
    pub(super) recomputed: u64,
    pub(super) prefix_hits: u64,
    pub(super) generated: u64,
    pub(super) preemptions: u64,
    pub(super) swapped_bytes: u64,
    pub(super) kv_peak_bytes: u64,
    pub(super) too_long: u64,
}

/// Times, each with how often it occurred.
#[derive(Debug, Default)]
pub(super) struct Gaps(pub(super) Vec<(u64, u64)>);

impl Gaps {
    /// A request waited so long for its next token.
    #[inline]
    pub(super) fn add(&mut self, ns: u64) {
        match self.0.last_mut() {
            Some((last, times)) if *last == ns => *times += 1,
            _ => self.0.push((ns, 1)),
        }
        // Requests that decode together wait equally long, mostly; where they do not, the list is sorted now and then.
        if self.0.len() == self.0.capacity() {
            self.condense();
        }
    }

    fn condense(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|one, kept| {
            let same = one.0 == kept.0;
            kept.1 += if same { one.1 } else { 0 };
            same
        });
        if self.0.len() * 2 > self.0.capacity() {
            self.0.reserve(self.0.len().max(1024));
        }
    }
}

impl ServingBooks {
    /// What preceded a pass: preemptions and moves of the KV cache. Counted even where no pass follows.
    pub(super) fn before(&mut self, flight: &Flight) {
        self.preemptions += flight.preempted();
        for batch in &flight.batches {
            self.swapped_bytes += batch.swapped_in_bytes + batch.swapped_out_bytes;
            self.recomputed += batch.recomputed_tokens;
            self.prefix_hits += batch.prefix_hit_tokens;
        }
    }

    /// A pass is over.
    pub(super) fn pass(&mut self, flight: &Flight, ns: u64) {
        self.batch.push(flight.requests());
        self.pass_tokens.push(flight.tokens());
        self.pass_ns.push(ns);
        self.prefilled += flight.prefill_tokens();
    }
}
