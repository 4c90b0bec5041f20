//! What a table asks of a row, whatever the format of its file.

use std::borrow::Cow;

use crate::error::{Error, Problem};

/// A row of a file. An error names the place.
pub(crate) trait Row<E> {
    fn is_missing(&self, column: usize) -> bool;
    /// A finite number.
    fn number(&self, column: usize) -> Result<E, Error>;
    fn word(&self, column: usize) -> Result<Cow<'_, str>, Error>;
    fn error(&self, column: usize, problem: Problem) -> Error;
}
