//! The predictors by name. A registry sits above the trait and its implementations, so that no circle forms.

use std::fmt;
use std::sync::Arc;

use super::predictors::{
    ActivationMatrix, GateLookahead, Nothing, Oracle, Popularity, PreviousToken, Transition,
};
use super::{Predictor, Profile};

/// What a predictor must be told to work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictorNeeds {
    /// What the target event will really ask for.
    pub truth: bool,
    /// It takes a profile where one is given, and learns during the run where none is.
    pub profile_optional: bool,
}

/// What a predictor is built from.
#[derive(Clone, Copy, Debug)]
pub struct PredictorInput<'a> {
    /// MoE layers.
    pub layers: u32,
    /// Experts per layer.
    pub experts: u32,
    /// Experts that a token asks for in each layer.
    pub top_k: u32,
    /// The scenario's seed.
    pub seed: u64,
    /// Recall at distance 1, 2, ... in parts per million, for predictors that are modelled by it; the last one holds beyond.
    pub recall_ppm: &'a [u32],
    /// Counts of a recorded trace of the same shape ([`Profile::check`]), for predictors that take one.
    pub profile: Option<&'a Profile>,
}

/// Builds a predictor.
pub type BuildPredictor = Arc<dyn Fn(&PredictorInput<'_>) -> Box<dyn Predictor> + Send + Sync>;

/// One predictor as the rest of the program knows it.
#[derive(Clone)]
pub struct PredictorRow {
    /// Name in scenarios.
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// It is given the future as it is, so no real engine can match it.
    pub is_oracle: bool,
    /// Without a profile it keeps what earlier sequences of the run taught it. All others, and this one with a profile,
    /// predict for a sequence what they would predict for it alone.
    pub learns: bool,
    /// What it must be told.
    pub needs: PredictorNeeds,
    /// Builds it.
    pub build: BuildPredictor,
}

impl fmt::Debug for PredictorRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PredictorRow")
            .field("name", &self.name)
            .field("is_oracle", &self.is_oracle)
            .field("learns", &self.learns)
            .field("needs", &self.needs)
            .finish_non_exhaustive()
    }
}

impl PredictorRow {
    /// A row for a predictor that needs to be told nothing, learns nothing and is no oracle.
    pub fn new<P: Predictor + 'static>(
        name: &str,
        about: &str,
        build: impl Fn(&PredictorInput<'_>) -> P + Send + Sync + 'static,
    ) -> Self {
        let build: BuildPredictor = Arc::new(move |input| Box::new(build(input)));
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            is_oracle: false,
            learns: false,
            needs: PredictorNeeds::default(),
            build,
        }
    }

    /// The same row, saying that the predictor is given the truth. Whether that makes it an oracle is another question: a
    /// model of a real predictor may need the truth to miss it as often as that one does.
    #[must_use]
    pub fn needing_truth(mut self) -> Self {
        self.needs.truth = true;
        self
    }

    /// The same row, marked as an oracle.
    #[must_use]
    pub fn oracle(mut self) -> Self {
        self.is_oracle = true;
        self
    }

    /// The same row, saying that the predictor learns from a profile, or without one from the sequences of the run.
    #[must_use]
    pub fn learning(mut self) -> Self {
        self.learns = true;
        self.needs.profile_optional = true;
        self
    }
}

/// All predictors that a scenario may name.
#[derive(Clone, Debug)]
pub struct PredictorRegistry {
    rows: Vec<PredictorRow>,
}

impl Default for PredictorRegistry {
    /// The built-in predictors.
    fn default() -> Self {
        let rows = vec![
            PredictorRow::new("none", "nothing is loaded ahead", |_| Nothing::new()),
            PredictorRow::new("previous-token", "what the layer asked for in the pass before", |input| {
                PreviousToken::new(input.layers, input.experts)
            }),
            PredictorRow::new("popularity", "the layer's most popular experts", |input| {
                Popularity::new(input.layers, input.experts, input.profile)
            })
            .learning(),
            PredictorRow::new("gate-lookahead", "the layer's gate on an earlier hidden state", |input| {
                GateLookahead::new(input.layers, input.experts, input.seed, input.recall_ppm)
            })
            .needing_truth(),
            PredictorRow::new("transition", "what most often followed the experts just seen", |input| {
                Transition::new(input.layers, input.experts, input.profile)
            })
            .learning(),
            PredictorRow::new("activation-matrix", "the earlier sequence most like this one", |input| {
                ActivationMatrix::new(input.layers, input.experts, input.profile)
            })
            .learning(),
            PredictorRow::new("oracle", "the truth itself: the bound", |_| Oracle::new())
                .needing_truth()
                .oracle(),
        ];
        Self { rows }
    }
}

impl PredictorRegistry {
    /// Adds a predictor, or replaces the one of the same name.
    #[must_use]
    pub fn with(mut self, row: PredictorRow) -> Self {
        self.rows.retain(|known| known.name != row.name);
        self.rows.push(row);
        self
    }

    /// The predictor of this name.
    pub fn find(&self, name: &str) -> Option<&PredictorRow> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Every predictor, built-in ones first.
    pub fn rows(&self) -> &[PredictorRow] {
        &self.rows
    }
}
