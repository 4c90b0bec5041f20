//! Rows of many classes, along which the lanes run.

use std::ops::Range;

use downhill_tensor::Element;
use downhill_tensor::kernels::{Arithmetic, prefetch};

use super::dense::{Counts, Dense, Outcome};
use super::lanes::{
    LANES, Sums, Tile, add_lesser, each, exponentials, larger, largest, maximum, multiply, total,
};
use super::rows::{RowTargets, Rows};
use super::short::without_largest;
use crate::error::Error;

/// A row is gone through in panels of so many bytes, which stay in the first-level cache.
const PANEL: usize = 8 << 10;
/// So many bytes of rows at a time, if that is more than one row, stay there, too.
const BLOCK: usize = 2 * PANEL;
/// So many tiles ahead of those at hand, logits and gradient are called into cache, the next row's
/// after the end of one. These were the quickest of some that `cargo bench --bench cases -- ce/`
/// was run with.
const LOGITS_AHEAD: usize = 144;
const GRADIENT_AHEAD: usize = 96;
/// And while a row is finished, which is in cache already, this part of the gradient of the next
/// block.
const EARLY_PERCENT: usize = 25;

/// Buffers that rows share.
pub(super) struct Scratch<E> {
    /// The exponentials of a panel, when no gradient is wanted.
    panel: Vec<E>,
    /// Of each panel of some rows, the largest logit, and then how its exponential compares with
    /// that of the row's largest.
    ratios: Vec<E>,
    /// The sums of the exponentials of each panel of a row, as in [`Sums`].
    rests: Vec<E>,
}

impl<E: Element> Scratch<E> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { panel: vec![E::zero(); panel_length::<E>()], ratios: Vec::new(), rests: Vec::new() }
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
        scratch.ratios.clear();
        let (mut sums, mut counts) = (Sums::new(), Counts::zero());
        let mut at_label = [E::zero(); LANES];
        for (lane, at_label) in at_label[..count].iter_mut().enumerate() {
            let row = first + lane;
            let gradient = row_of(&mut gradient, lane, classes);
            let (max, rest, row_counts) = self.sum_row::<A>(row, gradient, scratch);
            (sums.max[lane], sums.rest[lane]) = (max, rest);
            if self.is_dense() {
                counts.put(lane, &row_counts);
            }
            if let RowTargets::Labels(labels) = self.targets {
                // Ignored rows, whose label need not be a class, are seen to in the end.
                let logits = &self.logits[row * classes..][..classes];
                *at_label = logits.get(labels[row]).copied().unwrap_or(E::zero());
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
                *loss += self.finish_row(row, gradient, &outcome, ratios, &mut scratch.panel);
            } else if let Some(gradient) = &mut gradient {
                for (gradient, &ratio) in gradient.chunks_mut(panel_length::<E>()).zip(ratios) {
                    let next = gradient.as_ptr().wrapping_add(count * classes).cast::<Tile<E>>();
                    let early = gradient.len() / LANES * EARLY_PERCENT / 100;
                    multiply(gradient, outcome.factor[lane] * ratio, early, |tile| {
                        prefetch(next.wrapping_add(tile));
                    });
                }
            }
            if let (RowTargets::Labels(labels), Some(gradient)) = (self.targets, gradient) {
                gradient[labels[row]] = outcome.at_label[lane];
            }
        }
        Ok(())
    }

    /// The largest logit of a row, the sum of its exponentials as in [`Sums`], and the counts of
    /// dense targets. Writes the exponentials, relative to the largest of their panel.
    #[inline(always)]
    fn sum_row<A: Arithmetic>(
        &self,
        row: usize,
        mut gradient: Option<&mut [E]>,
        scratch: &mut Scratch<E>,
    ) -> (E, E, Counts<E>) {
        let Scratch { panel: no_gradient, ratios, rests } = scratch;
        let (first, mut counts) = (ratios.len(), Counts::zero());
        rests.clear();
        let mut start = 0;
        while start < self.classes {
            let end = self.classes.min(start + panel_length::<E>());
            let logits = &self.logits[row * self.classes..][..self.classes];
            let x = Tiles::new(logits, start..end, E::neg_infinity());
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[start..end],
                None => &mut no_gradient[..end - start],
            };
            let (max, rest) = sum_panel::<A, E>(&x, out, self.scale);
            ratios.push(max);
            rests.push(rest);
            if self.is_dense() {
                let targets = self.targets_of_panel(row, start..end);
                for (x, targets) in x.parts().into_iter().zip(targets.parts(self)) {
                    counts.add(x, &targets);
                }
            }
            start = end;
        }
        if self.is_dense() {
            counts = counts.over_lanes();
        }
        let ratios = &mut ratios[first..];
        let max = ratios.iter().copied().fold(E::neg_infinity(), larger);
        let top = ratios.iter().position(|&x| x == max).unwrap_or(0);
        let shift = if max == E::neg_infinity() { E::zero() } else { max };
        for ratio in &mut *ratios {
            *ratio = ((*ratio - shift) * self.scale).decay::<A>();
        }
        let mut all = rests[top];
        for (panel, (&rest, &ratio)) in rests.iter().zip(&*ratios).enumerate() {
            all += if panel == top { E::zero() } else { (E::one() + rest) * ratio };
        }
        (max, all, counts)
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
        let mut loss = E::zero();
        for (panel, &ratio) in ratios.iter().enumerate() {
            let start = panel * panel_length::<E>();
            let end = self.classes.min(start + panel_length::<E>());
            let logits = &self.logits[row * self.classes..][..self.classes];
            let x = Tiles::new(logits, start..end, E::neg_infinity());
            let targets = self.targets_of_panel(row, start..end);
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[start..end],
                None => &mut no_gradient[..end - start],
            };
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

/// Writes the exponentials of a panel, relative to its largest. The largest, and the sum of the
/// others.
#[inline(always)]
fn sum_panel<A: Arithmetic, E: Element>(x: &Tiles<'_, E>, out: &mut [E], scale: E) -> (E, E) {
    let max = maximum(x.whole);
    let max = largest(each(|lane| larger(max[lane], x.rest[lane])));
    let (whole, out_rest) = out.as_chunks_mut();
    let written = whole.as_ptr();
    let mut all = exponentials::<A, E>(x.whole, whole, &max, scale, |tile| {
        prefetch(x.whole.as_ptr().wrapping_add(tile + LOGITS_AHEAD));
        prefetch(written.wrapping_add(tile + GRADIENT_AHEAD));
    });
    let mut rest = [[E::zero(); LANES]];
    if !out_rest.is_empty() {
        let more = exponentials::<A, E>(&[x.rest], &mut rest, &max, scale, |_| ());
        all = each(|lane| all[lane] + more[lane]);
        out_rest.copy_from_slice(&rest[0][LANES - out_rest.len()..]);
    }
    let (all, mut lesser) = (total(all), [E::zero(); LANES]);
    if all[0] < E::one() + E::one() {
        add_lesser(&mut lesser, whole);
        add_lesser(&mut lesser, &rest);
    }
    (max[0], without_largest(&all, &total(lesser))[0])
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
