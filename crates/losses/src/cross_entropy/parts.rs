//! Parts of the classes, each of which is one thread's work.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use downhill_kernels::{free_threads, join, matmul_part};
use downhill_tensor::Element;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::chunks::{Chunk, Layer, PANEL};
use super::columns::{Columns, Panel, Totals};
use super::lanes::{LANES, Tile, total};
use super::rows::RowTargets;

/// A part has a fifth of the classes that are left, but no less than about a 14th of all. The
/// gradient of the hidden numbers is summed up in each.
const SHARES: [usize; 2] = [5, 14];
/// So many bytes of logits, weights and their gradient stay in the second-level cache.
const CACHE: usize = 700 << 10;
/// Products are quick for multiples of so many classes.
const GRAIN: usize = 48;

/// The classes of each part. The last ones are small, so that a slow thread is not waited for long.
pub(super) fn ranges(classes: usize) -> Vec<Range<usize>> {
    let [of_rest, of_all] = SHARES;
    let least = classes.div_ceil(of_all);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < classes {
        let rest = classes - start;
        let size = rest.div_ceil(rest.div_ceil(least).min(of_rest)).next_multiple_of(GRAIN);
        let end = classes.min(start + size);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// Does the work on all parts, of which every thread takes the next when it has done one.
pub(super) fn each<'a, E: Element>(
    parts: &mut [Part<'a, E>],
    work: &(impl Fn(&mut Part<'a, E>) + Sync),
) {
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

/// A range of classes, all of which are one thread's work.
pub(super) struct Part<'a, E> {
    classes: Range<usize>,
    /// Those of each class, in `stride` blocks.
    logits: &'a mut [Tile<E>],
    stride: usize,
    /// So many classes at a time stay in cache.
    step: usize,
    pub(super) totals: Vec<Totals<E>>,
    /// Those of dense targets.
    pub(super) losses: Vec<Tile<E>>,
    /// The gradient of a chunk's hidden numbers, if it is wanted, as far as it is from here.
    pub(super) hidden: Vec<E>,
    weight: Option<&'a mut [E]>,
    bias: Option<&'a mut [E]>,
    panel: Panel<E>,
}

impl<'a, E: Element> Part<'a, E> {
    pub(super) fn all(
        layer: &Layer<'_, E>,
        ranges: Vec<Range<usize>>,
        stride: usize,
        logits: &'a mut [E],
        weight_gradient: Option<&'a mut [E]>,
        bias_gradient: Option<&'a mut [E]>,
    ) -> Vec<Self> {
        let width = layer.weight.ncols();
        let numbers = CACHE / size_of::<E>() / (2 * width + stride * LANES);
        let step = (numbers / GRAIN).max(1) * GRAIN;
        let (tiles, _) = logits.as_chunks_mut();
        let mut rest = (tiles, weight_gradient, bias_gradient);
        let part = |classes: Range<usize>| {
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
        ranges.into_iter().map(part).collect()
    }

    pub(super) fn has_gradient(&self) -> bool {
        !self.hidden.is_empty() || self.weight.is_some() || self.bias.is_some()
    }

    /// The logit of a class, which lies in one of the parts.
    pub(super) fn logit(parts: &mut [Self], class: usize, row: usize) -> &mut E {
        let index = parts.partition_point(|part| part.classes.end <= class);
        let part = &mut parts[index];
        let tile = (class - part.classes.start) * part.stride + row / LANES;
        &mut part.logits[tile][row % LANES]
    }

    /// Finishes a chunk whose logits are here, and begins the next.
    pub(super) fn advance(
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
