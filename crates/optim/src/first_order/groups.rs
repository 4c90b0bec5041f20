//! Parameters with settings or options of their own.

use downhill_tensor::{Element, Parameters};

use super::{FirstOrder, Slot};
use crate::error::Error;
use crate::group::{ParameterGroup, Settings};
use crate::rule::Rule;
use crate::visit::try_each_parameter;

/// A group, and the rule that it follows in place of the optimizer's.
#[derive(Debug, Clone)]
pub(super) struct Group<R> {
    pub(super) parameters: ParameterGroup,
    pub(super) rule: Option<R>,
}

impl<R, E: Element> FirstOrder<R, E> {
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
    pub(super) fn group_of_rule(&self, name: &str) -> Option<usize> {
        self.groups.iter().rposition(|group| group.rule.is_some() && group.parameters.holds(name))
    }

    pub(super) fn rule_of(&self, slot: &Slot<E>) -> &R {
        let own = slot.group_of_rule.and_then(|index| self.groups[index].rule.as_ref());
        own.unwrap_or(&self.rule)
    }
}

impl<R: Rule, E: Element> FirstOrder<R, E> {
    /// Finds the groups of each parameter, and checks that its rule can update it.
    #[inline(never)]
    pub(super) fn assign_groups(&mut self, model: &dyn Parameters<E>) -> Result<(), Error> {
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
}
