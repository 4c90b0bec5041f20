//! Rows of few classes, 16 at a time: one row per SIMD lane.

use downhill_kernels::Arithmetic;
use downhill_tensor::Element;

use super::exponentials::{LANES, Sums, Tile, is_too_small, sum_lanes, sum_of_small};
use super::rows::{RowTargets, Rows};
use super::soft_targets::TargetSums;
use crate::error::Error;

/// Buffers that are used again and again, each with a tile for each class.
pub(super) struct Buffers<E> {
    logits: Vec<Tile<E>>,
    out: Vec<Tile<E>>,
    probabilities: Option<Vec<Tile<E>>>,
    weights: Option<Vec<Tile<E>>>,
}

impl<E: Element> Buffers<E> {
    #[inline(always)]
    pub(super) fn new(rows: &Rows<'_, E>) -> Self {
        let tiles = || vec![[E::zero(); LANES]; rows.classes];
        let has_distributions = matches!(rows.targets, RowTargets::Probabilities(_));
        Self {
            logits: tiles(),
            out: tiles(),
            probabilities: has_distributions.then(tiles),
            weights: rows.weights.map(|weights| weights.iter().map(|&w| [w; LANES]).collect()),
        }
    }
}

impl<E: Element> Rows<'_, E> {
    /// Computes as many rows from `first` as `losses` has, at most [`LANES`]. Those that need the
    /// slow path are added to `unusual`.
    #[inline(always)]
    pub(super) fn few_classes<A: Arithmetic>(
        &self,
        first: usize,
        losses: &mut [E],
        mut gradient: Option<&mut [E]>,
        buffers: &mut Buffers<E>,
        unusual: &mut Vec<usize>,
    ) -> Result<(), Error> {
        let (count, classes) = (losses.len(), self.classes);
        let range = first * classes..(first + count) * classes;
        let Buffers { logits: x, out, probabilities, weights } = buffers;
        read_rows(&self.logits[range.clone()], x);
        let mut sums = sum_lanes::<A, E>(x, out, self.scale);
        if sums.rest.iter().fold(false, |any, &rest| any | is_too_small(rest, classes)) {
            count_small(x, self.scale, &mut sums);
        }
        if let (RowTargets::Probabilities(values), Some(tiles)) =
            (self.targets, &mut *probabilities)
        {
            read_rows(&values[range], tiles);
        }
        let soft_targets = self.soft_targets(probabilities.as_deref(), weights.as_deref());
        let mut target_sums = TargetSums::zero();
        if self.has_soft_targets() {
            target_sums.add(x, &soft_targets);
        }
        let mut at_label = sums.max;
        if let RowTargets::Labels(labels) = self.targets {
            let labels = &labels[first..first + count];
            for (at_label, (lane, &label)) in at_label.iter_mut().zip(labels.iter().enumerate()) {
                // The label of an ignored row, which is computed later, need not be a class.
                *at_label = x.get(label).map_or(E::zero(), |x| x[lane]);
            }
        }
        let outcome = self.outcome_of_rows::<A>(first, count, &sums, &target_sums, &at_label);
        let (mut loss, mut factor) = (outcome.loss, outcome.factor);
        if self.has_soft_targets() {
            soft_targets.finish(&mut loss, x, out, &outcome, E::one(), self.scale);
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
                    rows_of_gradient.zip(&labels[first..]).zip(&outcome.at_label)
                {
                    gradient[label] = value;
                }
            }
            return Ok(());
        }
        for lane in 0..count {
            let row = first + lane;
            if self.is_unusual(row, &sums, &target_sums, lane)? {
                unusual.push(lane);
            } else if let (RowTargets::Labels(labels), Some(gradient)) =
                (self.targets, &mut gradient)
            {
                gradient[lane * classes + labels[row]] = outcome.at_label[lane];
            }
        }
        Ok(())
    }
}

/// Sums up the exponentials anew in the lanes where they are too small.
#[cold]
#[inline(never)]
fn count_small<E: Element>(x: &[Tile<E>], scale: E, sums: &mut Sums<E>) {
    for lane in 0..LANES {
        if is_too_small(sums.rest[lane], x.len()) {
            sums.rest[lane] = sum_of_small(x.iter().map(|x| x[lane]), sums.max[lane], scale);
        }
    }
}

/// Writes up to [`LANES`] rows into lanes. Lanes beyond them keep what they held.
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

/// Writes lanes times their factors into rows. Not inlined, for the same reason.
#[inline(never)]
fn write_rows<E: Element>(tiles: &[Tile<E>], factor: &Tile<E>, rows: &mut [E]) {
    for (lane, row) in rows.chunks_exact_mut(tiles.len().max(1)).enumerate() {
        for (tile, x) in tiles.iter().zip(row) {
            *x = tile[lane] * factor[lane];
        }
    }
}
