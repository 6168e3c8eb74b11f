//! Where the time goes and what each sequence saw.

use crate::metrics::{
    AccessCounts, LinkUse, PrefetchCounts, Quantiles, SequenceSummary, Summary, TimeShares,
};
use crate::serving::Work;
use crate::trace::Phase;
use crate::units::{SimDuration, SimTime};

/// What ended an idle time of the GPU stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A copy arrived, whose NVMe read, where there was one, ended at `read_done`.
    Copy {
        /// End of the read.
        read_done: Option<SimTime>,
    },
    /// The CPU was done.
    Cpu,
}

/// Running totals of a simulation.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) prefill: AccessCounts,
    pub(super) decode: AccessCounts,
    prefill_time: TimeShares,
    decode_time: TimeShares,
    /// Shares of the pass that is running.
    current: TimeShares,
    token_latencies_ns: Vec<u64>,
    /// The same without the time of compactions, where there may be some.
    pub(super) latencies_without_ns: Vec<u64>,
    /// Whether there may be.
    may_compact: bool,
    sequences: Vec<SequenceSummary>,
}

impl Books {
    /// Empty books of a run whose memory may be compacted, or of any other.
    pub(super) fn new(may_compact: bool) -> Self {
        Self { may_compact, ..Self::default() }
    }

    pub(super) fn counts(&mut self, phase: Phase) -> &mut AccessCounts {
        match phase {
            Phase::Prefill => &mut self.prefill,
            Phase::Decode => &mut self.decode,
        }
    }

    /// The GPU stream worked: `compute` of roofline time and `overhead` of the engine's own.
    pub(super) fn gpu(&mut self, compute: SimDuration, overhead: SimDuration) {
        self.current.gpu_compute_ns += compute.as_ns();
        self.current.overhead_ns += overhead.as_ns();
    }

    /// The GPU stream stood idle from `from` to `to`, and this ended the wait.
    pub(super) fn waited(&mut self, from: SimTime, to: SimTime, wait: Wait) {
        let whole = to.since(from);
        match wait {
            Wait::Copy { read_done } => {
                let nvme = read_done.map_or(SimDuration::ZERO, |done| done.max(from).min(to).since(from));
                self.current.wait_nvme_ns += nvme.as_ns();
                self.current.wait_h2d_ns += (whole - nvme).as_ns();
            }
            Wait::Cpu => self.current.wait_cpu_ns += whole.as_ns(),
        }
    }

    /// The GPU stream exchanged with others, or waited for slower ones.
    pub(super) fn exchanged(&mut self, span: SimDuration) {
        self.current.exchange_ns += span.as_ns();
    }

    /// The GPU stream moved blocks of its memory together.
    pub(super) fn compacted(&mut self, span: SimDuration) {
        self.current.compaction_ns += span.as_ns();
    }

    /// Time of all compactions so far.
    pub(super) fn compaction_ns(&self) -> u64 {
        self.prefill_time.compaction_ns + self.decode_time.compaction_ns + self.current.compaction_ns
    }

    /// Closes the books of a pass that took `span`, which its shares must add up to.
    pub(super) fn close_pass(&mut self, pass: &Work, span: SimDuration, decode_before: (u64, u64)) {
        let shares = std::mem::take(&mut self.current);
        assert_eq!(shares.total_ns(), span.as_ns(), "the shares of a pass add up to its span");
        if self.sequences.last().is_none_or(|last| last.sequence != pass.sequence) {
            self.sequences.push(SequenceSummary { sequence: pass.sequence, ..SequenceSummary::default() });
        }
        let Some(sequence) = self.sequences.last_mut() else { return };
        match pass.phase {
            Phase::Prefill => {
                self.prefill_time.add(&shares);
                sequence.prefill_tokens += pass.rows;
                sequence.prefill_ns += span.as_ns();
            }
            Phase::Decode => {
                self.decode_time.add(&shares);
                self.token_latencies_ns.push(span.as_ns());
                if self.may_compact {
                    self.latencies_without_ns.push(span.as_ns() - shares.compaction_ns);
                }
                sequence.decode_tokens += pass.rows;
                sequence.decode_passes += 1;
                sequence.decode_ns += span.as_ns();
                sequence.decode_lookups += self.decode.lookups - decode_before.0;
                sequence.decode_hits += self.decode.hits - decode_before.1;
            }
        }
    }

    /// The summary at the end of a run.
    pub(super) fn summarise(
        self,
        links: Vec<LinkUse>,
        span: SimDuration,
        overshoot: u64,
        events: u64,
        prefetch: PrefetchCounts,
    ) -> Summary {
        let prompts = self.sequences.iter().filter(|sequence| sequence.prefill_tokens > 0);
        Summary {
            ttft_ns: Quantiles::of(prompts.map(|sequence| sequence.prefill_ns).collect()),
            tpot_ns: Quantiles::of(self.sequences.iter().filter_map(SequenceSummary::tpot_ns).collect()),
            token_latency_ns: Quantiles::of(self.token_latencies_ns),
            prefill: self.prefill,
            decode: self.decode,
            prefill_time: self.prefill_time,
            decode_time: self.decode_time,
            sequences: self.sequences,
            links,
            span_ns: span.as_ns(),
            overshoot_bytes_max: overshoot,
            engine_events: events,
            prefetch,
            allocator: None,
            serving: None,
        }
    }
}
