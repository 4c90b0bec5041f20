//! Whether a metric is still getting better.

use crate::error::{Error, check};

/// By how much a metric must beat the best so far to count as an improvement.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Threshold {
    /// By this part of the best's size.
    Relative(f64),
    /// By this much.
    Absolute(f64),
}

/// The best value of a metric so far, and for how long it has not been beaten.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Improvement {
    pub(crate) maximize: bool,
    pub(crate) threshold: Threshold,
    pub(crate) best: Option<f64>,
    /// How many values since the best are no improvement.
    pub(crate) bad: u64,
}

impl Improvement {
    /// Of a metric that should be small.
    pub(crate) fn new(threshold: Threshold) -> Self {
        Self { maximize: false, threshold, best: None, bad: 0 }
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        let (Threshold::Relative(threshold) | Threshold::Absolute(threshold)) = self.threshold;
        check("threshold", threshold, 0.0..)
    }

    /// Takes note of a value, and returns whether it is an improvement, as NaN never is.
    pub(crate) fn observe(&mut self, metric: f64) -> bool {
        let is_improvement = self.is_improvement(metric);
        if is_improvement {
            self.best = Some(metric);
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        is_improvement
    }

    fn is_improvement(&self, metric: f64) -> bool {
        let Some(best) = self.best else { return !metric.is_nan() };
        let margin = match self.threshold {
            // Everything finite is infinitely far from an infinite best.
            Threshold::Relative(_) if best.is_infinite() => 0.0,
            Threshold::Relative(threshold) => threshold * best.abs(),
            Threshold::Absolute(threshold) => threshold,
        };
        if self.maximize { metric > best + margin } else { metric < best - margin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn improves(maximize: bool, threshold: Threshold, best: f64, metric: f64) -> bool {
        let mut improvement = Improvement { maximize, ..Improvement::new(threshold) };
        assert!(improvement.observe(best));
        improvement.observe(metric)
    }

    #[test]
    fn equal_values_never_improve_and_no_sign_or_size_of_the_best_matters() {
        let threshold = Threshold::Relative(0.1);
        for size in [1e-300, 1e-3, 1.0, 1e20, 1e300] {
            for sign in [-1.0, 1.0] {
                for maximize in [false, true] {
                    let best = sign * size;
                    let better = if maximize { size } else { -size };
                    assert!(!improves(maximize, threshold, best, best));
                    assert!(!improves(maximize, threshold, best, best + 0.09 * better));
                    assert!(!improves(maximize, threshold, best, best - 0.5 * better));
                    assert!(improves(maximize, threshold, best, best + 0.11 * better));
                }
            }
        }
    }

    #[test]
    fn whatever_is_finite_beats_an_infinite_best_of_the_wrong_sign() {
        for threshold in [Threshold::Relative(0.1), Threshold::Absolute(0.1)] {
            assert!(improves(false, threshold, f64::INFINITY, 1e300));
            assert!(!improves(false, threshold, f64::NEG_INFINITY, -1e300));
            assert!(!improves(false, threshold, f64::INFINITY, f64::INFINITY));
            assert!(improves(true, threshold, f64::NEG_INFINITY, -1e300));
            assert!(!improves(true, threshold, 1.0, f64::NAN));
        }
    }
}
