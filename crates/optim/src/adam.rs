//! Adam and AdamW.

use downhill_tensor::Element;

use crate::error::{Error, above, check, check_in};
use crate::first_order::FirstOrder;
use crate::rule::{Rule, Update};

/// Adam (Kingma & Ba, "Adam: a method for stochastic optimization", 2015), with AMSGrad on request
/// (Reddi, Kale & Kumar, "On the convergence of Adam and beyond", 2018), in PyTorch's formulation,
/// with t counting steps from 1:
///
/// ```text
/// gradient ← gradient + weight_decay · weight
/// mean     ← beta1 · mean + (1 − beta1) · gradient
/// square   ← beta2 · square + (1 − beta2) · gradient²
/// largest  ← max(largest, square)                  (AMSGrad, then in place of square below)
/// weight   ← weight − learning_rate · mean / (1 − beta1ᵗ) / (√(square / (1 − beta2ᵗ)) + epsilon)
/// ```
///
/// | default | |
/// | --- | --- |
/// | `betas` | 0.9, 0.999 |
/// | `epsilon` | 1e-8 |
/// | `amsgrad` | false |
/// | `weight_decay` | 0 |
/// | `decoupled` | false |
///
/// ```
/// use downhill_optim::{Adam, Optimizer};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0_f64, -20.0]);
/// let mut optimizer = Adam::new(0.1);
/// for _ in 0..2000 {
///     let gradients = weight.square().sum().backward();
///     optimizer.step(&mut weight, &gradients)?;
/// }
/// assert!(weight.to_vec().iter().all(|weight| weight.abs() < 1e-6));
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub type Adam<E = f32> = FirstOrder<AdamRule, E>;

/// AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", 2019): [`Adam`], but
/// weight decay does not go through the averages. In PyTorch's formulation
///
/// ```text
/// weight ← weight − learning_rate · weight_decay · weight
/// ```
///
/// comes first, then Adam's step without weight decay. The default weight decay is 0.01.
///
/// It makes an [`Adam`] with [`decoupled`](Adam::decoupled) weight decay.
///
/// ```
/// use downhill_optim::{AdamW, Optimizer, ParameterGroup};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0, -2.0]);
/// let mut optimizer = AdamW::new(1e-3)
///     .weight_decay(0.1)
///     .group(ParameterGroup::matching("*").learning_rate_factor(10.0));
/// let gradients = weight.square().sum().backward();
/// optimizer.step(&mut weight, &gradients)?;
/// # Ok::<(), downhill_optim::Error>(())
/// ```
#[derive(Debug)]
pub enum AdamW {}

/// The rule of [`Adam`] and [`AdamW`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdamRule {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    amsgrad: bool,
    decoupled: bool,
}

impl AdamW {
    /// AdamW with PyTorch's defaults.
    #[expect(clippy::new_ret_no_self, reason = "AdamW is a way to set Adam's options")]
    pub fn new<E: Element>(learning_rate: f64) -> Adam<E> {
        Adam::new(learning_rate).decoupled(true).weight_decay(0.01)
    }
}

impl<E: Element> Adam<E> {
    /// Adam with PyTorch's defaults.
    pub fn new(learning_rate: f64) -> Self {
        let rule =
            AdamRule { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, amsgrad: false, decoupled: false };
        Self::with_rule(learning_rate, rule)
    }

    /// What part of the mean of gradients and of the mean of their squares is kept at each step,
    /// each at least 0 and below 1.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule.beta1 = beta1;
        self.rule.beta2 = beta2;
        self
    }

    /// What keeps the divisor from 0.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
    }

    /// Whether to divide by the largest mean of squares so far rather than by the present one.
    pub fn amsgrad(mut self, amsgrad: bool) -> Self {
        self.rule.amsgrad = amsgrad;
        self
    }

    /// Whether weight decay shrinks the weights by itself, as in [`AdamW`], rather than through
    /// the averages.
    pub fn decoupled(mut self, decoupled: bool) -> Self {
        self.rule.decoupled = decoupled;
        self
    }

    /// Sets the first of the `betas`, the momentum, for the steps to come, as a one-cycle schedule does
    /// ([`Schedule::momentum`](crate::Schedule::momentum)).
    pub fn set_momentum(&mut self, momentum: f64) {
        self.rule.beta1 = momentum;
    }
}

impl Rule for AdamRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("beta1", self.beta1, 0.0..1.0)?;
        check("beta2", self.beta2, 0.0..1.0)?;
        check_in::<E>("epsilon", self.epsilon, above(0.0))
    }

    fn state(&self) -> &'static [&'static str] {
        if self.amsgrad { &["mean", "square", "largest"] } else { &["mean", "square"] }
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let t = i32::try_from(update.step).unwrap_or(i32::MAX);
        let step_size = update.learning_rate / (1.0 - self.beta1.powi(t));
        let unbias = 1.0 / (1.0 - self.beta2.powi(t)).sqrt();
        let [step_size, unbias, epsilon] = [step_size, unbias, self.epsilon].map(E::from_f64);
        let [beta1, new1] = [self.beta1, 1.0 - self.beta1].map(E::from_f64);
        let [beta2, new2] = [self.beta2, 1.0 - self.beta2].map(E::from_f64);
        let (keep, weight_decay) = match self.decoupled {
            true => (1.0 - update.learning_rate * update.weight_decay, 0.0),
            false => (1.0, update.weight_decay),
        };
        let [keep, weight_decay] = [keep, weight_decay].map(E::from_f64);

        let averages = |weight: E, gradient: E, mean: E, square: E| {
            let gradient = gradient + weight_decay * weight;
            (beta1 * mean + new1 * gradient, beta2 * square + new2 * gradient * gradient)
        };
        let step = |weight: E, mean: E, square: E| {
            keep * weight - step_size * mean / (square.sqrt() * unbias + epsilon)
        };
        if self.amsgrad {
            update.each(|weight, gradient, [mean, square, largest]| {
                let (mean, square) = averages(weight, gradient, mean, square);
                let largest = if square > largest { square } else { largest };
                (step(weight, mean, largest), [mean, square, largest])
            });
        } else {
            update.each(|weight, gradient, [mean, square]| {
                let (mean, square) = averages(weight, gradient, mean, square);
                (step(weight, mean, square), [mean, square])
            });
        }
    }
}
