//! How evenly the experts are loaded, from counts per layer and expert, and how many a batch would reach if the router
//! were even.
//!
//! The counts may be those of a trace or of a simulation: nothing here knows which. The result has the meaning of the
//! fields of `metrics::ExpertLoad` that come from such counts. Left out: load per GPU, which needs a placement.

use serde::Serialize;

/// Unused experts that are named; the others are only counted.
pub const NAMED_UNUSED: usize = 100;

/// Evenness of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LayerLoad {
    /// Selections of all experts.
    pub selections: u64,
    /// Experts that no token chose.
    pub never_used: u64,
    /// The busiest expert's selections over the mean expert's, in thousandths; zero without selections.
    pub busiest_permille: u64,
    /// Coefficient of variation of selections per expert (standard deviation over mean, both over all experts of the
    /// layer), in thousandths; zero where all are equal, or without selections.
    pub variation_permille: u64,
    /// Gini coefficient of selections per expert, in thousandths: 0 where all are equal, near 1,000 where one expert has
    /// all.
    pub gini_permille: u64,
}

/// Evenness of all layers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LoadStats {
    /// Experts that no token chose, as `(layer, expert)`, MoE layers counted from 0; at most the first
    /// [`NAMED_UNUSED`].
    pub never_used: Vec<(u32, u32)>,
    /// How many those are in all.
    pub never_used_count: u64,
    /// Experts of all layers.
    pub experts: u64,
    /// Mean of the layers' [`LayerLoad::busiest_permille`], over layers with selections.
    pub busiest_permille: u64,
    /// Mean of the layers' [`LayerLoad::variation_permille`], over layers with selections.
    pub variation_permille: u64,
    /// Mean of the layers' [`LayerLoad::gini_permille`], over layers with selections.
    pub gini_permille: u64,
    /// Layer by layer.
    pub layers: Vec<LayerLoad>,
}

impl LoadStats {
    /// From selections at `layer * experts + expert`; `experts` are those of one layer. An incomplete last layer counts
    /// as one with fewer experts.
    pub fn of(experts: usize, counts: &[u64]) -> Self {
        let layers: Vec<LayerLoad> = counts.chunks(experts.max(1)).map(layer_load).collect();
        let unused = (0_u32..).zip(counts.chunks(experts.max(1))).flat_map(|(layer, counts)| {
            let of_layer = (0_u32..).zip(counts).filter(|(_, count)| **count == 0);
            of_layer.map(move |(expert, _)| (layer, expert))
        });
        let used = || layers.iter().filter(|layer| layer.selections > 0);
        let mean = |field: fn(&LayerLoad) -> u64| {
            let number = used().count() as u64;
            let sum: u64 = used().map(field).sum();
            (sum + number / 2).checked_div(number).unwrap_or(0)
        };
        Self {
            never_used: unused.take(NAMED_UNUSED).collect(),
            never_used_count: layers.iter().map(|layer| layer.never_used).sum(),
            experts: counts.len() as u64,
            busiest_permille: mean(|layer| layer.busiest_permille),
            variation_permille: mean(|layer| layer.variation_permille),
            gini_permille: mean(|layer| layer.gini_permille),
            layers,
        }
    }
}

/// Evenness of one layer's counts, by expert.
pub fn layer_load(counts: &[u64]) -> LayerLoad {
    let selections = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let never_used = counts.iter().filter(|count| **count == 0).count() as u64;
    if selections == 0 {
        return LayerLoad { never_used, ..LayerLoad::default() };
    }
    let mut ascending = counts.to_vec();
    ascending.sort_unstable();
    let experts = counts.len() as f64;
    let total = selections as f64;
    let mean = total / experts;
    let squares: f64 = ascending.iter().map(|count| (*count as f64 - mean) * (*count as f64 - mean)).sum();
    // Sum over ranks 1 to n of (2 rank - n - 1) times the count, over n times the total.
    let ranked: f64 = (1_u32..)
        .zip(&ascending)
        .map(|(rank, count)| (2.0 * f64::from(rank) - experts - 1.0) * *count as f64)
        .sum();
    LayerLoad {
        selections,
        never_used,
        busiest_permille: permille(ascending.last().map_or(0.0, |most| *most as f64 / mean)),
        variation_permille: permille(libm::sqrt(squares / experts) / mean),
        gini_permille: permille(ranked / (experts * total)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and `as` saturates"
)]
fn permille(ratio: f64) -> u64 {
    libm::round(ratio * 1_000.0) as u64
}

/// Expected distinct experts that `tokens` tokens reach in one layer, if each chooses `top_k` of `experts` at random and
/// independently of the others: `E (1 - (1 - k / E)^B)`. Zero without experts.
///
/// Exact for an even router. Any unevenness of the experts lowers it, since the chance that nobody chooses an expert is
/// convex in the expert's share; so does any likeness between tokens. Real routers therefore lie below.
pub fn expected_distinct(experts: u32, top_k: u32, tokens: u64) -> f64 {
    if experts == 0 {
        return 0.0;
    }
    let missed = 1.0 - f64::from(top_k.min(experts)) / f64::from(experts);
    f64::from(experts) * (1.0 - libm::pow(missed, tokens as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn evenness_of_known_counts() {
        // Mean 2; deviations -2, 0, 2, 0: variance 2.
        let load = layer_load(&[0, 2, 4, 2]);
        assert_eq!(
            load,
            LayerLoad {
                selections: 8,
                never_used: 1,
                busiest_permille: 2_000,
                variation_permille: 707,
                gini_permille: 375,
            }
        );
        let even = layer_load(&[5; 7]);
        assert_eq!((even.busiest_permille, even.variation_permille, even.gini_permille), (1_000, 0, 0));
        let one = layer_load(&[0, 0, 0, 9]);
        assert_eq!((one.busiest_permille, one.variation_permille, one.gini_permille), (4_000, 1_732, 750));
        assert_eq!(layer_load(&[0, 0]), LayerLoad { never_used: 2, ..LayerLoad::default() });
        assert_eq!(layer_load(&[u64::MAX, u64::MAX]).never_used, 0);
    }

    #[test]
    fn layers_without_selections_do_not_lower_the_mean() {
        let load = LoadStats::of(2, &[1, 3, 0, 0, 4, 0]);
        assert_eq!(load.never_used, [(1, 0), (1, 1), (2, 1)]);
        assert_eq!((load.never_used_count, load.experts), (3, 6));
        assert_eq!((load.busiest_permille, load.variation_permille), (1_750, 750));
        assert_eq!(LoadStats::of(8, &[]), LoadStats::default());
        assert_eq!(LoadStats::of(300, &[0; 300]).never_used.len(), NAMED_UNUSED);
    }

    #[test]
    fn distinct_experts_of_an_even_batch() {
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found} {wanted}");
        near(expected_distinct(128, 8, 0), 0.0);
        near(expected_distinct(128, 8, 1), 8.0);
        near(expected_distinct(128, 8, 2), 15.5);
        near(expected_distinct(4, 4, 9), 4.0);
        near(expected_distinct(128, 8, u64::MAX), 128.0);
        near(expected_distinct(0, 8, 3), 0.0);
    }

    /// The Gini coefficient by its definition: mean difference between two experts over twice the mean.
    fn slow_gini(counts: &[u64]) -> f64 {
        let pairs = counts.iter().flat_map(|one| counts.iter().map(move |other| one.abs_diff(*other)));
        let total: u64 = counts.iter().sum();
        pairs.sum::<u64>() as f64 / (2.0 * counts.len() as f64 * total as f64)
    }

    proptest! {
        #[test]
        fn evenness_is_bounded_and_knows_no_order(mut counts in prop::collection::vec(0_u64..1_000, 1..40)) {
            let load = layer_load(&counts);
            if load.selections > 0 {
                prop_assert!(load.gini_permille.abs_diff(permille(slow_gini(&counts))) <= 1);
                prop_assert!((1_000..=1_000 * counts.len() as u64).contains(&load.busiest_permille));
                prop_assert!(load.gini_permille < 1_000);
            }
            counts.reverse();
            prop_assert_eq!(layer_load(&counts), load);
        }
    }
}
