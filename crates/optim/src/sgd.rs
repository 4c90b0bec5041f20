//! Gradient descent.

use std::ops::Bound;

use downhill_tensor::Element;

use crate::error::{Error, check};
use crate::first_order::FirstOrder;
use crate::rule::{Rule, Update};

/// Stochastic gradient descent (Robbins & Monro, "A stochastic approximation method", 1951), with
/// momentum (Polyak, "Some methods of speeding up the convergence of iteration methods", 1964) or
/// Nesterov's (Sutskever et al., "On the importance of initialization and momentum in deep
/// learning", 2013), in PyTorch's formulation:
///
/// ```text
/// gradient ← gradient + weight_decay · weight
/// velocity ← momentum · velocity + (1 − dampening) · gradient      (at first: gradient)
/// weight   ← weight − learning_rate · velocity
/// ```
///
/// With Nesterov's momentum, gradient + momentum · velocity stands for the velocity in the last
/// line; without momentum, the gradient. Momentum, dampening and weight decay are 0 unless set.
///
/// ```
/// use downhill_optim::{Optimizer, Sgd};
/// use downhill_tensor::Tensor;
///
/// let mut weight = Tensor::parameter([1.0, -2.0]);
/// let mut optimizer = Sgd::new(0.25).momentum(0.9).nesterov(true).weight_decay(1e-4);
/// let gradients = weight.square().sum().backward();
/// optimizer.step(&mut weight, &gradients)?;
/// # Ok::<(), downhill_optim::Error>(())
/// ```
pub type Sgd<E = f32> = FirstOrder<SgdRule, E>;

/// The rule of [`Sgd`].
#[derive(Debug, Clone, PartialEq)]
pub struct SgdRule {
    momentum: f64,
    dampening: f64,
    nesterov: bool,
}

impl<E: Element> Sgd<E> {
    /// Plain gradient descent: weight ← weight − learning_rate · gradient.
    pub fn new(learning_rate: f64) -> Self {
        let rule = SgdRule { momentum: 0.0, dampening: 0.0, nesterov: false };
        Self::with_rule(learning_rate, rule)
    }

    /// What part of the velocity is kept at each step, from 0 to 1.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.rule.momentum = momentum;
        self
    }

    /// What part of the gradient does not enter the velocity, from 0 to 1.
    pub fn dampening(mut self, dampening: f64) -> Self {
        self.rule.dampening = dampening;
        self
    }

    /// Whether to look ahead along the velocity. Needs momentum and no dampening.
    pub fn nesterov(mut self, nesterov: bool) -> Self {
        self.rule.nesterov = nesterov;
        self
    }

    /// Sets the momentum for the steps to come, as a one-cycle schedule does
    /// ([`Schedule::momentum`](crate::Schedule::momentum)).
    pub fn set_momentum(&mut self, momentum: f64) {
        self.rule.momentum = momentum;
    }
}

impl Rule for SgdRule {
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("momentum", self.momentum, 0.0..=1.0)?;
        check("dampening", self.dampening, 0.0..=1.0)?;
        if self.nesterov {
            let above_zero = (Bound::Excluded(0.0), Bound::Included(1.0));
            check("momentum (with nesterov)", self.momentum, above_zero)?;
            check("dampening (with nesterov)", self.dampening, 0.0..=0.0)?;
        }
        Ok(())
    }

    fn state(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { &["velocity"] }
    }

    fn update<E: Element>(&self, update: Update<'_, E>) {
        let learning_rate = E::from_f64(update.learning_rate);
        let weight_decay = E::from_f64(update.weight_decay);
        let momentum = E::from_f64(self.momentum);
        let dampening = if update.step == 1 { 0.0 } else { self.dampening };
        let new = E::from_f64(1.0 - dampening);
        if self.momentum == 0.0 {
            update.each(|weight, gradient, []| {
                (weight - learning_rate * (gradient + weight_decay * weight), [])
            });
        } else if self.nesterov {
            update.each(|weight, gradient, [velocity]| {
                let gradient = gradient + weight_decay * weight;
                let velocity = momentum * velocity + gradient;
                (weight - learning_rate * (gradient + momentum * velocity), [velocity])
            });
        } else {
            update.each(|weight, gradient, [velocity]| {
                let gradient = gradient + weight_decay * weight;
                let velocity = momentum * velocity + new * gradient;
                (weight - learning_rate * velocity, [velocity])
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use downhill_tensor::{Gradients, Tensor};

    use super::*;
    use crate::Optimizer;

    /// The weight after each step along the given gradients, from 1.
    fn steps(mut optimizer: Sgd<f64>, gradients: &[f64]) -> Vec<f64> {
        let mut weight = Tensor::parameter(1.0);
        let weights = gradients.iter().map(|&gradient| {
            let mut named = Gradients::default();
            named.insert(&weight, Tensor::scalar(gradient));
            optimizer.step(&mut weight, &named).unwrap();
            weight.item()
        });
        weights.collect()
    }

    #[test]
    fn plain_descent_steps_along_the_gradient() {
        assert_eq!(steps(Sgd::new(0.5), &[1.0, -2.0, 0.0]), [0.5, 1.5, 1.5]);
    }

    #[test]
    fn momentum_gathers_velocity() {
        // Velocities 1, 0.5 · 1 + 1 = 1.5, 0.5 · 1.5 = 0.75.
        assert_eq!(steps(Sgd::new(0.5).momentum(0.5), &[1.0, 1.0, 0.0]), [0.5, -0.25, -0.625]);
    }

    #[test]
    fn dampening_spares_the_first_step() {
        // Velocities 1, 0.5 · 1 + 0.25 · 1 = 0.75.
        let optimizer = Sgd::new(1.0).momentum(0.5).dampening(0.75);
        assert_eq!(steps(optimizer, &[1.0, 1.0]), [0.0, -0.75]);
    }

    #[test]
    fn nesterov_looks_ahead() {
        // Velocities 1, 1.5; steps 1 + 0.5 · 1, 1 + 0.5 · 1.5.
        let optimizer = Sgd::new(1.0).momentum(0.5).nesterov(true);
        assert_eq!(steps(optimizer, &[1.0, 1.0]), [-0.5, -2.25]);
    }

    #[test]
    fn weight_decay_is_added_to_the_gradient() {
        assert_eq!(steps(Sgd::new(0.5).weight_decay(0.5), &[0.0, 1.0]), [0.75, 0.0625]);
    }

    #[test]
    fn nesterov_is_refused_without_momentum_or_with_dampening() {
        let mut weight = Tensor::parameter(1.0);
        let gradients = weight.square().backward();
        let mut refuse = |mut optimizer: Sgd<f64>| {
            optimizer.step(&mut weight, &gradients).unwrap_err().to_string()
        };
        assert_eq!(
            refuse(Sgd::new(0.1).nesterov(true)),
            "momentum (with nesterov) is 0; it must be above 0 and at most 1"
        );
        assert_eq!(
            refuse(Sgd::new(0.1).nesterov(true).momentum(0.9).dampening(0.1)),
            "dampening (with nesterov) is 0.1; it must be 0"
        );
        assert_eq!(weight.item(), 1.0);
    }
}
