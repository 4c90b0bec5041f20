//! The loops that do the arithmetic, on plain slices. The only place where `unsafe` stands.
//!
//! A kernel is an ordinary loop written once, for any element. [`vectorize`] compiles it for each
//! instruction set and chooses among the copies at run time.
#![allow(unsafe_code)]

use crate::element::Element;

mod exponential;
mod map;
mod matmul;
mod normal;
mod pool;
mod reduce;
mod softmax;

pub(crate) use map::{map, map_in_place, uninitialized, zip, zip_in_place};
pub use matmul::{matmul, matmul_onto};
pub(crate) use reduce::{sum, sum_columns};
pub(crate) use softmax::{log_softmax, log_sum_exp, maximum, softmax};

/// What the kernels need of an element beyond arithmetic. Public only for being a supertrait of
/// the sealed [`Element`]; it cannot be named from outside.
pub trait Kernel: Copy + Send + Sync + Sized + 'static {
    /// eˣ, to within 1 unit in the last place over the whole range, subnormal results included,
    /// in a form that vectorises.
    fn exponential(self) -> Self;

    /// Φ(x), the distribution function of the standard normal distribution: within a relative error
    /// of 5e-7 in `f32`, in a form that vectorises.
    fn normal_cdf(self) -> Self;

    /// Where large buffers of this type wait to be used again.
    #[doc(hidden)]
    fn pool() -> &'static pool::Pool<Self>;

    /// `onto` · destination + a · b, in row-major `destination` of `rows` × `columns`; see
    /// [`matmul`].
    ///
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    #[doc(hidden)]
    unsafe fn gemm(product: matmul::Product<Self>);
}

/// Runs `kernel`, compiled for the widest vector instructions that this processor has.
///
/// Only what is inlined into `kernel` is compiled that way: plain `for` loops over slices are,
/// and functions marked `#[inline(always)]`. An iterator adaptor's `collect` often is not.
///
/// ```
/// use downhill_tensor::kernels::{Kernel, vectorize};
///
/// let mut values = vec![0.0_f32; 100];
/// vectorize(|| {
///     for value in &mut values {
///         *value = value.exponential();
///     }
/// });
/// assert_eq!(values[99], 1.0);
/// ```
#[inline(always)]
pub fn vectorize<R>(kernel: impl FnOnce() -> R) -> R {
    struct Kernel<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Kernel<F> {
        type Output = R;

        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Kernel(kernel))
}

/// `len` values for a kernel to overwrite. What they are at first is unspecified: the buffer may
/// be one that a dropped tensor gave back.
pub fn buffer<E: Element>(len: usize) -> Vec<E> {
    let mut values = E::pool().take(len);
    values.resize(len, E::zero());
    values
}

/// Keeps the memory of values that are no longer needed for the next [`buffer`].
pub(crate) fn recycle<E: Element>(values: Vec<E>) {
    E::pool().give(values);
}
