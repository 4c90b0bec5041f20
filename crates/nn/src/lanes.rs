//! Loops over short rows that fill the processor's vector registers: block by block, where the
//! compiler's own vectorisation would leave a row too short for its unrolled loop to single steps.
//!
//! Each loop is [vectorized](vectorize) by itself. A longer kernel made of several would not be
//! inlined, and so not compiled for the processor's instruction set.

use downhill_tensor::Element;
use downhill_tensor::kernels::vectorize;

/// The length of a block.
pub(crate) const LANES: usize = 16;

/// Replaces each value by f(x).
pub(crate) fn map<E: Element>(x: &mut [E], f: impl Fn(E) -> E) {
    vectorize(
        #[inline(always)]
        || {
            let (blocks, rest) = x.as_chunks_mut::<LANES>();
            for x in blocks.iter_mut().flatten() {
                *x = f(*x);
            }
            for x in rest {
                *x = f(*x);
            }
        },
    );
}

/// Replaces each value of x by f(x, y).
pub(crate) fn zip<E: Element>(x: &mut [E], y: &[E], f: impl Fn(E, E) -> E) {
    vectorize(
        #[inline(always)]
        || {
            let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks_mut::<LANES>(), y.as_chunks::<LANES>());
            for (x, y) in xs.iter_mut().zip(ys) {
                for (x, &y) in x.iter_mut().zip(y) {
                    *x = f(*x, y);
                }
            }
            for (x, &y) in x_rest.iter_mut().zip(y_rest) {
                *x = f(*x, y);
            }
        },
    );
}

/// Σ f(x, y), in a fixed order.
pub(crate) fn sum<E: Element>(x: &[E], y: &[E], f: impl Fn(E, E) -> E) -> E {
    vectorize(
        #[inline(always)]
        || {
            let mut lanes = [E::zero(); LANES];
            let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
            for (x, y) in xs.iter().zip(ys) {
                for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
                    *lane += f(x, y);
                }
            }
            for ((lane, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
                *lane += f(x, y);
            }
            reduce(lanes, |x, y| x + y)
        },
    )
}

/// The largest value, −∞ of none. NaN may be passed over.
pub(crate) fn maximum<E: Element>(x: &[E]) -> E {
    let larger = |x: E, y: E| if x > y { x } else { y };
    vectorize(
        #[inline(always)]
        || {
            let mut lanes = [E::neg_infinity(); LANES];
            let (xs, rest) = x.as_chunks::<LANES>();
            for x in xs {
                for (lane, &x) in lanes.iter_mut().zip(x) {
                    *lane = larger(x, *lane);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(rest) {
                *lane = larger(x, *lane);
            }
            reduce(lanes, larger)
        },
    )
}

/// All lanes in one, halving their number in each step.
#[inline(always)]
fn reduce<E: Element>(mut lanes: [E; LANES], f: impl Fn(E, E) -> E) -> E {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = f(lanes[lane], lanes[lane + width]);
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
            let expected = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(maximum(&x), expected, "{len} values");
            let mut mapped = x.clone();
            map(&mut mapped, |x| 2.0 * x + 1.0);
            let expected: Vec<f32> = x.iter().map(|x| 2.0 * x + 1.0).collect();
            assert_eq!(mapped, expected, "{len} values");
            let mut zipped = x.clone();
            zip(&mut zipped, &y, |x, y| 2.0 * x - y);
            let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 2.0 * x - y).collect();
            assert_eq!(zipped, expected, "{len} values");
        }
    }
}
