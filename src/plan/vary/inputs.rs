//! Capacities, loads and routing: settings of a scenario, which is planned anew with another value of one of them.

use std::num::NonZeroU32;

use super::rates::SAME_PPM;
use crate::memory::Tier;
use crate::metrics::Parameter;
use crate::plan::{Plan, router};
use crate::scenario::{
    ArrivalProcess, CacheCapacity, Factor, HitRate, KvCapacity, LengthSource, Percent, Rate, Router, Scenario,
};
use crate::units::Bytes;

/// Where a fitted or synthetic router is as flat as it is.
const TEMPERATURE_DEFAULT: u64 = SAME_PPM;

fn scaled(value: u64, ppm: u64) -> u64 {
    let scaled = (u128::from(value) * u128::from(ppm) + u128::from(SAME_PPM / 2)) / u128::from(SAME_PPM);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn share(value: Percent, ppm: u64) -> Percent {
    Percent::from_ppm(scaled(value.ppm(), ppm)).min(Percent::WHOLE)
}

fn count(value: u32, ppm: u64) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(scaled(u64::from(value), ppm)).unwrap_or(u32::MAX).max(1))
}

/// Gives a parameter so many parts per million of what it is, and says what it is then; `None` where the point does not
/// have it, or it is no setting of a scenario.
pub(super) fn overlay(
    scenario: &mut Scenario,
    plan: &Plan,
    parameter: Parameter,
    ppm: u64,
) -> Option<String> {
    match parameter {
        Parameter::Vram | Parameter::Dram => memory(scenario, plan, parameter, ppm),
        Parameter::ExpertCache => expert_cache(scenario, plan, ppm),
        Parameter::HostCache => {
            plan.placement.dram.as_ref()?;
            capacity(&mut scenario.placement.dram_cache, ppm)
        }
        Parameter::PrefetchBudget => {
            let budget = plan.prefetch.as_ref()?.budget;
            let budget = Bytes::new(scaled(budget.get(), ppm));
            scenario.prefetch.budget = Some(budget);
            Some(budget.to_string())
        }
        Parameter::KvCache => {
            plan.serving.as_ref()?;
            match &mut scenario.kv.capacity {
                Some(KvCapacity::Size(size)) => {
                    *size = Bytes::new(scaled(size.get(), ppm));
                    Some(size.to_string())
                }
                Some(KvCapacity::Share(part)) => {
                    *part = share(*part, ppm);
                    Some(part.to_string())
                }
                Some(KvCapacity::Rest) | None => None,
            }
        }
        Parameter::RequestRate | Parameter::Users => arrivals(scenario, plan, parameter, ppm),
        Parameter::PromptTokens | Parameter::OutputTokens => lengths(scenario, plan, parameter, ppm),
        Parameter::Depth => {
            let depth = scenario.workload.depth.filter(|depth| *depth > 0 && plan.serving.is_none())?;
            scenario.workload.depth = Some(scaled(depth, ppm));
            Some(format!("{} tokens", scaled(depth, ppm)))
        }
        Parameter::HitRate => {
            let rate = scenario.cache.hit_rate?.0;
            let rate = share(rate, ppm);
            scenario.cache.hit_rate = Some(HitRate(rate));
            (rate.ppm() > 0).then(|| rate.to_string())
        }
        Parameter::Skew => skew(scenario, plan, ppm),
        Parameter::Repetition => repetition(scenario, plan, ppm),
        _ => None,
    }
}

fn memory(scenario: &mut Scenario, plan: &Plan, parameter: Parameter, ppm: u64) -> Option<String> {
    let hardware = &mut scenario.hardware;
    let (tier, key) = match parameter {
        Parameter::Vram => (Tier::Vram, &mut hardware.vram),
        _ => (Tier::Dram, &mut hardware.dram),
    };
    if plan.ledger.total(tier) == Bytes::ZERO || plan.ledger.capacity(tier) == Bytes::ZERO {
        return None;
    }
    let size = Bytes::new(scaled(plan.ledger.capacity(tier).get(), ppm));
    *key = Some(size);
    Some(size.to_string())
}

/// Room that the scenario fixes; what is left over follows the memory instead.
fn capacity(written: &mut Option<CacheCapacity>, ppm: u64) -> Option<String> {
    match written {
        Some(CacheCapacity::Size(size)) => {
            *size = Bytes::new(scaled(size.get(), ppm));
            Some(size.to_string())
        }
        Some(CacheCapacity::Share(part)) => {
            *part = share(*part, ppm);
            Some(format!("{part} of all experts"))
        }
        Some(CacheCapacity::Rest) | None => None,
    }
}

fn expert_cache(scenario: &mut Scenario, plan: &Plan, ppm: u64) -> Option<String> {
    let is_cached = plan.labels.backing != "vram" && plan.labels.experts_total_bytes > 0;
    if !is_cached || plan.machine.single_buffer || plan.cache.hit_rate_ppm.is_some() {
        return None;
    }
    if let Some(slots) = scenario.cache.slots_per_layer {
        scenario.cache.slots_per_layer = count(slots.get(), ppm);
        return scenario.cache.slots_per_layer.map(|slots| format!("{slots} a layer"));
    }
    capacity(&mut scenario.cache.capacity, ppm)
}

fn arrivals(scenario: &mut Scenario, plan: &Plan, parameter: Parameter, ppm: u64) -> Option<String> {
    let serving = plan.serving.as_ref()?;
    let requests = &mut scenario.requests;
    match (parameter, requests.arrivals?) {
        (Parameter::Users, ArrivalProcess::Closed) => {
            requests.users = count(requests.users?.get(), ppm);
            requests.users.map(|users| users.to_string())
        }
        (Parameter::RequestRate, ArrivalProcess::Log) => {
            let speed = requests.log_speed.map_or(SAME_PPM, Factor::ppm);
            requests.log_speed = Some(Factor::from_ratio(scaled(speed, ppm), SAME_PPM));
            Rate::from_millihertz(scaled(serving.rate_millihertz, ppm)).map(|rate| rate.to_string())
        }
        (Parameter::RequestRate, _) => {
            requests.rate = Rate::from_millihertz(scaled(requests.rate?.millihertz(), ppm).max(1));
            requests.rate.map(|rate| rate.to_string())
        }
        _ => None,
    }
}

/// Mean lengths, where the scenario gives them: of requests, or the prompts of a synthetic router that are replayed.
fn lengths(scenario: &mut Scenario, plan: &Plan, parameter: Parameter, ppm: u64) -> Option<String> {
    let is_prompt = parameter == Parameter::PromptTokens;
    if plan.serving.is_none() {
        let workload = &mut scenario.workload;
        let tokens = workload.prompt_tokens.filter(|tokens| is_prompt && *tokens > 0)?;
        workload.router?;
        workload.prompt_tokens = Some(scaled(tokens, ppm).max(1));
        return Some(format!("{} tokens", scaled(tokens, ppm).max(1)));
    }
    let resolved = |key: &str| {
        let setting = plan.settings.iter().find(|setting| setting.key == key)?;
        setting.value.parse::<u32>().ok()
    };
    let requests = &mut scenario.requests;
    if matches!(requests.lengths, Some(LengthSource::Log | LengthSource::Empirical)) {
        return None;
    }
    let tokens = count(resolved(parameter.id())?, ppm);
    *(if is_prompt { &mut requests.prompt_tokens } else { &mut requests.output_tokens }) = tokens;
    tokens.map(|tokens| format!("{tokens} tokens"))
}

/// More skew is a colder router: what all pulls' logarithms are divided by.
fn skew(scenario: &mut Scenario, plan: &Plan, ppm: u64) -> Option<String> {
    let router = scenario.workload.router.filter(|_| is_routed(plan))?;
    if router == Router::Uniform && scenario.router.domains.is_none() {
        return None;
    }
    let now = scenario.router.temperature.map_or(TEMPERATURE_DEFAULT, Factor::ppm);
    let turned = Factor::from_ratio(now, ppm);
    if turned.ppm() != now {
        scenario.router.temperature = Some(turned);
    }
    Some(logits(ppm))
}

/// So many parts per million of the router's logits, in words.
pub(super) fn logits(ppm: u64) -> String {
    format!("logits x {}", Factor::from_ratio(ppm, SAME_PPM))
}

fn repetition(scenario: &mut Scenario, plan: &Plan, ppm: u64) -> Option<String> {
    let router = scenario.workload.router.filter(|_| is_routed(plan))?;
    let now = scenario.workload.repeat.unwrap_or_else(|| router::repeat(router));
    let repeat = share(now, ppm);
    scenario.workload.repeat = Some(repeat);
    (repeat.ppm() > 0).then(|| repeat.to_string())
}

/// Whether anything depends on which experts are chosen.
pub(super) fn is_routed(plan: &Plan) -> bool {
    plan.labels.experts_total_bytes > 0 && plan.cache.hit_rate_ppm.is_none()
}
