//! The problem, rows of logits and what is asked of them, and what follows from their sums.

use std::ops::Range;

use downhill_kernels::Arithmetic;
use downhill_tensor::Element;

use super::exponentials::{LANES, Sums, Tile, each};
use super::soft_targets::{Outcome, SoftTargets, TargetSums};
use crate::checks;
use crate::error::Error;

/// Rows of logits whose losses and gradient are wanted.
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
    /// The factor of every row's gradient.
    pub(crate) normalization: E,
    /// A further factor for each row; None where it is 1.
    pub(crate) row_gradients: Option<&'a [E]>,
}

/// The target of each row.
#[derive(Clone, Copy)]
pub(crate) enum RowTargets<'a, E> {
    /// One class for each row, or the ignored label.
    Labels(&'a [usize]),
    /// As many probabilities as there are logits.
    Probabilities(&'a [E]),
}

impl<E: Element> Rows<'_, E> {
    /// The problem for some of the rows, with other logits.
    pub(crate) fn some<'a>(&'a self, rows: Range<usize>, logits: &'a [E]) -> Rows<'a, E> {
        let targets = match self.targets {
            RowTargets::Labels(labels) => RowTargets::Labels(&labels[rows.clone()]),
            RowTargets::Probabilities(values) => RowTargets::Probabilities(
                &values[rows.start * self.classes..rows.end * self.classes],
            ),
        };
        let row_gradients = self.row_gradients.map(|values| &values[rows]);
        Rows { logits, targets, row_gradients, ..*self }
    }

    /// Loss and gradient factors for rows `first..first + count`, one per lane, from their sums and
    /// the logits at their labels. Unused lanes hold garbage.
    #[inline(always)]
    pub(crate) fn outcome_of_rows<A: Arithmetic>(
        &self,
        first: usize,
        count: usize,
        sums: &Sums<E>,
        target_sums: &TargetSums<E>,
        at_label: &Tile<E>,
    ) -> Outcome<E> {
        let mut label_weight = [E::one(); LANES];
        if let (RowTargets::Labels(labels), true) = (self.targets, self.weights.is_some()) {
            for (weight, &label) in label_weight.iter_mut().zip(&labels[first..first + count]) {
                *weight = self.weight(label);
            }
        }
        let mut gradient_scale = [self.normalization * self.scale; LANES];
        if self.row_gradients.is_some() {
            for (lane, gradient_scale) in gradient_scale[..count].iter_mut().enumerate() {
                *gradient_scale = self.gradient_scale(first + lane);
            }
        }
        self.outcome::<A>(sums, target_sums, at_label, &label_weight, gradient_scale)
    }

    /// Loss and gradient factors for each lane's row, from its sums, the logit at its label, the
    /// label's weight and the factor of the gradient.
    ///
    /// The gradient is gradient_scale · (slope · softmax − target), where slope is the sum of the
    /// targets plus the derivative of the z-loss.
    #[inline(always)]
    pub(super) fn outcome<A: Arithmetic>(
        &self,
        sums: &Sums<E>,
        target_sums: &TargetSums<E>,
        at_label: &Tile<E>,
        label_weight: &Tile<E>,
        gradient_scale: Tile<E>,
    ) -> Outcome<E> {
        // Each line is a loop of its own over the lanes: one loop for all would not vectorise.
        let (zero, one, zeros) = (E::zero(), E::one(), [E::zero(); LANES]);
        let certainty = one - self.label_smoothing;
        let by_label = matches!(self.targets, RowTargets::Labels(_));

        let total = each(|lane| one + sums.rest[lane]);
        let log_sum = each(|lane| sums.rest[lane].logarithm_1p::<A>());
        let row_weight = if by_label { *label_weight } else { target_sums.weighted };
        let target = if by_label { each(|lane| certainty * row_weight[lane]) } else { zeros };
        let (mut loss, mut others, mut smoothing) = (zeros, zeros, zeros);
        if self.has_soft_targets() {
            others = each(|lane| certainty * target_sums.weighted[lane]);
        }
        if self.label_smoothing > zero {
            smoothing = each(|lane| self.label_smoothing / target_sums.unmasked[lane]);
            others = each(|lane| others[lane] + smoothing[lane] * target_sums.weight[lane]);
        }
        if self.z_loss > zero {
            let normalizer = each(|lane| sums.max[lane] * self.scale + log_sum[lane]);
            let slope = each(|lane| self.z_loss * row_weight[lane] * normalizer[lane]);
            loss = each(|lane| slope[lane] * normalizer[lane]);
            others = each(|lane| others[lane] + (slope[lane] + slope[lane]));
        }

        let shifted = each(|lane| (at_label[lane] - sums.max[lane]) * self.scale);
        let probability = each(|lane| shifted[lane].decay::<A>() / total[lane]);
        // 1 − probability: the difference would keep few digits near 0.
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
            factor: each(|lane| gradient_scale[lane] * (target[lane] + others[lane]) / total[lane]),
            gradient_scale,
            smoothing,
            at_label: each(|lane| {
                let gained = others[lane] * probability[lane] - smoothed[lane];
                gradient_scale[lane] * (gained - target[lane] * complement[lane])
            }),
        }
    }

    /// True if the row needs the slow path (ignored, NaN or +∞). An error if it is invalid.
    #[inline(always)]
    pub(crate) fn is_unusual(
        &self,
        row: usize,
        sums: &Sums<E>,
        target_sums: &TargetSums<E>,
        lane: usize,
    ) -> Result<bool, Error> {
        if let RowTargets::Probabilities(values) = self.targets {
            let sum = target_sums.probability[lane].as_f64();
            // Half of the tolerance, since each addition of this sum was rounded. NaN fails too.
            let near = (sum - 1.0).abs() <= checks::tolerance::<E>() / 2.0;
            if !(near && target_sums.least[lane] >= E::zero()) {
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

    /// The factor of a row's gradient.
    #[inline(always)]
    pub(super) fn gradient_scale(&self, row: usize) -> E {
        self.normalization * self.scale * self.row_gradients.map_or(E::one(), |values| values[row])
    }

    /// The weight of a class; any number for an ignored label, which need not be a class.
    #[inline(always)]
    pub(super) fn weight(&self, class: usize) -> E {
        self.weights.and_then(|weights| weights.get(class)).copied().unwrap_or(E::one())
    }

    /// The factor of a row's z-loss: the weight of its label, or the mean weight of its distribution.
    pub(crate) fn row_weight(&self, row: usize) -> E {
        match self.targets {
            RowTargets::Labels(labels) => self.weight(labels[row]),
            RowTargets::Probabilities(values) => {
                let values = &values[row * self.classes..(row + 1) * self.classes];
                values.iter().enumerate().map(|(class, &p)| p * self.weight(class)).sum()
            }
        }
    }

    /// Whether surely no row of these lanes needs the slow path: a quick test, which may be too
    /// strict.
    #[inline(always)]
    pub(super) fn are_usual(&self, sums: &Sums<E>, count: usize) -> bool {
        let mut usual = self.ignored.is_none() && matches!(self.targets, RowTargets::Labels(_));
        for lane in 0..count {
            usual &= sums.rest[lane] >= E::zero() && sums.max[lane] > E::neg_infinity();
        }
        usual
    }

    #[inline(always)]
    pub(super) fn is_ignored(&self, row: usize) -> bool {
        match self.targets {
            RowTargets::Labels(labels) => Some(labels[row]) == self.ignored,
            RowTargets::Probabilities(_) => false,
        }
    }

    #[inline(always)]
    pub(crate) fn has_soft_targets(&self) -> bool {
        self.label_smoothing > E::zero() || matches!(self.targets, RowTargets::Probabilities(_))
    }

    #[inline(always)]
    pub(crate) fn soft_targets<'t>(
        &self,
        probabilities: Option<&'t [Tile<E>]>,
        weights: Option<&'t [Tile<E>]>,
    ) -> SoftTargets<'t, E> {
        let certainty = E::one() - self.label_smoothing;
        SoftTargets { probabilities, weights, certainty }
    }
}
