//! Scaling features to mean 0 and standard deviation 1.

use downhill_tensor::Element;
use ndarray::Array1;

use crate::dataset::Dataset;
use crate::target::Target;

/// Scales each feature to mean 0 and standard deviation 1, as measured on one data set (the one
/// to train on): z = (x − mean) / standard_deviation. A feature that is constant is only shifted:
/// its standard deviation counts as 1.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Unchecked"))]
pub struct Standardizer {
    columns: Vec<Column>,
}

/// What was measured of a feature x, in terms of u = x / `unit` − `origin`. A mean far from 0
/// would lose the digits in which the values differ; u, its mean and its deviation keep them.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Column {
    /// The power of two next to the largest |x|, so that no square overflows or becomes 0.
    unit: f64,
    /// The first value of x / `unit`.
    origin: f64,
    mean: f64,
    standard_deviation: f64,
}

/// A standardizer as it is read from somewhere.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
struct Unchecked {
    columns: Vec<Column>,
}

#[cfg(feature = "serde")]
impl TryFrom<Unchecked> for Standardizer {
    type Error = String;

    fn try_from(Unchecked { columns }: Unchecked) -> Result<Self, String> {
        let is_sound = |column: &Column| {
            let finite = [column.unit, column.origin, column.mean, column.standard_deviation];
            let positive = column.unit > 0.0 && column.standard_deviation > 0.0;
            positive && finite.iter().all(|number| number.is_finite())
        };
        match columns.iter().position(|column| !is_sound(column)) {
            None => Ok(Self { columns }),
            Some(column) => Err(format!("the scaling of feature {column} is none")),
        }
    }
}

impl Column {
    fn shifted(&self, x: f64) -> f64 {
        x / self.unit - self.origin
    }
}

impl Standardizer {
    /// Measures the features of `dataset`, in `f64`. The standard deviation is that of the
    /// population, √(Σ(x − mean)² / N).
    ///
    /// # Panics
    ///
    /// If there are no rows, or values are missing ([`Imputer`](crate::Imputer) fills them).
    #[inline(never)]
    #[track_caller]
    pub fn fit<E: Element, T: Target<E>>(dataset: &Dataset<E, T>) -> Self {
        assert!(!dataset.is_empty(), "Standardizer::fit: the data set has no rows");
        assert!(!dataset.lacks_values(), "Standardizer::fit: values are missing; fill them first");
        let features = dataset.features();
        let count = dataset.len() as f64;
        // Row by row, as the values lie in memory.
        let mut columns = vec![
            Column { unit: 0.0, origin: 0.0, mean: 0.0, standard_deviation: 0.0 };
            features.ncols()
        ];
        for row in features.rows() {
            for (column, x) in columns.iter_mut().zip(row) {
                column.unit = column.unit.max(x.as_f64().abs());
            }
        }
        for (column, first) in columns.iter_mut().zip(features.row(0)) {
            column.unit = power_of_two(column.unit);
            column.origin = first.as_f64() / column.unit;
        }
        for row in features.rows() {
            for (column, x) in columns.iter_mut().zip(row) {
                column.mean += column.shifted(x.as_f64());
            }
        }
        for column in &mut columns {
            column.mean /= count;
        }
        for row in features.rows() {
            for (column, x) in columns.iter_mut().zip(row) {
                column.standard_deviation += (column.shifted(x.as_f64()) - column.mean).powi(2);
            }
        }
        for column in &mut columns {
            column.standard_deviation = match (column.standard_deviation / count).sqrt() {
                0.0 => 1.0 / column.unit,
                deviation => deviation,
            };
        }
        Self { columns }
    }

    /// The mean of each feature, `[D]`.
    pub fn mean(&self) -> Array1<f64> {
        self.columns.iter().map(|column| (column.origin + column.mean) * column.unit).collect()
    }

    /// What each feature is divided by, `[D]`.
    pub fn standard_deviation(&self) -> Array1<f64> {
        self.columns.iter().map(|column| column.standard_deviation * column.unit).collect()
    }

    /// `dataset` with its features scaled; targets and names stay.
    ///
    /// # Panics
    ///
    /// If `dataset` has not as many features as the one measured.
    #[inline(never)]
    #[track_caller]
    pub fn transform<E: Element, T: Target<E>>(&self, dataset: &Dataset<E, T>) -> Dataset<E, T> {
        let mut features = dataset.features().to_owned();
        assert!(
            features.ncols() == self.columns.len(),
            "Standardizer::transform: features {:?}, but {} were measured",
            features.shape(),
            self.columns.len()
        );
        for row in features.rows_mut() {
            for (x, column) in row.into_iter().zip(&self.columns) {
                let z = (column.shifted(x.as_f64()) - column.mean) / column.standard_deviation;
                *x = E::from_f64(z);
            }
        }
        dataset.with_values(features)
    }
}

/// The power of two not above `x`, but a normal number whose reciprocal is one; 1 for 0.
fn power_of_two(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let exponent = x.to_bits() & f64::INFINITY.to_bits();
    f64::from_bits(exponent).clamp(f64::MIN_POSITIVE, 1.0 / f64::MIN_POSITIVE)
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

    /// Columns of any size, as far from 0 as 10¹⁰ deviations.
    fn matrices() -> impl Strategy<Value = Array2<f64>> {
        let scales = (-200..200_i32, 0..10_i32, any::<bool>());
        (1_usize..40, prop::collection::vec(scales, 1..6)).prop_flat_map(|(rows, scales)| {
            prop::collection::vec(-1.0..1.0_f64, rows * scales.len()).prop_map(move |values| {
                let mut features = Array2::from_shape_vec((rows, scales.len()), values).unwrap();
                for (mut column, &(size, far, negative)) in
                    features.columns_mut().into_iter().zip(&scales)
                {
                    let far = 10_f64.powi(far) * if negative { -1.0 } else { 1.0 };
                    column.mapv_inplace(|x| (x + far) * 10_f64.powi(size));
                }
                features
            })
        })
    }

    proptest! {
        #[test]
        fn standardized_columns_have_mean_0_and_deviation_1(features in matrices()) {
            let data = dataset(features);
            let standardizer = Standardizer::fit(&data);
            let scaled = standardizer.transform(&data);
            for column in scaled.features().columns() {
                let tolerance = 1e-12;
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
        // 0.1 · 10 is not the sum of ten times 0.1, and 33333.3 / 3 is no number of `f64`.
        for constant in [0.1, 33_333.3, -1e300, 5e-324, f64::MAX, 0.0, -0.0] {
            for rows in [1, 3, 10, 768] {
                let data = dataset(Array2::from_elem((rows, 1), constant));
                let standardizer = Standardizer::fit(&data);
                assert_eq!(standardizer.standard_deviation(), array![1.0]);
                assert_eq!(standardizer.mean(), array![constant]);
                assert!(standardizer.transform(&data).features().iter().all(|&z| z == 0.0));
            }
        }
        let data = dataset(array![[1e6_f32], [1e6]]);
        let shifted = Standardizer::fit(&data).transform(&dataset(array![[1e6_f32 + 0.25]]));
        assert_eq!(shifted.features(), array![[0.25]]);
    }

    #[test]
    fn small_differences_far_from_0_are_kept() {
        let expected = [-0.5_f64.sqrt(), 2.0_f64.sqrt(), -0.5_f64.sqrt()];
        let single = dataset(array![[16_777_216.0_f32], [16_777_218.0], [16_777_216.0]]);
        let scaled = Standardizer::fit(&single).transform(&single);
        for (&z, expected) in scaled.features().iter().zip(expected) {
            assert_abs_diff_eq!(z, expected as f32, epsilon = 1e-6);
        }
        for (far, step) in [(1e16, 2.0), (-1e16, 2.0), (1e300, 1e285), (0.0, 5e-324), (3.0, 1e-15)]
        {
            let data = dataset(array![[far], [far + step], [far]]);
            let scaled = Standardizer::fit(&data).transform(&data);
            for (&z, expected) in scaled.features().iter().zip(expected) {
                assert_abs_diff_eq!(z, expected, epsilon = 1e-12);
            }
        }
    }

    #[test]
    fn the_largest_and_smallest_numbers_are_scaled_without_overflow() {
        for x in [f64::MAX, 1e200, 1e-200, f64::MIN_POSITIVE, 5e-324] {
            let data = dataset(array![[-x], [x]]);
            let scaled = Standardizer::fit(&data).transform(&data);
            assert_eq!(scaled.features(), array![[-1.0], [1.0]], "{x}");
        }
    }

    #[test]
    fn a_deviation_that_f32_cannot_hold_is_a_scale_nevertheless() {
        let mut features = Array2::<f32>::zeros((1000, 1));
        features[[0, 0]] = f32::from_bits(1);
        let data = dataset(features);
        let scaled = Standardizer::fit(&data).transform(&data);
        // (1 − 1/1000) / √(1/1000 − 1/1000²)
        assert_abs_diff_eq!(scaled.features()[[0, 0]], 999.0_f32.sqrt(), epsilon = 1e-5);
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
