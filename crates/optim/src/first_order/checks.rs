//! What is checked before a step, so that a step that cannot be made changes no weight.

use downhill_kernels::{all_finite, all_within};
use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};

use super::{FirstOrder, Slot};
use crate::error::{Error, check_in};
use crate::norm::largest;
use crate::rule::Rule;
use crate::visit::{each_parameter, try_each_parameter};

impl<R: Rule, E: Element> FirstOrder<R, E> {
    pub(super) fn validate(&self) -> Result<(), Error> {
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
    #[inline(never)]
    pub(super) fn check_gradients(
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

    /// Checks that some parameter with a gradient is not frozen.
    #[inline(never)]
    pub(super) fn check_not_all_frozen(
        &self,
        model: &dyn Parameters<E>,
        gradients: &Gradients<E>,
    ) -> Result<(), Error> {
        let (mut frozen, mut any_moves) = (0, false);
        each_parameter(model, |index, _, parameter| {
            if gradients.get(parameter).is_some() {
                let slot = self.slots.find(index, parameter.id());
                match slot.is_some_and(|slot| slot.settings.frozen) {
                    true => frozen += 1,
                    false => any_moves = true,
                }
            }
        });
        match any_moves {
            true => Ok(()),
            false => Err(Error::AllFrozen { frozen }),
        }
    }

    /// Gradients below this make no rule overflow: the square is less than half of the last digit
    /// of the largest number, so that not even a sum that has come close to it grows any more.
    pub(super) fn harmless(&self) -> E {
        let root = (E::max_value() * E::epsilon()).sqrt();
        root / E::from_f64(4.0 * self.learning_rate.max(1.0))
    }

    /// Updates copies of all parameters, to find out whether what the step would leave is finite.
    #[inline(never)]
    pub(super) fn rehearse(
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
