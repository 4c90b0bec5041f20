//! Which of the two kernels computes a product: for matrices in cache it is one of ours, for others
//! the real-valued parts of the `gemm` crate, whose complex ones would take longer to compile than
//! everything else here.

use gemm_common::Parallelism;
use num_traits::Float;
use pulp::{NullaryFnOnce, Simd, WithSimd};

use super::operands::{Product, Start};
use crate::buffers::Pooled;
use crate::threads::join::{free_threads, join};
use crate::vectorize::dispatch;

/// A number whose matrices are multiplied.
pub trait Multiply: Float + Pooled + Send + Sync {
    /// A product of matrices in cache.
    fn tiled(product: Tiled<Self>);

    /// A product of matrices of any size.
    ///
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    unsafe fn gemm(product: Product<Self>);
}

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

/// Up to so many multiplications a product is computed in tiles.
pub(super) const SMALL: usize = 1 << 23;
/// And whatever their number if its destination has no more rows and columns than this: `gemm`
/// would add up in another order than in a larger product, of which this might be a part.
const FEW: usize = 64;
/// A part with fewer multiplications than this is not worth another thread.
pub(super) const WORTH_THREADS: usize = 1 << 18;

impl<E: Multiply> Product<E> {
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    pub(super) unsafe fn run(self) {
        if self.ahead.is_some()
            || self.multiplications() <= SMALL
            || self.rows.max(self.columns) <= FEW
        {
            // SAFETY: the caller vouches for the pointers and strides, and a part is inside.
            let run = |part| E::tiled(unsafe { Tiled::new(part) });
            self.in_parts(&run, |_, _| true);
        } else {
            // SAFETY: likewise.
            let run = |part: Self| unsafe { part.run_alone() };
            self.in_parts(&run, |whole, part| whole.way() == part.way());
        }
    }

    /// Runs the product in as many parts as there are free threads. A part is some of the rows or
    /// columns, in which each number `is_same` as in the whole, to the last bit.
    fn in_parts(self, run: &(impl Fn(Self) + Sync), is_same: fn(&Self, &Self) -> bool) {
        if self.multiplications() < 2 * WORTH_THREADS || free_threads() < 2 {
            return run(self);
        }
        let by_longer = self.rows >= self.columns;
        let cuts = [self.halves(by_longer), self.halves(!by_longer)];
        let cut = cuts.into_iter().find(|(a, b)| is_same(&self, a) && is_same(&self, b));
        let Some((first, second)) = cut else { return run(self) };
        join(move || first.in_parts(run, is_same), move || second.in_parts(run, is_same));
    }

    /// In which order `gemm` adds up depends, the layout apart, on these.
    fn way(&self) -> [bool; 4] {
        let (rows, columns) = (self.rows, self.columns);
        [rows * columns <= 256, rows.max(columns) <= FEW, rows <= 1, columns <= 1]
    }

    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    unsafe fn run_alone(self) {
        if let Start::Row(start) = self.start {
            for row in 0..self.rows {
                // SAFETY: the caller vouches for each row of the destination, and for a row to
                // start from.
                unsafe {
                    let out = self.destination.offset(row as isize * self.destination_stride);
                    std::ptr::copy_nonoverlapping(start, out, self.columns);
                }
            }
        }
        // SAFETY: the caller vouches for the pointers and strides.
        unsafe { E::gemm(self) }
    }
}

macro_rules! multiply {
    ($float:ident, $gemm:ident) => {
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

        impl Multiply for $float {
            fn tiled(product: Tiled<Self>) {
                dispatch(product);
            }

            unsafe fn gemm(product: Product<Self>) {
                let Product { rows, columns, inner, destination, start, .. } = product;
                let accumulate = !matches!(start, Start::Zero);
                // The kernels want a destination in column-major layout: a row-major one is the
                // transpose, the product of the transposed operands in the other order.
                // SAFETY: the caller vouches for the pointers and strides.
                unsafe {
                    $gemm::gemm::$float::get_gemm_fn()(
                        columns,
                        rows,
                        inner,
                        destination,
                        product.destination_stride,
                        1,
                        accumulate,
                        product.right,
                        product.right_strides[0],
                        product.right_strides[1],
                        product.left,
                        product.left_strides[0],
                        product.left_strides[1],
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        Parallelism::None,
                    );
                }
            }
        }
    };
}
multiply!(f32, gemm_f32);
multiply!(f64, gemm_f64);
