//! Rows of many classes, one after the other: the SIMD lanes run along a row.

use std::ops::Range;

use downhill_kernels::{Arithmetic, prefetch};
use downhill_tensor::Element;

use super::exponentials::{
    LANES, Sums, Tile, add_lesser, each, exponentials, is_too_small, larger, largest, maximum,
    sum_of_small, total, without_largest,
};
use super::rows::{RowTargets, Rows};
use super::soft_targets::{Outcome, SoftTargets, TargetSums};
use crate::error::Error;

/// Bytes of a segment of a row, which stays in the first-level cache.
const SEGMENT: usize = 8 << 10;
/// Bytes of the segments, or of several whole rows if these are shorter, that are computed together.
const TOGETHER: usize = 2 * SEGMENT;
/// Prefetch distances in bytes. For logits that is all that is computed together: the maxima of the
/// next segments are found in one go, as soon as these are done. They were the fastest of several
/// that `cargo bench --bench cases -- ce/` was run with.
const LOGITS_AHEAD: usize = TOGETHER;
const GRADIENT_AHEAD: usize = 6 << 10;

/// Buffers that are used again and again.
pub(super) struct Buffers<E> {
    /// The exponentials of segments, when no gradient is wanted.
    exponentials: Vec<E>,
    /// The largest logit of each segment, and then the ratio of its exponential to that of the
    /// row's largest.
    ratios: Vec<E>,
    /// The sum of the exponentials of each segment, as in [`Sums`].
    rests: Vec<E>,
}

impl<E: Element> Buffers<E> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        let exponentials = vec![E::zero(); TOGETHER / size_of::<E>()];
        Self { exponentials, ratios: Vec::new(), rests: Vec::new() }
    }
}

const fn segment_length<E>() -> usize {
    SEGMENT / size_of::<E>()
}

/// How many rows are computed together.
pub(super) fn rows_at_once<E>(classes: usize) -> usize {
    (TOGETHER / size_of::<E>() / classes).clamp(1, LANES)
}

impl<E: Element> Rows<'_, E> {
    /// Computes as many rows from `first` as `losses` has, at most [`LANES`]. Those that need the
    /// slow path are added to `unusual`.
    #[inline(always)]
    pub(super) fn many_classes<A: Arithmetic>(
        &self,
        first: usize,
        losses: &mut [E],
        mut gradient: Option<&mut [E]>,
        buffers: &mut Buffers<E>,
        unusual: &mut Vec<usize>,
    ) -> Result<(), Error> {
        let (count, classes) = (losses.len(), self.classes);
        let segments = classes.div_ceil(segment_length::<E>());
        let target_sums = self.sum_segments::<A>(first, count, gradient.as_deref_mut(), buffers);
        let (mut sums, mut at_label) = (Sums::new(), [E::zero(); LANES]);
        for lane in 0..count {
            let range = lane * segments..(lane + 1) * segments;
            let (ratios, rests) = (&mut buffers.ratios[range.clone()], &buffers.rests[range]);
            (sums.max[lane], sums.rest[lane]) = combine::<A, E>(ratios, rests, self.scale);
            let logits = &self.logits[(first + lane) * classes..][..classes];
            if is_too_small(sums.rest[lane], classes) {
                sums.rest[lane] = sum_of_small(logits.iter().copied(), sums.max[lane], self.scale);
            }
            if let RowTargets::Labels(labels) = self.targets {
                // The label of an ignored row, which is computed later, need not be a class.
                at_label[lane] = logits.get(labels[first + lane]).copied().unwrap_or(E::zero());
            }
        }
        let outcome = self.outcome_of_rows::<A>(first, count, &sums, &target_sums, &at_label);
        for (lane, loss) in losses.iter_mut().enumerate() {
            let row = first + lane;
            let mut gradient = row_of(&mut gradient, lane, classes);
            if self.is_unusual(row, &sums, &target_sums, lane)? {
                unusual.push(lane);
                continue;
            }
            *loss = outcome.loss[lane];
            let ratios = &buffers.ratios[lane * segments..][..segments];
            if self.has_soft_targets() {
                let outcome = outcome.in_every_lane(lane);
                let gradient = gradient.as_deref_mut();
                *loss +=
                    self.finish_row(row, gradient, &outcome, ratios, &mut buffers.exponentials);
            } else if let Some(gradient) = &mut gradient {
                for (gradient, &ratio) in gradient.chunks_mut(segment_length::<E>()).zip(ratios) {
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

    /// Writes the exponentials of rows, relative to the largest logit of their segment, and the sums
    /// of the segments to `buffers`. Returns the sums over soft targets.
    #[inline(always)]
    fn sum_segments<A: Arithmetic>(
        &self,
        first: usize,
        count: usize,
        mut gradient: Option<&mut [E]>,
        buffers: &mut Buffers<E>,
    ) -> TargetSums<E> {
        let Buffers { exponentials, ratios, rests } = buffers;
        let (mut target_sums, mut row_sums) = (TargetSums::zero(), TargetSums::zero());
        ratios.clear();
        rests.clear();
        let logits = &self.logits[first * self.classes..][..count * self.classes];
        // Rows are computed together only where each is a single segment.
        let length = self.classes.min(segment_length::<E>());
        let step = length * count;
        for start in (0..logits.len()).step_by(step) {
            let end = logits.len().min(start + step);
            let segments = Segments { logits, range: start..end, length };
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[start..end],
                None => &mut exponentials[..end - start],
            };
            segments.sum::<A>(out, self.scale, ratios, rests);
            let soft_segments = if self.has_soft_targets() { segments.count() } else { 0 };
            for segment in 0..soft_segments {
                let Range { start, end } = segments.range(segment);
                let (lane, class) = (start / self.classes, start % self.classes);
                let x = segments.tiles(segment);
                let targets = self.targets_of_segment(first + lane, class..class + (end - start));
                for (x, targets) in x.whole_and_rest().into_iter().zip(targets.whole_and_rest(self))
                {
                    row_sums.add(x, &targets);
                }
                if end % self.classes == 0 {
                    target_sums.put(lane, &row_sums.over_lanes());
                    row_sums = TargetSums::zero();
                }
            }
        }
        target_sums
    }

    /// The loss of a row's soft targets. Turns the exponentials, which are relative to the largest
    /// logit of their segment, into the gradient.
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
        let segments = Segments { logits, range: 0..self.classes, length: segment_length::<E>() };
        let mut loss = E::zero();
        for (segment, &ratio) in ratios.iter().enumerate() {
            let (x, classes) = (segments.tiles(segment), segments.range(segment));
            let out = match &mut gradient {
                Some(gradient) => &mut gradient[classes.clone()],
                None => &mut no_gradient[..classes.len()],
            };
            let targets = self.targets_of_segment(row, classes);
            let (whole, out_rest) = out.as_chunks_mut();
            let (mut rest, mut part) = ([E::zero(); LANES], [E::zero(); LANES]);
            let rest_from = LANES - out_rest.len();
            rest[rest_from..].copy_from_slice(out_rest);
            let out = [whole, std::slice::from_mut(&mut rest)];
            for ((x, out), targets) in
                x.whole_and_rest().into_iter().zip(out).zip(targets.whole_and_rest(self))
            {
                targets.finish(&mut part, x, out, outcome, ratio, self.scale);
            }
            out_rest.copy_from_slice(&rest[rest_from..]);
            loss += total(part)[0];
        }
        loss
    }

    #[inline(always)]
    fn targets_of_segment(&self, row: usize, classes: Range<usize>) -> Targets<'_, E> {
        let probabilities = match self.targets {
            RowTargets::Probabilities(values) => {
                let values = &values[row * self.classes..][..self.classes];
                Some(InTiles::new(values, classes.clone(), E::zero()))
            }
            RowTargets::Labels(_) => None,
        };
        let weights = match self.weights {
            Some(weights) => Some(InTiles::new(weights, classes, E::zero())),
            None => None,
        };
        Targets { probabilities, weights }
    }
}

/// The largest logit of a row and the sum of its exponentials as in [`Sums`], from those of its
/// segments. Replaces the largest of each segment by its ratio.
#[inline(always)]
fn combine<A: Arithmetic, E: Element>(ratios: &mut [E], rests: &[E], scale: E) -> (E, E) {
    let max = ratios.iter().copied().fold(E::neg_infinity(), larger);
    let top = ratios.iter().position(|&x| x == max).unwrap_or(0);
    let shift = if max == E::neg_infinity() { E::zero() } else { max };
    for ratio in &mut *ratios {
        *ratio = ((*ratio - shift) * scale).decay::<A>();
    }
    let mut all = rests[top];
    for (segment, (&rest, &ratio)) in rests.iter().zip(&*ratios).enumerate() {
        all += if segment == top { E::zero() } else { (E::one() + rest) * ratio };
    }
    (max, all)
}

/// Logits in segments of one length; the last may be shorter.
struct Segments<'x, E> {
    /// Including those before the segments.
    logits: &'x [E],
    range: Range<usize>,
    length: usize,
}

impl<'x, E: Element> Segments<'x, E> {
    #[inline(always)]
    fn count(&self) -> usize {
        self.range.len().div_ceil(self.length)
    }

    #[inline(always)]
    fn range(&self, segment: usize) -> Range<usize> {
        let start = self.range.start + segment * self.length;
        start..self.range.end.min(start + self.length)
    }

    #[inline(always)]
    fn tiles(&self, segment: usize) -> InTiles<'x, E> {
        InTiles::new(self.logits, self.range(segment), E::neg_infinity())
    }

    /// Writes the exponentials, relative to the largest logit of each segment. Appends that to
    /// `maxima`, and the sum of the others to `rests`.
    ///
    /// Each step is taken for all segments, at most [`LANES`], before the next: reducing a segment's
    /// lanes has latency, which interleaving hides.
    #[inline(always)]
    fn sum<A: Arithmetic>(&self, out: &mut [E], scale: E, maxima: &mut Vec<E>, rests: &mut Vec<E>) {
        let mut max = [[E::zero(); LANES]; LANES];
        let max = &mut max[..self.count()];
        for (segment, max) in max.iter_mut().enumerate() {
            let x = self.tiles(segment);
            *max = maximum(&x.rest, x.whole);
        }
        for max in &mut *max {
            *max = largest(*max);
            maxima.push(max[0]);
        }
        let mut sums = [[E::zero(); LANES]; LANES];
        let sums = &mut sums[..self.count()];
        for (segment, out) in out.chunks_mut(self.length).enumerate() {
            let x = self.tiles(segment);
            sums[segment] = write_exponentials::<A, E>(&x, out, &max[segment], scale);
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

/// Writes the exponentials of a segment, relative to its largest logit. Returns the sum in each
/// lane.
#[inline(always)]
fn write_exponentials<A: Arithmetic, E: Element>(
    x: &InTiles<'_, E>,
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

/// A segment of a row as tiles.
struct InTiles<'t, E> {
    whole: &'t [Tile<E>],
    /// The values that do not fill a tile, in the last lanes of one.
    rest: Tile<E>,
    has_rest: bool,
}

impl<'t, E: Element> InTiles<'t, E> {
    #[inline(always)]
    fn new(row: &'t [E], range: Range<usize>, padding: E) -> Self {
        let (whole, values) = row[range].as_chunks();
        let mut rest = [padding; LANES];
        rest[LANES - values.len()..].copy_from_slice(values);
        let has_rest = !values.is_empty();
        Self { whole, rest, has_rest }
    }

    #[inline(always)]
    fn whole_and_rest(&self) -> [&[Tile<E>]; 2] {
        [self.whole, &std::slice::from_ref(&self.rest)[..usize::from(self.has_rest)]]
    }
}

/// The soft targets of a segment.
struct Targets<'t, E> {
    probabilities: Option<InTiles<'t, E>>,
    weights: Option<InTiles<'t, E>>,
}

impl<E: Element> Targets<'_, E> {
    /// The targets of the whole tiles, and of the rest.
    #[inline(always)]
    fn whole_and_rest<'t>(&'t self, rows: &Rows<'_, E>) -> [SoftTargets<'t, E>; 2] {
        let [probabilities, weights] = [&self.probabilities, &self.weights]
            .map(|tiles| tiles.as_ref().map(InTiles::whole_and_rest));
        let part = |part: usize| {
            rows.soft_targets(
                probabilities.map(|tiles| tiles[part]),
                weights.map(|tiles| tiles[part]),
            )
        };
        [part(0), part(1)]
    }
}

#[inline(always)]
fn row_of<'a, E>(rows: &'a mut Option<&mut [E]>, row: usize, length: usize) -> Option<&'a mut [E]> {
    rows.as_deref_mut().map(|rows| &mut rows[row * length..][..length])
}
