//! Arrays `[tokens, layers, k]` of expert ids as rows of a trace.

use super::npy::{Array, Values};
use super::{ImportOptions, Source};
use crate::error::{Error, Result};
use crate::trace::builder::{MAX_EXPERTS, out_of_range};
use crate::trace::data::NO_EXPERT_U16;

/// Expert ids `[token][layer][k]`; an empty slot holds [`NO_EXPERT_U16`].
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) name: String,
    pub(super) tokens: usize,
    pub(super) layers: usize,
    pub(super) top_k: usize,
    pub(super) ids: Vec<u16>,
}

impl Dense {
    /// Takes an array of three axes; -1, also as unsigned 16 bits, is an empty slot.
    ///
    /// # Errors
    /// Other axes, floats, an id that no trace can hold, or elements that do not fill the shape.
    pub(super) fn from_array(source: &Source, array: Array) -> Result<Self> {
        let wrong = |what: String| Error::at(source.place(), format!("array {:?} {what}", array.name));
        let axes: Vec<usize> = array.shape.iter().filter_map(|axis| usize::try_from(*axis).ok()).collect();
        let [tokens, layers, top_k] = axes[..] else {
            return Err(wrong(format!("has shape {:?}", array.shape)).expected("[tokens, layers, k]"));
        };
        if layers == 0 || top_k == 0 {
            return Err(wrong(format!("has shape {:?}", array.shape)).expected("no axis of length 0"));
        }
        let ids = match array.values {
            Values::U16(ids) => ids,
            Values::Integers(ids) => {
                let narrowed = ids.iter().map(|id| match (*id, u16::try_from(*id)) {
                    (-1, _) => Ok(NO_EXPERT_U16),
                    (_, Ok(id)) => Ok(id),
                    (id, Err(_)) => Err(out_of_range(&source.place(), id, u32::from(NO_EXPERT_U16))),
                });
                narrowed.collect::<Result<_>>()?
            }
            Values::Floats(_) => return Err(wrong("holds floats".to_owned()).expected("expert ids")),
        };
        if ids.len() != tokens * layers * top_k {
            return Err(wrong(format!("holds {} ids", ids.len())).expected(tokens * layers * top_k));
        }
        Ok(Self { name: array.name, tokens, layers, top_k, ids })
    }

    /// The slots of one token.
    pub(super) fn row(&self, token: usize) -> &[u16] {
        let width = self.layers * self.top_k;
        &self.ids[token * width..(token + 1) * width]
    }

    /// Whether a token's layer is all zeros, as buffers are that nothing was written to. With one expert a layer this
    /// cannot be told from expert 0.
    pub(super) fn is_unwritten(&self, token: usize, layer: usize) -> bool {
        let slots = &self.row(token)[layer * self.top_k..(layer + 1) * self.top_k];
        self.top_k > 1 && slots.iter().all(|id| *id == 0)
    }
}

/// Experts per layer: what the options say, else the power of two above the largest id, with a note.
pub(super) fn experts_of(arrays: &[Dense], options: &ImportOptions, notes: &mut Vec<String>) -> u32 {
    options.experts.unwrap_or_else(|| {
        let ids = arrays.iter().flat_map(|array| &array.ids).filter(|id| **id != NO_EXPERT_U16);
        let experts = (u32::from(ids.copied().max().unwrap_or(0)) + 1).next_power_of_two().min(MAX_EXPERTS);
        notes.push(format!(
            "the file does not state the number of experts: taken as {experts}, the power of two above the largest seen"
        ));
        experts
    })
}
