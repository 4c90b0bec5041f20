//! How good class probabilities are: the two proper scoring rules.

use downhill_tensor::{Element, Tensor};

use super::classes::{ClassIndices, check_class, with_labels};
use crate::error::Error;

/// The mean negative log-likelihood of the labels, −(1/N) Σᵢ ln p\[i, labelᵢ\], in nats.
///
/// `probabilities` has the classes on its last axis, `[…, C]`, with one label per row. A
/// probability of 0 for the true class gives +∞: nothing is clipped. Given logits, the
/// cross-entropy loss computes the same number exactly where a probability would underflow to 0.
///
/// # Errors
///
/// When there are not as many labels as rows or none at all, a label is not below C, a
/// probability is not in \[0, 1\], or a row does not sum to 1 within 1e-6 + C·ε. ε is the spacing
/// of `E`'s numbers at 1, and C·ε bounds what the rounding of C terms adds up to.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::negative_log_likelihood;
///
/// let probabilities = Tensor::from([[0.5, 0.5], [0.25, 0.75]]);
/// let value = negative_log_likelihood(&probabilities, &[0, 0])?;
/// assert_eq!(value, (2_f64.ln() + 4_f64.ln()) / 2.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn negative_log_likelihood<'a, E: Element>(
    probabilities: &Tensor<E>,
    labels: impl ClassIndices<'a>,
) -> Result<f64, Error> {
    mean_over_rows("negative log-likelihood", probabilities, labels, |row, label| {
        // Not −ln p, which is −0 for p = 1.
        0.0 - row[label].ln()
    })
}

/// The Brier score, (1/N) Σᵢ Σ꜀ (p\[i, c\] − \[c = labelᵢ\])²: 0 at best, 2 for certainty in the
/// wrong class.
///
/// `probabilities` has the classes on its last axis, `[…, C]`, with one label per row. The sum
/// runs over all classes, as Brier defined it in *Verification of forecasts expressed in terms of
/// probability* (1950); of two classes it is twice the binary form, which counts one of them.
///
/// # Errors
///
/// Those of [`negative_log_likelihood`].
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::brier_score;
///
/// let probabilities = Tensor::from([[0.5, 0.5], [0.25, 0.75]]);
/// assert_eq!(brier_score(&probabilities, &[0, 1])?, (0.5 + 0.125) / 2.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn brier_score<'a, E: Element>(
    probabilities: &Tensor<E>,
    labels: impl ClassIndices<'a>,
) -> Result<f64, Error> {
    mean_over_rows("Brier score", probabilities, labels, |row, label| {
        let distance = |(class, &p): (usize, &f64)| (p - f64::from(class == label)).powi(2);
        row.iter().enumerate().map(distance).sum()
    })
}

fn mean_over_rows<'a, E: Element>(
    metric: &'static str,
    probabilities: &Tensor<E>,
    labels: impl ClassIndices<'a>,
    score: impl Fn(&[f64], usize) -> f64,
) -> Result<f64, Error> {
    let (mut sum, mut count) = (0.0, 0);
    visit_rows(metric, probabilities, labels, |row, label| {
        sum += score(row, label);
        count += 1;
    })?;
    Ok(sum / count as f64)
}

/// Calls `visitor` with each row of `probabilities` (`[…, C]`) and its label, both checked.
pub(super) fn visit_rows<'a, E: Element>(
    metric: &'static str,
    probabilities: &Tensor<E>,
    labels: impl ClassIndices<'a>,
    mut visitor: impl FnMut(&[f64], usize),
) -> Result<(), Error> {
    let array = probabilities.array();
    let mut values = Vec::new();
    let rows = with_labels(metric, "rows of probabilities", array.rows(), labels)?;
    for (row, (lane, label)) in rows.enumerate() {
        values.clear();
        values.extend(lane.iter().map(|probability| probability.as_f64()));
        let tolerance = 1e-6 + values.len() as f64 * E::epsilon().as_f64();
        let range = 0.0..=1.0 + tolerance;
        if let Some(class) = values.iter().position(|probability| !range.contains(probability)) {
            return Err(Error::Probability { row, class, value: values[class] });
        }
        // Not `sum()`, which is −0 for a row of no classes.
        let sum = values.iter().fold(0.0, |sum, probability| sum + probability);
        if (sum - 1.0).abs() > tolerance {
            return Err(Error::ProbabilitySum { row, sum, tolerance });
        }
        check_class("labels", row, label, values.len())?;
        visitor(&values, label);
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    // scikit-learn 1.9.1; from sklearn.metrics import *
    // y = [2, 0, 1, 0]
    // p = [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]]
    const PROBABILITIES: [[f64; 3]; 4] =
        [[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]];
    const LABELS: [usize; 4] = [2, 0, 1, 0];

    #[test]
    fn values_agree_with_scikit_learn() {
        let probabilities = Tensor::from(PROBABILITIES);
        // log_loss(y, p)
        let value = negative_log_likelihood(&probabilities, &LABELS).unwrap();
        assert_relative_eq!(value, 1.312_381_800_594_651_3);
        // brier_score_loss(y, p, scale_by_half=False)
        let value = brier_score(&probabilities, &LABELS).unwrap();
        assert_relative_eq!(value, 0.7725);
    }

    #[test]
    fn classes_stand_on_the_last_axis_of_any_rank() {
        let flat = Tensor::from(PROBABILITIES);
        let deep =
            Tensor::from(ndarray::arr2(&PROBABILITIES).into_shape_with_order((2, 2, 3)).unwrap());
        assert_eq!(brier_score(&deep, &LABELS), brier_score(&flat, &LABELS));
        let row = Tensor::from(PROBABILITIES[0]);
        assert_relative_eq!(negative_log_likelihood(&row, &[2]).unwrap(), -(0.7_f64.ln()));
    }

    #[test]
    fn certainty_is_scored_at_the_ends_of_the_scale() {
        let certain = Tensor::from([[0.0, 1.0], [1.0, 0.0]]);
        let right = negative_log_likelihood(&certain, &[1, 0]).unwrap();
        assert!(right == 0.0 && right.is_sign_positive());
        assert_eq!(brier_score(&certain, &[1, 0]), Ok(0.0));
        assert_eq!(negative_log_likelihood(&certain, &[1, 1]), Ok(f64::INFINITY));
        assert_eq!(brier_score(&certain, &[0, 1]), Ok(2.0));
    }

    #[test]
    fn bad_input_is_an_error_naming_place_and_value() {
        let error = |rows: [[f64; 2]; 2], labels: &[usize]| {
            let probabilities = Tensor::from(rows);
            let error = brier_score(&probabilities, labels).unwrap_err().to_string();
            let other = negative_log_likelihood(&probabilities, labels).unwrap_err();
            assert_eq!(other.to_string(), error);
            error
        };
        assert_eq!(
            error([[0.5, 0.5], [-0.25, 1.25]], &[0, 1]),
            "row 1: the probability of class 0 is -0.25, which is not in [0, 1]"
        );
        assert_eq!(
            error([[0.5, f64::NAN], [0.5, 0.5]], &[0, 1]),
            "row 0: the probability of class 1 is NaN, which is not in [0, 1]"
        );
        assert_eq!(
            error([[0.5, 0.5], [0.25, 0.5]], &[0, 1]),
            "row 1: the probabilities sum to 0.75, not to 1 (±1.0e-6)"
        );
        assert_eq!(
            error([[0.5, 0.5], [0.5, 0.5]], &[0, 2]),
            "labels[1] is 2, but there are 2 classes (0..=1)"
        );
        assert_eq!(
            error([[0.5, 0.5], [0.5, 0.5]], &[0]),
            "rows of probabilities and labels differ in number: 2 and 1"
        );
        let none = brier_score(&Tensor::<f32>::zeros(&[0, 3]), &[]).unwrap_err();
        assert_eq!(none.to_string(), "the Brier score of no samples is undefined");
        let no_class = brier_score(&Tensor::<f64>::zeros(&[1, 0]), &[0]).unwrap_err();
        assert_eq!(no_class.to_string(), "row 0: the probabilities sum to 0, not to 1 (±1.0e-6)");
    }

    #[test]
    fn a_row_may_miss_1_by_the_rounding_of_its_terms() {
        // Each row misses 1 by 1e-4. In f32, 1000 terms may miss it by 1e-6 + 1000 × 1.19e-7.
        let wide = Tensor::full(&[1, 1000], 0.001 * (1.0 + 1e-4_f32));
        assert!(brier_score(&wide, &[0]).is_ok());
        let narrow = Tensor::full(&[1, 2], 0.5 * (1.0 + 1e-4_f32));
        assert!(matches!(brier_score(&narrow, &[0]), Err(Error::ProbabilitySum { row: 0, .. })));
        let double = Tensor::full(&[1, 1000], 0.001 * (1.0 + 1e-4_f64));
        assert!(matches!(brier_score(&double, &[0]), Err(Error::ProbabilitySum { row: 0, .. })));
    }

    /// Rows of three class probabilities, each with its label.
    pub(in crate::metrics) fn samples() -> impl Strategy<Value = Vec<([f64; 3], usize)>> {
        let row = prop::array::uniform3(0.01..1.0_f64).prop_map(|row| {
            let sum: f64 = row.iter().sum();
            row.map(|value| value / sum)
        });
        prop::collection::vec((row, 0..3_usize), 1..40)
    }

    pub(in crate::metrics) fn tensors(samples: &[([f64; 3], usize)]) -> (Tensor<f64>, Vec<usize>) {
        let (rows, labels): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        (ndarray::arr2(&rows).into(), labels)
    }

    proptest! {
            #[test]
            fn the_scores_keep_within_their_bounds(samples in samples()) {
                let (probabilities, labels) = tensors(&samples);
                let brier = brier_score(&probabilities, &labels).unwrap();
                prop_assert!((0.0..=2.0).contains(&brier));
                // 1 − p ≤ −ln p
                let miss = samples.iter().map(|(row, label)| 1.0 - row[*label]).sum::<f64>()
                    / samples.len() as f64;
                let likelihood = negative_log_likelihood(&probabilities, &labels).unwrap();
                prop_assert!(likelihood >= miss - 1e-12);
            }

            #[test]
            fn the_order_of_samples_and_of_classes_changes_nothing_but_rounding(
                (samples, shuffled) in samples().prop_flat_map(|samples| {
                    (Just(samples.clone()), Just(samples).prop_shuffle())
                })
            ) {
                let rotated: Vec<_> = shuffled
                    .iter()
                    .map(|&([a, b, c], label)| ([b, c, a], (label + 2) % 3))
                    .collect();
                let ((p, l), (q, m)) = (tensors(&samples), tensors(&rotated));
                for metric in [brier_score, negative_log_likelihood] {
                    let (value, other) = (metric(&p, &l).unwrap(), metric(&q, &m).unwrap());
                    prop_assert!((value - other).abs() < 1e-12);
                }
            }

            #[test]
            fn the_true_probabilities_score_best_in_expectation(samples in samples()) {
                // Both rules are proper: the expected score under `truth` is least at `truth`.
                let truth = samples[0].0;
                let labels = [0, 1, 2];
                for metric in [brier_score, negative_log_likelihood] {
                    let expected = |row: [f64; 3]| -> f64 {
                        let probabilities = Tensor::from(row);
                        labels
    .iter().map(|&label| truth[label] * metric(&probabilities, &labels[label..=label]).unwrap()).sum()
                    };
                    for (row, _) in &samples {
                        prop_assert!(expected(truth) <= expected(*row) + 1e-12);
                    }
                }
            }
        }
}
