//! How well rows determine parameters, from the curvature of the sum of squares where the fit ended.
//!
//! With `J` the derivatives of the relative errors by the places of the parameters, the inverse of `J'J` gives standard
//! errors (times the variance of the residuals), the correlations, and how far each parameter can go before the root mean
//! square error has risen by a tenth with all others fitted anew.

/// A tenth more root mean square error is this much more sum of squares.
const RISE: f64 = 0.21;
/// A pivot of the scaled matrix below this says that the rows do not tell the parameters apart.
const PIVOT_MIN: f64 = 1e-9;

/// What the curvature says, in places of the unit cube.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curvature {
    /// Standard error of each parameter; `None` with no more rows than parameters.
    pub(super) standard: Option<Vec<f64>>,
    /// Half width of the range over which the error rises by a tenth.
    pub(super) half_width: Vec<f64>,
    /// Correlation of each pair.
    pub(super) correlation: Vec<Vec<f64>>,
}

/// The curvature from the derivatives (one list of rows for each parameter) and the residuals; `None` where the rows do
/// not determine every parameter.
pub(super) fn curvature(derivatives: &[Vec<f64>], residuals: &[f64]) -> Option<Curvature> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms: Vec<f64> = derivatives.iter().map(|column| dot(column, column).sqrt()).collect();
    if norms.iter().any(|norm| *norm < f64::EPSILON) {
        return None;
    }
    let scaled = |i: usize, j: usize| dot(&derivatives[i], &derivatives[j]) / (norms[i] * norms[j]);
    let count = derivatives.len();
    let inverse = inverted((0..count).map(|i| (0..count).map(|j| scaled(i, j)).collect()).collect())?;
    let variance: Vec<f64> = (0..count).map(|i| inverse[i][i] / (norms[i] * norms[i])).collect();
    let sum = dot(residuals, residuals);
    let free = residuals.len().checked_sub(count).filter(|free| *free > 0);
    let spread = |factor: f64| variance.iter().map(|own| (own * factor).sqrt()).collect::<Vec<_>>();
    let correlation = |i: usize, j: usize| inverse[i][j] / (inverse[i][i] * inverse[j][j]).sqrt();
    Some(Curvature {
        standard: free.map(|free| spread(sum / free as f64)),
        half_width: spread(sum * RISE),
        correlation: (0..count).map(|i| (0..count).map(|j| correlation(i, j)).collect()).collect(),
    })
}

/// The inverse of a symmetric matrix with ones on its diagonal (Gauss-Jordan); `None` where it has none to speak of.
fn inverted(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let count = matrix.len();
    for (index, row) in matrix.iter_mut().enumerate() {
        row.extend((0..count).map(|column| f64::from(u8::from(column == index))));
    }
    for index in 0..count {
        let pivot = matrix[index][index];
        // In a positive definite matrix pivots stay on the diagonal.
        if pivot.is_nan() || pivot < PIVOT_MIN {
            return None;
        }
        matrix[index].iter_mut().for_each(|entry| *entry /= pivot);
        let own = matrix[index].clone();
        for (other, row) in matrix.iter_mut().enumerate().filter(|(other, _)| *other != index) {
            debug_assert_ne!(other, index);
            let factor = row[index];
            row.iter_mut().zip(&own).for_each(|(entry, own)| *entry -= factor * own);
        }
    }
    Some(matrix.into_iter().map(|row| row[count..].to_vec()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_has_the_textbook_errors() {
        // y = a + b x at x = -1, 0, 1: independent, with variances s^2/3 and s^2/2.
        let derivatives = [vec![1.0, 1.0, 1.0], vec![-1.0, 0.0, 1.0]];
        let residuals = [0.1, -0.2, 0.1];
        let found = curvature(&derivatives, &residuals).unwrap();
        let s2: f64 = 0.06;
        let standard = found.standard.unwrap();
        assert!((standard[0] - (s2 / 3.0).sqrt()).abs() < 1e-12);
        assert!((standard[1] - (s2 / 2.0).sqrt()).abs() < 1e-12);
        // Moving a by its half width raises the sum of squares, 0.06, by 21 %.
        let moved: f64 = residuals.iter().map(|r| (r + found.half_width[0]).powi(2)).sum();
        assert!((moved / 0.06 - 1.21).abs() < 1e-9, "{moved}");
        assert_eq!(found.correlation[0][1], 0.0);
    }

    #[test]
    fn parameters_that_do_the_same_are_not_determined() {
        assert_eq!(curvature(&[vec![1.0, 2.0], vec![2.0, 4.0]], &[0.1, 0.1]), None);
        assert_eq!(curvature(&[vec![0.0, 0.0]], &[0.1, 0.1]), None);
        assert_eq!(curvature(&[vec![1.0]], &[0.1]).unwrap().standard, None);
    }
}
