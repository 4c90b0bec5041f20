//! The data set: features and targets, row by row.

use downhill_tensor::Element;
use ndarray::{Array2, ArrayView2};

use crate::error::Error;
use crate::names::Names;
use crate::target::{Classes, Target, gather};

/// Rows of `D` finite features, and a target each.
///
/// ```
/// use downhill_datasets::{Dataset, Numbers};
/// use ndarray::array;
///
/// let line = Dataset::new(array![[0.0], [1.0], [2.0]], Numbers::new(vec![1.0, 3.0, 5.0])?)?;
/// assert_eq!(line.len(), 3);
/// assert_eq!(line.full_batch().targets.shape(), [3, 1]);
/// # Ok::<(), downhill_datasets::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset<E: Element = f32, T: Target<E> = Classes> {
    /// `[N, D]`, in row-major layout.
    features: Array2<E>,
    targets: T,
    feature_names: Names,
    target_name: String,
    dropped_rows: usize,
    /// One a row, if there are any.
    weights: Option<Vec<E>>,
    /// Whether features may be NaN, which stands for a missing value.
    may_miss: bool,
    notes: Vec<String>,
}

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// A data set of `features`, `[N, D]`, with `N` targets. The features are called `feature_0`
    /// and so on, the target `target`.
    ///
    /// # Errors
    ///
    /// [`Error::RowCounts`] when there are not as many targets as rows, [`Error::NotFiniteEntry`]
    /// when a feature is NaN or infinite.
    pub fn new(features: Array2<E>, targets: T) -> Result<Self, Error> {
        if features.nrows() != targets.row_count() {
            return Err(Error::RowCounts {
                features: features.nrows(),
                targets: targets.row_count(),
            });
        }
        if let Some(((row, column), value)) =
            features.indexed_iter().find(|(_, value)| !value.is_finite())
        {
            let (index, value) = (vec![row, column], value.as_f64());
            return Err(Error::NotFiniteEntry { array: "features", index, value });
        }
        let features = if features.is_standard_layout() {
            features
        } else {
            features.as_standard_layout().into_owned()
        };
        let feature_names = Names::Numbered(features.ncols());
        Ok(Self::from_parts(features, targets, feature_names, "target".into()))
    }

    /// From parts that are known to be finite and to fit, with features in row-major layout.
    pub(crate) fn from_parts(
        features: Array2<E>,
        targets: T,
        feature_names: Names,
        target_name: String,
    ) -> Self {
        let (dropped_rows, weights, may_miss, notes) = Default::default();
        Self {
            features,
            targets,
            feature_names,
            target_name,
            dropped_rows,
            weights,
            may_miss,
            notes,
        }
    }

    pub(crate) fn with_dropped_rows(self, dropped_rows: usize) -> Self {
        Self { dropped_rows, ..self }
    }

    pub(crate) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    pub(crate) fn with_missing(self, may_miss: bool) -> Self {
        Self { may_miss, ..self }
    }

    pub(crate) fn with_checked_weights(self, weights: Vec<E>) -> Self {
        Self { weights: Some(weights), ..self }
    }

    /// The same rows, each counting as much as its weight says.
    ///
    /// # Errors
    ///
    /// [`Error::WeightCount`] when there are not as many weights as rows, [`Error::BadWeight`]
    /// when one is negative or not finite.
    pub fn with_weights(self, weights: Vec<E>) -> Result<Self, Error> {
        check_weights(&weights, self.len())?;
        Ok(self.with_checked_weights(weights))
    }

    /// The number of rows, `N`.
    pub fn len(&self) -> usize {
        self.features.nrows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The features, `[N, D]`.
    pub fn features(&self) -> ArrayView2<'_, E> {
        self.features.view()
    }

    /// The targets, one a row.
    pub fn targets(&self) -> &T {
        &self.targets
    }

    /// The number of features, `D`.
    pub fn feature_count(&self) -> usize {
        self.features.ncols()
    }

    /// The name of each feature, `D` names that are written out anew at each call.
    pub fn feature_names(&self) -> Vec<String> {
        self.feature_names.to_vec()
    }

    /// The name of what is to be predicted.
    pub fn target_name(&self) -> &str {
        &self.target_name
    }

    /// How many rows of the file lacked a value and were left out, as [`Csv::drop_missing`](crate::Csv::drop_missing) asks
    /// for. A data set made from another one reports 0.
    pub fn dropped_rows(&self) -> usize {
        self.dropped_rows
    }

    /// How much each row counts, if the data set has weights.
    pub fn weights(&self) -> Option<&[E]> {
        self.weights.as_deref()
    }

    /// What was decided in reading that might be seen otherwise, a sentence each, for a program
    /// to print.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether a feature is missing (NaN), as [`Csv::keep_missing`](crate::Csv::keep_missing)
    /// allows.
    pub fn lacks_values(&self) -> bool {
        self.may_miss && self.features.iter().any(|value| value.is_nan())
    }

    /// Height and width of the images whose pixels the features are, if the features are called
    /// `pixel_0_0`, `pixel_0_1`, … in row-major order and make up a whole grid.
    pub fn image_shape(&self) -> Option<[usize; 2]> {
        self.feature_names.image_shape()
    }

    /// The data set of `rows`, in their order. A row may occur several times.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    #[inline(never)]
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        self.check_rows("select", rows);
        let weights = self.weights.as_ref().map(|weights| gather(weights, rows));
        let part = self.with_features(self.gather(rows), self.targets.select(rows));
        Self { weights, ..part }
    }

    #[track_caller]
    pub(crate) fn check_rows(&self, name: &str, rows: &[usize]) {
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            panic!("{name}: row {row} of a data set of {} rows", self.len());
        }
    }

    /// The same names over other rows or other values.
    fn with_features(&self, features: Array2<E>, targets: T) -> Self {
        let names = self.feature_names.clone();
        Self::from_parts(features, targets, names, self.target_name.clone())
            .with_missing(self.may_miss)
    }

    /// The same rows with other values for their features.
    pub(crate) fn with_values(&self, features: Array2<E>) -> Self {
        let weights = self.weights.clone();
        Self { weights, ..self.with_features(features, self.targets.clone()) }
    }

    pub(crate) fn gather(&self, rows: &[usize]) -> Array2<E> {
        let width = self.features.ncols();
        let values = self.features.as_slice().expect("features are in row-major layout");
        let mut gathered = Vec::with_capacity(rows.len() * width);
        for &row in rows {
            gathered.extend_from_slice(&values[row * width..][..width]);
        }
        Array2::from_shape_vec((rows.len(), width), gathered).expect("whole rows were gathered")
    }
}

/// Whether there is a weight for each row, none of them negative.
pub(crate) fn check_weights<E: Element>(weights: &[E], rows: usize) -> Result<(), Error> {
    if weights.len() != rows {
        return Err(Error::WeightCount { weights: weights.len(), rows });
    }
    let bad = |weight: &E| !(*weight >= E::zero() && weight.is_finite());
    match weights.iter().position(bad) {
        None => Ok(()),
        Some(row) => Err(Error::BadWeight { row, weight: weights[row].as_f64() }),
    }
}

impl<E: Element> Dataset<E, Classes> {
    /// The class of each row, an index into the [class names](Self::class_names).
    pub fn labels(&self) -> &[usize] {
        self.targets.indices()
    }

    /// The name of each class. A part of a data set keeps all names, also of classes that it
    /// has no row of.
    pub fn class_names(&self) -> &[String] {
        self.targets.names()
    }

    /// The number of classes.
    pub fn class_count(&self) -> usize {
        self.class_names().len()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::target::Numbers;

    fn labels(indices: &[usize]) -> Classes {
        Classes::new(indices.into(), vec!["no".into(), "yes".into()]).unwrap()
    }

    fn with_names(names: &[&str]) -> Dataset {
        let names = names.iter().map(|&name| name.into()).collect::<Vec<_>>();
        let features = Array2::zeros((1, names.len()));
        Dataset::from_parts(features, labels(&[0]), Names::Given(names), "class".into())
    }

    #[test]
    fn generated_data_gets_names() {
        let data = Dataset::new(array![[1.0_f32, 2.0]], labels(&[1])).unwrap();
        assert_eq!(data.feature_names(), ["feature_0", "feature_1"]);
        assert_eq!(data.target_name(), "target");
        assert_eq!(data.class_names(), ["no", "yes"]);
        assert_eq!((data.class_count(), data.dropped_rows()), (2, 0));
    }

    #[test]
    fn select_gathers_rows_in_the_order_given() {
        let data = Dataset::new(array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], labels(&[0, 1, 0]));
        let part = data.unwrap().select(&[2, 1, 2]);
        assert_eq!(part.features(), array![[5.0, 6.0], [3.0, 4.0], [5.0, 6.0]]);
        assert_eq!(part.labels(), [0, 1, 0]);
        assert_eq!(part.class_count(), 2);
        assert!(part.select(&[]).is_empty());
    }

    #[test]
    fn rows_are_gathered_from_any_memory_layout() {
        let transposed = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let data = Dataset::new(transposed, labels(&[0, 1])).unwrap();
        assert_eq!(data.select(&[1]).features(), array![[2.0, 4.0]]);
        assert_eq!(data.full_batch().features.to_vec(), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    #[should_panic(expected = "select: row 3 of a data set of 3 rows")]
    fn selecting_a_row_out_of_range_panics() {
        let values = Numbers::new(vec![0.0; 3]).unwrap();
        let _ = Dataset::new(Array2::zeros((3, 1)), values).unwrap().select(&[0, 3]);
    }

    #[test]
    fn features_and_targets_of_different_number_are_an_error() {
        let error = Dataset::new(array![[1.0], [2.0]], labels(&[0])).unwrap_err();
        assert_eq!(error.to_string(), "2 rows of features, but 1 targets");
    }

    #[test]
    fn features_must_be_finite() {
        let error = Dataset::new(array![[1.0, 2.0], [3.0, f64::NAN]], labels(&[0, 1])).unwrap_err();
        assert_eq!(error.to_string(), "features[1, 1] is NaN, not a finite number");
    }

    #[test]
    fn pixels_that_make_up_a_grid_are_an_image() {
        let names = ["pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_1_0", "pixel_1_1", "pixel_1_2"];
        assert_eq!(with_names(&names).image_shape(), Some([2, 3]));
        assert_eq!(with_names(&names[..1]).image_shape(), Some([1, 1]));
    }

    #[test]
    fn pixels_that_are_no_grid_are_not_an_image() {
        for names in [
            &[][..],
            &["pixel_0_0", "pixel_1_1"],
            &["pixel_0_0", "pixel_1_0", "pixel_0_1", "pixel_1_1"],
            &["pixel_0_0", "other", "pixel_1_0", "pixel_1_1"],
            &["pixel_0_0", "pixel_0_18446744073709551615"],
            &["pixel_18446744073709551614_18446744073709551614"],
            &["a", "b"],
        ] {
            assert_eq!(with_names(names).image_shape(), None, "{names:?}");
        }
    }
}
