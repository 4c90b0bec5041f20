//! Losses of distributions over classes against others.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::Zip;

use crate::checks;
use crate::cross_entropy::limit;
use crate::error::Error;
use crate::wrapper::wrapper;

/// In what form a tensor `[…, C]` gives a distribution over C classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Numbers whose softmax is the distribution.
    Logits,
    /// Logarithms of probabilities.
    LogProbabilities,
    /// Probabilities.
    Probabilities,
}

/// A tensor `[…, C]` of distributions, and its form.
#[derive(Debug, Clone, Copy)]
pub struct Distributions<'a, E: Element> {
    /// The tensor.
    pub tensor: &'a Tensor<E>,
    /// In what form it gives the distributions.
    pub form: Form,
}

impl<E: Element> Distributions<'_, E> {
    /// The probabilities.
    pub fn probabilities(&self) -> Tensor<E> {
        match self.form {
            Form::Logits => limit(self.tensor).softmax(-1),
            Form::LogProbabilities => self.tensor.exp(),
            Form::Probabilities => self.tensor.clone(),
        }
    }

    /// Their logarithms: −∞ of 0. The gradient of a probability of 0 is 0 where the logarithm's
    /// is, and so in 0 · ln 0.
    pub fn log_probabilities(&self) -> Tensor<E> {
        match self.form {
            Form::Logits => limit(self.tensor).log_softmax(-1),
            Form::LogProbabilities => self.tensor.clone(),
            Form::Probabilities => operation::unary(
                "ln",
                self.tensor,
                self.tensor.ln().array().to_owned(),
                |gradient, _, p| quotient_or_zero(&gradient, p),
            ),
        }
    }

    /// Checks that every row of logits leaves a class, and that every row in another form is a
    /// distribution.
    pub(crate) fn check(&self, what: &'static str) -> Result<(), Error> {
        let classes = self.tensor.shape().last().copied().unwrap_or(1).max(1);
        if self.form == Form::Logits {
            let masked = |row: &[E]| row.iter().all(|&x| x == E::neg_infinity());
            let values = self.tensor.values();
            return match values.chunks_exact(classes).position(masked) {
                Some(row) => Err(Error::AllMasked { row }),
                None => Ok(()),
            };
        }
        let probabilities = self.probabilities();
        for (row, values) in probabilities.values().chunks_exact(classes).enumerate() {
            checks::distribution(what, row, values)?;
        }
        Ok(())
    }
}

/// x / y, elementwise, and 0 with derivatives of 0 where both are 0.
pub(crate) fn quotient_or_zero<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    let both = Zip::from(x.array()).and(y.array()).map_collect(|x, y| x.is_zero() && y.is_zero());
    x / Tensor::select(&both, &Tensor::scalar(E::infinity()), y)
}

/// A loss of distributions `[…, C]` against others, row by row: its options, their checks and its
/// formula.
///
/// [`OfDistributions`] does the rest. A loss of your own is written as ours are:
///
/// ```
/// use downhill_losses::{DistributionRule, Distributions, Error, Form, OfDistributions};
/// use downhill_tensor::{Element, Tensor};
///
/// /// The squared Hellinger distance, ½ Σ_c (√p_c − √q_c)².
/// #[derive(Default)]
/// struct Hellinger;
///
/// impl DistributionRule for Hellinger {
///     fn terms<E: Element>(
///         &self,
///         input: &Distributions<'_, E>,
///         target: &Distributions<'_, E>,
///     ) -> Tensor<E> {
///         let root = |of: &Distributions<'_, E>| (of.log_probabilities() * E::from_f64(0.5)).exp();
///         (root(target) - root(input)).square() * E::from_f64(0.5)
///     }
/// }
///
/// let loss = OfDistributions::with_rule(Hellinger).input(Form::Probabilities);
/// let value = loss.forward(&Tensor::from([[1.0, 0.0]]), &Tensor::from([[0.0, 1.0]]))?;
/// assert_eq!(value.item(), 1.0);
/// # Ok::<(), Error>(())
/// ```
pub trait DistributionRule {
    /// Checks the options, each with one of the [`checks`](crate::checks).
    ///
    /// # Errors
    ///
    /// [`Error::OptionValue`] for one that is outside its range.
    fn validate(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What each class adds to the loss of its row, of shape `[…, C]`, in differentiable
    /// operations.
    fn terms<E: Element>(
        &self,
        input: &Distributions<'_, E>,
        target: &Distributions<'_, E>,
    ) -> Tensor<E>;

    /// The loss of each row, of shape `[…]`: the sum of its terms, unless it is overridden by what
    /// is more exact.
    fn losses<E: Element>(
        &self,
        input: &Distributions<'_, E>,
        target: &Distributions<'_, E>,
    ) -> Tensor<E> {
        self.terms(input, target).sum_axes(-1)
    }
}

wrapper! {
    /// A loss of distributions `[…, C]` against others by a [`DistributionRule`]:
    /// [`KlDivergence`](crate::KlDivergence) and others.
    OfDistributions: DistributionRule {
        /// The form of the input: logits unless set.
        input: Form = Form::Logits,
        /// The form of the target: probabilities unless set.
        target: Form = Form::Probabilities,
        /// Whether the losses are what each class adds, of shape `[…, C]`, instead of one for each
        /// row. The mean is then over rows and classes. They are not unless set.
        by_class: bool = false,
    }
}

impl<R: DistributionRule> OfDistributions<R> {
    /// The loss of two tensors of one shape `[…, C]`: of shape `[]`; with
    /// [`Reduction::None`](crate::Reduction::None) `[…]`, or `[…, C]` if it is
    /// [`by_class`](Self::by_class). Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] if an option is out of its range, the shapes differ, a row of logits is all −∞, or
    /// a row of a target in another form is not a distribution.
    #[inline(never)]
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        self.rule.validate()?;
        let what = "target probabilities";
        checks::shape(what, target, input.shape())?;
        checks::rows_and_classes("logits", input.shape())?;
        let input = Distributions { tensor: input, form: self.input };
        let target = Distributions { tensor: target, form: self.target };
        if self.input == Form::Logits {
            input.check("logits")?;
        }
        target.check(what)?;
        Ok(self.reduction.apply(match self.by_class {
            true => self.rule.terms(&input, &target),
            false => self.rule.losses(&input, &target),
        }))
    }
}
