//! Sums in a fixed order, with an error that grows with the logarithm of the length.

use crate::element::Element;

use super::vectorize;

const LANES: usize = 16;
/// Up to this many terms are added up one after the other in each lane.
const BLOCK: usize = 64 * LANES;

/// The sum of all values: blocks are added up in lanes, and their sums pairwise (Higham, "The
/// accuracy of floating point summation", 1993).
pub fn sum<E: Element>(x: &[E]) -> E {
    if x.len() > BLOCK {
        let middle = (x.len() / 2).next_multiple_of(BLOCK);
        return sum(&x[..middle]) + sum(&x[middle..]);
    }
    vectorize(|| {
        let mut lanes = [E::zero(); LANES];
        let (chunks, rest) = x.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += x;
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(rest) {
            *lane += x;
        }
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                let other = lanes[lane + width];
                lanes[lane] += other;
            }
            width /= 2;
        }
        lanes[0]
    })
}

/// The sum of each column of a row-major matrix with `columns` columns.
pub fn sum_columns<E: Element>(x: &[E], columns: usize) -> Vec<E> {
    let mut sums = vec![E::zero(); columns];
    if !x.is_empty() {
        add_columns(x, &mut sums);
    }
    sums
}

/// Adds the sums of the columns of a matrix that is not empty.
fn add_columns<E: Element>(x: &[E], sums: &mut [E]) {
    const ROWS: usize = 128;
    let columns = sums.len();
    let rows = x.len() / columns;
    if rows > ROWS {
        let (first, second) = x.split_at((rows / 2) * columns);
        add_columns(first, sums);
        let mut second_sums = vec![E::zero(); columns];
        add_columns(second, &mut second_sums);
        super::zip_in_place(sums, &second_sums, |a, b| a + b);
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

/// The sums of [`LANES`] columns of rows that begin `columns` values apart. What lies beyond the
/// last column is that of the next row, and of no account.
#[inline(always)]
fn sum_block<E: Element>(x: &[E], columns: usize, rows: usize) -> [E; LANES] {
    // Odd rows apart from even ones: a sum need not wait for the one before.
    let (mut even, mut odd) = ([E::zero(); LANES], [E::zero(); LANES]);
    let block = |row: usize| x[row * columns..].first_chunk::<LANES>();
    let mut row = 0;
    // Of the last rows fewer values may be left than are read at once. Before these, in a loop of
    // their own, the sums stay in registers.
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
}
