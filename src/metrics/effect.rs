//! An effect that measurements show, as simulated: one or more curves over one setting.

use serde::{Deserialize, Serialize};

/// One simulated number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectValue {
    /// Place on the x axis, as text.
    pub x: String,
    /// The same as a number, where every place has one; pictures draw curves then, and bars otherwise.
    pub place: Option<f64>,
    /// Curve that it belongs to; empty for the only one.
    pub group: String,
    /// The number; `None` where the point cannot run or has no such number.
    pub value: Option<f64>,
    /// Why there is none.
    pub reason: String,
}

/// One metric over the x axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EffectChart {
    /// Name of the metric, as in the effect's file.
    pub metric: String,
    /// What it is, in words.
    pub label: String,
    /// Its unit; empty for a ratio.
    pub unit: String,
    /// In the order of the sweep.
    pub values: Vec<EffectValue>,
}

impl EffectChart {
    /// The label with its unit.
    pub fn title(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} ({})", self.label, self.unit) }
    }

    /// Places on the x axis, each once, in the order of the sweep.
    pub fn places(&self) -> Vec<&str> {
        each_once(self.values.iter().map(|value| value.x.as_str()))
    }

    /// Curves, each once, in the order of the sweep.
    pub fn groups(&self) -> Vec<&str> {
        each_once(self.values.iter().map(|value| value.group.as_str()))
    }

    /// The entry at a place of a curve.
    pub fn at(&self, x: &str, group: &str) -> Option<&EffectValue> {
        self.values.iter().find(|value| value.x == x && value.group == group)
    }

    /// The numbers of one curve, in the order of the sweep, with their places where those are numbers.
    pub fn curve(&self, group: &str) -> Vec<(Option<f64>, f64)> {
        let of_group = self.values.iter().filter(|value| value.group == group);
        of_group.filter_map(|value| Some((value.place, value.value?))).collect()
    }
}

fn each_once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut known = Vec::new();
    for name in names {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known
}

/// An effect with what the simulation says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Short name.
    pub id: String,
    /// What happens, as a sentence.
    pub title: String,
    /// What measurements say.
    pub says: String,
    /// Which ones, and where they were published.
    pub source: String,
    /// What to see in the picture, and what the simulation leaves out.
    pub shows: String,
    /// The file that the effect was read from.
    pub file: String,
    /// What the points share: model, GPU, engine.
    pub setting: String,
    /// What the x axis is, with its unit.
    pub x_label: String,
    /// What tells the curves apart; empty where there is one.
    pub group_label: String,
    /// Points simulated.
    pub points: usize,
    /// One for each metric.
    pub charts: Vec<EffectChart>,
}
