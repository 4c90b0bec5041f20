//! The log-sum-exp of a row.

use super::vectorize;
use crate::element::Element;

const LANES: usize = 16;

/// The largest value of a row: −∞ of an empty one, NaN if any value is.
#[inline(always)]
pub(crate) fn maximum<E: Element>(row: &[E]) -> E {
    let mut lanes = [E::neg_infinity(); LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = keep_larger(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = keep_larger(*lane, x);
    }
    lanes.into_iter().fold(E::neg_infinity(), keep_larger)
}

/// The larger of two, or NaN once one was NaN.
#[inline(always)]
fn keep_larger<E: Element>(max: E, x: E) -> E {
    // A NaN `max` compares false with everything and stays; a NaN `x` is taken by the second test.
    if x > max || x.is_nan() { x } else { max }
}

/// Σ e^(x − shift) over a row.
#[inline(always)]
pub(crate) fn sum_of_exponentials<E: Element>(row: &[E], shift: E) -> E {
    let mut lanes = [E::zero(); LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += (x - shift).exponential();
        }
    }
    // The rest is filled up with what adds nothing, so that a short row takes one pass, too.
    let mut last = [E::neg_infinity(); LANES];
    last[..rest.len()].copy_from_slice(rest);
    for (lane, &x) in lanes.iter_mut().zip(&last) {
        *lane += (x - shift).exponential();
    }
    lanes.into_iter().sum()
}

/// ln Σ eˣ over a row, shifted by its maximum: −∞ where every value is −∞ or there is none, +∞
/// where one is, NaN where one is.
#[inline(always)]
pub(crate) fn log_sum_exp<E: Element>(row: &[E]) -> E {
    let max = maximum(row);
    if max.is_finite() { max + sum_of_exponentials(row, max).ln() } else { max }
}

/// e^(x − max) / Σ e^(x − max) of a row.
pub(crate) fn softmax<E: Element>(row: &[E], out: &mut [E]) {
    vectorize(|| {
        let max = maximum(row);
        for (out, &x) in out.iter_mut().zip(row) {
            *out = (x - max).exponential();
        }
        let scale = sum_of_exponentials(row, max).recip();
        for out in out {
            *out *= scale;
        }
    });
}

/// x − ln Σ eˣ of a row.
pub(crate) fn log_softmax<E: Element>(row: &[E], out: &mut [E]) {
    vectorize(|| {
        let max = maximum(row);
        let log_sum = sum_of_exponentials(row, max).ln();
        for (out, &x) in out.iter_mut().zip(row) {
            *out = (x - max) - log_sum;
        }
    });
}
