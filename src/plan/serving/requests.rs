//! The requests of a scenario: from `[requests]` to a list of them.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use crate::error::Error;
use crate::plan::Inputs;
use crate::plan::resolve::Resolver;
use crate::scenario::{ArrivalProcess, Factor, LengthSource, ThinkTime};
use crate::serving::RequestSet;
use crate::serving::workload::{
    Arrivals, DomainShare, Extent, Length, Lengths, PriorityShare, RequestLog, Think, WorkloadSpec, generate,
};
use crate::units::SimDuration;

/// Requests where the scenario names no number.
const COUNT_DEFAULT: u32 = 1000;
/// Longest prompt and longest answer where the scenario names none: what vLLM serves of most models by default.
const TOKENS_MAX_DEFAULT: u32 = 131_072;
/// Mean lengths where the scenario names none: about the conversations of Azure's log of 2023.
const PROMPT_DEFAULT: u32 = 1024;
const OUTPUT_DEFAULT: u32 = 256;

/// The requests, how they come in words, and how many a second in thousandths.
pub(in crate::plan) struct Load {
    pub(in crate::plan) requests: Arc<RequestSet>,
    pub(in crate::plan) words: String,
    pub(in crate::plan) rate_millihertz: u64,
}

pub(in crate::plan) fn resolve(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    arrivals: ArrivalProcess,
) -> Option<Load> {
    resolver.given("requests.arrivals", arrivals.spelling());
    let log = log(resolver, inputs)?;
    let spec = WorkloadSpec {
        arrivals: process(resolver, arrivals)?,
        lengths: lengths(resolver, arrivals, log.as_deref())?,
        extent: extent(resolver, arrivals, log.is_some()),
        domains: domains(resolver)?,
        priorities: priorities(resolver)?,
        log,
        seed: resolver.scenario().seed.unwrap_or(0),
    };
    let words = spec.load();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive rate")]
    let rate_millihertz = spec.rate_per_s().map_or(0, |rate| (rate * 1e3).round() as u64);
    match generate(&spec) {
        Ok(requests) => Some(Load { requests: Arc::new(requests), words, rate_millihertz }),
        Err(error) => {
            resolver.refuse_file("requests", error);
            None
        }
    }
}

/// The log, where one is named; `None` after an error.
#[allow(clippy::option_option, reason = "an error, no log, a log")]
fn log(resolver: &mut Resolver<'_>, inputs: &Inputs) -> Option<Option<Arc<RequestLog>>> {
    let Some(path) = resolver.scenario().requests.log.clone() else { return Some(None) };
    resolver.given("requests.log", path.display());
    match inputs.request_log(&path) {
        Ok(log) => Some(Some(log)),
        Err(error) => {
            resolver.refuse_file("requests.log", error);
            None
        }
    }
}

fn missing(resolver: &mut Resolver<'_>, key: &str, arrivals: ArrivalProcess, expected: &str) {
    resolver.refuse("requests", |place| {
        Error::at(place, format!("{key} is missing beside requests.arrivals = {:?}", arrivals.spelling()))
            .expected(expected)
    });
}

fn process(resolver: &mut Resolver<'_>, arrivals: ArrivalProcess) -> Option<Arrivals> {
    let section = &resolver.scenario().requests;
    let open = matches!(arrivals, ArrivalProcess::Poisson | ArrivalProcess::Gamma | ArrivalProcess::Uniform);
    let needed = |key: &str, is_there: bool, belongs: bool, expected: &str, resolver: &mut Resolver<'_>| {
        if belongs && !is_there {
            missing(resolver, key, arrivals, expected);
        }
        if is_there && !belongs {
            resolver.refuse(key, |place| {
                let found = format!("{key}: found beside requests.arrivals = {:?}", arrivals.spelling());
                Error::at(place, found).expected("no such key there")
            });
        }
        is_there == belongs
    };
    let closed = arrivals == ArrivalProcess::Closed;
    let logged = arrivals == ArrivalProcess::Log;
    let gamma = arrivals == ArrivalProcess::Gamma;
    let (rate, cv, users) = (section.rate, section.cv, section.users);
    let mut right = needed("requests.rate", rate.is_some(), open, "a rate like \"4 /s\"", resolver);
    right &= needed("requests.cv", cv.is_some(), gamma, "a number like 2.5", resolver);
    right &= needed("requests.users", users.is_some(), closed, "a number of users", resolver);
    let (log, speed, think) = (section.log.is_some(), section.log_speed, section.think_time);
    if logged && !log {
        missing(resolver, "requests.log", arrivals, "the path of a request log");
        right = false;
    }
    for (key, is_there, belongs) in [
        ("requests.log_speed", speed.is_some(), logged),
        ("requests.think_time", think.is_some(), closed),
        ("requests.think", section.think.is_some(), closed),
    ] {
        right &= !is_there || needed(key, is_there, belongs, "", resolver);
    }
    if !right {
        return None;
    }
    if let Some(rate) = rate {
        resolver.given("requests.rate", rate);
    }
    if let Some(users) = users {
        resolver.given("requests.users", users);
    }
    let rate_per_s = rate.map_or(0.0, crate::scenario::Rate::per_s);
    Some(match arrivals {
        ArrivalProcess::Poisson => Arrivals::Poisson { rate_per_s },
        ArrivalProcess::Gamma => Arrivals::Gamma { rate_per_s, cv: cv.map_or(1.0, Factor::value) },
        ArrivalProcess::Uniform => Arrivals::Uniform { rate_per_s },
        ArrivalProcess::Log => Arrivals::Log { scale: speed.map_or(1.0, Factor::value) },
        ArrivalProcess::Closed => {
            Arrivals::Closed { users: users.map_or(1, NonZeroU32::get), think: thinking(resolver, think) }
        }
    })
}

fn thinking(resolver: &mut Resolver<'_>, time: Option<SimDuration>) -> Think {
    let ns = resolver.or_default("requests.think_time", time, SimDuration::ZERO, "default: none").as_ns();
    match resolver.scenario().requests.think {
        Some(ThinkTime::Exponential) => Think::Exponential { mean_ns: ns },
        Some(ThinkTime::Fixed) | None => Think::Fixed { ns },
    }
}

fn lengths(
    resolver: &mut Resolver<'_>,
    arrivals: ArrivalProcess,
    log: Option<&RequestLog>,
) -> Option<Lengths> {
    let section = &resolver.scenario().requests;
    let logged = arrivals == ArrivalProcess::Log;
    let source = section.lengths.unwrap_or(if logged || log.is_some() {
        LengthSource::Log
    } else if section.prompt_cv.is_some() || section.output_cv.is_some() {
        LengthSource::Lognormal
    } else {
        LengthSource::Fixed
    });
    match section.lengths {
        Some(_) => resolver.given("requests.lengths", source.spelling()),
        None => resolver.note("requests.lengths", source.spelling(), "default"),
    }
    check_lengths(resolver, source, logged);
    match (source, log) {
        (LengthSource::Log, Some(_)) => Some(Lengths::Log),
        (LengthSource::Empirical, Some(log)) => Some(Lengths::Empirical { pairs: log.pairs().into() }),
        (LengthSource::Log | LengthSource::Empirical, None) => {
            resolver.refuse("requests.lengths", |place| {
                Error::at(
                    place,
                    format!("requests.lengths: found {:?} without requests.log", source.spelling()),
                )
                .expected("the path of a request log, or lengths \"fixed\" or \"lognormal\"")
            });
            None
        }
        (LengthSource::Fixed | LengthSource::Lognormal, _) => Some(drawn(resolver, source)),
    }
}

/// Refuses what would have no effect on lengths from this source.
fn check_lengths(resolver: &mut Resolver<'_>, source: LengthSource, logged: bool) {
    let section = &resolver.scenario().requests;
    let drawn = source == LengthSource::Lognormal;
    let given = drawn || source == LengthSource::Fixed;
    for (key, is_there, belongs) in [
        ("requests.prompt_tokens", section.prompt_tokens.is_some(), given),
        ("requests.output_tokens", section.output_tokens.is_some(), given),
        ("requests.prompt_cv", section.prompt_cv.is_some(), drawn),
        ("requests.output_cv", section.output_cv.is_some(), drawn),
        ("requests.tokens_max", section.tokens_max.is_some(), drawn),
        ("requests.log", section.log.is_some(), logged || !given),
    ] {
        if is_there && !belongs {
            resolver.refuse(key, |place| {
                Error::at(place, format!("{key}: found beside requests.lengths = {:?}", source.spelling()))
                    .expected("no such key there")
            });
        }
    }
}

fn drawn(resolver: &mut Resolver<'_>, source: LengthSource) -> Lengths {
    let section = &resolver.scenario().requests;
    let max = section.tokens_max.map_or(TOKENS_MAX_DEFAULT, NonZeroU32::get);
    let mut length = |key: &str, tokens: Option<NonZeroU32>, cv: Option<Factor>, default: u32| {
        let tokens = resolver.or_default(key, tokens.map(NonZeroU32::get), default, "default");
        match source {
            LengthSource::Lognormal => {
                Length::Lognormal { mean: f64::from(tokens), cv: cv.map_or(1.0, Factor::value), max }
            }
            _ => Length::Fixed { tokens },
        }
    };
    Lengths::Each {
        prompt: length("requests.prompt_tokens", section.prompt_tokens, section.prompt_cv, PROMPT_DEFAULT),
        output: length("requests.output_tokens", section.output_tokens, section.output_cv, OUTPUT_DEFAULT),
    }
}

fn extent(resolver: &mut Resolver<'_>, arrivals: ArrivalProcess, has_log: bool) -> Extent {
    let section = &resolver.scenario().requests;
    let (count, duration) = (section.count.map(NonZeroU64::get), section.duration);
    if let Some(duration) = duration {
        resolver.given("requests.duration", duration);
        if count.is_some() {
            resolver.refuse("requests.count", |place| {
                Error::at(place, "requests.count: found beside requests.duration")
                    .expected("only one of them")
            });
        }
        return Extent::Duration { ns: duration.as_ns() };
    }
    if let Some(count) = count {
        resolver.given("requests.count", count);
        return Extent::Requests { count: u32::try_from(count).unwrap_or(u32::MAX) };
    }
    if arrivals == ArrivalProcess::Log && has_log {
        resolver.note("requests.count", "all", "default: those of the log");
        return Extent::Log;
    }
    resolver.note("requests.count", COUNT_DEFAULT, "default");
    Extent::Requests { count: COUNT_DEFAULT }
}

/// `name: share`, with the share as a percentage.
fn share(text: &str) -> Option<(&str, f64)> {
    let (name, share) = text.rsplit_once(':')?;
    let share: crate::scenario::Percent = share.trim().parse().ok()?;
    Some((name.trim(), share.ppm() as f64 / 1e6)).filter(|(name, _)| !name.is_empty())
}

fn shares<'a>(resolver: &mut Resolver<'_>, key: &str, written: &'a [String]) -> Option<Vec<(&'a str, f64)>> {
    let mut all = Vec::new();
    for text in written {
        match share(text) {
            Some(found) => all.push(found),
            None => {
                resolver.refuse(key, |place| {
                    Error::at(place, format!("{key}: found {text:?}"))
                        .expected("a name and a share like \"code: 50 %\"")
                });
                return None;
            }
        }
    }
    if !written.is_empty() {
        resolver.given(key, written.join(", "));
    }
    Some(all)
}

fn domains(resolver: &mut Resolver<'_>) -> Option<Vec<DomainShare>> {
    let section = resolver.scenario().requests.clone();
    let begin = shares(resolver, "requests.domains", section.domains.as_deref().unwrap_or_default())?;
    let written_end = section.domains_end.as_deref().unwrap_or_default();
    let end = shares(resolver, "requests.domains_end", written_end)?;
    let names = |shares: &[(&str, f64)]| {
        let mut names: Vec<String> = shares.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        names
    };
    if !end.is_empty() && names(&begin) != names(&end) {
        resolver.refuse("requests.domains_end", |place| {
            Error::at(place, format!("requests.domains_end: found {}", names(&end).join(", ")))
                .expected(format!("the domains of requests.domains: {}", names(&begin).join(", ")))
        });
        return None;
    }
    let last = |name: &str, begin: f64| {
        end.iter().find(|(other, _)| *other == name).map_or(begin, |(_, share)| *share)
    };
    Some(
        begin
            .iter()
            .map(|(name, share)| DomainShare {
                name: (*name).to_owned(),
                begin: *share,
                end: last(name, *share),
            })
            .collect(),
    )
}

fn priorities(resolver: &mut Resolver<'_>) -> Option<Vec<PriorityShare>> {
    let written = resolver.scenario().requests.priorities.clone().unwrap_or_default();
    let mut all = Vec::new();
    for (name, share) in shares(resolver, "requests.priorities", &written)? {
        let Ok(priority) = name.parse() else {
            resolver.refuse("requests.priorities", |place| {
                Error::at(place, format!("requests.priorities: found {name:?}"))
                    .expected("a priority from 0 to 255")
            });
            return None;
        };
        all.push(PriorityShare { priority, share });
    }
    Some(all)
}
