//! The predictors, one file each. Their names are in the registry ([`super::PredictorRegistry`]).

mod activation_matrix;
mod gate_lookahead;
mod none;
mod oracle;
mod popularity;
mod previous_token;
mod transition;

pub use activation_matrix::ActivationMatrix;
pub use gate_lookahead::GateLookahead;
pub use none::Nothing;
pub use oracle::Oracle;
pub use popularity::Popularity;
pub use previous_token::PreviousToken;
pub use transition::Transition;
