//! Panels of a product's right operand: as many columns as a tile has, and as many rows as stay in
//! the first-level cache while all rows of the left operand are multiplied by them.

use num_traits::Float;

use super::operands::{Product, Start};
use super::tiles::{Ahead, Panel};
use super::transpose::copy_to_rows;
use super::vectors::Vectors;
use crate::vectorize::CACHE_LINE;

/// The number of bytes that stay in the first-level cache, wherever they lie.
const CACHE: usize = 32 << 10;
/// The number of rows of the left operand from which on copying a panel, so that its rows are
/// contiguous, costs less than it saves.
const COPIED: usize = 48;
/// The most rows of a panel: with vectors of 64 bytes it has 32 KiB. With shorter ones more would stay
/// in the cache; but a product's numbers depend on where its sums are cut.
const MOST_ROWS: usize = 128;

impl<E: Float> Product<E> {
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    #[inline(always)]
    pub(super) unsafe fn run_in_panels<S: Vectors<E>>(self, simd: S) {
        // The registers for a tile's sums, which leave some for columns of the right operand and a
        // number of the left.
        let many = S::REGISTER_COUNT >= 32;
        let sums = if many { 24 } else { 12 };
        let mut ahead = Ahead { next: std::ptr::null(), stride: 0 };
        if let Some(bytes) = self.ahead {
            let steps = (self.multiplications() / (sums * S::LANES)).max(1);
            let stride = bytes.len.div_ceil(steps).min(CACHE_LINE);
            ahead = Ahead { next: bytes.start, stride };
        }
        let mut depth = self.inner.max(1);
        if depth > MOST_ROWS {
            depth = depth.div_ceil(depth.div_ceil(MOST_ROWS));
        }
        let mut copy = Vec::new();
        for first in (0..self.inner.max(1)).step_by(depth) {
            let panels = Self {
                inner: depth.min(self.inner - first),
                left: self.left.wrapping_offset(first as isize * self.left_strides[1]),
                right: self.right.wrapping_offset(first as isize * self.right_strides[0]),
                start: if first == 0 { self.start } else { Start::Destination },
                ..self
            };
            let mut column = 0;
            while column < self.columns {
                let rest = (self.columns - column).div_ceil(S::LANES);
                let (copy, ahead) = (&mut copy, &mut ahead);
                // SAFETY: `rest` vectors hold the columns from `column` on.
                column += unsafe {
                    match (many, rest) {
                        (true, 4..) => panels.columns::<S, 6, 4>(simd, column, copy, ahead),
                        (true, 2 | 3) => panels.columns::<S, 12, 2>(simd, column, copy, ahead),
                        (true, _) => panels.columns::<S, 12, 1>(simd, column, copy, ahead),
                        (false, 2..) => panels.columns::<S, 6, 2>(simd, column, copy, ahead),
                        (false, _) => panels.columns::<S, 6, 1>(simd, column, copy, ahead),
                    }
                };
            }
        }
    }

    /// Computes all rows of the columns that `C` vectors hold, from `column` on, and returns their
    /// number.
    ///
    /// # Safety
    ///
    /// There must be columns from `column` on that fill all vectors but the last.
    #[inline(always)]
    unsafe fn columns<S: Vectors<E>, const R: usize, const C: usize>(
        self,
        simd: S,
        column: usize,
        copy: &mut Vec<S::Vector>,
        ahead: &mut Ahead,
    ) -> usize {
        let filled = C * S::LANES;
        let width = (self.columns - column).min(filled);
        let span = self.right_strides[0] as usize * self.inner * size_of::<E>();
        let in_place = match self.rows < COPIED || span <= CACHE {
            true => self.rows_in_place(column, filled),
            false => 0,
        };
        copy.reserve((self.inner - in_place) * C);
        let copied = copy.as_mut_ptr();
        // SAFETY: the first rows can be read in place, and the copy has room for the others.
        unsafe {
            self.copy_rows::<S, C>(simd, copied, in_place, [column, width]);
            let first = self.right.wrapping_add(column);
            let rows = (first, in_place, self.right_strides[0] as usize);
            let panel = Panel { column, width, rows, copied: (copied.cast_const().cast(), filled) };
            self.rows::<S, R, C>(simd, panel, ahead);
        }
        width
    }

    /// The number of rows of the right operand that have `filled` values from `column` on, if need be
    /// with those of the next row for padding.
    fn rows_in_place(&self, column: usize, filled: usize) -> usize {
        let beyond = (column + filled).saturating_sub(self.columns);
        match self.right_strides {
            [_, 1] if beyond == 0 => self.inner,
            [stride, 1] if stride as usize == self.columns => {
                self.inner.saturating_sub(beyond.div_ceil(self.columns))
            }
            _ => 0,
        }
    }

    /// Copies rows of the right operand, from `first` on, into rows of `C` vectors.
    ///
    /// # Safety
    ///
    /// There must be `width` columns from `column` on, which fill all vectors but the last, and
    /// room for the rows.
    #[inline(always)]
    unsafe fn copy_rows<S: Vectors<E>, const C: usize>(
        &self,
        simd: S,
        copy: *mut S::Vector,
        first: usize,
        [column, width]: [usize; 2],
    ) {
        let [row_stride, column_stride] = self.right_strides;
        let right = self.right.wrapping_offset(column as isize * column_stride);
        let right = right.wrapping_offset(first as isize * row_stride);
        let last = width - (C - 1) * S::LANES;
        let whole = if last == S::LANES { C } else { C - 1 };
        let rows = self.inner - first;
        if column_stride != 1 {
            if whole < C {
                for row in 0..rows {
                    // SAFETY: there is room for the row.
                    unsafe { *copy.add(row * C + whole) = simd.splat(E::zero()) };
                }
            }
            let (copy, stride) = (copy.cast(), C * S::LANES);
            // SAFETY: the rows and columns are inside the matrix, and there is room for them.
            return unsafe {
                copy_to_rows(right, self.right_strides, copy, stride, [rows, width]);
            };
        }
        for row in 0..rows {
            let right = right.wrapping_offset(row as isize * row_stride);
            // SAFETY: the row and the columns are inside the matrix, and the vectors inside the copy.
            unsafe {
                let copy = copy.add(row * C);
                for c in 0..whole {
                    *copy.add(c) = right.add(c * S::LANES).cast::<S::Vector>().read_unaligned();
                }
                if whole < C {
                    let right = right.add(whole * S::LANES);
                    *copy.add(whole) = simd.read(simd.mask(last), right);
                }
            }
        }
    }

    /// Computes all rows of the panel's columns, `R` at a time.
    ///
    /// # Safety
    ///
    /// The panel must have `C` vectors in each row.
    #[inline(always)]
    unsafe fn rows<S: Vectors<E>, const R: usize, const C: usize>(
        self,
        simd: S,
        panel: Panel<E>,
        ahead: &mut Ahead,
    ) {
        let mut row = 0;
        // SAFETY: no tile goes beyond the last row.
        unsafe {
            while row + R <= self.rows {
                match ahead.stride > 0 {
                    true => self.tile::<S, R, C, true>(simd, row, panel, ahead),
                    false => self.tile::<S, R, C, false>(simd, row, panel, ahead),
                }
                row += R;
            }
            if R > 8 && row + 8 <= self.rows {
                self.tile::<S, 8, C, false>(simd, row, panel, ahead);
                row += 8;
            }
            if row + 4 <= self.rows {
                self.tile::<S, 4, C, false>(simd, row, panel, ahead);
                row += 4;
            }
            if row + 2 <= self.rows {
                self.tile::<S, 2, C, false>(simd, row, panel, ahead);
                row += 2;
            }
            if row < self.rows {
                self.tile::<S, 1, C, false>(simd, row, panel, ahead);
            }
        }
    }
}
