//! Linear cross-entropy by chunks of rows and parts of the classes.
//!
//! The logits of a chunk are held until the sums of its rows are known. Then, some classes at a
//! time, their gradient is written in place of them and multiplied into those of the layer, and at
//! once, while the weights are in cache, the logits of the next chunk are computed in the same
//! place.

use std::ops::Range;

use downhill_kernels::{buffer, recycle};
use downhill_tensor::Element;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::columns::{Totals, settle};
use super::dense::Outcome;
use super::lanes::{LANES, Tile};
use super::parts::{Part, each, ranges};
use super::rows::{RowTargets, Rows};
use crate::error::Error;

/// So many bytes are held for a chunk.
const CHUNK: usize = 14 << 20;
/// So many columns of a right operand are gone through together.
pub(super) const PANEL: usize = 64;

/// A linear layer whose cross-entropy is wanted.
#[derive(Clone, Copy)]
pub(super) struct Layer<'a, E> {
    /// As many for each row as the weight has columns.
    pub(super) hidden: &'a [E],
    pub(super) weight: ArrayView2<'a, E>,
    pub(super) bias: Option<&'a [E]>,
}

/// Those gradients that are wanted. All but that of the weight are 0 at first.
pub(super) struct LayerGradients<'a, E> {
    pub(super) hidden: Option<&'a mut [E]>,
    pub(super) weight: Option<&'a mut [E]>,
    pub(super) bias: Option<&'a mut [E]>,
}

impl<E: Element> Layer<'_, E> {
    /// Writes the losses of those rows that are `kept`, whose targets `rows` has, and adds their
    /// gradients.
    pub(super) fn pass(
        &self,
        rows: &Rows<'_, E>,
        kept: &[usize],
        losses: &mut [E],
        mut gradients: LayerGradients<'_, E>,
    ) -> Result<(), Error> {
        if let (true, Some(gradient)) = (kept.is_empty(), &mut gradients.weight) {
            gradient.fill(E::zero());
        }
        let (classes, width) = self.weight.dim();
        let mut hidden_gradient = gradients.hidden;
        let ranges = ranges(classes);
        let numbers = CHUNK / size_of::<E>() / (classes + (ranges.len() + 2) * width);
        let most = kept.len().next_multiple_of(LANES);
        let step = (numbers / LANES * LANES).clamp(LANES, most.max(LANES));
        let mut logits = buffer(classes * step);
        let mut parts =
            Part::all(self, ranges, step / LANES, &mut logits, gradients.weight, gradients.bias);
        if hidden_gradient.is_some() {
            parts.iter_mut().for_each(|part| part.hidden.resize(step * width, E::zero()));
        }
        let is_finished = rows.is_dense() || parts.iter().any(Part::has_gradient);

        let mut previous: Option<Chunk<'_, E>> = None;
        for start in (0..kept.len()).step_by(step).map(Some).chain([None]) {
            let range = start.map(|start| start..kept.len().min(start + step));
            let mut next = range.map(|range| Chunk::new(self, rows, range, kept));
            each(&mut parts, &|part| part.advance(self, previous.as_ref(), next.as_ref()));
            if let Some(chunk) = &mut previous {
                chunk.finish(&parts, kept, hidden_gradient.as_deref_mut());
                chunk.write_losses(&kept[chunk.range.clone()], losses);
            }
            if let Some(chunk) = &mut next {
                chunk.transposed.clear();
                let kept = &kept[chunk.range.clone()];
                chunk.settle(&mut parts).map_err(|error| error.of_rows(kept))?;
                if !is_finished {
                    chunk.write_losses(kept, losses);
                }
            }
            previous = next.filter(|_| is_finished);
        }
        drop(parts);
        recycle(logits);
        Ok(())
    }
}

/// Some rows, in blocks of [`LANES`].
pub(super) struct Chunk<'a, E> {
    pub(super) range: Range<usize>,
    /// Of these rows alone, without their logits.
    pub(super) rows: Rows<'a, E>,
    /// `[rows, width]`, as [`panels`].
    pub(super) hidden: Vec<Array2<E>>,
    /// `[width, rows]`, as panels, with rows of 0 that fill the last block, until the logits are
    /// there.
    pub(super) transposed: Vec<Array2<E>>,
    losses: Vec<E>,
    /// Of each block, once the sums of the rows are known.
    pub(super) outcomes: Vec<Outcome<E>>,
    /// The rows whose gradient has been written already.
    pub(super) is_given: Vec<Tile<bool>>,
}

impl<'a, E: Element> Chunk<'a, E> {
    fn new(
        layer: &Layer<'_, E>,
        rows: &'a Rows<'_, E>,
        range: Range<usize>,
        kept: &[usize],
    ) -> Self {
        let (count, width) = (range.len(), layer.weight.ncols());
        let padded = count.next_multiple_of(LANES);
        let (mut hidden, mut transposed) = (panels(count, width), panels(width, padded));
        for (row, &from) in kept[range.clone()].iter().enumerate() {
            let values = ArrayView1::from(&layer.hidden[from * width..][..width]);
            for (panel, values) in hidden.iter_mut().zip(values.axis_chunks_iter(Axis(0), PANEL)) {
                panel.row_mut(row).assign(&values);
            }
            transposed[row / PANEL].column_mut(row % PANEL).assign(&values);
        }
        Self {
            rows: rows.some(range.clone(), &[]),
            range,
            hidden,
            transposed,
            losses: vec![E::zero(); count],
            outcomes: Vec::new(),
            is_given: vec![[false; LANES]; padded / LANES],
        }
    }

    /// Draws the conclusions from the sums of the parts.
    fn settle(&mut self, parts: &mut [Part<'_, E>]) -> Result<(), Error> {
        let RowTargets::Labels(labels) = self.rows.targets else {
            unreachable!("linear cross-entropy has labels")
        };
        for block in 0..self.is_given.len() {
            let range = block * LANES..self.range.len().min((block + 1) * LANES);
            let mut at_label = [E::zero(); LANES];
            for (at_label, row) in at_label.iter_mut().zip(range.clone()) {
                *at_label = *Part::logit(parts, labels[row], row);
            }
            let totals: Vec<Totals<E>> = parts.iter().map(|part| part.totals[block]).collect();
            let (totals, outcome) = settle(&self.rows, range.clone(), &totals, &at_label);
            self.losses[range.clone()].copy_from_slice(&outcome.loss[..range.len()]);
            self.outcomes.push(outcome);
            for (lane, row) in range.enumerate() {
                if self.rows.is_unusual(row, &totals.sums, &totals.counts, lane)? {
                    self.is_given[block][lane] = true;
                    self.give(row, parts);
                }
            }
        }
        Ok(())
    }

    /// Writes the gradient of a row that has NaN or +∞ in it.
    #[cold]
    fn give(&mut self, row: usize, parts: &mut [Part<'_, E>]) {
        let classes = self.rows.classes;
        let logits: Vec<E> = (0..classes).map(|class| *Part::logit(parts, class, row)).collect();
        let mut gradient = vec![E::zero(); classes];
        let rows = self.rows.some(row..row + 1, &logits);
        self.losses[row] = rows.unusual_row(0, Some(&mut gradient));
        for (class, value) in gradient.into_iter().enumerate() {
            *Part::logit(parts, class, row) = value;
        }
    }

    /// Takes from the parts what they found.
    fn finish(&mut self, parts: &[Part<'_, E>], kept: &[usize], gradient: Option<&mut [E]>) {
        let is_given = self.is_given.as_flattened();
        for part in parts {
            let losses = self.losses.iter_mut().zip(part.losses.as_flattened());
            for ((loss, &more), _) in losses.zip(is_given).filter(|(_, given)| !**given) {
                *loss += more;
            }
        }
        let Some(gradient) = gradient else { return };
        let width = self.hidden.iter().map(Array2::ncols).sum::<usize>();
        for (row, &to) in kept[self.range.clone()].iter().enumerate() {
            let gradient = &mut gradient[to * width..][..width];
            for part in parts {
                let hidden = &part.hidden[row * width..][..width];
                gradient.iter_mut().zip(hidden).for_each(|(sum, &x)| *sum += x);
            }
        }
    }

    fn write_losses(&self, kept: &[usize], losses: &mut [E]) {
        for (&row, &loss) in kept.iter().zip(&self.losses) {
            losses[row] = loss;
        }
    }
}

/// A matrix of zeros whose columns lie [`PANEL`] at a time: products with it need not copy them.
fn panels<E: Element>(rows: usize, columns: usize) -> Vec<Array2<E>> {
    let panel = |start| Array2::zeros([rows, PANEL.min(columns - start)]);
    (0..columns).step_by(PANEL).map(panel).collect()
}
