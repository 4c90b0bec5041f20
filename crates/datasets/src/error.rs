//! What can be wrong with a data set, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A field of a CSV file. Displayed as ``data/iris.csv:17: column `species` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The file.
    pub path: PathBuf,
    /// The line on which the row starts, counted from 1 as editors do.
    pub line: usize,
    /// The column's name.
    pub column: String,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: column `{}`", self.path.display(), self.line, self.column)
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

    /// A CSV file that is not text in UTF-8.
    #[error("{}:{line}: not UTF-8 text", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first byte that is not UTF-8.
        line: usize,
    },

    /// A CSV file without even a header.
    #[error("{}: the file is empty", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },

    /// A CSV file that ends after its header.
    #[error("{}: a header, but no rows", path.display())]
    NoRows {
        /// The file.
        path: PathBuf,
    },

    /// A CSV file of which every row was dropped.
    #[error("{}: no rows are left: each of the {dropped} lacks a value", path.display())]
    AllRowsDropped {
        /// The file.
        path: PathBuf,
        /// The number of rows.
        dropped: usize,
    },

    /// A header that gives two columns the same name.
    #[error("{}:{line}: two columns are named `{column}`", path.display())]
    DuplicateColumn {
        /// The file.
        path: PathBuf,
        /// The line of the header.
        line: usize,
        /// The name.
        column: String,
    },

    /// A target or feature that the header does not name.
    #[error("{}:{line}: no column is named `{column}`; there are {}", path.display(), list(columns))]
    UnknownColumn {
        /// The file.
        path: PathBuf,
        /// The line of the header.
        line: usize,
        /// The name asked for.
        column: String,
        /// The names that exist.
        columns: Vec<String>,
    },

    /// A column asked for twice: as two features, or as a feature and the target.
    #[error("{}: column `{column}` is asked for twice; it can be the target or one feature", path.display())]
    ColumnAskedTwice {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },

    /// No column beside the target, or no feature asked for.
    #[error("{}: no features beside the target `{target}`", path.display())]
    NoFeatures {
        /// The file.
        path: PathBuf,
        /// The target column.
        target: String,
    },

    /// A row with more or fewer fields than the header.
    #[error("{}:{line}: {found} fields, but the header names {expected} columns", path.display())]
    RaggedRow {
        /// The file.
        path: PathBuf,
        /// The line on which the row starts.
        line: usize,
        /// The number of columns.
        expected: usize,
        /// The number of fields in the row.
        found: usize,
    },

    /// An empty field or `NA`, and [`Csv::drop_missing`](crate::Csv::drop_missing) was not asked
    /// for.
    #[error("{cell}: the value is missing; `.drop_missing(true)` leaves such rows out")]
    Missing {
        /// Where it is.
        cell: Cell,
    },

    /// A quoted field that goes on over several lines, in a column that is read.
    #[error("{cell}: the value goes on over several lines; is a closing quote missing?")]
    LineBreak {
        /// Where it starts.
        cell: Cell,
    },

    /// A word where a number belongs.
    #[error("{cell}: {value:?} is not a number{}", hint(*.leave_out))]
    NotANumber {
        /// Where it is.
        cell: Cell,
        /// What stands there.
        value: String,
        /// Whether the column is a feature only because no features were chosen.
        leave_out: bool,
    },

    /// NaN, an infinity, or a number beyond the range of the element type.
    #[error("{cell}: {value:?} is not a finite {element}")]
    NotFinite {
        /// Where it is.
        cell: Cell,
        /// What stands there.
        value: String,
        /// The element type, `f32` or `f64`.
        element: &'static str,
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

    /// A directory that lacks one of the four IDX files.
    #[error("{} holds neither {file} nor {file}.gz", directory.display())]
    NoIdxFile {
        /// The directory.
        directory: PathBuf,
        /// The file's name.
        file: &'static str,
    },

    /// A file that does not start as the IDX file it should be.
    #[error("{}: not the IDX file expected: it starts with {found:02x?}, not {expected:02x?}", path.display())]
    IdxMagic {
        /// The file.
        path: PathBuf,
        /// Its first four bytes, if it has as many.
        found: Vec<u8>,
        /// What they should be.
        expected: [u8; 4],
    },

    /// An IDX file that ends early.
    #[error("{}: the header promises {promised} bytes, {shape:?}, but only {found} follow", path.display())]
    IdxTooShort {
        /// The file.
        path: PathBuf,
        /// The lengths of the axes by the header.
        shape: Vec<u32>,
        /// Their product.
        promised: u128,
        /// The number of bytes after the header.
        found: usize,
    },

    /// An IDX file that ends within its header.
    #[error("{}: the file ends within its header of {expected} bytes, after {found}", path.display())]
    IdxHeader {
        /// The file.
        path: PathBuf,
        /// The header's length.
        expected: usize,
        /// The file's length.
        found: usize,
    },

    /// An IDX file that goes on after its last value.
    #[error("{}: more follows than the {promised} bytes, {shape:?}, that the header promises", path.display())]
    IdxTooLong {
        /// The file.
        path: PathBuf,
        /// The lengths of the axes by the header.
        shape: Vec<u32>,
        /// Their product.
        promised: u128,
    },

    /// An IDX file without a single value.
    #[error("{}: the header promises no values, {shape:?}", path.display())]
    IdxEmpty {
        /// The file.
        path: PathBuf,
        /// The lengths of the axes by the header.
        shape: Vec<u32>,
    },

    /// An IDX label file that does not belong to its image file.
    #[error("{}: {labels} labels, but {} holds {images} images", path.display(), images_path.display())]
    IdxLabelCount {
        /// The label file.
        path: PathBuf,
        /// The number of labels.
        labels: u32,
        /// The image file.
        images_path: PathBuf,
        /// The number of images.
        images: u32,
    },

    /// Test images of another size than the training images.
    #[error("{}: images of {found:?} pixels, but the training images have {expected:?}", path.display())]
    IdxImageShape {
        /// The file of test images.
        path: PathBuf,
        /// Their height and width.
        found: [usize; 2],
        /// The height and width of the training images.
        expected: [usize; 2],
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
}

impl Error {
    /// For `map_err`: what the operating system or a decoder said about `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |reason| Self::Read { path: path.into(), reason }
    }
}

/// The names; of many, the first and the last ones.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.len() {
        0..=16 => quoted.join(", "),
        count => {
            format!("{count}: {}, …, {}", quoted[..3].join(", "), quoted[count - 2..].join(", "))
        }
    }
}

fn hint(leave_out: bool) -> &'static str {
    if leave_out {
        "; `.features(&[…])` names the columns to use, to leave this one out"
    } else {
        ""
    }
}
