//! What can be wrong with the numbers that are to be judged or calibrated, and with files.

use std::io;
use std::path::{Path, PathBuf};

/// An error about values to be judged or calibrated, or about a file: what was wrong, where, and
/// the value found.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not as many labels as there are predictions, scores or rows of probabilities.
    #[error("{of} and labels differ in number: {count} and {labels}")]
    Length {
        /// The number of labels.
        labels: usize,
        /// What the labels belong to, such as `predictions` or `scores`.
        of: &'static str,
        /// The number of those.
        count: usize,
    },

    /// A class index that is not below the number of classes.
    #[error(
        "{of}[{index}] is {class}, but there are {class_count} classes (0..={})",
        *class_count as isize - 1
    )]
    Class {
        /// Where the class stands: `labels` or `predictions`.
        of: &'static str,
        /// The position in it.
        index: usize,
        /// The class found there.
        class: usize,
        /// The number of classes.
        class_count: usize,
    },

    /// A class probability outside [0, 1], or NaN.
    #[error("row {row}: the probability of class {class} is {value}, which is not in [0, 1]")]
    Probability {
        /// The row.
        row: usize,
        /// The position in the row.
        class: usize,
        /// The value found there.
        value: f64,
    },

    /// A row of class probabilities that does not sum to one.
    #[error("row {row}: the probabilities sum to {sum}, not to 1 (±{tolerance:.1e})")]
    ProbabilitySum {
        /// The row.
        row: usize,
        /// Its sum.
        sum: f64,
        /// How far from 1 the sum may be.
        tolerance: f64,
    },

    /// A score that is NaN and so has no place in a ranking.
    #[error("scores[{index}] is NaN, which cannot be ranked")]
    Score {
        /// The position of the score.
        index: usize,
    },

    /// Predictions and targets that do not pair up.
    #[error(
        "predictions of shape {predictions:?} do not pair up with targets of shape {targets:?}"
    )]
    Shape {
        /// The shape of the predictions.
        predictions: Vec<usize>,
        /// The shape of the targets.
        targets: Vec<usize>,
    },

    /// A metric of no samples at all.
    #[error("the {metric} of no samples is undefined")]
    Empty {
        /// The metric.
        metric: &'static str,
    },

    /// An average precision without any sample to find.
    #[error("average precision is undefined: none of the {count} labels is 1")]
    NoPositives {
        /// The number of labels.
        count: usize,
    },

    /// A ranking of one class alone.
    #[error("the {metric} is undefined: all {count} labels are {label}")]
    OneClass {
        /// The metric.
        metric: &'static str,
        /// The number of labels.
        count: usize,
        /// The value of every label.
        label: usize,
    },

    /// An R² of targets that do not vary.
    #[error("R² is undefined: every target is {value}")]
    ConstantTargets {
        /// The value of every target.
        value: f64,
    },

    /// A reliability diagram without bins.
    #[error("a reliability diagram needs at least one bin")]
    NoBins,

    /// Logits and labels that have no cross-entropy.
    #[error(transparent)]
    Loss(#[from] downhill_losses::Error),

    /// A loss of held-out samples that is NaN or infinite at every temperature.
    #[error("the held-out logits have a cross-entropy of {loss}, whatever the temperature")]
    LossNotFinite {
        /// The loss.
        loss: f64,
    },

    /// Held-out samples whose labels all have the largest logit of their row, so that the loss
    /// falls all the way to a temperature of 0.
    #[error("every held-out sample is predicted right: no temperature is too low")]
    AllRight,

    /// Held-out samples whose labels' logits are no larger than the others, so that the loss falls
    /// all the way to an infinite temperature.
    #[error("the held-out logits say nothing about their labels: no temperature is too high")]
    Uninformative,

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

    /// A file that is to hold tensors and does not.
    #[error("{} is no safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A file of tensors that is not as it was written.
    #[error("{} is damaged: its checksum is not that of what was written", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },

    /// A file of tensors from a later version of this library.
    #[error(
        "{} is of format version {found}, and this program reads versions up to {newest}",
        path.display()
    )]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// The version it says it has.
        found: String,
        /// The newest that can be read.
        newest: u32,
    },

    /// An entry of a file of tensors that is of no use.
    #[error("{}: the entry `{entry}` {problem}", path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A file of tensors that are not those of the model.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: downhill_nn::Error,
    },

    /// A checkpoint of a run that was asked for something else.
    #[error(
        "{} is of a run with {saved} for {option}, and this run has {now}; resume with what the \
         run was begun with, or name another directory",
        path.display()
    )]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// What differs.
        option: String,
        /// The value that the checkpoint's run had.
        saved: String,
        /// The value that this one has.
        now: String,
    },

    /// A part of a checkpoint that this run cannot go on with.
    #[error("{}: `{part}` cannot be taken back: {problem}", path.display())]
    State {
        /// The checkpoint.
        path: PathBuf,
        /// The part of the run's state.
        part: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A part of a run's state that remembers nothing of its model.
    #[error("`{part}` is not saved: {problem}")]
    Remember {
        /// The part of the run's state.
        part: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A directory of checkpoints that another run uses.
    #[error("{} is in use by {holder}; wait until it ends, or name another directory", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// What is known of the other run.
        holder: String,
    },

    /// A model that is not worth being kept.
    #[error("the model's `{name}` holds {value} and is not saved")]
    NotFinite {
        /// The name of the tensor.
        name: String,
        /// What was found in it.
        value: f64,
    },
}

impl Error {
    pub(crate) fn write(path: &Path, reason: &io::Error) -> Self {
        Self::Write { path: path.to_owned(), reason: reason.to_string() }
    }

    /// Of a directory that could not be made.
    pub(crate) fn directory(path: &Path, reason: &io::Error) -> Self {
        match reason.kind() {
            io::ErrorKind::AlreadyExists => {
                Self::Write { path: path.to_owned(), reason: "it is no directory".into() }
            }
            _ => Self::write(path, reason),
        }
    }

    pub(crate) fn damaged(path: &Path) -> Self {
        Self::Damaged { path: path.to_owned() }
    }

    pub(crate) fn read(path: &Path, reason: &io::Error) -> Self {
        Self::Read { path: path.to_owned(), reason: reason.to_string() }
    }
}
