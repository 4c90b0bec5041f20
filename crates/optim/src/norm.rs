//! Questions about all values of an array. The answers do not depend on the number of threads.

use downhill_kernels::{join, vectorize};
use downhill_tensor::Element;

/// From this many values on, work is shared among threads: to hand half of it to one that is awake
/// takes a microsecond or two, to get through so many takes several.
pub(crate) const WORTH_THREADS: usize = 1 << 15;

/// Whether no value is NaN or an infinity.
pub(crate) fn all_finite<E: Element>(values: &[E]) -> bool {
    if values.len() >= WORTH_THREADS {
        let (first, second) = values.split_at(values.len() / 2);
        let (first, second) = join(|| all_finite(first), || all_finite(second));
        return first && second;
    }
    // Without a branch in it the loop vectorises: reading on costs less than stopping early.
    vectorize(
        #[inline(always)]
        || values.iter().fold(true, |finite, value| finite & value.is_finite()),
    )
}

/// The largest absolute value; NaN counts as 0.
pub(crate) fn largest<E: Element>(values: &[E]) -> f64 {
    values.iter().fold(0.0, |largest: f64, value| largest.max(value.as_f64().abs()))
}

/// √Σ value², summed in `f64` and in a fixed order. Neither overflows nor vanishes where the
/// squares would.
pub(crate) fn norm<E: Element>(values: &[E]) -> f64 {
    let square = dot(values, values);
    if square.is_normal() || square.is_nan() {
        return square.sqrt();
    }
    let largest = largest(values);
    if largest == 0.0 || largest.is_infinite() {
        return largest;
    }
    let scaled: Vec<f64> = values.iter().map(|value| value.as_f64() / largest).collect();
    largest * dot(&scaled, &scaled).sqrt()
}

/// Σ x · y, summed in `f64` and in a fixed order.
pub(crate) fn dot<E: Element>(x: &[E], y: &[E]) -> f64 {
    const LANES: usize = 16;
    assert_eq!(x.len(), y.len(), "a dot product takes slices of one length");
    if x.len() >= WORTH_THREADS {
        let ((x, second_x), (y, second_y)) = (x.split_at(x.len() / 2), y.split_at(y.len() / 2));
        let (first, second) = join(|| dot(x, y), || dot(second_x, second_y));
        return first + second;
    }
    vectorize(
        #[inline(always)]
        || {
            let mut sums = [0.0; LANES];
            let (xs, last_xs) = x.as_chunks::<LANES>();
            let (ys, last_ys) = y.as_chunks::<LANES>();
            for (xs, ys) in xs.iter().zip(ys) {
                for lane in 0..LANES {
                    sums[lane] += xs[lane].as_f64() * ys[lane].as_f64();
                }
            }
            for (sum, (x, y)) in sums.iter_mut().zip(last_xs.iter().zip(last_ys)) {
                *sum += x.as_f64() * y.as_f64();
            }
            sums.iter().sum()
        },
    )
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    const SIZES: [usize; 9] =
        [0, 1, 15, 16, 17, 33, WORTH_THREADS - 1, WORTH_THREADS, 2 * WORTH_THREADS + 5];

    #[test]
    fn a_dot_product_equals_the_plain_loop_on_ragged_sizes() {
        for len in SIZES {
            // Small integers add up exactly in any order.
            let x: Vec<f32> = (0..len).map(|i| (i % 7) as f32 - 2.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i % 5) as f32 - 1.0).collect();
            let expected: f32 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_eq!(dot(&x, &y), f64::from(expected), "{len} values");
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_found_anywhere() {
        for len in SIZES {
            let mut values: Vec<f32> = (0..len).map(|i| i as f32 - 20.0).collect();
            assert!(all_finite(&values), "{len} values");
            for at in [0, 1, len / 2, len.saturating_sub(2), len.saturating_sub(1)] {
                if at < len {
                    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                        let good = std::mem::replace(&mut values[at], bad);
                        assert!(!all_finite(&values), "{bad} at {at} of {len}");
                        values[at] = good;
                    }
                }
            }
        }
        assert!(all_finite(&[f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, -0.0]));
    }

    #[test]
    fn a_norm_neither_overflows_nor_vanishes() {
        for scale in [1.0, 1e-200, 1e200, 5e-324] {
            assert_relative_eq!(norm(&[3.0 * scale, -4.0 * scale]), 5.0 * scale);
        }
        assert_relative_eq!(norm(&[3e38_f32, 3e38]), 2_f64.sqrt() * f64::from(3e38_f32));
        assert_eq!(norm::<f64>(&[]), 0.0);
        assert_eq!(norm(&[0.0, -0.0]), 0.0);
        assert_eq!(norm(&[1.0, f64::NEG_INFINITY]), f64::INFINITY);
        assert!(norm(&[1.0, f64::NAN]).is_nan());
    }
}
