//! Laws that hold for every predictor, as a suite that anyone can run on their own: [`check`].
//!
//! The sequences are generated, deterministic, and shaped like routing: a prompt with many experts in each event, then
//! decode, where experts of a layer tend to stay from token to token.

use super::{Ask, Observed, Predictor, PredictorInput, PredictorRow, Profile};
use crate::rng::{Purpose, stream};
use crate::trace::{Phase, TraceBuilder, TraceHeader};
use rand::Rng;
use std::sync::Arc;

const LAYERS: u32 = 4;
const EXPERTS: u32 = 12;
const TOP_K: u32 = 3;
const PASSES: u64 = 24;
const SEQUENCES: u64 = 3;
const SEEDS: u64 = 4;

/// What one event asks for, pass by pass and layer by layer.
type Sequence = Vec<Vec<u32>>;
/// Every answer of a run, in order.
type Answers = Vec<Vec<u32>>;

/// Runs every law on `row` and names the first that it breaks: no answer longer than its limit, out of range or with an
/// expert twice; two runs alike; and, unless the row says that it learns, nothing kept from an earlier sequence.
///
/// # Errors
/// The law, and the configuration in which it broke.
pub fn check(row: &PredictorRow) -> std::result::Result<(), String> {
    let profile = profile().map_err(|error| error.to_string())?;
    let profiles = [None, Some(&profile)];
    for seed in 0..SEEDS {
        let sequences: Vec<Sequence> = (0..SEQUENCES).map(|number| generate(seed, number)).collect();
        for profile in profiles.into_iter().take(1 + usize::from(row.needs.profile_optional)) {
            let place = format!("predictor {}, seed {seed}, profile {}", row.name, profile.is_some());
            let case = Case { row, seed, profile };
            case.check(&sequences).map_err(|law| format!("{place}: {law}"))?;
        }
    }
    Ok(())
}

fn generate(seed: u64, number: u64) -> Sequence {
    let mut rng = stream(seed, Purpose::SyntheticRouting, u64::MAX, number);
    let mut below =
        |bound: u32| u32::try_from((u64::from(rng.next_u32()) * u64::from(bound)) >> 32).unwrap_or(0);
    let mut events: Sequence = Vec::new();
    for pass in 0..PASSES {
        for _ in 0..LAYERS {
            let wanted = if pass == 0 { 3 * TOP_K } else { TOP_K } as usize;
            let mut event: Vec<u32> = Vec::new();
            while event.len() < wanted {
                let before = events.len().checked_sub(LAYERS as usize).map(|at| &events[at]);
                let kept = before.filter(|_| below(2) == 0).map(|before| before[below(TOP_K) as usize]);
                let expert = kept.unwrap_or_else(|| below(EXPERTS));
                if !event.contains(&expert) {
                    event.push(expert);
                }
            }
            events.push(event);
        }
    }
    events
}

/// A profile of sequences that are none of those predicted for.
fn profile() -> crate::error::Result<Profile> {
    let header = TraceHeader {
        layer_ids: (0..LAYERS).collect(),
        experts: EXPERTS,
        top_k: TOP_K,
        ..TraceHeader::default()
    };
    let mut builder = TraceBuilder::new(header)?;
    for sequence in (0..SEQUENCES).map(|number| generate(SEEDS, number)) {
        builder.begin_sequence("", 0)?;
        for row in sequence.chunks_exact(LAYERS as usize).skip(1) {
            let ids: Vec<u16> =
                row.iter().flatten().map(|expert| u16::try_from(*expert).unwrap_or(0)).collect();
            builder.push(Phase::Decode, &ids)?;
        }
    }
    Ok(Profile::of(Arc::new(builder.finish()?)))
}

struct Case<'a> {
    row: &'a PredictorRow,
    seed: u64,
    profile: Option<&'a Profile>,
}

impl Case<'_> {
    fn build(&self) -> Box<dyn Predictor> {
        (self.row.build)(&PredictorInput {
            layers: LAYERS,
            experts: EXPERTS,
            top_k: TOP_K,
            seed: self.seed,
            recall_ppm: &[900_000, 600_000],
            profile: self.profile,
        })
    }

    fn check(&self, sequences: &[Sequence]) -> std::result::Result<(), String> {
        let (mut one, mut two) = (self.build(), self.build());
        for (number, sequence) in (0_u64..).zip(sequences) {
            let answers = self.run(&mut *one, number, sequence)?;
            if answers != self.run(&mut *two, number, sequence)? {
                return Err(format!("sequence {number}: two runs differ"));
            }
            if self.row.learns && self.profile.is_none() {
                continue;
            }
            if answers != self.run(&mut *self.build(), number, sequence)? {
                return Err(format!("sequence {number}: earlier sequences change what is predicted"));
            }
        }
        Ok(())
    }

    /// Asks about every layer up to a whole pass ahead, after every event.
    fn run(
        &self,
        predictor: &mut dyn Predictor,
        number: u64,
        sequence: &Sequence,
    ) -> std::result::Result<Answers, String> {
        predictor.begin_sequence();
        let mut answers = Vec::new();
        for (at, (event, experts)) in (0_u64..).zip(sequence).enumerate() {
            let layer = u32::try_from(event % u64::from(LAYERS)).unwrap_or(0);
            let pass = number * PASSES + event / u64::from(LAYERS);
            predictor.observe(&Observed { layer, experts, pass });
            for distance in 1..=LAYERS {
                let Some(truth) = sequence.get(at + distance as usize) else { break };
                let wraps = layer + distance >= LAYERS;
                let ask = Ask {
                    from_layer: layer,
                    target: (layer + distance) % LAYERS,
                    distance,
                    pass: pass + u64::from(wraps),
                    // Every number from none to more than there are.
                    limit: (at + distance as usize) % (EXPERTS as usize + 2),
                    truth: if self.row.needs.truth { truth } else { &[] },
                };
                let mut answer = Vec::new();
                predictor.predict(&ask, &mut answer);
                lawful(&ask, &answer).map_err(|law| format!("{ask:?}: {law}: {answer:?}"))?;
                answers.push(answer);
            }
        }
        Ok(answers)
    }
}

/// What must hold for a single answer.
fn lawful(ask: &Ask<'_>, answer: &[u32]) -> std::result::Result<(), &'static str> {
    if answer.len() > ask.limit {
        return Err("more experts than the limit");
    }
    if answer.iter().any(|expert| *expert >= EXPERTS) {
        return Err("an expert that does not exist");
    }
    if (1..answer.len()).any(|at| answer[..at].contains(&answer[at])) {
        return Err("an expert twice");
    }
    Ok(())
}
