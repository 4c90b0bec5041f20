//! Step 1: numbers that remember where they came from.
//!
//! A [`Tape`] is a list. Every number that is computed adds one entry to it: from which numbers it
//! was computed (their places on the tape), and the derivative with respect to each. A [`Number`] is
//! its value and its place. For c = a · b the entry holds two pairs: (place of a, ∂c/∂a = b) and
//! (place of b, ∂c/∂b = a).
//!
//! Nothing is differentiated yet. That is step 2.

use std::cell::RefCell;
use std::ops::{Add, Mul};

/// From which places a number was computed, and its derivative with respect to each.
pub type Entry = Vec<(usize, f64)>;

/// What was computed, in order.
#[derive(Debug, Default)]
pub struct Tape {
    entries: RefCell<Vec<Entry>>,
}

/// A number on a tape.
#[derive(Debug, Clone, Copy)]
pub struct Number<'tape> {
    tape: &'tape Tape,
    place: usize,
    /// The number itself.
    pub value: f64,
}

impl Tape {
    /// A number to begin with: it was computed from no other, so its entry is empty.
    pub fn number(&self, value: f64) -> Number<'_> {
        self.push(value, Vec::new())
    }

    /// Adds an entry and returns the number that belongs to it.
    fn push(&self, value: f64, entry: Entry) -> Number<'_> {
        let mut entries = self.entries.borrow_mut();
        entries.push(entry);
        Number { tape: self, place: entries.len() - 1, value }
    }

    /// The entry at a place.
    pub fn entry(&self, place: usize) -> Entry {
        self.entries.borrow()[place].clone()
    }
}

impl Number<'_> {
    /// Its place on the tape.
    pub fn place(self) -> usize {
        self.place
    }

    /// tanh x. Its derivative is 1 − tanh² x.
    #[must_use]
    pub fn tanh(self) -> Self {
        todo!("compute the value, then push it with one pair: (self.place, derivative)")
    }

    /// eˣ, which is its own derivative.
    #[must_use]
    pub fn exp(self) -> Self {
        todo!("the same with eˣ")
    }
}

impl Add for Number<'_> {
    type Output = Self;

    /// a + b. How much does the sum change if a grows by a little? And if b does?
    fn add(self, other: Self) -> Self {
        todo!("push the sum with two pairs, one for self and one for other")
    }
}

impl Mul for Number<'_> {
    type Output = Self;

    /// a · b, with the two derivatives from the text above.
    fn mul(self, other: Self) -> Self {
        todo!("push the product with two pairs")
    }
}
