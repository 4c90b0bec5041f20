//! One pass over the rows of a linear layer and all classes: the losses and the gradients.
//!
//! Chunks of rows take turns. The logits of a chunk are held until the sums of its rows are known.
//! Then, some classes at a time, they are overwritten by their gradient, which is multiplied into
//! the gradients of the layer; at once, while the weights are in cache, the logits of the next
//! chunk are computed in the same place.

use downhill_kernels::{buffer, recycle};
use downhill_tensor::Element;
use ndarray::Array2;

use super::class_ranges::{ClassRange, for_each_in_threads, ranges};
use super::logit_blocks::{Totals, outcome_of_block};
use super::row_chunks::{Chunk, Layer};
use crate::cross_entropy::kernel::{LANES, RowTargets, Rows, is_too_small, sum_of_small};
use crate::error::Error;

/// Size of the logits buffer in bytes, and of what else a chunk needs. Tests, which are not optimised,
/// come to several chunks with fewer logits.
const CHUNK: usize = if cfg!(test) { 1 << 20 } else { 14 << 20 };

/// The gradients that are wanted, to be added to. That of the weight is overwritten instead.
pub(super) struct LayerGradients<'a, E> {
    pub(super) hidden: Option<&'a mut [E]>,
    pub(super) weight: Option<&'a mut [E]>,
    pub(super) bias: Option<&'a mut [E]>,
}

impl<E: Element> Layer<'_, E> {
    /// Writes the losses of the rows with the numbers `kept`, whose targets are in `rows`, and adds
    /// their gradients.
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
        let mut class_ranges = ClassRange::all(
            self,
            ranges,
            step / LANES,
            &mut logits,
            gradients.weight,
            gradients.bias,
        );
        if hidden_gradient.is_some() {
            class_ranges
                .iter_mut()
                .for_each(|classes| classes.hidden.resize(step * width, E::zero()));
        }
        let is_finished =
            rows.has_soft_targets() || class_ranges.iter().any(ClassRange::has_gradient);

        let mut previous: Option<Chunk<'_, E>> = None;
        for start in (0..kept.len()).step_by(step).map(Some).chain([None]) {
            let range = start.map(|start| start..kept.len().min(start + step));
            let mut next = range.map(|range| Chunk::new(self, rows, range, kept));
            for_each_in_threads(&mut class_ranges, &|classes| {
                classes.advance(self, previous.as_ref(), next.as_ref());
            });
            if let Some(chunk) = &mut previous {
                chunk.finish(&class_ranges, kept, hidden_gradient.as_deref_mut());
                chunk.write_losses(&kept[chunk.range.clone()], losses);
            }
            if let Some(chunk) = &mut next {
                chunk.transposed.clear();
                let kept = &kept[chunk.range.clone()];
                chunk.find_outcomes(&mut class_ranges).map_err(|error| error.of_rows(kept))?;
                if !is_finished {
                    chunk.write_losses(kept, losses);
                }
            }
            previous = next.filter(|_| is_finished);
        }
        drop(class_ranges);
        recycle(logits);
        Ok(())
    }
}

impl<E: Element> Chunk<'_, E> {
    /// Finds the losses and the gradient factors from the sums over the classes.
    fn find_outcomes(&mut self, class_ranges: &mut [ClassRange<'_, E>]) -> Result<(), Error> {
        let RowTargets::Labels(labels) = self.rows.targets else {
            unreachable!("linear cross-entropy has labels")
        };
        let classes = self.rows.classes;
        for block in 0..self.is_given.len() {
            let range = block * LANES..self.range.len().min((block + 1) * LANES);
            let mut at_label = [E::zero(); LANES];
            for (at_label, row) in at_label.iter_mut().zip(range.clone()) {
                *at_label = *ClassRange::logit(class_ranges, labels[row], row);
            }
            let totals: Vec<Totals<E>> =
                class_ranges.iter().map(|classes| classes.totals[block]).collect();
            let (mut totals, mut outcome) =
                outcome_of_block(&self.rows, range.clone(), &totals, &at_label);
            if totals.sums.rest[..range.len()].iter().any(|&rest| is_too_small(rest, classes)) {
                for (lane, row) in range.clone().enumerate() {
                    let (max, rest) = (totals.sums.max[lane], &mut totals.sums.rest[lane]);
                    if is_too_small(*rest, classes) {
                        let logits =
                            (0..classes).map(|class| *ClassRange::logit(class_ranges, class, row));
                        *rest = sum_of_small(logits, max, self.rows.scale);
                    }
                }
                (totals, outcome) =
                    outcome_of_block(&self.rows, range.clone(), &[totals], &at_label);
            }
            self.losses[range.clone()].copy_from_slice(&outcome.loss[..range.len()]);
            self.outcomes.push(outcome);
            for (lane, row) in range.enumerate() {
                if self.rows.is_unusual(row, &totals.sums, &totals.target_sums, lane)? {
                    self.is_given[block][lane] = true;
                    self.write_unusual(row, class_ranges);
                }
            }
        }
        Ok(())
    }

    /// The slow path: writes the gradient of a row that has NaN or +∞ in it.
    #[cold]
    fn write_unusual(&mut self, row: usize, class_ranges: &mut [ClassRange<'_, E>]) {
        let classes = self.rows.classes;
        let logits: Vec<E> =
            (0..classes).map(|class| *ClassRange::logit(class_ranges, class, row)).collect();
        let mut gradient = vec![E::zero(); classes];
        let rows = self.rows.some(row..row + 1, &logits);
        self.losses[row] = rows.unusual_row(0, Some(&mut gradient));
        for (class, value) in gradient.into_iter().enumerate() {
            *ClassRange::logit(class_ranges, class, row) = value;
        }
    }

    /// Adds up what was found for each range of classes.
    fn finish(
        &mut self,
        class_ranges: &[ClassRange<'_, E>],
        kept: &[usize],
        gradient: Option<&mut [E]>,
    ) {
        let is_given = self.is_given.as_flattened();
        for classes in class_ranges {
            let losses = self.losses.iter_mut().zip(classes.losses.as_flattened());
            for ((loss, &more), _) in losses.zip(is_given).filter(|(_, given)| !**given) {
                *loss += more;
            }
        }
        let Some(gradient) = gradient else { return };
        let width = self.hidden.iter().map(Array2::ncols).sum::<usize>();
        for (row, &to) in kept[self.range.clone()].iter().enumerate() {
            let gradient = &mut gradient[to * width..][..width];
            for classes in class_ranges {
                let hidden = &classes.hidden[row * width..][..width];
                gradient.iter_mut().zip(hidden).for_each(|(sum, &x)| *sum += x);
            }
        }
    }
}
