//! Placements as settings of a scenario.

use crate::scenario::PlacementFamily as Family;

/// A placement with its settings, in words for four columns: placement, cache, policy, predictor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) words: [String; 4],
    pub(super) settings: Vec<(String, String)>,
}

/// What may vary within a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a> {
    pub(super) steps: u32,
    pub(super) policies: &'a [String],
    pub(super) predictors: &'a [String],
    /// Layers of the model; with or without experts.
    pub(super) layers: u64,
    pub(super) is_dense: bool,
}

fn setting(key: &str, value: &impl ToString) -> (String, String) {
    (key.to_owned(), value.to_string())
}

fn alone(words: &str, settings: Vec<(String, String)>) -> Placed {
    let none = String::new;
    Placed { words: [words.to_owned(), none(), none(), none()], settings }
}

/// The placements of a family; for layers on the CPU those of [`cpu_layers`] with the numbers of a ladder.
pub(super) fn placements(family: Family, choices: &Choices<'_>) -> Vec<Placed> {
    match family {
        Family::Resident if choices.is_dense => vec![alone("resident", Vec::new())],
        Family::Resident => vec![alone("resident", vec![setting("placement.experts", &"vram")])],
        Family::CpuLayers => {
            let steps = u64::from(choices.steps);
            let mut counts: Vec<u64> =
                (1..=steps).map(|step| (choices.layers * step).div_ceil(steps)).collect();
            counts.dedup();
            counts.into_iter().map(|count| cpu_layers(count, choices.is_dense)).collect()
        }
        _ if choices.is_dense => Vec::new(),
        Family::Cache => cached("experts in DRAM", &[("placement.experts", "dram")], choices),
        Family::CpuMisses => cached(
            "experts in DRAM, computed by the CPU where that is faster",
            &[("placement.experts", "dram"), ("placement.miss", "auto")],
            choices,
        ),
        Family::Nvme => cached(
            "experts on NVMe, cached in DRAM",
            &[("placement.experts", "nvme"), ("placement.dram_cache", "rest")],
            choices,
        ),
        Family::SingleBuffer => {
            let settings =
                vec![setting("placement.experts", &"dram"), setting("placement.single_buffer", &true)];
            vec![alone("experts in DRAM through one buffer", settings)]
        }
    }
}

/// The experts of the first layers on the CPU; of a dense model, these layers.
pub(super) fn cpu_layers(count: u64, is_dense: bool) -> Placed {
    if is_dense {
        return alone(&format!("{count} layers on the CPU"), vec![setting("placement.cpu_layers", &count)]);
    }
    let settings = vec![setting("placement.experts", &"vram"), setting("placement.n_cpu_moe", &count)];
    alone(&format!("experts of {count} layers on the CPU"), settings)
}

/// A cache of each size, policy and predictor.
fn cached(words: &str, base: &[(&str, &str)], choices: &Choices<'_>) -> Vec<Placed> {
    let shares = (1..choices.steps).map(|step| format!("{} %", percent(step, choices.steps)));
    let mut placed = Vec::new();
    for capacity in shares.chain(["rest".to_owned()]) {
        for policy in choices.policies {
            for predictor in choices.predictors {
                let mut settings: Vec<(String, String)> =
                    base.iter().map(|(key, value)| setting(key, value)).collect();
                settings.push(setting("cache.capacity", &capacity));
                settings.push(setting("cache.policy", policy));
                settings.push(setting("prefetch.predictor", predictor));
                let words = [words.to_owned(), capacity.clone(), policy.clone(), predictor.clone()];
                placed.push(Placed { words, settings });
            }
        }
    }
    placed
}

/// `part` of `whole` in percent, with at most two decimals.
fn percent(part: u32, whole: u32) -> String {
    let hundredths = u64::from(part) * 10_000 / u64::from(whole.max(1));
    let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(family: Family, is_dense: bool) -> usize {
        let (policies, predictors) = (["lru".to_owned(), "lfu".to_owned()], ["none".to_owned()]);
        let choices = Choices { steps: 3, policies: &policies, predictors: &predictors, layers: 4, is_dense };
        placements(family, &choices).len()
    }

    #[test]
    fn a_family_has_every_combination_of_what_it_has() {
        for (family, of_experts, of_dense) in [
            (Family::Resident, 1, 1),
            (Family::CpuLayers, 3, 3),
            (Family::Cache, 6, 0),
            (Family::CpuMisses, 6, 0),
            (Family::Nvme, 6, 0),
            (Family::SingleBuffer, 1, 0),
        ] {
            assert_eq!((count(family, false), count(family, true)), (of_experts, of_dense), "{family:?}");
        }
        assert_eq!([percent(1, 4), percent(1, 3), percent(1, 8)], ["25", "33.33", "12.5"]);
    }
}
