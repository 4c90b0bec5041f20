//! What is to be predicted: a class or a number.

use downhill_tensor::{Element, Tensor};
use ndarray::{Array1, Array2};

use crate::error::Error;
use crate::words::Dictionary;

/// The targets of a data set, one a row: [`Classes`], [`Numbers`], or a type of one's own.
pub trait Target<E: Element>: Clone {
    /// What a training step is given: the features of some rows with their targets.
    type Batch;

    /// The number of targets.
    fn row_count(&self) -> usize;

    /// The targets of `rows`, in their order.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    fn select(&self, rows: &[usize]) -> Self;

    /// The targets of `rows` beside their `features`, of shape `[rows.len(), D]`, and their
    /// weights if there are any.
    ///
    /// # Panics
    ///
    /// If a row is out of range.
    fn batch(&self, features: Tensor<E>, weights: Option<Vec<E>>, rows: &[usize]) -> Self::Batch;
}

/// Classes: an index a row, and the classes' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    indices: Vec<usize>,
    names: Vec<String>,
}

impl Classes {
    /// Classes from class indices and the names of all classes.
    ///
    /// # Errors
    ///
    /// [`Error::UnnamedLabel`] when an index is not below the number of names.
    pub fn new(indices: Vec<usize>, names: Vec<String>) -> Result<Self, Error> {
        match indices.iter().position(|&index| index >= names.len()) {
            None => Ok(Self { indices, names }),
            Some(row) => {
                Err(Error::UnnamedLabel { row, label: indices[row], classes: names.len() })
            }
        }
    }

    /// Classes from the class name of each row.
    ///
    /// The classes are the different names in order: by value if all are decimal numbers (`2`
    /// and `2.0` are then the same class, named by its shortest spelling), else alphabetically.
    /// A code with leading zeros, like `01`, is no number.
    ///
    /// ```
    /// use downhill_datasets::Classes;
    ///
    /// let classes = Classes::from_names(&["10", "9", "10"]);
    /// assert_eq!(classes.names(), ["9", "10"]);
    /// assert_eq!(classes.indices(), [1, 0, 1]);
    /// ```
    pub fn from_names(rows: &[impl AsRef<str>]) -> Self {
        let mut words = Dictionary::default();
        let numbers = rows.iter().map(|row| words.number(row.as_ref())).collect();
        Self::from_words(numbers, words)
    }

    /// Classes from the number of each row's word in the dictionary of all words.
    pub(crate) fn from_words(mut numbers: Vec<usize>, words: Dictionary) -> Self {
        let (names, positions) = words.in_order();
        for number in &mut numbers {
            *number = positions[*number];
        }
        Self { indices: numbers, names }
    }

    /// The class of each row, an index into the [names](Self::names).
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// The name of each class.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

impl<E: Element> Target<E> for Classes {
    type Batch = Batch<E>;

    fn row_count(&self) -> usize {
        self.indices.len()
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self { indices: gather(&self.indices, rows), names: self.names.clone() }
    }

    fn batch(&self, features: Tensor<E>, weights: Option<Vec<E>>, rows: &[usize]) -> Batch<E> {
        let weights = weights.map(|weights| Tensor::from(Array1::from(weights)));
        Batch { features, labels: gather(&self.indices, rows), weights }
    }
}

/// Real numbers to predict, all finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers<E: Element> {
    values: Vec<E>,
}

impl<E: Element> Numbers<E> {
    /// One value a row.
    ///
    /// # Errors
    ///
    /// [`Error::NotFiniteEntry`] when a value is NaN or infinite.
    pub fn new(values: Vec<E>) -> Result<Self, Error> {
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(Self::from_finite(values)),
            Some(row) => Err(Error::NotFiniteEntry {
                array: "targets",
                index: vec![row],
                value: values[row].as_f64(),
            }),
        }
    }

    pub(crate) fn from_finite(values: Vec<E>) -> Self {
        Self { values }
    }

    /// The value of each row.
    pub fn as_slice(&self) -> &[E] {
        &self.values
    }
}

impl<E: Element> Target<E> for Numbers<E> {
    type Batch = RegressionBatch<E>;

    fn row_count(&self) -> usize {
        self.values.len()
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self { values: gather(&self.values, rows) }
    }

    fn batch(
        &self,
        features: Tensor<E>,
        weights: Option<Vec<E>>,
        rows: &[usize],
    ) -> RegressionBatch<E> {
        let column = |values| -> Tensor<E> {
            Array2::from_shape_vec((rows.len(), 1), values).expect("one value a row").into()
        };
        let targets = column(gather(&self.values, rows));
        RegressionBatch { features, targets, weights: weights.map(column) }
    }
}

/// The entries of `rows`, in their order.
pub(crate) fn gather<V: Copy>(values: &[V], rows: &[usize]) -> Vec<V> {
    rows.iter().map(|&row| values[row]).collect()
}

/// Rows of a data set with [`Classes`].
#[derive(Debug, Clone)]
pub struct Batch<E: Element = f32> {
    /// The features, `[B, D]`.
    pub features: Tensor<E>,
    /// The class of each row, `B` indices.
    pub labels: Vec<usize>,
    /// How much each row counts, `[B]`, if the data set has weights.
    pub weights: Option<Tensor<E>>,
}

/// Rows of a data set with [`Numbers`].
#[derive(Debug, Clone)]
pub struct RegressionBatch<E: Element = f32> {
    /// The features, `[B, D]`.
    pub features: Tensor<E>,
    /// The values to predict, `[B, 1]`.
    pub targets: Tensor<E>,
    /// How much each row counts, `[B, 1]`, if the data set has weights.
    pub weights: Option<Tensor<E>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numeric_class_names_are_ordered_by_value() {
        let classes = Classes::from_names(&["10", "-1", "2", "10"]);
        assert_eq!(classes.names(), ["-1", "2", "10"]);
        assert_eq!(classes.indices(), [2, 0, 1, 2]);
    }

    #[test]
    fn one_word_among_the_names_makes_the_order_alphabetical() {
        let classes = Classes::from_names(&["10", "2", "b", "nan"]);
        assert_eq!(classes.names(), ["10", "2", "b", "nan"]);
        assert_eq!(classes.indices(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_label_without_a_name_is_an_error() {
        let error = Classes::new(vec![0, 2, 1], vec!["a".into(), "b".into()]).unwrap_err();
        assert_eq!(error.to_string(), "labels[1] is 2, but only 2 classes are named");
    }

    #[test]
    fn values_must_be_finite() {
        assert_eq!(Numbers::new(vec![1.0, 2.0]).unwrap().as_slice(), [1.0, 2.0]);
        let error = Numbers::new(vec![0.0_f32, f32::NEG_INFINITY]).unwrap_err();
        assert_eq!(error.to_string(), "targets[1] is -inf, not a finite number");
    }
}
