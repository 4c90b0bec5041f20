//! A learning rate that falls when there is no more progress.

use crate::error::{Error, check};
use crate::improvement::{Improvement, Threshold};

/// Multiplies the learning rate by a factor once a metric has stopped improving, in PyTorch's
/// formulation, but for metrics below 0, where PyTorch's relative threshold lies on the wrong side.
///
/// Unlike a [`Schedule`](crate::Schedule) it depends on how training goes: tell it the metric of
/// each epoch, usually the validation loss.
///
/// ```
/// use downhill_optim::ReduceOnPlateau;
///
/// let mut plateau = ReduceOnPlateau::new(0.1).patience(1);
/// let losses = [1.0, 0.9, 0.95, 0.93];
/// let rates: Result<Vec<f64>, _> = losses.iter().map(|&loss| plateau.observe(loss)).collect();
/// assert_eq!(rates?, [0.1, 0.1, 0.1, 0.1 * 0.1]);
/// # Ok::<(), downhill_optim::Error>(())
/// ```
///
/// | default | |
/// | --- | --- |
/// | `factor` | 0.1 |
/// | `patience` | 10 |
/// | [`threshold`](Threshold) | relative, 1e-4 |
/// | `cooldown` | 0 |
/// | `minimum` | 0 |
/// | `epsilon` | 1e-8 |
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReduceOnPlateau {
    learning_rate: f64,
    factor: f64,
    patience: u64,
    cooldown: u64,
    minimum: f64,
    epsilon: f64,
    improvement: Improvement,
    cooling: u64,
}

impl ReduceOnPlateau {
    /// Starts with this learning rate and PyTorch's defaults, for a metric that should be small.
    pub fn new(learning_rate: f64) -> Self {
        Self {
            learning_rate,
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            minimum: 0.0,
            epsilon: 1e-8,
            improvement: Improvement::new(Threshold::Relative(1e-4)),
            cooling: 0,
        }
    }

    /// For a metric that should be large, such as accuracy.
    pub fn maximize(mut self) -> Self {
        self.improvement.maximize = true;
        self
    }

    /// What the learning rate is multiplied with, at least 0 and below 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// How many epochs without improvement are tolerated.
    pub fn patience(mut self, patience: u64) -> Self {
        self.patience = patience;
        self
    }

    /// What counts as an improvement.
    pub fn threshold(mut self, threshold: Threshold) -> Self {
        self.improvement.threshold = threshold;
        self
    }

    /// How many epochs after a reduction do not count as bad.
    pub fn cooldown(mut self, cooldown: u64) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The least learning rate.
    pub fn minimum(mut self, minimum: f64) -> Self {
        self.minimum = minimum;
        self
    }

    /// A reduction by no more than this is not made.
    pub fn epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Takes note of an epoch's metric and returns the learning rate to go on with. NaN is no
    /// improvement.
    ///
    /// # Errors
    ///
    /// [`Error::HyperParameter`] if an option is outside its range.
    pub fn observe(&mut self, metric: f64) -> Result<f64, Error> {
        check("learning_rate", self.learning_rate, 0.0..)?;
        check("factor", self.factor, 0.0..1.0)?;
        self.improvement.validate()?;
        check("minimum", self.minimum, 0.0..)?;
        check("epsilon", self.epsilon, 0.0..)?;

        self.improvement.observe(metric);
        if self.cooling > 0 {
            self.cooling -= 1;
            self.improvement.bad = 0;
        }
        if self.improvement.bad > self.patience {
            let reduced = (self.learning_rate * self.factor).max(self.minimum);
            if self.learning_rate - reduced > self.epsilon {
                self.learning_rate = reduced;
            }
            self.cooling = self.cooldown;
            self.improvement.bad = 0;
        }
        Ok(self.learning_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(mut plateau: ReduceOnPlateau, metrics: &[f64]) -> Vec<f64> {
        metrics.iter().map(|&metric| plateau.observe(metric).unwrap()).collect()
    }

    #[test]
    fn a_metric_that_is_nan_is_no_improvement() {
        let plateau = ReduceOnPlateau::new(1.0).patience(1).factor(0.5);
        assert_eq!(
            rates(plateau, &[f64::NAN, f64::NAN, 3.0, f64::NAN, f64::NAN]),
            [1.0, 0.5, 0.5, 0.5, 0.25]
        );
    }

    #[test]
    fn a_metric_below_0_counts_as_its_opposite_does_the_other_way() {
        let minimize = ReduceOnPlateau::new(1.0).patience(2).factor(0.5);
        let maximize = minimize.clone().maximize();
        for metrics in [[-1.0; 8], [1.0; 8], [-1.0, -1.5, -1.4, -1.4, -1.6, -1.0, -1.0, -1.0]] {
            let opposite = metrics.map(|metric| -metric);
            let rates = rates(minimize.clone(), &metrics);
            assert_eq!(rates, self::rates(maximize.clone(), &opposite));
            assert!(rates[7] < 1.0, "{metrics:?}");
        }
        assert_eq!(rates(minimize, &[-1.0; 8]), [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn the_learning_rate_stops_at_the_minimum() {
        let plateau = ReduceOnPlateau::new(1.0).patience(0).factor(0.5).minimum(0.3);
        assert_eq!(rates(plateau, &[1.0; 5]), [1.0, 0.5, 0.3, 0.3, 0.3]);
    }

    #[test]
    fn options_are_validated() {
        let plateau = ReduceOnPlateau::new(0.1);
        for (plateau, message) in [
            (ReduceOnPlateau::new(-0.1), "learning_rate is -0.1; it must be at least 0 and finite"),
            (plateau.clone().factor(1.0), "factor is 1; it must be at least 0 and below 1"),
            (
                plateau.clone().threshold(Threshold::Absolute(f64::NAN)),
                "threshold is NaN; it must be at least 0 and finite",
            ),
            (plateau.clone().minimum(-1.0), "minimum is -1; it must be at least 0 and finite"),
            (plateau.clone().epsilon(-1.0), "epsilon is -1; it must be at least 0 and finite"),
        ] {
            let mut plateau = plateau;
            assert_eq!(plateau.observe(1.0).unwrap_err().to_string(), message);
        }
    }
}
