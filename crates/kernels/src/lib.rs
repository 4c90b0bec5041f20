//! The loops that do the arithmetic, on plain slices. The only place where `unsafe` stands.
//!
//! A kernel is an ordinary loop written once, for any element. [`vectorize`] compiles it for each
//! instruction set and chooses among the copies at run time: AVX-512, AVX2 with fused
//! multiply–add, NEON, or none. With the environment variable `DOWNHILL_PORTABLE=1` it is none
//! whatever the processor has, but in products of large matrices, for which `gemm` chooses. What is
//! compiled for NEON has not been run yet.
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

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
