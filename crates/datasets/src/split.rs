//! Splitting into a part to train on and a part to test on.

use downhill_tensor::Element;
use rand::Rng;

use crate::batches::shuffled;
use crate::dataset::Dataset;
use crate::error::Error;
use crate::target::{Classes, Target};

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// Splits the rows at random: `train_fraction` of them, rounded, to train on, the others to
    /// test on. Both sides are in a random order.
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
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
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
}

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
    fn class_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.class_count()];
        for &label in self.labels() {
            sizes[label] += 1;
        }
        sizes
    }

    /// Whether each class that has rows has enough for `parts`.
    fn check_class_sizes(&self, sizes: &[usize], parts: usize) -> Result<(), Error> {
        match sizes.iter().position(|size| (1..parts).contains(size)) {
            None => Ok(()),
            Some(class) => {
                let (class, rows) = (self.class_names()[class].clone(), sizes[class]);
                Err(Error::SmallClass { class, rows, parts })
            }
        }
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
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;
    use crate::target::Numbers;

    /// Rows whose only feature is their number, so that they can be told apart.
    fn numbered(labels: Vec<usize>, classes: usize) -> Dataset<f64> {
        let names = (0..classes).map(|class| class.to_string()).collect();
        let features = Array2::from_shape_fn((labels.len(), 1), |(row, _)| row as f64);
        Dataset::new(features, Classes::new(labels, names).unwrap()).unwrap()
    }

    /// The rows of both sides by number, in order; asserts that each has kept its label.
    fn rows(whole: &Dataset<f64>, sides: &[&Dataset<f64>]) -> Vec<usize> {
        let mut rows = Vec::new();
        for side in sides {
            for (row, &label) in side.features().column(0).iter().zip(side.labels()) {
                assert_eq!(label, whole.labels()[*row as usize]);
                rows.push(*row as usize);
            }
        }
        rows.sort_unstable();
        rows
    }

    fn all(data: &Dataset<f64>) -> Vec<usize> {
        (0..data.len()).collect()
    }

    fn sized(data: &Dataset<f64>, class: usize) -> f64 {
        data.labels().iter().filter(|&&label| label == class).count() as f64
    }

    /// Two or more rows of up to five classes, a fraction, and a seed.
    fn cases() -> impl Strategy<Value = (Vec<usize>, f64, u64)> {
        (prop::collection::vec(0_usize..5, 2..200), 0.01..0.99, any::<u64>())
    }

    proptest! {
        #[test]
        fn a_split_is_a_partition((labels, fraction, seed) in cases()) {
            let data = numbered(labels, 5);
            let expected = (data.len() as f64 * fraction).round() as usize;
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            match data.split(fraction, &mut rng) {
                Ok((train, test)) => {
                    prop_assert_eq!(train.len(), expected);
                    prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
                }
                Err(_) => prop_assert!(expected == 0 || expected == data.len()),
            }
        }

        #[test]
        fn a_stratified_split_keeps_class_proportions((labels, fraction, seed) in cases()) {
            let data = numbered(labels, 5);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            let sizes: Vec<f64> = (0..5).map(|class| sized(&data, class)).collect();
            let whole = (data.len() as f64 * fraction).round();
            let (train, test) = match data.split_stratified(fraction, &mut rng) {
                Ok(sides) => sides,
                Err(Error::SmallClass { .. }) => {
                    prop_assert!(sizes.contains(&1.0));
                    return Ok(());
                }
                Err(_) => {
                    prop_assert!(whole == 0.0 || whole == data.len() as f64);
                    return Ok(());
                }
            };
            prop_assert_eq!(rows(&data, &[&train, &test]), all(&data));
            let (mut least, mut most) = (0.0, 0.0);
            for (class, &size) in sizes.iter().enumerate() {
                prop_assert!((sized(&train, class) - fraction * size).abs() < 1.0);
                if size > 0.0 {
                    prop_assert!(sized(&train, class) > 0.0 && sized(&test, class) > 0.0);
                    least += (fraction * size).floor().max(1.0);
                    most += (fraction * size).ceil().min(size - 1.0);
                }
            }
            prop_assert_eq!(train.len() as f64, whole.clamp(least, most));
        }
    }

    #[test]
    fn a_seed_fixes_the_split_and_another_changes_it() {
        let data = numbered(vec![0; 100], 1);
        let train = |seed| {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
            data.split(0.5, &mut rng).unwrap().0
        };
        assert_eq!(train(1), train(1));
        assert_ne!(train(1), train(2));
    }

    #[test]
    fn stratified_sides_are_in_a_random_order() {
        let data = numbered([[0; 50], [1; 50]].concat(), 2);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let (train, test) = data.split_stratified(0.8, &mut rng).unwrap();
        assert_eq!((sized(&train, 0), sized(&test, 0)), (40.0, 10.0));
        assert!(!train.labels().is_sorted());
        assert!(!test.labels().is_sorted());
    }

    #[test]
    fn a_class_of_two_rows_is_on_both_sides() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        for fraction in [0.1, 0.5, 0.9] {
            let data = numbered([vec![0; 20], vec![1; 2], vec![2; 2]].concat(), 4);
            let (train, test) = data.split_stratified(fraction, &mut rng).unwrap();
            for class in [1, 2] {
                assert_eq!((sized(&train, class), sized(&test, class)), (1.0, 1.0), "{fraction}");
            }
        }
    }

    #[test]
    fn a_class_of_one_row_is_an_error() {
        let data = numbered(vec![0, 0, 0, 1, 0, 0], 2);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(4);
        assert_eq!(
            data.split_stratified(0.5, &mut rng).unwrap_err().to_string(),
            "class `1` has 1 row, too few for each of 2 parts; without stratifying, a split \
             ignores classes"
        );
    }

    #[test]
    fn regression_targets_stay_with_their_rows() {
        let features = Array2::from_shape_fn((10, 1), |(row, _)| row as f64);
        let values = Numbers::new((0..10).map(|row| 2.0 * f64::from(row)).collect()).unwrap();
        let data = Dataset::new(features, values).unwrap();
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
        let (train, test) = data.split(0.7, &mut rng).unwrap();
        assert_eq!((train.len(), test.len()), (7, 3));
        for side in [train, test] {
            let doubled: Vec<f64> = side.features().iter().map(|x| 2.0 * x).collect();
            assert_eq!(side.targets().as_slice(), doubled);
        }
    }

    #[test]
    fn a_fraction_outside_0_to_1_is_an_error() {
        let data = numbered(vec![0; 10], 1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        for (fraction, shown) in
            [(0.0, "0"), (1.0, "1"), (-0.5, "-0.5"), (1.5, "1.5"), (f64::NAN, "NaN")]
        {
            let message = format!("the training fraction is {shown}, not between 0 and 1");
            assert_eq!(data.split(fraction, &mut rng).unwrap_err().to_string(), message);
            assert_eq!(data.split_stratified(fraction, &mut rng).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_side_without_rows_is_an_error() {
        let data = numbered(vec![0; 10], 1);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        assert_eq!(
            data.split(0.01, &mut rng).unwrap_err().to_string(),
            "a training fraction of 0.01 of 10 rows leaves 0 to train on and 10 to test on"
        );
        assert_eq!(
            data.split_stratified(0.99, &mut rng).unwrap_err().to_string(),
            "a training fraction of 0.99 of 10 rows leaves 10 to train on and 0 to test on"
        );
        let nothing = data.select(&[]);
        assert_eq!(
            nothing.split(0.5, &mut rng).unwrap_err().to_string(),
            "a training fraction of 0.5 of 0 rows leaves 0 to train on and 0 to test on"
        );
    }
}
