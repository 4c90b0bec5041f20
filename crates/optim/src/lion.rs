//! Steps of one size, along signs.

use downhill_tensor::Element;

use crate::error::{Error, check};
use crate::first_order::FirstOrder;
use crate::rule::{Rule, Update};

/// Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023): every weight moves
/// by the learning rate, in the direction of the sign of an average.
///
/// ```text
/// step     = sign(beta1 · momentum + (1 − beta1) · gradient)           (the sign of 0 is 0)
/// momentum ← beta2 · momentum + (1 − beta2) · gradient
/// weight   ← weight − learning_rate · (step + weight_decay · weight)
/// ```
///
/// The paper advises a learning rate 3 to 10 times smaller than AdamW's, and as many times more
/// weight decay. Defaults, those of optax: `betas` 0.9 and 0.99, `weight_decay` 1e-3.
///
/// ```
/// use downhill_optim::{Lion, Optimizer};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0, -20.0, 0.0]);
/// let gradients = weight.square().sum().backward();
/// Lion::new(0.25).weight_decay(0.0).step(&mut weight, &gradients)?;
/// assert_eq!(weight.to_vec(), [0.75, -19.75, 0.0]);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub type Lion<E = f32> = FirstOrder<LionRule, E>;

/// The rule of [`Lion`].
#[derive(Debug, Clone, PartialEq)]
pub struct LionRule {
    beta1: f64,
    beta2: f64,
}

impl<E: Element> Lion<E> {
    /// Lion with optax's defaults.
    pub fn new(learning_rate: f64) -> Self {
        Self::with_rule(learning_rate, LionRule { beta1: 0.9, beta2: 0.99 }).weight_decay(1e-3)
    }

    /// What part of the momentum enters the step, and what part of it is kept, each at least 0
    /// and below 1.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.rule = LionRule { beta1, beta2 };
        self
    }

    /// Sets the first of the `betas`, the momentum, for the steps to come, as a one-cycle schedule does
    /// ([`Schedule::momentum`](crate::Schedule::momentum)).
    pub fn set_momentum(&mut self, momentum: f64) {
        self.rule.beta1 = momentum;
    }
}

impl Rule for LionRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("beta1", self.beta1, 0.0..1.0)?;
        check("beta2", self.beta2, 0.0..1.0)
    }

    fn state(&self) -> &'static [&'static str] {
        &["momentum"]
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let [beta1, new1] = [self.beta1, 1.0 - self.beta1].map(E::from_f64);
        let [beta2, new2] = [self.beta2, 1.0 - self.beta2].map(E::from_f64);
        let learning_rate = E::from_f64(update.learning_rate);
        let keep = E::from_f64(1.0 - update.learning_rate * update.weight_decay);
        update.each(|weight, gradient, [momentum]| {
            let direction = beta1 * momentum + new1 * gradient;
            let step = if direction.is_zero() { E::zero() } else { direction.signum() };
            let momentum = beta2 * momentum + new2 * gradient;
            (keep * weight - learning_rate * step, [momentum])
        });
    }
}
