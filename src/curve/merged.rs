//! Experts merged into fewer before anything is replayed.

use crate::error::{Error, Place, Result};
use crate::trace::{ExpertGroups, Trace};

/// A trace with the experts of each layer merged into `into` by its own selections, and a profile merged by the same
/// groups.
///
/// # Errors
/// More experts than the trace has, and a profile of another shape; both name the option.
pub fn merged(
    name: &str,
    trace: &Trace,
    profile: Option<&Trace>,
    into: u32,
) -> Result<(Trace, Option<Trace>)> {
    let experts = trace.header().experts;
    if into == 0 || into > experts {
        return Err(Error::at(Place::option("--merge-experts"), format!("found {into}"))
            .expected(format!("1 to {experts}, the experts of {name}")));
    }
    let at_profile = |error: Error| error.within(&Place::option("--profile"), "--profile");
    let groups = ExpertGroups::by_coactivation(trace, into)?;
    let profile = profile.map(|profile| groups.merge(profile).map_err(at_profile)).transpose()?;
    Ok((groups.merge(trace)?, profile))
}
