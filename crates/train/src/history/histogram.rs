//! How values are spread.

use downhill_tensor::{Element, Tensor};

/// The number of bins of a [`Histogram`].
const BINS: usize = 40;

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
#[derive(Debug, Clone, PartialEq)]
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
    pub fn of<E: Element>(tensors: &[&Tensor<E>]) -> Option<Self> {
        let values: Vec<_> = tensors.iter().map(|tensor| tensor.values()).collect();
        let mut range = Range::default();
        for values in &values {
            range.add(values);
        }
        let Range { min, max, sum, sum_of_squares, not_finite } = range.folded();
        if min > max {
            return None;
        }
        // Halved, so that the distance of two huge numbers stays finite. A single value has an
        // infinite scale: 0 · ∞ is NaN, which the cast takes to the first bin.
        let scale = BINS as f64 / (max / 2.0 - min / 2.0);
        let bin = |value: E| {
            let value = value.as_f64();
            let bin = ((value * 0.5 - min * 0.5) * scale) as i32;
            // What is not finite goes into a bin beyond the last.
            if value.is_finite() { bin.clamp(0, BINS as i32 - 1) } else { BINS as i32 }
        };
        // Counted in several places by turns: a count that was just raised is slow to raise again.
        let mut counts = [[0_u64; BINS + 1]; LANES];
        for values in &values {
            let (blocks, rest) = values.as_chunks::<LANES>();
            for block in blocks {
                let bins = block.map(bin);
                for (counts, bin) in counts.iter_mut().zip(bins) {
                    counts[bin as usize] += 1;
                }
            }
            for (counts, value) in counts.iter_mut().zip(rest) {
                counts[bin(*value) as usize] += 1;
            }
        }
        let counts = (0..BINS).map(|bin| counts.iter().map(|lane| lane[bin]).sum()).collect();
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

/// What is known of the values before they are sorted into bins: `LANES` parts of it, which a
/// processor computes at once.
struct Range<T = [f64; LANES], C = [u64; LANES]> {
    min: T,
    max: T,
    sum: T,
    sum_of_squares: T,
    not_finite: C,
}

const LANES: usize = 8;

impl Default for Range {
    fn default() -> Self {
        Self {
            min: [f64::INFINITY; LANES],
            max: [f64::NEG_INFINITY; LANES],
            sum: [0.0; LANES],
            sum_of_squares: [0.0; LANES],
            not_finite: [0; LANES],
        }
    }
}

impl Range {
    fn add<E: Element>(&mut self, values: &[E]) {
        let mut add = |lane: usize, value: E| {
            let value = value.as_f64();
            let finite = value.is_finite();
            // Comparisons rather than `min` and `max`: a value that is not finite is passed over.
            self.min[lane] = if finite && value < self.min[lane] { value } else { self.min[lane] };
            self.max[lane] = if finite && value > self.max[lane] { value } else { self.max[lane] };
            let value = if finite { value } else { 0.0 };
            self.sum[lane] += value;
            self.sum_of_squares[lane] += value * value;
            self.not_finite[lane] += u64::from(!finite);
        };
        let (blocks, rest) = values.as_chunks::<LANES>();
        for block in blocks {
            for (lane, value) in block.iter().enumerate() {
                add(lane, *value);
            }
        }
        for (lane, value) in rest.iter().enumerate() {
            add(lane, *value);
        }
    }

    fn folded(&self) -> Range<f64, u64> {
        Range {
            min: self.min.iter().copied().fold(f64::INFINITY, f64::min),
            max: self.max.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            sum: self.sum.iter().sum(),
            sum_of_squares: self.sum_of_squares.iter().sum(),
            not_finite: self.not_finite.iter().sum(),
        }
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
