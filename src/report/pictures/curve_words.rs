//! What pictures of a comparison say: titles, remarks, capacities and policies in words.

use super::curve_sheet::CurveSheet;
use crate::metrics::PolicyCurve;
use crate::report::draw::{Align, GREY, Scene, heading};
use crate::report::format::counted;

/// LRU hits nothing where it hits less than one lookup in so many.
const NOTHING: u64 = 200;

impl CurveSheet<'_> {
    /// Experts of one token, and what becomes of LRU below them.
    pub(super) fn cycle(&self) -> (f64, String) {
        let (of, cycle) = (self.of, self.of.cycle_experts());
        // An event's own experts do not push each other out.
        let before = cycle.saturating_sub(of.top_k);
        let is_cliff = !of.lru_needs.is_empty()
            && cycle > 0
            && (self.lookups() - of.lru_misses(before)).saturating_mul(NOTHING) <= self.lookups();
        let cliff = if is_cliff { "; with fewer, LRU hits nothing: the LRU cliff" } else { "" };
        let text =
            format!("one token asks for {cycle} experts ({} x top {}){cliff}", layers(of.layers), of.top_k);
        (cycle as f64, text)
    }

    /// Shares of all experts, in percent without its sign: whole ones where these tell all capacities apart.
    pub(super) fn shares(&self) -> Vec<String> {
        let ppm = || self.order.iter().map(|at| self.of.capacities[*at].share_ppm);
        let mut whole: Vec<String> = ppm().map(|ppm| ((ppm + 5_000) / 10_000).to_string()).collect();
        whole.dedup();
        if whole.len() == self.order.len() {
            return whole;
        }
        ppm().map(|ppm| percent(ppm).trim_end_matches(" %").to_owned()).collect()
    }

    /// The capacities over which policies are ranked, as `5 % to 25 %`.
    pub(super) fn contested_range(&self) -> Option<String> {
        let share = |at: &usize| percent(self.of.capacities[*at].share_ppm);
        match self.contested.as_slice() {
            [] => None,
            [one] => Some(share(one)),
            [first, .., last] => Some(format!("{} to {}", share(first), share(last))),
        }
    }

    /// A capacity in words.
    pub(super) fn capacity(&self, at: usize) -> String {
        let asked = self.of.capacities[at];
        format!("{} ({} experts)", percent(asked.share_ppm), asked.experts)
    }

    pub(super) fn title(&self, own: &str) -> String {
        if self.of.name.is_empty() { own.to_owned() } else { format!("{}: {own}", self.of.name) }
    }

    /// The model, the trace and how it was replayed.
    pub(super) fn subtitle(&self) -> String {
        let of = self.of;
        let count = |count: u64, noun: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
        let mut parts = vec![
            of.model.clone(),
            format!("{} of {}, top {}", layers(of.layers), count(of.experts, "expert"), of.top_k),
            format!(
                "{} in {}",
                count(of.judged(of.tokens()), &format!("{} token", self.phase())),
                counted(of.sequences.len(), "sequence")
            ),
        ];
        let settings = of.settings.iter().filter(|(key, _)| key != "profile");
        parts.extend(settings.map(|(key, value)| format!("{key}: {value}")));
        parts.retain(|part| !part.is_empty());
        parts.join(" \u{b7} ")
    }

    /// A remark, and where profiles come from.
    pub(super) fn note(&self, own: &str) -> String {
        let profile = self.of.settings.iter().find(|(key, _)| key == "profile");
        profile.map_or(own.to_owned(), |(_, origin)| format!("{own} Profiles from: {origin}."))
    }

    /// Which lines do not depend on the capacities asked for.
    pub(super) fn exactness(&self) -> &'static str {
        match (self.of.lru_needs.is_empty(), self.of.belady_needs.is_empty()) {
            (false, false) => "Exact at every number of experts: lru and belady.",
            (false, true) => "Exact at every number of experts: lru.",
            (true, false) => "Exact at every number of experts: belady.",
            (true, true) => "",
        }
    }

    /// A frame that says why there is nothing in it; `None` where there is something to draw.
    pub(super) fn nothing(&self, own: &str) -> Option<Scene> {
        let why = match () {
            () if self.lookups() == 0 => "The trace has no lookups.",
            () if self.order.is_empty() => "No capacity was asked for.",
            () if self.of.curves.is_empty() => "No policy was asked for.",
            () => return None,
        };
        Some(self.empty(own, why))
    }

    /// A frame that says why there is nothing in it.
    pub(super) fn empty(&self, own: &str, why: &str) -> Scene {
        let mut scene = Scene::default();
        heading(&mut scene, &self.title(own), &self.subtitle());
        scene.text((500.0, 330.0), why, 16.0, Align::Middle, GREY);
        scene
    }
}

/// A name with what keeps the policy from being an answer.
pub(super) fn labelled(curve: &PolicyCurve) -> String {
    match curve {
        PolicyCurve { is_bound: true, name, .. } => format!("{name} (bound)"),
        PolicyCurve { in_sample: true, name, .. } => format!("{name} (in sample)"),
        PolicyCurve { name, .. } => name.clone(),
    }
}

/// Parts per million in percent, to a tenth: `12.5 %`, `30 %`.
fn percent(ppm: u64) -> String {
    let tenths = (ppm + 500) / 1000;
    if tenths.is_multiple_of(10) {
        format!("{} %", tenths / 10)
    } else {
        format!("{}.{} %", tenths / 10, tenths % 10)
    }
}

fn layers(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "layer")
}
