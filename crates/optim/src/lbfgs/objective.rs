//! The loss as a function of all weights in one vector.

use std::marker::PhantomData;

use downhill_kernels::{all_finite, dot};
use downhill_tensor::{Element, Gradients, Parameters, Tensor};

use super::line_search::Trial;
use crate::error::{BoxError, Error};
use crate::first_order::check_finite;
use crate::visit::{each_parameter, each_parameter_mut, try_each_parameter};

/// A model, and the closure that computes its loss.
pub(super) struct Objective<'a, M: ?Sized, F, E> {
    model: &'a mut M,
    closure: F,
    pub(super) evaluations: usize,
    element: PhantomData<E>,
}

impl<'a, M, F, E> Objective<'a, M, F, E>
where
    E: Element,
    M: Parameters<E> + ?Sized,
    F: FnMut(&M) -> Result<(Tensor<E>, Gradients<E>), BoxError>,
{
    pub(super) fn new(model: &'a mut M, closure: F) -> Self {
        Self { model, closure, evaluations: 0, element: PhantomData }
    }

    pub(super) fn weights(&self) -> Vec<E> {
        let mut weights = Vec::new();
        each_parameter(self.model, |_, _, parameter| {
            weights.extend_from_slice(&parameter.values());
        });
        weights
    }

    /// Sets the weights to base + length · direction.
    pub(super) fn set_weights(&mut self, base: &[E], direction: &[E], length: f64) {
        let factor = E::from_f64(length);
        let mut moved = base.iter().zip(direction).map(|(&base, &step)| match length {
            // Even if the direction is infinite.
            0.0 => base,
            _ => base + factor * step,
        });
        each_parameter_mut(self.model, |_, parameter| {
            parameter.update(|values| {
                values.iter_mut().zip(&mut moved).for_each(|(value, moved)| *value = moved);
            });
        });
    }

    /// Loss and gradients; 0 for a parameter that has none.
    fn evaluate(&mut self) -> Result<(f64, Vec<E>, Gradients<E>), Error> {
        self.evaluations += 1;
        let (loss, gradients) = (self.closure)(self.model).map_err(Error::Closure)?;
        let mut gradient = Vec::new();
        each_parameter(self.model, |_, _, parameter| match gradients.get(parameter) {
            Some(part) => gradient.extend_from_slice(&part.values()),
            None => gradient.resize(gradient.len() + parameter.len(), E::zero()),
        });
        Ok((loss.item().as_f64(), gradient, gradients))
    }

    /// Loss and gradient at the weights that the model has, which must be finite.
    pub(super) fn evaluate_start(&mut self) -> Result<(f64, Vec<E>), Error> {
        let (loss, gradient, gradients) = self.evaluate()?;
        let (mut parameters, mut with_gradient) = (0, 0);
        each_parameter(self.model, |_, _, parameter| {
            parameters += 1;
            with_gradient += usize::from(gradients.get(parameter).is_some());
        });
        if with_gradient == 0 {
            return Err(Error::NoGradient { parameters, gradients: gradients.len() });
        }
        if !loss.is_finite() {
            return Err(Error::NonFiniteLoss { value: loss });
        }
        try_each_parameter(self.model, |_, path, parameter| {
            gradients.get(parameter).map_or(Ok(()), |gradient| check_finite(path, gradient))
        })?;
        Ok((loss, gradient))
    }

    pub(super) fn evaluate_at(
        &mut self,
        base: &[E],
        direction: &[E],
        length: f64,
    ) -> Result<Trial<E>, Error> {
        self.set_weights(base, direction, length);
        let (loss, gradient, _) = self.evaluate()?;
        let is_finite = loss.is_finite() && all_finite(&gradient) && all_finite(&self.weights());
        let loss = if is_finite { loss } else { f64::INFINITY };
        let slope = dot(&gradient, direction);
        Ok(Trial { length, loss, gradient, slope })
    }
}

/// The identities of the parameters, in the order in which their values are laid out.
pub(super) fn parameters<E: Element, M: Parameters<E> + ?Sized>(model: &M) -> Vec<u64> {
    let mut parameters = Vec::new();
    each_parameter(model, |_, _, parameter| parameters.push(parameter.id()));
    parameters
}
