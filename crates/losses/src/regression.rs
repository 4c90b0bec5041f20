//! Losses of numbers against numbers.

use downhill_tensor::{Element, Tensor, operation};

use crate::checks::{check_fraction, check_not_negative, check_positive, check_shape};
use crate::error::Error;
use crate::reduction::{Reduction, reduction_option};

/// Defines a loss without options of its own, and the plain function beside it.
macro_rules! plain_loss {
    ($(#[$doc:meta])* $Loss:ident, $function:ident, $example:literal, $f:expr) => {
        $(#[$doc])*
        ///
        /// ```
        #[doc = concat!("use downhill_losses::", stringify!($function), ";")]
        /// use downhill_tensor::Tensor;
        ///
        /// let (input, target) = (Tensor::from([1.0_f64, 2.0]), Tensor::from([1.0, 5.0]));
        #[doc = concat!("let loss = ", stringify!($function), "(&input, &target)?;")]
        #[doc = $example]
        /// # Ok::<(), downhill_losses::Error>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct $Loss {
            reduction: Reduction,
        }

        #[doc = concat!("The mean loss of two tensors of one shape: [`", stringify!($Loss), "`]")]
        /// with default options.
        ///
        /// # Errors
        ///
        /// [`Error::Shape`] if the shapes differ.
        pub fn $function<E: Element>(
            input: &Tensor<E>,
            target: &Tensor<E>,
        ) -> Result<Tensor<E>, Error> {
            $Loss::new().forward(input, target)
        }

        impl $Loss {
            /// Reduced to the mean.
            pub fn new() -> Self {
                Self::default()
            }

            reduction_option!();

            /// The loss of two tensors of one shape. Gradients flow into both.
            ///
            /// # Errors
            ///
            /// [`Error::Shape`] if the shapes differ.
            pub fn forward<E: Element>(
                &self,
                input: &Tensor<E>,
                target: &Tensor<E>,
            ) -> Result<Tensor<E>, Error> {
                Ok(self.reduction.apply($f(difference(input, target)?)))
            }
        }
    };
}

plain_loss!(
    /// Squared error: (input − target)², elementwise.
    MeanSquaredError,
    mean_squared_error,
    "assert_eq!(loss.item(), 4.5);",
    |difference: Tensor<E>| difference.square()
);

plain_loss!(
    /// Absolute error: |input − target|, elementwise. The gradient where they are equal is 0.
    MeanAbsoluteError,
    mean_absolute_error,
    "assert_eq!(loss.item(), 1.5);",
    |difference: Tensor<E>| difference.abs()
);

plain_loss!(
    /// Log-cosh: ln cosh(input − target), elementwise, which is half the square of a small
    /// difference and the absolute value, less ln 2, of a large one.
    LogCosh,
    log_cosh,
    "assert_eq!(loss.item(), 3.0_f64.cosh().ln() / 2.0);",
    |difference| elementwise("log_cosh", difference, ln_cosh, |d| d.tanh())
);

/// Defines a loss with one number as its option, and the plain function beside it.
macro_rules! loss_with_option {
    ($(#[$doc:meta])* $Loss:ident, $function:ident, $(#[$option_doc:meta])*
     $option:ident = $default:literal, $check:ident, $f:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Loss {
            $option: f64,
            reduction: Reduction,
        }

        impl Default for $Loss {
            fn default() -> Self {
                Self { $option: $default, reduction: Reduction::Mean }
            }
        }

        #[doc = concat!("The mean loss of two tensors of one shape: [`", stringify!($Loss), "`]")]
        /// with default options.
        ///
        /// # Errors
        ///
        /// [`Error::Shape`] if the shapes differ.
        pub fn $function<E: Element>(
            input: &Tensor<E>,
            target: &Tensor<E>,
        ) -> Result<Tensor<E>, Error> {
            $Loss::new().forward(input, target)
        }

        impl $Loss {
            #[doc = concat!("With `", stringify!($option), "` ", stringify!($default))]
            /// and reduced to the mean.
            pub fn new() -> Self {
                Self::default()
            }

            $(#[$option_doc])*
            pub fn $option(mut self, $option: f64) -> Self {
                self.$option = $option;
                self
            }

            reduction_option!();

            /// The loss of two tensors of one shape. Gradients flow into both.
            ///
            /// # Errors
            ///
            /// [`Error`] if the option is out of its range or the shapes differ.
            pub fn forward<E: Element>(
                &self,
                input: &Tensor<E>,
                target: &Tensor<E>,
            ) -> Result<Tensor<E>, Error> {
                $check(stringify!($option), self.$option)?;
                let losses = $f(difference(input, target)?, E::from_f64(self.$option));
                Ok(self.reduction.apply(losses))
            }
        }
    };
}

loss_with_option!(
    /// Huber's loss of d = input − target, elementwise: d² / 2 where |d| < δ, and
    /// δ · (|d| − δ / 2) elsewhere (Huber, "Robust estimation of a location parameter", 1964).
    ///
    /// ```
    /// use downhill_losses::Huber;
    /// use downhill_tensor::Tensor;
    ///
    /// let (input, target) = (Tensor::from([1.0, 5.0]), Tensor::from([2.0, 1.0]));
    /// assert_eq!(Huber::new().delta(2.0).forward(&input, &target)?.item(), (0.5 + 6.0) / 2.0);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    Huber,
    huber,
    /// δ, the difference beyond which the loss is linear, greater than 0.
    delta = 1.0,
    check_positive,
    |difference, delta: E| {
        let half = E::from_f64(0.5);
        let value = move |d: E| match d.abs() < delta {
            true => half * d * d,
            false => delta * (d.abs() - half * delta),
        };
        elementwise("huber", difference, value, move |d| d.clamp(-delta, delta))
    }
);

loss_with_option!(
    /// Smooth L1 loss of d = input − target, elementwise: d² / (2 β) where |d| < β, and
    /// |d| − β / 2 elsewhere (Girshick, "Fast R-CNN", 2015). It is [`Huber`]'s divided by β, and
    /// the absolute error for β = 0.
    ///
    /// ```
    /// use downhill_losses::SmoothL1;
    /// use downhill_tensor::Tensor;
    ///
    /// let (input, target) = (Tensor::from([1.0, 5.0]), Tensor::from([2.0, 1.0]));
    /// assert_eq!(SmoothL1::new().beta(2.0).forward(&input, &target)?.item(), (0.25 + 3.0) / 2.0);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    SmoothL1,
    smooth_l1,
    /// β, the difference beyond which the loss is linear, 0 or more.
    beta = 1.0,
    check_not_negative,
    |difference: Tensor<E>, beta: E| {
        if beta.is_zero() {
            return difference.abs();
        }
        let half = E::from_f64(0.5);
        let value = move |d: E| match d.abs() < beta {
            true => half * d * d / beta,
            false => d.abs() - half * beta,
        };
        let slope = move |d: &Tensor<E>| (d / beta).clamp(-E::one(), E::one());
        elementwise("smooth_l1", difference, value, slope)
    }
);

loss_with_option!(
    /// Quantile loss, also called pinball loss, elementwise: τ · (target − input) where the input
    /// is too low, (1 − τ) · (input − target) where it is too high (Koenker & Bassett, "Regression
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
    Quantile,
    quantile,
    /// τ, the quantile, from 0 to 1.
    tau = 0.5,
    check_fraction,
    |difference, tau: E| {
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
        elementwise("quantile", difference, move |d| slope(d) * d, slopes)
    }
);

pub(crate) fn difference<E: Element>(
    input: &Tensor<E>,
    target: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    check_shape("targets", target, input.shape())?;
    Ok(input - target)
}

/// A function of each number, by its value and its derivative in differentiable operations.
fn elementwise<E: Element>(
    name: &'static str,
    x: Tensor<E>,
    value: impl Fn(E) -> E,
    slope: impl Fn(&Tensor<E>) -> Tensor<E> + Send + Sync + 'static,
) -> Tensor<E> {
    operation::unary(name, &x, x.array().mapv(value), move |upstream, _, x| upstream * slope(x))
}

fn ln_cosh<E: Element>(d: E) -> E {
    let two = E::from_f64(2.0);
    match d.abs() < E::one() {
        // The other form cancels near 0.
        true => (two * (d / two).sinh().powi(2)).ln_1p(),
        false => d.abs() + (-two * d.abs()).exp().ln_1p() - E::LN_2(),
    }
}
