//! A run: training step by step, and the way back to every step.
//!
//! A step depends on nothing but the state before it, so that a run can be repeated exactly. The
//! run keeps some of its states, evenly spaced; any other is reached from the one before by making
//! the steps between once more.

use std::sync::Arc;

use downhill_tensor::{Gradients, Parameters, Tensor, without_recording};

use crate::data::Data;
use crate::error::Error;
use crate::network::Network;
use crate::setting::Setting;
use crate::state::{Plan, Record, State, Step};

/// The most states that are kept, and the most bytes they may take.
const MOST_MOMENTS: usize = 512;
const MOST_BYTES: usize = 48 << 20;
/// How many multiplications are made for the record of a step before only some steps have one.
const MOST_FOR_A_RECORD: usize = 2_000_000;

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
    /// What was changed at which step, ascending.
    changes: Vec<(u64, Arc<Plan>)>,
    /// Why no step can be made from here.
    halted: Option<String>,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Result<Self, Error> {
        let state = State::new(plan)?;
        let record = state.record();
        let moments = vec![Moment { state: state.clone(), record, gradients: None }];
        let points = state.plan.data.train.len() + state.plan.data.test.len();
        let work = points * state.network.parameter_count();
        let stride = (work / MOST_FOR_A_RECORD).max(1).next_power_of_two() as u64;
        let changes = Vec::new();
        Ok(Self { state, end: 0, moments, stride, changes, halted: None })
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
        let state = self.state.to_keep();
        self.moments.push(Moment { state, record, gradients: Some(step.gradients) });
        let numbers = 3 + self.state.optimizer.numbers_a_parameter();
        let bytes = 4096 + 4 * numbers * self.state.network.parameter_count();
        if self.moments.len() > (MOST_BYTES / bytes).clamp(32, MOST_MOMENTS) {
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
