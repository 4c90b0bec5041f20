//! Directions in which points vary most.

use ndarray::{Array1, Array2, Axis};

/// The two directions, `[D, 2]`, in which the rows of `points` (`[N, D]`) lie furthest from the
/// origin: the leading eigenvectors of XᵀX, each by the power method and orthogonal to the one
/// before. Their largest entries are positive. A direction in which nothing lies is 0.
pub(crate) fn leading_directions(points: &Array2<f64>) -> Array2<f64> {
    let mut found: Vec<Array1<f64>> = Vec::new();
    for number in 0..2 {
        // A start that is orthogonal to no eigenvector but by accident.
        let mut direction = Array1::from_shape_fn(points.ncols(), |index| {
            1.0 + 0.1 * ((index + number) as f64).sin()
        });
        for _ in 0..1000 {
            let mut next = points.t().dot(&points.dot(&direction));
            for other in &found {
                next = &next - &(other * other.dot(&next));
            }
            let norm = next.dot(&next).sqrt();
            if norm == 0.0 {
                direction.fill(0.0);
                break;
            }
            next /= norm;
            let has_settled = (&next - &direction).iter().all(|change| change.abs() < 1e-9);
            direction = next;
            if has_settled {
                break;
            }
        }
        let largest =
            direction.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        if largest < 0.0 {
            direction = -direction;
        }
        found.push(direction);
    }
    let columns: Vec<_> = found.iter().map(|direction| direction.view()).collect();
    ndarray::stack(Axis(1), &columns).expect("directions have one length")
}
