//! Averages of the weights over training.

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Parameters, Path, Tensor};

use crate::error::{Error, check};
use crate::slots::Slots;
use crate::state::SavedState;
use crate::visit::{each_parameter, each_parameter_mut, try_each_parameter};

/// An exponential moving average of a model's weights, which often generalises better than the
/// weights themselves (Polyak & Juditsky, "Acceleration of stochastic approximation by averaging",
/// 1992; Tarvainen & Valpola, "Mean teachers are better role models", 2017).
///
/// ```text
/// average ← decay · average + (1 − decay) · weight          (at first: weight)
/// ```
///
/// ```
/// use downhill_optim::ExponentialMovingAverage;
/// use downhill_tensor::Tensor;
///
/// let mut model = [Tensor::parameter(1.0)];
/// let mut average = ExponentialMovingAverage::new(0.75);
/// average.update(&model)?;
/// model[0].update(|values| values[0] = 2.0); // what an optimizer does
/// average.update(&model)?;
///
/// average.swap(&mut model)?; // to evaluate with the average …
/// assert_eq!(model[0].item(), 1.25);
/// average.swap(&mut model)?; // … and to train on
/// assert_eq!(model[0].item(), 2.0);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// It holds named tensors as a model does, under the model's names, and so can be written to a
/// checkpoint like one. Tensors of a model that are not parameters are not averaged.
#[derive(Debug, Clone)]
pub struct ExponentialMovingAverage<E: Element = f32> {
    decay: f64,
    averages: Slots<(String, Tensor<E>)>,
}

impl<E: Element> ExponentialMovingAverage<E> {
    /// An average that keeps the part `decay` of itself at each update, from 0 to 1; 0.999 and
    /// 0.9999 are usual.
    pub fn new(decay: f64) -> Self {
        Self { decay, averages: Slots::default() }
    }

    /// Takes in the weights that `model` has now; to be called after each step. A parameter that
    /// the model did not have before begins its own average.
    ///
    /// # Errors
    ///
    /// [`Error::HyperParameter`] if the decay is not between 0 and 1, and [`Error::NoAverage`] if
    /// the model has no parameters, or none of those that have been averaged. Nothing is changed
    /// then.
    #[inline(never)]
    pub fn update(&mut self, model: &dyn Parameters<E>) -> Result<(), Error> {
        check("decay", self.decay, 0.0..=1.0)?;
        if self.averages.iter().next().is_some() || model.parameter_count() == 0 {
            self.check_is_about(model)?;
        }
        let decay = E::from_f64(self.decay);
        let new = E::from_f64(1.0 - self.decay);
        each_parameter(model, |index, path, parameter| {
            match self.averages.get(index, parameter.id()) {
                Some((_, average)) => average.update(|averages| {
                    let weights = parameter.values();
                    vectorize(|| {
                        for (average, &weight) in averages.iter_mut().zip(&*weights) {
                            *average = decay * *average + new * weight;
                        }
                    });
                }),
                None => {
                    let average = (path.to_string(), parameter.detach());
                    self.averages.insert(index, parameter.id(), average);
                }
            }
        });
        Ok(())
    }

    /// Gives `model` the averages for its weights, and keeps the weights in their place, so that
    /// a second call undoes it. Parameters that have not been averaged stay.
    ///
    /// # Errors
    ///
    /// [`Error::NoAverage`] if no parameter of the model has been averaged: the averages are those
    /// of another model, or there have been none yet.
    #[inline(never)]
    pub fn swap(&mut self, model: &mut dyn Parameters<E>) -> Result<(), Error> {
        self.check_is_about(model)?;
        let mut averaged = 0;
        each_parameter_mut(model, |_, parameter| {
            if let Some((_, average)) = self.averages.get(averaged, parameter.id()) {
                averaged += 1;
                let weights = parameter.detach();
                let averages = std::mem::replace(average, weights);
                parameter.update(|values| values.copy_from_slice(&averages.values()));
            }
        });
        Ok(())
    }

    /// Checks that some parameter of the model has an average.
    fn check_is_about(&self, model: &dyn Parameters<E>) -> Result<(), Error> {
        let (mut parameters, mut averaged) = (0, false);
        each_parameter(model, |index, _, parameter| {
            parameters += 1;
            averaged |= self.averages.find(index, parameter.id()).is_some();
        });
        match averaged {
            true => Ok(()),
            false => Err(Error::NoAverage { parameters, averages: self.averages.iter().count() }),
        }
    }

    /// The averages of the parameters of `model`, by name; none as long as nothing has been
    /// averaged.
    ///
    /// # Errors
    ///
    /// [`Error::NoAverage`] if the averages are those of another model.
    pub fn state(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Tensor<E>)>, Error> {
        if self.averages.iter().next().is_some() {
            self.check_is_about(model)?;
        }
        Ok(self.named())
    }

    /// Takes back the averages of the parameters of `model`, by name: what
    /// [`state`](Self::state) has returned.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if an average is of no parameter of the model, of another shape, or not
    /// finite. Nothing is changed then.
    #[inline(never)]
    pub fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        averages: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        let mut saved = SavedState::new(averages);
        let mut restored = Slots::default();
        let mut averaged = 0;
        try_each_parameter(model, |_, path, parameter| {
            let name = path.to_string();
            if saved.shape(&name).is_none() {
                return Ok(());
            }
            let values = saved.take(&name, parameter.shape())?;
            let average = Tensor::from_shape_vec(parameter.shape(), values);
            let average = average.expect("an average has its parameter's shape");
            restored.insert(averaged, parameter.id(), (name, average));
            averaged += 1;
            Ok(())
        })?;
        saved.finish()?;
        self.averages = restored;
        Ok(())
    }
}

/// Visits the averages under the names of the parameters.
impl<E: Element> Parameters<E> for ExponentialMovingAverage<E> {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<E>)) {
        for (name, average) in self.averages.iter() {
            visitor(path.field(name), average);
        }
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<E>)) {
        for (name, average) in self.averages.iter_mut() {
            visitor(path.field(name), average);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_that_is_restored_goes_on() {
        let mut model = [Tensor::parameter([8.0]), Tensor::from([1.0]), Tensor::parameter([2.0])];
        let mut average = ExponentialMovingAverage::new(0.5);
        average.update(&model).unwrap();
        model[2].update(|values| values[0] = 4.0);
        average.update(&model).unwrap();
        let mut restored = ExponentialMovingAverage::new(0.5);
        restored.restore(&model, &average.state(&model).unwrap()).unwrap();
        for average in [&mut average, &mut restored] {
            average.update(&model).unwrap();
            let values: Vec<f64> =
                average.named().iter().map(|(_, tensor)| tensor.item()).collect();
            assert_eq!(values, [8.0, 3.5]);
        }
        let other = [("1".to_owned(), Tensor::from([1.0, 2.0]))];
        let error = restored.restore(&model, &other).unwrap_err().to_string();
        assert!(error.contains("`1`") || error.contains('1'), "{error}");
        assert_eq!(restored.named().len(), 2);
    }

    #[test]
    fn the_average_follows_the_formula() {
        let mut model = [Tensor::parameter([8.0, 0.0])];
        let mut average = ExponentialMovingAverage::new(0.5);
        let mut expected = [8.0, 0.0];
        for step in 0..4 {
            average.update(&model).unwrap();
            assert_eq!(average.named()[0].1.to_vec(), expected);
            model[0].update(|values| values[1] += 4.0);
            expected = [8.0, (expected[1] + 4.0 * f64::from(step + 1)) / 2.0];
        }
    }

    #[test]
    fn it_has_the_names_of_the_parameters_and_leaves_the_rest_alone() {
        let mut model =
            vec![Tensor::parameter([1.0]), Tensor::from([2.0]), Tensor::parameter([3.0])];
        let mut average = ExponentialMovingAverage::new(0.0);
        average.update(&model).unwrap();
        let names: Vec<String> = average.named().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["0", "2"]);
        model.insert(0, Tensor::parameter([7.0]));
        for tensor in &mut model {
            tensor.update(|values| values[0] += 10.0);
        }
        average.swap(&mut model).unwrap();
        let values: Vec<f64> = model.iter().map(Tensor::item).collect();
        assert_eq!(values, [17.0, 1.0, 12.0, 3.0]);
    }

    #[test]
    fn swapping_twice_changes_nothing() {
        let mut model = [Tensor::parameter([1.0, 2.0])];
        let identity = model[0].id();
        let mut average = ExponentialMovingAverage::new(0.9);
        average.update(&model).unwrap();
        model[0].update(|values| values.copy_from_slice(&[5.0, 6.0]));
        average.swap(&mut model).unwrap();
        assert_eq!(model[0].to_vec(), [1.0, 2.0]);
        average.swap(&mut model).unwrap();
        assert_eq!(model[0].to_vec(), [5.0, 6.0]);
        assert_eq!(average.named()[0].1.to_vec(), [1.0, 2.0]);
        assert_eq!(model[0].id(), identity);
    }

    #[test]
    fn averages_of_another_model_are_refused_by_name_of_the_cause() {
        let model = [Tensor::parameter([1.0])];
        let mut other = [Tensor::parameter([1.0])];
        let mut average = ExponentialMovingAverage::new(0.5);
        let none = "no parameter of the model has been averaged: ";
        let refused = |outcome: Result<(), Error>, cause: &str| {
            assert_eq!(outcome.unwrap_err().to_string(), format!("{none}{cause}"));
        };
        refused(average.swap(&mut other), "there are no averages yet; is `update` called?");
        let constants = [Tensor::from([1.0])];
        let no_parameters = "it has no parameters; are its tensors made with `Tensor::parameter`, \
                             and named in `parameters!`?";
        refused(average.update(&constants), no_parameters);
        average.update(&model).unwrap();
        let another = "the averages, 1 in number, are those of another model";
        refused(average.swap(&mut other), another);
        refused(average.update(&other), another);
        assert_eq!(other[0].item(), 1.0);
        assert_eq!(average.named().len(), 1);
        // A copy has the same parameters.
        average.swap(&mut model.clone()).unwrap();
    }

    #[test]
    fn the_decay_is_validated() {
        let model = [Tensor::parameter([1.0])];
        let error = ExponentialMovingAverage::new(1.5).update(&model).unwrap_err();
        assert_eq!(error.to_string(), "decay is 1.5; it must be at least 0 and at most 1");
    }
}
