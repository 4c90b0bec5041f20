//! From one loss for each row or value to the loss of a batch.

use downhill_kernels::lanes::fold;
use downhill_tensor::{Element, Tensor};
use ndarray::ArrayD;

/// What becomes of the losses of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reduction {
    /// They are returned one by one.
    None,
    /// Their mean, a tensor of shape `[]`: 0 of an empty batch. A weighted mean where a loss says
    /// so.
    #[default]
    Mean,
    /// Their sum, a tensor of shape `[]`.
    Sum,
}

impl Reduction {
    pub(crate) fn apply<E: Element>(self, losses: Tensor<E>) -> Tensor<E> {
        match self {
            Self::None => losses,
            // The mean of nothing would be 0 / 0.
            Self::Mean if !losses.is_empty() => losses.mean(),
            Self::Mean | Self::Sum => losses.sum(),
        }
    }
}

/// The sum of all losses, in an order that depends on their number alone.
pub(crate) fn sum<E: Element>(losses: &[E]) -> f64 {
    if losses.len() > 1024 {
        let (left, right) = losses.split_at(losses.len() / 2);
        return sum(left) + sum(right);
    }
    let lanes: [f64; 8] = fold(losses, 0.0, |sum, loss| sum + loss.as_f64());
    lanes.iter().sum()
}

/// The array of `shape` with `values` in row-major order.
pub(crate) fn array<E>(shape: &[usize], values: Vec<E>) -> ArrayD<E> {
    ArrayD::from_shape_vec(shape, values).expect("as many values as the shape holds")
}
