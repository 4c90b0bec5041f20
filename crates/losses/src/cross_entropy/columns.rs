//! Rows of many classes, each in a lane of its own, of which some classes are at hand at a time.
//!
//! The logits of a class are those of all rows, in blocks of [`LANES`], and so are the results.

use std::ops::Range;

use downhill_kernels::{Arithmetic, Vectorized, prefetch, vectorize_arithmetic};
use downhill_tensor::Element;

use super::dense::{Counts, Dense, Outcome};
use super::lanes::{LANES, Sums, Tile, exponentials, finite};
use super::rows::Rows;
use super::short::sum_lanes;

/// So many classes of a block are gone through at a time, in the first-level cache.
const PANEL: usize = 128;

/// What is summed up over classes, in each lane of a block.
#[derive(Clone, Copy)]
pub(super) struct Totals<E> {
    pub(super) sums: Sums<E>,
    pub(super) counts: Counts<E>,
}

impl<E: Element> Totals<E> {
    /// Those of no classes.
    pub(super) fn new() -> Self {
        Self { sums: Sums::new(), counts: Counts::zero() }
    }
}

/// Logits of some classes in a row, of which `first` is the first.
pub(super) struct Columns<'a, E> {
    pub(super) rows: &'a Rows<'a, E>,
    pub(super) first: usize,
    /// For each class one for each block, of which those in use come first.
    pub(super) logits: &'a mut [Tile<E>],
    /// From one class to the next.
    pub(super) stride: usize,
    pub(super) panel: &'a mut Panel<E>,
}

impl<E: Element> Columns<'_, E> {
    /// Adds what these classes have to the totals of each block in use.
    pub(super) fn add_to(self, totals: &mut [Totals<E>]) {
        vectorize_arithmetic(Add { columns: self, totals });
    }

    /// Writes the gradient in place of the logits, but in the lanes for which `is_given` says that
    /// it is there already. Adds to `losses` those of dense targets.
    pub(super) fn finish(
        self,
        outcomes: &[Outcome<E>],
        is_given: &[Tile<bool>],
        losses: &mut [Tile<E>],
    ) {
        vectorize_arithmetic(Finish { columns: self, outcomes, is_given, losses });
    }
}

struct Add<'a, E> {
    columns: Columns<'a, E>,
    totals: &'a mut [Totals<E>],
}

impl<E: Element> Vectorized for Add<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Columns { rows, first, logits, stride, panel } = self.columns;
        for (number, logits) in logits.chunks(PANEL * stride).enumerate() {
            panel.read_weights(rows, first + number * PANEL, logits.len() / stride);
            for (block, totals) in self.totals.iter_mut().enumerate() {
                let (x, out, dense) = panel.read(rows, logits, stride, block);
                let sums = sum_lanes::<A, E>(x, out, rows.scale);
                totals.sums = totals.sums.plus::<A>(&sums, rows.scale);
                if rows.is_dense() {
                    totals.counts.add(x, &dense);
                }
            }
        }
    }
}

struct Finish<'a, E> {
    columns: Columns<'a, E>,
    outcomes: &'a [Outcome<E>],
    is_given: &'a [Tile<bool>],
    losses: &'a mut [Tile<E>],
}

impl<E: Element> Vectorized for Finish<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let Columns { rows, first, logits, stride, panel } = self.columns;
        for (number, logits) in logits.chunks_mut(PANEL * stride).enumerate() {
            panel.read_weights(rows, first + number * PANEL, logits.len() / stride);
            for (block, outcome) in self.outcomes.iter().enumerate() {
                let is_given = &self.is_given[block];
                if !rows.is_dense() && !is_given.contains(&true) {
                    let (shift, factor) = (finite(&outcome.max), outcome.factor);
                    let count = logits.len() / stride;
                    for class in 0..count {
                        // The next panel, once over all blocks.
                        prefetch(
                            logits.as_ptr().wrapping_add(logits.len() + block * count + class),
                        );
                        let x = &mut logits[class * stride + block];
                        for lane in 0..LANES {
                            let shifted = (x[lane] - shift[lane]) * rows.scale;
                            x[lane] = shifted.decay::<A>() * factor[lane];
                        }
                    }
                    continue;
                }
                let (x, out, dense) = panel.read(rows, logits, stride, block);
                exponentials::<A, E>(x, out, &outcome.max, rows.scale, |_| ());
                let loss = &mut self.losses[block];
                dense.finish(loss, x, out, outcome, E::one(), rows.scale);
                keep(is_given, x, out);
                for (class, out) in out.iter().enumerate() {
                    logits[class * stride + block] = *out;
                }
            }
        }
    }
}

/// What follows for rows in the lanes of a block from the totals of all parts of the classes, and
/// these put together.
pub(super) fn settle<E: Element>(
    rows: &Rows<'_, E>,
    range: Range<usize>,
    totals: &[Totals<E>],
    at_label: &Tile<E>,
) -> (Totals<E>, Outcome<E>) {
    vectorize_arithmetic(Settle { rows, range, totals, at_label })
}

struct Settle<'a, E> {
    rows: &'a Rows<'a, E>,
    range: Range<usize>,
    totals: &'a [Totals<E>],
    at_label: &'a Tile<E>,
}

impl<E: Element> Vectorized for Settle<'_, E> {
    type Output = (Totals<E>, Outcome<E>);

    #[inline(always)]
    fn run<A: Arithmetic>(self) -> Self::Output {
        let Self { rows, range, totals, at_label } = self;
        let Totals { mut sums, mut counts } = Totals::new();
        for part in totals {
            sums = sums.plus::<A>(&part.sums, rows.scale);
            counts = counts.plus(&part.counts);
        }
        let (first, count) = (range.start, range.len());
        let outcome = rows.outcome_of_rows::<A>(first, count, &sums, &counts, at_label);
        (Totals { sums, counts }, outcome)
    }
}

/// Overwrites the lanes of `out` that are to stay what they were.
#[cold]
#[inline(never)]
fn keep<E: Element>(is_given: &Tile<bool>, x: &[Tile<E>], out: &mut [Tile<E>]) {
    for (x, out) in x.iter().zip(out) {
        for lane in (0..LANES).filter(|&lane| is_given[lane]) {
            out[lane] = x[lane];
        }
    }
}

/// Buffers for some classes of a block.
pub(super) struct Panel<E> {
    x: Vec<Tile<E>>,
    out: Vec<Tile<E>>,
    /// The weight of each class in every lane.
    weights: Vec<Tile<E>>,
}

impl<E: Element> Panel<E> {
    pub(super) fn new() -> Self {
        let zeros = || vec![[E::zero(); LANES]; PANEL];
        Self { x: zeros(), out: zeros(), weights: zeros() }
    }

    #[inline(always)]
    fn read_weights(&mut self, rows: &Rows<'_, E>, first: usize, count: usize) {
        if let (Some(weights), true) = (rows.weights, rows.is_dense()) {
            for (tile, &weight) in self.weights.iter_mut().zip(&weights[first..first + count]) {
                *tile = [weight; LANES];
            }
        }
    }

    /// The logits, room for as many exponentials, and the targets.
    #[inline(always)]
    fn read(
        &mut self,
        rows: &Rows<'_, E>,
        logits: &[Tile<E>],
        stride: usize,
        block: usize,
    ) -> (&[Tile<E>], &mut [Tile<E>], Dense<'_, E>) {
        let count = logits.len() / stride;
        let x = &mut self.x[..count];
        for (class, x) in x.iter_mut().enumerate() {
            *x = logits[class * stride + block];
        }
        let weights = rows.weights.map(|_| &self.weights[..count]);
        (&self.x[..count], &mut self.out[..count], rows.dense(None, weights))
    }
}
