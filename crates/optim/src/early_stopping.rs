//! An end to training when there is no more progress.

use downhill_tensor::{Element, Parameters, Path, Tensor};

use crate::error::{Error, check};
use crate::improvement::{Improvement, Threshold};
use crate::state::SavedState;

/// Says when a metric, usually the validation loss, has stopped improving, and keeps the model as
/// it was at the best (Prechelt, "Early stopping — but when?", 1998). It counts as Keras does.
///
/// ```
/// use downhill_optim::EarlyStopping;
/// use downhill_tensor::Tensor;
///
/// let mut model = [Tensor::parameter(0.0_f64)];
/// let mut early_stopping = EarlyStopping::new(2);
/// for (epoch, loss) in [0.9, 0.5, 0.6, 0.7, 0.4].into_iter().enumerate() {
///     model[0].update(|weight| weight[0] = epoch as f64); // what training does
///     if early_stopping.should_stop(loss, &model)? {
///         break;
///     }
/// }
/// early_stopping.restore_best(&mut model)?;
/// assert_eq!(model[0].item(), 1.0);
/// assert_eq!((early_stopping.best_epoch(), early_stopping.best()), (Some(1), Some(0.5)));
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// What it keeps are handles of the model's tensors, running averages among them: no value is
/// copied before the next step changes the model's own.
#[derive(Debug, Clone)]
pub struct EarlyStopping<E: Element = f32> {
    patience: u64,
    state: EarlyStoppingState,
    best_model: Vec<(String, Tensor<E>)>,
}

/// What an [`EarlyStopping`] has observed so far, besides the best model.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EarlyStoppingState {
    improvement: Improvement,
    epochs: u64,
    best_epoch: Option<u64>,
}

impl<E: Element> EarlyStopping<E> {
    /// Stops after `patience` epochs without improvement, at least 1, of a metric that should be
    /// small. Any value below the best is an improvement.
    pub fn new(patience: u64) -> Self {
        Self {
            patience,
            state: EarlyStoppingState {
                improvement: Improvement::new(Threshold::Absolute(0.0)),
                epochs: 0,
                best_epoch: None,
            },
            best_model: Vec::new(),
        }
    }

    /// For a metric that should be large, such as accuracy.
    pub fn maximize(mut self) -> Self {
        self.state.improvement.maximize = true;
        self
    }

    /// What counts as an improvement.
    pub fn threshold(mut self, threshold: Threshold) -> Self {
        self.state.improvement.threshold = threshold;
        self
    }

    /// Takes note of an epoch's metric, and of the model if it is the best so far. Returns whether
    /// patience has run out. NaN is no improvement.
    ///
    /// # Errors
    ///
    /// [`Error::HyperParameter`] if an option is outside its range.
    pub fn should_stop(
        &mut self,
        metric: f64,
        model: &(impl Parameters<E> + ?Sized),
    ) -> Result<bool, Error> {
        check("patience", self.patience as f64, 1.0..)?;
        let state = &mut self.state;
        state.improvement.validate()?;
        if state.improvement.observe(metric) {
            state.best_epoch = Some(state.epochs);
            self.best_model = model.named();
        }
        state.epochs += 1;
        Ok(state.improvement.bad >= self.patience)
    }

    /// The best metric, unless there has been none but NaN.
    pub fn best(&self) -> Option<f64> {
        self.state.improvement.best
    }

    /// The epoch of the best metric, counted from 0.
    pub fn best_epoch(&self) -> Option<u64> {
        self.state.best_epoch
    }

    /// Gives the model the values that it had at the best metric.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if there has been no best yet, or the model is of other tensors. It is
    /// then as it was.
    pub fn restore_best(&self, model: &mut (impl Parameters<E> + ?Sized)) -> Result<(), Error> {
        let refuse = |name: &str, problem: &str| {
            Err(Error::State { name: name.to_owned(), problem: problem.to_owned() })
        };
        let present = model.named();
        if self.state.best_epoch.is_none() {
            return refuse("best", "is missing: no metric but NaN has been observed");
        }
        if present.len() != self.best_model.len() {
            return refuse("best", "is that of a model of more or fewer tensors");
        }
        for ((name, best), (present_name, present)) in self.best_model.iter().zip(&present) {
            if name != present_name || best.shape() != present.shape() {
                return refuse(name, "is not what the model has in its place");
            }
        }
        let mut best = self.best_model.iter();
        model.visit_mut(Path::ROOT, &mut |_, tensor| {
            let (_, best) = best.next().expect("visit and visit_mut yield the same tensors");
            tensor.update(|values| values.copy_from_slice(&best.values()));
        });
        Ok(())
    }

    /// All that it goes on from: what it has observed, and the best model by the names of its
    /// tensors. To be saved, and given back by [`restore`](Self::restore).
    pub fn state(&self) -> (&EarlyStoppingState, &[(String, Tensor<E>)]) {
        (&self.state, &self.best_model)
    }

    /// Takes back what [`state`](Self::state) returned, so that the observation of `model` goes on
    /// as it would have.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if it observed by another threshold, or a metric that should be large
    /// rather than small; if the best model has other tensors than `model`, or a value that is not
    /// finite. Nothing is changed then.
    pub fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        state: EarlyStoppingState,
        best_model: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        let options = |state: &EarlyStoppingState| {
            let Improvement { maximize, threshold, .. } = state.improvement;
            (maximize, threshold)
        };
        let (saved, own) = (options(&state), options(&self.state));
        if saved != own {
            let told = |(maximize, threshold): (bool, Threshold)| {
                format!("{} by {threshold:?}", if maximize { "maximizes" } else { "minimizes" })
            };
            let problem = format!("{}, and this one {}", told(saved), told(own));
            return Err(Error::State { name: "observed".to_owned(), problem });
        }
        let mut saved = SavedState::new(best_model);
        let mut best_model = Vec::new();
        if state.best_epoch.is_some() {
            for (name, tensor) in model.named() {
                let values = saved.take(&name, tensor.shape())?;
                let tensor = Tensor::from_shape_vec(tensor.shape(), values);
                best_model.push((name, tensor.expect("the shape was checked")));
            }
        }
        saved.finish()?;
        (self.state, self.best_model) = (state, best_model);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops_at(mut stopping: EarlyStopping<f64>, metrics: &[f64]) -> Option<usize> {
        let model = [Tensor::parameter(0.0)];
        metrics.iter().position(|&metric| stopping.should_stop(metric, &model).unwrap())
    }

    #[test]
    fn it_stops_after_as_many_epochs_without_improvement_as_it_has_patience() {
        assert_eq!(stops_at(EarlyStopping::new(1), &[1.0, 0.9, 0.9, 0.1]), Some(2));
        assert_eq!(stops_at(EarlyStopping::new(2), &[1.0, 0.9, 0.9, 0.1, 0.2, 0.2]), Some(5));
        assert_eq!(stops_at(EarlyStopping::new(2).maximize(), &[0.5, 0.6, 0.5, 0.55]), Some(3));
        assert_eq!(stops_at(EarlyStopping::new(2), &[f64::NAN, f64::NAN]), Some(1));
        assert_eq!(stops_at(EarlyStopping::new(2), &[-1.0, -2.0, -3.0, -2.5]), None);
        let at_least_a_tenth = EarlyStopping::new(1).threshold(Threshold::Relative(0.1));
        assert_eq!(stops_at(at_least_a_tenth, &[-1.0, -1.2, -1.25]), Some(2));
    }

    #[test]
    fn the_best_model_comes_back_with_what_is_not_trained() {
        let mut model = [Tensor::parameter([1.0, 2.0]), Tensor::from([3.0])];
        let identity = model[0].id();
        let mut stopping = EarlyStopping::<f64>::new(3);
        stopping.should_stop(0.5, &model).unwrap();
        for tensor in &mut model {
            tensor.update(|values| values.fill(9.0));
        }
        stopping.should_stop(0.6, &model).unwrap();
        stopping.restore_best(&mut model).unwrap();
        assert_eq!(model[0].to_vec(), [1.0, 2.0]);
        assert_eq!(model[1].to_vec(), [3.0]);
        assert_eq!(model[0].id(), identity);
    }

    #[test]
    fn a_model_of_other_tensors_is_refused() {
        let mut stopping = EarlyStopping::<f64>::new(1);
        let mut model = [Tensor::parameter([1.0])];
        let error = stopping.restore_best(&mut model).unwrap_err().to_string();
        assert!(error.ends_with("no metric but NaN has been observed"), "{error}");
        stopping.should_stop(1.0, &model).unwrap();
        let error = stopping.restore_best(&mut [Tensor::parameter([1.0, 2.0])]).unwrap_err();
        assert_eq!(error.to_string(), "the saved state `0` is not what the model has in its place");
        let error = EarlyStopping::<f64>::new(0).should_stop(1.0, &model).unwrap_err();
        assert_eq!(error.to_string(), "patience is 0; it must be at least 1 and finite");
    }
}
