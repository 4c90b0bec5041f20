//! Products of matrices so small that a general product spends its time on preparations.

use downhill_tensor::Element;
use downhill_tensor::kernels::{matmul_onto, vectorize};
use ndarray::{ArrayView2, ShapeBuilder};

use crate::lanes::LANES;

/// Products with at least this many multiplications are left to the general kernel.
const LARGE: usize = 1 << 16;

/// So many rows are computed together: with a block of each, they fill the vector registers.
const ROWS: usize = 4;

/// What fills vector registers.
pub(super) type Block<E> = [E; LANES];

/// The number of blocks that hold a row of `columns` values.
pub(super) fn blocks(columns: usize) -> usize {
    columns.div_ceil(LANES)
}

/// A view of a matrix in any layout.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a, E> {
    values: &'a [E],
    shape: [usize; 2],
    /// How far apart two rows and two columns are.
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

/// A matrix whose rows are filled up with zeros to whole blocks.
pub(super) struct Blocks<E> {
    values: Vec<Block<E>>,
    shape: [usize; 2],
}

impl<E: Element> Blocks<E> {
    pub(super) fn zeros(shape: [usize; 2]) -> Self {
        Self { values: vec![[E::zero(); LANES]; shape[0] * blocks(shape[1])], shape }
    }

    /// Replaces the values by those of a matrix of the same shape.
    pub(super) fn assign(&mut self, matrix: Matrix<'_, E>) {
        let Matrix { values, shape: [rows, columns], strides: [row, column] } = matrix;
        debug_assert_eq!(self.shape, matrix.shape, "the matrix must have the blocks' shape");
        let pitch = blocks(columns) * LANES;
        let out = self.values.as_flattened_mut();
        if column == 1 {
            for r in 0..rows {
                out[r * pitch..][..columns].copy_from_slice(&values[r * row..][..columns]);
            }
        } else {
            for c in 0..columns {
                let values = &values[c * column..];
                for r in 0..rows {
                    out[r * pitch + c] = values[r * row];
                }
            }
        }
    }

    /// Replaces the values by those of left · right.
    pub(super) fn assign_product(&mut self, left: Matrix<'_, E>, right: &Self) {
        product(&mut self.values, left, right);
    }

    /// Copies the values to where rows are `pitch` apart.
    pub(super) fn copy_to(&self, out: &mut [E], pitch: usize) {
        let [rows, columns] = self.shape;
        let values = self.values.as_flattened();
        for r in 0..rows {
            let row = &values[r * blocks(columns) * LANES..][..columns];
            out[r * pitch..][..columns].copy_from_slice(row);
        }
    }
}

/// left · right, in rows of whole blocks.
pub(super) fn product<E: Element>(out: &mut [Block<E>], left: Matrix<'_, E>, right: &Blocks<E>) {
    let ([rows, inner], blocks) = (left.shape, blocks(right.shape[1]));
    debug_assert_eq!(inner, right.shape[0], "the inner dimensions must agree");
    if rows * inner * blocks * LANES >= LARGE {
        let out = out.as_flattened_mut();
        out.fill(E::zero());
        let right =
            Matrix::new(right.values.as_flattened(), [inner, blocks * LANES], blocks * LANES);
        return matmul_onto(out, left.view(), right.view());
    }
    let [row, column] = left.strides;
    for (index, out) in out.chunks_mut(ROWS * blocks).enumerate() {
        // Where fewer rows are left, the last is computed again.
        let last = out.len() / blocks - 1;
        let rows: [&[E]; ROWS] =
            std::array::from_fn(|r| &left.values[(index * ROWS + r.min(last)) * row..]);
        for block in 0..blocks {
            let columns = right.values[block..].iter().step_by(blocks);
            let sums = vectorize(
                #[inline(always)]
                || {
                    // Kept here, and not outside, the sums stay in registers.
                    let mut sums = [[E::zero(); LANES]; ROWS];
                    for (k, values) in columns.take(inner).enumerate() {
                        for (sums, row) in sums.iter_mut().zip(rows) {
                            let factor = row[k * column];
                            for (sum, &value) in sums.iter_mut().zip(values) {
                                *sum += factor * value;
                            }
                        }
                    }
                    sums
                },
            );
            for (r, sums) in sums.iter().enumerate().take(last + 1) {
                out[r * blocks + block] = *sums;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_equal_plain_loops_on_ragged_sizes_small_and_large() {
        for [rows, inner, columns] in
            [[1, 1, 1], [3, 2, 15], [4, 5, 16], [5, 16, 17], [12, 12, 12], [40, 50, 33]]
        {
            // Small integers add up exactly in any order.
            let numbers = |count: usize, step: usize| -> Vec<f32> {
                (0..count).map(|i| (i * step % 13) as f32 - 6.0).collect()
            };
            let (x, y) = (numbers(rows * inner, 7), numbers(inner * columns, 5));
            let mut right = Blocks::zeros([inner, columns]);
            right.assign(Matrix::new(&y, [inner, columns], columns));
            // The other operand stands transposed.
            let left = Matrix::new(&x, [inner, rows], rows).t();
            let mut out = Blocks::zeros([rows, columns]);
            out.assign_product(left, &right);
            let mut values = vec![0.0; rows * columns];
            out.copy_to(&mut values, columns);
            for (index, &value) in values.iter().enumerate() {
                let (r, c) = (index / columns, index % columns);
                let expected: f32 = (0..inner).map(|k| x[k * rows + r] * y[k * columns + c]).sum();
                assert_eq!(value, expected, "{rows} × {inner} × {columns} at {r}, {c}");
            }
        }
    }
}
