//! Step 3: an operation of Downhill.
//!
//! An operation is a value and, for each input, a vector–Jacobian product (VJP): given the gradient
//! of the loss with respect to the output, it returns the gradient with respect to the input. For a
//! function of each number by itself that is gradient · derivative.
//!
//! Written in tensor operations (`&x * &x`, `x.exp()`, …), a VJP can be differentiated again.

use downhill::tensor::{Element, Tensor, operation};

/// The Gaussian bump e^(−x²). Its derivative is −2x · e^(−x²), that is −2x · output.
pub fn bump<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    let value = x.array().mapv(|x| (-x * x).exp());
    operation::unary("bump", x, value, |gradient, output, x| {
        gradient * output * x * E::from_f64(-2.0)
    })
}

/// The distance √(x² + y²) of two tensors that broadcast. It needs no VJP of its own: what is
/// composed of operations (`square`, `+`, `sqrt`) is differentiated by theirs.
pub fn distance<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    (x.square() + y.square()).sqrt()
}
