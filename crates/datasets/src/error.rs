//! What can be wrong with a data set, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

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

    /// A split of which a part gets no row or no group.
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

/// What is wrong in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A table that is not text in UTF-8.
    #[error("not UTF-8 text")]
    NotUtf8,

    /// A table without even a header.
    #[error("the file is empty")]
    Empty,

    /// A table that ends after its header.
    #[error("a header, but no rows")]
    NoRows,

    /// A table of which every row was dropped.
    #[error("no rows are left: each of the {0} lacks a value")]
    AllRowsDropped(usize),

    /// A header that gives two columns the same name.
    #[error("two columns are named `{}`; without a header, `.header(false)` numbers them", in_a_line(.0))]
    DuplicateColumn(String),

    /// A column asked for that the header does not name.
    #[error("no column is named `{name}`; there are {}", list(columns))]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// The names that exist.
        columns: Vec<String>,
    },

    /// An array asked for that a `.npz` file does not hold.
    #[error("no array is named `{name}`; there are {}", list(arrays))]
    UnknownArray {
        /// The name asked for.
        name: String,
        /// The names that exist.
        arrays: Vec<String>,
    },

    /// A column asked for twice: as two features, or as a feature and the target.
    #[error("asked for twice; it can be the target or one feature")]
    AskedTwice,

    /// A header without a single name.
    #[error("no column has a name")]
    NoColumns,

    /// No column beside the target, or no feature asked for.
    #[error("no features beside the target `{}`", in_a_line(.0))]
    NoFeatures(String),

    /// A row with more or fewer fields than the header.
    #[error("{found} fields, but the header names {expected} columns")]
    RaggedRow {
        /// The number of columns.
        expected: usize,
        /// The number of fields in the row.
        found: usize,
    },

    /// A missing value, and neither [`Csv::drop_missing`](crate::Csv::drop_missing) nor
    /// [`Csv::keep_missing`](crate::Csv::keep_missing) was asked for.
    #[error("the value is missing; `.drop_missing(true)` leaves such rows out")]
    Missing,

    /// A quoted field that goes on over several lines, in a column that is read.
    #[error("the value goes on over several lines; is a closing quote missing?")]
    LineBreak,

    /// A word where a number belongs.
    #[error("\"{}\" is not a number{}", in_a_line(value), if *.leave_out { "; `.without(&[…])` leaves columns out, `.one_hot(&[…])` makes features of words" } else { "" })]
    NotANumber {
        /// What stands there.
        value: String,
        /// Whether the column is a feature only because no features were chosen.
        leave_out: bool,
    },

    /// NaN, an infinity, or a number beyond the range of the element type.
    #[error("\"{}\" is not a finite {element}", in_a_line(value))]
    NotFinite {
        /// What stands there.
        value: String,
        /// The element type, `f32` or `f64`.
        element: &'static str,
    },

    /// A weight below 0.
    #[error("the weight {0} is negative")]
    NegativeWeight(f64),

    /// A word that [`Csv::ordinal`](crate::Csv::ordinal) was given no position for.
    #[error("\"{}\" is none of {}", in_a_line(value), list(order))]
    UnknownWord {
        /// What stands there.
        value: String,
        /// The words that have a position.
        order: Vec<String>,
    },

    /// More different words in a column than can be features.
    #[error(
        "more than {0} different words, too many for features; `.without(&[…])` leaves columns out"
    )]
    TooManyWords(usize),

    /// A directory that lacks one of the four IDX files.
    #[error("holds neither {0} nor {0}.gz")]
    NoIdxFile(&'static str),

    /// A file that does not start as the IDX file it should be.
    #[error("not the IDX file expected: it starts with {found:02x?}, not [00, 00, TYPE, {}]", match axes { Some(axes) => format!("{axes:02x}"), None => "AXES".into() })]
    IdxMagic {
        /// Its first four bytes, if it has as many.
        found: Vec<u8>,
        /// The number of axes that it should have, if that matters.
        axes: Option<u8>,
    },

    /// An IDX file that ends early.
    #[error("the header promises {promised} bytes, {}, but only {found} follow", axes(shape))]
    IdxTooShort {
        /// The lengths of the axes by the header.
        shape: Vec<u32>,
        /// Their product.
        promised: u128,
        /// The number of bytes after the header.
        found: usize,
    },

    /// An IDX file that ends within its header.
    #[error("the file ends within its header of {expected} bytes, after {found}")]
    IdxHeader {
        /// The header's length.
        expected: usize,
        /// The file's length.
        found: usize,
    },

    /// An IDX file that goes on after its last value.
    #[error("more follows than the {promised} bytes, {}, that the header promises", axes(shape))]
    IdxTooLong {
        /// The lengths of the axes by the header.
        shape: Vec<u32>,
        /// Their product.
        promised: u128,
    },

    /// An IDX file without a single value.
    #[error("the header promises no values, {}", axes(.0))]
    IdxEmpty(Vec<u32>),

    /// A label that is no whole number.
    #[error("label {index} is {value}, not a whole number")]
    Label {
        /// Which label, counted from 0.
        index: usize,
        /// The label.
        value: f64,
    },

    /// NaN, an infinity, or a number beyond the range of the element type in an array.
    #[error("value {index} is not a finite {element}")]
    NotFiniteAt {
        /// Which value, counted from 0 in the order of the file's rows.
        index: usize,
        /// The element type.
        element: &'static str,
    },

    /// Labels and rows that differ in number.
    #[error("{labels} labels, but {rows} rows")]
    LabelRows {
        /// The number of labels.
        labels: usize,
        /// The number of rows.
        rows: usize,
    },

    /// What the reader of a format of others said: of NumPy's arrays, Parquet or pictures.
    #[error("{}", in_a_line(.0))]
    Format(String),

    /// A directory without a picture in a directory of its own.
    #[error("holds no directory with PNG or JPEG pictures")]
    NoPictures,

    /// A label file that does not belong to its image file.
    #[error("{labels} labels, but {} holds {images} images", images_path.display())]
    LabelCount {
        /// The number of labels.
        labels: u32,
        /// The image file.
        images_path: PathBuf,
        /// The number of images.
        images: u32,
    },

    /// Images of another size than those before.
    #[error("{found:?} pixels, but the images before have {expected:?}")]
    ImageShape {
        /// Their height and width.
        found: [usize; 2],
        /// The height and width of the images before.
        expected: [usize; 2],
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

/// The names; of many, the first and the last ones.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", in_a_line(name))).collect();
    match quoted.len() {
        0..=16 => quoted.join(", "),
        count => {
            format!("{count}: {}, …, {}", quoted[..3].join(", "), quoted[count - 2..].join(", "))
        }
    }
}

/// The lengths of the axes; of many, the first ones.
fn axes(shape: &[u32]) -> String {
    match shape.len() {
        0..=8 => format!("{shape:?}"),
        count => format!("{:?} and {} more axes", &shape[..8], count - 8),
    }
}

/// What a file holds, in a form that an error can show: of a long text the beginning, and no
/// control characters, like line ends.
fn in_a_line(text: &str) -> String {
    const MOST: usize = 200;
    let beginning = text.chars().take(MOST).flat_map(|character| match character {
        character if character.is_control() => character.escape_debug().collect::<Vec<_>>(),
        character => vec![character],
    });
    let rest = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    beginning.chain(rest.chars()).collect()
}
