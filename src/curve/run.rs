//! All replays of all requests, on all cores.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::profile::{Fold, folds};
use super::{CurveRequest, Series, drift, label, stacked};
use crate::cache::replay::{MissCounts, ReplayTask};
use crate::cache::stack::{StackKind, StackTask};
use crate::cache::{Admission, Future, Grouping, Scope};
use crate::error::Result;
use crate::metrics::{CurvePoint, PhaseCounts, PolicyCurve, TraceCurves};
use crate::trace::{Pass, passes};

/// How far a comparison has come, in replays.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    all: AtomicU64,
}

impl Progress {
    /// Replays that are done and replays in all.
    pub fn get(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.all.load(Ordering::Relaxed))
    }
}

/// What the replays of one request share.
struct Prepared<'a> {
    request: &'a CurveRequest<'a>,
    passes: Vec<Pass>,
    future: Option<Future>,
    sizes: Vec<u64>,
    rooms: Vec<u64>,
    /// For policies that need a profile.
    folds: Vec<Fold>,
}

/// One piece of work: a series at one capacity, or at all of them where one pass is enough.
struct Job {
    request: usize,
    series: usize,
    capacity: Option<usize>,
}

/// Compares all series on each request's trace. `progress` tells another thread how far it has come.
///
/// # Errors
/// As [`super::check`], and a trace too long for policies that read the future.
pub fn run_all(requests: &[CurveRequest<'_>], progress: &Progress) -> Result<Vec<TraceCurves>> {
    super::check(requests)?;
    let prepared: Vec<Result<Prepared<'_>>> = requests.par_iter().map(Prepared::new).collect();
    let prepared = prepared.into_iter().collect::<Result<Vec<_>>>()?;
    let mut jobs = Vec::new();
    for (request, prepared) in prepared.iter().enumerate() {
        jobs.extend(prepared.jobs(request));
    }
    progress.all.store(jobs.len() as u64, Ordering::Relaxed);
    let found: Vec<Vec<MissCounts>> = jobs
        .par_iter()
        .with_max_len(1)
        .map(|job| {
            let misses = prepared[job.request].misses(job);
            progress.done.fetch_add(1, Ordering::Relaxed);
            misses
        })
        .collect();
    let mut found = jobs.iter().zip(found).peekable();
    let mut all = Vec::new();
    for (index, prepared) in prepared.iter().enumerate() {
        let mut of_series: Vec<Vec<MissCounts>> = vec![Vec::new(); prepared.request.series.len()];
        while let Some((job, misses)) = found.next_if(|(job, _)| job.request == index) {
            of_series[job.series].extend(misses);
        }
        all.push(prepared.curves(of_series));
    }
    Ok(all)
}

impl<'a> Prepared<'a> {
    fn new(request: &'a CurveRequest<'a>) -> Result<Self> {
        let passes = passes(request.trace, &request.options);
        // The bound is drawn whether or not it was asked for.
        let future = Some(Future::of(request.trace, &passes, request.grouping)?);
        let rooms = request.capacities.iter().map(|asked| request.room(*asked)).collect();
        let needs_profile = request.series.iter().any(|series| series.row.needs.profile);
        let folds = if needs_profile { folds(request, &passes) } else { Vec::new() };
        Ok(Self { request, future, sizes: request.sizes(), rooms, folds, passes })
    }

    fn stack_task(&self, kind: StackKind, scope: Scope) -> Option<StackTask<'_>> {
        stacked::task(self.request, (kind, scope), (&self.passes, self.future.as_ref()), &self.sizes)
    }

    /// The one pass that stands for all replays of a series, where there is one.
    fn pass_for(&self, series: &Series) -> Option<(StackKind, StackTask<'_>)> {
        let kind = series.row.stack.filter(|_| series.admission == Admission::Always)?;
        Some((kind, self.stack_task(kind, series.scope())?))
    }

    fn jobs(&self, request: usize) -> Vec<Job> {
        let of_series = |(index, series): (usize, &Series)| {
            let job = move |capacity| Job { request, series: index, capacity };
            match self.pass_for(series) {
                Some(_) => vec![job(None)],
                None => (0..self.rooms.len()).map(|capacity| job(Some(capacity))).collect(),
            }
        };
        self.request.series.iter().enumerate().flat_map(of_series).collect()
    }

    fn misses(&self, job: &Job) -> Vec<MissCounts> {
        let series = &self.request.series[job.series];
        match (job.capacity, self.pass_for(series)) {
            (None, Some((kind, task))) => {
                let pools = |room: &u64| self.request.shape(series, *room).pool_capacity;
                stacked::misses(kind, &task, &self.rooms.iter().map(pools).collect::<Vec<_>>())
            }
            (capacity, _) => {
                let rooms = capacity.map_or(&self.rooms[..], |at| &self.rooms[at..=at]);
                rooms.iter().map(|room| self.replay(series, *room)).collect()
            }
        }
    }

    fn replay(&self, series: &Series, room: u64) -> MissCounts {
        let shape = self.request.shape(series, room);
        let task = |passes, profile| ReplayTask {
            shape: &shape,
            trace: self.request.trace,
            passes,
            future: self.future.as_ref().filter(|_| series.row.needs.future),
            grouping: self.request.grouping,
            admission: series.admission,
            clear_between: self.request.clear_between,
            profile,
            costs: &[],
            seed: self.request.seed,
        };
        if !series.row.needs.profile {
            return series.row.replay(&task(&self.passes, &[]));
        }
        let mut counts = MissCounts::none(self.request.trace.sequences().len(), self.sizes.len());
        for fold in &self.folds {
            counts.add(&series.row.replay(&task(&fold.passes, &fold.profile)));
        }
        counts
    }

    fn point(&self, series: &Series, room: u64, counts: MissCounts) -> CurvePoint {
        let known = !self.request.expert_bytes.is_empty();
        let bytes = |(of, size): (&PhaseCounts, &u64)| PhaseCounts {
            prefill: of.prefill * size,
            decode: of.decode * size,
        };
        let held: u64 = self.request.shape(series, room).pool_capacity.iter().sum();
        CurvePoint {
            misses: counts.total(),
            miss_bytes: if known {
                counts.by_layer.iter().zip(&self.sizes).map(bytes).sum()
            } else {
                PhaseCounts::default()
            },
            by_sequence: counts.by_sequence,
            by_layer: counts.by_layer,
            overshoot_max: counts.overshoot_max,
            room: held.max(room),
        }
    }

    fn curves(&self, misses: Vec<Vec<MissCounts>>) -> TraceCurves {
        let in_sample = self.folds.iter().any(|fold| fold.in_sample);
        let curve = |(series, counts): (&Series, Vec<MissCounts>)| {
            let points = self.rooms.iter().zip(counts);
            PolicyCurve {
                name: series.name(),
                is_bound: series.row.needs.is_bound(),
                in_sample: in_sample && series.row.needs.profile,
                points: points.map(|(room, counts)| self.point(series, *room, counts)).collect(),
            }
        };
        let lookups = label::lookups(self.request, &self.passes);
        let (lru_needs, cold) = self.needs(StackKind::Recency).unwrap_or_default();
        TraceCurves {
            curves: self.request.series.iter().zip(misses).map(curve).collect(),
            compulsory: cold,
            lru_needs,
            belady_needs: self.needs(StackKind::Future).unwrap_or_default().0,
            drift: drift::of(self.request.trace, &self.passes),
            ..label::label(self.request, &self.rooms, &self.passes, lookups)
        }
    }

    /// Lookups by the slots that they need in one pool for all layers; `None` where one pass does not tell.
    fn needs(&self, kind: StackKind) -> Option<(Vec<PhaseCounts>, PhaseCounts)> {
        Some(stacked::by_slots(kind, &self.stack_task(kind, Scope::Global)?))
    }
}

/// What one event is, in words.
pub(super) fn grouping_name(grouping: Grouping) -> &'static str {
    match grouping {
        Grouping::Layer => "layer",
        Grouping::Access => "access",
    }
}
