//! Products of matrices so small that a general product spends its time on preparations.

use downhill_kernels::lanes::LANES;
use downhill_kernels::{Arithmetic, matmul_onto};
use downhill_tensor::Element;
use ndarray::{ArrayView2, ShapeBuilder};

/// Products with at least this many multiplications are left to the general kernel.
const LARGE: usize = 1 << 16;

/// Rows computed together: a block of each fills the vector registers.
const ROWS: usize = 6;

/// Values copied at once. Calling `memcpy` takes longer than copying a short row.
const COPIED: usize = 4;

/// What fills vector registers.
pub(super) type Block<E> = [E; LANES];

/// The number of blocks that hold a row of `columns` values.
pub(super) fn blocks(columns: usize) -> usize {
    columns.div_ceil(LANES)
}

/// A view of a matrix in rows, or transposed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a, E> {
    values: &'a [E],
    shape: [usize; 2],
    /// How far apart two rows and two columns are: one of them 1.
    strides: [usize; 2],
}

impl<'a, E: Element> Matrix<'a, E> {
    /// The matrix that begins where `values` do and whose rows are `pitch` apart.
    pub(super) fn new(values: &'a [E], shape: [usize; 2], pitch: usize) -> Self {
        Self { values, shape, strides: [pitch, 1] }
    }

    pub(super) fn t(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [column, row], ..self }
    }

    fn view(self) -> ArrayView2<'a, E> {
        ArrayView2::from_shape(self.shape.strides(self.strides), self.values)
            .expect("the values reach to the end of the matrix")
    }
}

/// A matrix whose rows are filled up to whole blocks, with values that mean nothing.
pub(super) struct Blocks<E> {
    values: Vec<Block<E>>,
    shape: [usize; 2],
}

impl<E: Element> Blocks<E> {
    pub(super) fn zeros(shape: [usize; 2]) -> Self {
        Self { values: vec![[E::zero(); LANES]; shape[0] * blocks(shape[1])], shape }
    }

    /// Replaces the values by those of a matrix of the same shape. Of a transposed one, what fills
    /// up the rows stays zero.
    #[inline(always)]
    pub(super) fn assign(&mut self, matrix: Matrix<'_, E>) {
        let Matrix { values, shape: [_, columns], strides: [row, column] } = matrix;
        debug_assert_eq!(self.shape, matrix.shape, "the matrix must have the blocks' shape");
        for (r, out) in self.values.chunks_exact_mut(blocks(columns)).enumerate() {
            let values = &values[r * row..];
            if column == 1 {
                for (block, out) in out.iter_mut().enumerate() {
                    let values = &values[block * LANES..];
                    match values.first_chunk() {
                        Some(values) => *out = *values,
                        None => out[..values.len()].copy_from_slice(values),
                    }
                }
            } else {
                let out = &mut out.as_flattened_mut()[..columns];
                for (out, &value) in out.iter_mut().zip(values.iter().step_by(column)) {
                    *out = value;
                }
            }
        }
    }

    /// Replaces the values by those of left · right.
    #[inline(always)]
    pub(super) fn assign_product<A: Arithmetic>(&mut self, left: Matrix<'_, E>, right: &Self) {
        product::<A, E>(&mut self.values, left, right);
    }

    /// Copies the values to where rows are `pitch` apart.
    #[inline(always)]
    pub(super) fn copy_to(&self, out: &mut [E], pitch: usize) {
        let [_, columns] = self.shape;
        for (r, row) in self.values.chunks_exact(blocks(columns)).enumerate() {
            let row = &row.as_flattened()[..columns];
            let ((fours, rest), (outs, out_rest)) =
                (row.as_chunks::<COPIED>(), out[r * pitch..][..columns].as_chunks_mut::<COPIED>());
            for (out, four) in outs.iter_mut().zip(fours) {
                *out = *four;
            }
            for (out, &value) in out_rest.iter_mut().zip(rest) {
                *out = value;
            }
        }
    }
}

/// left · right, in rows of whole blocks.
#[inline(always)]
pub(super) fn product<A: Arithmetic, E: Element>(
    out: &mut [Block<E>],
    left: Matrix<'_, E>,
    right: &Blocks<E>,
) {
    let ([rows, inner], blocks) = (left.shape, blocks(right.shape[1]));
    debug_assert_eq!(inner, right.shape[0], "the inner dimensions must agree");
    if rows * inner * blocks * LANES >= LARGE {
        let out = out.as_flattened_mut();
        out.fill(E::zero());
        let right =
            Matrix::new(right.values.as_flattened(), [inner, blocks * LANES], blocks * LANES);
        return matmul_onto(out, left.view(), right.view());
    }
    let together = rows / ROWS * ROWS;
    for first in (0..together).step_by(ROWS) {
        rows_of_product::<A, E, ROWS>(&mut out[first * blocks..], first, left, right);
    }
    for first in together..rows {
        rows_of_product::<A, E, 1>(&mut out[first * blocks..], first, left, right);
    }
}

/// Writes `COUNT` rows of left · right, beginning with number `first`.
#[inline(always)]
fn rows_of_product<A: Arithmetic, E: Element, const COUNT: usize>(
    out: &mut [Block<E>],
    first: usize,
    left: Matrix<'_, E>,
    right: &Blocks<E>,
) {
    let (inner, [row, column], blocks) = (left.shape[1], left.strides, blocks(right.shape[1]));
    for block in 0..blocks {
        let columns = right.values[block..].iter().step_by(blocks);
        // Kept here, and not outside, the sums stay in registers.
        let mut sums = [[E::zero(); LANES]; COUNT];
        if column == 1 {
            let mut rows = [left.values; COUNT];
            for (r, values) in rows.iter_mut().enumerate() {
                *values = &values[(first + r) * row..][..inner];
            }
            for (k, values) in (0..inner).zip(columns) {
                let mut factors = [E::zero(); COUNT];
                for (factor, row) in factors.iter_mut().zip(rows) {
                    *factor = row[k];
                }
                add::<A, E, COUNT>(&mut sums, factors, values);
            }
        } else {
            // The rows of a transposed matrix stand side by side.
            for (k, values) in (0..inner).zip(columns) {
                let factors = left.values[k * column + first * row..].first_chunk::<COUNT>();
                let factors = *factors.expect("the values reach to the end of the matrix");
                add::<A, E, COUNT>(&mut sums, factors, values);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            out[r * blocks + block] = *sums;
        }
    }
}

/// Adds a block, multiplied by each factor, to each row of sums.
#[inline(always)]
fn add<A: Arithmetic, E: Element, const COUNT: usize>(
    sums: &mut [Block<E>; COUNT],
    factors: [E; COUNT],
    values: &Block<E>,
) {
    for (sums, factor) in sums.iter_mut().zip(factors) {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum = A::multiply_add(factor, value, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use downhill_kernels::Fused;

    use super::*;

    fn products_equal_plain_loops<E: Element>() {
        for [rows, inner, columns] in
            [[1, 1, 1], [3, 2, 15], [4, 5, 16], [5, 16, 17], [12, 12, 12], [40, 50, 33]]
        {
            // Small integers add up exactly in any order.
            let numbers = |count: usize, step: usize| -> Vec<E> {
                (0..count).map(|i| E::from_f64((i * step % 13) as f64 - 6.0)).collect()
            };
            let (x, y) = (numbers(rows * inner, 7), numbers(inner * columns, 5));
            let mut right = Blocks::zeros([inner, columns]);
            right.assign(Matrix::new(&y, [inner, columns], columns));
            let mut transposed = x.clone();
            for (index, &value) in x.iter().enumerate() {
                transposed[index % inner * rows + index / inner] = value;
            }
            let lefts = [
                Matrix::new(&x, [rows, inner], inner),
                Matrix::new(&transposed, [inner, rows], rows).t(),
            ];
            for left in lefts {
                let mut out = Blocks::zeros([rows, columns]);
                out.assign_product::<Fused>(left, &right);
                let mut values = vec![E::zero(); rows * columns];
                out.copy_to(&mut values, columns);
                for (index, &value) in values.iter().enumerate() {
                    let (r, c) = (index / columns, index % columns);
                    let expected: E =
                        (0..inner).map(|k| x[r * inner + k] * y[k * columns + c]).sum();
                    assert_eq!(value, expected, "{rows} × {inner} × {columns} at {r}, {c}");
                }
            }
        }
    }

    #[test]
    fn products_equal_plain_loops_on_ragged_sizes_small_and_large() {
        products_equal_plain_loops::<f32>();
        products_equal_plain_loops::<f64>();
    }

    #[test]
    fn a_transposed_matrix_is_filled_up_with_zeros() {
        let x: Vec<f64> = (1..=51).map(f64::from).collect();
        let mut transposed = Blocks::zeros([3, 17]);
        transposed.assign(Matrix::new(&x, [17, 3], 3).t());
        let rows = transposed.values.as_flattened().chunks_exact(2 * LANES);
        for (c, row) in rows.enumerate() {
            let expected: Vec<f64> = (0..17).map(|r| x[3 * r + c]).collect();
            assert_eq!(row[..17], expected);
            assert!(row[17..].iter().all(|&value| value == 0.0));
        }
    }
}
