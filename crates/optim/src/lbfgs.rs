//! A quasi-Newton method, for problems small enough to compute the whole loss at every step.

use downhill_kernels::dot;
use downhill_tensor::{Element, Gradients, Parameters, Tensor};

use crate::error::{BoxError, Error, above, check, check_in};
use crate::norm::largest;

mod line_search;
mod memory;
mod objective;

use line_search::{Trial, strong_wolfe};
use memory::Memory;
use objective::{Objective, parameters};

/// L-BFGS (Liu & Nocedal, "On the limited memory BFGS method for large scale optimization", 1989):
/// an approximation of Newton's method from the last few steps and how the gradient changed on
/// them, with a line search for the strong Wolfe conditions (Nocedal & Wright, "Numerical
/// optimization", 2006, algorithms 3.5 and 3.6), in PyTorch's formulation.
///
/// It evaluates the loss several times a step and compares what it gets, so that the loss must be
/// a function of the weights alone: of all the data, without dropout. A trial at which loss or
/// gradient is not finite counts as having gone too far.
///
/// As in PyTorch, the line search shares the step's `max_evaluations`: with the default a step of
/// one iteration tries one point. Tolerances are absolute unless [`relative`](Self::relative) is
/// set. They fit a loss, gradients and weights near 1: the loss 10⁻⁶ · (x − 3)² is never begun.
///
/// ```
/// use downhill_optim::Lbfgs;
/// use downhill_tensor::Tensor;
///
/// // Rosenbrock's banana-shaped valley, whose lowest point is (1, 1).
/// let mut point = [Tensor::parameter(-1.2_f64), Tensor::parameter(1.0)];
/// let mut optimizer = Lbfgs::new().max_iterations(100).change_tolerance(1e-12);
/// let outcome = optimizer.step(&mut point, |[x, y]| {
///     let loss = (1.0 - x).square() + 100.0 * (y - x.square()).square();
///     let gradients = loss.backward();
///     Ok((loss, gradients))
/// })?;
/// assert!(outcome.loss < 1e-10 && outcome.evaluations <= 60);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// | default | |
/// | --- | --- |
/// | `learning_rate`, the first trial of a line search | 1 |
/// | `max_iterations` a step | 20 |
/// | `max_evaluations` a step | 1.25 · `max_iterations` |
/// | `gradient_tolerance` | 1e-7 |
/// | `change_tolerance` | 1e-9 |
/// | `relative` | false |
/// | `history_size` | 100 |
#[derive(Debug, Clone)]
pub struct Lbfgs<E: Element = f32> {
    learning_rate: f64,
    max_iterations: usize,
    max_evaluations: Option<usize>,
    gradient_tolerance: f64,
    change_tolerance: f64,
    relative: bool,
    history_size: usize,
    memory: Memory<E>,
}

/// What a step of [`Lbfgs`] came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LbfgsOutcome {
    /// The loss at the weights that the model now has.
    pub loss: f64,
    /// How many iterations were made.
    pub iterations: usize,
    /// How often loss and gradients were computed.
    pub evaluations: usize,
    /// Why there were no more iterations.
    pub stopped_by: StoppedBy,
}

/// Why a step of [`Lbfgs`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedBy {
    /// No gradient is larger than `gradient_tolerance`.
    Gradient,
    /// The weights, the loss, or the slope of the loss along the next step change by no more than
    /// `change_tolerance`. If tolerances are [relative](Lbfgs::relative), the slope counts only
    /// where it does not lead down.
    Change,
    /// `max_iterations` have been made.
    Iterations,
    /// `max_evaluations` have been made.
    Evaluations,
}

impl<E: Element> Default for Lbfgs<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Lbfgs<E> {
    /// L-BFGS with PyTorch's defaults, and the line search.
    pub fn new() -> Self {
        Self {
            learning_rate: 1.0,
            max_iterations: 20,
            max_evaluations: None,
            gradient_tolerance: 1e-7,
            change_tolerance: 1e-9,
            relative: false,
            history_size: 100,
            memory: Memory::new(&[]),
        }
    }

    /// How much of the quasi-Newton step the line search tries first.
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.learning_rate = learning_rate;
        self
    }

    /// How many iterations a step makes at most.
    pub fn max_iterations(mut self, max_iterations: usize) -> Self {
        self.max_iterations = max_iterations;
        self
    }

    /// How many evaluations a step makes, but for one more that the last iteration may need.
    pub fn max_evaluations(mut self, max_evaluations: usize) -> Self {
        self.max_evaluations = Some(max_evaluations);
        self
    }

    /// The gradients, each by itself, that count as 0.
    pub fn gradient_tolerance(mut self, gradient_tolerance: f64) -> Self {
        self.gradient_tolerance = gradient_tolerance;
        self
    }

    /// The changes of weights or loss that count as none.
    pub fn change_tolerance(mut self, change_tolerance: f64) -> Self {
        self.change_tolerance = change_tolerance;
        self
    }

    /// Measures by the problem's own scale: the gradients by the largest at the start of the step,
    /// changes of the weights by the largest weight, those of the loss by the loss. Then the loss
    /// may be multiplied by any number.
    ///
    /// ```
    /// use downhill_optim::Lbfgs;
    /// use downhill_tensor::Tensor;
    ///
    /// let mut x = Tensor::parameter(0.0_f64);
    /// Lbfgs::new().relative(true).step(&mut x, |x| {
    ///     let loss = 1e-6 * (x - 3.0).square();
    ///     let gradients = loss.backward();
    ///     Ok((loss, gradients))
    /// })?;
    /// assert!((x.item() - 3.0).abs() < 1e-6);
    /// # Ok::<(), downhill_optim::Error>(())
    /// ```
    pub fn relative(mut self, relative: bool) -> Self {
        self.relative = relative;
        self
    }

    /// How many past steps are remembered.
    pub fn history_size(mut self, history_size: usize) -> Self {
        self.history_size = history_size;
        self
    }

    /// Makes up to `max_iterations` iterations. `closure` computes the loss, one number, and its
    /// gradients; what it returns as an error ends the step.
    ///
    /// A model of other parameters than the last one starts afresh.
    ///
    /// # Errors
    ///
    /// If an option is outside its range, if the loss or a gradient is not finite to begin with,
    /// and if the closure fails. The weights are then those of the last completed iteration.
    pub fn step<M: Parameters<E> + ?Sized>(
        &mut self,
        model: &mut M,
        closure: impl FnMut(&M) -> Result<(Tensor<E>, Gradients<E>), BoxError>,
    ) -> Result<LbfgsOutcome, Error> {
        self.validate()?;
        let parameters = parameters(model);
        if !self.memory.is_about(&parameters) {
            self.memory = Memory::new(&parameters);
        }
        let mut objective = Objective::new(model, closure);
        let (mut loss, mut gradient) = objective.evaluate_start()?;
        let unit = |value: f64| if self.relative { value } else { 1.0 };
        let gradient_tolerance = self.gradient_tolerance * unit(largest(&gradient));
        let quarter_more = self.max_iterations.saturating_add(self.max_iterations / 4);
        let max_evaluations = self.max_evaluations.unwrap_or(quarter_more);
        let mut iterations = 0;
        let stopped_by = loop {
            if largest(&gradient) <= gradient_tolerance {
                break StoppedBy::Gradient;
            }
            if iterations == self.max_iterations {
                break StoppedBy::Iterations;
            }
            if iterations > 0 && objective.evaluations >= max_evaluations {
                break StoppedBy::Evaluations;
            }
            let first_length = match self.memory.is_fresh() {
                true if self.relative => self.learning_rate / sum_of_sizes(&gradient),
                true => self.learning_rate * (1.0 / sum_of_sizes(&gradient)).min(1.0),
                false => self.learning_rate,
            };
            let direction = self.memory.direction(&gradient, self.history_size, self.relative);
            let slope = dot(&gradient, &direction);
            let promises_nothing = match self.relative {
                true => slope >= 0.0,
                false => slope > -self.change_tolerance,
            };
            if slope.is_nan() || promises_nothing {
                break StoppedBy::Change;
            }
            iterations += 1;
            let base = objective.weights();
            let least_move = self.change_tolerance * unit(largest(&base));
            let start = Trial { length: 0.0, loss, gradient: gradient.clone(), slope };
            let found = strong_wolfe(
                start,
                first_length,
                max_evaluations.saturating_sub(objective.evaluations),
                LEAST_INTERVAL * unit(largest(&base)) / largest(&direction),
                |length| objective.evaluate_at(&base, &direction, length),
            );
            let length = found.as_ref().map_or(0.0, |end| end.length);
            objective.set_weights(&base, &direction, length);
            let end = found?;
            let displacement: Vec<E> =
                direction.into_iter().map(|value| E::from_f64(length) * value).collect();
            let moved = largest(&displacement);
            let change = (end.loss - loss).abs();
            let least_change = self.change_tolerance * unit(loss.abs().max(end.loss.abs()));
            self.memory.complete(gradient, displacement);
            (loss, gradient) = (end.loss, end.gradient);
            if moved <= least_move || change < least_change {
                break StoppedBy::Change;
            }
        };
        Ok(LbfgsOutcome { loss, iterations, evaluations: objective.evaluations, stopped_by })
    }

    /// What is remembered, by name: the last iteration's `gradient` and `displacement`, each `[N]`
    /// for N values in all parameters, and those of `history_size` iterations and how the
    /// gradient changed on them, `displacements` and `gradient_changes`, each `[M, N]`.
    ///
    /// # Errors
    ///
    /// [`Error::OtherModel`] if it is remembered of other parameters than those of `model`.
    pub fn state(&self, model: &dyn Parameters<E>) -> Result<Vec<(String, Tensor<E>)>, Error> {
        match self.memory.is_fresh() || self.memory.is_about(&parameters(model)) {
            true => Ok(self.memory.save()),
            false => Err(Error::OtherModel { remembered: self.memory.parameter_count() }),
        }
    }

    /// Takes back what [`state`](Self::state) returned, so that stepping `model` goes on as it
    /// would have.
    ///
    /// # Errors
    ///
    /// [`Error::State`] if a part is missing, of another shape, not finite, or of no use. Nothing
    /// is changed then.
    pub fn restore(
        &mut self,
        model: &dyn Parameters<E>,
        state: &[(String, Tensor<E>)],
    ) -> Result<(), Error> {
        let mut memory = Memory::new(&parameters(model));
        memory.restore(model.parameter_count(), state)?;
        self.memory = memory;
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        check_in::<E>("learning_rate", self.learning_rate, above(0.0))?;
        check("gradient_tolerance", self.gradient_tolerance, 0.0..)?;
        check("change_tolerance", self.change_tolerance, 0.0..)?;
        check("history_size", self.history_size as f64, 1.0..)
    }
}

/// An interval on which no weight moves by as much, PyTorch's bound, is searched no further.
const LEAST_INTERVAL: f64 = 1e-9;

fn sum_of_sizes<E: Element>(values: &[E]) -> f64 {
    values.iter().map(|value| value.as_f64().abs()).sum()
}

#[cfg(test)]
mod tests;
