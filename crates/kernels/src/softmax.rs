//! The log-sum-exp of a row.

use crate::element::Element;
use crate::lanes::{LANES, maximum};
use crate::vectorize::{Arithmetic, Vectorized, vectorize_arithmetic};

/// Writes e^(x − max) of a row, whose largest value is `max`, to `out`, and returns their sum.
#[inline(always)]
fn exponentials<A: Arithmetic, E: Element>(row: &[E], max: E, out: &mut [E]) -> E {
    let mut lanes = [E::zero(); LANES];
    let (blocks, mut last) = padded(row);
    let (outs, out_rest) = out.as_chunks_mut::<LANES>();
    for (block, out) in blocks.iter().zip(outs) {
        for ((lane, &x), out) in lanes.iter_mut().zip(block).zip(out) {
            *out = (x - max).decay::<A>();
            *lane += *out;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(&mut last) {
        *x = (*x - max).decay::<A>();
        *lane += *x;
    }
    out_rest.copy_from_slice(&last[..out_rest.len()]);
    lanes.into_iter().sum()
}

/// ln Σ e^(x − max) over a row, whose largest value is `max`. Its term, which is 1, is kept apart, so
/// that the logarithm keeps its digits where the others are small.
#[inline(always)]
fn log_sum<A: Arithmetic, E: Element>(row: &[E], max: E) -> E {
    let (mut largest, mut others) = ([E::zero(); LANES], [E::zero(); LANES]);
    let (blocks, last) = padded(row);
    for block in blocks.iter().chain([&last]) {
        for ((largest, other), &x) in largest.iter_mut().zip(&mut others).zip(block) {
            let exponential = (x - max).decay::<A>();
            *largest += if x == max { E::one() } else { E::zero() };
            *other += if x == max { E::zero() } else { exponential };
        }
    }
    let more = largest.into_iter().sum::<E>() - E::one();
    let mut others: E = others.into_iter().sum();
    // Where this is all there is, exponentials below the least normal number count.
    let least = E::min_positive_value() * E::from_f64(1e5 * row.len() as f64);
    if more == E::zero() && others < least {
        others = sum_of_small(row, max);
    }
    (more + others).logarithm_1p::<A>()
}

/// The sum of e^(x − max) over what is less than the maximum, in which nothing is too small to count.
#[cold]
#[inline(never)]
fn sum_of_small<E: Element>(row: &[E], max: E) -> E {
    let lesser = row.iter().filter(|&&x| x < max);
    E::from_f64(lesser.map(|&x| (x - max).as_f64().exp()).sum())
}

/// A row in blocks, the last of them padded with −∞, which adds nothing, so that a short row takes one
/// pass, too.
#[inline(always)]
fn padded<E: Element>(row: &[E]) -> (&[[E; LANES]], [E; LANES]) {
    let (blocks, rest) = row.as_chunks();
    let mut last = [E::neg_infinity(); LANES];
    last[..rest.len()].copy_from_slice(rest);
    (blocks, last)
}

/// ln Σ eˣ over a row, shifted by its maximum: −∞ where every value is −∞ or there is none, +∞
/// where one is, NaN where one is.
#[inline(never)]
pub fn log_sum_exp<E: Element>(row: &[E]) -> E {
    struct LogSumExp<'a, E>(&'a [E]);
    impl<E: Element> Vectorized for LogSumExp<'_, E> {
        type Output = E;

        #[inline(always)]
        fn run<A: Arithmetic>(self) -> E {
            let max = maximum(self.0);
            match max.is_finite() {
                true => max + log_sum::<A, E>(self.0, max),
                false => max,
            }
        }
    }
    vectorize_arithmetic(LogSumExp(row))
}

/// e^(x − max) / Σ e^(x − max) of a row.
#[inline(never)]
pub fn softmax<E: Element>(row: &[E], out: &mut [E]) {
    struct Softmax<'a, E>(&'a [E], &'a mut [E]);
    impl<E: Element> Vectorized for Softmax<'_, E> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            let Self(row, out) = self;
            let max = maximum(row);
            let scale = exponentials::<A, E>(row, max, out).recip();
            for out in out {
                *out *= scale;
            }
        }
    }
    vectorize_arithmetic(Softmax(row, out));
}

/// x − ln Σ eˣ of a row.
#[inline(never)]
pub fn log_softmax<E: Element>(row: &[E], out: &mut [E]) {
    struct LogSoftmax<'a, E>(&'a [E], &'a mut [E]);
    impl<E: Element> Vectorized for LogSoftmax<'_, E> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            let Self(row, out) = self;
            let max = maximum(row);
            let log_sum = if max.is_finite() { log_sum::<A, E>(row, max) } else { E::nan() };
            for (out, &x) in out.iter_mut().zip(row) {
                *out = (x - max) - log_sum;
            }
        }
    }
    vectorize_arithmetic(LogSoftmax(row, out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_keep_their_digits_where_one_value_is_far_above_the_others() {
        for len in [2, 15, 16, 17, 100] {
            let mut row = vec![-12.0_f32; len];
            row[len / 2] = 0.0;
            let truth = ((len - 1) as f64 * (-12.0_f64).exp()).ln_1p();
            approx::assert_relative_eq!(f64::from(log_sum_exp(&row)), truth, max_relative = 3e-7);
            let mut out = vec![0.0; len];
            log_softmax(&row, &mut out);
            approx::assert_relative_eq!(f64::from(-out[len / 2]), truth, max_relative = 3e-7);
        }
        // Each of the others is less than the least normal number, and their sum is not.
        let mut row = vec![0.0_f32; 100_001];
        row[7] = 88.0;
        let mut out = vec![0.0; row.len()];
        log_softmax(&row, &mut out);
        let truth = 1e5 * (-88.0_f64).exp();
        approx::assert_relative_eq!(f64::from(-out[7]), truth, max_relative = 3e-7);
        // Of several that are the largest, one is kept apart.
        approx::assert_relative_eq!(log_sum_exp(&[3.0_f64; 40]), 3.0 + 40.0_f64.ln());
    }
}
