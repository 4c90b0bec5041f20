//! What can be wrong with what a report is made of, and with the place that it goes to.

use std::io;
use std::path::{Path, PathBuf};

/// An error about a report: what was wrong, where, and the value found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Predictions that cannot be judged.
    #[error(transparent)]
    Metric(#[from] downhill_train::Error),

    /// A file or directory that the operating system would not write.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        reason: String,
    },

    /// A file that the operating system would not read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        reason: String,
    },

    /// A directory to be replaced by a report that holds something else.
    #[error(
        "{} holds {found}, which is not part of a report and would be lost; name another directory",
        path.display()
    )]
    NotAReport {
        /// The directory.
        path: PathBuf,
        /// The name of what was found in it.
        found: String,
    },
}

impl Error {
    pub(crate) fn write(path: &Path, reason: &io::Error) -> Self {
        Self::Write { path: path.to_owned(), reason: reason.to_string() }
    }
}
