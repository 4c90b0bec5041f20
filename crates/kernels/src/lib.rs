//! The loops that do the arithmetic, on plain slices. The only place where `unsafe` stands.
//!
//! A kernel is an ordinary loop written once, for any element. [`vectorize`] compiles it for each
//! instruction set and chooses among the copies at run time: AVX-512, AVX2 with fused
//! multiply–add, NEON, or none. With the environment variable `DOWNHILL_PORTABLE=1` it is none
//! whatever the processor has, but in products of large matrices, for which `gemm` chooses. What is
//! compiled for NEON has not been run yet.
#![allow(unsafe_code)]

mod dispatch;
mod element;
mod elementary;
mod exponential;
mod logarithm;
mod map;
mod matmul;
mod normal;
mod panels;
mod polynomial;
mod pool;
mod reduce;
mod sigmoid;
mod softmax;
mod threads;
mod tiles;
mod transpose;

pub use dispatch::{
    Arithmetic, Fused, Separate, Vectorized, prefetch, vectorize, vectorize_arithmetic,
};
pub use element::Element;
pub use elementary::Elementary;
#[doc(hidden)]
pub use elementary::{
    ExponentialM1, HyperbolicTangent, LogSigmoid, Logarithm, Logarithm1p, Sigmoid, Softplus,
};
#[doc(hidden)]
pub use map::{Function, map, map_in_place, times_slope, uninitialized, zip, zip_in_place};
#[doc(hidden)]
pub use matmul::{affine, linear};
pub use matmul::{matmul, matmul_onto, matmul_part};
#[doc(hidden)]
pub use normal::{Gelu, GeluSlope, NormalCdf, NormalDensity};
pub use pool::Pooled;
#[doc(hidden)]
pub use reduce::{sum, sum_columns};
#[doc(hidden)]
pub use sigmoid::{Gate, GateSlope};
#[doc(hidden)]
pub use softmax::{log_softmax, log_sum_exp, maximum, softmax};
pub use threads::{free_threads, join};

/// What the kernels need of an element beyond arithmetic: a supertrait of the sealed [`Element`].
pub trait Kernel: Elementary + Pooled + Send + Sync {
    /// eˣ, to within 1 unit in the last place over the whole range, subnormal results included,
    /// in a form that vectorises.
    fn exponential(self) -> Self;

    /// Φ(x) and φ(x), the distribution function of the standard normal distribution and its
    /// density, or 0 where they are less than the smallest normal number: within a relative error
    /// of 5e-7 in `f32`, in a form that vectorises.
    fn normal<A: Arithmetic>(self) -> (Self, Self);

    /// eˣ of what is not above 0, to within 1.1 units in the last place in `f32` and 2 in `f64`, or
    /// 0 where that is less than the smallest normal number. 1 of 0, NaN of NaN. It takes fewer
    /// operations than [`exponential`](Self::exponential), fewest where multiply–add is [`Fused`].
    fn decay<A: Arithmetic>(self) -> Self;

    /// A product of matrices in cache.
    #[doc(hidden)]
    fn tiled(product: tiles::Tiled<Self>);

    /// A product of matrices of any size.
    ///
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    #[doc(hidden)]
    unsafe fn gemm(product: matmul::Product<Self>);
}

/// `len` values for a kernel to overwrite. What they are at first is unspecified: the buffer may
/// be one that a dropped tensor gave back.
pub fn buffer<T: Pooled>(len: usize) -> Vec<T> {
    let mut values = T::pool().take(len);
    values.resize(len, T::default());
    values
}

/// Keeps the memory of values that are no longer needed for the next [`buffer`].
pub fn recycle<T: Pooled>(values: Vec<T>) {
    T::pool().give(values);
}
