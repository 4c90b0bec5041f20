//! Learning rates as functions of the step.

#[cfg(test)]
mod tests;

use std::f64::consts::PI;

use crate::error::{Error, above, check};

/// A learning rate for every step, counted from 0: a pure function, so that it can be plotted
/// without training.
///
/// ```
/// use downhill_optim::{Optimizer, Schedule, Sgd};
/// use downhill_tensor::Tensor;
///
/// // 10 steps of warm-up, then down to 0 along a cosine.
/// let schedule = Schedule::linear(0.0, 0.4, 10)?.then(10, Schedule::cosine(0.4, 90, 0.0)?);
///
/// let mut x = Tensor::parameter(3.0_f64);
/// let mut optimizer = Sgd::new(schedule.learning_rate(0));
/// for step in 0..100 {
///     optimizer.set_learning_rate(schedule.learning_rate(step));
///     let gradients = x.square().backward();
///     optimizer.step(&mut x, &gradients)?;
/// }
/// assert!(x.item().abs() < 1e-9);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// Every constructor returns [`Error::HyperParameter`] for a learning rate that is negative or not
/// finite, a number of steps that is 0, or another argument outside its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule(Shape);

#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Constant { learning_rate: f64 },
    Step { learning_rate: f64, step_size: u64, gamma: f64 },
    MultiStep { learning_rate: f64, milestones: Vec<u64>, gamma: f64 },
    Exponential { learning_rate: f64, gamma: f64 },
    Polynomial { from: f64, to: f64, total_steps: u64, power: f64 },
    Cosine { learning_rate: f64, total_steps: u64, minimum: f64 },
    Restarts { learning_rate: f64, first_period: u64, factor: u64, minimum: f64 },
    OneCycle { learning_rate: f64, total_steps: u64, options: OneCycle },
    Chain { first: Box<Schedule>, until: u64, next: Box<Schedule> },
}

/// The options of [`Schedule::one_cycle`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// What part of all steps leads up to the largest learning rate: 0.3 by default.
    pub warm_up_fraction: f64,
    /// The largest learning rate divided by the first: 25 by default.
    pub initial_division: f64,
    /// The first learning rate divided by the last: 10,000 by default.
    pub final_division: f64,
    /// Whether to go straight from one to the next, rather than along a cosine.
    pub linear: bool,
    /// Whether to go down as slowly as up, to the first learning rate, before going to the last.
    pub three_phases: bool,
    /// The least momentum, which goes with the largest learning rate, and the largest, which goes
    /// with the first and the last: 0.85 and 0.95 by default. See [`Schedule::momentum`].
    pub momentum: [f64; 2],
}

impl Default for OneCycle {
    fn default() -> Self {
        Self {
            warm_up_fraction: 0.3,
            initial_division: 25.0,
            final_division: 1e4,
            linear: false,
            three_phases: false,
            momentum: [0.85, 0.95],
        }
    }
}

impl Schedule {
    /// The same learning rate always.
    pub fn constant(learning_rate: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        Ok(Self(Shape::Constant { learning_rate }))
    }

    /// learning_rate · gammaᵏ with k = ⌊step / step_size⌋.
    pub fn step(learning_rate: f64, step_size: u64, gamma: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("step_size", step_size as f64, 1.0..)?;
        check("gamma", gamma, 0.0..)?;
        Ok(Self(Shape::Step { learning_rate, step_size, gamma }))
    }

    /// learning_rate · gammaᵏ, where k is the number of milestones up to and including the step.
    pub fn multi_step(learning_rate: f64, milestones: &[u64], gamma: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("gamma", gamma, 0.0..)?;
        Ok(Self(Shape::MultiStep { learning_rate, milestones: milestones.to_vec(), gamma }))
    }

    /// learning_rate · gammaˢᵗᵉᵖ.
    pub fn exponential(learning_rate: f64, gamma: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("gamma", gamma, 0.0..)?;
        Ok(Self(Shape::Exponential { learning_rate, gamma }))
    }

    /// learning_rate · (1 − step / total_steps)^power, and 0 after that.
    pub fn polynomial(learning_rate: f64, total_steps: u64, power: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("total_steps", total_steps as f64, 1.0..)?;
        check("power", power, above(0.0))?;
        Ok(Self(Shape::Polynomial { from: learning_rate, to: 0.0, total_steps, power }))
    }

    /// Straight from one learning rate to another, which is kept after `total_steps`: warm-up, if
    /// the second is the larger.
    pub fn linear(from: f64, to: f64, total_steps: u64) -> Result<Self, Error> {
        check("the first learning_rate", from, 0.0..)?;
        check("the last learning_rate", to, 0.0..)?;
        check("total_steps", total_steps as f64, 1.0..)?;
        Ok(Self(Shape::Polynomial { from, to, total_steps, power: 1.0 }))
    }

    /// minimum + (learning_rate − minimum) · (1 + cos(π · step / total_steps)) / 2, and the
    /// minimum after that (Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm
    /// restarts", 2017).
    pub fn cosine(learning_rate: f64, total_steps: u64, minimum: f64) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("total_steps", total_steps as f64, 1.0..)?;
        check("minimum", minimum, 0.0..)?;
        Ok(Self(Shape::Cosine { learning_rate, total_steps, minimum }))
    }

    /// A [`cosine`](Self::cosine) that starts again after `first_period` steps, each period being
    /// `factor` times as long as the one before (Loshchilov & Hutter 2017).
    pub fn cosine_with_restarts(
        learning_rate: f64,
        first_period: u64,
        factor: u64,
        minimum: f64,
    ) -> Result<Self, Error> {
        check("learning_rate", learning_rate, 0.0..)?;
        check("first_period", first_period as f64, 1.0..)?;
        check("factor", factor as f64, 1.0..)?;
        check("minimum", minimum, 0.0..)?;
        Ok(Self(Shape::Restarts { learning_rate, first_period, factor, minimum }))
    }

    /// Up to `max_learning_rate` and down to nearly 0, in `total_steps` steps (Smith & Topin,
    /// "Super-convergence: very fast training of neural networks using large learning rates",
    /// 2018), in PyTorch's formulation.
    ///
    /// ```
    /// use downhill_optim::{OneCycle, Schedule};
    ///
    /// let options = OneCycle { warm_up_fraction: 0.5, ..OneCycle::default() };
    /// let schedule = Schedule::one_cycle(1.0, 100, options)?;
    /// let largest = (0..100).max_by(|&a, &b| {
    ///     schedule.learning_rate(a).total_cmp(&schedule.learning_rate(b))
    /// });
    /// assert_eq!(largest, Some(49));
    /// assert!((schedule.learning_rate(0) - 0.04).abs() < 1e-15);
    /// # Ok::<(), downhill_optim::Error>(())
    /// ```
    pub fn one_cycle(
        max_learning_rate: f64,
        total_steps: u64,
        options: OneCycle,
    ) -> Result<Self, Error> {
        check("max_learning_rate", max_learning_rate, 0.0..)?;
        check("total_steps", total_steps as f64, 1.0..)?;
        check("warm_up_fraction", options.warm_up_fraction, 0.0..=1.0)?;
        check("initial_division", options.initial_division, above(0.0))?;
        check("final_division", options.final_division, above(0.0))?;
        for momentum in options.momentum {
            check("momentum", momentum, 0.0..=1.0)?;
        }
        Ok(Self(Shape::OneCycle { learning_rate: max_learning_rate, total_steps, options }))
    }

    /// This schedule for the steps before `step`, and then `next`, whose own steps are counted
    /// from there.
    pub fn then(self, step: u64, next: Self) -> Self {
        Self(Shape::Chain { first: Box::new(self), until: step, next: Box::new(next) })
    }

    /// The learning rate of a step, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        match self.0 {
            Shape::Constant { learning_rate } => learning_rate,
            Shape::Step { learning_rate, step_size, gamma } => {
                learning_rate * power(gamma, step / step_size)
            }
            Shape::MultiStep { learning_rate, ref milestones, gamma } => {
                let passed = milestones.iter().filter(|&&milestone| milestone <= step).count();
                learning_rate * power(gamma, passed as u64)
            }
            Shape::Exponential { learning_rate, gamma } => learning_rate * power(gamma, step),
            Shape::Polynomial { from, to, total_steps, power } => {
                to + (from - to) * (1.0 - fraction(step, total_steps)).powf(power)
            }
            Shape::Cosine { learning_rate, total_steps, minimum } => {
                cosine(learning_rate, minimum, fraction(step, total_steps))
            }
            Shape::Restarts { learning_rate, first_period, factor, minimum } => {
                let (mut step, mut period) = (step, first_period);
                if factor == 1 {
                    step %= period;
                }
                while step >= period {
                    step -= period;
                    period = period.saturating_mul(factor);
                }
                cosine(learning_rate, minimum, fraction(step, period))
            }
            Shape::OneCycle { learning_rate, total_steps, options } => {
                let first = learning_rate / options.initial_division;
                let last = first / options.final_division;
                options.value([first, learning_rate, last], total_steps, step)
            }
            Shape::Chain { ref first, until, ref next } => match step.checked_sub(until) {
                None => first.learning_rate(step),
                Some(step) => next.learning_rate(step),
            },
        }
    }

    /// The momentum of a step of a [`one_cycle`](Self::one_cycle), counted from 0: it falls while
    /// the learning rate rises, and the other way round. Other schedules have none.
    ///
    /// ```
    /// use downhill_optim::{OneCycle, Optimizer, Schedule, Sgd};
    ///
    /// let schedule = Schedule::one_cycle(0.1, 100, OneCycle::default())?;
    /// let mut optimizer = Sgd::<f32>::new(0.1).momentum(0.95);
    /// for step in 0..100 {
    ///     optimizer.set_learning_rate(schedule.learning_rate(step));
    ///     optimizer.set_momentum(schedule.momentum(step).unwrap_or(0.95));
    ///     // … and the step
    /// }
    /// assert_eq!(schedule.momentum(29), Some(0.85));
    /// # Ok::<(), downhill_optim::Error>(())
    /// ```
    pub fn momentum(&self, step: u64) -> Option<f64> {
        match self.0 {
            Shape::OneCycle { total_steps, options, .. } => {
                let [least, most] = options.momentum;
                Some(options.value([most, least, most], total_steps, step))
            }
            Shape::Chain { ref first, until, ref next } => match step.checked_sub(until) {
                None => first.momentum(step),
                Some(step) => next.momentum(step),
            },
            _ => None,
        }
    }
}

impl OneCycle {
    /// What starts at `first`, is at `peak_value` after the warm-up, and ends at `last`.
    fn value(&self, [first, peak_value, last]: [f64; 3], total_steps: u64, step: u64) -> f64 {
        let end = total_steps as f64 - 1.0;
        let peak = self.warm_up_fraction * total_steps as f64 - 1.0;
        let corners = match self.three_phases {
            true => &[(0.0, first), (peak, peak_value), (2.0 * peak, first), (end, last)][..],
            false => &[(0.0, first), (peak, peak_value), (end, last)][..],
        };
        let step = step as f64;
        let between = corners.windows(2).find(|pair| step <= pair[1].0);
        let Some(&[(start, from), (stop, to)]) = between else { return last };
        let fraction = if stop > start { (step - start) / (stop - start) } else { 1.0 };
        match self.linear {
            true => from + (to - from) * fraction,
            false => cosine(from, to, fraction),
        }
    }
}

/// How much of `total_steps` has passed, at most 1.
fn fraction(step: u64, total_steps: u64) -> f64 {
    step.min(total_steps) as f64 / total_steps as f64
}

/// From one value to another along half a period of a cosine.
fn cosine(from: f64, to: f64, fraction: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * fraction).cos()) / 2.0
}

fn power(base: f64, exponent: u64) -> f64 {
    base.powi(i32::try_from(exponent).unwrap_or(i32::MAX))
}
