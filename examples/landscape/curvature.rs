//! How strongly a loss is curved.

use downhill::prelude::*;
use downhill::tensor::hessian_vector_product;

/// The eigenvalue of greatest size of the Hessian of `loss` with respect to `parameters`, by power
/// iteration: a vector that is multiplied by the Hessian over and over turns towards its
/// eigenvector. That is λ_max, unless the loss is bent down more strongly than up. `vectors` is where
/// it starts from, and then what it has come to.
///
/// It stops when an iteration changes the eigenvalue by less than `tolerance` times itself.
pub(crate) fn largest_eigenvalue(
    loss: &Tensor<f64>,
    parameters: &[&Tensor<f64>],
    vectors: &mut Vec<Tensor<f64>>,
    tolerance: f64,
) -> f64 {
    const ITERATIONS: usize = 300;
    let mut eigenvalue = f64::NAN;
    for _ in 0..ITERATIONS {
        let length = dot(vectors, vectors).sqrt();
        let unit: Vec<Tensor<f64>> =
            vectors.iter().map(|vector| (vector / length).detach()).collect();
        let product = hessian_vector_product(loss, parameters, &unit.iter().collect::<Vec<_>>());
        *vectors = product.iter().map(Tensor::detach).collect();
        let last = eigenvalue;
        // Rayleigh's quotient: its error is the square of the vector's.
        eigenvalue = dot(&unit, vectors);
        if (eigenvalue - last).abs() <= tolerance * eigenvalue.abs() {
            break;
        }
    }
    eigenvalue
}

fn dot(a: &[Tensor<f64>], b: &[Tensor<f64>]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a * b).sum().item()).sum()
}
