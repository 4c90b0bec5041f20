//! N-dimensional arrays with reverse-mode automatic differentiation of any order.
mod autodiff;
mod element;
mod error;
mod gradcheck;
mod gradients;
pub mod kernels;
pub mod operation;
mod operations;
mod parameters;
mod recording;
mod release;
mod second_order;
mod tensor;
#[cfg(test)]
mod testing;
mod values;

pub use autodiff::{grad, grad_with};
pub use element::Element;
pub use error::Error;
pub use gradcheck::{GradcheckError, gradcheck, gradcheck_second_order};
pub use gradients::Gradients;
pub use operation::Operation;
pub use operations::{Axes, keep};
pub use parameters::{Parameters, Path};
pub use recording::{is_recording, without_recording};
pub use second_order::{hessian, hessian_vector_product};
pub use tensor::Tensor;
