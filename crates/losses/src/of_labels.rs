//! Losses of scores for each class against the number of the true class.

use downhill_tensor::{Element, Tensor};

use crate::checks;
use crate::error::Error;
use crate::reduction::Reduction;
use crate::reduction::array;
use crate::targets::IntoLabels;
use crate::wrapper::wrapper;

/// A loss of scores `[…, C]` and labels, row by row: its options, their checks and its formula.
///
/// [`OfLabels`] does the rest. A loss of your own is written as ours are:
///
/// ```
/// use downhill_losses::{CrossEntropy, Error, LabelRule, OfLabels, Reduction};
/// use downhill_tensor::{Element, Tensor};
///
/// /// The probability of every class but the true one, 1 − p_y.
/// struct ProbabilityOfError;
///
/// impl LabelRule for ProbabilityOfError {
///     fn losses<E: Element>(&self, x: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
///         let minus_log_p = CrossEntropy::new().reduction(Reduction::None).forward(x, labels)?;
///         Ok(-(-minus_log_p).exp_m1())
///     }
/// }
///
/// let loss = OfLabels::with_rule(ProbabilityOfError);
/// assert_eq!(loss.forward(&Tensor::from([[0.0, 0.0]]), &[1])?.item(), 0.5);
/// assert!(loss.forward(&Tensor::from([[0.0, 0.0]]), &[2]).is_err());
/// # Ok::<(), Error>(())
/// ```
pub trait LabelRule {
    /// What the input holds, in the plural, for messages.
    const INPUT: &'static str = "logits";

    /// Checks the options, each with one of the [`checks`](crate::checks).
    ///
    /// # Errors
    ///
    /// [`Error`] for one that is outside its range or does not fit the number of classes.
    fn validate(&self, _classes: usize) -> Result<(), Error> {
        Ok(())
    }

    /// The label of rows to leave out, which need not be a class. None unless it is overridden.
    fn ignored(&self) -> Option<usize> {
        None
    }

    /// What the mean divides the sum of the losses by, as the number of rows unless it is
    /// overridden. Where it is 0 the mean is the sum.
    fn divisor(&self, labels: &[usize]) -> f64 {
        labels.len() as f64
    }

    /// The loss of each row, of shape `[…]`, in differentiable operations. There is a label, in
    /// row-major order, for each row of the input: a class, or the one to ignore.
    ///
    /// # Errors
    ///
    /// [`Error`] if the loss of a row is undefined.
    fn losses<E: Element>(&self, input: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error>;
}

wrapper! {
    /// A loss of scores `[…, C]` and labels by a [`LabelRule`]: [`Focal`](crate::Focal) and others.
    OfLabels: LabelRule {}
}

impl<R: LabelRule> OfLabels<R> {
    /// The loss of scores `[…, C]` and as many labels as there are rows: of shape `[]`, or `[…]`
    /// with [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if an option is out of its range, the shapes do not
    /// fit, a label is not a class, or the loss of a row is undefined, as that of logits which are
    /// all −∞.
    pub fn forward<'a, E: Element>(
        &self,
        input: &Tensor<E>,
        labels: impl IntoLabels<'a>,
    ) -> Result<Tensor<E>, Error> {
        let (_, classes) = checks::rows_and_classes(R::INPUT, input.shape())?;
        self.rule.validate(classes)?;
        let labels = labels.into_labels().check(input.shape(), self.rule.ignored())?;
        let losses = self.rule.losses(input, &labels)?;
        let divisor = self.rule.divisor(&labels);
        Ok(match self.reduction {
            Reduction::Mean if divisor > 0.0 => losses.sum() / E::from_f64(divisor),
            Reduction::Mean => losses.sum(),
            other => other.apply(losses),
        })
    }

    /// What the mean over these labels divides by: the weight of a part of a batch in the mean over
    /// the whole, as [`CrossEntropy::divisor`](crate::CrossEntropy::divisor).
    pub fn divisor<'a>(&self, labels: impl IntoLabels<'a>) -> f64 {
        self.rule.divisor(labels.into_labels().as_slice())
    }
}

/// The losses of the rows times the weights of their labels' classes. A weight of 0 takes the loss
/// away even where it is infinite.
pub(crate) fn weigh<E: Element>(
    losses: Tensor<E>,
    class_weights: Option<&[f64]>,
    labels: &[usize],
) -> Tensor<E> {
    let Some(class_weights) = class_weights else { return losses };
    let weights = labels.iter().map(|&label| E::from_f64(class_weights[label])).collect();
    let weights = Tensor::from(array(losses.shape(), weights));
    let without = weights.mask(|weight| weight.is_zero());
    Tensor::select(&without, &Tensor::scalar(E::zero()), &(losses * weights))
}
