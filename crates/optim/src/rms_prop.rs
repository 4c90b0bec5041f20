//! Steps scaled by the size of recent gradients.

use downhill_tensor::Element;

use crate::error::{Error, above, check, check_in};
use crate::first_order::FirstOrder;
use crate::rule::{Rule, Update};

/// RMSprop (Tieleman & Hinton, "Lecture 6.5: RMSProp", 2012), with momentum, and centred (Graves,
/// "Generating sequences with recurrent neural networks", 2013), in PyTorch's formulation:
///
/// ```text
/// gradient ← gradient + weight_decay · weight
/// square   ← alpha · square + (1 − alpha) · gradient²
/// mean     ← alpha · mean + (1 − alpha) · gradient                 (centred)
/// step     = gradient / (√square + epsilon)                        (centred: √(square − mean²))
/// velocity ← momentum · velocity + step
/// weight   ← weight − learning_rate · velocity                     (without momentum: step)
/// ```
///
/// | default | |
/// | --- | --- |
/// | `alpha` | 0.99 |
/// | `epsilon` | 1e-8 |
/// | `momentum` | 0 |
/// | `centered` | false |
///
/// ```
/// use downhill_optim::{Optimizer, RmsProp};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0, -20.0]);
/// let mut optimizer = RmsProp::new(0.01).momentum(0.9).centered(true);
/// let gradients = weight.square().sum().backward();
/// optimizer.step(&mut weight, &gradients)?;
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub type RmsProp<E = f32> = FirstOrder<RmsPropRule, E>;

/// The rule of [`RmsProp`].
#[derive(Debug, Clone, PartialEq)]
pub struct RmsPropRule {
    alpha: f64,
    epsilon: f64,
    momentum: f64,
    centered: bool,
}

impl<E: Element> RmsProp<E> {
    /// RMSprop with PyTorch's defaults.
    pub fn new(learning_rate: f64) -> Self {
        let rule = RmsPropRule { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false };
        Self::with_rule(learning_rate, rule)
    }

    /// What part of the averages is kept at each step, from 0 to 1.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.rule.alpha = alpha;
        self
    }

    /// What keeps the divisor from 0.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.rule.epsilon = epsilon;
        self
    }

    /// What part of the velocity is kept at each step, from 0 to 1.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// Whether to divide by the standard deviation of recent gradients rather than by their root
    /// mean square.
    pub fn centered(mut self, centered: bool) -> Self {
        self.rule.centered = centered;
        self
    }

    /// Sets the momentum for the steps to come, as a one-cycle schedule does
    /// ([`Schedule::momentum`](crate::Schedule::momentum)).
    pub fn set_momentum(&mut self, momentum: f64) {
        self.rule.momentum = momentum;
    }
}

impl Rule for RmsPropRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("alpha", self.alpha, 0.0..=1.0)?;
        check_in::<E>("epsilon", self.epsilon, above(0.0))?;
        check("momentum", self.momentum, 0.0..=1.0)
    }

    fn state(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum == 0.0) {
            (false, true) => &["square"],
            (false, false) => &["square", "velocity"],
            (true, true) => &["square", "mean"],
            (true, false) => &["square", "mean", "velocity"],
        }
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let learning_rate = E::from_f64(update.learning_rate);
        let weight_decay = E::from_f64(update.weight_decay);
        let [alpha, new] = [self.alpha, 1.0 - self.alpha].map(E::from_f64);
        let [epsilon, momentum] = [self.epsilon, self.momentum].map(E::from_f64);

        let decayed = |weight: E, gradient: E| gradient + weight_decay * weight;
        let average = |average: E, value: E| alpha * average + new * value;
        // In this order, as PyTorch's, the product overflows last.
        let average_square = |square: E, value: E| alpha * square + new * value * value;
        // The variance is not negative but for rounding.
        let variance = |square: E, mean: E| (square - mean * mean).max(E::zero());

        match (self.centered, self.momentum == 0.0) {
            (false, true) => update.each(|weight, gradient, [square]| {
                let gradient = decayed(weight, gradient);
                let square = average_square(square, gradient);
                (weight - learning_rate * gradient / (square.sqrt() + epsilon), [square])
            }),
            (false, false) => update.each(|weight, gradient, [square, velocity]| {
                let gradient = decayed(weight, gradient);
                let square = average_square(square, gradient);
                let velocity = momentum * velocity + gradient / (square.sqrt() + epsilon);
                (weight - learning_rate * velocity, [square, velocity])
            }),
            (true, true) => update.each(|weight, gradient, [square, mean]| {
                let gradient = decayed(weight, gradient);
                let square = average_square(square, gradient);
                let mean = average(mean, gradient);
                let deviation = variance(square, mean).sqrt();
                (weight - learning_rate * gradient / (deviation + epsilon), [square, mean])
            }),
            (true, false) => update.each(|weight, gradient, [square, mean, velocity]| {
                let gradient = decayed(weight, gradient);
                let square = average_square(square, gradient);
                let mean = average(mean, gradient);
                let deviation = variance(square, mean).sqrt();
                let velocity = momentum * velocity + gradient / (deviation + epsilon);
                (weight - learning_rate * velocity, [square, mean, velocity])
            }),
        }
    }
}
