//! How many tokens each expert of a measured launch had, where the measurement says only how they were spread.

/// Selections over `experts` as evenly as can be, experts without any left out.
pub fn tokens_evenly(selections: u64, experts: u64) -> Vec<u64> {
    let active = experts.min(selections);
    (0..active).map(|expert| selections / active + u64::from(expert < selections % active)).collect()
}

/// Tokens of each expert as aiconfigurator's generator of skewed routing draws them, experts without any left out. The
/// quantiles in the middle of equal shares stand in place of its random numbers.
///
/// Weights of experts follow a density proportional to `x^-exponent` between 1 and 0.8 x tokens (between 0.01 and 2 where
/// there are no more selections than experts), are scaled to the number of selections and rounded, and no expert has more
/// than every token. What rounding leaves over goes to the smallest or is taken from them, from the largest in place of
/// one without tokens. `exponent` is not 1.
pub fn tokens_by_power_law(tokens: u64, experts: u64, top_k: u64, exponent: f64) -> Vec<u64> {
    let selections = tokens.saturating_mul(top_k).min(tokens.saturating_mul(experts));
    let mut counts = scaled(&weights(tokens, experts, selections, exponent), selections, tokens);
    counts.sort_unstable();
    let placed: u64 = counts.iter().sum();
    let mut missing = selections.saturating_sub(placed);
    while missing > 0 {
        for count in &mut counts {
            if missing > 0 && *count < tokens {
                *count += 1;
                missing -= 1;
            }
        }
    }
    let smallest = (0..counts.len()).cycle();
    for at in smallest.take(usize::try_from(placed.saturating_sub(selections)).unwrap_or(0)) {
        let taken = if counts[at] > 0 { at } else { largest(&counts) };
        counts[taken] -= 1;
    }
    counts.retain(|count| *count > 0);
    counts
}

/// Weights of the experts, in no unit.
fn weights(tokens: u64, experts: u64, selections: u64, exponent: f64) -> Vec<f64> {
    let (low, high) = if selections > experts { (1.0, tokens as f64 * 0.8) } else { (0.01, 2.0) };
    let power = 1.0 - exponent;
    let (first, last) = (libm::pow(low, power), libm::pow(high, power));
    let quantile = |expert: u64| {
        let share = (expert as f64 + 0.5) / experts as f64;
        libm::pow((last - first) * share + first, 1.0 / power)
    };
    (0..experts).map(quantile).collect()
}

/// Weights scaled to a sum, rounded, none above `most`.
fn scaled(weights: &[f64], sum: u64, most: u64) -> Vec<u64> {
    let total: f64 = weights.iter().sum();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the selections")]
    let round = |weight: &f64| ((weight / total * sum as f64).round() as u64).min(most);
    weights.iter().map(round).collect()
}

/// The last of the experts with most tokens.
fn largest(counts: &[u64]) -> usize {
    (0..counts.len()).max_by_key(|expert| counts[*expert]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_routing_leaves_no_expert_more_than_one_behind() {
        for (selections, experts, expected) in
            [(4, 8, [1, 1, 1, 1].as_slice()), (10, 4, &[3, 3, 2, 2]), (0, 4, &[]), (8, 4, &[2, 2, 2, 2])]
        {
            assert_eq!(tokens_evenly(selections, experts), expected, "{selections} over {experts}");
        }
    }

    #[test]
    fn skewed_routing_places_every_selection() {
        for (tokens, experts, top_k) in [(1, 128, 8), (16, 128, 8), (300, 8, 2), (4096, 256, 8), (2, 4, 4)] {
            let counts = tokens_by_power_law(tokens, experts, top_k, 1.2);
            assert_eq!(counts.iter().sum::<u64>(), tokens * top_k, "{tokens} tokens");
            assert!(counts.len() as u64 <= experts && counts.iter().all(|count| *count <= tokens));
        }
        // A few experts have most of many tokens.
        let counts = tokens_by_power_law(4096, 128, 8, 1.2);
        assert!(counts.iter().rev().take(13).sum::<u64>() > 16_000, "{counts:?}");
    }
}
