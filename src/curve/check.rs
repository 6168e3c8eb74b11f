//! Whether requests can be met, before anything is replayed.

use super::{CapacityAsked, CurveRequest};
use crate::error::{Error, Result};
use crate::trace::passes;

/// Everything that is wrong with the requests.
///
/// # Errors
/// A capacity in bytes where the size of an expert is not known, sizes for another number of layers, nothing to replay,
/// nothing to compare.
pub fn check(requests: &[CurveRequest<'_>]) -> Result<()> {
    Error::join(requests.iter().flat_map(problems)).map_or(Ok(()), Err)
}

fn problems(request: &CurveRequest<'_>) -> Vec<Error> {
    let header = request.trace.header();
    let name = &request.name;
    let mut found = Vec::new();
    let sizes = request.expert_bytes.len();
    if sizes > 0 && sizes != header.layers() {
        let error = Error::new(format!("{name}: sizes of experts for {sizes} layers"));
        found.push(error.expected(format!("{} as the trace has", header.layers())));
    }
    let in_bytes = request.capacities.iter().any(|asked| matches!(asked, CapacityAsked::Bytes(_)));
    if in_bytes && sizes == 0 {
        let error = Error::new(format!(
            "{name}: a capacity in bytes, and the trace does not say how large an expert is"
        ));
        found.push(error.hint("name the model and its quantisation, or give shares or numbers of experts"));
    }
    if request.series.is_empty() || request.capacities.is_empty() {
        found.push(Error::new(format!("{name}: nothing to compare")).expected("policies and capacities"));
    }
    if passes(request.trace, &request.options).is_empty() {
        found.push(
            Error::new(format!("{name}: nothing to replay"))
                .expected("a trace with tokens of the phases asked for"),
        );
    }
    found
}
