//! The interface on which every differentiable operation is built, ours and yours.
//!
//! An operation is a value and, for each input, a vector–Jacobian product (VJP): given the
//! gradient of the loss with respect to the output, it returns the gradient with respect to that
//! input. The two stand side by side:
//!
//! ```
//! use downhill_tensor::{Tensor, operation};
//!
//! /// x³, elementwise; its derivative is 3x².
//! fn cube(x: &Tensor) -> Tensor {
//!     let value = x.array().mapv(|x| x * x * x);
//!     operation::unary("cube", x, value, |gradient, _output, x| gradient.times(&(x * x * 3.0)))
//! }
//!
//! let x = Tensor::parameter([1.0, 2.0]);
//! assert_eq!(cube(&x).sum().backward().get(&x).unwrap().to_vec(), [3.0, 12.0]);
//! ```
//!
//! Because a VJP is written in tensor operations, derivatives can be differentiated in turn. What
//! a VJP can rely on and must do:
//!
//! - `gradient` has the shape of the output, and is its own to use up: `gradient * x` changes it
//!   in place where it can;
//! - where it is 0 the output does not matter, and neither does an input that only that depends on:
//!   a function of single values keeps it 0 by [`times`](Tensor::times) and [`over`](Tensor::over),
//!   though the slope be infinite or NaN there;
//! - the result has the input's shape, or any shape that the input broadcasts to: the engine sums
//!   it back over the broadcast axes, so that no operation has to;
//! - it is called only if its input leads to a parameter;
//! - it uses the inputs and the output *that it is handed*, rather than captured ones: a captured
//!   output would be a reference cycle.
//!
//! An operation whose value and gradient are best computed by a kernel, each in one pass, is a
//! struct that implements [`Fused`](crate::Fused), and gets derivatives of higher order from its definition in
//! tensor operations.

use std::any::Any;
use std::borrow::Borrow;

use crate::export::{Export, Label};
use crate::recording::is_recording;
pub use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// What is remembered of how a tensor was computed.
pub trait Operation<E: Element>: Any + Send + Sync {
    /// The operation's name, for messages and drawings.
    fn name(&self) -> &str;

    /// The tensors it was computed from.
    fn inputs(&self) -> &[Tensor<E>];

    /// Writes it in ONNX's operators on inputs of these names, if it can be, and returns its name.
    fn export(&self, _inputs: &[&str], _output: &Tensor<E>, _: &mut Export) -> Option<String> {
        None
    }

    /// The same value by other operations on the inputs, if it is made of them ([`Fused`](crate::Fused)).
    fn definition(&self) -> Option<Tensor<E>> {
        None
    }

    /// The vector–Jacobian product for input number `index`, in differentiable operations.
    ///
    /// `gradient` is that of the loss with respect to `output`, and has its shape.
    fn vjp(&self, index: usize, gradient: Tensor<E>, output: &Tensor<E>) -> Tensor<E>;

    /// The same numbers as [`vjp`](Self::vjp), by a kernel where there is one; called when nothing
    /// is being recorded.
    fn vjp_fused(&self, index: usize, gradient: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        self.vjp(index, gradient, output)
    }
}

/// Whether an operation on `inputs` must be remembered: something is being recorded, and one of
/// them leads to a parameter.
pub fn is_recorded<E: Element>(inputs: &[&Tensor<E>]) -> bool {
    inputs.iter().any(|input| input.requires_gradient()) && is_recording()
}

/// The tensor that holds `value`, with the operation that made it if that must be remembered
/// ([`is_recorded`]).
#[inline(never)]
pub fn record<E: Element, O: Operation<E>>(
    inputs: &[&Tensor<E>],
    value: impl Into<Storage<E>>,
    operation: impl FnOnce() -> O,
) -> Tensor<E> {
    if is_recorded(inputs) {
        Tensor::recorded(value.into(), operation())
    } else {
        Tensor::constant(value)
    }
}

/// An operation made of its inputs, an array or a vector of them, and a closure.
struct Composed<L, I, F> {
    label: L,
    inputs: I,
    vjp: F,
}

impl<E, L, I, F> Operation<E> for Composed<L, I, F>
where
    E: Element,
    L: Label<E>,
    I: Borrow<[Tensor<E>]> + Send + Sync + 'static,
    F: Fn(usize, Tensor<E>, &Tensor<E>, &I) -> Tensor<E> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.label.name()
    }

    fn inputs(&self) -> &[Tensor<E>] {
        self.inputs.borrow()
    }

    fn export(&self, inputs: &[&str], output: &Tensor<E>, export: &mut Export) -> Option<String> {
        self.label.export(inputs, output, export)
    }

    fn vjp(&self, index: usize, gradient: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        (self.vjp)(index, gradient, output, &self.inputs)
    }
}

/// An operation on `N` tensors: its value, and `vjp(index, gradient, output, inputs)`.
pub(crate) fn composed<E: Element, const N: usize>(
    label: impl Label<E>,
    inputs: [&Tensor<E>; N],
    value: impl Into<Storage<E>>,
    vjp: impl Fn(usize, Tensor<E>, &Tensor<E>, &[Tensor<E>; N]) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    record(&inputs, value, || Composed { label, inputs: inputs.map(Tensor::clone), vjp })
}

/// An operation on one tensor: its value, and `vjp(gradient, output, x)`.
pub fn unary<E: Element>(
    label: impl Label<E>,
    x: &Tensor<E>,
    value: impl Into<Storage<E>>,
    vjp: impl Fn(Tensor<E>, &Tensor<E>, &Tensor<E>) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    composed(label, [x], value, move |_, gradient, output, [x]| vjp(gradient, output, x))
}

/// An operation on two tensors: its value, and `vjp(gradient, output, x, y)` for either.
pub fn binary<E: Element>(
    label: impl Label<E>,
    inputs: [&Tensor<E>; 2],
    value: impl Into<Storage<E>>,
    vjp_x: impl Fn(Tensor<E>, &Tensor<E>, &Tensor<E>, &Tensor<E>) -> Tensor<E> + Send + Sync + 'static,
    vjp_y: impl Fn(Tensor<E>, &Tensor<E>, &Tensor<E>, &Tensor<E>) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    composed(label, inputs, value, move |index, gradient, output, [x, y]| match index {
        0 => vjp_x(gradient, output, x, y),
        _ => vjp_y(gradient, output, x, y),
    })
}

/// An operation on any number of tensors: its value, and `vjp(index, gradient, output, inputs)`.
pub fn variadic<E: Element>(
    label: impl Label<E>,
    inputs: &[&Tensor<E>],
    value: impl Into<Storage<E>>,
    vjp: impl Fn(usize, Tensor<E>, &Tensor<E>, &[Tensor<E>]) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    record(inputs, value, || Composed {
        label,
        inputs: inputs.iter().copied().cloned().collect::<Vec<_>>(),
        vjp: move |index, gradient, output: &_, inputs: &Vec<_>| {
            vjp(index, gradient, output, inputs)
        },
    })
}
