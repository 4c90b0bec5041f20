//! Products of matrices that are in cache, or on their way to it.
//!
//! The destination is computed in tiles of some rows and some vectors of columns, whose sums stay in
//! registers while the inner dimension is gone through, or a part of it as [`panels`](super::panels)
//! cut it. Each sum is added up in the order of that dimension, whatever the tile.

use pulp::{MemMask, NullaryFnOnce, Simd, WithSimd};

use super::dispatch::{Cache, prefetch_line};
use super::matmul::{Product, Start};
use super::panels::Panel;
use crate::element::Element;

/// What a product needs of vectors of one element type under one instruction set.
pub(super) trait Vectors<E>: Simd {
    type Vector: Copy;
    /// The first lanes of a vector.
    type Mask: Copy;
    const LANES: usize = size_of::<Self::Vector>() / size_of::<E>();

    fn splat(self, x: E) -> Self::Vector;

    /// x · y + z
    fn multiply_add(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector;

    fn mask(self, lanes: usize) -> Self::Mask;

    /// The values of the lanes in the mask, which must be there, and 0 in the others.
    ///
    /// # Safety
    ///
    /// As many values as the mask has lanes must be there.
    unsafe fn read(self, mask: Self::Mask, values: *const E) -> Self::Vector;

    /// Writes the lanes in the mask.
    ///
    /// # Safety
    ///
    /// There must be room for as many values as the mask has lanes.
    unsafe fn write(self, mask: Self::Mask, values: *mut E, vector: Self::Vector);
}

macro_rules! vectors {
    ($float:ident, $vector:ident, $splat:ident, $multiply_add:ident,
     $mask:ident, $between:ident, $read:ident, $write:ident) => {
        impl<S: Simd> Vectors<$float> for S {
            type Vector = S::$vector;
            type Mask = MemMask<S::$mask>;

            #[inline(always)]
            fn splat(self, x: $float) -> S::$vector {
                self.$splat(x)
            }

            #[inline(always)]
            fn multiply_add(self, x: S::$vector, y: S::$vector, z: S::$vector) -> S::$vector {
                self.$multiply_add(x, y, z)
            }

            #[inline(always)]
            fn mask(self, lanes: usize) -> Self::Mask {
                self.$between(0, lanes as _)
            }

            #[inline(always)]
            unsafe fn read(self, mask: Self::Mask, values: *const $float) -> S::$vector {
                // SAFETY: the caller vouches for the values.
                unsafe { self.$read(mask, values) }
            }

            #[inline(always)]
            unsafe fn write(self, mask: Self::Mask, values: *mut $float, vector: S::$vector) {
                // SAFETY: the caller vouches for the room.
                unsafe { self.$write(mask, values, vector) }
            }
        }

        impl WithSimd for Tiled<$float> {
            type Output = ();

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) {
                simd.vectorize(Run(self.0, simd));
            }
        }

        impl<S: Simd> NullaryFnOnce for Run<$float, S> {
            type Output = ();

            #[inline(always)]
            fn call(self) {
                // SAFETY: whoever makes a `Tiled` vouches for its product.
                unsafe { self.0.run_in_panels(self.1) }
            }
        }
    };
}
vectors!(
    f32,
    f32s,
    splat_f32s,
    mul_add_e_f32s,
    m32s,
    mask_between_m32s,
    mask_load_ptr_f32s,
    mask_store_ptr_f32s
);
vectors!(
    f64,
    f64s,
    splat_f64s,
    mul_add_e_f64s,
    m64s,
    mask_between_m64s,
    mask_load_ptr_f64s,
    mask_store_ptr_f64s
);

/// A product whose pointers and strides are known to stay inside its arrays.
pub struct Tiled<E>(Product<E>);

struct Run<E, S>(Product<E>, S);

impl<E> Tiled<E> {
    /// # Safety
    ///
    /// The strides must stay inside the arrays that the product's pointers point into.
    pub(super) unsafe fn new(product: Product<E>) -> Self {
        Self(product)
    }
}

/// What is called into the cache while a product is computed.
pub(super) struct Ahead {
    pub(super) next: *const u8,
    /// So many bytes further with each step of the inner dimension.
    pub(super) stride: usize,
}

impl<E: Element> Product<E> {
    /// Computes `R` rows of a panel's columns, and calls on with what comes `ahead` if it is
    /// `AHEAD`.
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
        // SAFETY: the rows and columns are those that the caller vouches for.
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

    /// The sums of a tile. Made here, and not where they are written to the destination, they stay
    /// in registers.
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
        // The address of a row is that of every third plus a multiple that costs nothing.
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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, ArrayView2, ShapeBuilder};

    use super::super::{affine, matmul, matmul_part};
    use crate::element::Element;

    /// Small integers, which add up exactly in any order.
    fn numbers<E: Element>(count: usize, step: usize) -> Vec<E> {
        (0..count).map(|i| E::from_f64((i * step % 13) as f64 - 6.0)).collect()
    }

    /// A matrix of every layout: dense in rows, dense in columns, and a part of a larger one.
    fn layouts<E: Element>(values: &[E], [rows, columns]: [usize; 2]) -> [ArrayView2<'_, E>; 3] {
        let view = |strides| {
            ArrayView2::from_shape((rows, columns).strides(strides), values)
                .expect("the values reach to the end of the matrix")
        };
        [view((columns, 1)), view((1, rows)), view((columns + 3, 1))]
    }

    fn products_equal_plain_loops<E: Element>() {
        for rows in [1, 2, 3, 5, 6, 7, 8, 13, 16] {
            for columns in [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 70] {
                for inner in [0, 1, 2, 5, 20] {
                    check_product::<E>([rows, inner, columns]);
                }
            }
        }
        // Of several panels, which are copied.
        for shape in [[48, 129, 65], [61, 300, 100], [50, 513, 31]] {
            check_product::<E>(shape);
        }
    }

    fn check_product<E: Element>([rows, inner, columns]: [usize; 3]) {
        let (x, y) = (numbers(rows * (inner + 3), 7), numbers((inner + 1) * (columns + 3), 5));
        let bias = numbers::<E>(columns, 3);
        for left in layouts(&x, [rows, inner]) {
            for right in layouts(&y, [inner, columns]) {
                let expected = Array2::from_shape_fn((rows, columns), |(row, column)| {
                    (0..inner).map(|k| left[[row, k]] * right[[k, column]]).sum::<E>()
                });
                assert_eq!(matmul(left, right), expected, "{left:?} × {right:?}");
                let mut larger = Array2::from_elem((rows, columns + 2), E::one());
                let part = larger.slice_mut(ndarray::s![.., 1..=columns]);
                matmul_part(part, left, right, true, &x);
                let mut expected_larger = Array2::from_elem((rows, columns + 2), E::one());
                let mut part = expected_larger.slice_mut(ndarray::s![.., 1..=columns]);
                part += &expected;
                assert_eq!(larger, expected_larger, "1 + {left:?} × {right:?}");
                let mut with_bias = expected;
                for mut row in with_bias.rows_mut() {
                    row.iter_mut().zip(&bias).for_each(|(value, &bias)| *value += bias);
                }
                let found = affine(left, right, &bias);
                assert_eq!(
                    found,
                    with_bias.into_raw_vec_and_offset().0,
                    "{left:?} × {right:?} + b"
                );
            }
        }
    }

    #[test]
    fn products_equal_plain_loops_on_ragged_sizes_in_every_layout() {
        products_equal_plain_loops::<f32>();
        products_equal_plain_loops::<f64>();
    }

    #[test]
    fn what_lies_beyond_a_row_does_not_leak_into_the_product() {
        let x = Array2::<f32>::ones((3, 4));
        let y = Array2::from_shape_fn((4, 6), |(_, j)| if j < 5 { 2.0 } else { f32::NAN });
        let product = matmul(x.view(), y.slice(ndarray::s![.., ..5]));
        assert_eq!(product, Array2::from_elem((3, 5), 8.0));
    }
}
