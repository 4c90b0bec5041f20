//! What can be wrong with a data set, and where.

mod problem;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use self::problem::Problem;
use self::problem::in_a_line;

/// A place in a file. Displayed as far as it is known: ``data/iris.csv:17: column `species` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The file.
    pub path: PathBuf,
    /// The line on which the row starts, counted from 1 as editors do.
    pub line: Option<usize>,
    /// The column's name.
    pub column: Option<String>,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ": column `{}`", in_a_line(column))?;
        }
        Ok(())
    }
}

impl From<&Path> for At {
    fn from(path: &Path) -> Self {
        Self { path: path.into(), line: None, column: None }
    }
}

impl From<(&Path, usize)> for At {
    fn from((path, line): (&Path, usize)) -> Self {
        Self { line: Some(line), ..path.into() }
    }
}

/// An error about files, or about values that a program was given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory that the operating system would not read, or a gzip stream that is
    /// damaged.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's or the decoder's answer.
        reason: io::Error,
    },

    /// A file with something wrong in it.
    #[error("{at}: {problem}")]
    File {
        /// Where.
        at: At,
        /// What.
        problem: Box<Problem>,
    },

    /// Points that cannot be drawn: fewer than there are classes, fewer than two classes, or
    /// noise that is no standard deviation.
    #[error("cannot draw {count} points of {classes} classes with noise {noise}")]
    Synthetic {
        /// The number of classes asked for.
        classes: usize,
        /// The number of points asked for.
        count: usize,
        /// The standard deviation asked for.
        noise: f64,
    },

    /// NaN or an infinity in an array given.
    #[error("{array}{index:?} is {value}, not a finite number")]
    NotFiniteEntry {
        /// The array: `features` or `targets`.
        array: &'static str,
        /// The entry's index.
        index: Vec<usize>,
        /// The entry.
        value: f64,
    },

    /// Features and targets that differ in number.
    #[error("{features} rows of features, but {targets} targets")]
    RowCounts {
        /// The number of rows of features.
        features: usize,
        /// The number of targets.
        targets: usize,
    },

    /// Weights and rows that differ in number.
    #[error("{weights} weights, but {rows} rows")]
    WeightCount {
        /// The number of weights.
        weights: usize,
        /// The number of rows.
        rows: usize,
    },

    /// A weight that is negative or not finite.
    #[error("weights[{row}] is {weight}, not a finite number of 0 or more")]
    BadWeight {
        /// The row.
        row: usize,
        /// Its weight.
        weight: f64,
    },

    /// Weights by which no row can be drawn.
    #[error("no row has a weight above 0")]
    NoWeight,

    /// A feature whose values are all missing.
    #[error("feature `{0}` has no value to take a mean or median of")]
    NoValue(String),

    /// A class index without a class name.
    #[error("labels[{row}] is {label}, but only {classes} classes are named")]
    UnnamedLabel {
        /// The row.
        row: usize,
        /// Its label.
        label: usize,
        /// The number of class names.
        classes: usize,
    },

    /// A training fraction that is not strictly between 0 and 1.
    #[error("the training fraction is {fraction}, not between 0 and 1")]
    SplitFraction {
        /// The fraction asked for.
        fraction: f64,
    },

    /// A split that leaves one side without rows.
    #[error("a training fraction of {fraction} of {rows} rows leaves {train} to train on and {} to test on", rows - train)]
    EmptySplit {
        /// The fraction asked for.
        fraction: f64,
        /// The number of rows.
        rows: usize,
        /// The number of rows on the training side.
        train: usize,
    },

    /// Fractions of a split that are not all above 0, or do not add up to 1.
    #[error("the fractions {0:?} are not all above 0 with a sum of 1")]
    SplitFractions(Vec<f64>),

    /// A split that leaves a part without rows or groups.
    #[error("{count} {unit} cannot be divided so that each of {parts} parts gets one")]
    EmptyPart {
        /// `rows` or `groups`.
        unit: &'static str,
        /// Their number.
        count: usize,
        /// The number of parts.
        parts: usize,
    },

    /// Groups and rows that differ in number.
    #[error("{groups} groups are given, but there are {rows} rows")]
    GroupCount {
        /// The number of groups given, one a row.
        groups: usize,
        /// The number of rows.
        rows: usize,
    },

    /// A class with too few rows for each part of a stratified split to get one.
    #[error("class `{class}` has {rows} {}, too few for each of {parts} parts; without stratifying, a split ignores classes", if *rows == 1 { "row" } else { "rows" })]
    SmallClass {
        /// The class's name.
        class: String,
        /// The number of its rows.
        rows: usize,
        /// The number of parts.
        parts: usize,
    },
}

impl Problem {
    pub(crate) fn at(self, place: impl Into<At>) -> Error {
        Error::File { at: place.into(), problem: Box::new(self) }
    }
}

impl Error {
    /// For `map_err`: what the operating system or a decoder said about `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |reason| Self::Read { path: path.into(), reason }
    }
}
