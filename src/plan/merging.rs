//! Experts merged into fewer: the groups come from the trace that is replayed, and every other trace that the point reads
//! is merged by the same groups.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Inputs;
use super::model::ModelPlan;
use super::resolve::Resolver;
use crate::error::Result;
use crate::trace::{ExpertGroups, Trace};

/// Which experts become one, and a name for it.
#[derive(Clone, Debug)]
pub(super) struct Merging {
    groups: Arc<ExpertGroups>,
    /// The trace that the groups were made from, and how many they are.
    name: String,
}

impl Merging {
    /// What a merged trace is kept under. Its last part is the name of the file, which reports show.
    pub(super) fn key(&self, path: &Path) -> PathBuf {
        let file = path.file_name().unwrap_or(path.as_os_str());
        PathBuf::from(format!("{} {}", path.display(), self.name)).join(file)
    }

    pub(super) fn groups(&self) -> &ExpertGroups {
        &self.groups
    }
}

/// The trace as the model routes it: merged, where its experts are.
pub(super) fn routed(
    resolver: &mut Resolver<'_>,
    inputs: &Inputs,
    model: &ModelPlan,
    (path, trace): (PathBuf, Arc<Trace>),
) -> Result<(PathBuf, Arc<Trace>)> {
    let (into, experts) = (model.spec.experts(), model.routed.experts());
    if into >= experts {
        return Ok((path, trace));
    }
    let groups = inputs.groups(&path, &trace, into)?;
    let merging = Merging { groups, name: format!("merged into {into} by {}", path.display()) };
    let why = "the most used of each layer, each with those that tokens choose beside it";
    resolver.note("experts of a layer", format!("{experts} merged into {into}"), why);
    let merged = inputs.merged(&path, &trace, &merging)?;
    let key = merging.key(&path);
    resolver.merging = Some(merging);
    Ok((key, merged))
}

/// What another trace of the point is to be read as: itself, or merged as the routing is.
pub(super) fn like_the_routing(resolver: &Resolver<'_>, inputs: &Inputs, path: &Path) -> Result<PathBuf> {
    let Some(merging) = &resolver.merging else { return Ok(path.to_owned()) };
    let trace = inputs.trace(path)?;
    inputs.merged(path, &trace, merging)?;
    Ok(merging.key(path))
}
