//! How close predicted quantities are.

use downhill_tensor::{Element, Tensor};

use crate::error::Error;

/// The coefficient of determination, R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)² with ŷ the predictions, y
/// the targets and ȳ their mean: 1 for perfect predictions, 0 for those no better than ȳ,
/// negative for worse.
///
/// Predictions and targets pair up value by value. Their shapes must agree up to axes of length
/// 1, so that a model's `[N, 1]` can be compared with a column `[N]` of data, where broadcasting
/// would silently compare all with all. The values of all axes are taken together; several
/// outputs are better judged one at a time.
///
/// # Errors
///
/// When the shapes do not pair up, there are no values, or the targets do not vary.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::r_squared;
///
/// let predictions = Tensor::from([2.0, 2.0, 5.0]);
/// let targets = Tensor::from([1.0, 3.0, 5.0]);
/// assert_eq!(r_squared(&predictions, &targets)?, 1.0 - 2.0 / 8.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn r_squared<E: Element>(predictions: &Tensor<E>, targets: &Tensor<E>) -> Result<f64, Error> {
    let pairs = pairs("R²", predictions, targets)?;
    let value = pairs[0].1;
    if pairs.iter().all(|&(_, target)| target == value) {
        return Err(Error::ConstantTargets { value });
    }
    let target_mean = mean(&pairs, |_, target| target);
    let unit = unit(&pairs, |_, target| target - target_mean);
    let square = |error: f64| (error / unit).powi(2);
    let residual = mean(&pairs, |prediction, target| square(target - prediction));
    let variance = mean(&pairs, |_, target| square(target - target_mean));
    Ok(1.0 - residual / variance)
}

/// The root mean squared error, √(Σ (y − ŷ)² / N), in the units of the targets, which pair up with the
/// predictions as for [`r_squared`].
///
/// # Errors
///
/// When the shapes do not pair up or there are no values.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::root_mean_squared_error;
///
/// let (predictions, targets) = (Tensor::from([3.0, 0.0]), Tensor::from([2.0, 7.0]));
/// assert_eq!(root_mean_squared_error(&predictions, &targets)?, 5.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn root_mean_squared_error<E: Element>(
    predictions: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<f64, Error> {
    let pairs = pairs("root mean squared error", predictions, targets)?;
    let unit = unit(&pairs, |prediction, target| target - prediction);
    let square = |prediction: f64, target: f64| ((target - prediction) / unit).powi(2);
    Ok(mean(&pairs, square).sqrt() * unit)
}

/// The mean absolute error, Σ |y − ŷ| / N, in the units of the targets, which pair up with the
/// predictions as for [`r_squared`].
///
/// # Errors
///
/// When the shapes do not pair up or there are no values.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::mean_absolute_error;
///
/// let (predictions, targets) = (Tensor::from([3.0, 0.0]), Tensor::from([2.0, 7.0]));
/// assert_eq!(mean_absolute_error(&predictions, &targets)?, 4.0);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn mean_absolute_error<E: Element>(
    predictions: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<f64, Error> {
    let pairs = pairs("mean absolute error", predictions, targets)?;
    Ok(mean(&pairs, |prediction, target| (target - prediction).abs()))
}

/// Each prediction with its target, paired up as for [`r_squared`]: for a picture, or a metric of
/// one's own.
///
/// # Errors
///
/// When the shapes do not pair up or there are no values; `metric` is what the message then says
/// is undefined.
pub fn pairs<E: Element>(
    metric: &'static str,
    predictions: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<Vec<(f64, f64)>, Error> {
    let long_axes = |tensor: &Tensor<E>| -> Vec<usize> {
        tensor.shape().iter().copied().filter(|&length| length != 1).collect()
    };
    if long_axes(predictions) != long_axes(targets) {
        return Err(Error::Shape {
            predictions: predictions.shape().to_vec(),
            targets: targets.shape().to_vec(),
        });
    }
    if targets.is_empty() {
        return Err(Error::Empty { metric });
    }
    let (predictions, targets) = (predictions.array(), targets.array());
    Ok(predictions.iter().zip(&targets).map(|(p, t)| (p.as_f64(), t.as_f64())).collect())
}

fn mean(pairs: &[(f64, f64)], of: impl Fn(f64, f64) -> f64) -> f64 {
    let count = pairs.len() as f64;
    let values = || pairs.iter().map(|&(prediction, target)| of(prediction, target));
    let sum: f64 = values().sum();
    // The sum may be too large where the mean is not.
    if sum.is_finite() { sum / count } else { values().map(|value| value / count).sum() }
}

/// A power of two near the largest size of a value: in this unit, squares neither overflow nor
/// vanish, and no digit changes.
fn unit(pairs: &[(f64, f64)], of: impl Fn(f64, f64) -> f64) -> f64 {
    let sizes = pairs.iter().map(|&(prediction, target)| of(prediction, target).abs());
    let largest = sizes.fold(0.0, f64::max);
    if largest.is_normal() { largest.log2().floor().exp2() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use proptest::prelude::*;

    use super::*;

    // scikit-learn 1.9.1; from sklearn.metrics import *
    // y = [3, -0.5, 2, 7, 4.25, -1e3]; p = [2.5, 0.0, 2.1, 7.8, 4.0, -996.5]
    #[test]
    fn values_agree_with_scikit_learn() {
        let targets = Tensor::from([3.0, -0.5, 2.0, 7.0, 4.25, -1e3]);
        let predictions = Tensor::from([2.5, 0.0, 2.1, 7.8, 4.0, -996.5]);
        // r2_score(y, p)
        assert_relative_eq!(r_squared(&predictions, &targets).unwrap(), 0.999_983_946_885_306_3);
        // root_mean_squared_error(y, p)
        assert_relative_eq!(
            root_mean_squared_error(&predictions, &targets).unwrap(),
            1.497_915_217_894_524_3
        );
        // mean_absolute_error(y, p)
        assert_relative_eq!(
            mean_absolute_error(&predictions, &targets).unwrap(),
            0.941_666_666_666_666_8
        );
    }

    #[test]
    fn single_precision_values_are_summed_in_double_precision() {
        // In f32, 16,777,216 + 1 is 16,777,216: a running sum of ones would stop there.
        let predictions = Tensor::<f32>::zeros(&[3]);
        let targets = Tensor::from([16_777_216.0_f32, 1.0, 1.0]);
        let error = mean_absolute_error(&predictions, &targets).unwrap();
        assert_eq!(error, 16_777_218.0 / 3.0);
    }

    #[test]
    fn errors_of_any_size_are_measured() {
        for size in [1e-200, 1e-300, 1.0, 1e200, 8e307] {
            let (p, t) = (Tensor::from([size, 0.0]), Tensor::from([size, size]) * 0.5);
            assert_relative_eq!(root_mean_squared_error(&p, &t).unwrap(), size / 2.0);
            assert_relative_eq!(mean_absolute_error(&p, &t).unwrap(), size / 2.0);
            let (p, t) = (Tensor::from([size, 2.0 * size]), Tensor::from([size, size * 1.5]));
            assert_relative_eq!(r_squared(&p, &t).unwrap(), -1.0, max_relative = 1e-12);
        }
    }

    #[test]
    fn a_column_pairs_up_with_a_vector_value_by_value() {
        let column = Tensor::from([[1.0], [2.0], [4.0]]);
        let vector = Tensor::from([1.0, 2.0, 3.0]);
        assert_eq!(mean_absolute_error(&column, &vector), Ok(1.0 / 3.0));
    }

    #[test]
    fn shapes_that_do_not_pair_up_are_an_error_naming_both() {
        let (flat, tall) = (Tensor::<f64>::zeros(&[2, 3]), Tensor::zeros(&[3, 2]));
        for metric in [r_squared, root_mean_squared_error, mean_absolute_error] {
            assert_eq!(
                metric(&flat, &tall).unwrap_err().to_string(),
                "predictions of shape [2, 3] do not pair up with targets of shape [3, 2]"
            );
        }
    }

    #[test]
    fn what_is_undefined_is_an_error() {
        let empty = Tensor::<f64>::zeros(&[0]);
        assert_eq!(
            r_squared(&empty, &empty).unwrap_err().to_string(),
            "the R² of no samples is undefined"
        );
        // Their mean is not exactly 0.1, so a test of the variance against 0 would not do.
        let constant = Tensor::from([0.1, 0.1, 0.1]);
        assert_eq!(
            r_squared(&Tensor::from([0.0, 0.1, 0.2]), &constant).unwrap_err().to_string(),
            "R² is undefined: every target is 0.1"
        );
    }

    #[test]
    fn nan_in_a_prediction_is_nan_in_the_metric() {
        let (predictions, targets) = (Tensor::from([f64::NAN, 1.0]), Tensor::from([0.0, 1.0]));
        for metric in [r_squared, root_mean_squared_error, mean_absolute_error] {
            assert!(metric(&predictions, &targets).unwrap().is_nan());
        }
    }

    fn samples() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((-100.0..100.0, -100.0..100.0), 2..40)
    }

    fn tensors(samples: &[(f64, f64)]) -> (Tensor<f64>, Tensor<f64>) {
        let (predictions, targets): (Vec<_>, Vec<_>) = samples.iter().copied().unzip();
        (predictions.into(), targets.into())
    }

    proptest! {
        #[test]
        fn the_mean_of_the_targets_as_prediction_has_r_squared_0(samples in samples()) {
            let (_, targets) = tensors(&samples);
            let mean = targets.to_vec().iter().sum::<f64>() / samples.len() as f64;
            let predictions = Tensor::full(targets.shape(), mean);
            prop_assert!(r_squared(&predictions, &targets).unwrap().abs() < 1e-12);
        }

        #[test]
        fn perfect_predictions_have_r_squared_1_and_no_error(samples in samples()) {
            let (_, targets) = tensors(&samples);
            prop_assert_eq!(r_squared(&targets, &targets), Ok(1.0));
            prop_assert_eq!(root_mean_squared_error(&targets, &targets), Ok(0.0));
            prop_assert_eq!(mean_absolute_error(&targets, &targets), Ok(0.0));
        }

        #[test]
        fn the_mean_absolute_error_is_at_most_the_root_mean_squared_error(samples in samples()) {
            let (predictions, targets) = tensors(&samples);
            let absolute = mean_absolute_error(&predictions, &targets).unwrap();
            let squared = root_mean_squared_error(&predictions, &targets).unwrap();
            prop_assert!(absolute <= squared * (1.0 + 1e-12));
        }

        #[test]
        fn the_order_of_samples_changes_nothing_but_rounding(
            (samples, shuffled) in samples().prop_flat_map(|samples| {
                (Just(samples.clone()), Just(samples).prop_shuffle())
            })
        ) {
            let ((p, t), (q, u)) = (tensors(&samples), tensors(&shuffled));
            for metric in [r_squared, root_mean_squared_error, mean_absolute_error] {
                let (value, other) = (metric(&p, &t).unwrap(), metric(&q, &u).unwrap());
                prop_assert!((value - other).abs() <= 1e-12 * (1.0 + value.abs()));
            }
        }
    }
}
