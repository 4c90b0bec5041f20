//! Operations that are computed in one pass, forwards and backwards.

use downhill_tensor::{Element, Operation, Tensor, grad_with, operation};
use ndarray::ArrayD;

/// What an operation in one pass has saved for its gradients.
pub(crate) trait Fused<E: Element>: Send + Sync + 'static {
    /// The operation's name, for messages and drawings.
    const NAME: &'static str;

    /// The value once more, by differentiable operations on the inputs: where derivatives of
    /// higher order come from.
    fn compose(&self, inputs: &[Tensor<E>]) -> Tensor<E>;

    /// The vector–Jacobian product for input number `index`, in one pass. It may have any shape
    /// that the input broadcasts to.
    fn vjp(&self, index: usize, gradient: Tensor<E>, inputs: &[Tensor<E>]) -> Tensor<E>;
}

/// Records a value that was computed in one pass.
pub(crate) fn record<E: Element, F: Fused<E>>(
    inputs: &[&Tensor<E>],
    value: ArrayD<E>,
    fused: impl FnOnce() -> F,
) -> Tensor<E> {
    operation::record(inputs, value, || Recorded {
        inputs: inputs.iter().copied().cloned().collect(),
        fused: fused(),
    })
}

struct Recorded<E: Element, F> {
    inputs: Vec<Tensor<E>>,
    fused: F,
}

impl<E: Element, F: Fused<E>> Operation<E> for Recorded<E, F> {
    fn name(&self) -> &str {
        F::NAME
    }

    fn inputs(&self) -> &[Tensor<E>] {
        &self.inputs
    }

    fn vjp(&self, index: usize, gradient: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        let inputs: Vec<_> = self.inputs.iter().map(stand_in).collect();
        let value = self.fused.compose(&inputs);
        grad_with(&[&value], &[&gradient], &[&inputs[index]]).remove(0)
    }

    fn vjp_value(&self, index: usize, gradient: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        self.fused.vjp(index, gradient, &self.inputs)
    }
}

/// A tensor of the same values that depends on `x` alone: where one input was computed from
/// another, the derivative with respect to the stand-in of the other is only the partial one.
fn stand_in<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    operation::unary("stand_in", x, x.array().to_owned(), |gradient, _, _| gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x · y, with inputs that depend on one another.
    struct Product;

    impl Fused<f64> for Product {
        const NAME: &'static str = "product";

        fn compose(&self, inputs: &[Tensor<f64>]) -> Tensor<f64> {
            &inputs[0] * &inputs[1]
        }

        fn vjp(&self, index: usize, gradient: Tensor<f64>, inputs: &[Tensor<f64>]) -> Tensor<f64> {
            gradient * &inputs[1 - index]
        }
    }

    #[test]
    fn an_input_computed_from_another_is_not_differentiated_twice() {
        let x = Tensor::parameter(3.0);
        let square = x.square();
        let cube = record(&[&x, &square], (&x * &square).array().to_owned(), || Product);
        assert_eq!(cube.backward().get(&x).unwrap().item(), 27.0);
        let first = &grad_with(&[&cube], &[&Tensor::scalar(1.0)], &[&x])[0];
        let second = &grad_with(&[first], &[&Tensor::scalar(1.0)], &[&x])[0];
        let third = &grad_with(&[second], &[&Tensor::scalar(1.0)], &[&x])[0];
        assert_eq!([first.item(), second.item(), third.item()], [27.0, 18.0, 6.0]);
        assert_eq!(cube.operation().unwrap().name(), "product");
    }
}
