//! Losses that ask for a margin.

use downhill_tensor::{Element, Tensor, operation};

use crate::checks::{check_not_negative, check_shape, check_values, rows_and_classes};
use crate::cross_entropy::array;
use crate::error::Error;
use crate::reduction::{Reduction, reduction_option};
use crate::targets::Labels;

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
#[derive(Debug, Clone, PartialEq)]
pub struct MulticlassHinge {
    margin: f64,
    is_crammer_singer: bool,
    reduction: Reduction,
}

impl Default for MulticlassHinge {
    fn default() -> Self {
        Self { margin: 1.0, is_crammer_singer: false, reduction: Reduction::Mean }
    }
}

/// The mean multi-class hinge loss of scores `[…, C]`: [`MulticlassHinge`] with default options.
///
/// # Errors
///
/// As [`MulticlassHinge::forward`].
pub fn multiclass_hinge<'a, E: Element>(
    scores: &Tensor<E>,
    labels: impl Into<Labels<'a>>,
) -> Result<Tensor<E>, Error> {
    MulticlassHinge::new().forward(scores, labels)
}

impl MulticlassHinge {
    /// Of Weston and Watkins with a margin of 1, reduced to the mean over rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The margin, 0 or more.
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// The loss of Crammer and Singer, which looks at the strongest rival only.
    pub fn crammer_singer(mut self) -> Self {
        self.is_crammer_singer = true;
        self
    }

    reduction_option!();

    /// The loss of scores `[…, C]`: of shape `[]`, or `[…]` with [`Reduction::None`].
    ///
    /// # Errors
    ///
    /// [`Error`] if the margin is out of its range, there are not as many labels as rows, or one
    /// is not a class.
    pub fn forward<'a, E: Element>(
        &self,
        scores: &Tensor<E>,
        labels: impl Into<Labels<'a>>,
    ) -> Result<Tensor<E>, Error> {
        check_not_negative("margin", self.margin)?;
        let shape = scores.shape();
        let (_, classes) = rows_and_classes("scores", shape)?;
        let labels = labels.into().check(shape, None)?;
        let margin = E::from_f64(self.margin);
        // The loss is linear in pieces: its slopes are constants.
        let mut slopes = vec![E::zero(); scores.len()];
        let values = scores.values();
        let rows = values.chunks_exact(classes.max(1)).zip(slopes.chunks_exact_mut(classes.max(1)));
        let losses = rows.zip(&*labels).map(|((x, slopes), &label)| {
            let shortfalls = Shortfalls { x, label, margin };
            match self.is_crammer_singer {
                true => shortfalls.largest(slopes),
                false => shortfalls.mean(slopes),
            }
        });
        let losses = array(&shape[..shape.len() - 1], losses.collect());
        let slopes = Tensor::from(array(shape, slopes));
        let losses = operation::unary("multiclass_hinge", scores, losses, move |upstream, _, _| {
            upstream.unsqueeze(-1) * &slopes
        });
        Ok(self.reduction.apply(losses))
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
            false => self.margin - self.x[self.label] + self.x[rival],
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
            // NaN is let through.
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
/// and −1 for a target of 0 (Cortes & Vapnik, "Support-vector networks", 1995).
///
/// ```
/// use downhill_losses::binary_hinge;
/// use downhill_tensor::Tensor;
///
/// let loss = binary_hinge(&Tensor::from([0.25, -3.0]), &Tensor::from([1.0, 0.0]))?;
/// assert_eq!(loss.item(), 0.75 / 2.0);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryHinge {
    reduction: Reduction,
}

/// The mean binary hinge loss of scores: [`BinaryHinge`] with default options.
///
/// # Errors
///
/// As [`BinaryHinge::forward`].
pub fn binary_hinge<E: Element>(
    scores: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    BinaryHinge::new().forward(scores, targets)
}

impl BinaryHinge {
    /// Reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    reduction_option!();

    /// The loss of scores and targets of one shape. No gradient flows into the targets.
    ///
    /// # Errors
    ///
    /// [`Error`] if the shapes differ or a target is neither 0 nor 1.
    pub fn forward<E: Element>(
        &self,
        scores: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_shape("targets", targets, scores.shape())?;
        check_values("targets", targets, "0 or 1", |t| t.is_zero() || t.is_one())?;
        let minus_sign = targets.detach() * E::from_f64(-2.0) + E::one();
        Ok(self.reduction.apply((scores * minus_sign + E::one()).relu()))
    }
}
