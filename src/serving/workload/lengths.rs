//! Tokens of prompts and answers.
//!
//! Prompts and answers have a stream each, so that one may change without the other. That long prompts have short or
//! long answers is left to pairs.

use super::{Length, Lengths, WorkloadSpec, chance};
use crate::rng::{Purpose, Xoshiro256PlusPlus, index_below, stream};

/// Entities of the streams.
const PROMPTS: u64 = 0;
const ANSWERS: u64 = 1;

/// `(prompt, answer)` of each request of a specification that has been checked; what was cut goes to the notes.
pub(super) fn lengths(spec: &WorkloadSpec, count: usize, notes: &mut Vec<String>) -> Vec<(u32, u32)> {
    match &spec.lengths {
        Lengths::Log => {
            let rows = spec.rows().map_or(&[][..], |log| &log.rows);
            rows.iter().take(count).map(|row| (row.prompt_tokens, row.output_tokens)).collect()
        }
        Lengths::Empirical { pairs } => {
            let mut rng = stream(spec.seed, Purpose::Lengths, PROMPTS, 0);
            (0..count).map(|_| pairs[index_below(pairs.len(), &mut rng)]).collect()
        }
        Lengths::Each { prompt, output } => {
            let mut draw = |name, length, entity| {
                let mut rng = stream(spec.seed, Purpose::Lengths, entity, 0);
                let drawn = Drawn::of(length, count, &mut rng);
                notes.extend(drawn.note(name));
                drawn.tokens
            };
            let prompts = draw("prompts", *prompt, PROMPTS);
            prompts.into_iter().zip(draw("answers", *output, ANSWERS)).collect()
        }
    }
}

struct Drawn {
    tokens: Vec<u32>,
    max: u32,
    /// How many would have been longer than `max`.
    cut: usize,
}

impl Drawn {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "cut to 1 ..= max before")]
    fn of(length: Length, count: usize, rng: &mut Xoshiro256PlusPlus) -> Self {
        match length {
            Length::Fixed { tokens } => Self { tokens: vec![tokens; count], max: tokens, cut: 0 },
            Length::Lognormal { mean, cv, max } => {
                // From exp(mu + sigma^2 / 2) = mean and exp(sigma^2) - 1 = cv^2.
                let variance = libm::log1p(cv * cv);
                let (mu, sigma) = (libm::log(mean) - variance / 2.0, libm::sqrt(variance));
                let mut cut = 0;
                let mut draw = || {
                    let tokens = libm::round(libm::exp(mu + sigma * chance::normal(rng)));
                    cut += usize::from(tokens > f64::from(max));
                    tokens.clamp(1.0, f64::from(max)) as u32
                };
                let tokens = (0..count).map(|_| draw()).collect();
                Self { tokens, max, cut }
            }
        }
    }

    fn note(&self, name: &str) -> Option<String> {
        let (cut, all, max) = (self.cut, self.tokens.len(), self.max);
        (cut > 0).then(|| format!("{cut} of {all} {name} were cut to {max} tokens, the longest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 100_000;

    fn drawn(mean: f64, cv: f64, max: u32) -> Drawn {
        let mut rng = stream(3, Purpose::Lengths, PROMPTS, 0);
        Drawn::of(Length::Lognormal { mean, cv, max }, COUNT, &mut rng)
    }

    #[test]
    fn lognormal_lengths_have_their_mean_and_cv() {
        for (mean, cv) in [(100.0, 0.1), (1_155.0, 1.0), (2_048.0, 2.0), (212.0, 0.8), (50.0, 0.0)] {
            let tokens = drawn(mean, cv, u32::MAX).tokens;
            let found = tokens.iter().map(|tokens| f64::from(*tokens)).sum::<f64>() / COUNT as f64;
            let squares = tokens.iter().map(|tokens| (f64::from(*tokens) - found).powi(2)).sum::<f64>();
            let found_cv = (squares / COUNT as f64).sqrt() / found;
            let allowed = 4.0 * cv / (COUNT as f64).sqrt() + 0.001;
            assert!((found / mean - 1.0).abs() < allowed, "{mean} {cv}: mean {found}");
            assert!((found_cv - cv).abs() < 0.06 * cv + 0.001, "{mean} {cv}: cv {found_cv}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_said() {
        let drawn = drawn(1_000.0, 1.5, 1_000);
        assert!(drawn.tokens.iter().all(|tokens| (1..=1_000).contains(tokens)));
        assert!(drawn.tokens.iter().filter(|tokens| **tokens == 1_000).count() >= drawn.cut);
        let note = format!("{} of {COUNT} prompts were cut to 1000 tokens, the longest", drawn.cut);
        assert_eq!(drawn.note("prompts"), Some(note));
        assert_eq!(super::Drawn { cut: 0, ..drawn }.note("prompts"), None);
    }

    #[test]
    fn tiny_lengths_are_at_least_one() {
        assert!(drawn(1.0, 5.0, 10).tokens.contains(&1));
        assert!(drawn(1.0, 5.0, 10).tokens.iter().all(|tokens| (1..=10).contains(tokens)));
    }

    /// Pins the streams: what a seed gives is part of the results.
    #[test]
    fn lengths_are_pinned() {
        assert_eq!(drawn(1_000.0, 1.0, 100_000).tokens[..6], [2252, 2842, 545, 1108, 176, 685]);
    }
}
