//! How values are spread.

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Tensor};
use serde::{Deserialize, Serialize};

/// The number of bins of a [`Histogram`].
const BINS: usize = 40;
/// The lanes in which minimum, maximum and sums are found.
const LANES: usize = 8;

/// How many of some values lie in each of 40 bins of equal width between the least and the
/// greatest of them.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::Histogram;
///
/// let histogram = Histogram::of(&[&Tensor::from([0.0, 0.1, 4.0])]).unwrap();
/// assert_eq!((histogram.min(), histogram.max()), (0.0, 4.0));
/// assert_eq!(histogram.counts()[..3], [1, 1, 0]);
/// assert_eq!(histogram.counts()[39], 1);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    min: f64,
    max: f64,
    sum: f64,
    sum_of_squares: f64,
    counts: Vec<u64>,
    not_finite: u64,
}

impl Histogram {
    /// The histogram of the values of all `tensors` together; `None` if not one of them is
    /// finite.
    #[inline(never)]
    pub fn of<E: Element>(tensors: &[&Tensor<E>]) -> Option<Self> {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.values()).collect();
        let mut range = Range::default();
        for values in &values {
            range.add(values);
        }
        let Range { min, max, sum, sum_of_squares, not_finite } = range;
        if min > max {
            return None;
        }
        // Halved, so that the distance of two huge numbers stays finite.
        let scale = BINS as f64 / (max / 2.0 - min / 2.0);
        let mut counts = vec![0; BINS];
        for value in values.iter().flat_map(|values| values.iter()) {
            let value = value.as_f64();
            if value.is_finite() {
                // If all values are one, this is NaN, and the cast makes it 0.
                let position = (value * 0.5 - min * 0.5) * scale;
                counts[(position as usize).min(BINS - 1)] += 1;
            }
        }
        Some(Self { min, max, sum, sum_of_squares, counts, not_finite })
    }

    /// The least finite value.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest finite value.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The sum of the finite values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The sum of the squares of the finite values.
    pub fn sum_of_squares(&self) -> f64 {
        self.sum_of_squares
    }

    /// The number of finite values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The number of values that are NaN or infinite, which are in no bin.
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// The number of values in each bin, in ascending order. A value on an edge between two bins
    /// belongs to the upper one.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The lower edge of bin `bin`; that of the bin after the last is the maximum.
    pub fn edge(&self, bin: usize) -> f64 {
        let share = bin as f64 / BINS as f64;
        self.min * (1.0 - share) + self.max * share
    }
}

/// What is known of values before they are sorted into bins.
struct Range {
    min: f64,
    max: f64,
    sum: f64,
    sum_of_squares: f64,
    not_finite: u64,
}

impl Default for Range {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { min, max, sum: 0.0, sum_of_squares: 0.0, not_finite: 0 }
    }
}

impl Range {
    fn add<E: Element>(&mut self, values: &[E]) {
        let (blocks, rest) = values.as_chunks();
        let rest = match Self::of_finite(blocks) {
            Some(other) => {
                self.min = self.min.min(other.min);
                self.max = self.max.max(other.max);
                self.sum += other.sum;
                self.sum_of_squares += other.sum_of_squares;
                rest
            }
            None => values,
        };
        for value in rest.iter().map(|value| value.as_f64()) {
            if value.is_finite() {
                self.min = self.min.min(value);
                self.max = self.max.max(value);
                self.sum += value;
                self.sum_of_squares += value * value;
            } else {
                self.not_finite += 1;
            }
        }
    }

    /// The range of values that are all finite, as they are as a rule; `None` if one is not.
    fn of_finite<E: Element>(blocks: &[[E; LANES]]) -> Option<Self> {
        vectorize(
            #[inline(always)]
            || {
                // Several of each, which a processor computes at once.
                let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
                let (mut sum, mut squares, mut zero) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
                for block in blocks {
                    for lane in 0..LANES {
                        let value = block[lane].as_f64();
                        min[lane] = if value < min[lane] { value } else { min[lane] };
                        max[lane] = if value > max[lane] { value } else { max[lane] };
                        sum[lane] += value;
                        squares[lane] += value * value;
                        // NaN for what is not finite.
                        zero[lane] += value * 0.0;
                    }
                }
                (zero.iter().sum::<f64>() == 0.0).then(|| Self {
                    min: min.into_iter().fold(f64::INFINITY, f64::min),
                    max: max.into_iter().fold(f64::NEG_INFINITY, f64::max),
                    sum: sum.iter().sum(),
                    sum_of_squares: squares.iter().sum(),
                    not_finite: 0,
                })
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn of(values: &[f64]) -> Option<Histogram> {
        Histogram::of(&[&Tensor::from(values.to_vec())])
    }

    #[test]
    fn every_finite_value_is_counted_in_its_bin() {
        let values: Vec<f64> = (0..=400).map(|i| f64::from(i) / 10.0).collect();
        let histogram = of(&values).unwrap();
        // 0 to 40 in bins of width 1: ten values each, and the maximum in the last.
        assert_eq!(histogram.counts()[..39], [10; 39]);
        assert_eq!(histogram.counts()[39], 11);
        assert_eq!(histogram.count(), 401);
        assert_relative_eq!(histogram.sum(), 8020.0, max_relative = 1e-12);
        assert_relative_eq!(histogram.edge(13), 13.0);
        assert_eq!((histogram.edge(0), histogram.edge(40)), (0.0, 40.0));
    }

    #[test]
    fn several_tensors_are_counted_together() {
        let histogram =
            Histogram::of(&[&Tensor::from([[0.0_f32, 1.0]]), &Tensor::from([4.0])]).unwrap();
        assert_eq!((histogram.max(), histogram.count()), (4.0, 3));
    }

    #[test]
    fn equal_values_share_a_bin() {
        let histogram = of(&[2.5; 7]).unwrap();
        assert_eq!((histogram.min(), histogram.max()), (2.5, 2.5));
        assert_eq!(histogram.counts()[0], 7);
    }

    #[test]
    fn values_that_are_not_finite_are_counted_apart() {
        let histogram = of(&[f64::NAN, 1.0, f64::INFINITY, 3.0]).unwrap();
        assert_eq!((histogram.count(), histogram.not_finite()), (2, 2));
        assert_eq!((histogram.min(), histogram.max()), (1.0, 3.0));
        assert_eq!(of(&[f64::NAN]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_widest_range_of_numbers_is_binned() {
        let histogram = of(&[-f64::MAX, 0.0, f64::MAX]).unwrap();
        assert_eq!(histogram.counts().iter().filter(|&&count| count == 1).count(), 3);
        assert_eq!((histogram.edge(0), histogram.edge(40)), (-f64::MAX, f64::MAX));
    }
}
