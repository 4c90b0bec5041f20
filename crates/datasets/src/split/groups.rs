//! Splits that keep rows together which belong together, like the pictures of one patient.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

use downhill_tensor::Element;
use rand::Rng;
use rand::seq::SliceRandom;

use super::folds::Folds;
use super::train_count;
use crate::batches::shuffled;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::Target;

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// Splits the rows at random so that those of one group are on one side; `groups` names the
    /// group of each row. The training side is as near to `train_fraction` as groups taken in a
    /// random order make it.
    ///
    /// # Errors
    ///
    /// As [`split`](Self::split); [`Error::GroupCount`] when there are not as many `groups` as
    /// rows, [`Error::EmptyPart`] when there is one group.
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let words = Dataset::read_csv("data/valence.csv", "word")?;
    /// let stems: Vec<String> =
    ///     words.labels().iter().map(|&word| words.class_names()[word].chars().take(5).collect()).collect();
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let (train, test) = words.split_grouped(0.9, &stems, &mut rng)?;
    /// assert_eq!(train.len() + test.len(), 6903);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn split_grouped(
        &self,
        train_fraction: f64,
        groups: &[impl Eq + Hash],
        rng: &mut impl Rng,
    ) -> Result<(Self, Self), Error> {
        let wanted = train_count(self.len(), train_fraction)?;
        let (group_of, sizes) = self.grouped(groups, 2)?;
        let mut is_train = vec![false; sizes.len()];
        let (mut train, mut last) = (0, 0);
        for group in shuffled(sizes.len(), rng) {
            // Whether it brings the side nearer to what is wanted.
            if sizes[group] < 2 * wanted.saturating_sub(train) {
                is_train[group] = true;
                train += sizes[group];
                last = group;
            }
        }
        // Neither side stays empty.
        if train == self.len() {
            is_train[last] = false;
        } else if train == 0 {
            let smallest = (0..sizes.len()).min_by_key(|&group| sizes[group]);
            is_train[smallest.expect("there are two groups")] = true;
        }
        let rows = shuffled(self.len(), rng);
        let (train, test): (Vec<usize>, Vec<usize>) =
            rows.into_iter().partition(|&row| is_train[group_of[row]]);
        Ok((self.select(&train), self.select(&test)))
    }

    /// Divides the rows into folds like [`folds`](Self::folds), so that those of one group are in
    /// one fold: the largest groups first, each into the fold that is smallest by then.
    ///
    /// # Errors
    ///
    /// [`Error::GroupCount`] when there are not as many `groups` as rows, [`Error::EmptyPart`]
    /// when there are fewer groups than folds, or fewer than two folds.
    pub fn folds_grouped(
        &self,
        count: usize,
        groups: &[impl Eq + Hash],
        rng: &mut impl Rng,
    ) -> Result<Folds<'_, E, T>, Error> {
        let (group_of, sizes) = self.grouped(groups, count)?;
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.shuffle(rng);
        order.sort_by_key(|&group| Reverse(sizes[group]));
        let (mut fold_of_group, mut filled) = (vec![0; sizes.len()], vec![0; count]);
        for group in order {
            let smallest = (0..count).min_by_key(|&fold| filled[fold]).expect("two folds or more");
            fold_of_group[group] = smallest;
            filled[smallest] += sizes[group];
        }
        let fold_of = group_of.into_iter().map(|group| fold_of_group[group]).collect();
        Ok(Folds::new(self, shuffled(self.len(), rng), fold_of, count))
    }

    /// The number of each row's group, and the size of each group; for each of `parts` there is
    /// one at least.
    fn grouped(
        &self,
        groups: &[impl Eq + Hash],
        parts: usize,
    ) -> Result<(Vec<usize>, Vec<usize>), Error> {
        if groups.len() != self.len() {
            return Err(Error::GroupCount { groups: groups.len(), rows: self.len() });
        }
        let (mut numbers, mut sizes) = (HashMap::new(), Vec::new());
        let mut group_of = Vec::with_capacity(groups.len());
        for group in groups {
            let number = *numbers.entry(group).or_insert(sizes.len());
            sizes.resize(sizes.len().max(number + 1), 0);
            sizes[number] += 1;
            group_of.push(number);
        }
        if parts < 2 || sizes.len() < parts {
            return Err(Error::EmptyPart { unit: "groups", count: sizes.len(), parts });
        }
        Ok((group_of, sizes))
    }
}
