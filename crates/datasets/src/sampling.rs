//! Drawing rows more or less often than they occur.

use downhill_tensor::Element;
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;

use crate::batches::Batches;
use crate::dataset::{Dataset, check_weights};
use crate::error::Error;
use crate::target::{Classes, Target};

impl<E: Element, T: Target<E>> Dataset<E, T> {
    /// As many rows as there are, `size` at a time, each drawn from all rows with a probability
    /// in proportion to its weight: some come several times, others not at all.
    ///
    /// # Errors
    ///
    /// [`Error::WeightCount`] and [`Error::BadWeight`] as for
    /// [`with_weights`](Self::with_weights), [`Error::NoWeight`] when all are 0.
    ///
    /// # Panics
    ///
    /// As [`batches`](Self::batches).
    #[track_caller]
    pub fn batches_weighted(
        &self,
        size: usize,
        weights: &[f64],
        rng: &mut impl Rng,
    ) -> Result<Batches<'_, E, T>, Error> {
        check_weights(weights, self.len())?;
        let largest = weights.iter().copied().fold(0.0, f64::max);
        // Relative to the largest, so that their sum is finite.
        let relative = weights.iter().map(|weight| weight / largest);
        let drawn = WeightedIndex::new(relative).map_err(|_| Error::NoWeight)?;
        let order = (0..self.len()).map(|_| drawn.sample(rng)).collect();
        Ok(Batches::new(self, order, size))
    }
}

impl<E: Element> Dataset<E, Classes> {
    /// As many rows as there are, `size` at a time, drawn so that each class that has rows comes
    /// equally often on average; the rows of a small one come several times.
    ///
    /// # Panics
    ///
    /// As [`batches`](Self::batches).
    ///
    /// ```
    /// use downhill_datasets::Dataset;
    /// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    ///
    /// let tumours = Dataset::read_csv("data/breast_cancer.csv", "diagnosis")?;
    /// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    /// let labels = tumours.batches_balanced(32, &mut rng).flat_map(|batch| batch.labels);
    /// let malignant = labels.filter(|&label| label == 1).count();
    /// // 212 of the 569 are, and about half of those drawn.
    /// assert!((240..330).contains(&malignant));
    /// # Ok::<(), downhill_datasets::Error>(())
    /// ```
    #[track_caller]
    pub fn batches_balanced(&self, size: usize, rng: &mut impl Rng) -> Batches<'_, E, Classes> {
        let sizes = self.class_sizes();
        let weights: Vec<f64> =
            self.labels().iter().map(|&label| 1.0 / sizes[label] as f64).collect();
        match self.batches_weighted(size, &weights, rng) {
            Ok(batches) => batches,
            // There is no row to weigh.
            Err(_) => Batches::new(self, Vec::new(), size),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    fn data(labels: Vec<usize>) -> Dataset {
        let names = (0..5).map(|class| class.to_string()).collect();
        let features = Array2::zeros((labels.len(), 1));
        Dataset::new(features, Classes::new(labels, names).unwrap()).unwrap()
    }

    fn drawn(batches: Batches<'_, f32, Classes>, class: usize) -> usize {
        batches.flat_map(|batch| batch.labels).filter(|&label| label == class).count()
    }

    #[test]
    fn rows_are_drawn_in_proportion_to_their_weights() {
        let data = data((0..10_000).map(|row| row % 5).collect());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for scale in [1.0, f64::MAX / 8.0, f64::MIN_POSITIVE] {
            let weights: Vec<f64> = data
                .labels()
                .iter()
                .map(|&label| [0.0, 1.0, 0.0, 3.0, 4.0][label] * scale)
                .collect();
            let mut draw =
                |class| drawn(data.batches_weighted(32, &weights, &mut rng).unwrap(), class);
            assert_eq!((draw(0), draw(2)), (0, 0));
            for (class, expected) in [(1, 1250.0), (3, 3750.0), (4, 5000.0_f64)] {
                // Five standard deviations of a binomial count.
                let tolerance = 5.0 * (expected * (1.0 - expected / 10_000.0)).sqrt();
                assert!((draw(class) as f64 - expected).abs() < tolerance, "{class} {scale}");
            }
        }
    }

    #[test]
    fn balanced_batches_draw_each_class_that_has_rows_equally_often() {
        let data = data([vec![0; 9_900], vec![1; 90], vec![3; 10]].concat());
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        assert_eq!(data.batches_balanced(300, &mut rng).len(), 34);
        for class in [0, 1, 3] {
            let count = drawn(data.batches_balanced(300, &mut rng), class) as f64;
            assert!((count - 10_000.0 / 3.0).abs() < 5.0 * (20_000.0_f64 / 9.0).sqrt(), "{count}");
        }
        assert_eq!(data.select(&[]).batches_balanced(3, &mut rng).len(), 0);
    }

    #[test]
    fn weights_that_draw_nothing_are_an_error() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let data = data(vec![0, 1]);
        let mut error =
            |weights: &[f64]| data.batches_weighted(1, weights, &mut rng).unwrap_err().to_string();
        assert_eq!(error(&[0.0, 0.0]), "no row has a weight above 0");
        assert_eq!(error(&[1.0]), "1 weights, but 2 rows");
        assert_eq!(error(&[1.0, -1.0]), "weights[1] is -1, not a finite number of 0 or more");
    }
}
