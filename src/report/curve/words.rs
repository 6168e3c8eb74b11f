//! Verdicts in plain sentences. A sentence may begin with a lead in bold, as Markdown has it.

use crate::metrics::{
    CONTESTED_RATE, CapacityVerdict, POLICY_FAILURE_POINTS, PairedDifference, Situation, Standing,
    TraceCurves, Verdict, WORKING_SET_RATE, Winner,
};
use crate::report::format::{counted, fixed, rate, share, signed, size};

/// Runs of winners that are named one by one; more are left to the table.
const RUNS_MAX: usize = 8;

/// One trace in words.
pub(super) struct Words<'a> {
    pub(super) curves: &'a TraceCurves,
    pub(super) verdict: &'a Verdict,
}

impl<'a> Words<'a> {
    pub(super) fn new((curves, verdict): &'a super::Judged) -> Self {
        Self { curves, verdict }
    }

    pub(super) fn at(&self, at: usize) -> &'a CapacityVerdict {
        &self.verdict.capacities[at]
    }

    /// A capacity as its share of all experts.
    pub(super) fn share(&self, at: usize) -> String {
        share(self.curves.capacities[at].share_ppm)
    }

    /// Capacities in short, neighbours as a range: `5 % to 20 %, 35 %`.
    pub(super) fn places(&self, capacities: &[usize]) -> String {
        let position = |at: usize| self.verdict.ascending.iter().position(|other| *other == at);
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for at in capacities {
            match runs.last_mut() {
                Some((_, last)) if position(*last).map(|place| place + 1) == position(*at) => *last = *at,
                _ => runs.push((*at, *at)),
            }
        }
        let run = |(first, last): (usize, usize)| match (first == last, position(first), position(last)) {
            (true, ..) => self.share(first),
            (_, Some(from), Some(to)) if to == from + 1 => {
                format!("{} and {}", self.share(first), self.share(last))
            }
            _ => format!("{} to {}", self.share(first), self.share(last)),
        };
        runs.into_iter().map(run).collect::<Vec<_>>().join(", ")
    }

    /// The phase that is judged.
    pub(super) fn phase(&self) -> &'static str {
        if self.curves.judges_decode() { "decode" } else { "prefill" }
    }

    /// So many experts of average size in bytes; empty where that is not known.
    pub(super) fn bytes_of(&self, experts: u64) -> String {
        let sizes: u128 = self.curves.expert_bytes.iter().map(|size| u128::from(*size)).sum();
        let bytes = (sizes * u128::from(experts)).checked_div(u128::from(self.curves.layers)).unwrap_or(0);
        match u64::try_from(bytes) {
            Ok(bytes) if sizes > 0 => size(bytes),
            _ => String::new(),
        }
    }

    /// `144 experts (3.13 % of all, 1.8 GiB)`.
    fn experts(&self, experts: u64) -> String {
        let ppm = (u128::from(experts) * 1_000_000).checked_div(u128::from(self.curves.all_experts()));
        let bytes = self.bytes_of(experts);
        let bytes = if bytes.is_empty() { bytes } else { format!(", {bytes}") };
        let of_all = share(ppm.and_then(|ppm| u64::try_from(ppm).ok()).unwrap_or(0));
        format!("{experts} experts ({of_all} of all{bytes})")
    }

    /// What the curves show, in sentences.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![self.threshold(), self.best_overall()];
        sentences.extend(self.memory());
        sentences.extend(self.winners());
        sentences.extend(self.situations());
        sentences
    }

    fn threshold(&self) -> String {
        let TraceCurves { layers, top_k, .. } = self.curves;
        format!(
            "**LRU's threshold:** one token asks for {layers} layers x {top_k} = {}; with fewer slots LRU has evicted \
             each of them before the next token can ask for it again.",
            self.experts(self.curves.cycle_experts())
        )
    }

    fn best_overall(&self) -> String {
        const LEAD: &str = "**Best overall:**";
        let range =
            format!("LRU has room for one token and Belady hits at most {} %", rate(CONTESTED_RATE, 0));
        let Some(overall) = &self.verdict.overall else {
            return format!("{LEAD} nothing to rank, since there is no capacity at which {range}.");
        };
        let places = self.places(&overall.contested);
        let over = match overall.contested.len() {
            1 => "1 capacity".to_owned(),
            count => format!("{count} capacities"),
        };
        let over = format!("{over} where {range} ({places})");
        let candidates =
            overall.ranking.iter().filter(|ranked| ranked.standing == Standing::Candidate).count();
        let of = counted(candidates, "candidate");
        let best = overall.winner.as_ref().and_then(|winner| {
            overall.ranking.iter().find(|ranked| ranked.curve == winner.curve).map(|ranked| (winner, ranked))
        });
        let Some((winner, ranked)) = best else {
            return format!("{LEAD} none of the policies competes over the {over}.");
        };
        if winner.name == "lru" {
            return format!("{LEAD} LRU, of {of}, in the mean over the {over}.");
        }
        format!(
            "{LEAD} {} recovers {} % of the distance from LRU to Belady in the mean over the {over}: {} points of hit \
             rate. It is the best of {of} overall and at {} of these capacities. {}",
            winner.name,
            rate(ranked.mean_recovered, 0),
            signed(ranked.mean_over_lru_points, 1),
            ranked.wins,
            self.confidence(winner)
        )
    }

    /// Whether a lead is more than the spread between sequences.
    fn confidence(&self, winner: &Winner) -> String {
        match &winner.paired {
            Some(paired) => {
                let verdict = if paired.significant {
                    "which leaves out zero"
                } else {
                    "so that the lead is within the spread between sequences"
                };
                format!(
                    "By sequence its mean lead is {} points (95 % interval {} over {} sequences), {verdict}.",
                    signed(paired.mean_points, 1),
                    interval(paired),
                    paired.sequences
                )
            }
            None if self.verdict.judged_sequences < 2 => {
                "The trace has one sequence, so that no interval can be given.".to_owned()
            }
            None => "LRU was not replayed, so that no interval can be given.".to_owned(),
        }
    }

    /// What LRU would need for the hits of the overall winner.
    fn memory(&self) -> Option<String> {
        let overall = self.verdict.overall.as_ref()?;
        let winner = overall.winner.as_ref().filter(|winner| winner.name != "lru")?;
        let more = |at: &usize| self.at(*at).policies[winner.curve].lru_equivalent.and_then(|lru| lru.more);
        let all: Vec<f64> = overall.contested.iter().filter_map(more).collect();
        let least = all.iter().copied().min_by(f64::total_cmp)?;
        let most = all.iter().copied().max_by(f64::total_cmp)?;
        let middle = overall.contested[overall.contested.len() / 2];
        let lru = self.at(middle).policies[winner.curve].lru_equivalent?;
        let own = self.at(middle).capacity.experts;
        let range = match (change(least), change(most)) {
            (least, most) if least == most => least,
            (least, most) => format!("from {least} to {most}"),
        };
        Some(format!(
            "**In memory:** LRU needs {range} memory for the hits of {} at these capacities; at {} that is {} instead of {}.",
            winner.name,
            self.share(middle),
            self.experts(lru.experts),
            self.experts(own)
        ))
    }

    /// Who wins from where to where.
    fn winners(&self) -> Option<String> {
        let mut runs: Vec<(&str, Vec<usize>)> = Vec::new();
        for at in &self.verdict.ascending {
            let Some(winner) = &self.at(*at).winner else { continue };
            match runs.last_mut() {
                Some((name, places)) if *name == winner.name => places.push(*at),
                _ => runs.push((&winner.name, vec![*at])),
            }
        }
        if runs.is_empty() || runs.len() > RUNS_MAX {
            return None;
        }
        let run = |(name, places): &(&str, Vec<usize>)| format!("{name} at {}", self.places(places));
        Some(format!("**By capacity:** {}.", runs.iter().map(run).collect::<Vec<_>>().join("; ")))
    }

    /// What holds LRU back, and from where to where.
    fn situations(&self) -> Option<String> {
        let of = |wanted: Situation| {
            let ascending = self.verdict.ascending.iter().copied();
            let found: Vec<usize> = ascending.filter(|at| self.at(*at).situation == Some(wanted)).collect();
            (!found.is_empty()).then(|| self.places(&found))
        };
        let points = fixed(POLICY_FAILURE_POINTS, 0);
        let level = rate(WORKING_SET_RATE, 0);
        let found = [
            of(Situation::BelowCycle).map(|at| format!("at {at} the cycle: it has no room for one token")),
            of(Situation::WorkingSetFailure).map(|at| {
                format!("at {at} the working set: even Belady hits less than {level} %, and only more memory helps")
            }),
            of(Situation::PolicyFailure).map(|at| {
                format!(
                    "at {at} the policy: Belady hits {level} % or more, and LRU is at least {points} points below it"
                )
            }),
            of(Situation::Fine).map(|at| format!("at {at} little: LRU is within {points} points of Belady")),
        ];
        let found: Vec<String> = found.into_iter().flatten().collect();
        (!found.is_empty()).then(|| format!("**What holds LRU back:** {}.", found.join("; ")))
    }
}

/// A change as a share: `7 % more`, `6 % less`, `as much`.
fn change(more: f64) -> String {
    match rate(more.abs(), 0) {
        share if share == "0" => "as much".to_owned(),
        share if more > 0.0 => format!("{share} % more"),
        share => format!("{share} % less"),
    }
}

/// A mean with its interval: `+3.0 (+1.0 to +4.9)`, and ` ?` where that holds zero.
pub(super) fn mean_and_interval(paired: &PairedDifference) -> String {
    let mark = if paired.significant { "" } else { " ?" };
    format!("{} ({}){mark}", signed(paired.mean_points, 1), interval(paired))
}

/// `+1.0 to +4.9`.
fn interval(paired: &PairedDifference) -> String {
    format!("{} to {}", signed(paired.low_points, 1), signed(paired.high_points, 1))
}

/// What holds LRU back, in a cell.
pub(super) fn situation(situation: Option<Situation>) -> &'static str {
    match situation {
        Some(Situation::BelowCycle) => "below cycle",
        Some(Situation::WorkingSetFailure) => "working set",
        Some(Situation::PolicyFailure) => "policy",
        Some(Situation::Fine) => "-",
        None => "?",
    }
}

/// Text for a terminal: without the marks of a bold lead.
pub(super) fn plain(sentence: &str) -> String {
    sentence.replace("**", "")
}
