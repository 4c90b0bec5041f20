//! Tiles of a product: some rows and some vectors of columns of the destination, whose sums stay in
//! registers over the inner dimension, or over the rows of a [panel](super::panels). Each sum is added
//! up in the order of that dimension, whatever the tile.

use num_traits::Float;

use super::operands::{Product, Start};
use super::vectors::Vectors;
use crate::vectorize::{Cache, prefetch_line};

/// Columns of the right operand, in rows that fill vectors. Values past `width` are padding and
/// ignored.
#[derive(Clone, Copy)]
pub(super) struct Panel<E> {
    /// The first column, and their number.
    pub(super) column: usize,
    pub(super) width: usize,
    /// The first rows: where they are, their number, and the distance from one to the next.
    pub(super) rows: (*const E, usize, usize),
    /// The other rows, copied: where they are, and the distance from one to the next.
    pub(super) copied: (*const E, usize),
}

/// The memory that is prefetched while a product is computed.
pub(super) struct Ahead {
    pub(super) next: *const u8,
    /// The number of bytes from one step of the inner dimension to the next; 0 for nothing.
    pub(super) stride: usize,
}

impl<E: Float> Product<E> {
    /// Computes a tile: `R` rows of a panel's columns. With `AHEAD` it prefetches.
    ///
    /// # Safety
    ///
    /// There must be `R` rows from `row` on, and `C` vectors in each row of the panel.
    #[expect(clippy::needless_range_loop, reason = "arrays of registers, with constant indices")]
    #[inline(always)]
    pub(super) unsafe fn tile<S: Vectors<E>, const R: usize, const C: usize, const AHEAD: bool>(
        self,
        simd: S,
        row: usize,
        panel: Panel<E>,
        ahead: &mut Ahead,
    ) {
        // SAFETY: the caller vouches for the rows and columns.
        unsafe {
            let out = self.destination.wrapping_offset(row as isize * self.destination_stride);
            let out = out.wrapping_add(panel.column);
            if matches!(self.start, Start::Destination) {
                for r in 0..R {
                    let out = out.wrapping_offset(r as isize * self.destination_stride);
                    for c in 0..C {
                        prefetch_line(out.wrapping_add(c * S::LANES), Cache::First);
                    }
                }
            }
            let mut sums = self.sums::<S, R, C, AHEAD>(simd, row, panel, ahead);
            let start = match self.start {
                Start::Zero => None,
                Start::Destination => Some((out.cast_const(), self.destination_stride)),
                Start::Row(start) => Some((start.wrapping_add(panel.column), 0)),
            };
            // Each loop is small enough to be unrolled, so that the sums are never in memory.
            let last = panel.width - (C - 1) * S::LANES;
            let mask = simd.mask(last);
            let whole = |c: usize| c + 1 < C || last == S::LANES;
            if let Some((start, stride)) = start {
                let one = simd.splat(E::one());
                for r in 0..R {
                    for c in 0..C {
                        let start = start.offset(r as isize * stride).add(c * S::LANES);
                        let start = match whole(c) {
                            true => start.cast::<S::Vector>().read_unaligned(),
                            false => simd.read(mask, start),
                        };
                        sums[r][c] = simd.multiply_add(one, start, sums[r][c]);
                    }
                }
            }
            for r in 0..R {
                for c in 0..C {
                    let out = out.offset(r as isize * self.destination_stride).add(c * S::LANES);
                    match whole(c) {
                        true => out.cast::<S::Vector>().write_unaligned(sums[r][c]),
                        false => simd.write(mask, out, sums[r][c]),
                    }
                }
            }
        }
    }

    /// The sums of a tile, in a function of their own: where they are also written to the destination,
    /// the compiler would keep them in memory.
    ///
    /// # Safety
    ///
    /// There must be `R` rows from `row` on, and `C` vectors in each row of the panel.
    #[inline(always)]
    unsafe fn sums<S: Vectors<E>, const R: usize, const C: usize, const AHEAD: bool>(
        self,
        simd: S,
        row: usize,
        Panel { rows, copied, .. }: Panel<E>,
        ahead: &mut Ahead,
    ) -> [[S::Vector; C]; R] {
        let mut sums = [[simd.splat(E::zero()); C]; R];
        let [row_stride, inner_stride] = self.left_strides;
        // Every third row has a pointer of its own; the addressing modes of an instruction reach the
        // other two from it, by once or twice the stride.
        let mut thirds = [self.left; 4];
        for (index, third) in thirds.iter_mut().enumerate() {
            *third = third.wrapping_offset((row + 3 * index) as isize * row_stride);
        }
        let mut next = ahead.next;
        for (mut right, count, stride) in [rows, (copied.0, self.inner - rows.1, copied.1)] {
            for _ in 0..count {
                if AHEAD {
                    prefetch_line(next, Cache::Second);
                    next = next.wrapping_add(ahead.stride);
                }
                let mut columns = [simd.splat(E::zero()); C];
                for (c, vector) in columns.iter_mut().enumerate() {
                    // SAFETY: the panel has `C` vectors in each row, which need not be aligned.
                    *vector =
                        unsafe { right.add(c * S::LANES).cast::<S::Vector>().read_unaligned() };
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let left = thirds[r / 3].wrapping_offset((r % 3) as isize * row_stride);
                    // SAFETY: the rows are there, and a number for each row of the panel.
                    let factor = simd.splat(unsafe { *left });
                    for (sum, &vector) in sums.iter_mut().zip(&columns) {
                        *sum = simd.multiply_add(factor, vector, *sum);
                    }
                }
                right = right.wrapping_add(stride);
                for third in &mut thirds {
                    *third = third.wrapping_offset(inner_stride);
                }
            }
        }
        if AHEAD {
            ahead.next = next;
        }
        sums
    }
}
