//! Many-dimensional vectors on a plane.

use downhill_tensor::{Element, Tensor};

/// The rounds of multiplication after which the two directions are settled: what is left of a third
/// direction is at most its share of the second's to this power.
const ROUNDS: usize = 500;

/// Vectors on the plane in which they differ most.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// A point for each vector.
    pub points: Vec<[f64; 2]>,
    /// The share of the vectors' variance along each of the two axes.
    pub shares: [f64; 2],
}

/// Projects vectors, `[N, D]`, onto the plane through their mean in which they differ most, their
/// first two principal components (Pearson, "On lines and planes of closest fit", 1901). Each axis
/// points to where the vector that lies farthest along it is positive.
///
/// # Panics
///
/// If `vectors` is no matrix.
///
/// ```
/// use downhill_report::plot::plane_of;
/// use downhill_tensor::Tensor;
///
/// let plane = plane_of(&Tensor::from([[0.0, 0.0, 9.0], [4.0, 0.0, 9.0], [2.0, 1.0, 9.0]]));
/// assert!((plane.points[1][0] - plane.points[0][0]).abs() > 3.9);
/// ```
#[track_caller]
pub fn plane_of<E: Element>(vectors: &Tensor<E>) -> Plane {
    let [count, dimensions] = *vectors.shape() else {
        panic!("plane_of: vectors of shape {:?}; [N, D] is wanted", vectors.shape())
    };
    let mut rows: Vec<Vec<f64>> = vectors
        .to_vec()
        .chunks(dimensions.max(1))
        .map(|row| row.iter().map(|value| value.as_f64()).collect())
        .collect();
    let mean = sum(&rows, &vec![1.0 / count as f64; count], dimensions);
    for row in &mut rows {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
    }
    let variance: f64 = rows.iter().map(|row| dot(row, row)).sum();
    if !(variance > 0.0 && variance.is_finite()) {
        return Plane { points: vec![[0.0; 2]; count], shares: [0.0; 2] };
    }
    // Multiplication by XᵀX turns any two directions towards the two of most variance.
    let start = |phase: f64| (0..dimensions).map(|i| (phase + i as f64).sin()).collect();
    let mut directions: [Vec<f64>; 2] = [start(1.0), start(2.5)];
    for _ in 0..ROUNDS {
        for direction in &mut directions {
            let along: Vec<f64> = rows.iter().map(|row| dot(row, direction)).collect();
            *direction = sum(&rows, &along, dimensions);
        }
        orthonormalise(&mut directions);
    }
    let along = |direction: &[f64]| -> Vec<f64> {
        let along: Vec<f64> = rows.iter().map(|row| dot(row, direction)).collect();
        let farthest =
            along.iter().fold(0.0_f64, |far, x| if x.abs() > far.abs() { *x } else { far });
        along.into_iter().map(|x| if farthest < 0.0 { -x } else { x }).collect()
    };
    let [first, second] = [0, 1].map(|axis| along(&directions[axis]));
    let shares = [&first, &second].map(|values| dot(values, values) / variance);
    Plane { points: first.into_iter().zip(second).map(|(x, y)| [x, y]).collect(), shares }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Σ weight · row
fn sum(rows: &[Vec<f64>], weights: &[f64], dimensions: usize) -> Vec<f64> {
    let mut sum = vec![0.0; dimensions];
    for (row, weight) in rows.iter().zip(weights) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

/// Gram–Schmidt. A direction that the other one already spans becomes 0.
fn orthonormalise([first, second]: &mut [Vec<f64>; 2]) {
    let normalise = |vector: &mut [f64], least: f64| {
        let length = dot(vector, vector).sqrt();
        let factor = if length > least { 1.0 / length } else { 0.0 };
        vector.iter_mut().for_each(|value| *value *= factor);
    };
    normalise(first, 0.0);
    let (before, common) = (dot(second, second).sqrt(), dot(first, second));
    second.iter_mut().zip(&*first).for_each(|(b, a)| *b -= common * a);
    normalise(second, 1e-12 * before);
}
