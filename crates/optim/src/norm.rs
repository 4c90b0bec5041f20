//! Lengths of arrays of numbers. They do not depend on the number of threads.

use downhill_kernels::dot;
use downhill_tensor::Element;

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

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

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
