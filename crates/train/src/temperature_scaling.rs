//! Making overconfident probabilities honest without changing what is predicted.

use downhill_losses::cross_entropy;
use downhill_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metrics::ClassIndices;

/// Newton's method has arrived when a step changes 1/T by less than this share of it.
const TOLERANCE: f64 = 1e-12;

/// Some 8 are usual.
const MAX_STEPS: usize = 1000;

/// Temperature scaling (Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks",
/// 2017): one number T > 0 by which a trained classifier's logits are divided, so that the softmax
/// of logits / T has the least cross-entropy on samples that the classifier was not trained on.
///
/// T > 1 tempers an overconfident model, T < 1 sharpens a hesitant one. The largest logit stays
/// the largest, so predictions and accuracy do not change. Nor does the balance between classes: a
/// model that calls one class too often, as after training with class weights, keeps doing so.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::TemperatureScaling;
///
/// // Certain to 0.9999, and wrong once in four times.
/// let held_out = Tensor::from([[9.2, 0.0], [9.2, 0.0], [0.0, 9.2], [0.0, 9.2]]);
/// let scaling = TemperatureScaling::fit(&held_out, &[0, 0, 1, 0])?;
/// let calibrated = scaling.apply(&held_out).softmax(-1);
/// assert!((calibrated.to_vec()[0] - 0.75_f64).abs() < 1e-6);
/// # Ok::<(), downhill_train::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureScaling {
    temperature: f64,
}

impl TemperatureScaling {
    /// The temperature that fits held-out logits `[…, C]` and the label of each row best. It is
    /// found by Newton's method on 1/T, in which the loss is convex. Logits of −∞ (masked classes)
    /// stay as they are.
    ///
    /// # Errors
    ///
    /// Those of [`cross_entropy`]; and when no temperature is the best one:
    /// [`Error::LossNotFinite`], [`Error::AllRight`] or [`Error::Uninformative`].
    #[inline(never)]
    pub fn fit<'a, E: Element>(
        logits: &Tensor<E>,
        labels: impl ClassIndices<'a>,
    ) -> Result<Self, Error> {
        let labels: Vec<usize> = labels.into_iter().copied().collect();
        let masked = |logit: E| logit == E::neg_infinity();
        let even = |logit: E| if masked(logit) { logit } else { E::zero() * logit };
        let loss = cross_entropy(&Tensor::from(logits.array().mapv(even)), &labels)?.item();
        if !loss.is_finite() {
            return Err(Error::LossNotFinite { loss: loss.as_f64() });
        }
        let classes = logits.shape()[logits.ndim() - 1];
        let logits: Vec<f64> = logits.values().iter().map(|logit| logit.as_f64()).collect();
        let rows = logits.chunks_exact(classes).map(<[f64]>::to_vec).zip(labels).map(gaps);
        Self::of_rows(rows.collect())
    }

    /// [`fit`](Self::fit) of the [`gaps`] of each row.
    fn of_rows(rows: Vec<(Vec<f64>, usize)>) -> Result<Self, Error> {
        // The loss has a least value at a finite T unless it rises from 1/T = 0 on, or never rises.
        if rows.iter().all(|(gaps, label)| gaps[*label] == 0.0) {
            return Err(Error::AllRight);
        }
        let at = |inverse: f64| slope_and_curvature(&rows, inverse);
        if at(0.0).0 >= 0.0 {
            return Err(Error::Uninformative);
        }

        let widest = rows.iter().flat_map(|(gaps, _)| gaps).filter(|gap| gap.is_finite());
        let mut inverse = -1.0 / widest.copied().fold(0.0, f64::min);
        let (mut low, mut high) = (0.0, f64::INFINITY);
        for _ in 0..MAX_STEPS {
            let (slope, curvature) = at(inverse);
            *if slope < 0.0 { &mut low } else { &mut high } = inverse;
            let newton = inverse - slope / curvature;
            // Where the loss is nearly flat, a step of Newton's may go anywhere.
            let next = match high.is_finite() {
                true if newton > low && newton < high => newton,
                true => (low + high) / 2.0,
                false => newton.clamp(inverse, 4.0 * inverse),
            };
            let next = if next.is_finite() { next } else { 2.0 * inverse };
            let arrived = (next - inverse).abs() <= TOLERANCE * inverse || slope == 0.0;
            inverse = next;
            if arrived {
                break;
            }
        }
        Ok(Self { temperature: 1.0 / inverse })
    }

    /// The temperature, T.
    pub fn temperature(&self) -> f64 {
        self.temperature
    }

    /// logits / T, of whatever shape.
    #[inline(never)]
    pub fn apply<E: Element>(&self, logits: &Tensor<E>) -> Tensor<E> {
        logits / E::from_f64(self.temperature)
    }
}

/// How far below the largest each logit of a row lies.
fn gaps((mut row, label): (Vec<f64>, usize)) -> (Vec<f64>, usize) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|logit| *logit -= largest);
    (row, label)
}

/// The first and the second derivative of Σ (ln Σ exp(z / T) − z_label / T) with respect to 1/T: what
/// the softmax expects of z less the label's, and the variance of z.
fn slope_and_curvature(rows: &[(Vec<f64>, usize)], inverse: f64) -> (f64, f64) {
    let (mut slope, mut curvature) = (0.0, 0.0);
    for (gaps, label) in rows {
        let [mut sum, mut first, mut second] = [0.0; 3];
        for &gap in gaps.iter().filter(|gap| gap.is_finite()) {
            let exponential = (gap * inverse).exp();
            sum += exponential;
            first += exponential * gap;
            second += exponential * gap * gap;
        }
        let mean = first / sum;
        slope += mean - gaps[*label];
        curvature += second / sum - mean * mean;
    }
    (slope, curvature)
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use ndarray::Array2;

    use super::*;
    use crate::metrics::{Calibration, accuracy};

    /// Logits, and labels drawn evenly from their softmax: for each row of logits as many copies
    /// as `copies`, with each class as often as its probability says, rounded.
    fn faithful(rows: &[[f64; 3]], copies: usize) -> (Vec<[f64; 3]>, Vec<usize>) {
        let (mut logits, mut labels) = (Vec::new(), Vec::new());
        for row in rows {
            let probabilities = Tensor::from(*row).softmax(-1).to_vec();
            for (label, probability) in probabilities.iter().enumerate() {
                let count = (probability * copies as f64).round() as usize;
                logits.extend(std::iter::repeat_n(*row, count));
                labels.extend(std::iter::repeat_n(label, count));
            }
        }
        (logits, labels)
    }

    fn tensor(rows: &[[f64; 3]]) -> Tensor<f64> {
        let flat = rows.iter().flatten().copied().collect();
        Array2::from_shape_vec((rows.len(), 3), flat).expect("rows of 3").into()
    }

    const ROWS: [[f64; 3]; 4] =
        [[1.0, 0.2, -0.5], [-0.3, 0.9, 0.1], [0.5, -1.0, 2.0], [3.0, 0.0, 0.0]];

    // Two classes and one gap: a fraction of 3/4 are right where 1 / (1 + e^(−gap / T)) = 3/4.
    #[test]
    fn the_temperature_of_one_gap_is_the_gap_over_the_log_odds() {
        for gap in [1e-3, 0.5, 1.0, 9.2, 40.0, 1e4] {
            let logits = Tensor::from([[gap, 0.0], [gap, 0.0], [0.0, gap], [0.0, gap]]);
            let scaling = TemperatureScaling::fit(&logits, &[0, 0, 1, 0]).unwrap();
            assert_relative_eq!(scaling.temperature(), gap / 3_f64.ln(), max_relative = 1e-8);
        }
    }

    #[test]
    fn logits_that_were_multiplied_are_divided_again() {
        let (logits, labels) = faithful(&ROWS, 1000);
        let honest = TemperatureScaling::fit(&tensor(&logits), &labels).unwrap();
        assert_relative_eq!(honest.temperature(), 1.0, max_relative = 1e-2);
        for factor in [1e-6, 0.2, 3.0, 1e6] {
            let scaled = tensor(&logits) * factor;
            let scaling = TemperatureScaling::fit(&scaled, &labels).unwrap();
            let expected = factor * honest.temperature();
            assert_relative_eq!(scaling.temperature(), expected, max_relative = 1e-8);
            for (calibrated, honest) in
                scaling.apply(&scaled).to_vec().iter().zip(honest.apply(&tensor(&logits)).to_vec())
            {
                assert_relative_eq!(*calibrated, honest, max_relative = 1e-7);
            }
        }
    }

    #[test]
    fn the_loss_is_least_at_the_temperature_found() {
        let (logits, mut labels) = faithful(&ROWS, 37);
        labels.rotate_left(3);
        let logits = tensor(&logits) * 5.0;
        let best = TemperatureScaling::fit(&logits, &labels).unwrap();
        let loss = |temperature| {
            let scaling = TemperatureScaling { temperature };
            cross_entropy(&scaling.apply(&logits), &labels).unwrap().item()
        };
        for factor in [0.99, 1.01, 0.5, 2.0] {
            assert!(loss(best.temperature() * factor) > loss(best.temperature()));
        }
    }

    #[test]
    fn scaling_mends_calibration_and_leaves_predictions_alone() {
        let (logits, labels) = faithful(&ROWS, 100);
        let logits = (tensor(&logits) * 4.0).array().mapv(|logit| logit as f32);
        let logits = Tensor::from(logits);
        let calibrated = TemperatureScaling::fit(&logits, &labels).unwrap().apply(&logits);
        let error = |logits: &Tensor| {
            Calibration::new(&logits.softmax(-1), &labels, 15).unwrap().expected_calibration_error()
        };
        assert!(error(&logits) > 0.2, "{}", error(&logits));
        assert!(error(&calibrated) < 0.01, "{}", error(&calibrated));
        assert_eq!(logits.argmax(-1), calibrated.argmax(-1));
        assert!(accuracy(&logits.argmax(-1), &labels).unwrap() < 1.0);
    }

    #[test]
    fn a_masked_class_changes_nothing() {
        let (logits, labels) = (Tensor::from([[2.0, 0.0], [3.0, 1.0], [0.0, 2.5]]), [0, 1, 1]);
        let mask = f64::NEG_INFINITY;
        let masked = Tensor::from([[2.0, 0.0, mask], [3.0, 1.0, mask], [0.0, 2.5, mask]]);
        let scaling = TemperatureScaling::fit(&masked, &labels).unwrap();
        let expected = TemperatureScaling::fit(&logits, &labels).unwrap();
        assert_relative_eq!(scaling.temperature(), expected.temperature(), max_relative = 1e-12);
        assert_eq!(scaling.apply(&masked).to_vec()[2], mask);
    }

    #[test]
    fn logits_of_any_rank_are_fitted_row_by_row() {
        let logits = Tensor::from([[2.0, 0.0], [3.0, 1.0], [0.0, 2.5], [1.0, 0.5]]);
        let labels = [0, 1, 1, 0];
        assert_eq!(
            TemperatureScaling::fit(&logits.reshape(&[2, 2, 2]), &labels),
            TemperatureScaling::fit(&logits, &labels)
        );
    }

    #[test]
    fn where_no_temperature_is_best_the_error_says_why() {
        let message = |logits: Tensor<f64>, labels: &[usize]| {
            TemperatureScaling::fit(&logits, labels).unwrap_err().to_string()
        };
        let right = Tensor::from([[2.0, 0.0], [0.0, 1.0]]);
        assert!(message(right.clone(), &[0, 1]).contains("every held-out sample"));
        assert!(message(Tensor::zeros(&[0, 2]), &[]).contains("every held-out sample"));
        assert!(message(right.clone(), &[1, 0]).contains("say nothing"));
        assert!(message(right, &[0, 2]).contains("labels[1] is 2"));
        for logit in [f64::NAN, f64::INFINITY] {
            let message = message(Tensor::from([[logit, 0.0], [0.0, 1.0]]), &[1, 0]);
            assert!(message.contains("cross-entropy of NaN"), "{message}");
        }
        let label_masked = Tensor::from([[f64::NEG_INFINITY, 0.0], [0.0, 1.0]]);
        assert!(message(label_masked, &[0, 1]).contains("cross-entropy of inf"));
    }
}
