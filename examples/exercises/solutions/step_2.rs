//! Step 2: the chain rule, from the last number to the first.
//!
//! The tape of step 1 stands here as it should be. Each entry lies behind those it was computed
//! from, so whoever goes from the last place to the first meets a number after everything that used
//! it. On the way every number gets a gradient: how much the last number changes if this one does.
//!
//! - The gradient of the last number is 1. All others begin at 0.
//! - At a place with gradient g, each pair (from, derivative) of its entry adds g · derivative to
//!   the gradient at `from`. It *adds*: a number that was used twice receives two.

use std::cell::RefCell;
use std::ops::{Add, Mul};

/// What was computed, in order: for each number, from which places, and the derivatives.
#[derive(Debug, Default)]
pub struct Tape {
    entries: RefCell<Vec<Vec<(usize, f64)>>>,
}

/// A number on a tape.
#[derive(Debug, Clone, Copy)]
pub struct Number<'tape> {
    tape: &'tape Tape,
    place: usize,
    /// The number itself.
    pub value: f64,
}

/// The gradient of one number with respect to every number before it.
#[derive(Debug)]
pub struct Gradients(Vec<f64>);

impl Gradients {
    /// The gradient with respect to `number`.
    pub fn of(&self, number: Number<'_>) -> f64 {
        self.0[number.place]
    }
}

impl Tape {
    /// A number to begin with.
    pub fn number(&self, value: f64) -> Number<'_> {
        self.push(value, Vec::new())
    }

    fn push(&self, value: f64, entry: Vec<(usize, f64)>) -> Number<'_> {
        let mut entries = self.entries.borrow_mut();
        entries.push(entry);
        Number { tape: self, place: entries.len() - 1, value }
    }
}

impl Number<'_> {
    /// The gradient of this number with respect to every number on the tape up to it.
    pub fn backward(self) -> Gradients {
        let entries = self.tape.entries.borrow();
        let mut gradients = vec![0.0; self.place + 1];
        gradients[self.place] = 1.0;
        for place in (0..=self.place).rev() {
            for &(from, derivative) in &entries[place] {
                gradients[from] += gradients[place] * derivative;
            }
        }
        Gradients(gradients)
    }

    /// tanh x.
    #[must_use]
    pub fn tanh(self) -> Self {
        let value = self.value.tanh();
        self.tape.push(value, vec![(self.place, 1.0 - value * value)])
    }

    /// eˣ.
    #[must_use]
    pub fn exp(self) -> Self {
        let value = self.value.exp();
        self.tape.push(value, vec![(self.place, value)])
    }
}

impl Add for Number<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.tape.push(self.value + other.value, vec![(self.place, 1.0), (other.place, 1.0)])
    }
}

impl Mul for Number<'_> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let entry = vec![(self.place, other.value), (other.place, self.value)];
        self.tape.push(self.value * other.value, entry)
    }
}
