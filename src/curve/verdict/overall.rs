//! Policies over the range of capacities at which there is something to win.

use super::reference::References;
use super::winner;
use crate::metrics::{
    CONTESTED_RATE, CapacityVerdict, DISTANCE_MIN_POINTS, Overall, PolicyCurve, Ranked, Standing, Winner,
};

/// Ranks the policies over the contested capacities; `None` where there are none.
pub(super) fn overall(
    references: &References<'_>,
    capacities: &[CapacityVerdict],
    ascending: &[usize],
) -> Option<Overall> {
    let is_contested = |at: &usize| {
        let reached = capacities[*at].belady_hit_rate.is_some_and(|rate| rate <= CONTESTED_RATE);
        reached && !references.is_below_cycle(*at) && references.distance(*at).is_some()
    };
    let contested: Vec<usize> = ascending.iter().copied().filter(is_contested).collect();
    if contested.is_empty() {
        return None;
    }
    let curves = references.curves.curves.iter().enumerate();
    let mut ranking: Vec<Ranked> =
        curves.map(|(index, curve)| ranked(index, curve, capacities, &contested)).collect();
    // Among equals LRU, then the first.
    ranking.sort_by(|a, b| {
        b.mean_recovered.total_cmp(&a.mean_recovered).then((a.name != "lru").cmp(&(b.name != "lru")))
    });
    let mut candidates = ranking.iter().filter(|ranked| ranked.standing == Standing::Candidate);
    let lru = candidates.clone().find(|ranked| ranked.name == "lru");
    let best = candidates.next();
    let leads = |ranked: &Ranked| ranked.mean_over_lru_points >= DISTANCE_MIN_POINTS;
    let winner = best.filter(|best| leads(best)).or(lru).or(best).map(|best| Winner {
        curve: best.curve,
        name: best.name.clone(),
        paired: winner::lead(references, best.curve, &contested),
    });
    Some(Overall { contested, ranking, winner })
}

fn ranked(index: usize, curve: &PolicyCurve, capacities: &[CapacityVerdict], contested: &[usize]) -> Ranked {
    let judged = || contested.iter().map(|at| &capacities[*at].policies[index]);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / contested.len() as f64;
    let won = |at: &&usize| capacities[**at].winner.as_ref().is_some_and(|winner| winner.curve == index);
    Ranked {
        curve: index,
        name: curve.name.clone(),
        standing: match (curve.is_bound, curve.in_sample) {
            (true, _) => Standing::Bound,
            (_, true) => Standing::InSample,
            _ if judged().all(|judged| judged.competes) => Standing::Candidate,
            _ => Standing::ExceedsCapacity,
        },
        mean_recovered: mean(&mut judged().filter_map(|judged| judged.recovered)),
        mean_over_lru_points: mean(&mut judged().filter_map(|judged| judged.over_lru_points)),
        wins: contested.iter().filter(won).count() as u64,
    }
}
