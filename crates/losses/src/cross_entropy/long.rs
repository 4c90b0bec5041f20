//! Rows of many classes, along which the lanes run.

use std::ops::Range;

use downhill_kernels::{Arithmetic, prefetch};
use downhill_tensor::Element;

use super::dense::{Counts, Dense, Outcome};
use super::lanes::{
    LANES, Sums, Tile, add_lesser, each, exponentials, larger, largest, maximum, total,
};
use super::rows::{RowTargets, Rows};
use super::short::without_largest;
use crate::error::Error;

/// A row is gone through in panels of so many bytes, which stay in the first-level cache.
const PANEL: usize = 8 << 10;
/// So many bytes of whole rows, if that is more than one row, are gone through together.
const BLOCK: usize = 2 * PANEL;
/// So many bytes ahead of those at hand, logits and gradient are called into cache. Of the logits it
/// is a block: the maxima of the next one are looked for in one go, as soon as this one is done. The
/// distances were the quickest of some that `cargo bench --bench cases -- ce/` was run with.
const LOGITS_AHEAD: usize = BLOCK;
const GRADIENT_AHEAD: usize = 6 << 10;

/// Buffers that rows share.
pub(super) struct Scratch<E> {
    /// The exponentials of some panels, when no gradient is wanted.
    exponentials: Vec<E>,
    /// Of each panel of some rows, the largest logit, and then how its exponential compares with
    /// that of the row's largest.
    ratios: Vec<E>,
    /// The sums of the exponentials of each panel, as in [`Sums`].
    rests: Vec<E>,
}

impl<E: Element> Scratch<E> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let exponentials = vec![E::zero(); BLOCK / size_of::<E>()];
        Self { exponentials, ratios: Vec::new(), rests: Vec::new() }
    }
}

const fn panel_length<E>() -> usize {
    PANEL / size_of::<E>()
}

/// How many rows are seen to at a time.
pub(super) fn rows_of_block<E>(classes: usize) -> usize {
    (BLOCK / size_of::<E>() / classes).clamp(1, LANES)
}

impl<E: Element> Rows<'_, E> {
    /// As many rows from `first` as `losses` has, at most [`LANES`].
    #[inline(always)]
    pub(super) fn long_rows<A: Arithmetic>(
        &self,
        first: usize,
        losses: &mut [E],
        mut gradient: Option<&mut [E]>,
        scratch: &mut Scratch<E>,
    ) -> Result<(), Error> {
        let (count, classes) = (losses.len(), self.classes);
        let panels = classes.div_ceil(panel_length::<E>());
        let counts = self.sum_panels::<A>(first, count, gradient.as_deref_mut(), scratch);
        let (mut sums, mut at_label) = (Sums::new(), [E::zero(); LANES]);
        for lane in 0..count {
            let range = lane * panels..(lane + 1) * panels;
            let (ratios, rests) = (&mut scratch.ratios[range.clone()], &scratch.rests[range]);
            (sums.max[lane], sums.rest[lane]) = put_together::<A, E>(ratios, rests, self.scale);
            if let RowTargets::Labels(labels) = self.targets {
                // Ignored rows, whose label need not be a class, are seen to in the end.
                let logits = &self.logits[(first + lane) * classes..][..classes];
                at_label[lane] = logits.get(labels[first + lane]).copied().unwrap_or(E::zero());
            }
        }
        let outcome = self.outcome_of_rows::<A>(first, count, &sums, &counts, &at_label);
        for (lane, loss) in losses.iter_mut().enumerate() {
            let row = first + lane;
            let mut gradient = row_of(&mut gradient, lane, classes);
            if self.is_unusual(row, &sums, &counts, lane)? {
                *loss = self.unusual_row(row, gradient);
                continue;
            }
            *loss = outcome.loss[lane];
            let ratios = &scratch.ratios[lane * panels..][..panels];
            if self.is_dense() {
                let outcome = outcome.in_every_lane(lane);
                let gradient = gradient.as_deref_mut();
                *loss +=
                    self.finish_row(row, gradient, &outcome, ratios, &mut scratch.exponentials);
            } else if let Some(gradient) = &mut gradient {
                for (gradient, &ratio) in gradient.chunks_mut(panel_length::<E>()).zip(ratios) {
                    let factor = outcome.factor[lane] * ratio;
                    for x in gradient {
                        *x *= factor;
                    }
                }
            }
            if let (RowTargets::Labels(labels), Some(gradient)) = (self.targets, gradient) {
                gradient[labels[row]] = outcome.at_label[lane];
            }
        }
        Ok(())
    }

    /// Writes the exponentials of rows, relative to the largest logit of their panel; the sums of
    /// the panels go to `scratch`. The counts of dense targets.
    #[inline(always)]
    fn sum_panels<A: Arithmetic>(
        &self,
        first: usize,
        count: usize,
        mut gradient: Option<&mut [E]>,
        scratch: &mut Scratch<E>,
    ) -> Counts<E> {
        let Scratch { exponentials, ratios, rests } = scratch;
        let (mut counts, mut row_counts) = (Counts::zero(), Counts::zero());
        ratios.clear();
        rests.clear();
        let logits = &self.logits[first * self.classes..][..count * self.classes];
        // There is more than one row only where a row is one panel.
        let length = self.classes.min(panel_length::<E>());
        let step = length * count;
        for start in (0..logits.len()).step_by(step) {
            let end = logits.len().min(start + step);
            let panels = Panels { logits, range: start..end, length };
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[start..end],
                None => &mut exponentials[..end - start],
            };
            panels.sum::<A>(out, self.scale, ratios, rests);
            let dense_panels = if self.is_dense() { panels.count() } else { 0 };
            for panel in 0..dense_panels {
                let Range { start, end } = panels.range(panel);
                let (lane, class) = (start / self.classes, start % self.classes);
                let x = panels.tiles(panel);
                let targets = self.targets_of_panel(first + lane, class..class + (end - start));
                for (x, targets) in x.parts().into_iter().zip(targets.parts(self)) {
                    row_counts.add(x, &targets);
                }
                if end % self.classes == 0 {
                    counts.put(lane, &row_counts.over_lanes());
                    row_counts = Counts::zero();
                }
            }
        }
        counts
    }

    /// The loss of a row's dense targets. Makes the exponentials, relative to the largest logit
    /// of their panel, the gradient.
    #[inline(always)]
    fn finish_row(
        &self,
        row: usize,
        mut gradient: Option<&mut [E]>,
        outcome: &Outcome<E>,
        ratios: &[E],
        no_gradient: &mut [E],
    ) -> E {
        let logits = &self.logits[row * self.classes..][..self.classes];
        let panels = Panels { logits, range: 0..self.classes, length: panel_length::<E>() };
        let mut loss = E::zero();
        for (panel, &ratio) in ratios.iter().enumerate() {
            let (x, classes) = (panels.tiles(panel), panels.range(panel));
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[classes.clone()],
                None => &mut no_gradient[..classes.len()],
            };
            let targets = self.targets_of_panel(row, classes);
            let (whole, out_rest) = out.as_chunks_mut();
            let (mut rest, mut part) = ([E::zero(); LANES], [E::zero(); LANES]);
            let rest_from = LANES - out_rest.len();
            rest[rest_from..].copy_from_slice(out_rest);
            let out = [whole, std::slice::from_mut(&mut rest)];
            for ((x, out), targets) in x.parts().into_iter().zip(out).zip(targets.parts(self)) {
                targets.finish(&mut part, x, out, outcome, ratio, self.scale);
            }
            out_rest.copy_from_slice(&rest[rest_from..]);
            loss += total(part)[0];
        }
        loss
    }

    #[inline(always)]
    fn targets_of_panel(&self, row: usize, classes: Range<usize>) -> Targets<'_, E> {
        let probabilities = match self.targets {
            RowTargets::Probabilities(values) => {
                let values = &values[row * self.classes..][..self.classes];
                Some(Tiles::new(values, classes.clone(), E::zero()))
            }
            RowTargets::Labels(_) => None,
        };
        let weights = match self.weights {
            Some(weights) => Some(Tiles::new(weights, classes, E::zero())),
            None => None,
        };
        Targets { probabilities, weights }
    }
}

/// The largest logit of a row and the sum of its exponentials as in [`Sums`], of those of its
/// panels. The largest of each panel becomes its ratio.
#[inline(always)]
fn put_together<A: Arithmetic, E: Element>(ratios: &mut [E], rests: &[E], scale: E) -> (E, E) {
    let max = ratios.iter().copied().fold(E::neg_infinity(), larger);
    let top = ratios.iter().position(|&x| x == max).unwrap_or(0);
    let shift = if max == E::neg_infinity() { E::zero() } else { max };
    for ratio in &mut *ratios {
        *ratio = ((*ratio - shift) * scale).decay::<A>();
    }
    let mut all = rests[top];
    for (panel, (&rest, &ratio)) in rests.iter().zip(&*ratios).enumerate() {
        all += if panel == top { E::zero() } else { (E::one() + rest) * ratio };
    }
    (max, all)
}

/// Some logits in panels of as many each; the last may be shorter.
struct Panels<'x, E> {
    /// Including what comes before the panels.
    logits: &'x [E],
    range: Range<usize>,
    length: usize,
}

impl<'x, E: Element> Panels<'x, E> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.range.len().div_ceil(self.length)
    }

    #[inline(always)]
    fn range(&self, panel: usize) -> Range<usize> {
        let start = self.range.start + panel * self.length;
        start..self.range.end.min(start + self.length)
    }

    #[inline(always)]
    fn tiles(&self, panel: usize) -> Tiles<'x, E> {
        Tiles::new(self.logits, self.range(panel), E::neg_infinity())
    }

    /// Writes the exponentials, relative to the largest logit of each panel. Adds that to `maxima`,
    /// and the sum of the others to `rests`.
    ///
    /// Each step is taken for all panels, at most [`LANES`] of them, before the next: what a
    /// panel's lanes come to is known only after a while, in which the processor sees to others.
    #[inline(always)]
    fn sum<A: Arithmetic>(&self, out: &mut [E], scale: E, maxima: &mut Vec<E>, rests: &mut Vec<E>) {
        let mut max = [[E::zero(); LANES]; LANES];
        let max = &mut max[..self.count()];
        for (panel, max) in max.iter_mut().enumerate() {
            let x = self.tiles(panel);
            *max = maximum(&x.rest, x.whole);
        }
        for max in &mut *max {
            *max = largest(*max);
            maxima.push(max[0]);
        }
        let mut sums = [[E::zero(); LANES]; LANES];
        let sums = &mut sums[..self.count()];
        for (panel, out) in out.chunks_mut(self.length).enumerate() {
            let x = self.tiles(panel);
            sums[panel] = write_exponentials::<A, E>(&x, out, &max[panel], scale);
        }
        for (sum, out) in sums.iter().zip(out.chunks(self.length)) {
            let (sum, mut lesser) = (total(*sum), [E::zero(); LANES]);
            if sum[0] < E::one() + E::one() {
                let (whole, out_rest) = out.as_chunks();
                let mut rest = [E::zero(); LANES];
                rest[..out_rest.len()].copy_from_slice(out_rest);
                add_lesser(&mut lesser, whole);
                add_lesser(&mut lesser, &[rest]);
            }
            rests.push(without_largest(&sum, &total(lesser))[0]);
        }
    }
}

/// Writes the exponentials of a panel, relative to its largest logit. The sum in each lane.
#[inline(always)]
fn write_exponentials<A: Arithmetic, E: Element>(
    x: &Tiles<'_, E>,
    out: &mut [E],
    max: &Tile<E>,
    scale: E,
) -> Tile<E> {
    let (whole, out_rest) = out.as_chunks_mut();
    let written = whole.as_ptr();
    let all = exponentials::<A, E>(x.whole, whole, max, scale, |tile| {
        prefetch(x.whole.as_ptr().wrapping_add(tile).wrapping_byte_add(LOGITS_AHEAD));
        prefetch(written.wrapping_add(tile).wrapping_byte_add(GRADIENT_AHEAD));
    });
    if out_rest.is_empty() {
        return all;
    }
    let mut rest = [[E::zero(); LANES]];
    let more = exponentials::<A, E>(&[x.rest], &mut rest, max, scale, |_| ());
    out_rest.copy_from_slice(&rest[0][LANES - out_rest.len()..]);
    each(|lane| all[lane] + more[lane])
}

/// Some values of a row in tiles.
struct Tiles<'t, E> {
    whole: &'t [Tile<E>],
    /// What does not fill one, in the last lanes.
    rest: Tile<E>,
    has_rest: bool,
}

impl<'t, E: Element> Tiles<'t, E> {
    #[inline(always)]
    fn new(row: &'t [E], range: Range<usize>, padding: E) -> Self {
        let before = &row[..range.end];
        let (whole, rest) = before[range.start..].as_chunks();
        // Read with what comes before it. Put together in memory, it would have to wait there for
        // all that is still being written.
        let last: &Tile<E> = before.last_chunk().expect("rows of more classes than a tile has");
        let rest_from = LANES - rest.len();
        let has_rest = !rest.is_empty();
        let rest = each(|lane| if lane < rest_from { padding } else { last[lane] });
        Self { whole, rest, has_rest }
    }

    #[inline(always)]
    fn parts(&self) -> [&[Tile<E>]; 2] {
        [self.whole, &std::slice::from_ref(&self.rest)[..usize::from(self.has_rest)]]
    }
}

/// The dense targets of a panel.
struct Targets<'t, E> {
    probabilities: Option<Tiles<'t, E>>,
    weights: Option<Tiles<'t, E>>,
}

impl<E: Element> Targets<'_, E> {
    /// Those of the whole tiles, and of the rest.
    #[inline(always)]
    fn parts<'t>(&'t self, rows: &Rows<'_, E>) -> [Dense<'t, E>; 2] {
        let [probabilities, weights] =
            [&self.probabilities, &self.weights].map(|tiles| tiles.as_ref().map(Tiles::parts));
        let part = |part: usize| {
            rows.dense(probabilities.map(|tiles| tiles[part]), weights.map(|tiles| tiles[part]))
        };
        [part(0), part(1)]
    }
}

#[inline(always)]
fn row_of<'a, E>(rows: &'a mut Option<&mut [E]>, row: usize, length: usize) -> Option<&'a mut [E]> {
    rows.as_deref_mut().map(|rows| &mut rows[row * length..][..length])
}
