//! Units and ids: the lowest room, which imports nothing of ours.
//!
//! Time is integer nanoseconds, sizes are integer bytes, rates are integers per second. Fields are private and
//! arithmetic across units happens only in named functions, which compute in `u128` and round **up**: nothing that
//! moves a byte takes 0 ns. Floating point appears only where a number is shown to a person.

mod bytes;
mod ids;
mod parse;
mod rate;
mod time;

pub use bytes::Bytes;
pub use ids::{ExpertId, LayerIndex};
pub use parse::{UnitError, parse_ppm};
pub use rate::{Bandwidth, FlopRate};
pub use time::{SimDuration, SimTime};
