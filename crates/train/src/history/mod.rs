//! What happened during training.

mod histogram;
mod layers;
mod memory;
mod start;
mod thinned;
mod write;

use downhill_tensor::{Element, Gradients, Parameters, Path, Tensor};

pub use histogram::Histogram;
use layers::Layers;
pub use layers::{LayerHistograms, LayerMeasurement};
use serde::{Deserialize, Serialize};
pub(crate) use start::Start;
use thinned::Thinned;

/// A record of a training loop, made in two lines of it: one after each step, one after each
/// epoch.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::History;
///
/// let (input, target) = (Tensor::from([0.0, 1.0, 2.0]), Tensor::from([0.5, 2.0, 3.5]));
/// let mut slope = Tensor::parameter(1.0);
///
/// let mut history = History::new(&slope);
/// for _epoch in 0..30 {
///     let loss = (&slope * &input - &target).square().mean();
///     let gradients = loss.backward();
///     let gradient = gradients.get(&slope).expect("the loss depends on the slope").item();
///     slope.update(|values| values[0] -= 0.2 * gradient);
///     history.step(&slope, &gradients, &loss, 0.2);
///     history.epoch(&[("training loss", loss.item())]);
/// }
/// assert_eq!(history.losses().len(), 30);
/// assert!(history.losses()[29] < history.losses()[0]);
///
/// let mut table = Vec::new();
/// history.write_epochs(&mut table)?;
/// assert!(table.starts_with(b"epoch,step,training loss\n1,1,1.1666"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The loss and the learning rate of every step are kept (16 bytes), and the metrics of every
/// epoch. What costs more is done at evenly spaced steps only: the
/// [measurements](LayerMeasurement) of each layer at every [eighth](Self::every) step, the
/// [histograms](LayerHistograms) at every 32nd. So the record costs a few hundredths of the time
/// that training takes. Whenever there are more than 128 of either, every other one is dropped and
/// the spacing doubles: those that are left lie all over the run, the first at its first step and
/// the last not farther from its end than a 64th of it. Nothing is drawn at random, so the same run
/// leaves the same record.
#[derive(Debug, Clone)]
pub struct History<E: Element = f32> {
    /// `None` if nothing is to be recorded.
    layers: Option<Layers>,
    losses: Vec<f64>,
    learning_rates: Vec<f64>,
    epochs: Vec<Epoch>,
    measurements: Thinned<Vec<LayerMeasurement>>,
    histograms: Thinned<Vec<LayerHistograms>>,
    /// The parameters before the coming step, if that one is to be measured.
    before: Vec<Tensor<E>>,
    /// What the loss measures.
    loss_name: String,
    /// The first step's logits, if there are some.
    start: Option<Start>,
    /// Whether each parameter has got a gradient in a measured step.
    reached: Vec<bool>,
    /// For each layer and each of its units, the last step with a histogram in which it passed on
    /// anything but 0; without units where a layer passes on negative numbers, too.
    last_alive: Vec<Vec<Option<usize>>>,
}

/// What was reported after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// The number of steps made until then.
    pub steps: usize,
    /// The metrics' names and values.
    pub metrics: Vec<(String, f64)>,
}

impl<E: Element> History<E> {
    /// A record of the training of `model`, to be made before the first step. The parameters are
    /// grouped by what holds them: `layers.0.weight` and `layers.0.bias` make up the layer
    /// `layers.0`.
    #[inline(never)]
    pub fn new(model: &(impl Parameters<E> + ?Sized)) -> Self {
        let before = parameters(model);
        let reached = vec![false; before.len()];
        let layers = Layers::of(model);
        let last_alive = vec![Vec::new(); layers.names.len()];
        Self { layers: Some(layers), before, reached, last_alive, ..Self::disabled() }
    }

    /// With a name for what the loss measures, such as `squared error`, or `loss (nats)`: only runs
    /// whose losses are named alike are drawn over one axis. It is `loss` otherwise.
    #[must_use]
    pub fn loss_named(self, name: impl Into<String>) -> Self {
        Self { loss_name: name.into(), ..self }
    }

    /// With measurements at every `steps`th step at first, and histograms at every fourth of those:
    /// 1 suits a run of few steps.
    ///
    /// # Panics
    ///
    /// If `steps` is 0.
    #[must_use]
    #[track_caller]
    pub fn every(self, steps: usize) -> Self {
        assert!(steps > 0, "History::every: 0 steps");
        let (measurements, histograms) =
            (Thinned::new(steps), Thinned::new(steps.saturating_mul(4)));
        Self { measurements, histograms, ..self }
    }

    /// A record of nothing, for a loop that is to run without one.
    pub fn disabled() -> Self {
        Self {
            layers: None,
            losses: Vec::new(),
            learning_rates: Vec::new(),
            epochs: Vec::new(),
            measurements: Thinned::new(8),
            histograms: Thinned::new(32),
            before: Vec::new(),
            loss_name: "loss".into(),
            start: None,
            reached: Vec::new(),
            last_alive: Vec::new(),
        }
    }

    /// Records a step that has just been made: `model` after it, the `gradients` it followed, the
    /// `loss` they are of, and the learning rate.
    ///
    /// # Panics
    ///
    /// If `loss` holds more or less than one value, or `model` has not the parameters that it had
    /// at the beginning.
    #[inline(never)]
    #[track_caller]
    pub fn step(
        &mut self,
        model: &(impl Parameters<E> + ?Sized),
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
        learning_rate: f64,
    ) {
        let step = self.losses.len();
        if self.measurements.wants(step) && self.layers.is_some() {
            self.measure(model, gradients, loss, self.histograms.wants(step));
        }
        self.note(loss, learning_rate);
        // A handle makes the optimizer's step copy the values, so none is held without need.
        self.before.clear();
        if self.measurements.wants(step + 1) && self.layers.is_some() {
            self.before = parameters(model);
        }
    }

    /// Records a step that cannot be made, as its loss or a gradient is not finite: the last of a run
    /// that [diverged](crate::Ailment::NotFinite). It is measured in any case.
    ///
    /// # Panics
    ///
    /// As [`step`](Self::step).
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    /// use downhill_train::{Ailment, History};
    ///
    /// let weight = Tensor::parameter(-1.0);
    /// let mut history = History::new(&weight);
    /// let loss = weight.ln();
    /// history.diverged(&weight, &loss.backward(), &loss, 0.1);
    /// assert_eq!(history.findings()[0].ailment, Ailment::NotFinite);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn diverged(
        &mut self,
        model: &(impl Parameters<E> + ?Sized),
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
        learning_rate: f64,
    ) {
        if self.layers.is_some() {
            if self.before.is_empty() {
                self.before = parameters(model);
            }
            self.measure(model, gradients, loss, true);
        }
        self.note(loss, learning_rate);
    }

    #[track_caller]
    fn note(&mut self, loss: &Tensor<E>, learning_rate: f64) {
        if self.layers.is_some() {
            self.losses.push(loss.item().as_f64());
            self.learning_rates.push(learning_rate);
        }
    }

    /// Measures the step from the parameters `before` to those of `model`.
    #[track_caller]
    fn measure(
        &mut self,
        model: &(impl Parameters<E> + ?Sized),
        gradients: &Gradients<E>,
        loss: &Tensor<E>,
        with_histograms: bool,
    ) {
        let Some(layers) = &self.layers else { return };
        let step = self.losses.len();
        let after = parameters(model);
        let ids = |tensors: &[Tensor<E>]| tensors.iter().map(Tensor::id).collect::<Vec<_>>();
        assert!(
            ids(&after) == ids(&self.before) && after.len() == layers.parameters.len(),
            "History: the model has other parameters than at the beginning"
        );
        let measured = layers.measure(&self.before, &after, gradients);
        self.measurements.push(step, measured);
        for (reached, parameter) in self.reached.iter_mut().zip(&self.before) {
            *reached = *reached || gradients.get(parameter).is_some();
        }
        if step == 0 {
            self.start = Start::of(loss);
        }
        if with_histograms {
            let (histograms, alive) = layers.histograms(&self.before, gradients, loss);
            self.histograms.push(step, histograms);
            for (last_alive, alive) in self.last_alive.iter_mut().zip(alive) {
                let alive = alive.unwrap_or_default();
                last_alive.resize(alive.len(), None);
                for (last, alive) in last_alive.iter_mut().zip(alive) {
                    *last = if alive { Some(step) } else { *last };
                }
            }
        }
    }

    /// Records the metrics of an epoch that has just ended. Those whose names differ only in a
    /// leading `training`, `validation` or `test` (`training loss`, `validation loss`) are drawn
    /// into one picture.
    pub fn epoch(&mut self, metrics: &[(&str, f64)]) {
        if self.layers.is_some() {
            let metrics = metrics.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
            self.epochs.push(Epoch { steps: self.losses.len(), metrics });
        }
    }

    /// The loss of each step.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The learning rate of each step.
    pub fn learning_rates(&self) -> &[f64] {
        &self.learning_rates
    }

    /// The first step, counted from 0, whose loss or measured gradient is not finite.
    pub fn diverged_at(&self) -> Option<usize> {
        let loss = self.losses.iter().position(|loss| !loss.is_finite());
        let lost =
            |layer: &LayerMeasurement| layer.gradient_norm.is_some_and(|norm| !norm.is_finite());
        let mut measured = self.measurements().iter();
        let gradient = measured.find(|(_, layers)| layers.iter().any(lost)).map(|(step, _)| *step);
        loss.into_iter().chain(gradient).min()
    }

    /// What was reported after each epoch.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The names of all metrics, in the order in which they came.
    pub fn metric_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|epoch| &epoch.metrics) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The layers' names, in the order of the layers in what follows.
    pub fn layer_names(&self) -> &[String] {
        self.layers.as_ref().map_or(&[], |layers| &layers.names)
    }

    /// What the loss measures: `loss`, or what it was [named](Self::loss_named).
    pub fn loss_name(&self) -> &str {
        &self.loss_name
    }

    /// The parameters that have got no gradient in any measured step, by their paths.
    pub fn without_gradient_names(&self) -> Vec<&str> {
        let names = self.layers.iter().flat_map(|layers| &layers.parameters);
        let without = names.zip(&self.reached).filter(|(_, reached)| !**reached);
        without.map(|(name, _)| name.as_str()).collect()
    }

    pub(crate) fn start(&self) -> Option<Start> {
        self.start
    }

    /// The number of weights in each layer.
    pub(crate) fn layer_sizes(&self) -> &[usize] {
        self.layers.as_ref().map_or(&[], |layers| &layers.sizes)
    }

    pub(crate) fn last_alive(&self) -> &[Vec<Option<usize>>] {
        &self.last_alive
    }

    /// The steps at which the layers were measured, counted from 0, and the measurements.
    pub fn measurements(&self) -> &[(usize, Vec<LayerMeasurement>)] {
        self.measurements.entries()
    }

    /// The steps with histograms, counted from 0, and the layers' histograms.
    pub fn histograms(&self) -> &[(usize, Vec<LayerHistograms>)] {
        self.histograms.entries()
    }
}

impl Epoch {
    /// The value of the metric `name`, if it was reported.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(other, _)| other == name).map(|&(_, value)| value)
    }
}

#[inline(never)]
fn parameters<E: Element>(model: &(impl Parameters<E> + ?Sized)) -> Vec<Tensor<E>> {
    let mut parameters = Vec::new();
    model.visit(Path::ROOT, &mut |_, tensor| {
        if tensor.is_parameter() {
            parameters.push(tensor.clone());
        }
    });
    parameters
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record of the descent of w² from w = 1 with learning rate 0.25, where each step halves
    /// w.
    pub(crate) fn descent(steps: usize) -> History<f64> {
        let mut weight = Tensor::parameter([1.0]);
        let mut history = History::new(&weight).every(1);
        for step in 0..steps {
            let loss = weight.square().sum();
            let gradients = loss.backward();
            let gradient = gradients.get(&weight).unwrap().item();
            weight.update(|values| values[0] -= 0.25 * gradient);
            history.step(&weight, &gradients, &loss, 0.25);
            if step % 2 == 1 {
                history.epoch(&[("training loss", loss.item()), ("weight, \"w\"", weight.item())]);
            }
        }
        history
    }

    #[test]
    fn each_step_is_measured_at_the_weights_before_it() {
        let history = descent(3);
        assert_eq!(history.losses(), [1.0, 0.25, 0.0625]);
        assert_eq!(history.learning_rates(), [0.25; 3]);
        let measured: Vec<_> = history
            .measurements()
            .iter()
            .map(|(step, layers)| (*step, layers[0].gradient_norm, layers[0].update_ratio))
            .collect();
        let expected = [2.0, 1.0, 0.5].into_iter().enumerate();
        assert_eq!(
            measured,
            expected.map(|(step, g)| (step, Some(g), Some(0.5))).collect::<Vec<_>>()
        );
        let [(0, layers)] = history.histograms() else { panic!("one histogram, of step 0") };
        assert_eq!(layers[0].weights.as_ref().unwrap().max(), 1.0);
        assert_eq!(layers[0].gradients.as_ref().unwrap().max(), 2.0);
        assert_eq!(layers[0].activations.as_ref().unwrap().max(), 1.0);
    }

    #[test]
    fn a_long_run_is_measured_at_evenly_spaced_steps() {
        let history = descent(1000);
        assert_eq!(history.losses().len(), 1000);
        let steps: Vec<usize> = history.measurements().iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, (0..1000).step_by(8).collect::<Vec<_>>());
        let steps: Vec<usize> = history.histograms().iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, (0..1000).step_by(8).collect::<Vec<_>>());
        // Long after the first steps, the ratio is still that of one step.
        assert_eq!(history.measurements()[60].1[0].update_ratio, Some(0.5));
    }

    #[test]
    fn metrics_are_kept_with_the_steps_made_until_then() {
        let history = descent(4);
        let epochs = history.epochs();
        assert_eq!((epochs[0].steps, epochs[1].steps), (2, 4));
        assert_eq!(epochs[1].metric("training loss"), Some(1.0 / 64.0));
        assert_eq!(epochs[1].metric("accuracy"), None);
        assert_eq!(history.metric_names(), ["training loss", "weight, \"w\""]);
    }

    #[test]
    fn a_disabled_record_stays_empty() {
        let weight = Tensor::parameter(1.0_f32);
        let loss = weight.square();
        let mut history = History::disabled();
        history.step(&weight, &loss.backward(), &loss, 0.1);
        history.epoch(&[("loss", 1.0)]);
        assert!(history.losses().is_empty() && history.epochs().is_empty());
        assert!(history.measurements().is_empty() && history.layer_names().is_empty());
    }

    #[test]
    #[should_panic(expected = "the model has other parameters than at the beginning")]
    fn another_model_is_refused() {
        let (weight, other) = (Tensor::parameter(1.0_f32), Tensor::parameter(1.0));
        let loss = other.square();
        History::new(&weight).step(&other, &loss.backward(), &loss, 0.1);
    }

    #[test]
    fn nothing_is_held_of_parameters_that_need_not_be_measured() {
        let mut weight = Tensor::parameter(vec![1.0_f64; 4]);
        let mut history = History::new(&weight);
        for step in 0..200 {
            let address = weight.array().as_ptr();
            let gradients = weight.square().sum().backward();
            weight.update(|values| values[0] -= 0.01);
            let in_place = weight.array().as_ptr() == address;
            assert_eq!(in_place, !history.measurements.wants(step), "step {step}");
            history.step(&weight, &gradients, &Tensor::scalar(0.0), 0.01);
        }
    }
}
