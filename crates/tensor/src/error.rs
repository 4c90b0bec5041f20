//! What can be wrong with data that comes from outside.

use downhill_kernels::checked_len;

/// An error about values that a program was given. Mistakes in the program itself, such as
/// operands whose shapes do not fit, panic instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape that does not hold as many values as were given.
    #[error("shape {shape:?} holds {} values, but {found} were given", count(shape))]
    Shape {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The number of values given.
        found: usize,
    },
}

fn count(shape: &[usize]) -> String {
    match checked_len::<u8>(shape) {
        Some(count) => count.to_string(),
        None => "more than countable".into(),
    }
}
