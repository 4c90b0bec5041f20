//! What can be wrong in a file.

use std::path::PathBuf;

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

    /// A table whose every row was dropped.
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

    /// A word that is none of those given to [`Csv::ordinal`](crate::Csv::ordinal) or
    /// [`Csv::one_hot_words`](crate::Csv::one_hot_words).
    #[error("\"{}\" is none of {}", in_a_line(value), list(order))]
    UnknownWord {
        /// What stands there.
        value: String,
        /// The words that were given.
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
pub(super) fn in_a_line(text: &str) -> String {
    const MOST: usize = 200;
    let beginning = text.chars().take(MOST).flat_map(|character| match character {
        character if character.is_control() => character.escape_debug().collect::<Vec<_>>(),
        character => vec![character],
    });
    let rest = if text.chars().nth(MOST).is_some() { "…" } else { "" };
    beginning.chain(rest.chars()).collect()
}
