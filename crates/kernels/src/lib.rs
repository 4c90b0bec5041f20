//! The loops that do Downhill's arithmetic, on plain slices: the only crate with `unsafe`.
//!
//! Everything here exists for speed. What the loops compute is said by the crates that call them,
//! in tensor operations; whoever reads Downhill to understand it may skip this crate.
//!
//! # How a kernel is written
//!
//! A kernel is an ordinary loop, written once for any [`Element`]. [`vectorize`] compiles it for
//! each instruction set and chooses among the copies at run time: AVX-512, AVX2 with fused
//! multiply–add, NEON, or none. [`lanes`] has loops that stay fast on rows too short for the
//! compiler's own vectorisation, [`split_in_halves`] runs a loop on several threads, and [`buffer`]
//! and [`recycle`] spare a step the page faults of fresh memory. The softplus of long slices, whole:
//!
//! ```
//! use downhill_kernels::{
//!     Arithmetic, Element, Elementary, Vectorized, buffer, split_in_halves, vectorize_arithmetic,
//! };
//!
//! struct Softplus<'a, E>(&'a mut [E], &'a [E]);
//!
//! impl<E: Element> Vectorized for Softplus<'_, E> {
//!     type Output = ();
//!
//!     #[inline(always)]
//!     fn run<A: Arithmetic>(self) {
//!         for (out, &x) in self.0.iter_mut().zip(self.1) {
//!             *out = x.softplus::<A>();
//!         }
//!     }
//! }
//!
//! fn softplus<E: Element>(x: &[E]) -> Vec<E> {
//!     let mut out = buffer(x.len());
//!     split_in_halves(x.len(), 1 << 15, (&mut out[..], x), |(out, x)| {
//!         vectorize_arithmetic(Softplus(out, x));
//!     });
//!     out
//! }
//! assert_eq!(softplus(&[0.0_f64; 3]), [2.0_f64.ln(); 3]);
//! ```
//!
//! # How a kernel is tested
//!
//! Against the plain loop, on every length at which something changes: 0, 1, one less and one more
//! than a vector, a block, a panel, and what is worth threads; with small integers, which add up
//! exactly in any order, so that the results must be equal. Functions are compared with the standard
//! library's in units of the last place. All tests run again without vector instructions and with
//! those of AVX2, and `benches/soundness` runs them under valgrind and AddressSanitizer. The
//! environment variable `DOWNHILL_VECTORS` chooses: with `none` no kernel uses vector instructions,
//! with `avx2` none wider than those; but not in products of large matrices, for which `gemm`
//! chooses. What is compiled for NEON has not been run yet.
//!
//! Vectors of either length give the same bits, with the exception of products by `gemm`: those of
//! more than 2²³ multiplications and more than 64 rows or columns. It adds up in parts that depend
//! on the vectors and on the caches where the inner dimension is more than 512, and in lanes where the
//! product is no more than 256 values, a row or a column. Without vectors products and sums are
//! rounded apart, so that last bits differ.
//!
//! # The words
//!
//! | | |
//! | --- | --- |
//! | lane | one of the numbers that a vector instruction computes at once; [`lanes::LANES`] of them fill the longest registers |
//! | block | as many neighbouring values as there are lanes, one for each |
//! | tile | rows and vectors of columns of a product whose sums stay in registers |
//! | panel | columns of a product's right operand, as wide as a tile, and rows that stay in the first-level cache |
//! | chunk | neighbouring values that one call gets, of a slice that several threads share |
//! | half | one of two pieces of work that are done at the same time |
//! | fused | a product and a sum in one instruction, rounded once |
//!
//! # The files
//!
//! | | |
//! | --- | --- |
//! | `vectorize` | the choice of instructions; a leaf, like `buffers` and `threads` |
//! | `functions` | exponential, logarithm, sigmoid, normal distribution … of one number |
//! | `product` | matrix products: panels and tiles for matrices in cache, `gemm` for others |
//! | `element` | what a number is: `f32` or `f64`, with the functions and products above |
//! | `lanes`, `map`, `reduce`, `softmax` | loops over slices of elements |
//! | `threads` | halving work, and handing one half to a helper |
//! | `buffers` | memory that is used again |
#![allow(unsafe_code)]

mod buffers;
mod element;
mod functions;
pub mod lanes;
mod map;
mod product;
mod reduce;
mod softmax;
mod threads;
mod vectorize;

#[doc(hidden)]
pub use buffers::zeros;
pub use buffers::{Pooled, buffer, checked_len, recycle};
pub use element::Element;
pub use functions::elementary::Elementary;
#[doc(hidden)]
pub use functions::gate::{Gate, GateSlope};
#[doc(hidden)]
pub use functions::named::{
    ExponentialM1, Gelu, GeluSlope, HyperbolicTangent, LogSigmoid, Logarithm, Logarithm1p,
    NormalCdf, NormalDensity, Sigmoid, Softplus,
};
#[doc(hidden)]
pub use map::{Function, map, map_in_place, times_slope, zip, zip_in_place};
#[doc(hidden)]
pub use product::matmul::{affine, linear};
pub use product::matmul::{matmul, matmul_onto, matmul_part};
#[doc(hidden)]
pub use reduce::{all_finite, all_within, dot, sum, sum_columns};
#[doc(hidden)]
pub use softmax::{log_softmax, log_sum_exp, softmax};
pub use threads::chunks::{each_chunk, each_pair_of_chunks};
pub use threads::halves::{Halves, reduce_in_halves, split_in_halves};
pub use threads::join::{free_threads, join};
pub use vectorize::{
    Arithmetic, Fused, Separate, Vectorized, prefetch, vectorize, vectorize_arithmetic,
};
