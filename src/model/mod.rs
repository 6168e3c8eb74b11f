//! What a model is: parameters, bytes, FLOPs.
//!
//! [`ModelSpec`] lists a model's layers exactly as its code builds them; every count follows from it. It comes from a
//! Hugging Face `config.json` ([`hf`]) or from the header of a GGUF file ([`gguf`]). Training, vision and audio parts
//! and the tokenizer are left out.

pub mod attention;
mod compact;
mod components;
mod dtype;
mod ffn;
pub mod gguf;
pub mod hf;
mod layer;
mod simplified;
mod spec;

pub use attention::Attention;
pub use components::{ComponentBytes, Components, ParamCounts, WeightTypes};
pub use dtype::{DTYPES, Dtype};
pub use ffn::{Dense, Ffn, Moe};
pub use layer::{LayerSpec, matmul_flops};
pub use spec::{ModelSpec, Mtp};
