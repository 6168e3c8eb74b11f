//! Footprints of models of the catalogue, for tables of tests.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::num::{NonZeroU32, NonZeroU64};

use moesim::footprint::{FootprintAsk, ModelAsk, footprints};
use moesim::metrics::Footprint;
use moesim::plan::Inputs;

/// A question about one model, without a GPU and without offloading.
pub(crate) fn ask(model: &str, scheme: &str) -> FootprintAsk {
    FootprintAsk {
        models: vec![ModelAsk::named(model).unwrap()],
        schemes: vec![scheme.to_owned()],
        kv: None,
        gpu: None,
        context: NonZeroU64::new(2048).unwrap(),
        batch: NonZeroU32::MIN,
        tp: None,
        dp: None,
        ep: None,
        pp: None,
        is_simplified: false,
        offloads: false,
        sets: Vec::new(),
    }
}

/// The same on several GPUs.
pub(crate) fn on_gpus(ask: FootprintAsk, [tp, dp, ep, pp]: [u32; 4]) -> FootprintAsk {
    FootprintAsk {
        gpu: Some("a100-sxm-80g".to_owned()),
        tp: NonZeroU32::new(tp),
        dp: NonZeroU32::new(dp),
        ep: NonZeroU32::new(ep),
        pp: NonZeroU32::new(pp),
        ..ask
    }
}

/// The one answer.
pub(crate) fn one(ask: &FootprintAsk) -> Footprint {
    let mut all = footprints(ask, &Inputs::default()).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// The footprint of a model of the catalogue on one GPU.
pub(crate) fn of(model: &str, scheme: &str) -> Footprint {
    one(&ask(model, scheme))
}

/// Bytes of the weights that one GPU holds.
pub(crate) fn weights_held(one: &Footprint) -> u64 {
    let weights = one.parts.iter().map(|part| part.part.replace('_', " "));
    weights.map(|owner| one.owned("vram", &owner)).sum()
}
