//! Second derivatives.

use crate::autodiff::{grad, grad_with};
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// The product of the Hessian of `output`, a single number, with a vector that has one part for
/// each of `inputs`, without forming the Hessian: the gradient of the gradient's dot product with
/// the vector (Pearlmutter, "Fast exact multiplication by the Hessian", 1994).
///
/// # Panics
///
/// If `output` holds more or less than one value, or the vectors' shapes are not those of the
/// inputs.
///
/// ```
/// use downhill_tensor::{Tensor, hessian_vector_product};
///
/// let x = Tensor::parameter([1.0, 2.0]);
/// let output = (&x * &x * &x).sum(); // the Hessian is diag(6x)
/// let product = hessian_vector_product(&output, &[&x], &[&Tensor::from([1.0, 10.0])]);
/// assert_eq!(product[0].to_vec(), [6.0, 120.0]);
/// ```
#[track_caller]
pub fn hessian_vector_product<E: Element>(
    output: &Tensor<E>,
    inputs: &[&Tensor<E>],
    vectors: &[&Tensor<E>],
) -> Vec<Tensor<E>> {
    let gradients = grad(output, inputs);
    grad_with(&gradients.iter().collect::<Vec<_>>(), vectors, inputs)
}

/// The matrix of second derivatives of `output`, a single number, with respect to the n values of
/// `input`: `[n, n]`, in row-major order of the input's values. It carries a graph, so third
/// derivatives can follow.
///
/// # Panics
///
/// If `output` holds more or less than one value.
///
/// ```
/// use downhill_tensor::{Tensor, hessian};
///
/// let x = Tensor::parameter([3.0, 5.0]);
/// let product = &x.slice(0, ..1) * &x.slice(0, 1..);
/// assert_eq!(hessian(&product.sum(), &x).to_vec(), [0.0, 1.0, 1.0, 0.0]);
/// ```
#[inline(never)]
#[track_caller]
pub fn hessian<E: Element>(output: &Tensor<E>, input: &Tensor<E>) -> Tensor<E> {
    let length = input.len();
    let gradient = &grad(output, &[input])[0];
    let row = |index: usize| {
        let unit = Tensor::one_hot(&[index], length).reshape(input.shape());
        grad_with(&[gradient], &[&unit], &[input])[0].reshape(&[length])
    };
    match length {
        0 => Tensor::zeros(&[0, 0]),
        _ => Tensor::stack(&(0..length).map(row).collect::<Vec<_>>().iter().collect::<Vec<_>>(), 0),
    }
}
