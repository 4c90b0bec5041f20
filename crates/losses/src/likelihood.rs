//! Negative log-likelihoods of probabilistic models.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::{ArrayD, Zip};

use crate::checks::{
    check_class_weights, check_not_negative, check_positive, check_shape, check_values,
    rows_and_classes,
};
use crate::cross_entropy::array;
use crate::error::Error;
use crate::reduction::{Reduction, reduction_option};
use crate::regression::difference;
use crate::targets::Labels;

/// Negative log-likelihood of log-probabilities `[…, C]`: −weight · log-probability of each label.
/// After a log-softmax it is [`CrossEntropy`](crate::CrossEntropy), which is faster.
///
/// The mean divides by the sum of the labels' weights, as PyTorch does, and is 0 when that is.
///
/// ```
/// use downhill_losses::NegativeLogLikelihood;
/// use downhill_tensor::Tensor;
///
/// let log_probabilities = Tensor::from([[0.25_f64.ln(), 0.75_f64.ln()]]);
/// let loss = NegativeLogLikelihood::new().forward(&log_probabilities, &[1])?;
/// assert_eq!(loss.item(), -0.75_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NegativeLogLikelihood {
    class_weights: Option<Vec<f64>>,
    ignore_index: Option<usize>,
    reduction: Reduction,
}

/// The mean negative log-likelihood of log-probabilities `[…, C]`: [`NegativeLogLikelihood`] with
/// default options.
///
/// # Errors
///
/// As [`NegativeLogLikelihood::forward`].
pub fn negative_log_likelihood<'a, E: Element>(
    log_probabilities: &Tensor<E>,
    labels: impl Into<Labels<'a>>,
) -> Result<Tensor<E>, Error> {
    NegativeLogLikelihood::new().forward(log_probabilities, labels)
}

impl NegativeLogLikelihood {
    /// Without weights, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// The weight of each class, finite and not negative.
    pub fn class_weights(mut self, class_weights: impl Into<Vec<f64>>) -> Self {
        self.class_weights = Some(class_weights.into());
        self
    }

    /// The label of rows to leave out: their loss and gradient are 0. It need not be a class.
    pub fn ignore_index(mut self, ignore_index: usize) -> Self {
        self.ignore_index = Some(ignore_index);
        self
    }

    reduction_option!();

    /// The loss of log-probabilities `[…, C]`: of shape `[]`, or `[…]` with [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if there are not as many weights as classes or labels as rows, or one is out of
    /// its range.
    pub fn forward<'a, E: Element>(
        &self,
        log_probabilities: &Tensor<E>,
        labels: impl Into<Labels<'a>>,
    ) -> Result<Tensor<E>, Error> {
        let shape = log_probabilities.shape();
        let (_, classes) = rows_and_classes("log-probabilities", shape)?;
        let weights: Option<Vec<E>> =
            check_class_weights("class_weights", self.class_weights.as_deref(), classes)?;
        let labels = labels.into().check(shape, self.ignore_index)?;
        let weight = |&label: &usize| match &weights {
            _ if Some(label) == self.ignore_index => E::zero(),
            Some(weights) => weights[label],
            None => E::one(),
        };
        let row_weights: Vec<E> = labels.iter().map(weight).collect();
        let divisor: f64 = row_weights.iter().map(|weight| weight.as_f64()).sum();

        let values = log_probabilities.values();
        let loss = |(row, (&label, &weight)): (usize, (&usize, &E))| match weight.is_zero() {
            // The label may be none of the classes, and the log-probability −∞.
            true => E::zero(),
            false => -weight * values[row * classes + label],
        };
        let losses = labels.iter().zip(&row_weights).enumerate().map(loss).collect();
        let rows = &shape[..shape.len() - 1];
        let slopes = Tensor::from(array(rows, row_weights)) * -E::one();
        let position = |&label: &usize| if label < classes { label } else { 0 };
        let indices = array(&[rows, &[1]].concat(), labels.iter().map(position).collect());
        let losses = operation::unary(
            "negative_log_likelihood",
            log_probabilities,
            array(rows, losses),
            move |upstream, _, _| (upstream * &slopes).unsqueeze(-1).scatter(-1, &indices, classes),
        );
        Ok(match self.reduction {
            Reduction::Mean if divisor > 0.0 => losses.sum() / E::from_f64(divisor),
            Reduction::Mean => losses.sum(),
            _ => self.reduction.apply(losses),
        })
    }
}

/// Negative log-likelihood of a normal distribution, elementwise:
/// ½ · (ln v + (input − target)² / v), where v = max(variance, ε), plus ½ ln 2π if
/// [`full`](Self::full) (Nix & Weigend, "Estimating the mean and variance of the target
/// probability distribution", 1994).
///
/// The gradient with respect to a variance below ε is that at ε, so that it can recover.
///
/// ```
/// use downhill_losses::GaussianNegativeLogLikelihood;
/// use downhill_tensor::Tensor;
///
/// let (mean, target) = (Tensor::from([1.0_f64]), Tensor::from([3.0]));
/// let loss = GaussianNegativeLogLikelihood::new().forward(&mean, &target, &Tensor::from([4.0]))?;
/// assert_eq!(loss.item(), 0.5 * (4.0_f64.ln() + 1.0));
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianNegativeLogLikelihood {
    full: bool,
    epsilon: f64,
    reduction: Reduction,
}

impl Default for GaussianNegativeLogLikelihood {
    fn default() -> Self {
        Self { full: false, epsilon: 1e-6, reduction: Reduction::Mean }
    }
}

/// The mean negative log-likelihood of normal distributions: [`GaussianNegativeLogLikelihood`]
/// with default options.
///
/// # Errors
///
/// As [`GaussianNegativeLogLikelihood::forward`].
pub fn gaussian_negative_log_likelihood<E: Element>(
    input: &Tensor<E>,
    target: &Tensor<E>,
    variance: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    GaussianNegativeLogLikelihood::new().forward(input, target, variance)
}

impl GaussianNegativeLogLikelihood {
    /// Without the constant, with ε = 1e-6, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the constant ½ ln 2π is added.
    pub fn full(mut self, full: bool) -> Self {
        self.full = full;
        self
    }

    /// ε, the least variance, greater than 0.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    reduction_option!();

    /// The loss of means and targets of one shape `[…, C]` and variances of that shape or
    /// `[…, 1]`. Gradients flow into all three.
    ///
    /// # Errors
    ///
    /// [`Error`] if ε is out of its range, the shapes do not fit, or a variance is negative.
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
        variance: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_positive("epsilon", self.epsilon)?;
        let difference = difference(input, target)?;
        let mut one_a_row = input.shape().to_vec();
        one_a_row.iter_mut().next_back().into_iter().for_each(|length| *length = 1);
        if variance.shape() != one_a_row {
            check_shape("variances", variance, input.shape())?;
        }
        check_values("variances", variance, "0 or more", |v| v.is_nan() || v >= E::zero())?;
        let epsilon = E::from_f64(self.epsilon);
        let raised = variance.array().mapv(|v| if v < epsilon { epsilon } else { v });
        let variance = operation::unary("raise", variance, raised, |upstream, _, _| upstream);
        let mut losses = (difference.square() / &variance + variance.ln()) * E::from_f64(0.5);
        if self.full {
            losses = losses + E::from_f64(0.5) * E::TAU().ln();
        }
        Ok(self.reduction.apply(losses))
    }
}

/// Negative log-likelihood of a Poisson distribution, elementwise: exp(input) − target · input
/// for the logarithm of the rate, or rate − target · ln(rate + ε) without
/// [`log_input`](Self::log_input). If [`full`](Self::full), Stirling's approximation of ln target!,
/// target · ln target − target + ½ ln(2π target), is added where the target is greater than 1.
///
/// ```
/// use downhill_losses::poisson_negative_log_likelihood;
/// use downhill_tensor::Tensor;
///
/// let log_rate = Tensor::from([2.0_f64.ln()]);
/// let loss = poisson_negative_log_likelihood(&log_rate, &Tensor::from([3.0]))?;
/// assert!((loss.item() - (2.0 - 3.0 * 2.0_f64.ln())).abs() < 1e-15);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PoissonNegativeLogLikelihood {
    log_input: bool,
    full: bool,
    epsilon: f64,
    reduction: Reduction,
}

impl Default for PoissonNegativeLogLikelihood {
    fn default() -> Self {
        Self { log_input: true, full: false, epsilon: 1e-8, reduction: Reduction::Mean }
    }
}

/// The mean negative log-likelihood of Poisson distributions by the logarithms of their rates:
/// [`PoissonNegativeLogLikelihood`] with default options.
///
/// # Errors
///
/// As [`PoissonNegativeLogLikelihood::forward`].
pub fn poisson_negative_log_likelihood<E: Element>(
    log_rate: &Tensor<E>,
    target: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    PoissonNegativeLogLikelihood::new().forward(log_rate, target)
}

impl PoissonNegativeLogLikelihood {
    /// Of the logarithm of the rate, without the constant, reduced to the mean; ε is 1e-8.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the input is the logarithm of the rate, or the rate itself.
    pub fn log_input(mut self, log_input: bool) -> Self {
        self.log_input = log_input;
        self
    }

    /// Whether the approximate logarithm of target! is added.
    pub fn full(mut self, full: bool) -> Self {
        self.full = full;
        self
    }

    /// ε, which keeps the logarithm of a rate of 0 finite, 0 or more.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    reduction_option!();

    /// The loss of rates, or their logarithms, and counts of one shape. No gradient flows into
    /// the counts.
    ///
    /// # Errors
    ///
    /// [`Error`] if ε is out of its range, the shapes differ, or a count is negative or not
    /// finite.
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_not_negative("epsilon", self.epsilon)?;
        check_shape("targets", target, input.shape())?;
        check_values("targets", target, "0 or more and finite", |y| {
            y >= E::zero() && y.is_finite()
        })?;
        let target = target.detach();
        let mut losses = match self.log_input {
            true => poisson(input, target.clone()),
            false => input - target.x_ln_y(&(input + E::from_f64(self.epsilon))),
        };
        if self.full {
            let stirling = |y: E| match y > E::one() {
                true => y * y.ln() - y + E::from_f64(0.5) * (E::TAU() * y).ln(),
                false => E::zero(),
            };
            losses += Tensor::from(target.array().mapv(stirling));
        }
        Ok(self.reduction.apply(losses))
    }
}

/// e^x − y · x, elementwise.
fn poisson<E: Element>(x: &Tensor<E>, y: Tensor<E>) -> Tensor<E> {
    let value = |&x: &E, &y: &E| match () {
        // Otherwise ∞ − ∞ and 0 · ∞.
        () if x == E::infinity() => x,
        () if y.is_zero() => x.exp(),
        () => x.exp() - y * x,
    };
    let value: ArrayD<E> = Zip::from(x.array()).and(y.array()).map_collect(value);
    operation::unary("poisson", x, value, move |upstream, _, x| upstream * (x.exp() - &y))
}
