//! What can be wrong with the inputs, targets and options of a loss.

/// An error about values that a loss was given. Rows are counted through all axes but the last.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array of a shape that does not fit the others.
    #[error("the {what} have shape {found:?}, but {expected:?} is needed")]
    Shape {
        /// What the array holds, in the plural.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that would fit.
        expected: Vec<usize>,
    },

    /// An array whose shape does not broadcast with the others'.
    #[error("the {what} have shape {found:?}, which does not broadcast with {expected:?}")]
    Broadcast {
        /// What the array holds, in the plural.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
        /// The shape of the others.
        expected: Vec<usize>,
    },

    /// An array without classes: of shape `[]`, or with a last axis of length 0.
    #[error("the {what} have shape {found:?}, without a class on the last axis")]
    NoClasses {
        /// What the array holds, in the plural.
        what: &'static str,
        /// Its shape.
        found: Vec<usize>,
    },

    /// A label that is none of the classes.
    #[error("labels[{position}] is {label}, but the logits have {}", classes_and_range(*classes))]
    Label {
        /// The label's position in row-major order.
        position: usize,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },

    /// A number outside its range.
    #[error("{what}{index:?} is {value}; it must be {range}")]
    Value {
        /// What the array holds, in the plural.
        what: &'static str,
        /// The position in the array.
        index: Vec<usize>,
        /// The number.
        value: f64,
        /// The numbers it may be.
        range: &'static str,
    },

    /// A row of probabilities that is not a distribution.
    #[error("row {row} of the {what} sums to {sum}, not 1")]
    Sum {
        /// What the array holds, in the plural.
        what: &'static str,
        /// The row.
        row: usize,
        /// Its sum.
        sum: f64,
    },

    /// A row of logits that leaves no class possible.
    #[error("row {row} of the logits is all −∞: no class is left")]
    AllMasked {
        /// The row.
        row: usize,
    },

    /// An option outside its range.
    #[error("{option} is {value}; it must be {range}")]
    OptionValue {
        /// The option.
        option: &'static str,
        /// Its value.
        value: f64,
        /// The values it may have.
        range: &'static str,
    },

    /// A number of weights that is not that of the classes.
    #[error("{found} {option} are given, but the logits have {classes} classes")]
    WeightCount {
        /// The option.
        option: &'static str,
        /// The number of weights.
        found: usize,
        /// The number of classes.
        classes: usize,
    },
}

impl Error {
    /// The same about some rows, which have these numbers among all.
    pub(crate) fn of_rows(self, numbers: &[usize]) -> Self {
        match self {
            Self::AllMasked { row } => Self::AllMasked { row: numbers[row] },
            other => other,
        }
    }
}

/// "10 classes (0..=9)"
fn classes_and_range(classes: usize) -> String {
    match classes {
        1 => "1 class (0)".to_owned(),
        _ => format!("{classes} classes (0..={})", classes - 1),
    }
}
