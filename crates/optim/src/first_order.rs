//! What all optimizers that step along a gradient have in common: the step. What is checked before
//! it, the groups of parameters and saved state have files of their own.

mod checks;
mod groups;
mod saved;
#[cfg(test)]
mod tests;

use downhill_kernels::all_within;
use downhill_tensor::{Element, Gradients, Parameters, Tensor};

pub(crate) use self::checks::check_finite;
use self::groups::Group;
use crate::error::Error;
use crate::group::Settings;
use crate::optimizer::Optimizer;
use crate::rule::{Rule, Update};
use crate::slots::Slots;
use crate::visit::each_parameter_mut;

/// An optimizer that updates each parameter by a [`Rule`] from its gradient: [`Sgd`](crate::Sgd)
/// and its relatives.
#[derive(Debug, Clone)]
pub struct FirstOrder<R, E: Element = f32> {
    pub(crate) rule: R,
    learning_rate: f64,
    weight_decay: f64,
    groups: Vec<Group<R>>,
    slots: Slots<Slot<E>>,
    /// Whether every slot has the settings of its parameter's groups.
    grouped: bool,
    /// Whether all gradients so far were harmless, so that what is remembered of them is.
    harmless_so_far: bool,
}

/// What is kept of one parameter.
#[derive(Debug, Clone)]
struct Slot<E> {
    settings: Settings,
    /// The index of the group whose rule it follows, if it is not the optimizer's.
    group_of_rule: Option<usize>,
    /// How often the parameter has been updated.
    step: u64,
    /// What the rule remembers, once there has been an update.
    state: Vec<Vec<E>>,
}

impl<E> Default for Slot<E> {
    fn default() -> Self {
        let settings = Settings::default();
        Self { settings, group_of_rule: None, step: 0, state: Vec::new() }
    }
}

impl<R, E: Element> FirstOrder<R, E> {
    /// An optimizer that follows `rule`, without weight decay.
    pub fn with_rule(learning_rate: f64, rule: R) -> Self {
        Self {
            rule,
            learning_rate,
            weight_decay: 0.0,
            groups: Vec::new(),
            slots: Slots::default(),
            grouped: true,
            harmless_so_far: true,
        }
    }

    /// How strongly weights are drawn towards 0; each optimizer's formula says in what way.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

impl<R: Rule, E: Element> FirstOrder<R, E> {
    /// Updates one parameter and what is kept of it.
    fn update(&self, slot: &mut Slot<E>, weight: &mut Tensor<E>, gradient: &Tensor<E>) {
        let rule = self.rule_of(slot);
        // At first there is no state; and options that change may add some, always at the end.
        let arrays = rule.state().len();
        if slot.state.len() != arrays {
            slot.state.resize_with(arrays, || vec![E::zero(); weight.len()]);
        }
        slot.step += 1;
        let factor = slot.settings.learning_rate_factor.unwrap_or(1.0);
        rule.update(Update {
            learning_rate: self.learning_rate * factor,
            weight_decay: slot.settings.weight_decay.unwrap_or(self.weight_decay),
            step: slot.step,
            weight,
            gradient,
            state: &mut slot.state,
        });
    }
}

impl<R: Rule, E: Element> Optimizer<E> for FirstOrder<R, E> {
    fn step(
        &mut self,
        model: &mut dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        self.validate()?;
        let is_harmless = self.check_gradients(model, gradients)? && self.harmless_so_far;
        if !self.grouped {
            self.assign_groups(model)?;
        }
        if !self.groups.is_empty() {
            self.check_not_all_frozen(model, gradients)?;
        }
        if !is_harmless {
            self.rehearse(model, gradients)?;
            self.harmless_so_far = false;
        }
        // Taken out for the time of the loop: `update` reads the rest of the optimizer.
        let mut slots = std::mem::take(&mut self.slots);
        each_parameter_mut(model, |index, weight| {
            let Some(gradient) = gradients.get(weight) else { return };
            let slot = slots
                .get(index, weight.id())
                .expect("visit and visit_mut yield the same tensors in the same order");
            if !slot.settings.frozen {
                self.update(slot, weight, gradient);
            }
        });
        self.slots = slots;
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    fn never_updated(&self, model: &dyn Parameters<E>) -> Vec<String> {
        self.untouched(model)
    }

    fn state(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Tensor<E>)>, Error> {
        self.saved(model)
    }

    fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        state: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        self.slots = self.restored(model, state)?;
        let harmless = self.harmless();
        let is_harmless = |slot: &Slot<E>| slot.state.iter().all(|x| all_within(x, harmless));
        self.harmless_so_far = self.slots.iter().all(is_harmless);
        self.grouped = false;
        Ok(())
    }
}
