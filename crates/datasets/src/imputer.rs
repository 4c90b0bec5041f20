//! Filling missing values.

use downhill_tensor::Element;

use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::Target;

/// What a missing value is replaced by.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Fill {
    /// The mean of the feature's other values.
    Mean,
    /// The median of the feature's other values.
    Median,
    /// This number.
    Value(f64),
}

/// Fills missing values of each feature with what was measured on one data set, the one to train
/// on.
///
/// ```
/// use downhill_datasets::{Csv, Fill, Imputer};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let penguins = Csv::new("data/penguins.csv")
///     .target("species")
///     .features(&["bill_*", "body_mass_g"])
///     .keep_missing(true)
///     .read_classification::<f32>()?;
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let (train, test) = penguins.split(0.8, &mut rng)?;
/// let imputer = Imputer::fit(&train, Fill::Median)?;
/// let (train, test) = (imputer.transform(&train), imputer.transform(&test));
/// assert_eq!(train.len() + test.len(), 344);
/// assert!(!train.lacks_values() && !test.lacks_values());
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Imputer {
    values: Vec<f64>,
}

impl Imputer {
    /// Measures the features of `dataset`, in `f64`.
    ///
    /// # Errors
    ///
    /// [`Error::NoValue`] when a feature has no value at all, from which to take mean or median, and
    /// [`Error::NotFiniteEntry`] when it would be filled with what is no finite number.
    pub fn fit<E: Element, T: Target<E>>(
        dataset: &Dataset<E, T>,
        fill: Fill,
    ) -> Result<Self, Error> {
        let features = dataset.features();
        let fill_of = |index: usize| {
            let column = features.column(index);
            let present = || column.iter().map(|x| x.as_f64()).filter(|x| !x.is_nan());
            let value = match fill {
                Fill::Value(value) => Some(value),
                Fill::Mean => mean(present()),
                Fill::Median => median(present().collect()),
            };
            let value =
                value.ok_or_else(|| Error::NoValue(dataset.feature_names()[index].clone()))?;
            match E::from_f64(value).is_finite() {
                true => Ok(value),
                false => Err(Error::NotFiniteEntry { array: "fill", index: vec![index], value }),
            }
        };
        Ok(Self { values: (0..features.ncols()).map(fill_of).collect::<Result<_, _>>()? })
    }

    /// What each feature's missing values are replaced by, `D` numbers.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// `dataset` with its missing values filled.
    ///
    /// # Panics
    ///
    /// If `dataset` has not as many features as the one measured.
    #[track_caller]
    pub fn transform<E: Element, T: Target<E>>(&self, dataset: &Dataset<E, T>) -> Dataset<E, T> {
        let mut features = dataset.features().to_owned();
        assert!(
            features.ncols() == self.values.len(),
            "Imputer::transform: features {:?}, but {} were measured",
            features.shape(),
            self.values.len()
        );
        for row in features.rows_mut() {
            for (x, &value) in row.into_iter().zip(&self.values) {
                if x.is_nan() {
                    *x = E::from_f64(value);
                }
            }
        }
        dataset.with_values(features).with_missing(false)
    }
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let (origin, count) = (values.clone().next()?, values.clone().count() as f64);
    // From the first value on, so that a constant is its own mean; divided first, against overflow.
    Some(origin + values.map(|x| x / count - origin / count).sum::<f64>())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { values[middle - 1].midpoint(upper) })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;
    use crate::target::Numbers;

    fn lacking(features: Array2<f64>) -> Dataset<f64, Numbers<f64>> {
        let names = crate::names::Names::Numbered(features.ncols());
        let targets = Numbers::new(vec![0.0; features.nrows()]).unwrap();
        Dataset::from_parts(features, targets, names, "target".into()).with_missing(true)
    }

    const NAN: f64 = f64::NAN;

    #[test]
    fn missing_values_are_filled_with_what_was_measured_in_training() {
        let train = lacking(array![[1.0, 5.0], [NAN, 5.0], [2.0, NAN], [6.0, 5.0]]);
        let test = lacking(array![[NAN, NAN], [0.5, 7.0]]);
        for (fill, expected) in
            [(Fill::Mean, [3.0, 5.0]), (Fill::Median, [2.0, 5.0]), (Fill::Value(-1.0), [-1.0; 2])]
        {
            let imputer = Imputer::fit(&train, fill).unwrap();
            assert_eq!(imputer.values(), expected);
            let filled = imputer.transform(&test);
            assert_eq!(filled.features(), array![expected, [0.5, 7.0]]);
            assert!(test.lacks_values() && !filled.lacks_values());
        }
    }

    #[test]
    fn mean_and_median_hold_at_the_ends_of_the_numbers() {
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(vec![f64::MAX, f64::MAX]), Some(f64::MAX));
        assert_eq!(mean([f64::MAX, -f64::MAX].into_iter()), Some(0.0));
        assert_eq!(mean([0.1; 10].into_iter()), Some(0.1));
        assert_eq!((mean([].into_iter()), median(vec![])), (None, None));
    }

    #[test]
    fn a_feature_without_a_value_is_an_error() {
        let error = Imputer::fit(&lacking(array![[1.0, NAN]]), Fill::Mean).unwrap_err();
        assert_eq!(
            error.to_string(),
            "feature `feature_1` has no value to take a mean or median of"
        );
        assert!(Imputer::fit(&lacking(array![[1.0, NAN]]), Fill::Value(0.0)).is_ok());
        for value in [NAN, f64::INFINITY] {
            // Nothing would be filled, and nobody would say so.
            let error = Imputer::fit(&lacking(array![[1.0]]), Fill::Value(value)).unwrap_err();
            assert!(error.to_string().starts_with("fill[0] is"), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "batches: values are missing; fill them first")]
    fn batches_of_missing_values_panic() {
        let _ = lacking(array![[NAN]]).batches_in_order(1);
    }
}
