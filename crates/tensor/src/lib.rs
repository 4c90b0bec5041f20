//! N-dimensional arrays with reverse-mode automatic differentiation of any order.
//!
//! A [`Tensor`] is an immutable, cheap handle to numbers, `f32` or `f64`, of any rank. Whatever is
//! computed from a [parameter](Tensor::parameter) remembers the operation that made it, and
//! [`backward`](Tensor::backward) walks these from the youngest to the oldest:
//!
//! ```
//! use downhill_tensor::Tensor;
//!
//! // The expression of micrograd's README.
//! let (a, b) = (Tensor::parameter(-4.0_f64), Tensor::parameter(2.0));
//! let mut c = &a + &b;
//! let mut d = &a * &b + b.powi(3);
//! c = &c + &c + 1.0;
//! c = &c + 1.0 + &c - &a;
//! d = &d + &d * 2.0 + (&b + &a).relu();
//! d = &d + &d * 3.0 + (&b - &a).relu();
//! let e = &c - &d;
//! let f = e.square();
//! let g = &f / 2.0 + 10.0 / &f;
//! let gradients = g.backward();
//! assert!((g.item() - 24.7041).abs() < 1e-4);
//! assert!((gradients.get(&a).unwrap().item() - 138.8338).abs() < 1e-4);
//! assert!((gradients.get(&b).unwrap().item() - 645.5773).abs() < 1e-4);
//! ```
//!
//! | to | see |
//! | --- | --- |
//! | compute | the methods of [`Tensor`] |
//! | differentiate | [`Tensor::backward`], [`grad`], [`hessian`], [`hessian_vector_product`] |
//! | compute without remembering | [`without_recording`], [`Tensor::detach`] |
//! | name what a model learns | [`Parameters`], [`parameters!`] |
//! | write an operation, and check it | [`operation`], [`Fused`], [`gradcheck`], [`gradcheck_second_order`] |
//! | write it for other programs | [`export`] |
//! | write a fast loop | [`downhill_kernels`] |
//!
//! To read how it works, take these files in this order: `tensor.rs` (the handle), `operation.rs`
//! (what is remembered), `autodiff.rs` (the engine), `gradients.rs`,
//! `second_order.rs`; then the tables of derivatives in `operations/`: `arithmetic.rs`,
//! `elementwise.rs`, `reduction.rs`, `softmax.rs`, `matrix.rs`. `storage.rs`, `release.rs` and
//! `arithmetic/operators.rs` are there for speed and depth, and may be skipped.
//!
//! Shapes that do not fit are mistakes of the program: they panic at the caller's line and name both
//! shapes. Results do not depend on the number of threads. Kernels that fuse multiplication and
//! addition where the processor can (products, softmax, log-sum-exp, logarithms, tanh, sigmoids)
//! may differ in the last digits from one kind of processor to another.

#![forbid(unsafe_code)]

mod autodiff;
mod compiled;
mod error;
pub mod export;
mod fused;
mod gradcheck;
mod gradients;
pub mod operation;
mod operations;
mod parameters;
mod recording;
mod release;
mod second_order;
mod storage;
mod tensor;
#[cfg(test)]
mod testing;

pub use autodiff::{grad, grad_with};
#[doc(hidden)]
pub use compiled::compiled;
#[cfg(all(debug_assertions, not(test)))]
#[doc(hidden)]
pub use compiled::compiled_in_debug_builds;
pub use downhill_kernels::Element;
pub use error::Error;
pub use fused::{Fused, fused, vjp_by_definition};
pub use gradcheck::{GradcheckError, gradcheck, gradcheck_second_order};
pub use gradients::Gradients;
pub use operation::Operation;
pub use operations::{Axes, Norm, keep};
pub use parameters::{Parameters, Path};
pub use recording::{is_recording, with_recording, without_recording};
pub use second_order::{hessian, hessian_vector_product};
pub use tensor::Tensor;

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
