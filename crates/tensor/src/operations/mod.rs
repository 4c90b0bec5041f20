//! The operations, one family a file. Each is a method of [`Tensor`](crate::Tensor): its value and
//! its derivatives side by side, with its tests.

mod arithmetic;
mod axes;
mod broadcast;
mod elementwise;
mod indexing;
mod matrix;
mod reduction;
mod select;
mod shape;
mod softmax;

pub use axes::{Axes, keep};
