//! Operations that are computed in one pass, forwards and backwards.

use crate::autodiff::grad_with;
use crate::export::Export;
use crate::operation::{Operation, record, unary};
use crate::recording::{is_recording, with_recording};
use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// An operation with a **definition** in tensor operations, and a **kernel** that computes the
/// same value and the same gradient in one pass.
///
/// The definition is what a reader reads first, what the tests compare the kernel with, and where
/// derivatives of higher order come from. The implementor holds the operation's options and
/// whatever its kernel has saved for the backward pass; its inputs are kept by [`fused`].
///
/// ```
/// use downhill_tensor::{Fused, Tensor, fused, grad};
///
/// /// x · σ(βx), elementwise.
/// struct Swish {
///     beta: f32,
///     /// σ(βx), which the gradient needs again.
///     sigmoid: Tensor,
/// }
///
/// impl Fused<f32> for Swish {
///     fn name(&self) -> &str {
///         "swish"
///     }
///
///     fn definition(&self, inputs: &[Tensor]) -> Tensor {
///         &inputs[0] * (&inputs[0] * self.beta).sigmoid()
///     }
///
///     fn vjp(&self, _index: usize, gradient: Tensor, output: &Tensor, _: &[Tensor]) -> Tensor {
///         let slope = |((y, s), g): ((&f32, &f32), &f32)| g * (s + self.beta * y * (1.0 - s));
///         let (outputs, sigmoids, gradients) =
///             (output.values(), self.sigmoid.values(), gradient.values());
///         let values = outputs.iter().zip(&*sigmoids).zip(&*gradients).map(slope).collect();
///         Tensor::from_shape_vec(output.shape(), values).expect("one for each value")
///     }
/// }
///
/// fn swish(x: &Tensor, beta: f32) -> Tensor {
///     let sigmoid = x.array().mapv(|x| 1.0 / (1.0 + (-beta * x).exp()));
///     let value = &x.array() * &sigmoid;
///     fused(&[x], value, || Swish { beta, sigmoid: sigmoid.into() })
/// }
///
/// let x = Tensor::parameter(0.0);
/// let y = swish(&x, 4.0);
/// assert_eq!(y.backward().get(&x).unwrap().item(), 0.5);
/// // Through the definition: β / 2.
/// assert_eq!(grad(&grad(&y, &[&x])[0], &[&x])[0].item(), 2.0);
/// ```
pub trait Fused<E: Element>: Send + Sync + 'static {
    /// The operation's name, for messages and drawings.
    fn name(&self) -> &str;

    /// The value once more, by differentiable operations on the inputs.
    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E>;

    /// Writes the operation for other programs, as [`Operation::export`]; by default they get its
    /// definition.
    fn export(&self, _inputs: &[&str], _output: &Tensor<E>, _: &mut Export) -> Option<String> {
        None
    }

    /// The vector–Jacobian product for input number `index`, in one pass. Called when nothing is
    /// recorded; otherwise the [definition](Self::definition) is differentiated.
    ///
    /// `gradient` is that of the loss with respect to `output`, and has its shape. The result may
    /// have any shape that the input broadcasts to. It may be an array saved by the forward pass;
    /// one that is kept behind a lock, and taken out of it, can be changed in place by whatever
    /// comes next.
    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E>;
}

/// The tensor that holds `value`, which a kernel has computed from `inputs`, with the [`Fused`]
/// operation that made it if that must be remembered ([`is_recorded`](crate::operation::is_recorded)).
pub fn fused<E: Element, F: Fused<E>>(
    inputs: &[&Tensor<E>],
    value: impl Into<Storage<E>>,
    fused: impl FnOnce() -> F,
) -> Tensor<E> {
    record(inputs, value, || Recorded {
        inputs: inputs.iter().copied().cloned().collect(),
        fused: fused(),
    })
}

struct Recorded<E: Element, F> {
    inputs: Box<[Tensor<E>]>,
    fused: F,
}

impl<E: Element, F: Fused<E>> Operation<E> for Recorded<E, F> {
    fn name(&self) -> &str {
        self.fused.name()
    }

    fn inputs(&self) -> &[Tensor<E>] {
        &self.inputs
    }

    fn export(&self, inputs: &[&str], output: &Tensor<E>, export: &mut Export) -> Option<String> {
        self.fused.export(inputs, output, export)
    }

    fn definition(&self) -> Option<Tensor<E>> {
        Some(self.fused.definition(&self.inputs))
    }

    fn vjp(&self, index: usize, gradient: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        vjp_by_definition(&self.fused, index, &gradient, &self.inputs)
    }

    fn vjp_fused(&self, index: usize, gradient: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        self.fused.vjp(index, gradient, output, &self.inputs)
    }
}

/// The vector–Jacobian product for input number `index` by the definition, for a kernel whose own is
/// not finite: what infinities and NaN come to is then the same whether it is recorded or not.
pub fn vjp_by_definition<E: Element>(
    fused: &(impl Fused<E> + ?Sized),
    index: usize,
    gradient: &Tensor<E>,
    inputs: &[Tensor<E>],
) -> Tensor<E> {
    let product = with_recording(true, || {
        let mut inputs = inputs.to_vec();
        inputs[index] = stand_in(&inputs[index]);
        let value = fused.definition(&inputs);
        assert!(
            value.shape() == gradient.shape(),
            "{}: its definition has shape {:?}, but its value {:?}",
            fused.name(),
            value.shape(),
            gradient.shape()
        );
        grad_with(&[&value], &[gradient], &[&inputs[index]]).remove(0)
    });
    if is_recording() { product } else { product.detach() }
}

/// A tensor of the same values. The derivative with respect to it is the partial one, also where
/// another input of the operation was computed from `x`.
fn stand_in<E: Element>(x: &Tensor<E>) -> Tensor<E> {
    unary("stand_in", x, x.storage().clone(), |gradient, _, _| gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x · y, with inputs that depend on one another.
    struct Product;

    impl Fused<f64> for Product {
        fn name(&self) -> &str {
            "product"
        }

        fn definition(&self, inputs: &[Tensor<f64>]) -> Tensor<f64> {
            &inputs[0] * &inputs[1]
        }

        fn vjp(
            &self,
            index: usize,
            gradient: Tensor<f64>,
            _output: &Tensor<f64>,
            inputs: &[Tensor<f64>],
        ) -> Tensor<f64> {
            gradient * &inputs[1 - index]
        }
    }

    #[test]
    fn an_input_computed_from_another_is_not_differentiated_twice() {
        let x = Tensor::parameter(3.0);
        let square = x.square();
        let cube = fused(&[&x, &square], (&x * &square).array().to_owned(), || Product);
        assert_eq!(cube.backward().get(&x).unwrap().item(), 27.0);
        let first = &grad_with(&[&cube], &[&Tensor::scalar(1.0)], &[&x])[0];
        let second = &grad_with(&[first], &[&Tensor::scalar(1.0)], &[&x])[0];
        let third = &grad_with(&[second], &[&Tensor::scalar(1.0)], &[&x])[0];
        assert_eq!([first.item(), second.item(), third.item()], [27.0, 18.0, 6.0]);
        assert_eq!(cube.operation().unwrap().name(), "product");
    }

    #[test]
    #[should_panic(expected = "halved: its definition has shape [], but its value [2]")]
    fn a_definition_of_another_shape_than_the_value_is_named() {
        struct Halved;
        impl Fused<f64> for Halved {
            fn name(&self) -> &str {
                "halved"
            }

            fn definition(&self, inputs: &[Tensor<f64>]) -> Tensor<f64> {
                inputs[0].sum() / 2.0
            }

            fn vjp(
                &self,
                _index: usize,
                gradient: Tensor<f64>,
                _output: &Tensor<f64>,
                _inputs: &[Tensor<f64>],
            ) -> Tensor<f64> {
                gradient / 2.0
            }
        }
        let x = Tensor::parameter([1.0, 2.0]);
        let y = fused(&[&x], &x.array() / 2.0, || Halved);
        grad_with(&[&y], &[&Tensor::ones(&[2])], &[&x]);
    }

    #[test]
    fn an_input_given_twice_gets_both_gradients_at_any_order() {
        let x = Tensor::parameter(3.0);
        let square = fused(&[&x, &x], (&x * &x).array().to_owned(), || Product);
        assert_eq!(square.backward().get(&x).unwrap().item(), 6.0);
        let first = &grad_with(&[&square], &[&Tensor::scalar(1.0)], &[&x])[0];
        let second = &grad_with(&[first], &[&Tensor::scalar(1.0)], &[&x])[0];
        assert_eq!([first.item(), second.item()], [6.0, 2.0]);
    }
}
