//! Sums in a fixed order, with an error that grows with the logarithm of the length.

use crate::element::Element;
use crate::lanes::{self, LANES};
use crate::map::zip_in_place;
use crate::threads::halves::reduce_in_halves;
use crate::vectorize::vectorize;

/// The number of terms up to which a sum is added up in lanes alone.
const IN_LANES: usize = 64 * LANES;

/// The sum of all values: in lanes, and beyond some length pairwise (Higham, "The accuracy of
/// floating point summation", 1993).
#[inline(never)]
pub fn sum<E: Element>(x: &[E]) -> E {
    if x.len() > IN_LANES {
        let middle = (x.len() / 2).next_multiple_of(IN_LANES);
        return sum(&x[..middle]) + sum(&x[middle..]);
    }
    vectorize(|| lanes::sum(x, x, |x, _| x))
}

/// The sum of each column of a row-major matrix with `columns` columns.
///
/// # Panics
///
/// If the values are not those of whole rows.
#[inline(never)]
#[track_caller]
pub fn sum_columns<E: Element>(x: &[E], columns: usize) -> Vec<E> {
    let len = x.len();
    assert!(len.is_multiple_of(columns), "sum_columns: {len} values in rows of {columns}");
    let mut sums = vec![E::zero(); columns];
    if !x.is_empty() {
        add_columns(x, &mut sums);
    }
    sums
}

/// Adds the sums of the columns of a matrix that is not empty.
#[inline(never)]
fn add_columns<E: Element>(x: &[E], sums: &mut [E]) {
    const ROWS: usize = 128;
    let columns = sums.len();
    let rows = x.len() / columns;
    if rows > ROWS {
        let (first, second) = x.split_at((rows / 2) * columns);
        add_columns(first, sums);
        let mut second_sums = vec![E::zero(); columns];
        add_columns(second, &mut second_sums);
        zip_in_place(sums, &second_sums, |a, b| a + b);
        return;
    }
    vectorize(
        #[inline(always)]
        || {
            for (block, sums) in sums.chunks_mut(LANES).enumerate() {
                let block_sums = sum_block(&x[block * LANES..], columns, rows);
                for (sum, block_sum) in sums.iter_mut().zip(block_sums) {
                    *sum += block_sum;
                }
            }
        },
    );
}

/// The sums of a block of columns, in rows that begin `columns` values apart. Past the last column
/// they are padding, to be ignored.
#[inline(always)]
fn sum_block<E: Element>(x: &[E], columns: usize, rows: usize) -> [E; LANES] {
    // Even and odd rows are summed apart: two chains of additions that do not wait for one another.
    let (mut even, mut odd) = ([E::zero(); LANES], [E::zero(); LANES]);
    let block = |row: usize| x[row * columns..].first_chunk::<LANES>();
    let mut row = 0;
    // The last rows may have less than a block left. They have a loop of their own, so that the sums
    // stay in registers in this one.
    while row + 1 < rows
        && let (Some(first), Some(second)) = (block(row), block(row + 1))
    {
        for ((even, odd), (&first, &second)) in
            even.iter_mut().zip(&mut odd).zip(first.iter().zip(second))
        {
            *even += first;
            *odd += second;
        }
        row += 2;
    }
    let mut sums = [even, odd];
    for row in row..rows {
        for (sum, &x) in sums[row % 2].iter_mut().zip(&x[row * columns..]) {
            *sum += x;
        }
    }
    let [mut even, odd] = sums;
    for (sum, odd) in even.iter_mut().zip(odd) {
        *sum += odd;
    }
    even
}

/// The number of values from which on [`dot`] and [`all_within`] are worth several threads: handing
/// half of them to one that is awake takes a microsecond or two, reading them several.
const WORTH_THREADS: usize = 1 << 15;

/// Whether no value is NaN or an infinity.
pub fn all_finite<E: Element>(values: &[E]) -> bool {
    all_within(values, E::infinity())
}

/// Whether every value is less than `bound` from 0, which NaN is not.
#[inline(never)]
pub fn all_within<E: Element>(values: &[E], bound: E) -> bool {
    // Without a branch in it the loop vectorises: reading on costs less than stopping early.
    let all_within = |values: &[E]| {
        vectorize(
            #[inline(always)]
            || values.iter().fold(true, |within, value| within & (value.abs() < bound)),
        )
    };
    reduce_in_halves(values.len(), WORTH_THREADS, values, all_within, |a, b| a && b)
}

/// Σ x · y, summed in `f64` and in a fixed order.
///
/// # Panics
///
/// If the lengths differ.
#[inline(never)]
#[track_caller]
pub fn dot<E: Element>(x: &[E], y: &[E]) -> f64 {
    assert_eq!(x.len(), y.len(), "dot: takes slices of one length");
    let product = |sum: f64, x: E, y: E| sum + x.as_f64() * y.as_f64();
    let dot = |(x, y): (&[E], &[E])| {
        vectorize(
            #[inline(always)]
            || lanes::fold_pairs::<_, _, _, LANES>(x, y, 0.0, product).iter().sum(),
        )
    };
    reduce_in_halves(x.len(), WORTH_THREADS, (x, y), dot, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_equal_the_plain_loop_on_ragged_sizes() {
        for len in [0, 1, 15, 16, 17, 1023, 1024, 1025, 5000] {
            // Small integers add up exactly in any order.
            let x: Vec<f32> = (0..len).map(|i| (i % 7) as f32 - 2.0).collect();
            assert_eq!(sum(&x), x.iter().sum::<f32>(), "{len} values");
        }
        for (rows, columns) in [(0, 3), (1, 1), (64, 5), (65, 17), (1000, 3), (7, 0)] {
            let x: Vec<f32> = (0..rows * columns).map(|i| (i % 11) as f32 - 4.0).collect();
            let mut expected = vec![0.0; columns];
            for (i, value) in x.iter().enumerate() {
                expected[i % columns] += value;
            }
            assert_eq!(sum_columns(&x, columns), expected, "{rows} × {columns}");
        }
    }

    #[test]
    fn a_long_sum_keeps_its_digits() {
        let x = vec![0.1_f32; 10_000_000];
        let truth = f64::from(0.1_f32) * 1e7;
        assert!((f64::from(sum(&x)) - truth).abs() < 1e-6 * truth);
        let columns = sum_columns(&x, 1);
        assert!((f64::from(columns[0]) - truth).abs() < 1e-5 * truth);
    }

    const SIZES: [usize; 9] =
        [0, 1, 15, 16, 17, 33, WORTH_THREADS - 1, WORTH_THREADS, 2 * WORTH_THREADS + 5];

    #[test]
    fn a_dot_product_equals_the_plain_loop_on_ragged_sizes() {
        for len in SIZES {
            // Small integers add up exactly in any order.
            let x: Vec<f32> = (0..len).map(|i| (i % 7) as f32 - 2.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i % 5) as f32 - 1.0).collect();
            let expected: f32 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_eq!(dot(&x, &y), f64::from(expected), "{len} values");
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_found_anywhere() {
        for len in SIZES {
            let mut values: Vec<f32> = (0..len).map(|i| i as f32 - 20.0).collect();
            assert!(all_finite(&values), "{len} values");
            for at in [0, 1, len / 2, len.saturating_sub(2), len.saturating_sub(1)] {
                if at < len {
                    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let good = std::mem::replace(&mut values[at], bad);
                        assert!(!all_finite(&values), "{bad} at {at} of {len}");
                        values[at] = good;
                    }
                }
            }
        }
        assert!(all_finite(&[f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0]));
    }
}
