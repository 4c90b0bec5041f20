//! Class indices, and how many of them are right.

use crate::error::Error;

/// Class indices in order, by reference: `&[usize]`, `&Vec<usize>`, `&[usize; N]` or an `ndarray`
/// array of them such as `argmax` returns, which is read in row-major order.
pub trait ClassIndices<'a>: IntoIterator<Item = &'a usize, IntoIter: ExactSizeIterator> {}

impl<'a, T> ClassIndices<'a> for T where
    T: IntoIterator<Item = &'a usize, IntoIter: ExactSizeIterator>
{
}

/// Pairs each of `items` (named `of` in errors) with its label, for the metric named `metric`.
pub(super) fn with_labels<'a, I>(
    metric: &'static str,
    of: &'static str,
    items: impl IntoIterator<Item = I, IntoIter: ExactSizeIterator>,
    labels: impl ClassIndices<'a>,
) -> Result<impl ExactSizeIterator<Item = (I, usize)>, Error> {
    let (items, labels) = (items.into_iter(), labels.into_iter());
    if labels.len() != items.len() {
        return Err(Error::Length { labels: labels.len(), of, count: items.len() });
    }
    if labels.len() == 0 {
        return Err(Error::Empty { metric });
    }
    Ok(items.zip(labels.copied()))
}

/// Refuses the `class` at position `index` of the array named `of` unless it is one of
/// `class_count`.
pub(super) fn check_class(
    of: &'static str,
    index: usize,
    class: usize,
    class_count: usize,
) -> Result<(), Error> {
    if class < class_count { Ok(()) } else { Err(Error::Class { of, index, class, class_count }) }
}

/// The fraction of `predictions` that equal their label.
///
/// # Errors
///
/// When there are not as many labels as predictions, or none at all.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::metrics::accuracy;
///
/// let logits = Tensor::from([[0.5, 2.0], [1.5, -1.0], [0.0, 0.5], [3.0, 0.0]]);
/// assert_eq!(accuracy(&logits.argmax(-1), &[1, 0, 0, 0])?, 0.75);
/// # Ok::<(), downhill_train::Error>(())
/// ```
pub fn accuracy<'a>(
    predictions: impl ClassIndices<'a>,
    labels: impl ClassIndices<'a>,
) -> Result<f64, Error> {
    let pairs = with_labels("accuracy", "predictions", predictions, labels)?;
    let count = pairs.len();
    let correct = pairs.filter(|&(prediction, label)| *prediction == label).count();
    Ok(correct as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_the_fraction_of_equal_classes() {
        assert_eq!(accuracy(&[0, 1, 2, 2, 1], &vec![0, 1, 1, 2, 1]), Ok(0.8));
        assert_eq!(accuracy(&[3], &[4]), Ok(0.0));
    }

    #[test]
    fn arrays_of_any_rank_are_compared_in_row_major_order() {
        let predictions = ndarray::arr2(&[[0, 1], [2, 3]]).into_dyn();
        assert_eq!(accuracy(&predictions, &[0, 1, 2, 3]), Ok(1.0));
        // The transpose holds 0, 2, 1, 3 in its own order.
        assert_eq!(accuracy(&predictions.t(), &[0, 1, 2, 3]), Ok(0.5));
    }

    #[test]
    fn lengths_that_differ_are_an_error_naming_both() {
        let error = accuracy(&[0, 1, 2], &[0, 1]).unwrap_err();
        assert_eq!(error.to_string(), "predictions and labels differ in number: 3 and 2");
    }

    #[test]
    fn accuracy_of_nothing_is_an_error() {
        let error = accuracy(&[], &[]).unwrap_err();
        assert_eq!(error.to_string(), "the accuracy of no samples is undefined");
    }
}
