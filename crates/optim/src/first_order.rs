//! What all optimizers that step along a gradient have in common.

use downhill_kernels::all_finite;
use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};

use crate::error::{Error, check};
use crate::group::{ParameterGroup, Settings};
use crate::optimizer::Optimizer;
use crate::rule::{Rule, Update};
use crate::slots::Slots;
use crate::state::SavedState;
use crate::visit::{each_parameter, each_parameter_mut, try_each_parameter};

/// An optimizer that updates each parameter by a [`Rule`] from its gradient: [`Sgd`](crate::Sgd)
/// and its relatives.
#[derive(Debug, Clone)]
pub struct FirstOrder<R, E: Element = f32> {
    pub(crate) rule: R,
    learning_rate: f64,
    weight_decay: f64,
    groups: Vec<ParameterGroup>,
    slots: Slots<Slot<E>>,
    /// Whether every slot's settings are those of the groups.
    settled: bool,
}

/// What is kept of one parameter.
#[derive(Debug, Clone, Default)]
struct Slot<E> {
    settings: Settings,
    /// How often the parameter has been updated.
    step: u64,
    /// What the rule remembers, once there has been an update.
    state: Vec<Vec<E>>,
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
            settled: true,
        }
    }

    /// How strongly weights are drawn towards 0; each optimizer's formula says in what way.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// Gives some parameters settings of their own.
    pub fn group(mut self, group: ParameterGroup) -> Self {
        self.groups.push(group);
        self.settled = false;
        self
    }
}

impl<R: Rule, E: Element> FirstOrder<R, E> {
    fn validate(&self) -> Result<(), Error> {
        check("learning_rate", self.learning_rate, 0.0..)?;
        check("weight_decay", self.weight_decay, 0.0..)?;
        self.groups.iter().try_for_each(ParameterGroup::validate)?;
        self.rule.validate()
    }

    /// Makes sure that every parameter has a slot, in the order of visiting, and that every
    /// gradient is finite.
    fn prepare(
        &mut self,
        model: &dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        try_each_parameter(model, |index, path, parameter| {
            if self.slots.get(index, parameter.id()).is_none() {
                self.slots.insert(index, parameter.id(), Slot::default());
                self.settled = false;
            }
            gradients.get(parameter).map_or(Ok(()), |gradient| check_finite(path, gradient))
        })?;
        if self.settled { Ok(()) } else { self.settle(model) }
    }

    /// Finds out which groups each parameter belongs to, and whether the rule can update it.
    fn settle(&mut self, model: &dyn Parameters<E>) -> Result<(), Error> {
        let mut matched = vec![false; self.groups.len()];
        try_each_parameter(model, |index, path, parameter| {
            let name = path.to_string();
            let slot = self.slots.get(index, parameter.id()).expect("every parameter has a slot");
            slot.settings = Settings::default();
            for (group, matched) in self.groups.iter().zip(&mut matched) {
                *matched |= group.apply(&name, &mut slot.settings);
            }
            if slot.settings.frozen || self.rule.accepts(parameter.shape()) {
                return Ok(());
            }
            let shape = parameter.shape().to_vec();
            Err(Error::UnsuitableParameter { parameter: name, shape })
        })?;
        if let Some(unmatched) = matched.iter().position(|&matched| !matched) {
            let pattern = self.groups[unmatched].pattern().to_owned();
            return Err(Error::EmptyGroup { pattern });
        }
        self.settled = true;
        Ok(())
    }

    /// What has been saved of one parameter.
    fn saved_slot(
        &self,
        saved: &mut SavedState<'_, E>,
        path: Path<'_>,
        shape: &[usize],
    ) -> Result<Slot<E>, Error> {
        let Some(step) = saved.take_count(&format!("{path}.step"))? else {
            return Ok(Slot::default());
        };
        let names = self.rule.state().iter();
        let state = names.map(|name| saved.take(&format!("{path}.{name}"), shape));
        Ok(Slot { settings: Settings::default(), step, state: state.collect::<Result<_, _>>()? })
    }
}

impl<R: Rule, E: Element> Optimizer<E> for FirstOrder<R, E> {
    fn step(
        &mut self,
        model: &mut dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        self.validate()?;
        self.prepare(model, gradients)?;
        each_parameter_mut(model, |index, weight| {
            let Some(gradient) = gradients.get(weight) else { return };
            let slot = self
                .slots
                .get(index, weight.id())
                .expect("visit and visit_mut yield the same tensors in the same order");
            if slot.settings.frozen {
                return;
            }
            if slot.step == 0 {
                let names = self.rule.state();
                slot.state = names.iter().map(|_| vec![E::zero(); weight.len()]).collect();
            }
            slot.step += 1;
            let factor = slot.settings.learning_rate_factor.unwrap_or(1.0);
            self.rule.update(Update {
                learning_rate: self.learning_rate * factor,
                weight_decay: slot.settings.weight_decay.unwrap_or(self.weight_decay),
                step: slot.step,
                weight,
                gradient,
                state: &mut slot.state,
            });
        });
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    fn state(&self, model: &dyn Parameters<E>) -> Vec<(String, Tensor<E>)> {
        let mut saved = Vec::new();
        each_parameter(model, |index, path, parameter| {
            let slot = self.slots.find(index, parameter.id());
            let Some(slot) = slot.filter(|slot| slot.step > 0) else { return };
            for (name, values) in self.rule.state().iter().zip(&slot.state) {
                let values = Tensor::from_shape_vec(parameter.shape(), values.clone())
                    .expect("state has the parameter's shape");
                saved.push((format!("{path}.{name}"), values));
            }
            let step = E::from_f64(slot.step as f64);
            saved.push((format!("{path}.step"), Tensor::full(&[], step)));
        });
        saved
    }

    fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        state: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        let mut saved = SavedState::new(state);
        let mut slots = Slots::default();
        try_each_parameter(model, |index, path, parameter| {
            let slot = self.saved_slot(&mut saved, path, parameter.shape())?;
            slots.insert(index, parameter.id(), slot);
            Ok(())
        })?;
        saved.finish()?;
        self.slots = slots;
        self.settled = false;
        Ok(())
    }
}

/// Refuses a gradient that holds NaN or an infinity.
pub(crate) fn check_finite<E: Element>(path: Path<'_>, gradient: &Tensor<E>) -> Result<(), Error> {
    if all_finite(&gradient.values()) {
        return Ok(());
    }
    let array = gradient.array();
    let (position, value) = array
        .indexed_iter()
        .find(|(_, value)| !value.is_finite())
        .expect("a value that is not finite was just found");
    Err(Error::NonFiniteGradient {
        parameter: path.to_string(),
        position: (0..gradient.ndim()).map(|axis| position[axis]).collect(),
        value: value.as_f64(),
    })
}

#[cfg(test)]
mod tests;
