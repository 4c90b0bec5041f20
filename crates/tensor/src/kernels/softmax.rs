//! The log-sum-exp of a row.

use super::{Arithmetic, Vectorized, vectorize_arithmetic};
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

/// Σ e^(x − shift) over a row, none of which is above `shift`; each term goes to `out` as well, if
/// that is not empty.
#[inline(always)]
fn sum_of_exponentials<A: Arithmetic, E: Element>(row: &[E], shift: E, out: &mut [E]) -> E {
    let mut lanes = [E::zero(); LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    // The rest is filled up with what adds nothing, so that a short row takes one pass, too.
    let mut last = [E::neg_infinity(); LANES];
    last[..rest.len()].copy_from_slice(rest);
    if out.is_empty() {
        for chunk in chunks.iter().chain([&last]) {
            for (lane, &x) in lanes.iter_mut().zip(chunk) {
                *lane += (x - shift).decay::<A>();
            }
        }
    } else {
        let (outs, out_rest) = out.as_chunks_mut::<LANES>();
        for (chunk, out) in chunks.iter().zip(outs) {
            for ((lane, &x), out) in lanes.iter_mut().zip(chunk).zip(out) {
                *out = (x - shift).decay::<A>();
                *lane += *out;
            }
        }
        for (lane, x) in lanes.iter_mut().zip(&mut last) {
            *x = (*x - shift).decay::<A>();
            *lane += *x;
        }
        out_rest.copy_from_slice(&last[..rest.len()]);
    }
    lanes.into_iter().sum()
}

/// ln Σ eˣ over a row, shifted by its maximum: −∞ where every value is −∞ or there is none, +∞
/// where one is, NaN where one is.
pub(crate) fn log_sum_exp<E: Element>(row: &[E]) -> E {
    struct LogSumExp<'a, E>(&'a [E]);
    impl<E: Element> Vectorized for LogSumExp<'_, E> {
        type Output = E;

        #[inline(always)]
        fn run<A: Arithmetic>(self) -> E {
            let max = maximum(self.0);
            match max.is_finite() {
                true => max + sum_of_exponentials::<A, E>(self.0, max, &mut []).ln(),
                false => max,
            }
        }
    }
    vectorize_arithmetic(LogSumExp(row))
}

/// e^(x − max) / Σ e^(x − max) of a row.
pub(crate) fn softmax<E: Element>(row: &[E], out: &mut [E]) {
    struct Softmax<'a, E>(&'a [E], &'a mut [E]);
    impl<E: Element> Vectorized for Softmax<'_, E> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            let Self(row, out) = self;
            let max = maximum(row);
            let scale = sum_of_exponentials::<A, E>(row, max, out).recip();
            for out in out {
                *out *= scale;
            }
        }
    }
    vectorize_arithmetic(Softmax(row, out));
}

/// x − ln Σ eˣ of a row.
pub(crate) fn log_softmax<E: Element>(row: &[E], out: &mut [E]) {
    struct LogSoftmax<'a, E>(&'a [E], &'a mut [E]);
    impl<E: Element> Vectorized for LogSoftmax<'_, E> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            let Self(row, out) = self;
            let max = maximum(row);
            let log_sum = sum_of_exponentials::<A, E>(row, max, &mut []).ln();
            for (out, &x) in out.iter_mut().zip(row) {
                *out = (x - max) - log_sum;
            }
        }
    }
    vectorize_arithmetic(LogSoftmax(row, out));
}
