//! Splitting into parts: to train on, to test on, and more.

use downhill_tensor::Element;
use rand::Rng;

use crate::batches::shuffled;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::Target;

mod folds;
mod groups;
mod stratified;

pub use folds::Folds;

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// Splits the rows at random: `train_fraction` of them, rounded, to train on, the others to
    /// test on. Both sides are in a random order.
    ///
    /// The same rows in the same order, split by a generator of the same seed, give the same
    /// sides, today and in later versions: to keep a split, store its seed.
    ///
    /// # Errors
    ///
    /// [`Error::SplitFraction`] when `train_fraction` is not strictly between 0 and 1,
    /// [`Error::EmptySplit`] when one side gets no row.
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let (train, test) = Dataset::read_csv("data/iris.csv", "species")?.split(0.8, &mut rng)?;
    /// assert_eq!((train.len(), test.len()), (120, 30));
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn split(&self, train_fraction: f64, rng: &mut impl Rng) -> Result<(Self, Self), Error> {
        let count = train_count(self.len(), train_fraction)?;
        let rows = shuffled(self.len(), rng);
        let (train, test) = rows.split_at(count);
        Ok((self.select(train), self.select(test)))
    }

    /// Splits the rows at random into as many parts as there are fractions, which add up to 1:
    /// to train on, to choose by, and to test on, for example.
    ///
    /// # Errors
    ///
    /// [`Error::SplitFractions`] when a fraction is not above 0 or they do not add up to 1,
    /// [`Error::EmptyPart`] when a part gets no row.
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let iris = Dataset::read_csv("data/iris.csv", "species")?;
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let [train, validation, test] = iris.split_into([0.6, 0.2, 0.2], &mut rng)?;
    /// assert_eq!([train.len(), validation.len(), test.len()], [90, 30, 30]);
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    pub fn split_into<const PARTS: usize>(
        &self,
        fractions: [f64; PARTS],
        rng: &mut impl Rng,
    ) -> Result<[Self; PARTS], Error> {
        let counts = part_counts(self.len(), fractions)?;
        let rows = shuffled(self.len(), rng);
        let mut rest = &rows[..];
        Ok(counts.map(|count| {
            let (part, others) = rest.split_at(count);
            rest = others;
            self.select(part)
        }))
    }
}

/// How many rows each part gets: its fraction of them, rounded so that they add up.
fn part_counts<const PARTS: usize>(
    rows: usize,
    fractions: [f64; PARTS],
) -> Result<[usize; PARTS], Error> {
    let sum: f64 = fractions.iter().sum();
    if !(fractions.iter().all(|&fraction| fraction > 0.0) && (sum - 1.0).abs() < 1e-9) {
        return Err(Error::SplitFractions(fractions.into()));
    }
    let (mut until, mut start) = (0.0, 0);
    let counts = fractions.map(|fraction| {
        until += fraction;
        let end = ((rows as f64 * until).round() as usize).min(rows);
        end - std::mem::replace(&mut start, end)
    });
    match counts.contains(&0) {
        true => Err(Error::EmptyPart { unit: "rows", count: rows, parts: PARTS }),
        false => Ok(counts),
    }
}

fn train_count(rows: usize, fraction: f64) -> Result<usize, Error> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::SplitFraction { fraction });
    }
    let train = (rows as f64 * fraction).round() as usize;
    if train == 0 || train == rows {
        return Err(Error::EmptySplit { fraction, rows, train });
    }
    Ok(train)
}

#[cfg(test)]
mod tests;
