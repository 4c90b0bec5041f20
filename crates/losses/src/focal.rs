//! Losses that reshape the cross-entropy of the true class: focal loss, poly-1, and losses for
//! noisy labels.

use downhill_tensor::{Element, Tensor};

use crate::binary::check_targets;
use crate::checks::{
    check_class_weights, check_fraction, check_not_negative, check_option, rows_and_classes,
};
use crate::cross_entropy::{CrossEntropy, array};
use crate::error::Error;
use crate::logistic::logistic;
use crate::reduction::{Reduction, reduction_option};
use crate::targets::{Labels, Targets};

/// Focal loss of logits `[…, C]`: −α_y · (1 − p_y)^γ · ln p_y for each row, in nats, where p is the
/// softmax and y the label (Lin et al., "Focal loss for dense object detection", 2017). Rows that
/// are already predicted well count less; γ = 0 is cross-entropy.
///
/// ```
/// use downhill_losses::Focal;
/// use downhill_tensor::Tensor;
///
/// let loss = Focal::new().gamma(2.0).forward(&Tensor::from([[0.0_f64, 0.0]]), &[1])?;
/// assert_eq!(loss.item(), 0.25 * 2.0_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Focal {
    alpha: Option<Vec<f64>>,
    gamma: f64,
    reduction: Reduction,
}

impl Default for Focal {
    fn default() -> Self {
        Self { alpha: None, gamma: 2.0, reduction: Reduction::Mean }
    }
}

/// The mean focal loss of logits `[…, C]`: [`Focal`] with default options.
///
/// # Errors
///
/// As [`Focal::forward`].
pub fn focal<'a, E: Element>(
    logits: &Tensor<E>,
    labels: impl Into<Labels<'a>>,
) -> Result<Tensor<E>, Error> {
    Focal::new().forward(logits, labels)
}

impl Focal {
    /// With γ = 2 and without weights, reduced to the mean over rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// α, the weight of each class, finite and not negative.
    pub fn alpha(mut self, alpha: impl Into<Vec<f64>>) -> Self {
        self.alpha = Some(alpha.into());
        self
    }

    /// γ, the focusing parameter, 0 or more.
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }

    reduction_option!();

    /// The loss of logits `[…, C]`: of shape `[]`, or `[…]` with [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if γ or a weight is out of its range, the shapes do not fit, a label is not a
    /// class, or a row of logits is all −∞.
    pub fn forward<'a, E: Element>(
        &self,
        logits: &Tensor<E>,
        labels: impl Into<Labels<'a>>,
    ) -> Result<Tensor<E>, Error> {
        check_not_negative("gamma", self.gamma)?;
        let (_, classes) = rows_and_classes("logits", logits.shape())?;
        let alpha: Option<Vec<E>> = check_class_weights("alpha", self.alpha.as_deref(), classes)?;
        let labels = labels.into();
        let surprise = surprise(logits, labels.clone())?;
        // At 0 and ∞ one of the factors of the derivative is infinite and another 0.
        let inner = surprise.clamp(E::min_positive_value(), E::from_f64(1e3));
        let focus = (-(-inner).exp_m1()).powf(E::from_f64(self.gamma));
        let losses = match alpha {
            None => focus * surprise,
            Some(alpha) => {
                let weights = labels.values().iter().map(|&label| alpha[label]).collect();
                let weights = Tensor::from(array(surprise.shape(), weights));
                // A weight of 0 takes the loss away even where it is infinite.
                let none = weights.mask(|weight| weight.is_zero());
                let zero = Tensor::scalar(E::zero());
                Tensor::select(&none, &zero, &(focus * surprise * weights))
            }
        };
        Ok(self.reduction.apply(losses))
    }
}

/// Binary focal loss of logits x, elementwise, in nats:
/// −α · t · σ(−x)^γ · ln σ(x) − (1 − α) · (1 − t) · σ(x)^γ · ln σ(−x), where σ is the logistic
/// function (Lin et al., "Focal loss for dense object detection", 2017). Without α both weights
/// are 1. A target t between 0 and 1 is the expectation over labels of 0 and 1.
///
/// ```
/// use downhill_losses::BinaryFocal;
/// use downhill_tensor::Tensor;
///
/// let loss = BinaryFocal::new().alpha(0.25).forward(&Tensor::from([0.0_f64]), &Tensor::from([1.0]))?;
/// assert_eq!(loss.item(), 0.25 * 0.25 * 2.0_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryFocal {
    alpha: Option<f64>,
    gamma: f64,
    reduction: Reduction,
}

impl Default for BinaryFocal {
    fn default() -> Self {
        Self { alpha: None, gamma: 2.0, reduction: Reduction::Mean }
    }
}

/// The mean binary focal loss of logits: [`BinaryFocal`] with default options.
///
/// # Errors
///
/// As [`BinaryFocal::forward`].
pub fn binary_focal<E: Element>(
    logits: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    BinaryFocal::new().forward(logits, targets)
}

impl BinaryFocal {
    /// With γ = 2 and without α, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// α, the weight of the positive class, from 0 to 1; that of the negative class is 1 − α.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = Some(alpha);
        self
    }

    /// γ, the focusing parameter, 0 or more.
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.gamma = gamma;
        self
    }

    reduction_option!();

    /// The loss of logits and targets of one shape. Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if an option is out of its range, the shapes
    /// differ, or a target is not from 0 to 1.
    pub fn forward<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_not_negative("gamma", self.gamma)?;
        check_fraction("alpha", self.alpha.unwrap_or(0.0))?;
        check_targets(targets, logits.shape())?;
        let negative = targets * -E::one() + E::one();
        let gamma = E::from_f64(self.gamma);
        let losses = match self.alpha {
            None => logistic(logits, targets, &negative, gamma),
            Some(alpha) => {
                let positive = targets * E::from_f64(alpha);
                logistic(logits, &positive, &(negative * E::from_f64(1.0 - alpha)), gamma)
            }
        };
        Ok(self.reduction.apply(losses))
    }
}

/// Defines a loss of −ln p_y with options of one number each, and the plain function beside it.
macro_rules! label_loss {
    ($(#[$doc:meta])* $Loss:ident, $function:ident, {$(
        $(#[$option_doc:meta])* $option:ident = $default:literal, $check:expr;
    )*}, $f:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $Loss {
            $($option: f64,)*
            reduction: Reduction,
        }

        impl Default for $Loss {
            fn default() -> Self {
                Self { $($option: $default,)* reduction: Reduction::Mean }
            }
        }

        #[doc = concat!("The mean loss of logits `[…, C]`: [`", stringify!($Loss), "`] with default")]
        /// options.
        ///
        /// # Errors
        ///
        #[doc = concat!("As [`", stringify!($Loss), "::forward`].")]
        pub fn $function<'a, E: Element>(
            logits: &Tensor<E>,
            labels: impl Into<Labels<'a>>,
        ) -> Result<Tensor<E>, Error> {
            $Loss::new().forward(logits, labels)
        }

        impl $Loss {
            #[doc = concat!("With ", $("`", stringify!($option), "` ", stringify!($default), ", ",)*)]
            /// reduced to the mean over rows.
            pub fn new() -> Self {
                Self::default()
            }

            $(
                $(#[$option_doc])*
                pub fn $option(mut self, $option: f64) -> Self {
                    self.$option = $option;
                    self
                }
            )*

            reduction_option!();

            /// The loss of logits `[…, C]`: of shape `[]`, or `[…]` with [`Reduction::None`].
            ///
            /// # Errors
            ///
            /// [`Error`] if an option is out of its range, there are not as many labels as rows,
            /// one is not a class, or a row of logits is all −∞.
            pub fn forward<'a, E: Element>(
                &self,
                logits: &Tensor<E>,
                labels: impl Into<Labels<'a>>,
            ) -> Result<Tensor<E>, Error> {
                $($check(stringify!($option), self.$option)?;)*
                let surprise = surprise(logits, labels.into())?;
                let options = [$(E::from_f64(self.$option)),*];
                Ok(self.reduction.apply($f(surprise, options)))
            }
        }
    };
}

label_loss!(
    /// Poly-1 loss of logits `[…, C]`: −ln p_y + ε · (1 − p_y) for each row, where p is the softmax
    /// and y the label: cross-entropy with the first coefficient of its polynomial in 1 − p_y
    /// changed (Leng et al., "PolyLoss: a polynomial expansion perspective of classification loss
    /// functions", 2022).
    ///
    /// ```
    /// use downhill_losses::Poly1;
    /// use downhill_tensor::Tensor;
    ///
    /// let loss = Poly1::new().epsilon(2.0).forward(&Tensor::from([[0.0_f64, 0.0]]), &[1])?;
    /// assert!((loss.item() - (2.0_f64.ln() + 1.0)).abs() < 1e-15);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    Poly1, poly1, {
        /// ε, what is added to the first coefficient, which is 1: −1 or more.
        epsilon = 1.0, check_epsilon;
    },
    |surprise: Tensor<E>, [epsilon]: [E; 1]| &surprise - (-&surprise).exp_m1() * epsilon
);

label_loss!(
    /// Generalised cross-entropy of logits `[…, C]`: (1 − p_y^q) / q for each row, where p is the
    /// softmax and y the label (Zhang & Sabuncu, "Generalized cross entropy loss for training deep
    /// neural networks with noisy labels", 2018). q near 0 is cross-entropy, q = 1 the absolute
    /// error, which wrong labels disturb less.
    ///
    /// ```
    /// use downhill_losses::GeneralisedCrossEntropy;
    /// use downhill_tensor::Tensor;
    ///
    /// let logits = Tensor::from([[0.0_f64, 0.0]]);
    /// let loss = GeneralisedCrossEntropy::new().q(1.0).forward(&logits, &[1])?;
    /// assert!((loss.item() - 0.5).abs() < 1e-15);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    GeneralisedCrossEntropy, generalised_cross_entropy, {
        /// q, greater than 0 and at most 1.
        q = 0.7, check_exponent;
    },
    |surprise: Tensor<E>, [q]: [E; 1]| (surprise * -q).exp_m1() * -q.recip()
);

label_loss!(
    /// Symmetric cross-entropy of logits `[…, C]`: −α · ln p_y − β · A · (1 − p_y) for each row,
    /// where p is the softmax and y the label: cross-entropy both ways, with A for ln 0 (Wang et
    /// al., "Symmetric cross entropy for robust learning with noisy labels", 2019).
    ///
    /// ```
    /// use downhill_losses::SymmetricCrossEntropy;
    /// use downhill_tensor::Tensor;
    ///
    /// let loss = SymmetricCrossEntropy::new().alpha(0.0).beta(1.0);
    /// let value = loss.forward(&Tensor::from([[0.0_f64, 0.0]]), &[1])?;
    /// assert!((value.item() - 2.0).abs() < 1e-15);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    SymmetricCrossEntropy, symmetric_cross_entropy, {
        /// α, the weight of cross-entropy, 0 or more.
        alpha = 0.1, check_not_negative;
        /// β, the weight of reverse cross-entropy, 0 or more.
        beta = 1.0, check_not_negative;
        /// A, which stands for ln 0: less than 0.
        log_zero = -4.0, check_negative;
    },
    |surprise: Tensor<E>, [alpha, beta, log_zero]: [E; 3]| {
        let reverse = (-&surprise).exp_m1() * (beta * log_zero);
        if alpha.is_zero() { reverse } else { surprise * alpha + reverse }
    }
);

fn check_epsilon(option: &'static str, value: f64) -> Result<(), Error> {
    check_option(option, value, "-1 or more and finite", |value| value >= -1.0 && value.is_finite())
}

fn check_exponent(option: &'static str, value: f64) -> Result<(), Error> {
    check_option(option, value, "greater than 0 and at most 1", |value| value > 0.0 && value <= 1.0)
}

fn check_negative(option: &'static str, value: f64) -> Result<(), Error> {
    check_option(option, value, "less than 0 and finite", |value| value < 0.0 && value.is_finite())
}

/// −ln p of each row's label, where p is the softmax of the logits.
fn surprise<E: Element>(logits: &Tensor<E>, labels: Labels<'_>) -> Result<Tensor<E>, Error> {
    CrossEntropy::new().reduction(Reduction::None).forward(logits, Targets::Classes(labels))
}
