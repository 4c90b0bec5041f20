//! Loss and gradient for soft targets: distributions and label smoothing, where every class has a
//! target.

use downhill_tensor::Element;

use super::exponentials::{LANES, Tile, each, through_memory, total};

/// The target of each class, weight · (`certainty` · probability + smoothing). The smoothing is 0
/// where the logit is −∞.
#[derive(Clone, Copy)]
pub(crate) struct SoftTargets<'a, E> {
    /// None where the targets are labels: the label's own term is added separately, and the
    /// probabilities count as 0.
    pub(crate) probabilities: Option<&'a [Tile<E>]>,
    /// None where all are 1.
    pub(crate) weights: Option<&'a [Tile<E>]>,
    /// 1 − label smoothing.
    pub(crate) certainty: E,
}

/// Sums over the classes, in each lane, that the loss of soft targets depends on.
#[derive(Clone, Copy)]
pub(crate) struct TargetSums<E> {
    /// The number of classes whose logit is not −∞.
    pub(crate) unmasked: Tile<E>,
    /// The sum of their weights.
    pub(crate) weight: Tile<E>,
    /// The sum of the probabilities.
    pub(crate) probability: Tile<E>,
    /// The sum of the probabilities times their weights.
    pub(crate) weighted: Tile<E>,
    /// The least of the probabilities and 0.
    pub(crate) least: Tile<E>,
}

/// Loss and gradient factors of the row in each lane, which follow from its sums.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<E> {
    /// The loss, without that of soft targets.
    pub(crate) loss: Tile<E>,
    pub(crate) max: Tile<E>,
    /// ln Σ e^((x − max) · scale).
    pub(crate) log_sum: Tile<E>,
    /// The gradient is this times the exponentials, which are relative to the maximum, …
    pub(crate) factor: Tile<E>,
    /// … less this times the targets.
    pub(crate) gradient_scale: Tile<E>,
    /// The smoothing mass of each class that is not masked.
    pub(crate) smoothing: Tile<E>,
    /// The gradient at the label.
    pub(crate) at_label: Tile<E>,
}

impl<E: Element> Outcome<E> {
    /// The outcome of the row in one lane, in every lane.
    #[inline(always)]
    pub(crate) fn in_every_lane(&self, lane: usize) -> Self {
        Self {
            loss: [self.loss[lane]; LANES],
            max: [self.max[lane]; LANES],
            log_sum: [self.log_sum[lane]; LANES],
            factor: [self.factor[lane]; LANES],
            gradient_scale: [self.gradient_scale[lane]; LANES],
            smoothing: [self.smoothing[lane]; LANES],
            at_label: [self.at_label[lane]; LANES],
        }
    }
}

/// A number for each class: a slice, or one number for all. Loops are compiled separately for each.
trait PerClass<E>: Copy {
    fn at(self, tile: usize) -> Tile<E>;
}

impl<E: Element> PerClass<E> for &[Tile<E>] {
    #[inline(always)]
    fn at(self, tile: usize) -> Tile<E> {
        self[tile]
    }
}

#[derive(Clone, Copy)]
struct All<E>(E);

impl<E: Element> PerClass<E> for All<E> {
    #[inline(always)]
    fn at(self, _: usize) -> Tile<E> {
        [self.0; LANES]
    }
}

/// The arguments that [`SoftTargets::finish`] passes on.
type Finish<'a, E> = (&'a mut Tile<E>, &'a [Tile<E>], &'a mut [Tile<E>], &'a Outcome<E>, E, E);

impl<E: Element> SoftTargets<'_, E> {
    /// Turns the exponentials in `out` into the gradient, and adds the loss of the targets to
    /// `loss`: Σ target · (log_sum − shifted), where shifted is (x − max) · scale. The exponentials
    /// are `ratio` times those relative to the row's maximum.
    #[inline(always)]
    pub(crate) fn finish(
        &self,
        loss: &mut Tile<E>,
        x: &[Tile<E>],
        out: &mut [Tile<E>],
        outcome: &Outcome<E>,
        ratio: E,
        scale: E,
    ) {
        let rest = (loss, x, out, outcome, ratio, scale);
        match (self.probabilities, self.weights) {
            (None, None) => self.finish_with(All(E::zero()), All(E::one()), rest),
            (None, Some(weights)) => self.finish_with(All(E::zero()), weights, rest),
            (Some(values), None) => self.finish_with(values, All(E::one()), rest),
            (Some(values), Some(weights)) => self.finish_with(values, weights, rest),
        }
    }

    #[inline(always)]
    fn finish_with(
        &self,
        probabilities: impl PerClass<E>,
        weights: impl PerClass<E>,
        (loss, x, out, outcome, ratio, scale): Finish<'_, E>,
    ) {
        let factor = each(|lane| outcome.factor[lane] * ratio);
        let mut lanes = *loss;
        // Each line is a loop of its own over the lanes: one loop for all would not vectorise.
        for (tile, (x, out)) in x.iter().zip(out).enumerate() {
            let (p, weight) = (probabilities.at(tile), weights.at(tile));
            let smoothing = unmasked(x, &outcome.smoothing);
            let target = each(|lane| weight[lane] * (self.certainty * p[lane] + smoothing[lane]));
            let shifted = each(|lane| (x[lane] - outcome.max[lane]) * scale);
            let log_ratio = each(|lane| outcome.log_sum[lane] - shifted[lane]);
            // 0 · ∞ is 0 here: a masked class without a target costs nothing.
            let zero = E::zero();
            let term = each(|lane| target[lane] * log_ratio[lane]);
            let term = each(|lane| if target[lane] == zero { zero } else { term[lane] });
            lanes = each(|lane| lanes[lane] + term[lane]);
            *out =
                each(|lane| out[lane] * factor[lane] - outcome.gradient_scale[lane] * target[lane]);
        }
        let lanes = through_memory(lanes);
        *loss = lanes;
    }
}

/// The values where the logit is not −∞, and 0 elsewhere.
#[inline(always)]
fn unmasked<E: Element>(x: &Tile<E>, values: &Tile<E>) -> Tile<E> {
    each(|lane| if x[lane] == E::neg_infinity() { E::zero() } else { values[lane] })
}

impl<E: Element> TargetSums<E> {
    /// The sums over no classes.
    #[inline(always)]
    pub(crate) fn zero() -> Self {
        let zero = [E::zero(); LANES];
        Self { unmasked: zero, weight: zero, probability: zero, weighted: zero, least: zero }
    }

    /// Adds the sums over some classes. They are summed up on their own first: many small numbers
    /// added to a large one would each lose digits.
    #[inline(always)]
    pub(crate) fn add(&mut self, x: &[Tile<E>], soft_targets: &SoftTargets<'_, E>) {
        match soft_targets.weights {
            None => self.add_unmasked(x, All(E::one())),
            Some(weights) => self.add_unmasked(x, weights),
        }
        match (soft_targets.probabilities, soft_targets.weights) {
            (None, _) => {}
            (Some(values), None) => self.add_probabilities(values, All(E::one())),
            (Some(values), Some(weights)) => self.add_probabilities(values, weights),
        }
    }

    #[inline(always)]
    fn add_unmasked(&mut self, x: &[Tile<E>], weights: impl PerClass<E>) {
        let (mut count, mut weight) = ([E::zero(); LANES], [E::zero(); LANES]);
        for (tile, x) in x.iter().enumerate() {
            let (ones, weights) = (unmasked(x, &[E::one(); LANES]), unmasked(x, &weights.at(tile)));
            count = each(|lane| count[lane] + ones[lane]);
            weight = each(|lane| weight[lane] + weights[lane]);
        }
        let [count, weight] = through_memory([count, weight]);
        self.unmasked = each(|lane| self.unmasked[lane] + count[lane]);
        self.weight = each(|lane| self.weight[lane] + weight[lane]);
    }

    #[inline(always)]
    fn add_probabilities(&mut self, values: &[Tile<E>], weights: impl PerClass<E>) {
        let (mut sum, mut weighted, mut least) =
            ([E::zero(); LANES], [E::zero(); LANES], self.least);
        for (tile, p) in values.iter().enumerate() {
            let weight = weights.at(tile);
            sum = each(|lane| sum[lane] + p[lane]);
            weighted = each(|lane| weighted[lane] + p[lane] * weight[lane]);
            least = each(|lane| if p[lane] < least[lane] { p[lane] } else { least[lane] });
        }
        let [sum, weighted, least] = through_memory([sum, weighted, least]);
        self.probability = each(|lane| self.probability[lane] + sum[lane]);
        self.weighted = each(|lane| self.weighted[lane] + weighted[lane]);
        self.least = least;
    }

    /// The sums over both sets of classes.
    #[inline(always)]
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            unmasked: each(|lane| self.unmasked[lane] + other.unmasked[lane]),
            weight: each(|lane| self.weight[lane] + other.weight[lane]),
            probability: each(|lane| self.probability[lane] + other.probability[lane]),
            weighted: each(|lane| self.weighted[lane] + other.weighted[lane]),
            least: each(|lane| self.least[lane].min(other.least[lane])),
        }
    }

    /// The sums over all lanes, which share one row, in every lane.
    #[inline(always)]
    pub(crate) fn over_lanes(self) -> Self {
        Self {
            unmasked: total(self.unmasked),
            weight: total(self.weight),
            probability: total(self.probability),
            weighted: total(self.weighted),
            least: [self.least.into_iter().fold(E::zero(), E::min); LANES],
        }
    }

    /// Replaces the sums in one lane by those of a row, which are the same in every lane.
    #[inline(always)]
    pub(crate) fn put(&mut self, lane: usize, row: &Self) {
        self.unmasked[lane] = row.unmasked[lane];
        self.weight[lane] = row.weight[lane];
        self.probability[lane] = row.probability[lane];
        self.weighted[lane] = row.weighted[lane];
        self.least[lane] = row.least[lane];
    }
}
