//! A run: training step by step, and the way back to every step.
//!
//! A step depends on nothing but the state before it, so that a run can be repeated exactly. The
//! run keeps some of its states, evenly spaced; any other is reached from the one before by making
//! the steps between once more.

use std::sync::Arc;

use downhill_tensor::{Gradients, Parameters, Tensor, without_recording};
use rand::rngs::Xoshiro256PlusPlus;

use crate::data::{Answers, Batch, Data};
use crate::error::Error;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::setting::Setting;

/// The most states that are kept, and the most bytes they may take.
const MOST_MOMENTS: usize = 512;
const MOST_BYTES: usize = 48 << 20;
/// How many multiplications are made for the record of a step before only some steps have one.
const MOST_FOR_A_RECORD: usize = 2_000_000;

/// What decides the steps from some step on.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) setting: Setting,
    pub(crate) data: Arc<Data>,
    pub(crate) loss: Loss,
}

impl Plan {
    pub(crate) fn new(setting: Setting, data: Arc<Data>) -> Result<Self, Error> {
        let loss = Loss::new(&setting.loss, &data)?;
        Ok(Self { setting, data, loss })
    }
}

/// All that the next step depends on.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// How many steps have been made.
    pub(crate) step: u64,
    pub(crate) network: Network,
    pub(crate) optimizer: Optimizer,
    pub(crate) plan: Arc<Plan>,
    rng: Xoshiro256PlusPlus,
    /// The generator as it was before the present epoch was drawn; none before the first.
    epoch_rng: Option<Xoshiro256PlusPlus>,
    /// The batches of the present epoch, unless they have to be drawn again.
    batches: Option<Arc<Vec<Batch>>>,
    /// How many of them have been trained on.
    position: usize,
}

/// What a step was made of.
#[derive(Debug)]
pub(crate) struct Step {
    /// How many points it looked at.
    pub(crate) points: usize,
    /// Their loss, before the step.
    pub(crate) loss: f32,
    /// Its gradients, clipped.
    pub(crate) gradients: Gradients,
}

/// How far a state has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) train_loss: f64,
    pub(crate) test_loss: f64,
    pub(crate) train_accuracy: f64,
    pub(crate) test_accuracy: f64,
    pub(crate) learning_rate: f64,
    /// Of each layer, the norm of the last gradient; empty at the start.
    pub(crate) gradients: Vec<f64>,
    /// Of each layer, the norm of the last step divided by that of the weights.
    pub(crate) updates: Vec<f64>,
}

/// A state that is kept, as it was before anything was changed at its step.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) state: State,
    pub(crate) record: Record,
    /// The gradients of the step that led here; none at the start.
    pub(crate) gradients: Option<Gradients>,
}

/// Training that can be taken back.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) state: State,
    /// The furthest step that is known.
    end: u64,
    /// Ascending by step; the first is the start.
    moments: Vec<Moment>,
    /// Every how many steps a state is kept.
    stride: u64,
    most_moments: usize,
    /// What was changed at which step, ascending.
    changes: Vec<(u64, Arc<Plan>)>,
    /// Why no step can be made from here.
    halted: Option<String>,
}

impl State {
    fn new(plan: Plan) -> Result<Self, Error> {
        let setting = &plan.setting;
        let (width, outputs) = (plan.data.width(), plan.loss.outputs());
        let (network, rng) = Network::new(&setting.model, width, outputs)?;
        let optimizer = Optimizer::new(&setting.optimizer, &network)?;
        Ok(Self {
            step: 0,
            network,
            optimizer,
            plan: Arc::new(plan),
            rng,
            epoch_rng: None,
            batches: None,
            position: 0,
        })
    }

    /// Goes on by another plan. Other points, or another size of batches, begin a new epoch.
    fn follow(&mut self, plan: Arc<Plan>) -> Result<(), Error> {
        if plan.setting.optimizer != self.plan.setting.optimizer {
            let mut optimizer = Optimizer::new(&plan.setting.optimizer, &self.network)?;
            optimizer.resume(&self.optimizer, &self.network);
            self.optimizer = optimizer;
        }
        let batch = |plan: &Plan| plan.setting.optimizer.batch;
        if batch(&plan) != batch(&self.plan) || !Arc::ptr_eq(&plan.data, &self.plan.data) {
            (self.epoch_rng, self.batches, self.position) = (None, None, 0);
        }
        self.plan = plan;
        Ok(())
    }

    fn draw_batches(&self, rng: &mut Xoshiro256PlusPlus) -> Arc<Vec<Batch>> {
        Arc::new(self.plan.data.train.batches(self.plan.setting.optimizer.batch, rng))
    }

    /// The batch of the next step.
    fn next_batch(&mut self) -> Result<Batch, Error> {
        let batches = match (self.batches.take(), &self.epoch_rng) {
            (Some(batches), _) => Some(batches),
            (None, Some(epoch_rng)) => Some(self.draw_batches(&mut epoch_rng.clone())),
            (None, None) => None,
        };
        let batches = match batches.filter(|batches| self.position < batches.len()) {
            Some(batches) => batches,
            None => {
                self.epoch_rng = Some(self.rng.clone());
                let mut rng = self.rng.clone();
                let batches = self.draw_batches(&mut rng);
                (self.rng, self.position) = (rng, 0);
                batches
            }
        };
        let batch = batches.get(self.position).cloned();
        self.batches = Some(batches);
        self.position += 1;
        batch.ok_or_else(|| Error::Mismatch("there are no points to train on".into()))
    }

    /// Makes a step, or changes nothing.
    pub(crate) fn advance(&mut self) -> Result<Step, Error> {
        let before =
            (self.rng.clone(), self.epoch_rng.clone(), self.batches.clone(), self.position);
        self.try_step().inspect_err(|_| {
            (self.rng, self.epoch_rng, self.batches, self.position) = before;
        })
    }

    fn try_step(&mut self) -> Result<Step, Error> {
        let batch = self.next_batch()?;
        let logits = self.network.train(&batch.features, &mut self.rng);
        let loss = self.plan.loss.forward(&logits, &batch.answers)?;
        let mut gradients = loss.backward();
        self.optimizer.clip(&mut gradients)?;
        self.optimizer.step(self.step, &mut self.network, &gradients)?;
        self.step += 1;
        Ok(Step { points: batch.len(), loss: loss.item(), gradients })
    }

    /// The loss and the accuracy on some points; NaN on none.
    fn judge(&self, batch: &Batch) -> (f64, f64) {
        if batch.len() == 0 {
            return (f64::NAN, f64::NAN);
        }
        without_recording(|| {
            let logits = self.network.evaluate(&batch.features);
            let loss = self.plan.loss.forward(&logits, &batch.answers);
            let loss = loss.map_or(f64::NAN, |loss| f64::from(loss.item()));
            (loss, self.plan.loss.accuracy(&self.plan.loss.predict(&logits), &batch.answers))
        })
    }

    /// How far this state has come, without what only the last step knows.
    pub(crate) fn record(&self) -> Record {
        let (train_loss, train_accuracy) = self.judge(&self.plan.data.whole_train);
        let (test_loss, test_accuracy) = self.judge(&self.plan.data.whole_test);
        let learning_rate = self.optimizer.learning_rate(self.step);
        let (gradients, updates) = (Vec::new(), Vec::new());
        Record {
            train_loss,
            test_loss,
            train_accuracy,
            test_accuracy,
            learning_rate,
            gradients,
            updates,
        }
    }

    /// Of each class, the share of its points to train on that is named rightly.
    pub(crate) fn recall(&self) -> Option<Vec<f64>> {
        let Answers::Labels(labels) = &self.plan.data.whole_train.answers else { return None };
        if labels.is_empty() {
            return None;
        }
        let features = &self.plan.data.whole_train.features;
        let logits = without_recording(|| self.network.evaluate(features));
        let named = self.plan.loss.predict(&logits).argmax(-1);
        let mut counts = vec![[0.0, 0.0]; self.plan.data.class_names()?.len()];
        for (named, &label) in named.iter().zip(labels) {
            counts[label][0] += f64::from(u8::from(*named == label));
            counts[label][1] += 1.0;
        }
        Some(counts.into_iter().map(|[right, all]| right / all).collect())
    }

    /// Of the points to test on that are taken for another class, those whose own class gets the
    /// least probability: the point, what it is taken for, and that probability.
    pub(crate) fn worst(&self, count: usize) -> Vec<[f32; 3]> {
        let Answers::Labels(labels) = &self.plan.data.whole_test.answers else { return Vec::new() };
        if labels.is_empty() {
            return Vec::new();
        }
        let features = &self.plan.data.whole_test.features;
        let said = without_recording(|| self.plan.loss.predict(&self.network.evaluate(features)));
        let named = said.argmax(-1);
        let points = said.array();
        let mut wrong: Vec<[f32; 3]> = (0..labels.len())
            .filter(|&index| named[index] != labels[index])
            .map(|index| [index as f32, named[index] as f32, points[[index, labels[index]]]])
            .collect();
        wrong.sort_by(|a, b| a[2].total_cmp(&b[2]));
        wrong.truncate(count);
        wrong
    }

    /// The number of passes over the points.
    pub(crate) fn epochs(&self) -> f64 {
        let batches = self.plan.data.train.len().div_ceil(self.plan.setting.optimizer.batch);
        self.step as f64 / batches.max(1) as f64
    }

    /// How many steps are left of the present epoch; all of the next if it is over.
    pub(crate) fn steps_to_epoch(&self) -> u64 {
        let batches = self.plan.data.train.len().div_ceil(self.plan.setting.optimizer.batch);
        let left = if self.epoch_rng.is_some() { batches.saturating_sub(self.position) } else { 0 };
        (if left == 0 { batches } else { left }).max(1) as u64
    }
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
        let state = State::new(plan)?;
        let bytes = 4096 + 20 * state.network.parameter_count();
        let record = state.record();
        let moments = vec![Moment { state: state.clone(), record, gradients: None }];
        let most_moments = (MOST_BYTES / bytes).clamp(32, MOST_MOMENTS);
        let points = state.plan.data.train.len() + state.plan.data.test.len();
        let work = points * state.network.parameter_count();
        let stride = (work / MOST_FOR_A_RECORD).max(1).next_power_of_two() as u64;
        let changes = Vec::new();
        Ok(Self { state, end: 0, moments, stride, most_moments, changes, halted: None })
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn halted(&self) -> Option<&str> {
        self.halted.as_deref()
    }

    /// The states that are kept, up to the furthest step.
    pub(crate) fn moments(&self) -> &[Moment] {
        &self.moments
    }

    /// The steps at which something was changed.
    pub(crate) fn changes(&self) -> impl Iterator<Item = u64> {
        self.changes.iter().map(|(step, _)| *step)
    }

    /// How far the present state has come.
    pub(crate) fn record(&self) -> Record {
        match self.moments.last() {
            // Something may have been changed since it was recorded.
            Some(last)
                if last.state.step == self.state.step
                    && Arc::ptr_eq(&last.state.plan, &self.state.plan) =>
            {
                last.record.clone()
            }
            _ => self.state.record(),
        }
    }

    /// Makes steps, and returns how many were made: fewer if one could not be made.
    pub(crate) fn advance(&mut self, steps: u64) -> u64 {
        for made in 0..steps {
            if self.halted.is_some() {
                return made;
            }
            let next = self.state.step + 1;
            let is_new = next > self.end && next.is_multiple_of(self.stride);
            let before = is_new.then(|| self.state.network.clone());
            match self.state.advance() {
                Err(error) => {
                    self.halted = Some(error.to_string());
                    return made;
                }
                Ok(step) => {
                    if let Some(before) = before {
                        self.keep(&before, step);
                    }
                }
            }
            self.end = self.end.max(next);
            self.meet_changes();
        }
        steps
    }

    fn keep(&mut self, before: &Network, step: Step) {
        let mut record = self.state.record();
        (record.gradients, record.updates) = sizes(before, &self.state.network, &step.gradients);
        let state = State { batches: None, ..self.state.clone() };
        self.moments.push(Moment { state, record, gradients: Some(step.gradients) });
        if self.moments.len() > self.most_moments {
            self.stride *= 2;
            self.moments.retain(|moment| moment.state.step.is_multiple_of(self.stride));
        }
    }

    /// Changes what was changed at this step when it was first reached.
    fn meet_changes(&mut self) {
        let step = self.state.step;
        let start = self.changes.partition_point(|change| change.0 < step);
        for (_, plan) in self.changes[start..].iter().take_while(|change| change.0 == step) {
            if let Err(error) = self.state.follow(Arc::clone(plan)) {
                self.halted = Some(error.to_string());
            }
        }
    }

    /// Goes to a step that is known: the last if there are fewer.
    pub(crate) fn seek(&mut self, step: u64) {
        let step = step.min(self.end);
        let after = self.moments.partition_point(|moment| moment.state.step <= step);
        let moment = &self.moments[after - 1];
        // From where it is, if that is nearer.
        if !(moment.state.step..=step).contains(&self.state.step) {
            self.state = moment.state.clone();
            self.meet_changes();
        }
        self.halted = None;
        self.advance(step - self.state.step);
    }

    /// Goes on by another plan from here, and forgets what came after.
    ///
    /// # Errors
    ///
    /// If the plan cannot be followed; then nothing is changed.
    pub(crate) fn change(&mut self, setting: &Setting, data: Arc<Data>) -> Result<(), Error> {
        let plan = Arc::new(Plan::new(setting.clone(), data)?);
        self.state.clone().follow(Arc::clone(&plan))?;
        let step = self.state.step;
        self.end = step;
        self.moments.retain(|moment| moment.state.step <= step);
        if self.changes.last().is_some_and(|change| change.0 >= step) {
            // Several changes at one step are one, so that what was remembered before all of them
            // is not lost by the way.
            self.changes.retain(|change| change.0 < step);
            let last = self.moments.last().expect("the start is kept");
            self.state = last.state.clone();
            self.meet_changes();
            self.halted = None;
            self.advance(step - self.state.step);
        }
        self.state.follow(Arc::clone(&plan))?;
        self.changes.push((step, plan));
        self.halted = None;
        Ok(())
    }
}

/// Of each layer, the norm of its gradient, and of what was added to its weights divided by that
/// of the weights.
fn sizes(before: &Network, after: &Network, gradients: &Gradients) -> (Vec<f64>, Vec<f64>) {
    let norm = |tensors: &mut dyn Iterator<Item = Tensor>| -> f64 {
        let square = |tensor: Tensor| f64::from(tensor.square().sum().item());
        tensors.map(square).sum::<f64>().sqrt()
    };
    without_recording(|| {
        let layers = before.layers.iter().zip(&after.layers);
        layers
            .map(|(before, after)| {
                let parameters = [Some(&after.weight), after.bias.as_ref()].into_iter().flatten();
                let gradient = norm(&mut parameters.filter_map(|p| gradients.get(p).cloned()));
                let step = norm(&mut [&after.weight - &before.weight].into_iter());
                (gradient, step / norm(&mut [before.weight.clone()].into_iter()))
            })
            .unzip()
    })
}

/// The answers to some points, one number each.
pub(crate) fn numbers(answers: &Answers) -> Vec<f32> {
    match answers {
        Answers::Labels(labels) => labels.iter().map(|&label| label as f32).collect(),
        Answers::Values(values) => values.to_vec(),
    }
}
