//! What a run is at a step, and how it gets to the next.

use std::sync::Arc;

use downhill_tensor::{Gradients, without_recording};
use rand::rngs::Xoshiro256PlusPlus;

use crate::data::{Batch, Data};
use crate::error::Error;
use crate::loss::Loss;
use crate::network::Network;
use crate::optimizer::Optimizer;
use crate::setting::Setting;

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

impl State {
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
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
    pub(crate) fn follow(&mut self, plan: Arc<Plan>) -> Result<(), Error> {
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

    /// This state, without what can be drawn again.
    pub(crate) fn to_keep(&self) -> Self {
        Self { batches: None, ..self.clone() }
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
        let plan = &self.plan;
        self.optimizer.step(self.step, &mut self.network, &gradients, |network| {
            plan.loss.forward(&network.evaluate(&batch.features), &batch.answers)
        })?;
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
