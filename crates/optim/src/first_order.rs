//! What all optimizers that step along a gradient have in common.

use downhill_kernels::{all_finite, all_within};
use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};

use crate::error::{Error, check_in};
use crate::group::{ParameterGroup, Settings};
use crate::norm::largest;
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
    groups: Vec<Group<R>>,
    slots: Slots<Slot<E>>,
    /// Whether every slot has the settings of its parameter's groups.
    grouped: bool,
}

/// A group, and the rule that it follows in place of the optimizer's.
#[derive(Debug, Clone)]
struct Group<R> {
    parameters: ParameterGroup,
    rule: Option<R>,
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
        }
    }

    /// How strongly weights are drawn towards 0; each optimizer's formula says in what way.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// Gives some parameters settings of their own.
    pub fn group(self, group: ParameterGroup) -> Self {
        self.add_group(group, None)
    }

    /// Gives some parameters options of their own, such as another momentum: those of this
    /// optimizer, as it is now, changed by `options`.
    ///
    /// ```
    /// use downhill_optim::{Adam, ParameterGroup};
    ///
    /// let optimizer = Adam::<f32>::new(1e-3)
    ///     .group_with(ParameterGroup::matching("embedding.*"), |adam| adam.betas(0.8, 0.99));
    /// ```
    ///
    /// Of parameters that several groups match, the options are those of the group that was added
    /// last.
    pub fn group_with(self, group: ParameterGroup, options: impl FnOnce(Self) -> Self) -> Self
    where
        R: Clone,
    {
        let own = options(
            Self::with_rule(self.learning_rate, self.rule.clone()).weight_decay(self.weight_decay),
        );
        let group = match own.weight_decay == self.weight_decay {
            true => group,
            false => group.weight_decay(own.weight_decay),
        };
        self.add_group(group, Some(own.rule))
    }

    fn add_group(mut self, parameters: ParameterGroup, rule: Option<R>) -> Self {
        self.groups.push(Group { parameters, rule });
        self.grouped = false;
        self
    }

    /// The index of the group whose rule the parameter of this name follows.
    fn group_of_rule(&self, name: &str) -> Option<usize> {
        self.groups.iter().rposition(|group| group.rule.is_some() && group.parameters.holds(name))
    }

    fn rule_of(&self, slot: &Slot<E>) -> &R {
        let own = slot.group_of_rule.and_then(|index| self.groups[index].rule.as_ref());
        own.unwrap_or(&self.rule)
    }
}

impl<R: Rule, E: Element> FirstOrder<R, E> {
    fn validate(&self) -> Result<(), Error> {
        check_in::<E>("learning_rate", self.learning_rate, 0.0..)?;
        check_in::<E>("weight_decay", self.weight_decay, 0.0..)?;
        for group in &self.groups {
            group.parameters.validate::<E>()?;
            group.rule.as_ref().map_or(Ok(()), R::validate::<E>)?;
        }
        self.rule.validate::<E>()
    }

    /// Checks that there are gradients, and that all are finite; gives every parameter a slot, in
    /// the order of visiting. Returns whether all gradients, and all weights that decay, are so
    /// small that no update can overflow.
    fn check_gradients(
        &mut self,
        model: &dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<bool, Error> {
        let harmless = self.harmless();
        let own_decays = self.groups.iter().filter_map(|group| group.parameters.own_weight_decay());
        let weight_decay = own_decays.fold(self.weight_decay, f64::max);
        let harmless_weight = harmless / E::from_f64(weight_decay.max(1.0));
        let (mut parameters, mut with_gradient, mut all_harmless) = (0, 0, true);
        try_each_parameter(model, |index, path, parameter| {
            parameters += 1;
            if self.slots.get(index, parameter.id()).is_none() {
                self.slots.insert(index, parameter.id(), Slot::default());
                self.grouped = false;
            }
            let Some(gradient) = gradients.get(parameter) else { return Ok(()) };
            with_gradient += 1;
            all_harmless &= weight_decay == 0.0 || all_within(&parameter.values(), harmless_weight);
            if all_within(&gradient.values(), harmless) {
                return Ok(());
            }
            all_harmless = false;
            check_finite(path, gradient)
        })?;
        match with_gradient {
            0 => Err(Error::NoGradient { parameters, gradients: gradients.len() }),
            _ => Ok(all_harmless),
        }
    }

    /// Gradients below this make no rule overflow: the square is less than half of the last digit
    /// of the largest number, so that not even a sum that has come close to it grows any more.
    fn harmless(&self) -> E {
        let root = (E::max_value() * E::epsilon()).sqrt();
        root / E::from_f64(4.0 * self.learning_rate.max(1.0))
    }

    /// Updates copies of all parameters, to find out whether what the step would leave is finite.
    fn rehearse(
        &mut self,
        model: &dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        try_each_parameter(model, |index, path, parameter| {
            let Some(gradient) = gradients.get(parameter) else { return Ok(()) };
            let slot = self.slots.get(index, parameter.id()).expect("every parameter has a slot");
            if slot.settings.frozen {
                return Ok(());
            }
            let (mut slot, mut weight) = (slot.clone(), parameter.clone());
            self.update(&mut slot, &mut weight, gradient);
            let names = self.rule_of(&slot).state().iter().copied();
            let mut state = names.zip(&slot.state);
            let overflowing = state.find(|(_, values)| !all_finite(values)).map(|(name, _)| name);
            let kept = match overflowing {
                Some(name) => name,
                None if !all_finite(&weight.values()) => "weights",
                None => return Ok(()),
            };
            Err(Error::Overflow {
                parameter: path.to_string(),
                gradient: largest(&gradient.values()),
                weight: largest(&parameter.values()),
                kept,
                element: std::any::type_name::<E>(),
            })
        })
    }

    /// Finds the groups of each parameter, and checks that its rule can update it.
    fn assign_groups(&mut self, model: &dyn Parameters<E>) -> Result<(), Error> {
        let mut matched = vec![false; self.groups.len()];
        try_each_parameter(model, |index, path, parameter| {
            let name = path.to_string();
            let group_of_rule = self.group_of_rule(&name);
            let slot = self.slots.get(index, parameter.id()).expect("every parameter has a slot");
            slot.group_of_rule = group_of_rule;
            slot.settings = Settings::default();
            for (group, matched) in self.groups.iter().zip(&mut matched) {
                *matched |= group.parameters.apply(&name, &mut slot.settings);
            }
            let slot = self.slots.find(index, parameter.id()).expect("it has just been found");
            if slot.settings.frozen || self.rule_of(slot).accepts(parameter.shape()) {
                return Ok(());
            }
            let shape = parameter.shape().to_vec();
            Err(Error::UnsuitableParameter { parameter: name, shape })
        })?;
        if let Some(unmatched) = matched.iter().position(|&matched| !matched) {
            let pattern = self.groups[unmatched].parameters.pattern().to_owned();
            return Err(Error::EmptyGroup { pattern });
        }
        self.grouped = true;
        Ok(())
    }

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

    /// What has been saved of one parameter.
    fn saved_slot(
        &self,
        saved: &mut SavedState<'_, E>,
        path: Path<'_>,
        shape: &[usize],
    ) -> Result<Slot<E>, Error> {
        let group_of_rule = self.group_of_rule(&path.to_string());
        let mut slot = Slot { group_of_rule, ..Slot::default() };
        if let Some(step) = saved.take_count(&format!("{path}.step"))? {
            let names = self.rule_of(&slot).state().iter();
            let state = names.map(|name| saved.take(&format!("{path}.{name}"), shape));
            (slot.step, slot.state) = (step, state.collect::<Result<_, _>>()?);
        }
        Ok(slot)
    }
}

impl<R: Rule, E: Element> Optimizer<E> for FirstOrder<R, E> {
    fn step(
        &mut self,
        model: &mut dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        self.validate()?;
        let is_harmless = self.check_gradients(model, gradients)?;
        if !self.grouped {
            self.assign_groups(model)?;
        }
        if !is_harmless {
            self.rehearse(model, gradients)?;
        }
        // Taken out, since each is changed by the rest of the optimizer.
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

    fn never_updated(&self, model: &dyn Parameters<E>) -> Vec<String> {
        let mut names = Vec::new();
        each_parameter(model, |index, path, parameter| {
            let slot = self.slots.find(index, parameter.id());
            if slot.is_none_or(|slot| slot.step == 0 && !slot.settings.frozen) {
                names.push(path.to_string());
            }
        });
        names
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
            for (name, values) in self.rule_of(slot).state().iter().zip(&slot.state) {
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
        self.grouped = false;
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
