//! What cross-entropy is, in tensor operations: to be read first. Derivatives of the gradient come
//! from here, and the tests compare the [kernel](super::kernel) with it.

use downhill_tensor::{Element, Tensor, keep, operation};
use ndarray::{ArrayD, Axis, Zip};

use super::CrossEntropy;

impl CrossEntropy {
    /// The loss of each row, `[N, 1]`, of logits `[N, C]` against targets `[N, C]`: 1 at the label
    /// and 0 elsewhere, or a distribution. Rows that are not `kept`, `[N, 1]`, count as 0.
    pub(super) fn losses<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
        kept: &ArrayD<bool>,
    ) -> Tensor<E> {
        let [s, weights, smoothed] = self.smoothed(logits, targets, kept);
        let mut losses = -(&smoothed * log_softmax(&s, &smoothed)).sum_axes(keep(-1));
        if self.z_loss > 0.0 {
            let row_weights = (targets * weights).sum_axes(keep(-1));
            let squared = log_sum_exp(&s, logits, &row_weights).square();
            losses += squared * row_weights * E::from_f64(self.z_loss);
        }
        Tensor::select(kept, &losses, &Tensor::scalar(E::zero()))
    }

    /// The derivative of each row's loss with respect to its targets, in which it is linear.
    pub(super) fn target_gradient<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
        kept: &ArrayD<bool>,
    ) -> Tensor<E> {
        let [s, weights, smoothed] = self.smoothed(logits, targets, kept);
        let mut gradient = log_softmax(&s, &smoothed) * E::from_f64(self.label_smoothing - 1.0);
        if self.z_loss > 0.0 {
            let row_weights = (targets * &weights).sum_axes(keep(-1));
            let squared = log_sum_exp(&s, logits, &row_weights).square();
            gradient += squared * E::from_f64(self.z_loss);
        }
        Tensor::select(kept, &(gradient * weights), &Tensor::scalar(E::zero()))
    }

    /// s, the weights, and weight · ((1 − ε) · target + ε / K) of each class.
    fn smoothed<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
        kept: &ArrayD<bool>,
    ) -> [Tensor<E>; 3] {
        let (s, weights) = (self.scaled(logits, kept), self.weights(logits.shape()[1]));
        let certain = targets * E::from_f64(1.0 - self.label_smoothing);
        let smoothed = (certain + self.smoothing(&s)) * &weights;
        [s, weights, smoothed]
    }

    /// s: the logits over the temperature. Those of rows that are not kept may be anything.
    fn scaled<E: Element>(&self, logits: &Tensor<E>, kept: &ArrayD<bool>) -> Tensor<E> {
        let logits = Tensor::select(kept, logits, &Tensor::scalar(E::zero()));
        limit(&logits) * E::from_f64(self.temperature.recip())
    }

    /// The weight of each class.
    fn weights<E: Element>(&self, classes: usize) -> Tensor<E> {
        match &self.class_weights {
            Some(weights) => weights.iter().map(|&w| E::from_f64(w)).collect::<Vec<_>>().into(),
            None => Tensor::ones(&[classes]),
        }
    }

    /// ε / K of each class that is not masked, where K is their number in the row.
    fn smoothing<E: Element>(&self, s: &Tensor<E>) -> Tensor<E> {
        let unmasked = s.array().mapv(|s| f64::from(s != -E::infinity()));
        let counts = unmasked.sum_axis(Axis(1)).insert_axis(Axis(1)).mapv(|count| count.max(1.0));
        (unmasked * self.label_smoothing / counts).mapv(E::from_f64).into()
    }
}

/// s − lse, and 0 for a masked class without a target, which costs nothing: 0 · ∞ is 0 here.
fn log_softmax<E: Element>(s: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
    let is_free = |&s: &E, &target: &E| s == -E::infinity() && target.is_zero();
    let is_free = Zip::from(s.array()).and(targets.array()).map_collect(is_free);
    Tensor::select(&is_free, &Tensor::scalar(E::zero()), &s.log_softmax(-1))
}

/// lse = ln Σ e^s of each row: +∞ where there is an infinite logit, unless the row has no weight.
/// Masked classes get no gradient.
fn log_sum_exp<E: Element>(s: &Tensor<E>, logits: &Tensor<E>, weights: &Tensor<E>) -> Tensor<E> {
    let is_masked = s.mask(|s| s == -E::infinity());
    let s = Tensor::select(&is_masked, &Tensor::scalar(-E::infinity()), s);
    // Less the maximum, a constant, e^(s − lse) keeps its digits however large the logits are.
    let larger = |&max: &E, &s: &E| if s > max { s } else { max };
    let mut shift = s.array().fold_axis(Axis(1), E::min_value(), larger).insert_axis(Axis(1));
    let shifted = (s - Tensor::from(shift.view())).log_sum_exp_axes(keep(-1));
    for ((shift, row), weight) in shift.iter_mut().zip(logits.array().rows()).zip(weights.array()) {
        if has_infinity(row.iter()) && !weight.is_zero() {
            *shift = E::infinity();
        }
    }
    shifted + Tensor::from(shift)
}

/// The logits `[…, C]`. In rows with +∞ their limit, with a derivative of 1: infinite logits leave no
/// probability to finite ones, and share it equally.
pub(crate) fn limit<E: Element>(logits: &Tensor<E>) -> Tensor<E> {
    if !logits.values().contains(&E::infinity()) {
        return logits.clone();
    }
    let mut limit = logits.array().to_owned();
    for mut row in limit.rows_mut() {
        if has_infinity(row.iter()) {
            row.mapv_inplace(|x| if x == E::infinity() { E::zero() } else { -E::infinity() });
        }
    }
    operation::unary("limit", logits, limit, |gradient, _, _| gradient)
}

/// Whether a row of logits has +∞, and no NaN.
fn has_infinity<'a, E: Element>(mut row: impl Iterator<Item = &'a E> + Clone) -> bool {
    row.clone().any(|&x| x == E::infinity()) && !row.any(|x| x.is_nan())
}
