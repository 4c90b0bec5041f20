//! Linear cross-entropy by chunks of rows and parts of the classes.
//!
//! The logits of a chunk are held until the sums of its rows are known. Then, some classes at a
//! time, their gradient is written in place of them and multiplied into those of the layer, and at
//! once, while the weights are in cache, the logits of the next chunk are computed in the same
//! place.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use downhill_tensor::Element;
use downhill_tensor::kernels::{buffer, free_threads, join, matmul_part, recycle};
use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::columns::{Columns, Panel, Totals, settle};
use super::dense::Outcome;
use super::lanes::{LANES, Tile, total};
use super::rows::{RowTargets, Rows};
use crate::error::Error;

/// So many bytes are held for a chunk: 13.5 MiB.
const CHUNK: usize = 27 << 19;
/// So many parts of the classes can be worked on at the same time: more than a few threads need, so
/// that one that is slow can do fewer. The gradient of the hidden numbers is summed up in each.
const PARTS: usize = 6;
/// So many bytes of logits, weights and their gradient stay in the second-level cache.
const CACHE: usize = 700 << 10;
/// Products are quick for multiples of so many classes.
const GRAIN: usize = 48;
/// So many columns of a right operand are gone through together.
const PANEL: usize = 64;

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
        let numbers = CHUNK / size_of::<E>() / (classes + (PARTS + 2) * width);
        let most = kept.len().next_multiple_of(LANES);
        let step = (numbers / LANES * LANES).clamp(LANES, most.max(LANES));
        let mut logits = buffer(classes * step);
        let mut parts =
            Part::all(self, step / LANES, &mut logits, gradients.weight, gradients.bias);
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

/// Does the work on all parts, of which every thread takes the next when it has done one.
fn each<'a, E: Element>(parts: &mut [Part<'a, E>], work: &(impl Fn(&mut Part<'a, E>) + Sync)) {
    let count = parts.len();
    let parts = Mutex::new(parts.iter_mut());
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    in_threads(count, &|| {
        while let Some(part) = next() {
            work(part);
        }
    });
}

/// Does the same in every thread that is free, at most so many.
fn in_threads(most: usize, work: &(impl Fn() + Sync)) {
    if most < 2 || free_threads() < 2 {
        return work();
    }
    join(|| in_threads(most - most / 2, work), || in_threads(most / 2, work));
}

/// Some rows, in blocks of [`LANES`].
struct Chunk<'a, E> {
    range: Range<usize>,
    /// Of these rows alone, without their logits.
    rows: Rows<'a, E>,
    /// `[rows, width]`, as [`panels`].
    hidden: Vec<Array2<E>>,
    /// `[width, rows]`, as panels, with rows of 0 that fill the last block.
    transposed: Vec<Array2<E>>,
    losses: Vec<E>,
    /// Of each block, once the sums of the rows are known.
    outcomes: Vec<Outcome<E>>,
    /// The rows whose gradient has been written already.
    is_given: Vec<Tile<bool>>,
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
        let width = self.transposed[0].nrows();
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

/// A range of classes, all of which are one thread's work.
struct Part<'a, E> {
    classes: Range<usize>,
    /// Those of each class, in `stride` blocks.
    logits: &'a mut [Tile<E>],
    stride: usize,
    /// So many classes at a time stay in cache.
    step: usize,
    totals: Vec<Totals<E>>,
    /// Those of dense targets.
    losses: Vec<Tile<E>>,
    /// The gradient of a chunk's hidden numbers, if it is wanted, as far as it is from here.
    hidden: Vec<E>,
    weight: Option<&'a mut [E]>,
    bias: Option<&'a mut [E]>,
    panel: Panel<E>,
}

impl<'a, E: Element> Part<'a, E> {
    fn all(
        layer: &Layer<'_, E>,
        stride: usize,
        logits: &'a mut [E],
        weight_gradient: Option<&'a mut [E]>,
        bias_gradient: Option<&'a mut [E]>,
    ) -> Vec<Self> {
        let (classes, width) = layer.weight.dim();
        let numbers = CACHE / size_of::<E>() / (2 * width + stride * LANES);
        let step = (numbers / GRAIN).max(1) * GRAIN;
        let size = classes.div_ceil(PARTS).next_multiple_of(GRAIN);
        let (tiles, _) = logits.as_chunks_mut();
        let mut rest = (tiles, weight_gradient, bias_gradient);
        let part = |start: usize| {
            let classes = start..classes.min(start + size);
            let (logits, weight, bias) = std::mem::take(&mut rest);
            let (logits, more_logits) = logits.split_at_mut(classes.len() * stride);
            let (weight, more_weight) =
                weight.map(|weight| weight.split_at_mut(classes.len() * width)).unzip();
            let (bias, more_bias) = bias.map(|bias| bias.split_at_mut(classes.len())).unzip();
            rest = (more_logits, more_weight, more_bias);
            Self {
                classes,
                logits,
                stride,
                step,
                totals: vec![Totals::new(); stride],
                losses: vec![[E::zero(); LANES]; stride],
                hidden: Vec::new(),
                weight,
                bias,
                panel: Panel::new(),
            }
        };
        (0..classes).step_by(size).map(part).collect()
    }

    fn has_gradient(&self) -> bool {
        !self.hidden.is_empty() || self.weight.is_some() || self.bias.is_some()
    }

    /// The logit of a class, which lies in one of the parts.
    fn logit(parts: &mut [Self], class: usize, row: usize) -> &mut E {
        let part = &mut parts[class / parts[0].classes.len()];
        let tile = (class - part.classes.start) * part.stride + row / LANES;
        &mut part.logits[tile][row % LANES]
    }

    /// Finishes a chunk whose logits are here, and begins the next.
    fn advance(
        &mut self,
        layer: &Layer<'_, E>,
        previous: Option<&Chunk<'_, E>>,
        next: Option<&Chunk<'_, E>>,
    ) {
        self.losses.fill([E::zero(); LANES]);
        self.totals.fill(Totals::new());
        for start in (0..self.classes.len()).step_by(self.step) {
            let range = start..self.classes.len().min(start + self.step);
            if let Some(chunk) = previous {
                self.finish(layer, chunk, range.clone());
            }
            if let Some(chunk) = next {
                self.begin(layer, chunk, range);
            }
        }
    }

    /// Computes the logits of some classes of this part, and what they add to the sums.
    fn begin(&mut self, layer: &Layer<'_, E>, chunk: &Chunk<'_, E>, range: Range<usize>) {
        let classes = self.classes.start + range.start..self.classes.start + range.end;
        let (logits, next) =
            self.logits[range.start * self.stride..].split_at_mut(range.len() * self.stride);
        let next = &next[..next.len().min(logits.len())];
        let blocks = chunk.is_given.len();
        if let Some(bias) = layer.bias {
            for (bias, logits) in bias[classes.clone()].iter().zip(logits.chunks_mut(self.stride)) {
                logits[..blocks].fill([*bias; LANES]);
            }
        }
        let mut view = matrix([range.len(), self.stride * LANES], logits.as_flattened_mut());
        let view = view.slice_axis_mut(Axis(1), Slice::from(..blocks * LANES));
        let weight = layer.weight.slice_axis(Axis(0), Slice::from(classes.clone()));
        multiply(view, weight, &chunk.transposed, layer.bias.is_some(), next.as_flattened());
        let (rows, first) = (&chunk.rows, classes.start);
        let columns = Columns { rows, first, logits, stride: self.stride, panel: &mut self.panel };
        columns.add_to(&mut self.totals[..blocks]);
    }

    /// Writes the gradient in place of the logits of some classes of this part, and adds its
    /// products.
    fn finish(&mut self, layer: &Layer<'_, E>, chunk: &Chunk<'_, E>, range: Range<usize>) {
        let classes = self.classes.start + range.start..self.classes.start + range.end;
        let logits = &mut self.logits[range.start * self.stride..range.end * self.stride];
        let (stride, count, width) = (self.stride, chunk.range.len(), layer.weight.ncols());
        let (rows, first, panel) = (&chunk.rows, classes.start, &mut self.panel);
        let columns = Columns { rows, first, logits: &mut *logits, stride, panel };
        columns.finish(&chunk.outcomes, &chunk.is_given, &mut self.losses);
        let RowTargets::Labels(labels) = chunk.rows.targets else {
            unreachable!("linear cross-entropy has labels")
        };
        for (row, label) in labels.iter().enumerate().filter(|(_, label)| classes.contains(label)) {
            let (block, lane) = (row / LANES, row % LANES);
            if !chunk.is_given[block][lane] {
                let tile = (label - classes.start) * stride + block;
                logits[tile][lane] = chunk.outcomes[block].at_label[lane];
            }
        }

        let shape = [range.len(), stride * LANES];
        let gradient = ArrayView2::from_shape(shape, logits.as_flattened());
        let gradient = gradient.expect("a number for each class and row");
        let gradient = gradient.slice_axis(Axis(1), Slice::from(..count));
        let weight = layer.weight.slice_axis(Axis(0), Slice::from(classes));
        let mut next: &[E] = &[];
        if let Some(out) = &mut self.weight {
            let (out, more) = out[range.start * width..].split_at_mut(range.len() * width);
            next = &more[..more.len().min(out.len())];
            let out = matrix([range.len(), width], out);
            let is_added = chunk.range.start > 0;
            multiply(out, gradient, &chunk.hidden, is_added, weight.to_slice().unwrap_or(&[]));
        }
        if !self.hidden.is_empty() {
            let out = matrix([count, width], &mut self.hidden[..count * width]);
            matmul_part(out, gradient.t(), weight, range.start > 0, next);
        }
        if let Some(out) = &mut self.bias {
            let rows = logits.as_flattened().chunks_exact(stride * LANES);
            for (out, row) in out[range].iter_mut().zip(rows) {
                let (tiles, rest) = row[..count].as_chunks::<LANES>();
                let mut sum = [E::zero(); LANES];
                for tile in tiles {
                    sum.iter_mut().zip(tile).for_each(|(sum, &x)| *sum += x);
                }
                *out += total(sum)[0] + rest.iter().copied().sum();
            }
        }
    }
}

fn matrix<E>(shape: [usize; 2], values: &mut [E]) -> ArrayViewMut2<'_, E> {
    ArrayViewMut2::from_shape(shape, values).expect("as many numbers as the shape has")
}

/// A matrix of zeros whose columns lie [`PANEL`] at a time: products with it need not copy them.
fn panels<E: Element>(rows: usize, columns: usize) -> Vec<Array2<E>> {
    let panel = |start| Array2::zeros([rows, PANEL.min(columns - start)]);
    (0..columns).step_by(PANEL).map(panel).collect()
}

/// Writes the product with a matrix in panels, or adds it to what is there, while `ahead` is called
/// into the cache.
fn multiply<E: Element>(
    mut out: ArrayViewMut2<'_, E>,
    left: ArrayView2<'_, E>,
    right: &[Array2<E>],
    is_added: bool,
    ahead: &[E],
) {
    let mut ahead = ahead.chunks(ahead.len() / right.len().max(1) + 1);
    for (out, right) in out.axis_chunks_iter_mut(Axis(1), PANEL).zip(right) {
        matmul_part(out, left, right.view(), is_added, ahead.next().unwrap_or(&[]));
    }
}
