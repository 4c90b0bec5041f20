//! What infinite logits mean: softmax and its normaliser with their limits, and with 0 · ∞ = 0.

use downhill_tensor::{Element, Tensor, keep, operation};
use ndarray::{Axis, Zip};

/// s − lse, and 0 for a masked class without a target, which costs nothing: 0 · ∞ is 0 here.
pub(super) fn log_softmax<E: Element>(s: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
    let is_free = |&s: &E, &target: &E| s == -E::infinity() && target.is_zero();
    let is_free = Zip::from(s.array()).and(targets.array()).map_collect(is_free);
    Tensor::select(&is_free, &Tensor::scalar(E::zero()), &s.log_softmax(-1))
}

/// lse = ln Σ e^s of each row: +∞ where there is an infinite logit, unless the row has no weight.
/// Masked classes get no gradient.
pub(super) fn log_sum_exp<E: Element>(
    s: &Tensor<E>,
    logits: &Tensor<E>,
    weights: &Tensor<E>,
) -> Tensor<E> {
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
