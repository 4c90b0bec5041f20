//! Losses that ask for a margin.

use downhill_tensor::{Element, Tensor, operation};

use crate::checks;
use crate::elementwise::{Elementwise, ElementwiseRule};
use crate::error::Error;
use crate::of_labels::{LabelRule, OfLabels, weigh};
use crate::reduction::array;
use crate::targets::IntoLabels;
use crate::wrapper::{options, plain_function};

/// Multi-class hinge loss of scores x `[…, C]`, by label y: for each row
/// Σ_{c ≠ y} max(0, margin − x_y + x_c) / C (Weston & Watkins, "Support vector machines for
/// multi-class pattern recognition", 1999), or, after
/// [`crammer_singer`](Self::crammer_singer), max(0, margin − x_y + max_{c ≠ y} x_c) (Crammer &
/// Singer, "On the algorithmic implementation of multiclass kernel-based vector machines", 2001).
///
/// A score of −∞, a masked class, asks for no margin. Of several equal rivals the first gets the
/// gradient.
///
/// ```
/// use downhill_losses::MulticlassHinge;
/// use downhill_tensor::Tensor;
///
/// let scores = Tensor::from([[2.0, 1.5, -1.0]]);
/// let loss = MulticlassHinge::new().crammer_singer().forward(&scores, &[0])?;
/// assert_eq!(loss.item(), 0.5);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type MulticlassHinge = OfLabels<MulticlassHingeRule>;

options! {
    /// The rule of [`MulticlassHinge`].
    MulticlassHingeRule in rule of MulticlassHinge {
        /// The margin, 0 or more; 1 unless set.
        margin(margin: f64): f64 = 1.0 => margin;
        /// The loss of Crammer and Singer, which looks at the strongest rival only.
        crammer_singer(): bool = false => true;
        /// The weight of each class, finite and not negative, by which the losses of rows with its
        /// label are multiplied; 1 unless set. The mean divides by the number of rows, as PyTorch
        /// does.
        class_weights(class_weights: impl Into<Vec<f64>>): Option<Vec<f64>> =
            None => Some(class_weights.into());
    }
}

impl LabelRule for MulticlassHingeRule {
    const INPUT: &'static str = "scores";

    fn validate(&self, classes: usize) -> Result<(), Error> {
        checks::not_negative("margin", self.margin)?;
        let weights = self.class_weights.as_deref();
        weights.map_or(Ok(()), |weights| checks::class_weights("class_weights", weights, classes))
    }

    fn losses<E: Element>(&self, scores: &Tensor<E>, labels: &[usize]) -> Result<Tensor<E>, Error> {
        let (shape, margin) = (scores.shape(), E::from_f64(self.margin));
        let classes = shape[shape.len() - 1].max(1);
        // The loss is linear in pieces: its slopes are constants.
        let mut slopes = vec![E::zero(); scores.len()];
        let values = scores.values();
        let rows = values.chunks_exact(classes).zip(slopes.chunks_exact_mut(classes));
        let losses = rows.zip(labels).map(|((x, slopes), &label)| {
            let shortfalls = Shortfalls { x, label, margin };
            match self.crammer_singer {
                true => shortfalls.largest(slopes),
                false => shortfalls.mean(slopes),
            }
        });
        let losses = array(&shape[..shape.len() - 1], losses.collect());
        let slopes = Tensor::from(array(shape, slopes));
        let losses = operation::unary("multiclass_hinge", scores, losses, move |gradient, _, _| {
            gradient.unsqueeze(-1) * &slopes
        });
        Ok(weigh(losses, self.class_weights.as_deref(), labels))
    }
}

/// The scores of a row and what they ought to keep from that of the label.
struct Shortfalls<'a, E> {
    x: &'a [E],
    label: usize,
    margin: E,
}

impl<E: Element> Shortfalls<'_, E> {
    /// By how much a rival comes closer than the margin.
    fn of(&self, rival: usize) -> E {
        match self.x[rival] == E::neg_infinity() {
            true => E::zero(),
            // Equal scores lack the whole margin, infinite ones, too.
            false if self.x[rival] == self.x[self.label] => self.margin,
            false => self.margin + (self.x[rival] - self.x[self.label]),
        }
    }

    fn rivals(&self) -> impl Iterator<Item = usize> {
        (0..self.x.len()).filter(|&class| class != self.label)
    }

    /// The sum of the shortfalls over the number of classes; writes the slopes.
    fn mean(&self, slopes: &mut [E]) -> E {
        let mut loss = E::zero();
        let share = E::from_usize(self.x.len()).recip();
        for rival in self.rivals() {
            let shortfall = self.of(rival);
            // NaN stays NaN.
            if shortfall > E::zero() || shortfall.is_nan() {
                loss += shortfall;
                slopes[rival] = share;
                slopes[self.label] -= share;
            }
        }
        loss * share
    }

    /// The largest shortfall; writes the slopes.
    fn largest(&self, slopes: &mut [E]) -> E {
        let (mut loss, mut strongest) = (E::zero(), None);
        for rival in self.rivals() {
            let shortfall = self.of(rival);
            if shortfall > loss || shortfall.is_nan() {
                (loss, strongest) = (shortfall, Some(rival));
            }
        }
        if let Some(rival) = strongest {
            slopes[rival] = E::one();
            slopes[self.label] = -E::one();
        }
        loss
    }
}

/// Binary hinge loss of scores x, elementwise: max(0, 1 − s · x), where s is 1 for a target of 1
/// and −1 for a target of 0 (Cortes & Vapnik, "Support-vector networks", 1995). No gradient flows into
/// the targets.
///
/// ```
/// use downhill_losses::binary_hinge;
/// use downhill_tensor::Tensor;
///
/// let loss = binary_hinge(&Tensor::from([0.25, -3.0]), &Tensor::from([1.0, 0.0]))?;
/// assert_eq!(loss.item(), 0.75 / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type BinaryHinge = Elementwise<BinaryHingeRule>;

/// The rule of [`BinaryHinge`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryHingeRule;

impl ElementwiseRule for BinaryHingeRule {
    fn check<E: Element>(&self, _scores: &Tensor<E>, targets: &Tensor<E>) -> Result<(), Error> {
        checks::values("targets", targets, "0 or 1", |t| t.is_zero() || t.is_one())
    }

    fn losses<E: Element>(&self, scores: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
        let minus_sign = targets.detach() * E::from_f64(-2.0) + E::one();
        (scores * minus_sign + E::one()).relu()
    }
}

plain_function!(multiclass_hinge: MulticlassHinge(scores, labels: impl IntoLabels<'a>));
plain_function!(binary_hinge: BinaryHinge(scores, targets));
