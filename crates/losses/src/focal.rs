//! Losses that reshape the cross-entropy of the true class: focal loss, poly-1, and losses for
//! noisy labels.

use downhill_tensor::{Element, Tensor};

use crate::binary::check_targets;
use crate::checks;
use crate::cross_entropy::CrossEntropy;
use crate::elementwise::{Elementwise, ElementwiseRule};
use crate::error::Error;
use crate::logistic::logistic;
use crate::of_labels::{LabelRule, OfLabels, weigh};
use crate::reduction::Reduction;
use crate::targets::IntoLabels;
use crate::wrapper::{options, plain_function};

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
pub type Focal = OfLabels<FocalRule>;

options! {
    /// The rule of [`Focal`].
    FocalRule in rule of Focal {
        /// α, the weight of each class, finite and not negative; 1 unless set.
        alpha(alpha: impl Into<Vec<f64>>): Option<Vec<f64>> = None => Some(alpha.into());
        /// γ, the focusing parameter, 0 or more; 2 unless set.
        gamma(gamma: f64): f64 = 2.0 => gamma;
    }
}

impl LabelRule for FocalRule {
    fn validate(&self, classes: usize) -> Result<(), Error> {
        checks::not_negative("gamma", self.gamma)?;
        self.alpha.as_deref().map_or(Ok(()), |alpha| checks::class_weights("alpha", alpha, classes))
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
        let minus_log_p = minus_log_p(logits, labels)?;
        // At 0 and ∞ one of the factors of the derivative is infinite and another 0.
        let inner = minus_log_p.clamp(E::min_positive_value(), E::from_f64(1e3));
        let focus = (-(-inner).exp_m1()).powf(E::from_f64(self.gamma));
        Ok(weigh(focus * minus_log_p, self.alpha.as_deref(), labels))
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
pub type BinaryFocal = Elementwise<BinaryFocalRule>;

options! {
    /// The rule of [`BinaryFocal`].
    BinaryFocalRule in rule of BinaryFocal {
        /// α, the weight of the positive class, from 0 to 1; that of the negative class is 1 − α.
        alpha(alpha: f64): Option<f64> = None => Some(alpha);
        /// γ, the focusing parameter, 0 or more; 2 unless set.
        gamma(gamma: f64): f64 = 2.0 => gamma;
    }
}

impl ElementwiseRule for BinaryFocalRule {
    fn validate(&self) -> Result<(), Error> {
        checks::not_negative("gamma", self.gamma)?;
        checks::fraction("alpha", self.alpha.unwrap_or(0.0))
    }

    fn check<E: Element>(&self, _logits: &Tensor<E>, targets: &Tensor<E>) -> Result<(), Error> {
        check_targets(targets)
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
        let negative = targets * -E::one() + E::one();
        let gamma = E::from_f64(self.gamma);
        match self.alpha {
            None => logistic(logits, targets, &negative, gamma),
            Some(alpha) => {
                let positive = targets * E::from_f64(alpha);
                logistic(logits, &positive, &(negative * E::from_f64(1.0 - alpha)), gamma)
            }
        }
    }
}

/// Poly-1 loss of logits `[…, C]`: −ln p_y + ε · (1 − p_y) for each row, where p is the softmax and
/// y the label: cross-entropy with the first coefficient of its polynomial in 1 − p_y changed (Leng
/// et al., "PolyLoss: a polynomial expansion perspective of classification loss functions", 2022).
///
/// ```
/// use downhill_losses::Poly1;
/// use downhill_tensor::Tensor;
///
/// let loss = Poly1::new().epsilon(2.0).forward(&Tensor::from([[0.0_f64, 0.0]]), &[1])?;
/// assert!((loss.item() - (2.0_f64.ln() + 1.0)).abs() < 1e-15);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type Poly1 = OfLabels<Poly1Rule>;

options! {
    /// The rule of [`Poly1`].
    Poly1Rule in rule of Poly1 {
        /// ε, what is added to the first coefficient, which is 1: −1 or more; 1 unless set.
        epsilon(epsilon: f64): f64 = 1.0 => epsilon;
    }
}

impl LabelRule for Poly1Rule {
    fn validate(&self, _classes: usize) -> Result<(), Error> {
        checks::option("epsilon", self.epsilon, "-1 or more and finite", |epsilon| {
            epsilon >= -1.0 && epsilon.is_finite()
        })
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
        let minus_log_p = minus_log_p(logits, labels)?;
        Ok(&minus_log_p - (-&minus_log_p).exp_m1() * E::from_f64(self.epsilon))
    }
}

/// Generalised cross-entropy of logits `[…, C]`: (1 − p_y^q) / q for each row, where p is the
/// softmax and y the label (Zhang & Sabuncu, "Generalized cross entropy loss for training deep
/// neural networks with noisy labels", 2018). q near 0 is cross-entropy, q = 1 the absolute error,
/// which wrong labels disturb less.
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
pub type GeneralisedCrossEntropy = OfLabels<GeneralisedCrossEntropyRule>;

options! {
    /// The rule of [`GeneralisedCrossEntropy`].
    GeneralisedCrossEntropyRule in rule of GeneralisedCrossEntropy {
        /// q, greater than 0 and at most 1; 0.7 unless set.
        q(q: f64): f64 = 0.7 => q;
    }
}

impl LabelRule for GeneralisedCrossEntropyRule {
    fn validate(&self, _classes: usize) -> Result<(), Error> {
        checks::option("q", self.q, "greater than 0 and at most 1", |q| q > 0.0 && q <= 1.0)
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
        let q = E::from_f64(self.q);
        Ok((minus_log_p(logits, labels)? * -q).exp_m1() * -q.recip())
    }
}

/// Symmetric cross-entropy of logits `[…, C]`: −α · ln p_y − β · A · (1 − p_y) for each row, where
/// p is the softmax and y the label: cross-entropy both ways, with A for ln 0 (Wang et al.,
/// "Symmetric cross entropy for robust learning with noisy labels", 2019).
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
pub type SymmetricCrossEntropy = OfLabels<SymmetricCrossEntropyRule>;

options! {
    /// The rule of [`SymmetricCrossEntropy`].
    SymmetricCrossEntropyRule in rule of SymmetricCrossEntropy {
        /// α, the weight of cross-entropy, 0 or more; 0.1 unless set.
        alpha(alpha: f64): f64 = 0.1 => alpha;
        /// β, the weight of reverse cross-entropy, 0 or more; 1 unless set.
        beta(beta: f64): f64 = 1.0 => beta;
        /// A, which stands for ln 0: less than 0; −4 unless set.
        log_zero(log_zero: f64): f64 = -4.0 => log_zero;
    }
}

impl LabelRule for SymmetricCrossEntropyRule {
    fn validate(&self, _classes: usize) -> Result<(), Error> {
        checks::not_negative("alpha", self.alpha)?;
        checks::not_negative("beta", self.beta)?;
        checks::option("log_zero", self.log_zero, "less than 0 and finite", |log_zero| {
            log_zero < 0.0 && log_zero.is_finite()
        })
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
        let minus_log_p = minus_log_p(logits, labels)?;
        let factor = E::from_f64(self.beta) * E::from_f64(self.log_zero);
        let reverse = (-&minus_log_p).exp_m1() * factor;
        Ok(match self.alpha == 0.0 {
            true => reverse,
            false => minus_log_p * E::from_f64(self.alpha) + reverse,
        })
    }
}

plain_function!(focal: Focal(logits, labels: impl IntoLabels<'a>));
plain_function!(binary_focal: BinaryFocal(logits, targets));
plain_function!(poly1: Poly1(logits, labels: impl IntoLabels<'a>));
plain_function!(generalised_cross_entropy: GeneralisedCrossEntropy(logits, labels: impl IntoLabels<'a>));
plain_function!(symmetric_cross_entropy: SymmetricCrossEntropy(logits, labels: impl IntoLabels<'a>));

/// −ln p of each row's label, where p is the softmax of the logits.
fn minus_log_p<E: Element>(logits: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
    CrossEntropy::new().reduction(Reduction::None).forward(logits, labels)
}
