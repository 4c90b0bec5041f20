//! Cross-entropy of rows of logits in one pass: the loss of each, and its gradient while the row is
//! in cache.
//!
//! For speed; what is computed is the [definition](super::definition). With few classes 16 rows are
//! computed at a time, one in each SIMD lane ([`few_classes`]); with many the lanes run along a row
//! ([`many_classes`]). Either sums up exponentials ([`exponentials`]), and for distributions and
//! label smoothing visits each class once more ([`soft_targets`]); what follows from the sums is
//! the same ([`rows`]).

mod exponentials;
mod few_classes;
mod many_classes;
mod rows;
mod soft_targets;

use std::sync::{Mutex, PoisonError};

use downhill_kernels::{Arithmetic, Halves, Vectorized, split_in_halves, vectorize_arithmetic};
use downhill_tensor::Element;

pub(super) use self::exponentials::{
    LANES, Sums, Tile, exponentials, finite, is_too_small, sum_lanes, sum_of_small, total,
};
pub(super) use self::rows::{RowTargets, Rows};
pub(super) use self::soft_targets::{Outcome, SoftTargets, TargetSums};
use crate::error::Error;

/// Up to this many classes the lanes run across rows, beyond it along a row.
const FEW: usize = 32;

/// Fewer logits than this are not worth another thread. With few classes, whose rows must be
/// transposed into lanes and back, a quarter of them takes as long.
const GRAIN: usize = 1 << 15;

impl<E: Element> Rows<'_, E> {
    /// Writes the loss of each row, and with `gradient` that with respect to the logits.
    ///
    /// # Errors
    ///
    /// That of the first row that is invalid.
    #[inline(never)]
    pub(super) fn run(&self, losses: &mut [E], gradient: Option<&mut [E]>) -> Result<(), Error> {
        // Lanes that run across rows are full in either half.
        let (rows_at_once, grain) = if self.has_many() { (1, GRAIN) } else { (LANES, GRAIN / 4) };
        let len = losses.len().div_ceil(rows_at_once);
        let worth = grain.div_ceil(rows_at_once * self.classes.max(1));
        let first_error = Mutex::new(None);
        let work = Serial { rows: self, rows_at_once, first: 0, losses, gradient };
        split_in_halves(len, worth, work, |work| {
            let first = work.first;
            let Err(error) = vectorize_arithmetic(work) else { return };
            let mut found = first_error.lock().unwrap_or_else(PoisonError::into_inner);
            if found.as_ref().is_none_or(|&(row, _)| first < row) {
                *found = Some((first, error));
            }
        });
        let first_error = first_error.into_inner().unwrap_or_else(PoisonError::into_inner);
        first_error.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Whether the lanes run along a row.
    fn has_many(&self) -> bool {
        self.classes > FEW
    }

    /// The slow path: the loss and the gradient of a row that is ignored or has NaN or +∞ in it.
    #[cold]
    #[inline(never)]
    pub(super) fn unusual_row(&self, row: usize, mut gradient: Option<&mut [E]>) -> E {
        let logits = &self.logits[row * self.classes..(row + 1) * self.classes];
        let is_ignored = self.is_ignored(row);
        if is_ignored || logits.iter().any(|x| x.is_nan()) {
            let value = if is_ignored { E::zero() } else { E::nan() };
            if let Some(gradient) = gradient {
                gradient.fill(value);
            }
            return value;
        }
        // Infinite logits leave no probability to finite ones, and share it equally.
        let relative = |&x: &E| if x == E::infinity() { E::zero() } else { E::neg_infinity() };
        let relative: Vec<E> = logits.iter().map(relative).collect();
        let rows = Rows { z_loss: E::zero(), ..self.some(row..row + 1, &relative) };
        let mut loss = E::zero();
        let losses = std::slice::from_mut(&mut loss);
        rows.run(losses, gradient.as_deref_mut())
            .expect("a row with a logit of 0, and targets that are valid");
        if self.z_loss > E::zero() && self.row_weight(row) > E::zero() {
            loss = E::infinity();
            for (gradient, x) in gradient.into_iter().flatten().zip(logits) {
                if *x == E::infinity() {
                    *gradient = self.gradient_scale(row) * E::infinity();
                }
            }
        }
        loss
    }
}

/// Rows from `first`, as many as there are losses, in one thread.
struct Serial<'a, E> {
    rows: &'a Rows<'a, E>,
    /// Where the rows can be cut: at multiples of this number.
    rows_at_once: usize,
    first: usize,
    losses: &'a mut [E],
    gradient: Option<&'a mut [E]>,
}

impl<E: Element> Halves for Serial<'_, E> {
    fn halves(self, middle: usize) -> (Self, Self) {
        let middle = middle * self.rows_at_once;
        let (losses, more_losses) = self.losses.split_at_mut(middle);
        let (gradient, more_gradient) = self.gradient.halves(middle * self.rows.classes);
        (
            Self { losses, gradient, ..self },
            Self {
                first: self.first + middle,
                losses: more_losses,
                gradient: more_gradient,
                ..self
            },
        )
    }
}

impl<E: Element> Vectorized for Serial<'_, E> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<A: Arithmetic>(self) -> Result<(), Error> {
        let Self { rows, first, losses, mut gradient, .. } = self;
        let has_many = rows.has_many();
        let mut many = has_many.then(many_classes::Buffers::new);
        let mut few = (!has_many).then(|| few_classes::Buffers::new(rows));
        let step = if has_many { many_classes::rows_at_once::<E>(rows.classes) } else { LANES };
        let mut unusual = Vec::new();
        for (number, losses) in losses.chunks_mut(step).enumerate() {
            let (row, length) = (first + number * step, losses.len() * rows.classes);
            let mut gradient = gradient
                .as_deref_mut()
                .map(|gradient| &mut gradient[number * step * rows.classes..][..length]);
            if let Some(buffers) = &mut many {
                let gradient = gradient.as_deref_mut();
                rows.many_classes::<A>(row, losses, gradient, buffers, &mut unusual)?;
            } else if let Some(buffers) = &mut few {
                let gradient = gradient.as_deref_mut();
                rows.few_classes::<A>(row, losses, gradient, buffers, &mut unusual)?;
            }
            for index in unusual.drain(..) {
                let gradient = gradient.as_deref_mut();
                let gradient =
                    gradient.map(|rows_of| &mut rows_of[index * rows.classes..][..rows.classes]);
                losses[index] = rows.unusual_row(row + index, gradient);
            }
        }
        Ok(())
    }
}
