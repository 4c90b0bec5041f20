//! Splits in which each class has its share of each part.

use downhill_tensor::Element;
use rand::Rng;

use super::{part_counts, train_count};
use crate::batches::shuffled;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::Classes;

impl<E: Element> Dataset<E, Classes> {
    /// Splits the rows at random like [`split`](Self::split), and so that each class has its
    /// share on both sides: of a class of `n` rows, `train_fraction` · `n` are to train on,
    /// rounded up or down, but at least one and at most `n` − 1. The sides are as large as those
    /// of [`split`](Self::split), or as near to it as that allows.
    ///
    /// # Errors
    ///
    /// As [`split`](Self::split), and [`Error::SmallClass`] when a class has a single row.
    pub fn split_stratified(
        &self,
        train_fraction: f64,
        rng: &mut impl Rng,
    ) -> Result<(Self, Self), Error> {
        let count = train_count(self.len(), train_fraction)?;
        let counts = [count, self.len() - count];
        let [train, test] =
            self.deal_classes([train_fraction, 1.0 - train_fraction], counts, rng)?;
        Ok((self.select(&train), self.select(&test)))
    }

    /// Splits the rows at random like [`split_into`](Self::split_into), and so that each class has
    /// its share of each part, but for a row or two, and at least one row.
    ///
    /// # Errors
    ///
    /// As [`split_into`](Self::split_into), and [`Error::SmallClass`] when a class has fewer rows
    /// than there are parts.
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let iris = Dataset::read_csv("data/iris.csv", "species")?;
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let [train, validation, test] = iris.split_into_stratified([0.6, 0.2, 0.2], &mut rng)?;
    /// let setosa = |part: &Dataset| part.labels().iter().filter(|&&label| label == 0).count();
    /// assert_eq!([&train, &validation, &test].map(setosa), [30, 10, 10]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn split_into_stratified<const PARTS: usize>(
        &self,
        fractions: [f64; PARTS],
        rng: &mut impl Rng,
    ) -> Result<[Self; PARTS], Error> {
        let counts = part_counts(self.len(), fractions)?;
        let parts = self.deal_classes(fractions, counts, rng)?;
        Ok(parts.map(|rows| self.select(&rows)))
    }

    /// The rows of each part, in a random order: `counts` in all, if possible.
    fn deal_classes<const PARTS: usize>(
        &self,
        fractions: [f64; PARTS],
        counts: [usize; PARTS],
        rng: &mut impl Rng,
    ) -> Result<[Vec<usize>; PARTS], Error> {
        let mut sizes = self.class_sizes();
        self.check_class_sizes(&sizes, PARTS)?;
        let mut rest = shuffled(self.len(), rng);
        let mut undealt = 1.0;
        let mut parts = [const { Vec::new() }; PARTS];
        for (index, part) in parts.iter_mut().enumerate() {
            let after = PARTS - 1 - index;
            if after == 0 {
                *part = rest;
                break;
            }
            let mut wanted = quotas(&sizes, fractions[index] / undealt, counts[index], after);
            undealt -= fractions[index];
            for (size, wanted) in sizes.iter_mut().zip(&wanted) {
                *size -= wanted;
            }
            (*part, rest) = rest.into_iter().partition(|&row| {
                let wanted = &mut wanted[self.labels()[row]];
                let takes = *wanted > 0;
                *wanted -= usize::from(takes);
                takes
            });
        }
        Ok(parts)
    }

    /// The number of rows of each class.
    pub(crate) fn class_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.class_count()];
        for &label in self.labels() {
            sizes[label] += 1;
        }
        sizes
    }

    /// Whether each class that has rows has enough for `parts`.
    pub(super) fn check_class_sizes(&self, sizes: &[usize], parts: usize) -> Result<(), Error> {
        match sizes.iter().position(|size| (1..parts).contains(size)) {
            None => Ok(()),
            Some(class) => {
                let (class, rows) = (self.class_names()[class].clone(), sizes[class]);
                Err(Error::SmallClass { class, rows, parts })
            }
        }
    }
}

/// How many rows a part gets of each class, `count` in all if possible: each class's share rounded
/// down, and the rest one each to the classes that rounding took most from. Each class keeps a row
/// for each of the parts that come after.
fn quotas(sizes: &[usize], fraction: f64, count: usize, after: usize) -> Vec<usize> {
    let shares: Vec<f64> = sizes.iter().map(|&size| size as f64 * fraction).collect();
    let everywhere = |class: usize, quota: f64| match sizes[class] {
        0 => 0,
        size => (quota as usize).clamp(1, size - after),
    };
    let mut quotas: Vec<usize> =
        shares.iter().enumerate().map(|(class, share)| everywhere(class, share.floor())).collect();
    let mut classes: Vec<usize> = (0..shares.len())
        .filter(|&class| everywhere(class, shares[class].ceil()) > quotas[class])
        .collect();
    classes.sort_by(|&a, &b| shares[b].fract().total_cmp(&shares[a].fract()));
    let rest = count.saturating_sub(quotas.iter().sum());
    for &class in classes.iter().take(rest) {
        quotas[class] += 1;
    }
    quotas
}
