//! Losses of each number of a tensor against the one in the same place of another.

use downhill_tensor::{Element, Tensor};

use crate::checks;
use crate::error::Error;
use crate::wrapper::wrapper;

/// A loss of predictions and targets of one shape, number by number: its options, their checks and
/// its formula.
///
/// [`Elementwise`] does the rest. A loss of your own is written as ours are:
///
/// ```
/// use downhill_losses::{Elementwise, ElementwiseRule, Error, Reduction, checks};
/// use downhill_tensor::{Element, Tensor};
///
/// /// Charbonnier's loss, √((input − target)² + ε²).
/// #[derive(Default)]
/// struct Charbonnier {
///     epsilon: f64,
/// }
///
/// impl ElementwiseRule for Charbonnier {
///     fn validate(&self) -> Result<(), Error> {
///         checks::not_negative("epsilon", self.epsilon)
///     }
///
///     fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
///         ((input - target).square() + E::from_f64(self.epsilon * self.epsilon)).sqrt()
///     }
/// }
///
/// let loss = Elementwise::with_rule(Charbonnier { epsilon: 4.0 }).reduction(Reduction::Sum);
/// let input = Tensor::parameter([3.0]);
/// let value = loss.forward(&input, &Tensor::from([0.0]))?;
/// assert_eq!(value.item(), 5.0);
/// assert!(loss.forward(&input, &Tensor::from([0.0, 1.0])).is_err());
/// # Ok::<(), Error>(())
/// ```
pub trait ElementwiseRule {
    /// Checks the options, each with one of the [`checks`](crate::checks).
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for one that is outside its range.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Checks the numbers, and options that must fit the tensors' shape, which is one.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value.
    fn check<E: Element>(&self, _input: &Tensor<E>, _target: &Tensor<E>) -> Result<(), Error> {
        Ok(())
    }

    /// The loss of each number, in differentiable operations.
    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E>;
}

wrapper! {
    /// A loss of predictions and targets of one shape by an [`ElementwiseRule`]:
    /// [`MeanSquaredError`](crate::MeanSquaredError) and its relatives.
    Elementwise: ElementwiseRule {}
}

impl<R: ElementwiseRule> Elementwise<R> {
    /// The loss of two tensors of one shape: of shape `[]`, or of theirs with
    /// [`Reduction::None`](crate::Reduction::None). Gradients flow into both, unless the loss says
    /// otherwise.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if an option is out of its range, the shapes differ,
    /// or a number is none that the loss is defined for.
    #[inline(never)]
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        self.rule.validate()?;
        checks::shape("targets", target, input.shape())?;
        self.rule.check(input, target)?;
        Ok(self.reduction.apply(self.rule.losses(input, target)))
    }
}
