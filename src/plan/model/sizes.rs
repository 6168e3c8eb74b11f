//! How large the experts of a trace are, where a person says which model it is of and how its weights are stored.

use std::path::Path;
use std::sync::Arc;

use super::super::workload::check_shape;
use super::{ModelPlan, Overrides, from_scheme};
use crate::catalogue::{Entry, ModelRow, QuantScheme};
use crate::error::{Error, Place, Result};
use crate::trace::Trace;

/// The experts of a model of the catalogue, stored by a scheme of the catalogue.
#[derive(Clone, Debug)]
pub struct ExpertSizes(ModelPlan);

impl ExpertSizes {
    /// By names; an unknown one is answered with the nearest.
    ///
    /// # Errors
    /// Names that the catalogue does not have, both at once.
    pub fn named(model: &str, scheme: &str) -> Result<Self> {
        match (row::<ModelRow>("--model", model), row::<QuantScheme>("--quant", scheme)) {
            (Ok(model), Ok(scheme)) => {
                let spec = Arc::new(model.spec.clone());
                Ok(Self(from_scheme::sizes(spec, scheme, &Overrides::default(), scheme.kv.value)))
            }
            (model, scheme) => {
                let errors = [model.err(), scheme.err()].into_iter().flatten();
                Err(Error::join(errors).unwrap_or_else(|| Error::new("the model could not be found")))
            }
        }
    }

    /// Model and scheme in words.
    pub fn origin(&self) -> String {
        format!("{} at {}", self.0.spec.name, self.0.quant)
    }

    /// Name of the model.
    pub fn model(&self) -> &str {
        &self.0.spec.name
    }

    /// Bytes of one expert in each layer of the trace.
    ///
    /// # Errors
    /// A trace that is not of this model: other layers, other experts, or more of them per token.
    pub fn of_trace(&self, path: &Path, trace: &Trace) -> Result<Vec<u64>> {
        check_shape(path, trace, &self.0.spec)?;
        Ok(self.0.experts.iter().map(|expert| expert.get()).collect())
    }
}

fn row<T: Entry>(option: &str, name: &str) -> Result<&'static T> {
    T::find(name).ok_or_else(|| {
        let error = Error::at(Place::option(option), format!("unknown {} {name:?}", T::WHAT));
        error.nearest(name, T::names())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Phase, TraceBuilder, TraceHeader};

    fn trace(layers: u32, experts: u32, top_k: u32) -> Trace {
        let header =
            TraceHeader { layer_ids: (0..layers).collect(), experts, top_k, ..TraceHeader::default() };
        let mut builder = TraceBuilder::new(header).unwrap();
        builder.begin_sequence("", 0).unwrap();
        let ids: Vec<u16> =
            (0..layers).flat_map(|_| (0..u16::try_from(top_k).unwrap()).collect::<Vec<_>>()).collect();
        builder.push(Phase::Decode, &ids).unwrap();
        builder.finish().unwrap()
    }

    /// Three matrices of 768 x 2048 weights of two bytes each.
    #[test]
    fn an_expert_is_its_matrices() {
        let sizes = ExpertSizes::named("Qwen3-30B-A3B", "bf16").unwrap();
        let found = sizes.of_trace(Path::new("t"), &trace(48, 128, 8)).unwrap();
        assert_eq!(found, vec![3 * 768 * 2048 * 2; 48]);
        assert_eq!(sizes.origin(), "Qwen3-30B-A3B at bf16");
    }

    #[test]
    fn another_model_is_refused() {
        let sizes = ExpertSizes::named("qwen3-30b-a3b", "q4_k_m").unwrap();
        let refused = |trace: &Trace| sizes.of_trace(Path::new("t.csv"), trace).unwrap_err().to_string();
        assert_eq!(
            refused(&trace(36, 128, 4)),
            "t.csv holds 36 MoE layers of 128 experts, expected 48 MoE layers of 128 experts as Qwen3-30B-A3B has"
        );
        assert!(refused(&trace(48, 128, 9)).contains("expected at most 8"));
        let unknown = ExpertSizes::named("qwen3-30b-a3c", "q4_k_n").unwrap_err().to_string();
        assert_eq!(unknown.lines().count(), 2, "{unknown}");
        assert!(unknown.contains("--model: unknown model \"qwen3-30b-a3c\", did you mean"), "{unknown}");
        assert!(unknown.contains("--quant: unknown quantisation \"q4_k_n\", did you mean"), "{unknown}");
    }
}
