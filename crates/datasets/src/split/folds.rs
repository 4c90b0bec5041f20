//! Cross-validation: each row is tested once, by a model that was trained on others.

use std::iter::FusedIterator;

use downhill_tensor::Element;
use rand::Rng;

use crate::batches::shuffled;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::{Classes, Target};

/// The folds of a data set: for each, the rows to train on and those to test on.
#[derive(Debug, Clone)]
pub struct Folds<'a, E: Element, T: Target<E>> {
    dataset: &'a Dataset<E, T>,
    /// All rows in a random order.
    order: Vec<usize>,
    /// The fold in which each row is tested.
    fold_of: Vec<usize>,
    next: usize,
    count: usize,
}

impl<'a, E: Element, T: Target<E>> Folds<'a, E, T> {
    pub(super) fn new(
        dataset: &'a Dataset<E, T>,
        order: Vec<usize>,
        fold_of: Vec<usize>,
        count: usize,
    ) -> Self {
        Self { dataset, order, fold_of, next: 0, count }
    }
}

impl<E: Element, T: Target<E>> Iterator for Folds<'_, E, T> {
    type Item = (Dataset<E, T>, Dataset<E, T>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let (test, train): (Vec<usize>, Vec<usize>) =
            self.order.iter().partition(|&&row| self.fold_of[row] == self.next);
        self.next += 1;
        Some((self.dataset.select(&train), self.dataset.select(&test)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let rest = self.count - self.next;
        (rest, Some(rest))
    }
}

impl<E: Element, T: Target<E>> ExactSizeIterator for Folds<'_, E, T> {}

impl<E: Element, T: Target<E>> FusedIterator for Folds<'_, E, T> {}

/// Deals the rows to `count` folds in their order.
fn deal(rows: &[usize], count: usize) -> Vec<usize> {
    let mut fold_of = vec![0; rows.len()];
    for (position, &row) in rows.iter().enumerate() {
        fold_of[row] = position % count;
    }
    fold_of
}

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// Divides the rows at random into `count` folds whose sizes differ by one at most, and goes
    /// through them: each time, one fold to test on and the others to train on, `(train, test)`.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyPart`] when there are fewer rows than folds, or fewer than two folds.
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let iris = Dataset::read_csv("data/iris.csv", "species")?;
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// for (train, test) in iris.folds(5, &mut rng)? {
    ///     assert_eq!((train.len(), test.len()), (120, 30));
    /// }
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn folds(&self, count: usize, rng: &mut impl Rng) -> Result<Folds<'_, E, T>, Error> {
        self.check_folds(count)?;
        let order = shuffled(self.len(), rng);
        let fold_of = deal(&order, count);
        Ok(Folds::new(self, order, fold_of, count))
    }

    fn check_folds(&self, count: usize) -> Result<(), Error> {
        if count >= 2 && count <= self.len() {
            return Ok(());
        }
        Err(Error::EmptyPart { unit: "rows", count: self.len(), parts: count })
    }
}

impl<E: Element> Dataset<E, Classes> {
    /// Divides the rows like [`folds`](Self::folds), and so that the rows of each class in two
    /// folds differ by one at most.
    ///
    /// # Errors
    ///
    /// As [`folds`](Self::folds), and [`Error::SmallClass`] when a class has fewer rows than
    /// there are folds.
    pub fn folds_stratified(
        &self,
        count: usize,
        rng: &mut impl Rng,
    ) -> Result<Folds<'_, E, Classes>, Error> {
        self.check_folds(count)?;
        self.check_class_sizes(&self.class_sizes(), count)?;
        let order = shuffled(self.len(), rng);
        let mut by_class = order.clone();
        by_class.sort_by_key(|&row| self.labels()[row]);
        let fold_of = deal(&by_class, count);
        Ok(Folds::new(self, order, fold_of, count))
    }
}
