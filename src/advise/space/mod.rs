//! Candidates: every configuration that the question allows, as settings on top of the scenario.

mod engines;
mod families;
pub(in crate::advise) mod layouts;

use self::engines::{ABILITIES, Ability, ability, comes_in, quants};
use self::families::{Choices, Placed, cpu_layers, placements};
use self::layouts::{LayoutChoice, usual};
use super::machine::{self, Machine};
use super::question::Question;
use crate::catalogue::{Entry, Gpu, ModelRow};
use crate::error::{Error, Result};
use crate::metrics::advice::Metric;
use crate::model::hf;
use crate::plan::{Inputs, plan};
use crate::scenario::{POINTS_MAX, PlacementFamily as Family, Scenario, ScenarioFile};

/// What candidates differ in, beside the scenario's own axes.
pub(super) const DIMENSIONS: [&str; 9] =
    ["model", "quant", "machine", "engine", "placement", "cache", "policy", "predictor", "layout"];

/// A configuration before anything is known of it.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Point of the scenario that it changes.
    pub(super) point: usize,
    /// In words, one for each dimension and each axis.
    pub(super) choice: Vec<String>,
    /// What it changes.
    pub(super) settings: Vec<(String, String)>,
}

/// What the scenario's own model and machine are.
struct Own {
    model: Option<String>,
    shape: (u64, bool),
    quant: Option<String>,
    engine: Option<String>,
    gpu: Option<&'static Gpu>,
    layout: LayoutChoice,
    traced: bool,
}

/// Builds all candidates.
///
/// # Errors
/// A model that cannot be read, and more candidates than a scenario may have points.
pub(super) fn space(scenario: &ScenarioFile, question: &Question, inputs: &Inputs) -> Result<Vec<Draft>> {
    let own = own(&scenario.point(0)?.scenario, inputs)?;
    let machines = machines(question, &own);
    let mut builder = Builder { scenario, question, inputs, own, drafts: Vec::new() };
    for model in builder.models() {
        for machine in &machines {
            for ability in builder.abilities() {
                builder.add(&model, machine, &ability)?;
            }
        }
    }
    if builder.drafts.is_empty() {
        return Err(Error::new(
            "no engine can do what is asked: of its placements, quantisations and GPUs none is allowed",
        )
        .hint("allow more in [advise], or name engine.profile = \"generic\""));
    }
    Ok(builder.drafts)
}

fn own(scenario: &Scenario, inputs: &Inputs) -> Result<Own> {
    let section = &scenario.model;
    let spec = match (&section.name, &section.config, &section.gguf) {
        (Some(name), ..) => ModelRow::find(name).map(|row| row.spec.clone()),
        (_, Some(path), _) => {
            let spec = inputs.model(path, || {
                let text = std::fs::read_to_string(path).map_err(|cause| Error::io(path, "read", &cause))?;
                hf::import(&text, path)
            })?;
            Some((*spec).clone())
        }
        (_, _, Some(path)) => Some(inputs.gguf(path)?.spec.clone()),
        _ => None,
    };
    let degree = |written: Option<std::num::NonZeroU32>| written.map_or(1, std::num::NonZeroU32::get);
    let parallel = &scenario.parallel;
    Ok(Own {
        model: section.name.clone(),
        shape: spec.map_or((0, false), |spec| (spec.layers.len() as u64, spec.experts() == 0)),
        quant: scenario.quant.scheme.clone().or_else(|| section.gguf.as_ref().map(|_| String::new())),
        engine: scenario.engine.profile.clone(),
        gpu: scenario.hardware.gpu.as_deref().and_then(Gpu::find),
        layout: LayoutChoice {
            tp: degree(parallel.tp),
            dp: degree(parallel.dp),
            ep: degree(parallel.ep),
            pp: degree(parallel.pp),
            replicas: degree(parallel.replicas),
        },
        traced: scenario.workload.trace.is_some(),
    })
}

/// The machines that are written; else the scenario's; else all that a budget allows.
fn machines(question: &Question, own: &Own) -> Vec<Machine> {
    if !question.machines.is_empty() {
        return question.machines.clone();
    }
    if let Some(gpu) = own.gpu {
        return vec![Machine::of_scenario(Some(gpu), &gpu.id, own.layout.gpus())];
    }
    let price =
        question.limits.iter().filter(|limit| limit.metric == Metric::Price).map(|limit| limit.value).min();
    machine::all(price)
}

struct Builder<'a> {
    scenario: &'a ScenarioFile,
    question: &'a Question,
    inputs: &'a Inputs,
    own: Own,
    drafts: Vec<Draft>,
}

/// A model with its layers, and whether it has no experts.
struct ModelChoice {
    name: Option<String>,
    shape: (u64, bool),
}

impl Builder<'_> {
    fn models(&self) -> Vec<ModelChoice> {
        if self.question.models.is_empty() {
            return vec![ModelChoice { name: None, shape: self.own.shape }];
        }
        let shape = |name: &String| {
            let spec = ModelRow::find(name).map(|row| &row.spec);
            spec.map_or((0, false), |spec| (spec.layers.len() as u64, spec.experts() == 0))
        };
        self.question
            .models
            .iter()
            .map(|name| ModelChoice { name: Some(name.clone()), shape: shape(name) })
            .collect()
    }

    fn abilities(&self) -> Vec<Ability> {
        if !self.question.engines.is_empty() {
            return self.question.engines.iter().map(|engine| named(engine)).collect();
        }
        if let Some(engine) = &self.own.engine {
            return vec![named(engine)];
        }
        let is_default = |ability: &&Ability| {
            if self.question.serves { ability.default.1 } else { ability.default.0 }
        };
        ABILITIES.iter().filter(is_default).copied().collect()
    }

    fn quants(&self, model: &ModelChoice, ability: &Ability, machine: &Machine) -> Vec<Option<String>> {
        if !self.question.quants.is_empty() {
            let fits = |quant: &&String| comes_in(quant, ability.format);
            return self.question.quants.iter().filter(fits).cloned().map(Some).collect();
        }
        if self.own.quant.is_some()
            && model.name.as_ref().is_none_or(|name| Some(name) == self.own.model.as_ref())
        {
            return vec![None];
        }
        let name = model.name.as_ref().or(self.own.model.as_ref()).map_or("", String::as_str);
        let has = |quant: &&str| match *quant {
            "nvfp4" => machine.gpu.is_none_or(|gpu| gpu.fp4.is_some()),
            "fp8" => machine.gpu.is_none_or(|gpu| gpu.fp8.is_some()),
            _ => true,
        };
        quants(name, ability.format).into_iter().filter(has).map(|quant| Some(quant.to_owned())).collect()
    }

    fn layouts(&self, machine: &Machine, ability: &Ability) -> Vec<LayoutChoice> {
        if machine.gpus > 1 && !ability.several_gpus {
            return Vec::new();
        }
        if !self.question.layouts.is_empty() {
            return self
                .question
                .layouts
                .iter()
                .filter(|layout| layout.gpus() == machine.gpus)
                .copied()
                .collect();
        }
        if machine.settings.is_empty() { vec![self.own.layout] } else { usual(machine.gpus) }
    }

    fn families(&self, ability: &Ability) -> Vec<Family> {
        let asked = &self.question.placements;
        ability.families.iter().filter(|family| asked.is_empty() || asked.contains(family)).copied().collect()
    }

    /// Every candidate of a model on a machine with an engine.
    fn add(&mut self, model: &ModelChoice, machine: &Machine, ability: &Ability) -> Result<()> {
        let or = |written: &[String], default: &[&str]| -> Vec<String> {
            if written.is_empty() {
                default.iter().map(|name| (*name).to_owned()).collect()
            } else {
                written.to_vec()
            }
        };
        let policies = or(&self.question.policies, &["lru", "lfu-ema"]);
        // Where nothing is copied while the GPU computes, there is no time to prefetch in.
        let prefetches = !self.question.serves && engines::overlaps(ability.engine);
        let predictors =
            or(&self.question.predictors, if prefetches { &["none", "previous-token"] } else { &["none"] });
        let (layers, is_dense) = model.shape;
        let unified = machine.gpu.is_some_and(|gpu| gpu.unified);
        let choices = Choices {
            steps: self.question.steps,
            policies: &policies,
            predictors: &predictors,
            layers,
            is_dense,
        };
        for quant in self.quants(model, ability, machine) {
            for layout in self.layouts(machine, ability) {
                for family in self.families(ability) {
                    // One pool of memory: nothing to copy from, and the CPU reads the same memory.
                    if unified && !matches!(family, Family::Resident | Family::Nvme) {
                        continue;
                    }
                    let mut all = placements(family, &choices);
                    let chosen = Chosen { model, quant: quant.as_deref(), machine, ability, layout };
                    if family == Family::CpuLayers {
                        all.extend(
                            self.fewest_cpu_layers(&chosen, &choices)?.filter(|placed| !all.contains(placed)),
                        );
                    }
                    for placed in &all {
                        self.push(&chosen, placed)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The fewest layers on the CPU with which the model fits, by bisection; `None` where all or none do.
    fn fewest_cpu_layers(&self, chosen: &Chosen<'_>, choices: &Choices<'_>) -> Result<Option<Placed>> {
        let fits = |count: u64| -> Result<bool> {
            let settings = self.settings(chosen, &cpu_layers(count, choices.is_dense));
            // What is wrong with a candidate is told when it is screened.
            let point = self.scenario.varied(0, &settings)?;
            Ok(plan(&point, self.inputs).is_ok_and(|plan| plan.fits()))
        };
        if choices.layers == 0 || fits(0)? || !fits(choices.layers)? {
            return Ok(None);
        }
        let (mut low, mut high) = (0, choices.layers);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if fits(middle)? { high = middle } else { low = middle }
        }
        Ok(Some(cpu_layers(high, choices.is_dense)))
    }

    fn settings(&self, chosen: &Chosen<'_>, placed: &Placed) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if let Some(name) = &chosen.model.name {
            settings.push(("model.name".to_owned(), name.clone()));
            if self.own.traced && Some(name) != self.own.model.as_ref() {
                settings.push(("workload.router".to_owned(), "typical".to_owned()));
            }
        }
        if let Some(quant) = chosen.quant {
            settings.push(("quant.scheme".to_owned(), quant.to_owned()));
        }
        settings.extend(chosen.machine.settings.iter().cloned());
        if !chosen.machine.settings.is_empty() {
            settings.extend(chosen.layout.settings());
        }
        settings.push(("engine.profile".to_owned(), chosen.ability.engine.to_owned()));
        settings.extend(placed.settings.iter().cloned());
        settings
    }

    fn push(&mut self, chosen: &Chosen<'_>, placed: &Placed) -> Result<()> {
        let own = |own: &Option<String>| own.clone().unwrap_or_default();
        let settings = self.settings(chosen, placed);
        for point in 0..self.scenario.len() {
            if self.drafts.len() >= POINTS_MAX {
                let error = Error::new(format!("the question has more than {POINTS_MAX} candidates"));
                return Err(error.hint("name fewer machines, quantisations or policies in [advise]"));
            }
            let mut choice = vec![
                chosen.model.name.clone().unwrap_or_else(|| own(&self.own.model)),
                chosen.quant.map_or_else(|| own(&self.own.quant), str::to_owned),
                chosen.machine.text.clone(),
                chosen.ability.engine.to_owned(),
            ];
            choice.extend(placed.words.iter().cloned());
            choice.push(chosen.layout.text());
            let axes = self.scenario.point(point)?.axes;
            choice.extend(axes.iter().map(|(_, value)| value.clone()));
            // What is swept stands first, so that a changed key wins.
            let settings = axes.into_iter().chain(settings.iter().cloned()).collect();
            self.drafts.push(Draft { point, choice, settings });
        }
        Ok(())
    }
}

struct Chosen<'a> {
    model: &'a ModelChoice,
    quant: Option<&'a str>,
    machine: &'a Machine,
    ability: &'a Ability,
    layout: LayoutChoice,
}

/// The abilities of an engine under its own name.
fn named(engine: &str) -> Ability {
    let name = ABILITIES.iter().map(|ability| ability.engine).find(|known| *known == engine);
    Ability { engine: name.unwrap_or("generic"), ..ability(engine) }
}
