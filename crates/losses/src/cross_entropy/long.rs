//! Rows of many classes, along which the lanes run.

use downhill_tensor::Element;

use super::dense::{Counts, Dense};
use super::lanes::{
    LANES, Sums, Tile, add_exponentials, add_lesser, maximum, multiply, raise, total,
};
use super::rows::{RowTargets, Rows};
use super::short::rest;
use crate::error::Error;

/// A row is gone through in panels of this many tiles, which stay in the first-level cache.
const PANEL: usize = 128;

/// Buffers that rows share.
pub(super) struct Scratch<E> {
    /// The exponentials of a panel, when no gradient is wanted.
    panel: Vec<Tile<E>>,
    /// The largest logit of each panel.
    maxima: Vec<E>,
}

impl<E: Element> Scratch<E> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { panel: vec![[E::zero(); LANES]; PANEL], maxima: Vec::new() }
    }
}

impl<E: Element> Rows<'_, E> {
    /// The loss of one row.
    #[inline(always)]
    pub(super) fn long_row(
        &self,
        row: usize,
        mut gradient: Option<&mut [E]>,
        scratch: &mut Scratch<E>,
    ) -> Result<E, Error> {
        let range = row * self.classes..(row + 1) * self.classes;
        let logits = &self.logits[range.clone()];
        let x = Panels::new(logits, E::neg_infinity());
        let probabilities = match self.targets {
            RowTargets::Probabilities(values) => Some(Panels::new(&values[range], E::zero())),
            RowTargets::Labels(_) => None,
        };
        let weights = self.weights.map(|weights| Panels::new(weights, E::zero()));
        let dense = Split { probabilities: probabilities.as_ref(), weights: weights.as_ref() };
        let Scratch { panel, maxima } = scratch;
        let has_gradient = gradient.is_some();
        let mut out = PanelsMut::new(gradient.as_deref_mut(), panel);

        let mut counts = Counts::zero();
        let mut sums = Sums::new();
        maxima.clear();
        for panel in 0..x.len() {
            let part = sum_panel(x.get(panel), out.get(panel), self.scale);
            maxima.push(part.max[0]);
            sums = sums.plus(&part, self.scale);
            if self.is_dense() {
                for (half, x) in x.get(panel).into_iter().enumerate() {
                    counts.add(x, &dense.get(self, panel, half));
                }
            }
        }
        let counts = counts.over_lanes();
        if self.is_unusual(row, &sums, &counts, 0)? {
            return Ok(self.unusual_row(row, gradient));
        }
        let (mut at_label, mut label_weight) = (E::zero(), E::one());
        if let RowTargets::Labels(labels) = self.targets {
            (at_label, label_weight) = (logits[labels[row]], self.weight(labels[row]));
        }
        let upstream = [self.upstream(row); LANES];
        let outcome =
            self.outcome(&sums, &counts, &[at_label; LANES], &[label_weight; LANES], upstream);
        let mut loss = outcome.loss[0];
        if has_gradient || self.is_dense() {
            for (panel, &max) in maxima.iter().enumerate() {
                let ratio = ((max - sums.max[0]) * self.scale).exponential();
                for (half, (x, out)) in x.get(panel).into_iter().zip(out.get(panel)).enumerate() {
                    if self.is_dense() {
                        let mut part = [E::zero(); LANES];
                        let dense = dense.get(self, panel, half);
                        dense.finish(&mut part, x, out, &outcome, ratio, self.scale);
                        loss += total(part)[0];
                    } else {
                        multiply(&mut out[..x.len()], outcome.factor[0] * ratio);
                    }
                }
            }
        }
        out.finish();
        if let (RowTargets::Labels(labels), Some(gradient)) = (self.targets, gradient) {
            gradient[labels[row]] = outcome.at_label[0];
        }
        Ok(loss)
    }
}

/// Writes the exponentials of a panel, relative to its largest, and sums them up in every lane.
#[inline(always)]
fn sum_panel<E: Element>(x: [&[Tile<E>]; 2], mut out: [&mut [Tile<E>]; 2], scale: E) -> Sums<E> {
    let mut max = [E::neg_infinity(); LANES];
    for x in x {
        raise(&mut max, x);
    }
    let max = maximum(max);
    let (mut sum, mut lesser) = ([E::zero(); LANES], [E::zero(); LANES]);
    for (x, out) in x.into_iter().zip(&mut out) {
        add_exponentials(&mut sum, x, out, &max, scale);
    }
    let sum = total(sum);
    if sum[0] < E::one() + E::one() {
        for (x, out) in x.into_iter().zip(out) {
            add_lesser(&mut lesser, &out[..x.len()]);
        }
    }
    Sums { max, rest: rest(&sum, &total(lesser)) }
}

/// Dense targets by panels.
struct Split<'a, E> {
    probabilities: Option<&'a Panels<'a, E>>,
    weights: Option<&'a Panels<'a, E>>,
}

impl<'a, E: Element> Split<'a, E> {
    #[inline(always)]
    fn get(&self, rows: &Rows<'_, E>, panel: usize, half: usize) -> Dense<'a, E> {
        rows.dense(
            self.probabilities.map(|values| values.get(panel)[half]),
            self.weights.map(|weights| weights.get(panel)[half]),
        )
    }
}

/// A row in panels of two halves. The second half is empty but in the last panel, where it is a
/// tile, padded, of what does not fill one.
struct Panels<'a, E> {
    tiles: &'a [Tile<E>],
    tail: Tile<E>,
    tail_len: usize,
}

impl<'a, E: Element> Panels<'a, E> {
    #[inline(always)]
    fn new(row: &'a [E], padding: E) -> Self {
        let (tiles, rest) = row.as_chunks();
        let mut tail = [padding; LANES];
        tail[..rest.len()].copy_from_slice(rest);
        Self { tiles, tail, tail_len: rest.len() }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.tiles.len().div_ceil(PANEL).max(1)
    }

    #[inline(always)]
    fn get(&self, panel: usize) -> [&[Tile<E>]; 2] {
        let (start, end) = (panel * PANEL, (panel + 1) * PANEL);
        let tail = usize::from(end >= self.tiles.len() && self.tail_len > 0);
        let end = end.min(self.tiles.len());
        [&self.tiles[start..end], &std::slice::from_ref(&self.tail)[..tail]]
    }
}

/// The gradient of a row in panels, or one panel for all where there is none.
struct PanelsMut<'a, E> {
    tiles: &'a mut [Tile<E>],
    tail: Tile<E>,
    rest: &'a mut [E],
    is_gradient: bool,
}

impl<'a, E: Element> PanelsMut<'a, E> {
    #[inline(always)]
    fn new(row: Option<&'a mut [E]>, scratch: &'a mut [Tile<E>]) -> Self {
        let is_gradient = row.is_some();
        let (tiles, rest) = row.map_or((scratch, &mut [][..]), |row| row.as_chunks_mut());
        Self { tiles, tail: [E::zero(); LANES], rest, is_gradient }
    }

    #[inline(always)]
    fn get(&mut self, panel: usize) -> [&mut [Tile<E>]; 2] {
        let start = if self.is_gradient { panel * PANEL } else { 0 };
        let end = self.tiles.len().min(start + PANEL);
        [&mut self.tiles[start..end], std::slice::from_mut(&mut self.tail)]
    }

    /// Writes the tail back.
    #[inline(always)]
    fn finish(self) {
        self.rest.copy_from_slice(&self.tail[..self.rest.len()]);
    }
}
