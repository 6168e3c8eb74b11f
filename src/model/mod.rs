//! What a model is: parameters, bytes, FLOPs.

mod dtype;

pub use dtype::{DTYPES, Dtype};
