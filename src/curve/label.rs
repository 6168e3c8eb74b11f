//! What a comparison says of its trace and of its settings.

use super::{CapacityAsked, CurveRequest, profile, run};
use crate::cache::Grouping;
use crate::cache::replay::{MissCounts, Routing};
use crate::metrics::{CurveCapacity, CurveSequence, PhaseCounts, TraceCurves};
use crate::trace::{ExpertNumber, Ids, Pass, Phase};

/// Lookups by sequence and by layer.
pub(super) fn lookups(request: &CurveRequest<'_>, passes: &[Pass]) -> MissCounts {
    match request.trace.ids() {
        Ids::U8(ids) => count(request, passes, ids),
        Ids::U16(ids) => count(request, passes, ids),
    }
}

fn count<I: ExpertNumber>(request: &CurveRequest<'_>, passes: &[Pass], ids: &[I]) -> MissCounts {
    let header = request.trace.header();
    let routing = Routing::new(request.trace, ids, None, request.grouping);
    let layers = u32::try_from(header.layers()).unwrap_or(u32::MAX);
    let mut counts = MissCounts::none(request.trace.sequences().len(), header.layers());
    let mut asked = vec![0_u64; header.experts as usize];
    let mut event = 0;
    for pass in passes {
        for layer in 0..layers {
            event += 1;
            let mut unique = 0;
            routing.selections(pass, layer, |_, expert| {
                let last = std::mem::replace(&mut asked[expert as usize], event);
                unique += u64::from(last != event || request.grouping == Grouping::Access);
            });
            counts.book(pass, layer, unique);
        }
    }
    counts
}

/// Everything but the results.
pub(super) fn label(
    request: &CurveRequest<'_>,
    rooms: &[u64],
    passes: &[Pass],
    lookups: MissCounts,
) -> TraceCurves {
    let header = request.trace.header();
    let objects = header.layers() as u128 * u128::from(header.experts);
    let total =
        request.sizes().iter().map(|size| u128::from(*size)).sum::<u128>() * u128::from(header.experts);
    let share = |room: u64, of: u128| u64::try_from(u128::from(room) * of / total.max(1)).unwrap_or(u64::MAX);
    let mut tokens = vec![PhaseCounts::default(); request.trace.sequences().len()];
    for pass in passes {
        match pass.phase {
            Phase::Prefill => tokens[pass.sequence as usize].prefill += pass.rows,
            Phase::Decode => tokens[pass.sequence as usize].decode += pass.rows,
        }
    }
    let sequences = request.trace.sequences().iter().zip(tokens).zip(lookups.by_sequence);
    let between = if request.clear_between { "clear" } else { "keep" };
    let prompts = match (request.options.prefill, request.options.prefill_chunk) {
        (false, _) => "left out".to_owned(),
        (true, u64::MAX) => "each in one pass".to_owned(),
        (true, chunk) => format!("in passes of {chunk} tokens"),
    };
    let mut settings = vec![
        ("replay", run::grouping_name(request.grouping).to_owned()),
        ("between sequences", between.to_owned()),
        ("prompts", prompts),
    ];
    if request.series.iter().any(|series| series.row.needs.profile) {
        settings.push(("profile", profile::origin(request)));
    }
    TraceCurves {
        name: request.name.clone(),
        model: header.model.clone(),
        source: format!("{} ({})", header.source, request.trace.fingerprint()),
        licence: header.licence.clone(),
        layers: header.layers() as u64,
        experts: u64::from(header.experts),
        top_k: u64::from(header.top_k),
        expert_bytes: request.expert_bytes.clone(),
        settings: settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        sequences: sequences
            .map(|((meta, tokens), lookups)| CurveSequence {
                category: meta.category.clone(),
                tokens,
                lookups,
            })
            .collect(),
        lookups_by_layer: lookups.by_layer,
        capacities: rooms
            .iter()
            .zip(request.capacities)
            .map(|(room, asked)| CurveCapacity {
                share_ppm: match asked {
                    // As asked for, even where only fewer whole experts fit.
                    CapacityAsked::Share(ppm) => (*ppm).min(1_000_000),
                    _ => share(*room, 1_000_000),
                },
                experts: share(*room, objects),
                room: *room,
            })
            .collect(),
        ..TraceCurves::default()
    }
}
