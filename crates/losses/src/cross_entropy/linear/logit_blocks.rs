//! Softmax over many classes, 16 rows at a time (one row per SIMD lane), a batch of 128 classes at a
//! time. The logits of each class are stored for all rows, in blocks of [`LANES`].

use std::ops::Range;

use downhill_kernels::{Arithmetic, Vectorized, prefetch, vectorize_arithmetic};
use downhill_tensor::Element;

use crate::cross_entropy::kernel::{
    LANES, Outcome, Rows, SoftTargets, Sums, TargetSums, Tile, exponentials, finite, sum_lanes,
};

/// The number of classes of a block that are computed together, in the first-level cache.
const BATCH: usize = 128;

/// Sums over classes, in each lane of a block.
#[derive(Clone, Copy)]
pub(super) struct Totals<E> {
    pub(super) sums: Sums<E>,
    pub(super) target_sums: TargetSums<E>,
}

impl<E: Element> Totals<E> {
    /// The sums over no classes.
    pub(super) fn new() -> Self {
        Self { sums: Sums::new(), target_sums: TargetSums::zero() }
    }
}

/// The logits of consecutive classes, from `first`.
pub(super) struct LogitBlocks<'a, E> {
    pub(super) rows: &'a Rows<'a, E>,
    pub(super) first: usize,
    /// `stride` blocks for each class. Those in use come first.
    pub(super) logits: &'a mut [Tile<E>],
    /// From one class to the next.
    pub(super) stride: usize,
    pub(super) buffers: &'a mut Buffers<E>,
}

impl<E: Element> LogitBlocks<'_, E> {
    /// Adds these classes to the totals of each block in use.
    pub(super) fn add_to(self, totals: &mut [Totals<E>]) {
        vectorize_arithmetic(Add { blocks: self, totals });
    }

    /// Overwrites the logits by their gradient, except in the lanes of `is_given`, where it has been
    /// written already. Adds the losses of soft targets to `losses`.
    pub(super) fn finish(
        self,
        outcomes: &[Outcome<E>],
        is_given: &[Tile<bool>],
        losses: &mut [Tile<E>],
    ) {
        vectorize_arithmetic(Finish { blocks: self, outcomes, is_given, losses });
    }
}

struct Add<'a, E> {
    blocks: LogitBlocks<'a, E>,
    totals: &'a mut [Totals<E>],
}

impl<E: Element> Vectorized for Add<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let LogitBlocks { rows, first, logits, stride, buffers } = self.blocks;
        for (number, logits) in logits.chunks(BATCH * stride).enumerate() {
            buffers.read_weights(rows, first + number * BATCH, logits.len() / stride);
            for (block, totals) in self.totals.iter_mut().enumerate() {
                let (x, out, soft_targets) = buffers.read(rows, logits, stride, block);
                let sums = sum_lanes::<A, E>(x, out, rows.scale);
                totals.sums = totals.sums.plus::<A>(&sums, rows.scale);
                if rows.has_soft_targets() {
                    totals.target_sums.add(x, &soft_targets);
                }
            }
        }
    }
}

struct Finish<'a, E> {
    blocks: LogitBlocks<'a, E>,
    outcomes: &'a [Outcome<E>],
    is_given: &'a [Tile<bool>],
    losses: &'a mut [Tile<E>],
}

impl<E: Element> Vectorized for Finish<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<A: Arithmetic>(self) {
        let LogitBlocks { rows, first, logits, stride, buffers } = self.blocks;
        for (number, logits) in logits.chunks_mut(BATCH * stride).enumerate() {
            buffers.read_weights(rows, first + number * BATCH, logits.len() / stride);
            for (block, outcome) in self.outcomes.iter().enumerate() {
                let is_given = &self.is_given[block];
                if !rows.has_soft_targets() && !is_given.contains(&true) {
                    let (shift, factor) = (finite(&outcome.max), outcome.factor);
                    let count = logits.len() / stride;
                    for class in 0..count {
                        // The next batch, spread over all blocks.
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
                let (x, out, soft_targets) = buffers.read(rows, logits, stride, block);
                exponentials::<A, E>(x, out, &outcome.max, rows.scale, |_| ());
                let loss = &mut self.losses[block];
                soft_targets.finish(loss, x, out, outcome, E::one(), rows.scale);
                restore(is_given, x, out);
                for (class, out) in out.iter().enumerate() {
                    logits[class * stride + block] = *out;
                }
            }
        }
    }
}

/// The sum of the totals of all ranges of classes, and what follows from it for the rows in the lanes
/// of a block.
pub(super) fn outcome_of_block<E: Element>(
    rows: &Rows<'_, E>,
    range: Range<usize>,
    totals: &[Totals<E>],
    at_label: &Tile<E>,
) -> (Totals<E>, Outcome<E>) {
    vectorize_arithmetic(OutcomeOfBlock { rows, range, totals, at_label })
}

struct OutcomeOfBlock<'a, E> {
    rows: &'a Rows<'a, E>,
    range: Range<usize>,
    totals: &'a [Totals<E>],
    at_label: &'a Tile<E>,
}

impl<E: Element> Vectorized for OutcomeOfBlock<'_, E> {
    type Output = (Totals<E>, Outcome<E>);

    #[inline(always)]
    fn run<A: Arithmetic>(self) -> Self::Output {
        let Self { rows, range, totals, at_label } = self;
        let Totals { mut sums, mut target_sums } = Totals::new();
        for more in totals {
            sums = sums.plus::<A>(&more.sums, rows.scale);
            target_sums = target_sums.plus(&more.target_sums);
        }
        let (first, count) = (range.start, range.len());
        let outcome = rows.outcome_of_rows::<A>(first, count, &sums, &target_sums, at_label);
        (Totals { sums, target_sums }, outcome)
    }
}

/// Restores the lanes whose gradient has been written already.
#[cold]
#[inline(never)]
fn restore<E: Element>(is_given: &Tile<bool>, x: &[Tile<E>], out: &mut [Tile<E>]) {
    for (x, out) in x.iter().zip(out) {
        for lane in (0..LANES).filter(|&lane| is_given[lane]) {
            out[lane] = x[lane];
        }
    }
}

/// Buffers for a batch of classes of a block.
pub(super) struct Buffers<E> {
    x: Vec<Tile<E>>,
    out: Vec<Tile<E>>,
    /// The weight of each class in every lane.
    weights: Vec<Tile<E>>,
}

impl<E: Element> Buffers<E> {
    pub(super) fn new() -> Self {
        let zeros = || vec![[E::zero(); LANES]; BATCH];
        Self { x: zeros(), out: zeros(), weights: zeros() }
    }

    #[inline(always)]
    fn read_weights(&mut self, rows: &Rows<'_, E>, first: usize, count: usize) {
        if let (Some(weights), true) = (rows.weights, rows.has_soft_targets()) {
            for (tile, &weight) in self.weights.iter_mut().zip(&weights[first..first + count]) {
                *tile = [weight; LANES];
            }
        }
    }

    /// The logits, room for as many exponentials, and the soft targets.
    #[inline(always)]
    fn read(
        &mut self,
        rows: &Rows<'_, E>,
        logits: &[Tile<E>],
        stride: usize,
        block: usize,
    ) -> (&[Tile<E>], &mut [Tile<E>], SoftTargets<'_, E>) {
        let count = logits.len() / stride;
        let x = &mut self.x[..count];
        for (class, x) in x.iter_mut().enumerate() {
            *x = logits[class * stride + block];
        }
        let weights = rows.weights.map(|_| &self.weights[..count]);
        (&self.x[..count], &mut self.out[..count], rows.soft_targets(None, weights))
    }
}
