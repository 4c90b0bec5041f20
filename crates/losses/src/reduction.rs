//! From one loss for each row or value to the loss of a batch.

use downhill_tensor::{Element, Tensor};

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
