//! How well rows determine parameters, from the derivatives of the relative errors where the fit ended.
//!
//! What a parameter does to the rows and no other parameter can do is the part of its derivatives that is perpendicular to
//! those of all others. Its length gives the standard error (with the variance of the residuals), and how far the
//! parameter can go before the root mean square error has risen by a tenth with all others fitted anew; the angles between
//! these parts give the correlations. All of it equals what the inverse of `J'J` says, and remains defined for the other
//! parameters where some are not told apart.

/// A tenth more root mean square error is this much more sum of squares.
const RISE: f64 = 0.21;
/// A part of the derivatives below this share of their length is nothing but rounding.
const SHARE_MIN: f64 = 1e-5;

/// What is known of one parameter, in places of the unit cube.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// Standard error; `None` with no more rows than parameters.
    pub(super) standard: Option<f64>,
    /// Half width of the range over which the error rises by a tenth.
    pub(super) half_width: f64,
    /// Correlation with each parameter, 1 with itself and 0 with those that are not determined.
    pub(super) correlation: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length(column: &[f64]) -> f64 {
    dot(column, column).sqrt()
}

/// Takes from `column` what lies along the unit vectors.
fn perpendicular(column: &[f64], units: &[Vec<f64>]) -> Vec<f64> {
    let mut rest = column.to_vec();
    for unit in units {
        let along = dot(&rest, unit);
        rest.iter_mut().zip(unit).for_each(|(rest, unit)| *rest -= along * unit);
    }
    rest
}

/// The part of a column that no other has; `None` where there is none.
fn own_part(derivatives: &[Vec<f64>], index: usize) -> Option<Vec<f64>> {
    let mut units: Vec<Vec<f64>> = Vec::new();
    for other in (0..derivatives.len()).filter(|other| *other != index) {
        let rest = perpendicular(&derivatives[other], &units);
        let size = length(&rest);
        if size > SHARE_MIN * length(&derivatives[other]) {
            units.push(rest.iter().map(|entry| entry / size).collect());
        }
    }
    let rest = perpendicular(&derivatives[index], &units);
    let (size, whole) = (length(&rest), length(&derivatives[index]));
    (whole > f64::EPSILON && size > SHARE_MIN * whole).then_some(rest)
}

/// What is known of each parameter, from the derivatives (one list of rows for each) and the residuals; `None` for a
/// parameter that does nothing, or nothing that others could not do.
pub(super) fn known(derivatives: &[Vec<f64>], residuals: &[f64]) -> Vec<Option<Known>> {
    let sum = dot(residuals, residuals);
    let free = residuals.len().checked_sub(derivatives.len()).filter(|free| *free > 0);
    let parts: Vec<Option<Vec<f64>>> =
        (0..derivatives.len()).map(|index| own_part(derivatives, index)).collect();
    let one = |part: &Vec<f64>| {
        let size = length(part);
        let angle = |other: &Option<Vec<f64>>| {
            other.as_ref().map_or(0.0, |other| dot(part, other) / (size * length(other)))
        };
        Known {
            standard: free.map(|free| (sum / free as f64).sqrt() / size),
            half_width: (sum * RISE).sqrt() / size,
            correlation: parts.iter().map(angle).collect(),
        }
    };
    parts.iter().map(|part| part.as_ref().map(one)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn a_straight_line_has_the_textbook_errors() {
        // y = a + b x at x = 0, 1, 2: with s^2 = 0.06, var a = 5/6 s^2, var b = s^2/2, covariance -s^2/2.
        let derivatives = [vec![1.0, 1.0, 1.0], vec![0.0, 1.0, 2.0]];
        let residuals = [0.1, -0.2, 0.1];
        let found: Vec<Known> = known(&derivatives, &residuals).into_iter().map(Option::unwrap).collect();
        let s2: f64 = 0.06;
        assert!(near(found[0].standard.unwrap(), (5.0 / 6.0 * s2).sqrt()));
        assert!(near(found[1].standard.unwrap(), (s2 / 2.0).sqrt()));
        assert!(near(found[0].correlation[1], -0.5 / (5.0 / 12.0_f64).sqrt()));
        assert!(near(found[0].correlation[0], 1.0));
        // With a moved by its half width, the best b leaves 21 % more than 0.06.
        let (a, b) = (found[0].half_width, -found[0].half_width * 3.0 / 5.0);
        let moved: f64 = residuals.iter().zip([0.0, 1.0, 2.0]).map(|(r, x)| (r + a + b * x).powi(2)).sum();
        assert!(near(moved, 0.06 * 1.21), "{moved}");
    }

    #[test]
    fn parameters_that_do_the_same_are_not_determined() {
        let alone = vec![1.0, 0.0, -1.0];
        let found = known(&[vec![1.0, 2.0, 3.0], alone, vec![2.0, 4.0, 6.0], vec![0.0; 3]], &[0.1; 3]);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false]);
        assert_eq!(known(&[vec![1.0]], &[0.1])[0].as_ref().map(|known| known.standard), Some(None));
    }
}
