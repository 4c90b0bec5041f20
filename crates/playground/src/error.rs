//! What can be wrong with a message.

/// An error that the page shows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message that is not one.
    #[error("the message is not understood: {0}")]
    Message(#[from] serde_json::Error),

    /// A number outside its range.
    #[error("{name} is {value}; it must be {range}")]
    Range {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
        /// What it may be.
        range: String,
    },

    /// Things that do not go together.
    #[error("{0}")]
    Mismatch(String),

    /// An error of the data sets.
    #[error(transparent)]
    Data(#[from] downhill_datasets::Error),

    /// An error of the losses.
    #[error(transparent)]
    Loss(#[from] downhill_losses::Error),

    /// An error of the optimizers.
    #[error(transparent)]
    Optimizer(#[from] downhill_optim::Error),

    /// An error of the layers.
    #[error(transparent)]
    Layer(#[from] downhill_nn::Error),
}
