//! Going through a data set a batch at a time.

use std::iter::FusedIterator;

use downhill_tensor::{Element, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;

use crate::dataset::Dataset;
use crate::target::{Target, gather};

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// The rows in a random order, `size` at a time; the last batch may be short
    /// ([`Batches::drop_last`] leaves it out). How an epoch of training goes through the data.
    ///
    /// # Panics
    ///
    /// If `size` is 0, or values are missing ([`Imputer`](crate::Imputer) fills them).
    #[track_caller]
    pub fn batches(&self, size: usize, rng: &mut impl Rng) -> Batches<'_, E, T> {
        Batches::new(self, shuffled(self.len(), rng), size)
    }

    /// The rows in their order, `size` at a time; the last batch may be short.
    ///
    /// # Panics
    ///
    /// As [`batches`](Self::batches).
    #[track_caller]
    pub fn batches_in_order(&self, size: usize) -> Batches<'_, E, T> {
        Batches::new(self, (0..self.len()).collect(), size)
    }

    /// All rows, in their order, as one batch.
    ///
    /// # Panics
    ///
    /// If values are missing.
    #[track_caller]
    pub fn full_batch(&self) -> T::Batch {
        assert!(!self.lacks_values(), "full_batch: values are missing; fill them first");
        self.batch_of(&(0..self.len()).collect::<Vec<_>>())
    }

    /// These rows as one batch, such as a part of the [rows](Batches::rows) of a larger one.
    ///
    /// # Panics
    ///
    /// If a row is out of range, or values are missing.
    #[track_caller]
    pub fn batch(&self, rows: &[usize]) -> T::Batch {
        self.check_rows("batch", rows);
        assert!(!self.lacks_values(), "batch: values are missing; fill them first");
        self.batch_of(rows)
    }

    fn batch_of(&self, rows: &[usize]) -> T::Batch {
        let weights = self.weights().map(|weights| gather(weights, rows));
        self.targets().batch(Tensor::from(self.gather(rows)), weights, rows)
    }
}

/// 0, …, `count` − 1 in a random order.
pub(crate) fn shuffled(count: usize, rng: &mut impl Rng) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..count).collect();
    rows.shuffle(rng);
    rows
}

/// The batches of a data set, made by [`Dataset::batches`] and [`Dataset::batches_in_order`].
#[derive(Debug)]
pub struct Batches<'a, E: Element, T: Target<E>> {
    dataset: &'a Dataset<E, T>,
    /// All rows in the order they come; those before `position` have been given.
    order: Vec<usize>,
    position: usize,
    size: usize,
}

impl<'a, E: Element, T: Target<E>> Batches<'a, E, T> {
    #[track_caller]
    pub(crate) fn new(dataset: &'a Dataset<E, T>, order: Vec<usize>, size: usize) -> Self {
        assert!(size > 0, "batches: the batch size is 0");
        assert!(!dataset.lacks_values(), "batches: values are missing; fill them first");
        Self { dataset, order, position: 0, size }
    }

    /// The numbers of each batch's rows in place of the batch, which
    /// [`Dataset::batch`] makes of them or of a part of them.
    ///
    /// ```
    /// use downhill_datasets::{Dataset, Numbers};
    /// use ndarray::array;
    ///
    /// let data = Dataset::new(array![[0.0], [1.0], [2.0]], Numbers::new(vec![1.0, 3.0, 5.0])?)?;
    /// let rows: Vec<Vec<usize>> = data.batches_in_order(2).rows().collect();
    /// assert_eq!(rows, [vec![0, 1], vec![2]]);
    /// assert_eq!(data.batch(&rows[0][1..]).targets.to_vec(), [3.0]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn rows(mut self) -> impl Iterator<Item = Vec<usize>> + use<E, T> {
        let rest = self.order.split_off(self.position);
        let size = self.size;
        let mut position = 0;
        std::iter::from_fn(move || {
            let rows = rest.get(position..)?.chunks(size).next()?.to_vec();
            position += rows.len();
            Some(rows)
        })
    }

    /// Without the last batch if it is short.
    pub fn drop_last(mut self) -> Self {
        let rest = (self.order.len() - self.position) % self.size;
        self.order.truncate(self.order.len() - rest);
        self
    }
}

impl<E: Element, T: Target<E>> Iterator for Batches<'_, E, T> {
    type Item = T::Batch;

    fn next(&mut self) -> Option<T::Batch> {
        let rows = self.order[self.position..].chunks(self.size).next()?;
        self.position += rows.len();
        Some(self.dataset.batch_of(rows))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let batches = (self.order.len() - self.position).div_ceil(self.size);
        (batches, Some(batches))
    }
}

impl<E: Element, T: Target<E>> ExactSizeIterator for Batches<'_, E, T> {}

impl<E: Element, T: Target<E>> FusedIterator for Batches<'_, E, T> {}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;
    use crate::target::{Classes, Numbers};

    /// Row `r` has the features `[2r, 2r + 1]` and a class of its own.
    fn numbered(rows: usize) -> Dataset {
        let features = Array2::from_shape_fn((rows, 2), |(row, column)| (2 * row + column) as f32);
        let names = (0..rows).map(|row| row.to_string()).collect();
        Dataset::new(features, Classes::new((0..rows).collect(), names).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn batches_visit_every_row_once(rows in 0_usize..100, size in 1_usize..40, seed: u64) {
            let data = numbered(rows);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut batches = data.batches(size, &mut rng);
            let mut visited = Vec::new();
            for remaining in (0..rows.div_ceil(size)).rev() {
                let batch = batches.next().unwrap();
                prop_assert_eq!(batches.len(), remaining);
                let expected = if remaining > 0 { size } else { rows - visited.len() };
                prop_assert_eq!(batch.features.shape(), [expected, 2]);
                let pairs = batch.labels.iter().flat_map(|&row| [2 * row, 2 * row + 1]);
                let features: Vec<f32> = pairs.map(|x| x as f32).collect();
                prop_assert_eq!(batch.features.to_vec(), features);
                visited.extend(batch.labels);
            }
            prop_assert!(batches.next().is_none());
            visited.sort_unstable();
            prop_assert_eq!(visited, (0..rows).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_pass_is_shuffled_anew() {
        let data = numbered(50);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
        let first: Vec<_> = data.batches(50, &mut rng).flat_map(|batch| batch.labels).collect();
        let second: Vec<_> = data.batches(50, &mut rng).flat_map(|batch| batch.labels).collect();
        assert!(!first.is_sorted());
        assert_ne!(first, second);
    }

    #[test]
    fn batches_in_order_end_with_a_short_one() {
        let data = numbered(5);
        let labels: Vec<_> = data.batches_in_order(2).map(|batch| batch.labels).collect();
        assert_eq!(labels, [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn a_short_batch_at_the_end_is_dropped_when_asked() {
        let data = numbered(5);
        let labels = |batches: Batches<'_, f32, Classes>| -> Vec<Vec<usize>> {
            batches.map(|batch| batch.labels).collect()
        };
        assert_eq!(labels(data.batches_in_order(2).drop_last()), [[0, 1], [2, 3]]);
        assert_eq!(data.batches_in_order(2).drop_last().len(), 2);
        assert_eq!(labels(data.batches_in_order(5).drop_last()), [[0, 1, 2, 3, 4]]);
        assert!(data.batches_in_order(6).drop_last().next().is_none());
        let mut begun = data.batches_in_order(2);
        begun.next();
        assert_eq!(labels(begun.drop_last()), [[2, 3]]);
    }

    #[test]
    fn weights_come_with_their_rows() {
        let data = numbered(3).with_weights(vec![1.0, 2.0, 0.0]).unwrap();
        let batches: Vec<_> = data.select(&[2, 1]).batches_in_order(2).collect();
        let weights = batches[0].weights.as_ref().unwrap();
        assert_eq!((weights.shape(), weights.to_vec()), (&[2][..], vec![0.0, 2.0]));
        assert!(numbered(3).full_batch().weights.is_none());

        let error = numbered(3).with_weights(vec![1.0]).unwrap_err();
        assert_eq!(error.to_string(), "1 weights, but 3 rows");
        for (weight, shown) in [(-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let error = numbered(2).with_weights(vec![0.5, weight]).unwrap_err().to_string();
            assert_eq!(error, format!("weights[1] is {shown}, not a finite number of 0 or more"));
        }
    }

    #[test]
    fn regression_targets_are_a_column() {
        let values = Numbers::new(vec![5.0, 6.0, 7.0]).unwrap();
        let data = Dataset::new(array![[0.0], [1.0], [2.0]], values).unwrap();
        let batch = data.full_batch();
        assert_eq!(batch.features.shape(), [3, 1]);
        assert_eq!(batch.features.to_vec(), [0.0, 1.0, 2.0]);
        assert_eq!(batch.targets.shape(), [3, 1]);
        assert_eq!(batch.targets.to_vec(), [5.0, 6.0, 7.0]);
    }

    #[test]
    fn batches_of_rows_without_features_keep_their_labels() {
        let labels = Classes::new(vec![0, 0, 0], vec!["only".into()]).unwrap();
        let data: Dataset = Dataset::new(Array2::zeros((3, 0)), labels).unwrap();
        let batches: Vec<_> = data.batches_in_order(2).collect();
        assert_eq!(batches[0].features.shape(), [2, 0]);
        assert_eq!(batches[1].labels, [0]);
    }

    #[test]
    #[should_panic(expected = "batches: the batch size is 0")]
    fn a_batch_size_of_0_panics() {
        let _ = numbered(3).batches_in_order(0);
    }
}
