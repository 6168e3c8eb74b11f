//! The policies, one file each.

mod activation_aware;
mod belady;
mod belady_size;
mod fifo;
mod gate_weight;
mod layer_distance;
mod layer_lfu;
mod layer_lru;
mod lfu_perfect;
mod lru;
mod pin_lru;
mod random;
mod static_hottest;
mod unbounded;

pub use activation_aware::ActivationAware;
pub use belady::Belady;
pub use belady_size::BeladySize;
pub use fifo::Fifo;
pub use gate_weight::GateWeight;
pub use layer_distance::LayerDistance;
pub use layer_lfu::LayerLfu;
pub use layer_lru::LayerLru;
pub use lfu_perfect::LfuPerfect;
pub use lru::Lru;
pub use pin_lru::PinLru;
pub use random::Random;
pub use static_hottest::Static;
pub use unbounded::Unbounded;
