//! Dense ids. They live in the lowest room so that no import circle can form around them.

/// Position of an MoE layer among the model's MoE layers, from 0: not the model's own layer number, which starts
/// at 1 where the first layer is dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerIndex(pub u16);

/// An expert within its layer, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpertId(pub u16);
