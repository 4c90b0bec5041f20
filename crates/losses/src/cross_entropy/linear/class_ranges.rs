//! Ranges of classes, each one thread's work.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use downhill_kernels::{free_threads, join, matmul_part};
use downhill_tensor::Element;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::logit_blocks::{Buffers, LogitBlocks, Totals};
use super::row_chunks::{Chunk, Layer, PANEL};
use crate::cross_entropy::kernel::{LANES, RowTargets, Tile, total};

/// Guided scheduling: each range takes a fifth of the classes that are left, but at least about a
/// 14th of all, since each needs a buffer for the gradient of the input.
const FRACTIONS: [usize; 2] = [5, 14];
/// Bytes of logits, weights and their gradient that stay in the second-level cache.
const CACHE: usize = 700 << 10;
/// Products are fastest for multiples of this number of classes.
const MULTIPLE: usize = 48;

/// The ranges. The last ones are small, so that no thread waits long for another.
pub(super) fn ranges(classes: usize) -> Vec<Range<usize>> {
    let [of_rest, of_all] = FRACTIONS;
    let least = classes.div_ceil(of_all);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < classes {
        let rest = classes - start;
        let size = rest.div_ceil(rest.div_ceil(least).min(of_rest)).next_multiple_of(MULTIPLE);
        let end = classes.min(start + size);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// Does the work on all ranges: every thread takes the next one when it has finished its own.
pub(super) fn for_each_in_threads<'a, E: Element>(
    ranges: &mut [ClassRange<'a, E>],
    work: &(impl Fn(&mut ClassRange<'a, E>) + Sync),
) {
    let count = ranges.len();
    let ranges = Mutex::new(ranges.iter_mut());
    let next = || ranges.lock().unwrap_or_else(PoisonError::into_inner).next();
    in_threads(count, &|| {
        while let Some(range) = next() {
            work(range);
        }
    });
}

/// Does the same work in every free thread, at most in `most`.
fn in_threads(most: usize, work: &(impl Fn() + Sync)) {
    if most < 2 || free_threads() < 2 {
        return work();
    }
    join(|| in_threads(most - most / 2, work), || in_threads(most / 2, work));
}

/// A range of classes, with the logits of a chunk of rows.
pub(super) struct ClassRange<'a, E> {
    classes: Range<usize>,
    /// The logits of each class, in `stride` blocks of rows.
    logits: &'a mut [Tile<E>],
    stride: usize,
    /// The number of classes that are computed together, in cache.
    step: usize,
    pub(super) totals: Vec<Totals<E>>,
    /// The losses of soft targets.
    pub(super) losses: Vec<Tile<E>>,
    /// What these classes add to the gradient of a chunk's input, if that is wanted.
    pub(super) hidden: Vec<E>,
    weight: Option<&'a mut [E]>,
    bias: Option<&'a mut [E]>,
    buffers: Buffers<E>,
}

impl<'a, E: Element> ClassRange<'a, E> {
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
        let step = (numbers / MULTIPLE).max(1) * MULTIPLE;
        let (tiles, _) = logits.as_chunks_mut();
        let mut rest = (tiles, weight_gradient, bias_gradient);
        let class_range = |classes: Range<usize>| {
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
                buffers: Buffers::new(),
            }
        };
        ranges.into_iter().map(class_range).collect()
    }

    pub(super) fn has_gradient(&self) -> bool {
        !self.hidden.is_empty() || self.weight.is_some() || self.bias.is_some()
    }

    /// The logit of a class, which lies in one of the ranges.
    pub(super) fn logit(ranges: &mut [Self], class: usize, row: usize) -> &mut E {
        let index = ranges.partition_point(|range| range.classes.end <= class);
        let range = &mut ranges[index];
        let tile = (class - range.classes.start) * range.stride + row / LANES;
        &mut range.logits[tile][row % LANES]
    }

    /// Finishes the previous chunk, whose logits are here, and begins the next one in their place.
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

    /// Computes the logits of some of the classes, and adds their exponentials to the totals.
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
        let (stride, buffers) = (self.stride, &mut self.buffers);
        let logits = LogitBlocks { rows, first, logits, stride, buffers };
        logits.add_to(&mut self.totals[..blocks]);
    }

    /// Overwrites the logits of some of the classes by their gradient, and adds that, multiplied, to
    /// the gradients of the layer.
    fn finish(&mut self, layer: &Layer<'_, E>, chunk: &Chunk<'_, E>, range: Range<usize>) {
        let classes = self.classes.start + range.start..self.classes.start + range.end;
        let logits = &mut self.logits[range.start * self.stride..range.end * self.stride];
        let (stride, count, width) = (self.stride, chunk.range.len(), layer.weight.ncols());
        let (rows, first, buffers) = (&chunk.rows, classes.start, &mut self.buffers);
        let blocks = LogitBlocks { rows, first, logits: &mut *logits, stride, buffers };
        blocks.finish(&chunk.outcomes, &chunk.is_given, &mut self.losses);
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

/// Writes the product with a matrix in panels, or adds it, and prefetches `ahead` meanwhile.
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
