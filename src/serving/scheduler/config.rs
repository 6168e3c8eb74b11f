//! How a scheduler decides.

use crate::error::{Error, Result};

/// Which waiting request comes next. A request that lost its KV cache goes before those that never ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SchedulingPolicy {
    /// First come, first served.
    #[default]
    Fcfs,
    /// Fewest prompt tokens first; found prefixes are not looked at. Long prompts may starve.
    ShortestPrefillFirst,
    /// Most urgent first, then first come, first served. Preemption takes the least urgent.
    Priority,
}

/// When requests may join.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Batching {
    /// At every pass (Orca, OSDI 2022).
    #[default]
    Continuous,
    /// A batch is formed when the one before has wholly ended. All its prompts are computed, then all decode until the last
    /// has ended; who has ended keeps a place of `max_batch`, but neither KV cache nor work.
    Static,
}

/// Who has the first claim on a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassOrder {
    /// Every decoding request gets its token, prompts get what is left of the budget (vLLM V1).
    #[default]
    DecodeFirst,
    /// Passes of prompts alone as long as there are any that fit; then decode passes (vLLM V0, `SGLang`).
    PrefillFirst,
}

/// What becomes of a request whose blocks are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preemption {
    /// Its blocks are dropped; prompt and output so far are computed again.
    #[default]
    Recompute,
    /// Its blocks go to host memory, which has no end here, and come back later.
    Swap,
}

/// Settings of a scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerConfig {
    /// Order of the waiting.
    pub policy: SchedulingPolicy,
    /// When requests may join.
    pub batching: Batching,
    /// Most requests that run at once, in all passes under way together.
    pub max_batch: u32,
    /// Most tokens in a pass. A whole prompt that is longer goes alone where prompts are not cut.
    pub token_budget: u32,
    /// Prompts are cut to fit the budget. Else a prompt goes whole into one pass; with decodes first it waits for one whose
    /// decodes leave room for it.
    pub chunked_prefill: bool,
    /// Who has the first claim on a pass.
    pub order: PassOrder,
    /// Most requests that wait; `None` for no limit. Preempted ones count, but always find a place.
    pub max_queue: Option<u32>,
    /// What becomes of a request whose blocks are taken.
    pub preemption: Preemption,
}

impl Default for SchedulerConfig {
    /// vLLM's defaults for an API server: 256 requests, 2,048 tokens, prompts in chunks.
    fn default() -> Self {
        Self {
            policy: SchedulingPolicy::default(),
            batching: Batching::default(),
            max_batch: 256,
            token_budget: 2_048,
            chunked_prefill: true,
            order: PassOrder::default(),
            max_queue: None,
            preemption: Preemption::default(),
        }
    }
}

impl SchedulerConfig {
    /// Whether these settings can work at all.
    ///
    /// # Errors
    ///
    /// Limits of zero, or a token budget that cannot give each running request one token; all of them at once.
    pub fn check(&self) -> Result<()> {
        let limits = [("max_batch", Some(self.max_batch)), ("max_queue", self.max_queue)];
        let zeros = limits.into_iter().filter(|(_, limit)| *limit == Some(0));
        let zeros = zeros.map(|(name, _)| Error::new(format!("{name} is 0")).expected("at least 1"));
        let short = (self.token_budget < self.max_batch.max(1)).then(|| {
            let found = format!("token_budget {} is below max_batch {}", self.token_budget, self.max_batch);
            Error::new(found).expected("a token for each running request")
        });
        Error::join(zeros.chain(short)).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_all_that_cannot_work() {
        assert_eq!(SchedulerConfig::default().check(), Ok(()));
        let config = SchedulerConfig {
            token_budget: 0,
            max_batch: 0,
            max_queue: Some(0),
            ..SchedulerConfig::default()
        };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "max_batch is 0, expected at least 1\nmax_queue is 0, expected at least 1\n\
             token_budget 0 is below max_batch 0, expected a token for each running request"
        );
        let config = SchedulerConfig { token_budget: 255, ..SchedulerConfig::default() };
        assert_eq!(
            config.check().unwrap_err().to_string(),
            "token_budget 255 is below max_batch 256, expected a token for each running request"
        );
    }
}
