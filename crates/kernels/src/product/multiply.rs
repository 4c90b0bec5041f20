//! Which kernel computes a product, and on how many threads: for matrices in cache it is ours, for
//! others that of the `gemm` crate. With AVX-512 ours is level with `nano-gemm` up to 2¹⁶
//! multiplications (0.86 to 1.1 times as fast, where plans are made beforehand), and 1.2 times as fast
//! at 2²¹ and 2²²; and it begins with a bias, or with the destination. Of `gemm` only the kernels for
//! real numbers are used: those for complex ones would take longer to compile than everything else
//! here.

use gemm_common::Parallelism;
use num_traits::Float;
use pulp::{NullaryFnOnce, Simd, WithSimd};

use super::operands::{Product, Start};
use crate::buffers::Pooled;
use crate::threads::join::{free_threads, join};
use crate::vectorize::dispatch;

/// A number that matrices to be multiplied may hold.
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

/// Products with up to this many multiplications use our own kernel; larger ones use `gemm`.
pub(super) const SMALL: usize = 1 << 23;
/// Products with no more rows and no more columns than this use our own kernel, too: `gemm` would add
/// up in another order than in a larger product that they may be halves of.
const FEW: usize = 64;
/// The number of multiplications that is worth another thread.
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
            // SAFETY: the caller vouches for the pointers and strides, and a half is inside.
            let run = |half| E::tiled(unsafe { Tiled::new(half) });
            self.in_threads(&run, |_, _| true);
        } else {
            // SAFETY: likewise.
            let run = |half: Self| unsafe { half.run_by_gemm() };
            let is_same =
                |whole: &Self, half: &Self| whole.order_of_summation() == half.order_of_summation();
            self.in_threads(&run, is_same);
        }
    }

    /// Halves the product, by rows or by columns, as long as there are free threads, and runs what is
    /// left. A half must be of the kind that `is_same` allows: its numbers are then those of the
    /// whole, to the last bit.
    fn in_threads(self, run: &(impl Fn(Self) + Sync), is_same: fn(&Self, &Self) -> bool) {
        if self.multiplications() < 2 * WORTH_THREADS || free_threads() < 2 {
            return run(self);
        }
        let by_longer = self.rows >= self.columns;
        let cuts = [self.halves(by_longer), self.halves(!by_longer)];
        let cut = cuts.into_iter().find(|(a, b)| is_same(&self, a) && is_same(&self, b));
        let Some((first, second)) = cut else { return run(self) };
        join(move || first.in_threads(run, is_same), move || second.in_threads(run, is_same));
    }

    /// The properties, besides the layout, by which `gemm` chooses the order in which it adds up.
    fn order_of_summation(&self) -> [bool; 4] {
        let (rows, columns) = (self.rows, self.columns);
        [rows * columns <= 256, rows.max(columns) <= FEW, rows <= 1, columns <= 1]
    }

    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    unsafe fn run_by_gemm(self) {
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
