//! Loops over slices that fill the vector registers at any length: block by block, a value for each
//! lane. The compiler's own vectorisation leaves a row too short for its unrolled loop to single
//! steps, and does not reorder a sum at all.
//!
//! They are inlined into kernels that are [vectorized](crate::vectorize).
//!
//! ```
//! use downhill_kernels::{lanes, vectorize};
//!
//! let (x, y) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
//! let dot_product = vectorize(|| lanes::sum(&x, &y, |x: f64, y| x * y));
//! assert_eq!(dot_product, 32.0);
//! ```

use crate::element::Element;

/// The number of lanes: of `f32` in the longest vector registers there are.
pub const LANES: usize = 16;

/// Writes f(x) for the values of several slices, all as long as `out`.
#[inline(always)]
pub fn map<E: Element, const N: usize>(out: &mut [E], x: [&[E]; N], f: impl Fn([E; N]) -> E) {
    let (blocks, rest) = out.as_chunks_mut::<LANES>();
    let whole = blocks.len() * LANES;
    for (block, out) in blocks.iter_mut().enumerate() {
        let mut values = [[E::zero(); LANES]; N];
        for (values, x) in values.iter_mut().zip(x) {
            values.copy_from_slice(&x[block * LANES..][..LANES]);
        }
        // Loops, because an array's own `map` is not always inlined.
        for lane in 0..LANES {
            let mut arguments = [E::zero(); N];
            for which in 0..N {
                arguments[which] = values[which][lane];
            }
            out[lane] = f(arguments);
        }
    }
    for (place, out) in rest.iter_mut().enumerate() {
        *out = f(x.map(|x| x[whole + place]));
    }
}

/// Replaces each value of x by f(x, y).
#[inline(always)]
pub fn zip<E: Element>(x: &mut [E], y: &[E], f: impl Fn(E, E) -> E) {
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks_mut::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in xs.iter_mut().zip(ys) {
        // A copy, which no other reference can change, so that all lanes are computed at once.
        let (mut block, y) = (*x, *y);
        for (x, y) in block.iter_mut().zip(y) {
            *x = f(*x, y);
        }
        *x = block;
    }
    for (x, &y) in x_rest.iter_mut().zip(y_rest) {
        *x = f(*x, y);
    }
}

/// Folds the values of every lane, from `start`: lane l has the values l, l + `N`, l + 2 · `N` …
#[inline(always)]
pub fn fold<T: Copy, R: Copy, const N: usize>(x: &[T], start: R, f: impl Fn(R, T) -> R) -> [R; N] {
    fold_pairs(
        x,
        x,
        start,
        #[inline(always)]
        |lane, x, _| f(lane, x),
    )
}

/// [`fold`] of pairs of values.
#[inline(always)]
pub fn fold_pairs<T: Copy, U: Copy, R: Copy, const N: usize>(
    x: &[T],
    y: &[U],
    start: R,
    f: impl Fn(R, T, U) -> R,
) -> [R; N] {
    let mut lanes = [start; N];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<N>(), y.as_chunks::<N>());
    for (x, y) in xs.iter().zip(ys) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = f(*lane, x, y);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
        *lane = f(*lane, x, y);
    }
    lanes
}

/// Σ f(x, y), in a fixed order.
#[inline(always)]
pub fn sum<E: Element>(x: &[E], y: &[E], f: impl Fn(E, E) -> E) -> E {
    total(fold_pairs(
        x,
        y,
        E::zero(),
        #[inline(always)]
        |sum, x, y| sum + f(x, y),
    ))
}

/// The largest value of a row: −∞ of an empty one, NaN if any value is.
#[inline(always)]
pub fn maximum<E: Element>(row: &[E]) -> E {
    let lanes: [E; LANES] = fold(row, E::neg_infinity(), keep_larger);
    lanes.into_iter().fold(E::neg_infinity(), keep_larger)
}

/// The larger of two, or NaN once one was NaN.
#[inline(always)]
fn keep_larger<E: Element>(max: E, x: E) -> E {
    // A NaN `max` compares false with everything and stays; a NaN `x` is taken by the second test.
    if x > max || x.is_nan() { x } else { max }
}

/// The sum of all lanes, halving their number in each step.
#[inline(always)]
fn total<E: Element>(mut lanes: [E; LANES]) -> E {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_equal_the_plain_ones_on_ragged_sizes() {
        for len in [0, 1, 15, 16, 17, 31, 32, 100] {
            // Small integers add up exactly in any order.
            let x: Vec<f32> = (0..len).map(|i| (i * 7 % 11) as f32 - 12.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i * 5 % 13) as f32).collect();
            let expected: f32 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_eq!(sum(&x, &y, |x, y| x * y), expected, "{len} values");
            let mut mapped = vec![0.0; len];
            map(&mut mapped, [&x, &y, &x], |[x, y, z]| x * y + z);
            let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x * y + x).collect();
            assert_eq!(mapped, expected, "{len} values");
            let mut zipped = x.clone();
            zip(&mut zipped, &y, |x, y| 2.0 * x - y);
            let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 2.0 * x - y).collect();
            assert_eq!(zipped, expected, "{len} values");
        }
    }
}
