//! Scaling features to mean 0 and standard deviation 1.

use downhill_tensor::Element;
use ndarray::{Array1, ArrayView1, Axis};

use crate::dataset::Dataset;
use crate::target::Target;

/// Scales each feature to mean 0 and standard deviation 1, as measured on one data set (the one
/// to train on): z = (x − mean) / standard_deviation.
///
/// A feature that is constant is only shifted: its standard deviation counts as 1, by
/// scikit-learn's rule, for which see [`fit`](Self::fit).
///
/// ```
/// use downhill_datasets::{Dataset, Numbers, Standardizer};
/// use ndarray::array;
///
/// let train = Dataset::new(array![[1.0], [3.0]], Numbers::new(vec![0.0, 1.0])?)?;
/// let test = Dataset::new(array![[4.0]], Numbers::new(vec![1.5])?)?;
/// let standardizer = Standardizer::fit(&train);
/// assert_eq!(standardizer.transform(&train).features(), array![[-1.0], [1.0]]);
/// assert_eq!(standardizer.transform(&test).features(), array![[2.0]]);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Standardizer<E: Element = f32> {
    mean: Array1<E>,
    standard_deviation: Array1<E>,
}

impl<E: Element> Standardizer<E> {
    /// Measures the features of `dataset`, in `f64`.
    ///
    /// The standard deviation is that of the population, √(Σ(x − mean)² / N). It counts as 1
    /// where the variance is not above N·ε·variance + (N·ε·mean)², with `f64`'s ε: a bound on
    /// what rounding alone makes of a constant (scikit-learn's `_is_constant_feature`).
    ///
    /// # Panics
    ///
    /// If there are no rows.
    #[track_caller]
    pub fn fit<T: Target<E>>(dataset: &Dataset<E, T>) -> Self {
        assert!(!dataset.is_empty(), "Standardizer::fit: the data set has no rows");
        let features = dataset.features();
        let count = dataset.len() as f64;
        // Row by row, as the values lie in memory.
        let mut mean = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            mean.zip_mut_with(&row, |mean, x| *mean += x.as_f64());
        }
        mean /= count;
        let mut variance = Array1::<f64>::zeros(features.ncols());
        for row in features.rows() {
            ndarray::Zip::from(&mut variance)
                .and(&mean)
                .and(row)
                .for_each(|variance, mean, x| *variance += (x.as_f64() - mean).powi(2));
        }
        variance /= count;
        let standard_deviation = ndarray::Zip::from(&mean).and(&variance).map_collect(|m, v| {
            let noise = count * f64::EPSILON * v + (count * f64::EPSILON * m).powi(2);
            // A deviation below the least number of `E` is no scale to divide by either.
            match E::from_f64(v.sqrt()) {
                deviation if *v > noise && deviation > E::zero() => deviation,
                _ => E::one(),
            }
        });
        Self { mean: mean.mapv(E::from_f64), standard_deviation }
    }

    /// The mean of each feature, `[D]`.
    pub fn mean(&self) -> ArrayView1<'_, E> {
        self.mean.view()
    }

    /// What each feature is divided by, `[D]`.
    pub fn standard_deviation(&self) -> ArrayView1<'_, E> {
        self.standard_deviation.view()
    }

    /// `dataset` with its features scaled; targets and names stay.
    ///
    /// # Panics
    ///
    /// If `dataset` has not as many features as the one measured.
    #[track_caller]
    pub fn transform<T: Target<E>>(&self, dataset: &Dataset<E, T>) -> Dataset<E, T> {
        let mut features = dataset.features().to_owned();
        assert!(
            features.ncols() == self.mean.len(),
            "Standardizer::transform: features {:?}, but {} were measured",
            features.shape(),
            self.mean.len()
        );
        for mut row in features.axis_iter_mut(Axis(0)) {
            row -= &self.mean;
            row /= &self.standard_deviation;
        }
        dataset.with_features(features, dataset.targets().clone())
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_abs_diff_eq;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;
    use crate::target::Numbers;

    fn dataset<E: Element>(features: Array2<E>) -> Dataset<E, Numbers<E>> {
        let targets = Numbers::new(vec![E::zero(); features.nrows()]).unwrap();
        Dataset::new(features, targets).unwrap()
    }

    fn matrices() -> impl Strategy<Value = Array2<f64>> {
        (1_usize..40, 1_usize..6).prop_flat_map(|(rows, columns)| {
            prop::collection::vec(-1e3..1e3, rows * columns)
                .prop_map(move |values| Array2::from_shape_vec((rows, columns), values).unwrap())
        })
    }

    proptest! {
        #[test]
        fn standardized_columns_have_mean_0_and_deviation_1(features in matrices()) {
            let data = dataset(features);
            let standardizer = Standardizer::fit(&data);
            let scaled = standardizer.transform(&data);
            for (column, &deviation) in
                scaled.features().columns().into_iter().zip(standardizer.standard_deviation())
            {
                // Each x − mean is off by at most some ε · 1000, and is then divided.
                let tolerance = 1e-11 * (1.0 + 1.0 / deviation);
                prop_assert!(column.mean().unwrap().abs() < tolerance);
                let expected = if data.len() == 1 { 0.0 } else { 1.0 };
                prop_assert!((column.std(0.0) - expected).abs() < tolerance);
            }
        }
    }

    #[test]
    fn the_deviation_is_that_of_the_population() {
        let standardizer = Standardizer::fit(&dataset(array![[2.0, 1.0], [4.0, 1.5], [9.0, 0.5]]));
        assert_eq!(standardizer.mean(), array![5.0, 1.0]);
        let expected = [(26.0_f64 / 3.0).sqrt(), (0.5_f64 / 3.0).sqrt()];
        let measured = standardizer.standard_deviation().to_vec();
        assert_abs_diff_eq!(measured[..], expected[..], epsilon = 1e-15);
    }

    #[test]
    fn a_constant_column_is_only_shifted() {
        // The sum of ten times 0.1 is not 1, so that the measured variance is not quite 0.
        let data = dataset(Array2::from_elem((10, 1), 0.1_f64));
        let standardizer = Standardizer::fit(&data);
        assert_eq!(standardizer.standard_deviation(), array![1.0]);
        assert!(standardizer.transform(&data).features().iter().all(|z| z.abs() < 1e-16));
    }

    #[test]
    fn a_deviation_that_f32_cannot_hold_is_no_scale() {
        let mut features = Array2::<f32>::zeros((1000, 1));
        features[[0, 0]] = f32::from_bits(1);
        let data = dataset(features);
        let standardizer = Standardizer::fit(&data);
        assert_eq!(standardizer.standard_deviation(), array![1.0]);
        assert!(standardizer.transform(&data).features().iter().all(|z| z.is_finite()));
    }

    #[test]
    fn columns_of_f32_are_measured_in_f64() {
        // A sum in `f32` stays at 2²⁴ whatever number of ones is added.
        let mut features = Array2::<f32>::ones((1024, 1));
        features[[0, 0]] = 16_777_216.0;
        let standardizer = Standardizer::fit(&dataset(features));
        assert_eq!(standardizer.mean(), array![16_384.0 + 1023.0 / 1024.0]);
    }

    #[test]
    fn names_and_targets_stay() {
        let data =
            Dataset::new(array![[1.0_f32], [3.0]], Numbers::new(vec![5.0, 6.0]).unwrap()).unwrap();
        let scaled = Standardizer::fit(&data).transform(&data);
        assert_eq!(scaled.features(), array![[-1.0], [1.0]]);
        assert_eq!(scaled.targets(), data.targets());
        assert_eq!(scaled.feature_names(), data.feature_names());
    }

    #[test]
    #[should_panic(expected = "Standardizer::transform: features [1, 2], but 1 were measured")]
    fn another_number_of_features_panics() {
        let _ = Standardizer::fit(&dataset(array![[1.0]])).transform(&dataset(array![[1.0, 2.0]]));
    }

    #[test]
    #[should_panic(expected = "Standardizer::fit: the data set has no rows")]
    fn no_rows_panic() {
        let _ = Standardizer::fit(&dataset(Array2::<f32>::zeros((0, 2))));
    }
}
