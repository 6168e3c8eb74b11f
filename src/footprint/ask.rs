//! What is asked: models, ways to store them, and the setting that they share.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use crate::catalogue::{Entry, ModelRow};
use crate::error::{Error, Place, Result};
use crate::metrics::Degrees;

/// Where a model is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelAsk {
    /// The catalogue, by its id.
    Known(String),
    /// A Hugging Face `config.json`.
    Config(PathBuf),
    /// A GGUF file, which says itself how its weights are stored.
    Gguf(PathBuf),
}

impl ModelAsk {
    /// A file where there is one of that name, else a model of the catalogue.
    ///
    /// # Errors
    /// Neither is there; the nearest name is in the message.
    pub fn named(name: &str) -> Result<Self> {
        let path = Path::new(name);
        if path.is_file() {
            let is_gguf = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf"));
            return Ok(if is_gguf { Self::Gguf(path.to_owned()) } else { Self::Config(path.to_owned()) });
        }
        let row = ModelRow::find(name).ok_or_else(|| {
            let message = format!("no file and no model of the catalogue is called {name:?}");
            Error::at(Place::none(), message).nearest(name, ModelRow::names())
        })?;
        Ok(Self::Known(row.id.clone()))
    }

    /// The key of a scenario that names it, and its value.
    pub(super) fn setting(&self) -> (&'static str, String) {
        match self {
            Self::Known(id) => ("model.name", id.clone()),
            Self::Config(path) => ("model.config", path.display().to_string()),
            Self::Gguf(path) => ("model.gguf", path.display().to_string()),
        }
    }

    /// The same as a person wrote it.
    pub(super) fn words(&self) -> String {
        self.setting().1
    }
}

/// A question about memory.
#[derive(Clone, Debug)]
pub struct FootprintAsk {
    /// Each is laid beside the others.
    pub models: Vec<ModelAsk>,
    /// Quantisation schemes, for every model but GGUF files.
    pub schemes: Vec<String>,
    /// Storage type of keys and values, instead of the scheme's.
    pub kv: Option<String>,
    /// GPU to hold it against.
    pub gpu: Option<String>,
    /// Tokens of each sequence.
    pub context: NonZeroU64,
    /// Sequences at once, on all GPUs together.
    pub batch: NonZeroU32,
    /// Degrees of parallelism, where given.
    pub tp: Option<NonZeroU32>,
    /// As [`FootprintAsk::tp`].
    pub dp: Option<NonZeroU32>,
    /// As [`FootprintAsk::tp`].
    pub ep: Option<NonZeroU32>,
    /// As [`FootprintAsk::tp`].
    pub pp: Option<NonZeroU32>,
    /// Count as introductory texts do.
    pub is_simplified: bool,
    /// Simulate offloading, too.
    pub offloads: bool,
    /// Further settings of the scenario, `key=value`.
    pub sets: Vec<String>,
}

impl FootprintAsk {
    /// The degrees, 1 where not given.
    pub fn degrees(&self) -> Degrees {
        let degree = |written: Option<NonZeroU32>| written.map_or(1, NonZeroU32::get);
        Degrees { tp: degree(self.tp), dp: degree(self.dp), ep: degree(self.ep), pp: degree(self.pp) }
    }

    /// Sequences of one data-parallel rank.
    pub(super) fn batch_of_rank(&self) -> u32 {
        self.batch.get().div_ceil(self.degrees().dp)
    }

    /// Whether the user says where experts lie.
    pub(super) fn places_experts(&self) -> bool {
        self.sets.iter().any(|set| ["placement.", "cache."].iter().any(|section| set.starts_with(section)))
    }

    /// Whether a setting of the user's names this key.
    pub(super) fn sets(&self, key: &str) -> bool {
        self.sets.iter().any(|set| set.split('=').next().is_some_and(|written| written.trim() == key))
    }

    /// Whether one pass after another is planned, or a deployment that serves requests.
    pub(super) fn serves(&self) -> bool {
        let Degrees { ep, .. } = self.degrees();
        self.degrees().gpus() > 1 || ep > 1 || self.batch.get() > 1
    }
}
