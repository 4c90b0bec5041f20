//! Whether probabilities mean what they say.

use downhill_tensor::{Element, Tensor};

use super::classes::ClassIndices;
use super::probabilities::visit_rows;
use crate::error::Error;

/// How far a model's confidence can be trusted: the table behind a reliability diagram, and the
/// expected calibration error, after Guo, Pleiss, Sun & Weinberger, *On Calibration of Modern
/// Neural Networks* (2017).
///
/// The confidence of a prediction is the greatest probability of its row (of equal ones, the
/// first class counts as predicted). Predictions are sorted by confidence into M bins of equal
/// width, the bin m = 1 … M holding those in ((m − 1)/M, m/M\]. Where a model is calibrated, the
/// mean confidence of each bin is its accuracy.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::Calibration;
///
/// // Four times 75 % sure and right three times; once 100 % sure and wrong.
/// let probabilities =
///     Tensor::from([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75], [1.0, 0.0]]);
/// let calibration = Calibration::new(&probabilities, &[0, 0, 1, 0, 1], 10)?;
/// assert_eq!(calibration.bins()[7].confidence(), Some(0.75));
/// assert_eq!(calibration.bins()[7].accuracy(), Some(0.75));
/// assert_eq!(calibration.expected_calibration_error(), 0.2);
/// # Ok::<(), downhill_train::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    bins: Vec<CalibrationBin>,
}

/// The predictions whose confidence lies in one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationBin {
    lower: f64,
    upper: f64,
    count: usize,
    correct: usize,
    confidence_sum: f64,
}

impl CalibrationBin {
    /// The end of the interval that does not belong to it.
    pub fn lower(&self) -> f64 {
        self.lower
    }

    /// The end of the interval that belongs to it.
    pub fn upper(&self) -> f64 {
        self.upper
    }

    /// The number of predictions.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The mean confidence of the predictions, if there are any.
    pub fn confidence(&self) -> Option<f64> {
        (self.count > 0).then(|| self.confidence_sum / self.count as f64)
    }

    /// The fraction of the predictions that are right, if there are any.
    pub fn accuracy(&self) -> Option<f64> {
        (self.count > 0).then(|| self.correct as f64 / self.count as f64)
    }
}

impl Calibration {
    /// Sorts the rows of `probabilities` (`[…, C]`, one label per row) into `bin_count` bins;
    /// 15 are usual.
    ///
    /// # Errors
    ///
    /// When `bin_count` is 0, and those of
    /// [`negative_log_likelihood`](super::negative_log_likelihood).
    pub fn new<'a, E: Element>(
        probabilities: &Tensor<E>,
        labels: impl ClassIndices<'a>,
        bin_count: usize,
    ) -> Result<Self, Error> {
        if bin_count == 0 {
            return Err(Error::NoBins);
        }
        let edge = |bin: usize| bin as f64 / bin_count as f64;
        let bin = |bin| CalibrationBin {
            lower: edge(bin),
            upper: edge(bin + 1),
            count: 0,
            correct: 0,
            confidence_sum: 0.0,
        };
        let mut bins: Vec<CalibrationBin> = (0..bin_count).map(bin).collect();
        visit_rows("calibration", probabilities, labels, |row, label| {
            let (mut predicted, mut confidence) = (0, row[0]);
            for (class, &probability) in row.iter().enumerate() {
                if probability > confidence {
                    (predicted, confidence) = (class, probability);
                }
            }
            // Compared with the very edges that are reported. Rounding may put a probability
            // above 1; it belongs to the last bin.
            let index = bins.partition_point(|bin| bin.upper < confidence).min(bin_count - 1);
            let bin = &mut bins[index];
            bin.count += 1;
            bin.correct += usize::from(predicted == label);
            bin.confidence_sum += confidence;
        })?;
        Ok(Self { bins })
    }

    /// The bins in ascending order of confidence, empty ones included.
    pub fn bins(&self) -> &[CalibrationBin] {
        &self.bins
    }

    /// The expected calibration error: the mean over all predictions of how far the accuracy of
    /// their bin is from its mean confidence, Σₘ (|Bₘ|/N) |accuracy(Bₘ) − confidence(Bₘ)|.
    pub fn expected_calibration_error(&self) -> f64 {
        let gap = |bin: &CalibrationBin| (bin.correct as f64 - bin.confidence_sum).abs();
        let count: usize = self.bins.iter().map(|bin| bin.count).sum();
        self.bins.iter().map(gap).sum::<f64>() / count as f64
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::super::probabilities::tests::{samples, tensors};
    use super::*;

    #[test]
    fn the_table_and_the_error_agree_with_scikit_learn_and_numpy() {
        // scikit-learn 1.9.1, numpy 2.4.6; p = np.array([...]), y = np.array([...]) as below
        // c = p.max(1); right = p.argmax(1) == y
        // accuracy, confidence = sklearn.calibration.calibration_curve(right, c, n_bins=5)
        // count = np.bincount(np.searchsorted(np.linspace(0, 1, 6)[1:-1], c), minlength=5)
        // error = (count[count > 0] / 8 * abs(accuracy - confidence)).sum()
        let probabilities = Tensor::from([
            [0.1, 0.2, 0.7],
            [0.5, 0.25, 0.25],
            [0.6, 0.3, 0.1],
            [0.05, 0.05, 0.9],
            [0.9, 0.06, 0.04],
            [0.2, 0.65, 0.15],
            [0.35, 0.33, 0.32],
            [0.02, 0.95, 0.03],
        ]);
        let calibration = Calibration::new(&probabilities, &[2, 0, 1, 0, 0, 1, 2, 1], 5).unwrap();
        let expected = [
            (0, None),
            (1, Some((0.0, 0.35))),
            (2, Some((0.5, 0.55))),
            (2, Some((1.0, 0.675))),
            (3, Some((0.666_666_666_666_666_6, 0.916_666_666_666_666_6))),
        ];
        for (bin, (count, measures)) in calibration.bins().iter().zip(expected) {
            assert_eq!(bin.count(), count);
            assert_eq!(bin.accuracy().is_some(), measures.is_some());
            if let Some((accuracy, confidence)) = measures {
                assert_relative_eq!(bin.accuracy().unwrap(), accuracy);
                assert_relative_eq!(bin.confidence().unwrap(), confidence);
            }
        }
        assert_relative_eq!(calibration.expected_calibration_error(), 0.231_25);
    }

    #[test]
    fn a_confidence_on_an_edge_belongs_to_the_bin_below() {
        let probabilities = Tensor::from([[0.5, 0.5], [0.6, 0.4], [0.3, 0.7], [0.0, 1.0]]);
        let calibration = Calibration::new(&probabilities, &[0, 0, 1, 1], 10).unwrap();
        let counts: Vec<_> = calibration.bins().iter().map(CalibrationBin::count).collect();
        assert_eq!(counts, [0, 0, 0, 0, 1, 1, 1, 0, 0, 1]);
        assert_eq!(calibration.bins()[3].confidence(), None);
        assert_eq!(calibration.bins()[3].accuracy(), None);
        assert_eq!((calibration.bins()[3].lower(), calibration.bins()[3].upper()), (0.3, 0.4));
    }

    #[test]
    fn a_confidence_that_rounding_puts_above_1_belongs_to_the_last_bin() {
        let above = Tensor::from([[1.0 + f32::EPSILON, 0.0]]);
        let calibration = Calibration::new(&above, &[0], 5).unwrap();
        assert_eq!(calibration.bins()[4].count(), 1);
    }

    #[test]
    fn bad_input_is_an_error() {
        let probabilities = Tensor::from([[0.5, 0.5]]);
        let error = Calibration::new(&probabilities, &[0], 0).unwrap_err();
        assert_eq!(error.to_string(), "a reliability diagram needs at least one bin");
        let error = Calibration::new(&probabilities, &[2], 15).unwrap_err();
        assert_eq!(error.to_string(), "labels[0] is 2, but there are 2 classes (0..=1)");
        let error = Calibration::new(&Tensor::from([[0.5, 0.7]]), &[0], 15).unwrap_err();
        assert_eq!(error.to_string(), "row 0: the probabilities sum to 1.2, not to 1 (±1.0e-6)");
    }

    proptest! {
        #[test]
        fn right_predictions_of_confidence_1_have_no_calibration_error(
            labels in prop::collection::vec(0..4_usize, 1..30), bin_count in 1..20_usize
        ) {
            let certain = ndarray::Array2::from_shape_fn((labels.len(), 4), |(row, class)| {
                f64::from(class == labels[row])
            });
            let calibration = Calibration::new(&Tensor::from(certain), &labels, bin_count).unwrap();
            prop_assert_eq!(calibration.expected_calibration_error(), 0.0);
        }

        #[test]
        fn one_bin_measures_the_gap_between_accuracy_and_mean_confidence(samples in samples()) {
            let (probabilities, labels) = tensors(&samples);
            let calibration = Calibration::new(&probabilities, &labels, 1).unwrap();
            let bin = &calibration.bins()[0];
            let gap = (bin.accuracy().unwrap() - bin.confidence().unwrap()).abs();
            prop_assert!((calibration.expected_calibration_error() - gap).abs() < 1e-12);
        }

        #[test]
        fn finer_bins_never_have_a_smaller_error(samples in samples(), bin_count in 1..10_usize) {
            // Splitting a bin splits its gap into two of at least the same sum.
            let (probabilities, labels) = tensors(&samples);
            let error = |bin_count| {
                Calibration::new(&probabilities, &labels, bin_count)
                    .unwrap()
                    .expected_calibration_error()
            };
            prop_assert!(error(2 * bin_count) >= error(bin_count) - 1e-12);
            prop_assert!((0.0..=1.0).contains(&error(bin_count)));
        }

        #[test]
        fn every_prediction_stands_in_one_bin_and_within_its_edges(samples in samples()) {
            let (probabilities, labels) = tensors(&samples);
            let calibration = Calibration::new(&probabilities, &labels, 7).unwrap();
            let total: usize = calibration.bins().iter().map(CalibrationBin::count).sum();
            prop_assert_eq!(total, samples.len());
            for bin in calibration.bins() {
                if let Some(confidence) = bin.confidence() {
                    prop_assert!(bin.lower() - 1e-12 <= confidence);
                    prop_assert!(confidence <= bin.upper() + 1e-12);
                }
            }
        }

        #[test]
        fn the_order_of_samples_changes_nothing_but_rounding(
            (samples, shuffled) in samples().prop_flat_map(|samples| {
                (Just(samples.clone()), Just(samples).prop_shuffle())
            })
        ) {
            let ((p, l), (q, m)) = (tensors(&samples), tensors(&shuffled));
            let value = Calibration::new(&p, &l, 15).unwrap().expected_calibration_error();
            let other = Calibration::new(&q, &m, 15).unwrap().expected_calibration_error();
            prop_assert!((value - other).abs() < 1e-12);
        }
    }
}
