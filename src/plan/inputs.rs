//! What the points of a sweep share: policies, traces, futures and imported models, each loaded once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::WorkloadPlan;
use super::foretold::Foretold;
use super::merging::Merging;
use super::serving::Continuation;
use super::workload::Workload;
use crate::cache::{Future, Grouping, Registry, Scope};
use crate::error::Result;
use crate::model::ModelSpec;
use crate::model::gguf::{self, GgufModel};
use crate::prefetch::{PredictorRegistry, Profile};
use crate::serving::workload::{RequestLog, read_log};
use crate::trace::synthetic::{self, RouterKnobs, SyntheticSpec};
use crate::trace::{self, ExpertGroups, Pass, PassOptions, Trace, passes};

/// A value that is made at most once, whoever asks first.
type Once<T> = Arc<OnceLock<Result<Arc<T>>>>;

/// Values by key, made on demand. The map is locked only to find the cell, never while a value is made.
#[derive(Debug)]
struct Shelf<K, T> {
    cells: Mutex<BTreeMap<K, Once<T>>>,
}

impl<K, T> Default for Shelf<K, T> {
    fn default() -> Self {
        Self { cells: Mutex::new(BTreeMap::new()) }
    }
}

impl<K: Ord, T> Shelf<K, T> {
    fn get(&self, key: K, make: impl FnOnce() -> Result<T>) -> Result<Arc<T>> {
        let cell = {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(key).or_default())
        };
        cell.get_or_init(|| make().map(Arc::new)).clone()
    }

    /// Every value that was made, in the order of the keys.
    fn made(&self) -> Vec<Arc<T>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.values().filter_map(|cell| cell.get()?.as_ref().ok().cloned()).collect()
    }
}

/// Order of passes as a key: prefill, chunk, sequences, decode tokens, depth, batch.
type PassKey = (PathBuf, bool, u64, u64, u64, Option<u64>, u32);

/// What points share.
#[derive(Debug, Default)]
pub struct Inputs {
    registry: Registry,
    predictors: PredictorRegistry,
    prefetch_profiles: Shelf<PathBuf, Profile>,
    traces: Shelf<PathBuf, Trace>,
    passes: Shelf<PassKey, Vec<Pass>>,
    batches: Shelf<PassKey, (Arc<Trace>, Arc<Vec<Pass>>)>,
    futures: Shelf<(PassKey, bool), Future>,
    foretold: Shelf<(PassKey, bool, bool), Foretold>,
    profiles: Shelf<PathBuf, Vec<u64>>,
    groups: Shelf<(PathBuf, u32), ExpertGroups>,
    logs: Shelf<PathBuf, RequestLog>,
    continuations: Shelf<(PathBuf, u64), Continuation>,
    models: Shelf<PathBuf, ModelSpec>,
    ggufs: Shelf<PathBuf, GgufModel>,
}

impl Inputs {
    /// With these policies beside nothing loaded yet; [`Inputs::default`] has the built-in ones.
    pub fn new(registry: Registry) -> Self {
        Self { registry, ..Self::default() }
    }

    /// The policies that scenarios may name.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The same with these predictors beside the policies.
    #[must_use]
    pub fn with_predictors(mut self, predictors: PredictorRegistry) -> Self {
        self.predictors = predictors;
        self
    }

    /// The predictors that scenarios may name.
    pub fn predictors(&self) -> &PredictorRegistry {
        &self.predictors
    }

    /// What a predictor may learn from a trace.
    ///
    /// # Errors
    /// As [`Inputs::trace`].
    pub fn prefetch_profile(&self, path: &Path) -> Result<Arc<Profile>> {
        self.prefetch_profiles.get(path.to_owned(), || self.trace(path).map(Profile::of))
    }

    /// A model by the path of its file, or by its id in the catalogue.
    ///
    /// # Errors
    /// What `make` says.
    pub fn model(&self, key: &Path, make: impl FnOnce() -> Result<ModelSpec>) -> Result<Arc<ModelSpec>> {
        self.models.get(key.to_owned(), make)
    }

    /// What the header of a GGUF file says.
    ///
    /// # Errors
    /// As [`gguf::import`].
    pub fn gguf(&self, path: &Path) -> Result<Arc<GgufModel>> {
        self.ggufs.get(path.to_owned(), || gguf::import(path))
    }

    /// The trace in a file.
    ///
    /// # Errors
    /// As [`trace::open`].
    pub fn trace(&self, path: &Path) -> Result<Arc<Trace>> {
        self.traces.get(path.to_owned(), || trace::open(path))
    }

    fn pass_key(path: &Path, options: &PassOptions, batch: u32) -> PassKey {
        let PassOptions { prefill, prefill_chunk, sequences, decode_tokens, depth } = *options;
        (path.to_owned(), prefill, prefill_chunk, sequences, decode_tokens, depth, batch)
    }

    /// The trace's sequences decoded together, `batch` at a time.
    ///
    /// # Errors
    /// As [`trace::batched`].
    pub fn batched(
        &self,
        path: &Path,
        trace: &Trace,
        options: &PassOptions,
        batch: u32,
    ) -> Result<(Arc<Trace>, Arc<Vec<Pass>>)> {
        let key = Self::pass_key(path, options, batch);
        let both = self.batches.get(key, || {
            let batched = trace::batched(trace, options, batch)?;
            Ok((Arc::new(batched.trace), Arc::new(batched.passes)))
        })?;
        Ok((Arc::clone(&both.0), Arc::clone(&both.1)))
    }

    /// The trace of a synthetic router; `name` tells it from all others.
    ///
    /// # Errors
    /// As [`synthetic::generate_with`].
    pub fn generated(&self, name: &str, spec: &SyntheticSpec, knobs: &RouterKnobs) -> Result<Arc<Trace>> {
        self.traces.get(PathBuf::from(name), || synthetic::generate_with(spec, knobs))
    }

    /// How the experts of a trace are merged into `into`.
    pub(super) fn groups(&self, path: &Path, trace: &Trace, into: u32) -> Result<Arc<ExpertGroups>> {
        self.groups.get((path.to_owned(), into), || ExpertGroups::by_coactivation(trace, into))
    }

    /// A trace with its experts merged, which from now on is the trace at [`Merging::key`].
    pub(super) fn merged(&self, path: &Path, trace: &Trace, merging: &Merging) -> Result<Arc<Trace>> {
        self.traces.get(merging.key(path), || merging.groups().merge(trace))
    }

    /// The order of passes over a trace.
    ///
    /// # Errors
    /// As [`Inputs::trace`].
    pub fn passes(&self, path: &Path, trace: &Trace, options: &PassOptions) -> Result<Arc<Vec<Pass>>> {
        self.passes.get(Self::pass_key(path, options, 1), || Ok(passes(trace, options)))
    }

    /// The future of those passes.
    ///
    /// # Errors
    /// As [`Future::of`].
    pub fn future(
        &self,
        path: &Path,
        trace: &Trace,
        (options, batch): (&PassOptions, u32),
        passes: &[Pass],
        grouping: Grouping,
    ) -> Result<Arc<Future>> {
        let key = (Self::pass_key(path, options, batch), grouping == Grouping::Access);
        self.futures.get(key, || Future::of(trace, passes, grouping))
    }

    /// What one pass tells of an LRU of any capacity over those passes.
    pub(super) fn foretold(&self, workload: &Workload, scope: Scope, clear_between: bool) -> Arc<Foretold> {
        let batch = u32::try_from(workload.batch).unwrap_or(u32::MAX);
        let key = Self::pass_key(&workload.path, &workload.options, batch);
        let key = (key, scope == Scope::PerLayer, clear_between);
        let WorkloadPlan { trace, passes, .. } = &workload.plan;
        let made = self.foretold.get(key, || Ok(Foretold::of(trace, passes, scope, clear_between)));
        // Making it cannot fail; were it to, a pass of one's own gives the same.
        made.unwrap_or_else(|_| Arc::new(Foretold::of(trace, passes, scope, clear_between)))
    }

    /// What decides the results beside the scenario: the content of every trace and model that was loaded.
    pub fn fingerprint(&self) -> String {
        let traces = self.traces.made().iter().map(|trace| trace.fingerprint()).collect::<Vec<_>>();
        let mut models = self.models.made().iter().map(|model| format!("{model:?}")).collect::<Vec<_>>();
        models.extend(self.ggufs.made().iter().map(|file| format!("{file:?}")));
        models.extend(self.logs.made().iter().map(|log| format!("{log:?}")));
        format!("{} {:08x}", traces.join(" "), crc32fast::hash(models.join(" ").as_bytes()))
    }

    /// Where the numbers come from, one fact a line: this crate's version, and each trace with its fingerprint and
    /// source.
    pub fn provenance(&self) -> Vec<String> {
        let line = |trace: &Arc<Trace>| {
            let header = trace.header();
            format!("trace {} of {}: {}", trace.fingerprint(), header.model, header.source)
        };
        let version = format!("moesim {}", env!("CARGO_PKG_VERSION"));
        std::iter::once(version).chain(self.traces.made().iter().map(line)).collect()
    }

    /// A request log.
    ///
    /// # Errors
    /// As [`read_log`].
    pub fn request_log(&self, path: &Path) -> Result<Arc<RequestLog>> {
        self.logs.get(path.to_owned(), || read_log(path))
    }

    /// A trace made ready for requests of any length.
    ///
    /// # Errors
    /// A trace that cannot be continued.
    pub fn continuation(&self, path: &Path, trace: &Trace, seed: u64) -> Result<Arc<Continuation>> {
        self.continuations.get((path.to_owned(), seed), || Continuation::of(trace, seed))
    }

    /// Selections of each expert in a trace that is at hand.
    pub(super) fn selections(&self, path: &Path, trace: &Trace) -> Arc<Vec<u64>> {
        let count = || trace::stats::Popularity::of(trace, 0..trace.sequences().len()).counts;
        // Counting cannot fail; were it to, counting again gives the same.
        self.profiles.get(path.to_owned(), || Ok(count())).unwrap_or_else(|_| Arc::new(count()))
    }

    /// Selections of each expert in a trace.
    ///
    /// # Errors
    /// As [`Inputs::trace`].
    pub fn profile(&self, path: &Path) -> Result<Arc<Vec<u64>>> {
        self.profiles.get(path.to_owned(), || {
            let trace = self.trace(path)?;
            Ok(trace::stats::Popularity::of(&trace, 0..trace.sequences().len()).counts)
        })
    }
}
