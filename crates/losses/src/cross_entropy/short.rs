//! Rows of few classes, each in a lane of its own.

use downhill_kernels::Arithmetic;
use downhill_tensor::Element;

use super::dense::Counts;
use super::lanes::{LANES, Sums, Tile, add_lesser, exponentials, maximum};
use super::rows::{RowTargets, Rows};
use crate::error::Error;

/// Buffers that blocks of rows share, each with a tile for each class.
pub(super) struct Blocks<E> {
    logits: Vec<Tile<E>>,
    out: Vec<Tile<E>>,
    probabilities: Option<Vec<Tile<E>>>,
    weights: Option<Vec<Tile<E>>>,
}

impl<E: Element> Blocks<E> {
    #[inline(always)]
    pub(super) fn new(rows: &Rows<'_, E>) -> Self {
        let tiles = || vec![[E::zero(); LANES]; rows.classes];
        let is_dense = matches!(rows.targets, RowTargets::Probabilities(_));
        Self {
            logits: tiles(),
            out: tiles(),
            probabilities: is_dense.then(tiles),
            weights: rows.weights.map(|weights| weights.iter().map(|&w| [w; LANES]).collect()),
        }
    }
}

impl<E: Element> Rows<'_, E> {
    /// As many rows from `first` as `losses` has, at most [`LANES`].
    #[inline(always)]
    pub(super) fn short_rows<A: Arithmetic>(
        &self,
        first: usize,
        losses: &mut [E],
        mut gradient: Option<&mut [E]>,
        blocks: &mut Blocks<E>,
    ) -> Result<(), Error> {
        let (count, classes) = (losses.len(), self.classes);
        let range = first * classes..(first + count) * classes;
        let Blocks { logits: x, out, probabilities, weights } = blocks;
        read_rows(&self.logits[range.clone()], x);
        let sums = sum_lanes::<A, E>(x, out, self.scale);
        if let (RowTargets::Probabilities(values), Some(tiles)) =
            (self.targets, &mut *probabilities)
        {
            read_rows(&values[range], tiles);
        }
        let dense = self.dense(probabilities.as_deref(), weights.as_deref());
        let mut counts = Counts::zero();
        if self.is_dense() {
            counts.add(x, &dense);
        }
        let mut at_label = sums.max;
        if let RowTargets::Labels(labels) = self.targets {
            let labels = &labels[first..first + count];
            for (at_label, (lane, &label)) in at_label.iter_mut().zip(labels.iter().enumerate()) {
                // Ignored rows, whose label need not be a class, are seen to in the end.
                *at_label = x.get(label).map_or(E::zero(), |x| x[lane]);
            }
        }
        let rows = self.outcome_of_rows::<A>(first, count, &sums, &counts, &at_label);
        let (mut loss, mut factor) = (rows.loss, rows.factor);
        if self.is_dense() {
            dense.finish(&mut loss, x, out, &rows, E::one(), self.scale);
            factor = [E::one(); LANES];
        }
        losses.copy_from_slice(&loss[..count]);
        if let Some(gradient) = &mut gradient {
            write_rows(out, &factor, gradient);
        }
        if let (true, RowTargets::Labels(labels)) = (self.are_usual(&sums, count), self.targets) {
            if let Some(gradient) = gradient {
                let rows_of_gradient = gradient.chunks_exact_mut(classes);
                for ((gradient, &label), &value) in
                    rows_of_gradient.zip(&labels[first..]).zip(&rows.at_label)
                {
                    gradient[label] = value;
                }
            }
            return Ok(());
        }
        for (lane, loss) in losses.iter_mut().enumerate() {
            let row = first + lane;
            let gradient =
                gradient.as_deref_mut().map(|rows| &mut rows[lane * classes..][..classes]);
            if self.is_unusual(row, &sums, &counts, lane)? {
                *loss = self.unusual_row(row, gradient);
            } else if let (RowTargets::Labels(labels), Some(gradient)) = (self.targets, gradient) {
                gradient[labels[row]] = rows.at_label[lane];
            }
        }
        Ok(())
    }
}

/// Writes the exponentials of rows, each in a lane, relative to their largest, and sums them up.
#[inline(always)]
pub(super) fn sum_lanes<A: Arithmetic, E: Element>(
    x: &[Tile<E>],
    out: &mut [Tile<E>],
    scale: E,
) -> Sums<E> {
    let max = maximum(&[E::neg_infinity(); LANES], x);
    let sum = exponentials::<A, E>(x, out, &max, scale, |_| ());
    let mut lesser = [E::zero(); LANES];
    add_lesser(&mut lesser, &out[..x.len()]);
    Sums { max, rest: without_largest(&sum, &lesser) }
}

/// A sum of exponentials without its largest term, which is 1, where `lesser` is the sum of those
/// that are less.
#[inline(always)]
pub(super) fn without_largest<E: Element>(sum: &Tile<E>, lesser: &Tile<E>) -> Tile<E> {
    let two = E::one() + E::one();
    let mut rest = *sum;
    for lane in 0..LANES {
        // A sum below 2 has but one term that is 1; taking it from a larger one costs no digits.
        rest[lane] = if sum[lane] < two { lesser[lane] } else { sum[lane] - E::one() };
    }
    rest
}

/// Writes up to [`LANES`] rows into lanes; lanes beyond them keep what they held.
///
/// Not inlined into vectorised code, where it would become gathers, which are slower.
#[inline(never)]
fn read_rows<E: Element>(rows: &[E], tiles: &mut [Tile<E>]) {
    for (lane, row) in rows.chunks_exact(tiles.len().max(1)).enumerate() {
        for (tile, &x) in tiles.iter_mut().zip(row) {
            tile[lane] = x;
        }
    }
}

/// Writes lanes times their factors into rows. Not inlined for the same reason.
#[inline(never)]
fn write_rows<E: Element>(tiles: &[Tile<E>], factor: &Tile<E>, rows: &mut [E]) {
    for (lane, row) in rows.chunks_exact_mut(tiles.len().max(1)).enumerate() {
        for (tile, x) in tiles.iter().zip(row) {
            *x = tile[lane] * factor[lane];
        }
    }
}
