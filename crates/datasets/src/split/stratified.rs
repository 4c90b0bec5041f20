//! Splits in which each class has its share of each side.

use downhill_tensor::Element;
use rand::Rng;

use super::train_count;
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
        let mut quotas = self.quotas(train_fraction, count)?;
        let rows = shuffled(self.len(), rng);
        let (train, test): (Vec<usize>, Vec<usize>) = rows.into_iter().partition(|&row| {
            let quota = &mut quotas[self.labels()[row]];
            let wanted = *quota > 0;
            *quota -= usize::from(wanted);
            wanted
        });
        Ok((self.select(&train), self.select(&test)))
    }

    /// How many rows of each class to train on, `count` in all if possible: each class's share
    /// rounded down, and the rest one each to the classes that rounding took most from.
    fn quotas(&self, train_fraction: f64, count: usize) -> Result<Vec<usize>, Error> {
        let sizes = self.class_sizes();
        self.check_class_sizes(&sizes, 2)?;
        let shares: Vec<f64> = sizes.iter().map(|&size| size as f64 * train_fraction).collect();
        let both_sides = |class: usize, quota: f64| match sizes[class] {
            0 => 0,
            size => (quota as usize).clamp(1, size - 1),
        };
        let mut quotas: Vec<usize> = shares
            .iter()
            .enumerate()
            .map(|(class, share)| both_sides(class, share.floor()))
            .collect();
        let mut classes: Vec<usize> = (0..shares.len())
            .filter(|&class| both_sides(class, shares[class].ceil()) > quotas[class])
            .collect();
        classes.sort_by(|&a, &b| shares[b].fract().total_cmp(&shares[a].fract()));
        let rest = count.saturating_sub(quotas.iter().sum());
        for &class in classes.iter().take(rest) {
            quotas[class] += 1;
        }
        Ok(quotas)
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
