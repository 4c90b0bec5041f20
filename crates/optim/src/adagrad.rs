//! Steps scaled by all gradients so far.

use downhill_tensor::Element;

use crate::error::{Error, above, check, check_in};
use crate::first_order::FirstOrder;
use crate::rule::{Rule, Update};

/// Adagrad (Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and
/// stochastic optimization", 2011): the more a weight's gradients have amounted to so far, the
/// smaller its steps. In PyTorch's formulation, with t counting steps from 1:
///
/// ```text
/// gradient ← gradient + weight_decay · weight
/// sum      ← sum + gradient²
/// weight   ← weight − learning_rate / (1 + (t − 1) · learning_rate_decay) · gradient / (√sum + epsilon)
/// ```
///
/// | default | |
/// | --- | --- |
/// | `learning_rate_decay` | 0 |
/// | `initial_accumulator`, where `sum` starts | 0 |
/// | `epsilon` | 1e-10 |
///
/// ```
/// use downhill_optim::{Adagrad, Optimizer};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0_f32, -20.0]);
/// let gradients = weight.square().sum().backward();
/// Adagrad::new(0.5).step(&mut weight, &gradients)?;
/// assert_eq!(weight.to_vec(), [0.5, -19.5]); // at first only the sign counts
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub type Adagrad<E = f32> = FirstOrder<AdagradRule, E>;

/// The rule of [`Adagrad`].
#[derive(Debug, Clone, PartialEq)]
pub struct AdagradRule {
    learning_rate_decay: f64,
    initial_accumulator: f64,
    epsilon: f64,
}

impl<E: Element> Adagrad<E> {
    /// Adagrad with PyTorch's defaults.
    pub fn new(learning_rate: f64) -> Self {
        let rule =
            AdagradRule { learning_rate_decay: 0.0, initial_accumulator: 0.0, epsilon: 1e-10 };
        Self::with_rule(learning_rate, rule)
    }

    /// How fast the learning rate falls with the number of steps.
    pub fn learning_rate_decay(mut self, learning_rate_decay: f64) -> Self {
        self.rule.learning_rate_decay = learning_rate_decay;
        self
    }

    /// Where the sum of squares starts.
    pub fn initial_accumulator(mut self, initial_accumulator: f64) -> Self {
        self.rule.initial_accumulator = initial_accumulator;
        self
    }

    /// What keeps the divisor from 0.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
    }
}

impl Rule for AdagradRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("learning_rate_decay", self.learning_rate_decay, 0.0..)?;
        check_in::<E>("initial_accumulator", self.initial_accumulator, 0.0..)?;
        check_in::<E>("epsilon", self.epsilon, above(0.0))
    }

    fn state(&self) -> &'static [&'static str] {
        &["sum"]
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let decay = 1.0 + (update.step - 1) as f64 * self.learning_rate_decay;
        let learning_rate = E::from_f64(update.learning_rate / decay);
        let weight_decay = E::from_f64(update.weight_decay);
        let epsilon = E::from_f64(self.epsilon);
        let start = if update.step == 1 { self.initial_accumulator } else { 0.0 };
        let start = E::from_f64(start);
        update.each(|weight, gradient, [sum]| {
            let gradient = gradient + weight_decay * weight;
            let sum = sum + start + gradient * gradient;
            (weight - learning_rate * gradient / (sum.sqrt() + epsilon), [sum])
        });
    }
}
