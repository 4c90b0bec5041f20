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
use crate::wrapper::plain_function;

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

/// The rule of [`Focal`].
#[derive(Debug, Clone, PartialEq)]
pub struct FocalRule {
    alpha: Option<Vec<f64>>,
    gamma: f64,
}

impl Default for FocalRule {
    fn default() -> Self {
        Self { alpha: None, gamma: 2.0 }
    }
}

impl Focal {
    /// α, the weight of each class, finite and not negative; 1 unless set.
    pub fn alpha(mut self, alpha: impl Into<Vec<f64>>) -> Self {
        self.rule.alpha = Some(alpha.into());
        self
    }

    /// γ, the focusing parameter, 0 or more; 2 unless set.
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.rule.gamma = gamma;
        self
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

/// The rule of [`BinaryFocal`].
#[derive(Debug, Clone, PartialEq)]
pub struct BinaryFocalRule {
    alpha: Option<f64>,
    gamma: f64,
}

impl Default for BinaryFocalRule {
    fn default() -> Self {
        Self { alpha: None, gamma: 2.0 }
    }
}

impl BinaryFocal {
    /// α, the weight of the positive class, from 0 to 1; that of the negative class is 1 − α.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rule.alpha = Some(alpha);
        self
    }

    /// γ, the focusing parameter, 0 or more; 2 unless set.
    pub fn gamma(mut self, gamma: f64) -> Self {
        self.rule.gamma = gamma;
        self
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

/// The rule of [`Poly1`].
#[derive(Debug, Clone, PartialEq)]
pub struct Poly1Rule {
    epsilon: f64,
}

impl Default for Poly1Rule {
    fn default() -> Self {
        Self { epsilon: 1.0 }
    }
}

impl Poly1 {
    /// ε, what is added to the first coefficient, which is 1: −1 or more; 1 unless set.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
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

/// The rule of [`GeneralisedCrossEntropy`].
#[derive(Debug, Clone, PartialEq)]
pub struct GeneralisedCrossEntropyRule {
    q: f64,
}

impl Default for GeneralisedCrossEntropyRule {
    fn default() -> Self {
        Self { q: 0.7 }
    }
}

impl GeneralisedCrossEntropy {
    /// q, greater than 0 and at most 1; 0.7 unless set.
    pub fn q(mut self, q: f64) -> Self {
        self.rule.q = q;
        self
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

/// The rule of [`SymmetricCrossEntropy`].
#[derive(Debug, Clone, PartialEq)]
pub struct SymmetricCrossEntropyRule {
    alpha: f64,
    beta: f64,
    log_zero: f64,
}

impl Default for SymmetricCrossEntropyRule {
    fn default() -> Self {
        Self { alpha: 0.1, beta: 1.0, log_zero: -4.0 }
    }
}

impl SymmetricCrossEntropy {
    /// α, the weight of cross-entropy, 0 or more; 0.1 unless set.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rule.alpha = alpha;
        self
    }

    /// β, the weight of reverse cross-entropy, 0 or more; 1 unless set.
    pub fn beta(mut self, beta: f64) -> Self {
        self.rule.beta = beta;
        self
    }

    /// A, which stands for ln 0: less than 0; −4 unless set.
    pub fn log_zero(mut self, log_zero: f64) -> Self {
        self.rule.log_zero = log_zero;
        self
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
