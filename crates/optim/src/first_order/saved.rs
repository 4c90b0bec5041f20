//! What is remembered from step to step, by name.

use downhill_tensor::{Element, Parameters, Path, Tensor};

use super::{FirstOrder, Slot};
use crate::error::Error;
use crate::rule::Rule;
use crate::slots::Slots;
use crate::state::{SavedState, count};
use crate::visit::{each_parameter, try_each_parameter};

impl<R: Rule, E: Element> FirstOrder<R, E> {
    /// The names of the parameters that no step has updated.
    #[inline(never)]
    pub(super) fn untouched(&self, model: &dyn Parameters<E>) -> Vec<String> {
        let mut names = Vec::new();
        each_parameter(model, |index, path, parameter| {
            let slot = self.slots.find(index, parameter.id());
            if slot.is_none_or(|slot| slot.step == 0 && !slot.settings.frozen) {
                names.push(path.to_string());
            }
        });
        names
    }

    /// What is remembered of each parameter, by name.
    #[inline(never)]
    pub(super) fn saved(
        &self,
        model: &dyn Parameters<E>,
    ) -> Result<Vec<(String, Tensor<E>)>, Error> {
        let mut saved = Vec::new();
        each_parameter(model, |index, path, parameter| {
            let slot = self.slots.find(index, parameter.id());
            let Some(slot) = slot.filter(|slot| slot.step > 0) else { return };
            for (name, values) in self.rule_of(slot).state().iter().zip(&slot.state) {
                let values = Tensor::from_shape_vec(parameter.shape(), values.clone())
                    .expect("state has the parameter's shape");
                saved.push((format!("{path}.{name}"), values));
            }
            saved.push((format!("{path}.step"), count(slot.step)));
        });
        let updated = self.slots.iter().filter(|slot| slot.step > 0).count();
        match saved.is_empty() && updated > 0 {
            true => Err(Error::OtherModel { remembered: updated }),
            false => Ok(saved),
        }
    }

    /// What has been saved of all parameters.
    #[inline(never)]
    pub(super) fn restored(
        &self,
        model: &dyn Parameters<E>,
        state: &[(String, Tensor<E>)],
    ) -> Result<Slots<Slot<E>>, Error> {
        let mut saved = SavedState::new(state);
        let mut slots = Slots::default();
        try_each_parameter(model, |index, path, parameter| {
            let slot = self.saved_slot(&mut saved, path, parameter.shape())?;
            slots.insert(index, parameter.id(), slot);
            Ok(())
        })?;
        saved.finish()?;
        Ok(slots)
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
