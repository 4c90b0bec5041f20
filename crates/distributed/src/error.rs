//! What ends a run on several processes.

/// An error that all processes of a group know of, or one that only one has found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More processes than parts: some would have nothing to do.
    #[error(
        "{ranks} processes, but a batch is cut into {parts} parts; at most as many processes as \
         parts have work"
    )]
    TooFewParts {
        /// The number of processes.
        ranks: usize,
        /// The number of parts.
        parts: usize,
    },

    /// A process that cannot take part.
    #[error("{}: {what} differs: {theirs}, and rank 0 has {first}", ranks_of(.ranks))]
    Stranger {
        /// The ranks of these processes.
        ranks: Vec<usize>,
        /// What differs: the program, the model …
        what: &'static str,
        /// What the first of them has.
        theirs: String,
        /// What the process of rank 0 has.
        first: String,
    },

    /// Processes that are no longer at the same place.
    #[error(
        "{} went astray by step {step}: {what} differs from the other processes'",
        ranks_of(.ranks)
    )]
    Drift {
        /// The ranks of these processes.
        ranks: Vec<usize>,
        /// What differs.
        what: &'static str,
        /// The number of the step, from 1, at which it was found.
        step: u64,
    },

    /// A gradient with NaN or an infinity.
    #[error("rank {rank}: the gradient of {parameter} is not finite in step {step}")]
    NotFinite {
        /// The process that computed it, the first if there are several.
        rank: usize,
        /// The name of the parameter.
        parameter: String,
        /// The number of the step, from 1.
        step: u64,
    },

    /// Parts of a batch that disagree on what they ask of the whole batch.
    #[error("the parts of a batch normalise by the whole batch a different number of times")]
    Unlike,

    /// What the computation of a part says is wrong.
    #[error(transparent)]
    Part(Box<dyn std::error::Error + Send + Sync>),

    /// A state that cannot be passed on or taken over.
    #[error(transparent)]
    State(#[from] downhill_train::Error),

    /// A command line that cannot be read: the process ends with the status 2.
    #[error("{0}")]
    CommandLine(String),
}

impl Error {
    /// Whether every process finds the same, so that it is no matter of the one that says so.
    pub(crate) fn is_common(&self) -> bool {
        !matches!(self, Self::Part(_) | Self::State(_) | Self::Unlike)
    }
}

/// `rank 2`, or `ranks 2, 3`.
pub(crate) fn ranks_of(ranks: &[usize]) -> String {
    let list: Vec<String> = ranks.iter().map(ToString::to_string).collect();
    format!("rank{} {}", if ranks.len() == 1 { "" } else { "s" }, list.join(", "))
}
