//! Negative log-likelihoods of probabilistic models.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::{ArrayD, Zip};

use crate::checks;
use crate::elementwise::{Elementwise, ElementwiseRule};
use crate::error::Error;
use crate::of_labels::{LabelRule, OfLabels};
use crate::reduction::Reduction;
use crate::reduction::array;
use crate::targets::IntoLabels;
use crate::wrapper::{options, plain_function};

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
pub type NegativeLogLikelihood = OfLabels<NegativeLogLikelihoodRule>;

options! {
    /// The rule of [`NegativeLogLikelihood`].
    NegativeLogLikelihoodRule in rule of NegativeLogLikelihood {
        /// The weight of each class, finite and not negative; 1 unless set.
        class_weights(class_weights: impl Into<Vec<f64>>): Option<Vec<f64>> =
            None => Some(class_weights.into());
        /// The label of rows to leave out: their loss and gradient are 0. It need not be a class.
        ignore_index(ignore_index: usize): Option<usize> = None => Some(ignore_index);
    }
}

impl NegativeLogLikelihoodRule {
    fn weight(&self, label: usize) -> f64 {
        match &self.class_weights {
            _ if Some(label) == self.ignore_index => 0.0,
            Some(weights) => weights.get(label).copied().unwrap_or(0.0),
            None => 1.0,
        }
    }
}

impl LabelRule for NegativeLogLikelihoodRule {
    const INPUT: &'static str = "log-probabilities";

    fn validate(&self, classes: usize) -> Result<(), Error> {
        let weights = self.class_weights.as_deref();
        weights.map_or(Ok(()), |weights| checks::class_weights("class_weights", weights, classes))
    }

    fn ignored(&self) -> Option<usize> {
        self.ignore_index
    }

    fn divisor(&self, labels: &[usize]) -> f64 {
        labels.iter().map(|&label| self.weight(label)).sum()
    }

    fn losses<E: Element>(
        &self,
        log_probabilities: &Tensor<E>,
        labels: &[usize],
    ) -> Result<Tensor<E>, Error> {
        let shape = log_probabilities.shape();
        let (rows, classes) = (&shape[..shape.len() - 1], shape[shape.len() - 1]);
        let values = log_probabilities.values();
        let weights = labels.iter().map(|&label| E::from_f64(self.weight(label)));
        let weights: Vec<E> = weights.collect();
        let loss = |(row, (&label, &weight)): (usize, (&usize, &E))| match weight.is_zero() {
            // The label may be none of the classes, and the log-probability −∞.
            true => E::zero(),
            false => -weight * values[row * classes + label],
        };
        let losses = labels.iter().zip(&weights).enumerate().map(loss).collect();
        let slopes = -Tensor::from(array(rows, weights));
        let position = |&label: &usize| if label < classes { label } else { 0 };
        let indices = array(&[rows, &[1]].concat(), labels.iter().map(position).collect());
        Ok(operation::unary(
            "negative_log_likelihood",
            log_probabilities,
            array(rows, losses),
            move |gradient, _, _| (gradient * &slopes).unsqueeze(-1).scatter(-1, &indices, classes),
        ))
    }
}

options! {
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
    GaussianNegativeLogLikelihood {
        /// Whether the constant ½ ln 2π is added.
        full(full: bool): bool = false => full;
        /// ε, the least variance, greater than 0; 1e-6 unless set.
        epsilon(epsilon: f64): f64 = 1e-6 => epsilon;
        /// What becomes of the losses of a batch.
        reduction(reduction: Reduction): Reduction = Reduction::Mean => reduction;
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
    /// The loss of means, targets and variances whose shapes broadcast to one. Gradients flow into
    /// all three.
    ///
    /// # Errors
    ///
    /// [`Error`] if ε is out of its range, the shapes do not broadcast, or a variance is negative.
    pub fn forward<E: Element>(
        &self,
        input: &Tensor<E>,
        target: &Tensor<E>,
        variance: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        checks::positive_in::<E>("epsilon", self.epsilon)?;
        let shape = broadcast("targets", target, input.shape())?;
        broadcast("variances", variance, &shape)?;
        checks::values("variances", variance, "0 or more", |v| v.is_nan() || v >= E::zero())?;
        let epsilon = E::from_f64(self.epsilon);
        let raised = variance.array().mapv(|v| if v < epsilon { epsilon } else { v });
        let variance = operation::unary("raise", variance, raised, |gradient, _, _| gradient);
        let difference = input - target;
        // In this order, no square overflows or vanishes where the quotient does not.
        let squared = &difference * (&difference / &variance);
        let mut losses = (squared + variance.ln()) * E::from_f64(0.5);
        if self.full {
            losses = losses + E::from_f64(0.5) * E::TAU().ln();
        }
        Ok(self.reduction.apply(losses))
    }
}

/// The shape that a tensor and an array of another shape broadcast to.
#[inline(never)]
fn broadcast<E: Element>(
    what: &'static str,
    tensor: &Tensor<E>,
    other: &[usize],
) -> Result<Vec<usize>, Error> {
    let found = tensor.shape();
    let rank = found.len().max(other.len());
    let length = |shape: &[usize], axis: usize| match (axis + shape.len()).checked_sub(rank) {
        Some(axis) => shape[axis],
        None => 1,
    };
    let lengths = |axis| match (length(found, axis), length(other, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..rank).map(lengths).collect::<Option<Vec<usize>>>().ok_or_else(|| {
        let (found, expected) = (found.to_vec(), other.to_vec());
        Error::Broadcast { what, found, expected }
    })
}

/// Negative log-likelihood of a Poisson distribution, elementwise: exp(input) − target · input
/// for the logarithm of the rate, or rate − target · ln(rate + ε) without
/// [`log_input`](Self::log_input). If [`full`](Self::full), Stirling's approximation of ln target!,
/// target · ln target − target + ½ ln(2π target), is added where the target is greater than 1. No
/// gradient flows into the target, a count.
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
pub type PoissonNegativeLogLikelihood = Elementwise<PoissonNegativeLogLikelihoodRule>;

options! {
    /// The rule of [`PoissonNegativeLogLikelihood`].
    PoissonNegativeLogLikelihoodRule in rule of PoissonNegativeLogLikelihood {
        /// Whether the input is the logarithm of the rate, as it is unless set, or the rate itself.
        log_input(log_input: bool): bool = true => log_input;
        /// Whether the approximate logarithm of target! is added.
        full(full: bool): bool = false => full;
        /// ε, which keeps the logarithm of a rate of 0 finite, 0 or more; 1e-8 unless set.
        epsilon(epsilon: f64): f64 = 1e-8 => epsilon;
    }
}

impl ElementwiseRule for PoissonNegativeLogLikelihoodRule {
    fn validate(&self) -> Result<(), Error> {
        checks::not_negative("epsilon", self.epsilon)
    }

    fn check<E: Element>(&self, _input: &Tensor<E>, target: &Tensor<E>) -> Result<(), Error> {
        checks::values("targets", target, "0 or more and finite", |y| {
            y >= E::zero() && y.is_finite()
        })
    }

    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
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
        losses
    }
}

plain_function!(negative_log_likelihood:
    NegativeLogLikelihood(log_probabilities, labels: impl IntoLabels<'a>));
plain_function!(poisson_negative_log_likelihood: PoissonNegativeLogLikelihood(log_rate, target));

/// e^x − y · x, elementwise.
fn poisson<E: Element>(x: &Tensor<E>, y: Tensor<E>) -> Tensor<E> {
    let value = |&x: &E, &y: &E| match () {
        // Otherwise ∞ − ∞ and 0 · ∞.
        () if x == E::infinity() => x,
        () if y.is_zero() => x.exp(),
        () => x.exp() - y * x,
    };
    let value: ArrayD<E> = Zip::from(x.array()).and(y.array()).map_collect(value);
    operation::unary("poisson", x, value, move |gradient, _, x| gradient.times(&(x.exp() - &y)))
}
