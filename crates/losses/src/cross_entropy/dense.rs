//! The loops of cross-entropy over targets that reach every class.

use downhill_tensor::Element;

use super::lanes::{LANES, Tile, each, settled, total};

/// Targets by probabilities, label smoothing or both. The target of a class is
/// weight · (`certainty` · probability + smoothing), the smoothing being 0 where the logit is −∞.
#[derive(Clone, Copy)]
pub(super) struct Dense<'a, E> {
    /// None where the targets are labels: the probabilities are then 0, and the label is seen to
    /// apart.
    pub(super) probabilities: Option<&'a [Tile<E>]>,
    /// None where all are 1.
    pub(super) weights: Option<&'a [Tile<E>]>,
    /// 1 − label smoothing.
    pub(super) certainty: E,
}

/// What must be known of dense targets before their loss can be, in each lane.
#[derive(Clone, Copy)]
pub(super) struct Counts<E> {
    /// The number of classes whose logit is not −∞.
    pub(super) unmasked: Tile<E>,
    /// The sum of their weights.
    pub(super) weight: Tile<E>,
    /// The sum of the probabilities.
    pub(super) probability: Tile<E>,
    /// The sum of the probabilities times their weights.
    pub(super) weighted: Tile<E>,
    /// The least of the probabilities and 0.
    pub(super) least: Tile<E>,
}

/// What is known of the row in each lane once its exponentials are summed up.
#[derive(Clone, Copy)]
pub(super) struct Outcome<E> {
    /// The loss, without that of dense targets.
    pub(super) loss: Tile<E>,
    pub(super) max: Tile<E>,
    /// ln Σ e^((x − max) · scale).
    pub(super) log_sum: Tile<E>,
    /// What the exponentials, relative to the maximum, are multiplied with to give the gradient.
    pub(super) factor: Tile<E>,
    /// What the targets are multiplied with.
    pub(super) upstream: Tile<E>,
    /// The smoothing mass of each class that is not masked.
    pub(super) smoothing: Tile<E>,
    /// The gradient at the label.
    pub(super) at_label: Tile<E>,
}

impl<E: Element> Outcome<E> {
    /// That of the row in one lane, in every lane.
    #[inline(always)]
    pub(super) fn in_every_lane(&self, lane: usize) -> Self {
        Self {
            loss: [self.loss[lane]; LANES],
            max: [self.max[lane]; LANES],
            log_sum: [self.log_sum[lane]; LANES],
            factor: [self.factor[lane]; LANES],
            upstream: [self.upstream[lane]; LANES],
            smoothing: [self.smoothing[lane]; LANES],
            at_label: [self.at_label[lane]; LANES],
        }
    }
}

/// A number for each class: a slice, or one number for all, for which loops are compiled apart.
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

/// The arguments that [`Dense::finish`] hands on.
type Finish<'a, E> = (&'a mut Tile<E>, &'a [Tile<E>], &'a mut [Tile<E>], &'a Outcome<E>, E, E);

impl<E: Element> Dense<'_, E> {
    /// Multiplies the exponentials by the row's factor times `ratio` and subtracts upstream times
    /// the targets, which gives the gradient. Adds to `loss` that of the targets:
    /// Σ target · (log_sum − shifted), where shifted is (x − max) · scale.
    #[inline(always)]
    pub(super) fn finish(
        &self,
        loss: &mut Tile<E>,
        x: &[Tile<E>],
        out: &mut [Tile<E>],
        rows: &Outcome<E>,
        ratio: E,
        scale: E,
    ) {
        let rest = (loss, x, out, rows, ratio, scale);
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
        (loss, x, out, rows, ratio, scale): Finish<'_, E>,
    ) {
        let factor = each(|lane| rows.factor[lane] * ratio);
        let mut lanes = *loss;
        // Each line is a loop of its own over the lanes: all in one would not always vectorise.
        for (tile, (x, out)) in x.iter().zip(out).enumerate() {
            let (p, weight) = (probabilities.at(tile), weights.at(tile));
            let smoothing = unmasked(x, &rows.smoothing);
            let target = each(|lane| weight[lane] * (self.certainty * p[lane] + smoothing[lane]));
            let shifted = each(|lane| (x[lane] - rows.max[lane]) * scale);
            let log_ratio = each(|lane| rows.log_sum[lane] - shifted[lane]);
            // 0 · ∞ is 0 here: what is impossible and not wanted costs nothing.
            let zero = E::zero();
            let part = each(|lane| target[lane] * log_ratio[lane]);
            let part = each(|lane| if target[lane] == zero { zero } else { part[lane] });
            lanes = each(|lane| lanes[lane] + part[lane]);
            *out = each(|lane| out[lane] * factor[lane] - rows.upstream[lane] * target[lane]);
        }
        let lanes = settled(lanes);
        *loss = lanes;
    }
}

/// The values where the logit is not −∞, and 0 elsewhere.
#[inline(always)]
fn unmasked<E: Element>(x: &Tile<E>, values: &Tile<E>) -> Tile<E> {
    each(|lane| if x[lane] == E::neg_infinity() { E::zero() } else { values[lane] })
}

impl<E: Element> Counts<E> {
    /// The counts of no classes.
    #[inline(always)]
    pub(super) fn zero() -> Self {
        let zero = [E::zero(); LANES];
        Self { unmasked: zero, weight: zero, probability: zero, weighted: zero, least: zero }
    }

    /// Adds those of some classes, which are first summed up on their own: many small numbers added
    /// to a large one would each lose digits.
    #[inline(always)]
    pub(super) fn add(&mut self, x: &[Tile<E>], dense: &Dense<'_, E>) {
        match dense.weights {
            None => self.add_unmasked(x, All(E::one())),
            Some(weights) => self.add_unmasked(x, weights),
        }
        match (dense.probabilities, dense.weights) {
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
        let [count, weight] = settled([count, weight]);
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
        let [sum, weighted, least] = settled([sum, weighted, least]);
        self.probability = each(|lane| self.probability[lane] + sum[lane]);
        self.weighted = each(|lane| self.weighted[lane] + weighted[lane]);
        self.least = least;
    }

    /// Those of two parts of the classes.
    #[inline(always)]
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            unmasked: each(|lane| self.unmasked[lane] + other.unmasked[lane]),
            weight: each(|lane| self.weight[lane] + other.weight[lane]),
            probability: each(|lane| self.probability[lane] + other.probability[lane]),
            weighted: each(|lane| self.weighted[lane] + other.weighted[lane]),
            least: each(|lane| self.least[lane].min(other.least[lane])),
        }
    }

    /// Adds up the lanes, which are parts of one row, in every lane.
    #[inline(always)]
    pub(super) fn over_lanes(self) -> Self {
        Self {
            unmasked: total(self.unmasked),
            weight: total(self.weight),
            probability: total(self.probability),
            weighted: total(self.weighted),
            least: [self.least.into_iter().fold(E::zero(), E::min); LANES],
        }
    }

    /// Makes those of a row, which are the same in every lane, those of one lane.
    #[inline(always)]
    pub(super) fn put(&mut self, lane: usize, row: &Self) {
        self.unmasked[lane] = row.unmasked[lane];
        self.weight[lane] = row.weight[lane];
        self.probability[lane] = row.probability[lane];
        self.weighted[lane] = row.weighted[lane];
        self.least[lane] = row.least[lane];
    }
}
