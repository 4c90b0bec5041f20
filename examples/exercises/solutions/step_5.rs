//! Step 5: an optimizer's rule.
//!
//! Plain descent steps against the gradient: weight − rate · gradient. With momentum it rolls: a
//! velocity remembers the gradients before, and the step follows the velocity:
//!
//! velocity = momentum · velocity + gradient
//! weight   = weight − rate · velocity

use downhill::optim::{Error, Rule, Update, check};
use downhill::prelude::*;

/// Gradient descent with momentum.
#[derive(Debug, Clone, Copy)]
pub struct Rolling {
    /// The part of the velocity that is kept from step to step, from 0 to below 1.
    pub momentum: f64,
}

impl Rule for Rolling {
    /// A momentum outside [0, 1) is an error: with 1 the velocity never falls.
    fn validate<E: Element>(&self) -> Result<(), Error> {
        check("momentum", self.momentum, 0.0..1.0)
    }

    /// What is remembered of each weight from step to step, by name. It is 0 at first.
    fn state(&self) -> &'static [&'static str] {
        &["velocity"]
    }

    /// The new weight, and what is remembered of it.
    fn update<E: Element>(&self, update: Update<'_, E>) {
        let rate = E::from_f64(update.learning_rate);
        let momentum = E::from_f64(self.momentum);
        update.each(|weight, gradient, [velocity]| {
            let velocity = momentum * velocity + gradient;
            (weight - rate * velocity, [velocity])
        });
    }
}
