//! Cross-entropy of rows of logits: the loss of each, and the gradient in the same pass.

use std::ops::Range;

use downhill_kernels::{Arithmetic, Vectorized, free_threads, join, vectorize_arithmetic};
use downhill_tensor::Element;

use super::dense::{Counts, Dense, Outcome};
use super::lanes::{LANES, Sums, Tile, each};
use super::long::{Scratch, rows_of_block};
use super::short::Blocks;
use crate::checks;
use crate::error::Error;

/// Up to this many classes the lanes run across rows, beyond it along a row.
const FEW: usize = 32;

/// Fewer logits than this are not worth another thread. Of few classes, whose rows must be turned
/// into lanes and back, a quarter of them takes as long.
const GRAIN: usize = 1 << 15;

/// What is to be computed.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a, E> {
    /// `classes` for each row.
    pub(crate) logits: &'a [E],
    pub(crate) classes: usize,
    pub(crate) targets: RowTargets<'a, E>,
    /// The label of rows that are left out.
    pub(crate) ignored: Option<usize>,
    /// One for each class; None where all are 1.
    pub(crate) weights: Option<&'a [E]>,
    pub(crate) label_smoothing: E,
    /// 1 / temperature.
    pub(crate) scale: E,
    pub(crate) z_loss: E,
    /// What the gradient is multiplied with.
    pub(crate) upstream: E,
    /// What it is multiplied with besides in each row; None where it is 1.
    pub(crate) row_upstream: Option<&'a [E]>,
}

/// What is wanted of each row.
#[derive(Clone, Copy)]
pub(crate) enum RowTargets<'a, E> {
    /// One class for each row, or the ignored label.
    Labels(&'a [usize]),
    /// As many probabilities as there are logits.
    Probabilities(&'a [E]),
}

impl<E: Element> Rows<'_, E> {
    /// Writes the loss of each row, and with `gradient` that with respect to the logits.
    pub(crate) fn run(&self, losses: &mut [E], gradient: Option<&mut [E]>) -> Result<(), Error> {
        self.split(0, losses, gradient)
    }

    /// The problem of some of the rows alone, with other logits.
    pub(super) fn some<'a>(&'a self, rows: Range<usize>, logits: &'a [E]) -> Rows<'a, E> {
        let targets = match self.targets {
            RowTargets::Labels(labels) => RowTargets::Labels(&labels[rows.clone()]),
            RowTargets::Probabilities(values) => RowTargets::Probabilities(
                &values[rows.start * self.classes..rows.end * self.classes],
            ),
        };
        let row_upstream = self.row_upstream.map(|values| &values[rows]);
        Rows { logits, targets, row_upstream, ..*self }
    }

    /// The rows from `first`, as many as `losses` has, halved until they are little work.
    fn split(
        &self,
        first: usize,
        losses: &mut [E],
        gradient: Option<&mut [E]>,
    ) -> Result<(), Error> {
        let count = losses.len();
        // Lanes that run across rows are then full on either side.
        let middle = if self.classes > FEW { count / 2 } else { (count / 2) / LANES * LANES };
        let grain = if self.classes > FEW { GRAIN } else { GRAIN / 4 };
        if count * self.classes < grain || middle == 0 || free_threads() < 2 {
            return vectorize_arithmetic(Serial { rows: self, first, losses, gradient });
        }
        let (losses, more_losses) = losses.split_at_mut(middle);
        let (gradient, more_gradient) =
            gradient.map(|gradient| gradient.split_at_mut(middle * self.classes)).unzip();
        let (left, right) = join(
            || self.split(first, losses, gradient),
            || self.split(first + middle, more_losses, more_gradient),
        );
        left.and(right)
    }

    /// What follows from the sums of `count` rows from `first`, each in a lane, given the logits at
    /// their labels. Lanes beyond them may come to anything.
    #[inline(always)]
    pub(super) fn outcome_of_rows<A: Arithmetic>(
        &self,
        first: usize,
        count: usize,
        sums: &Sums<E>,
        counts: &Counts<E>,
        at_label: &Tile<E>,
    ) -> Outcome<E> {
        let mut label_weight = [E::one(); LANES];
        if let (RowTargets::Labels(labels), true) = (self.targets, self.weights.is_some()) {
            for (weight, &label) in label_weight.iter_mut().zip(&labels[first..first + count]) {
                *weight = self.weight(label);
            }
        }
        let mut upstream = [self.upstream * self.scale; LANES];
        if self.row_upstream.is_some() {
            for (lane, upstream) in upstream[..count].iter_mut().enumerate() {
                *upstream = self.upstream(first + lane);
            }
        }
        self.outcome::<A>(sums, counts, at_label, &label_weight, upstream)
    }

    /// What follows from the sums of each lane's row, given the logit at its label, the weight of
    /// that, and what the gradient is multiplied with.
    ///
    /// The gradient is upstream · (slope · softmax − target), where slope is the sum of the
    /// targets and what the z-loss adds to it.
    #[inline(always)]
    pub(super) fn outcome<A: Arithmetic>(
        &self,
        sums: &Sums<E>,
        counts: &Counts<E>,
        at_label: &Tile<E>,
        label_weight: &Tile<E>,
        upstream: Tile<E>,
    ) -> Outcome<E> {
        // Each line is a loop of its own over the lanes: all in one would not vectorise.
        let (zero, one, zeros) = (E::zero(), E::one(), [E::zero(); LANES]);
        let certainty = one - self.label_smoothing;
        let by_label = matches!(self.targets, RowTargets::Labels(_));

        let total = each(|lane| one + sums.rest[lane]);
        let log_sum = each(|lane| sums.rest[lane].logarithm_1p::<A>());
        let row_weight = if by_label { *label_weight } else { counts.weighted };
        let target = if by_label { each(|lane| certainty * row_weight[lane]) } else { zeros };
        let (mut loss, mut others, mut smoothing) = (zeros, zeros, zeros);
        if self.is_dense() {
            others = each(|lane| certainty * counts.weighted[lane]);
        }
        if self.label_smoothing > zero {
            smoothing = each(|lane| self.label_smoothing / counts.unmasked[lane]);
            others = each(|lane| others[lane] + smoothing[lane] * counts.weight[lane]);
        }
        if self.z_loss > zero {
            let normalizer = each(|lane| sums.max[lane] * self.scale + log_sum[lane]);
            let slope = each(|lane| self.z_loss * row_weight[lane] * normalizer[lane]);
            loss = each(|lane| slope[lane] * normalizer[lane]);
            others = each(|lane| others[lane] + (slope[lane] + slope[lane]));
        }

        let shifted = each(|lane| (at_label[lane] - sums.max[lane]) * self.scale);
        let probability = each(|lane| shifted[lane].decay::<A>() / total[lane]);
        // 1 − probability, of which the difference would leave few digits near 0.
        let exact = each(|lane| sums.rest[lane] / total[lane]);
        let complement = each(|lane| match shifted[lane] == zero {
            true => exact[lane],
            false => one - probability[lane],
        });
        let smoothed = each(|lane| match at_label[lane] == E::neg_infinity() {
            true => zero,
            false => smoothing[lane] * label_weight[lane],
        });
        let of_label = each(|lane| target[lane] * (log_sum[lane] - shifted[lane]));
        Outcome {
            loss: each(|lane| match target[lane] == zero {
                true => loss[lane],
                false => loss[lane] + of_label[lane],
            }),
            max: sums.max,
            log_sum,
            factor: each(|lane| upstream[lane] * (target[lane] + others[lane]) / total[lane]),
            upstream,
            smoothing,
            at_label: each(|lane| {
                let gained = others[lane] * probability[lane] - smoothed[lane];
                upstream[lane] * (gained - target[lane] * complement[lane])
            }),
        }
    }

    /// Whether the row in `lane` is ignored or has NaN or +∞ in it. Whether it is in order at all.
    #[inline(always)]
    pub(super) fn is_unusual(
        &self,
        row: usize,
        sums: &Sums<E>,
        counts: &Counts<E>,
        lane: usize,
    ) -> Result<bool, Error> {
        if let RowTargets::Probabilities(values) = self.targets {
            let sum = counts.probability[lane].as_f64();
            // Each addition of this sum was rounded. NaN fails either comparison.
            let near = (sum - 1.0).abs() <= checks::tolerance::<E>() / 2.0;
            if !(near && counts.least[lane] >= E::zero()) {
                let values = &values[row * self.classes..(row + 1) * self.classes];
                checks::distribution("target probabilities", row, values)?;
            }
        }
        if self.is_ignored(row) || sums.rest[lane].is_nan() {
            return Ok(true);
        }
        match sums.max[lane] == E::neg_infinity() {
            true => Err(Error::AllMasked { row }),
            false => Ok(false),
        }
    }

    /// The loss of a row that is ignored or has NaN or +∞ in it.
    #[cold]
    #[inline(never)]
    pub(super) fn unusual_row(&self, row: usize, mut gradient: Option<&mut [E]>) -> E {
        let logits = &self.logits[row * self.classes..(row + 1) * self.classes];
        let is_ignored = self.is_ignored(row);
        if is_ignored || logits.iter().any(|x| x.is_nan()) {
            let value = if is_ignored { E::zero() } else { E::nan() };
            if let Some(gradient) = gradient {
                gradient.fill(value);
            }
            return value;
        }
        // Infinite logits leave no probability to finite ones, and share it equally.
        let relative = |&x: &E| if x == E::infinity() { E::zero() } else { E::neg_infinity() };
        let relative: Vec<E> = logits.iter().map(relative).collect();
        let rows = Rows { z_loss: E::zero(), ..self.some(row..row + 1, &relative) };
        let mut loss = E::zero();
        let losses = std::slice::from_mut(&mut loss);
        rows.split(0, losses, gradient.as_deref_mut())
            .expect("a row with a logit of 0 and the targets of one in order");
        if self.z_loss > E::zero() {
            loss = E::infinity();
            for (gradient, x) in gradient.into_iter().flatten().zip(logits) {
                if *x == E::infinity() {
                    *gradient = self.upstream(row) * E::infinity();
                }
            }
        }
        loss
    }

    /// What the gradient of a row is multiplied with.
    #[inline(always)]
    pub(super) fn upstream(&self, row: usize) -> E {
        self.upstream * self.scale * self.row_upstream.map_or(E::one(), |values| values[row])
    }

    /// The weight of a class; of an ignored label, which need not be one, any number.
    #[inline(always)]
    pub(super) fn weight(&self, class: usize) -> E {
        self.weights.and_then(|weights| weights.get(class)).copied().unwrap_or(E::one())
    }

    /// Whether no row of these lanes is unusual, by a test that is quick and may be too strict.
    #[inline(always)]
    pub(super) fn are_usual(&self, sums: &Sums<E>, count: usize) -> bool {
        let mut usual = self.ignored.is_none() && matches!(self.targets, RowTargets::Labels(_));
        for lane in 0..count {
            usual &= sums.rest[lane] >= E::zero() && sums.max[lane] > E::neg_infinity();
        }
        usual
    }

    #[inline(always)]
    fn is_ignored(&self, row: usize) -> bool {
        match self.targets {
            RowTargets::Labels(labels) => Some(labels[row]) == self.ignored,
            RowTargets::Probabilities(_) => false,
        }
    }

    #[inline(always)]
    pub(super) fn is_dense(&self) -> bool {
        self.label_smoothing > E::zero() || matches!(self.targets, RowTargets::Probabilities(_))
    }

    #[inline(always)]
    pub(super) fn dense<'t>(
        &self,
        probabilities: Option<&'t [Tile<E>]>,
        weights: Option<&'t [Tile<E>]>,
    ) -> Dense<'t, E> {
        let certainty = E::one() - self.label_smoothing;
        Dense { probabilities, weights, certainty }
    }
}

/// Rows from `first`, as many as there are losses.
struct Serial<'a, E> {
    rows: &'a Rows<'a, E>,
    first: usize,
    losses: &'a mut [E],
    gradient: Option<&'a mut [E]>,
}

impl<E: Element> Vectorized for Serial<'_, E> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn run<A: Arithmetic>(self) -> Result<(), Error> {
        let Self { rows, first, losses, mut gradient } = self;
        let mut long = (rows.classes > FEW).then(Scratch::new);
        let mut short = long.is_none().then(|| Blocks::new(rows));
        let step = if long.is_some() { rows_of_block::<E>(rows.classes) } else { LANES };
        for (block, losses) in losses.chunks_mut(step).enumerate() {
            let (row, length) = (first + block * step, losses.len() * rows.classes);
            let gradient = gradient
                .as_deref_mut()
                .map(|gradient| &mut gradient[block * step * rows.classes..][..length]);
            if let Some(scratch) = &mut long {
                rows.long_rows::<A>(row, losses, gradient, scratch)?;
            } else if let Some(blocks) = &mut short {
                rows.short_rows::<A>(row, losses, gradient, blocks)?;
            }
        }
        Ok(())
    }
}
