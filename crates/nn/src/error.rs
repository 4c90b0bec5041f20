//! What can be wrong with what a layer or model is given.

/// An error about values that a program was given. Mistakes in the program itself, such as
/// operands whose shapes do not fit, panic instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rate of dropout that is not a probability below 1.
    #[error("the dropout rate is {0}; it must be at least 0 and less than 1")]
    DropoutRate(f64),

    /// A state dict without a tensor that the model has.
    #[error("the state dict holds nothing for the model's `{name}`")]
    Missing {
        /// The model's name of the tensor.
        name: String,
    },

    /// A state dict with an entry that the model has no place for.
    #[error("the state dict's `{entry}` has no place in the model: there is no `{name}`")]
    Unexpected {
        /// The entry's name in the state dict.
        entry: String,
        /// The name after renaming.
        name: String,
    },

    /// A state dict with two entries for the same tensor of the model.
    #[error("the state dict's `{entry}` is the second entry for the model's `{name}`")]
    Repeated {
        /// The later entry's name in the state dict.
        entry: String,
        /// The model's name of the tensor.
        name: String,
    },

    /// An entry of a state dict of another shape than the model's tensor.
    #[error(
        "the state dict's `{entry}` has shape {found:?}, but {expected:?} is needed for the \
         model's `{name}`"
    )]
    Shape {
        /// The entry's name in the state dict.
        entry: String,
        /// The model's name of the tensor.
        name: String,
        /// The shape of the entry.
        found: Vec<usize>,
        /// The shape that an entry for this tensor has in PyTorch.
        expected: Vec<usize>,
    },

    /// A layer that ONNX has no operators for.
    #[error("the layer `{part}`, {layer}, has no counterpart in ONNX")]
    NoCounterpart {
        /// The name that leads to the layer.
        part: String,
        /// What the layer is called.
        layer: String,
    },
}
