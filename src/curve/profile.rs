//! Profiles for policies that need one, never taken from the sequences that are judged.

use super::CurveRequest;
use crate::error::{Error, Place, Result};
use crate::trace::stats::Popularity;
use crate::trace::{Pass, Trace};

/// The profile of another trace, for [`CurveRequest::profile`]: its name, and how often it asks for each expert.
///
/// # Errors
/// A trace of another shape, and one with the very routing that is to be judged.
pub fn profile_of(name: &str, profile: &Trace, judged: &Trace) -> Result<(String, Vec<u64>)> {
    let shape = |trace: &Trace| (trace.header().layers(), trace.header().experts);
    let text = |(layers, experts)| format!("{layers} MoE layers of {experts} experts");
    let place = || Place::option("--profile");
    if shape(profile) != shape(judged) {
        let error = Error::at(place(), format!("{name} holds {}", text(shape(profile))));
        return Err(error.expected(format!("{} as the trace that is judged", text(shape(judged)))));
    }
    if profile.fingerprint() == judged.fingerprint() {
        let error = Error::at(place(), format!("{name} is the trace that is judged"));
        return Err(error.hint("without a profile, every second sequence is one for the others"));
    }
    Ok((name.to_owned(), Popularity::of(profile, 0..profile.sequences().len()).counts))
}

/// Some passes of a trace, and the profile for them.
pub(super) struct Fold {
    pub(super) passes: Vec<Pass>,
    pub(super) profile: Vec<u64>,
    pub(super) in_sample: bool,
}

/// Every pass stands in one fold. `note` says where the profiles come from.
pub(super) fn folds(request: &CurveRequest<'_>, passes: &[Pass]) -> Vec<Fold> {
    if let Some((_, profile)) = &request.profile {
        return vec![Fold { passes: passes.to_vec(), profile: profile.clone(), in_sample: false }];
    }
    let mut sequences: Vec<u32> = passes.iter().map(|pass| pass.sequence).collect();
    sequences.dedup();
    if sequences.len() < 2 {
        let profile = counts(request.trace, &sequences);
        return vec![Fold { passes: passes.to_vec(), profile, in_sample: true }];
    }
    let half = |parity: usize| {
        let of = |parity: usize| sequences.iter().skip(parity).step_by(2).copied().collect::<Vec<u32>>();
        let judged = of(parity);
        let passes = passes.iter().filter(|pass| judged.binary_search(&pass.sequence).is_ok());
        Fold {
            passes: passes.copied().collect(),
            profile: counts(request.trace, &of(1 - parity)),
            in_sample: false,
        }
    };
    vec![half(0), half(1)]
}

/// Where the profiles come from, in words.
pub(super) fn origin(request: &CurveRequest<'_>) -> String {
    match (&request.profile, request.trace.sequences().len()) {
        (Some((name, _)), _) => name.clone(),
        (None, 0 | 1) => "the trace itself, which has one sequence only".to_owned(),
        (None, _) => "every second sequence, for the others".to_owned(),
    }
}

fn counts(trace: &Trace, sequences: &[u32]) -> Vec<u64> {
    let mut sum = Vec::new();
    for sequence in sequences {
        let at = *sequence as usize;
        let counts = Popularity::of(trace, at..at + 1).counts;
        if sum.is_empty() {
            sum = counts;
        } else {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    sum
}
