//! Reverse-mode automatic differentiation: the whole engine.
//!
//! ```text
//! waiting = { output: seed }
//! while waiting is not empty:
//!     tensor, gradient = take the youngest out of waiting
//!     if tensor is a parameter: keep the gradient
//!     else, for each input of its operation that leads to a parameter:
//!         waiting[input] += vjp(gradient), summed over the axes along which input was broadcast
//! ```
//!
//! An operation's output is younger than its inputs. So whatever used a tensor has been taken out
//! before it, and its gradient is complete when its turn comes.
//!
//! When nothing is recorded the products are plain arithmetic; while recording, the same code
//! yields gradients that carry a graph of their own, and can be differentiated again.

mod waiting;

use std::collections::{BTreeMap, HashSet};

use self::waiting::Waiting;
use crate::gradients::Gradients;
use crate::operation::Operation;
use crate::operations::broadcasts_to;
use crate::recording::{is_recording, with_recording};
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// Passes `seeds`, pairs of an output and the gradient with respect to it, down the graph to
/// every tensor that `follow` accepts, and hands each of these with its complete gradient to
/// `arrive`, youngest first. What that gives back goes on to the tensor's inputs.
fn propagate<'a, E: Element>(
    seeds: impl IntoIterator<Item = (&'a Tensor<E>, Tensor<E>)>,
    follow: impl Fn(&Tensor<E>) -> bool,
    mut arrive: impl FnMut(&Tensor<E>, Tensor<E>) -> Option<Tensor<E>>,
) {
    let mut waiting = Waiting::new();
    for (output, seed) in seeds {
        if follow(output) {
            waiting.add(output, seed);
        }
    }
    while let Some((tensor, gradient)) = waiting.take() {
        let Some(gradient) = arrive(tensor, gradient) else { continue };
        let Some(operation) = tensor.operation() else { continue };
        let inputs = operation.inputs();
        let Some(last) = inputs.iter().rposition(&follow) else { continue };
        let mut gradient = Some(gradient);
        for (index, input) in inputs[..=last].iter().enumerate() {
            if follow(input) {
                // The last product may use the gradient up and change it in place.
                let gradient = if index == last { gradient.take() } else { gradient.clone() };
                let gradient = gradient.expect("taken only by the last product");
                let product = product(operation, index, gradient, tensor);
                waiting.add(input, product);
            }
        }
    }
}

/// One vector–Jacobian product, of the shape of the input.
#[inline(always)]
fn product<E: Element>(
    operation: &dyn Operation<E>,
    index: usize,
    gradient: Tensor<E>,
    output: &Tensor<E>,
) -> Tensor<E> {
    let product = match is_recording() {
        true => operation.vjp(index, gradient, output),
        false => operation.vjp_fused(index, gradient, output),
    };
    let shape = operation.inputs()[index].shape();
    if product.shape() == shape { product } else { summed_back(operation, index, product) }
}

/// The product summed over the axes along which the input was broadcast.
fn summed_back<E: Element>(
    operation: &dyn Operation<E>,
    index: usize,
    product: Tensor<E>,
) -> Tensor<E> {
    let shape = operation.inputs()[index].shape();
    assert!(
        broadcasts_to(shape, product.shape()),
        "{}: the vector–Jacobian product for input {index} has shape {:?}, but the input {shape:?}",
        operation.name(),
        product.shape()
    );
    product.sum_to(shape)
}

impl<E: Element> Tensor<E> {
    /// The gradients of this tensor, a single number, with respect to every parameter it depends
    /// on.
    ///
    /// Nothing is recorded, and nothing is accumulated anywhere: the gradients are the returned
    /// value.
    ///
    /// # Panics
    ///
    /// If the tensor holds more or less than one value: the gradient of several numbers needs a
    /// weight for each ([`backward_with`](Self::backward_with)). If it depends on no parameter, so
    /// that there is nothing to differentiate with respect to.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::parameter(3.0);
    /// let gradients = (&x * &x).backward();
    /// assert_eq!(gradients.get(&x).unwrap().item(), 6.0);
    /// ```
    #[track_caller]
    pub fn backward(&self) -> Gradients<E> {
        self.backward_with(&self.unit_seed("backward"))
    }

    /// The gradients of Σ `seed` · `self`: one weight, of any sign, for each value.
    ///
    /// # Panics
    ///
    /// If `seed` has another shape, or this tensor depends on no parameter.
    #[track_caller]
    pub fn backward_with(&self, seed: &Tensor<E>) -> Gradients<E> {
        check_seed("backward_with", self, seed);
        assert!(
            self.requires_gradient(),
            "backward: the output depends on no parameter, so there is nothing to differentiate; \
             weights are made with Tensor::parameter (not Tensor::from), and what is computed in \
             without_recording or from .detach() does not depend on them"
        );
        let mut gradients = Vec::new();
        with_recording(false, || {
            propagate([(self, seed.clone())], Tensor::requires_gradient, |tensor, gradient| {
                if !tensor.is_parameter() {
                    return Some(gradient);
                }
                gradients.push((tensor.id(), gradient));
                None
            });
        });
        gradients.reverse();
        Gradients::from_sorted(gradients)
    }

    #[track_caller]
    fn unit_seed(&self, function: &str) -> Tensor<E> {
        assert!(
            self.len() == 1,
            "{function}: the output has shape {:?}, not one value; reduce it with .sum() or \
             .mean() first, or weight its values with {function}_with",
            self.shape()
        );
        Tensor::ones(self.shape())
    }
}

#[track_caller]
fn check_seed<E: Element>(function: &str, output: &Tensor<E>, seed: &Tensor<E>) {
    assert!(
        output.shape() == seed.shape(),
        "{function}: the output has shape {:?}, but the seed {:?}",
        output.shape(),
        seed.shape()
    );
}

/// The gradient of `output`, a single number, with respect to each of `inputs`, as tensors that
/// can be differentiated again.
///
/// The inputs may be parameters or any tensors computed on the way. The gradient with respect to
/// an input that `output` does not depend on is zero, as the derivative of a constant is, so that
/// a second derivative of a linear function needs no special case.
///
/// # Panics
///
/// If `output` holds more or less than one value; see [`grad_with`].
///
/// ```
/// use downhill_tensor::{Tensor, grad};
///
/// let x = Tensor::parameter(2.0);
/// let y = &x * &x * &x;
/// let [first] = &grad(&y, &[&x])[..] else { unreachable!() };
/// let [second] = &grad(first, &[&x])[..] else { unreachable!() };
/// assert_eq!((first.item(), second.item()), (12.0, 12.0)); // 3x² and 6x
/// ```
#[track_caller]
pub fn grad<E: Element>(output: &Tensor<E>, inputs: &[&Tensor<E>]) -> Vec<Tensor<E>> {
    grad_with(&[output], &[&output.unit_seed("grad")], inputs)
}

/// The gradient of Σ `seed` · `output` over several outputs, with respect to each of `inputs`, as
/// tensors that can be differentiated again: the vector–Jacobian product of the whole function.
///
/// # Panics
///
/// If there are not as many seeds as outputs, or a seed has another shape than its output.
#[track_caller]
pub fn grad_with<E: Element>(
    outputs: &[&Tensor<E>],
    seeds: &[&Tensor<E>],
    inputs: &[&Tensor<E>],
) -> Vec<Tensor<E>> {
    assert!(
        outputs.len() == seeds.len(),
        "grad_with: {} outputs, but {} seeds",
        outputs.len(),
        seeds.len()
    );
    for (output, seed) in outputs.iter().zip(seeds) {
        check_seed("grad_with", output, seed);
    }
    let on_path = leading_to(inputs, outputs);
    let mut gradients = vec![None; inputs.len()];
    let seeds = outputs.iter().zip(seeds).map(|(&output, &seed)| (output, seed.clone()));
    with_recording(true, || {
        propagate(
            seeds,
            |tensor| on_path.contains(&tensor.id()),
            |tensor, gradient| {
                for (input, slot) in inputs.iter().zip(&mut gradients) {
                    if input.id() == tensor.id() {
                        *slot = Some(gradient.clone());
                    }
                }
                Some(gradient)
            },
        );
    });
    let or_zero = |(gradient, input): (Option<_>, &&Tensor<E>)| {
        gradient.unwrap_or_else(|| Tensor::zeros(input.shape()))
    };
    gradients.into_iter().zip(inputs).map(or_zero).collect()
}

/// The tensors that `outputs` depend on and that themselves are, or depend on, one of `inputs`.
fn leading_to<E: Element>(inputs: &[&Tensor<E>], outputs: &[&Tensor<E>]) -> HashSet<u64> {
    let wanted = |tensor: &Tensor<E>| tensor.requires_gradient();
    let mut waiting: BTreeMap<u64, &Tensor<E>> = outputs
        .iter()
        .filter(|output| wanted(output))
        .map(|output| (output.id(), *output))
        .collect();
    let mut youngest_first = Vec::new();
    while let Some((_, tensor)) = waiting.pop_last() {
        youngest_first.push(tensor);
        for input in tensor.operation().map_or(&[][..], Operation::inputs) {
            if wanted(input) {
                waiting.insert(input.id(), input);
            }
        }
    }
    let mut found: HashSet<u64> =
        inputs.iter().filter(|input| wanted(input)).map(|input| input.id()).collect();
    for tensor in youngest_first.iter().rev() {
        let operation = tensor.operation();
        let inputs = operation.map_or(&[][..], Operation::inputs);
        if inputs.iter().any(|input| wanted(input) && found.contains(&input.id())) {
            found.insert(tensor.id());
        }
    }
    found
}
