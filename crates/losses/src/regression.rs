//! Losses of numbers against numbers.

use downhill_tensor::{Element, Tensor, operation};

use crate::checks;
use crate::elementwise::{Elementwise, ElementwiseRule};
use crate::error::Error;
use crate::wrapper::{options, plain_function};

/// Squared error: (input − target)², elementwise.
///
/// ```
/// use downhill_losses::mean_squared_error;
/// use downhill_tensor::Tensor;
///
/// let loss = mean_squared_error(&Tensor::from([1.0, 2.0]), &Tensor::from([1.0, 5.0]))?;
/// assert_eq!(loss.item(), 4.5);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type MeanSquaredError = Elementwise<MeanSquaredErrorRule>;

/// The rule of [`MeanSquaredError`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeanSquaredErrorRule;

impl ElementwiseRule for MeanSquaredErrorRule {
    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        (input - target).square()
    }
}

/// Absolute error: |input − target|, elementwise. The gradient where they are equal is 0.
///
/// ```
/// use downhill_losses::mean_absolute_error;
/// use downhill_tensor::Tensor;
///
/// let loss = mean_absolute_error(&Tensor::from([1.0, 2.0]), &Tensor::from([1.0, 5.0]))?;
/// assert_eq!(loss.item(), 1.5);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type MeanAbsoluteError = Elementwise<MeanAbsoluteErrorRule>;

/// The rule of [`MeanAbsoluteError`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MeanAbsoluteErrorRule;

impl ElementwiseRule for MeanAbsoluteErrorRule {
    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        (input - target).abs()
    }
}

/// Log-cosh: ln cosh(input − target), elementwise, which is half the square of a small difference
/// and the absolute value, less ln 2, of a large one.
///
/// ```
/// use downhill_losses::log_cosh;
/// use downhill_tensor::Tensor;
///
/// let loss = log_cosh(&Tensor::from([1.0_f64, 2.0]), &Tensor::from([1.0, 5.0]))?;
/// assert_eq!(loss.item(), 3.0_f64.cosh().ln() / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type LogCosh = Elementwise<LogCoshRule>;

/// The rule of [`LogCosh`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogCoshRule;

impl ElementwiseRule for LogCoshRule {
    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        let two = E::from_f64(2.0);
        let ln_cosh = |d: E| match d.abs() < E::one() {
            // The other form cancels near 0.
            true => (two * (d / two).sinh().powi(2)).ln_1p(),
            false => d.abs() + (-two * d.abs()).exp().ln_1p() - E::LN_2(),
        };
        function("log_cosh", &(input - target), ln_cosh, |d| d.tanh())
    }
}

/// Huber's loss of d = input − target, elementwise: d² / 2 where |d| < δ, and δ · (|d| − δ / 2)
/// elsewhere (Huber, "Robust estimation of a location parameter", 1964).
///
/// ```
/// use downhill_losses::Huber;
/// use downhill_tensor::Tensor;
///
/// let (input, target) = (Tensor::from([1.0, 5.0]), Tensor::from([2.0, 1.0]));
/// assert_eq!(Huber::new().delta(2.0).forward(&input, &target)?.item(), (0.5 + 6.0) / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type Huber = Elementwise<HuberRule>;

options! {
    /// The rule of [`Huber`].
    HuberRule in rule of Huber {
        /// δ, the difference beyond which the loss is linear, greater than 0; 1 unless set.
        delta(delta: f64): f64 = 1.0 => delta;
    }
}

impl ElementwiseRule for HuberRule {
    fn validate(&self) -> Result<(), Error> {
        checks::positive("delta", self.delta)
    }

    fn check<E: Element>(&self, _input: &Tensor<E>, _target: &Tensor<E>) -> Result<(), Error> {
        checks::positive_in::<E>("delta", self.delta)
    }

    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        let (delta, half) = (E::from_f64(self.delta), E::from_f64(0.5));
        let value = |d: E| match d.abs() < delta {
            true => half * d * d,
            false => delta * (d.abs() - half * delta),
        };
        function("huber", &(input - target), value, move |d| d.clamp(-delta, delta))
    }
}

/// Smooth L1 loss of d = input − target, elementwise: d² / (2 β) where |d| < β, and |d| − β / 2
/// elsewhere (Girshick, "Fast R-CNN", 2015). It is [`Huber`]'s divided by β, and the absolute error
/// for β = 0.
///
/// ```
/// use downhill_losses::SmoothL1;
/// use downhill_tensor::Tensor;
///
/// let (input, target) = (Tensor::from([1.0, 5.0]), Tensor::from([2.0, 1.0]));
/// assert_eq!(SmoothL1::new().beta(2.0).forward(&input, &target)?.item(), (0.25 + 3.0) / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type SmoothL1 = Elementwise<SmoothL1Rule>;

options! {
    /// The rule of [`SmoothL1`].
    SmoothL1Rule in rule of SmoothL1 {
        /// β, the difference beyond which the loss is linear, 0 or more; 1 unless set.
        beta(beta: f64): f64 = 1.0 => beta;
    }
}

impl ElementwiseRule for SmoothL1Rule {
    fn validate(&self) -> Result<(), Error> {
        checks::not_negative("beta", self.beta)
    }

    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        let difference = input - target;
        let (beta, half) = (E::from_f64(self.beta), E::from_f64(0.5));
        if beta.is_zero() {
            return difference.abs();
        }
        let value = |d: E| match d.abs() < beta {
            // In this order, neither overflows nor vanishes what the result does not.
            true => half * d * (d / beta),
            false => d.abs() - half * beta,
        };
        let slope = move |d: &Tensor<E>| (d / beta).clamp(-E::one(), E::one());
        function("smooth_l1", &difference, value, slope)
    }
}

/// Quantile loss, also called pinball loss, elementwise: τ · (target − input) where the input is
/// too low, (1 − τ) · (input − target) where it is too high (Koenker & Bassett, "Regression
/// quantiles", 1978). Its minimum is the τ-quantile. The gradient where they are equal is 0.
///
/// ```
/// use downhill_losses::Quantile;
/// use downhill_tensor::Tensor;
///
/// let (input, target) = (Tensor::from([1.0, 5.0]), Tensor::from([2.0, 1.0]));
/// assert_eq!(Quantile::new().tau(0.75).forward(&input, &target)?.item(), (0.75 + 1.0) / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type Quantile = Elementwise<QuantileRule>;

options! {
    /// The rule of [`Quantile`].
    QuantileRule in rule of Quantile {
        /// τ, the quantile, from 0 to 1; ½ unless set.
        tau(tau: f64): f64 = 0.5 => tau;
    }
}

impl ElementwiseRule for QuantileRule {
    fn validate(&self) -> Result<(), Error> {
        checks::fraction("tau", self.tau)
    }

    fn losses<E: Element>(&self, input: &Tensor<E>, target: &Tensor<E>) -> Tensor<E> {
        let tau = E::from_f64(self.tau);
        let slope = move |d: E| {
            if d < E::zero() {
                -tau
            } else if d > E::zero() {
                E::one() - tau
            } else {
                d
            }
        };
        let slopes = move |d: &Tensor<E>| d.array().mapv(slope).into();
        // At τ = 0 and τ = 1 errors on one side cost nothing, however large.
        let value = move |d: E| if slope(d).is_zero() { E::zero() } else { slope(d) * d };
        function("quantile", &(input - target), value, slopes)
    }
}

plain_function!(mean_squared_error: MeanSquaredError(input, target));
plain_function!(mean_absolute_error: MeanAbsoluteError(input, target));
plain_function!(log_cosh: LogCosh(input, target));
plain_function!(huber: Huber(input, target));
plain_function!(smooth_l1: SmoothL1(input, target));
plain_function!(quantile: Quantile(input, target));

/// A function of each number, by its value and its derivative in differentiable operations.
fn function<E: Element>(
    name: &'static str,
    x: &Tensor<E>,
    value: impl Fn(E) -> E,
    slope: impl Fn(&Tensor<E>) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    operation::unary(name, x, x.array().mapv(value), move |gradient, _, x| {
        gradient.times(&slope(x))
    })
}
