//! Rows of many classes, along which the lanes run.

use downhill_tensor::Element;
use downhill_tensor::kernels::Arithmetic;

use super::dense::{Counts, Dense};
use super::lanes::{
    LANES, Sums, Tile, add_lesser, each, exponentials, maximum, multiply, raise, sum, total,
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
    pub(super) fn long_row<A: Arithmetic>(
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

        let mut tail = [E::zero(); LANES];
        let mut counts = Counts::zero();
        let mut sums = Sums::new();
        maxima.clear();
        for panel in 0..x.len() {
            let x = x.get(panel, &mut tail);
            let part = sum_panel::<A, E>(x, out.get(panel), self.scale);
            maxima.push(part.max[0]);
            sums = sums.plus::<A>(&part, self.scale);
            if self.is_dense() {
                let [mut p, mut w] = [[E::zero(); LANES]; 2];
                for (half, x) in x.into_iter().enumerate() {
                    counts.add(x, &dense.get(self, panel, half, [&mut p, &mut w]));
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
            self.outcome::<A>(&sums, &counts, &[at_label; LANES], &[label_weight; LANES], upstream);
        let mut loss = outcome.loss[0];
        if has_gradient || self.is_dense() {
            for (panel, &max) in maxima.iter().enumerate() {
                let ratio = ((max - sums.max[0]) * self.scale).decay::<A>();
                let x = x.get(panel, &mut tail);
                for (half, (x, out)) in x.into_iter().zip(out.get(panel)).enumerate() {
                    if self.is_dense() {
                        let mut part = [E::zero(); LANES];
                        let [mut p, mut w] = [[E::zero(); LANES]; 2];
                        let dense = dense.get(self, panel, half, [&mut p, &mut w]);
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
fn sum_panel<A: Arithmetic, E: Element>(
    x: [&[Tile<E>]; 2],
    mut out: [&mut [Tile<E>]; 2],
    scale: E,
) -> Sums<E> {
    let mut max = [E::neg_infinity(); LANES];
    for x in x {
        raise(&mut max, x);
    }
    let max = maximum(max);
    let (mut all, mut lesser) = ([E::zero(); LANES], [E::zero(); LANES]);
    for (x, out) in x.into_iter().zip(&mut out) {
        exponentials::<A, E>(x, out, &max, scale);
        let part = sum(&out[..x.len()]);
        all = each(|lane| all[lane] + part[lane]);
    }
    let all = total(all);
    if all[0] < E::one() + E::one() {
        for (x, out) in x.into_iter().zip(out) {
            add_lesser(&mut lesser, &out[..x.len()]);
        }
    }
    Sums { max, rest: rest(&all, &total(lesser)) }
}

/// Dense targets by panels.
struct Split<'a, E> {
    probabilities: Option<&'a Panels<'a, E>>,
    weights: Option<&'a Panels<'a, E>>,
}

impl<'a, E: Element> Split<'a, E> {
    #[inline(always)]
    fn get<'t>(
        &self,
        rows: &Rows<'_, E>,
        panel: usize,
        half: usize,
        [p, w]: [&'t mut Tile<E>; 2],
    ) -> Dense<'t, E>
    where
        'a: 't,
    {
        rows.dense(
            self.probabilities.map(|values| values.get(panel, p)[half]),
            self.weights.map(|weights| weights.get(panel, w)[half]),
        )
    }
}

/// A row in panels of two halves. The second half is empty but in the last panel, where it is a
/// tile, padded, of what does not fill one.
struct Panels<'a, E> {
    tiles: &'a [Tile<E>],
    rest: &'a [E],
    padding: E,
}

impl<'a, E: Element> Panels<'a, E> {
    #[inline(always)]
    fn new(row: &'a [E], padding: E) -> Self {
        let (tiles, rest) = row.as_chunks();
        Self { tiles, rest, padding }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.tiles.len().div_ceil(PANEL).max(1)
    }

    /// A panel, whose second half is written to `tail`: not before it is its turn, when the end of
    /// the row is in cache.
    #[inline(always)]
    fn get<'t>(&self, panel: usize, tail: &'t mut Tile<E>) -> [&'t [Tile<E>]; 2]
    where
        'a: 't,
    {
        let (start, end) = (panel * PANEL, (panel + 1) * PANEL);
        let has_tail = end >= self.tiles.len() && !self.rest.is_empty();
        if has_tail {
            *tail = [self.padding; LANES];
            tail[..self.rest.len()].copy_from_slice(self.rest);
        }
        let end = end.min(self.tiles.len());
        [&self.tiles[start..end], &std::slice::from_ref(tail)[..usize::from(has_tail)]]
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
