//! Paired differences over sequences: their mean and its 95 % interval.

use crate::metrics::PairedDifference;

/// Quantiles of Student's t distribution at 97.5 %, for 1 to 30 degrees of freedom (any statistics textbook, for example
/// NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2).
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The same from so many degrees of freedom on. Between two rows the earlier one counts, which makes intervals a little
/// wider than they need be.
const T_975_MANY: [(usize, f64); 3] = [(120, 1.980), (60, 2.000), (40, 2.021)];

/// The quantile for `degrees` degrees of freedom; `None` for zero.
fn t_975(degrees: usize) -> Option<f64> {
    let of_many = T_975_MANY.iter().find(|(from, _)| degrees >= *from).map(|(_, t)| *t);
    match degrees {
        0 => None,
        _ => Some(of_many.unwrap_or_else(|| T_975[degrees.min(T_975.len()) - 1])),
    }
}

/// The mean of differences, given in percentage points, and its interval; `None` for fewer than two.
pub(super) fn paired(differences: &[f64]) -> Option<PairedDifference> {
    let t = t_975(differences.len().checked_sub(1)?)?;
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let squares: f64 = differences.iter().map(|difference| (difference - mean) * (difference - mean)).sum();
    let half = t * (squares / (count - 1.0) / count).sqrt();
    let (low, high) = (mean - half, mean + half);
    Some(PairedDifference {
        sequences: differences.len() as u64,
        mean_points: mean,
        low_points: low,
        high_points: high,
        significant: low > 0.0 || high < 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Differences 1, 2, 3, 4, 5: mean 3, variance 10 / 4 = 2.5, standard error sqrt(2.5 / 5) = 0.7071, and t of four
    /// degrees of freedom 2.776, so that the interval is 3 +- 1.9629.
    #[test]
    fn the_interval_is_that_of_the_textbook() {
        let found = paired(&[5.0, 3.0, 1.0, 4.0, 2.0]).unwrap();
        assert_eq!((found.sequences, found.mean_points), (5, 3.0));
        assert!((found.low_points - 1.0371).abs() < 1e-4, "{found:?}");
        assert!((found.high_points - 4.9629).abs() < 1e-4, "{found:?}");
        assert!(found.significant);
    }

    #[test]
    fn an_interval_around_zero_shows_nothing() {
        assert!(!paired(&[1.0, -1.0, 2.0, -2.0]).unwrap().significant);
        // Two differences of one sign are seldom enough: t is 12.7.
        assert!(!paired(&[1.0, 2.0]).unwrap().significant);
        assert!(paired(&[-2.0, -2.1, -1.9]).unwrap().significant);
        assert!(!paired(&[0.0, 0.0, 0.0]).unwrap().significant);
    }

    #[test]
    fn one_sequence_has_no_interval() {
        assert_eq!(paired(&[]), None);
        assert_eq!(paired(&[1.0]), None);
    }

    #[test]
    fn quantiles_fall_as_degrees_rise() {
        let all: Vec<f64> = (1..200).map(|degrees| t_975(degrees).unwrap()).collect();
        assert!(all.is_sorted_by(|a, b| a >= b));
        assert_eq!(
            (t_975(0), t_975(1), t_975(30), t_975(39)),
            (None, Some(12.706), Some(2.042), Some(2.042))
        );
        assert_eq!((t_975(40), t_975(119), t_975(1000)), (Some(2.021), Some(2.000), Some(1.980)));
    }
}
