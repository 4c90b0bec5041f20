//! eˣ in a form that vectorises.
//!
//! With n the integer nearest to x / ln 2 and r = x − n · ln 2, so that |r| ≤ ln 2 / 2,
//! eˣ = 2ⁿ · eʳ. ln 2 is the sum of two numbers, the first with so few digits that n times it is
//! exact. eʳ is 1 + r + r² · q(r), where q is the polynomial with the least relative error in eʳ
//! (Remez's algorithm; the error is below 2⁻³⁴ in `f32` and 2⁻⁶⁴ in `f64`). 2ⁿ is applied as two
//! factors, each a normal number, so that a subnormal result is rounded once.
//!
//! `exponential` has no fused multiply–add, so that every processor yields the same bits;
//! `exponential_with` has where there is one, and so has `decay`, in which cross-entropy and softmax
//! spend their time. The results of `decay` are not subnormal: one factor is enough, multiplied and
//! added in one step. Its polynomial for `f32` is a degree shorter (the error is below 2⁻²⁸).
//!
//! eˣ − 1 is (2ⁿ − 1) + 2ⁿ · r + 2ⁿ · (eʳ − 1 − r), in which nothing cancels but the first two
//! terms, and what their sum and r lose by rounding is added to the third.

use super::polynomial::polynomial;
use crate::vectorize::{Arithmetic, Separate};

/// Implements `exponential`, `exponential_m1` and `decay` on a float type from its constants.
macro_rules! exponential {
    ($float:ident, $name:ident, $with:ident, $m1:ident, $decay:ident, below: $below:expr,
     above: $above:expr, minus_one: $minus_one:expr, normal: $normal:expr, magic: $magic:expr,
     ln_2: [$high:expr, $low:expr], bias: $bias:expr, mantissa: $mantissa:expr,
     polynomial: $coefficients:expr, decay: $decay_coefficients:expr) => {
        #[inline(always)]
        pub(super) fn $decay<A: Arithmetic>(x: $float) -> $float {
            // The bias of the exponent is added with the rest.
            const MAGIC: $float = $magic + $bias as $float;
            let shifted = A::multiply_add(x, std::$float::consts::LOG2_E, MAGIC);
            let n = shifted - MAGIC;
            let r = A::multiply_add(n, -$high, x);
            let r = A::multiply_add(n, -$low, r);
            let square = r * r;
            let q = polynomial::<A, _, _>($decay_coefficients, r, square);
            let factor = <$float>::from_bits(shifted.to_bits() << $mantissa);
            let power = A::multiply_add(A::multiply_add(q, square, r), factor, factor);
            // NaN fails the comparison, and is one already.
            if x < $normal { 0.0 } else { power }
        }

        #[inline(always)]
        pub(super) fn $name(x: $float) -> $float {
            $with::<Separate>(x)
        }

        #[inline(always)]
        pub(super) fn $with<A: Arithmetic>(x: $float) -> $float {
            // Beyond these bounds the result is 0 or ∞; NaN passes both comparisons.
            let x = if x < $below {
                $below
            } else if x > $above {
                $above
            } else {
                x
            };
            // Adding 1.5 · 2^mantissa rounds to an integer, which then stands in the low bits.
            const MAGIC: $float = $magic;
            let shifted = A::multiply_add(x, std::$float::consts::LOG2_E, MAGIC);
            let n = shifted - MAGIC;
            let r = A::multiply_add(n, -$high, x);
            let r = A::multiply_add(n, -$low, r);
            let square = r * r;
            let q = polynomial::<A, _, _>($coefficients, r, square);
            let power = A::multiply_add(q, square, r) + 1.0;
            // n + 2 · bias is positive, and each half of it a valid biased exponent.
            let exponent = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).wrapping_add(2 * $bias);
            let half = exponent >> 1;
            let first = <$float>::from_bits(half << $mantissa);
            let second = <$float>::from_bits(exponent.wrapping_sub(half) << $mantissa);
            power * first * second
        }

        #[inline(always)]
        pub(super) fn $m1<A: Arithmetic>(x: $float) -> $float {
            // Beyond these bounds the result is −1 or ∞.
            let bounded = if x < $minus_one {
                $minus_one
            } else if x > $above {
                $above
            } else {
                x
            };
            const MAGIC: $float = $magic + $bias as $float;
            let shifted = A::multiply_add(bounded, std::$float::consts::LOG2_E, MAGIC);
            let n = shifted - MAGIC;
            let high = A::multiply_add(n, -$high, bounded);
            let r = A::multiply_add(n, -$low, high);
            let lost = A::multiply_add(n, -$low, high - r);
            let square = r * r;
            let q = polynomial::<A, _, _>($coefficients, r, square);
            let rest = A::multiply_add(square, q, lost);
            // The largest power of 2 is half of the one that the largest results need.
            let twice = if bounded > $above - 1.0 { 1.0 } else { 0.0 };
            let power = <$float>::from_bits((shifted - twice).to_bits() << $mantissa);
            let (high, low) = (power - 1.0, power * r);
            let sum = high + low;
            let lost = low - (sum - high);
            let result = sum + A::multiply_add(power, rest, lost);
            // The sign is that of −0, too.
            (result * (1.0 + twice)).copysign(x)
        }
    };
}

exponential!(
    f32, exponential_f32, exponential_with_f32, exponential_m1_f32, decay_f32,
    below: -104.0, above: 89.0, minus_one: -18.0, normal: -87.336_54,
    magic: 12_582_912.0, ln_2: [355.0 / 512.0, -2.121_944_4e-4], bias: 127, mantissa: 23,
    polynomial: [0.5, 0.166_666_66, 4.166_629_5e-2, 8.333_497e-3, 1.394_465_9e-3, 1.979_034e-4],
    decay: [0.499_999_93, 0.166_665_2, 4.166_839e-2, 8.368_717e-3, 1.381_459_9e-3]
);

/// The coefficients of q in `f64`, from the constant on.
const SERIES_F64: [f64; 11] = [
    0.5,
    0.16666666666666682,
    4.1666666666666095e-2,
    8.333333333317034e-3,
    1.3888888889115594e-3,
    1.9841269896383307e-4,
    2.480158692669296e-5,
    2.755723486238809e-6,
    2.7557581800632036e-7,
    2.5112036688387777e-8,
    2.082664103005651e-9,
];

exponential!(
    f64, exponential_f64, exponential_with_f64, exponential_m1_f64, decay_f64,
    below: -746.0, above: 710.0, minus_one: -38.0, normal: -708.396_418_532_264_1,
    magic: 6_755_399_441_055_744.0, ln_2: [0.693_145_751_953_125, 1.428_606_820_309_417_3e-6],
    bias: 1023, mantissa: 52,
    polynomial: SERIES_F64, decay: SERIES_F64
);

#[cfg(test)]
mod tests {
    use super::super::error_in_ulps;
    use super::*;
    use crate::vectorize::Fused;

    #[test]
    fn exponential_in_f32_is_within_one_ulp() {
        let mut worst: f64 = 0.0;
        let mut bits = 0_u32;
        while let Some(next) = bits.checked_add(997) {
            let x = f32::from_bits(bits);
            if !x.is_nan() {
                worst = worst.max(error_in_ulps(exponential_f32(x), f64::from(x).exp()));
            }
            bits = next;
        }
        assert!(worst < 1.0, "the worst error is {worst} ulp");
    }

    #[test]
    fn exponential_in_f64_is_within_two_ulps_of_the_standard_library() {
        for step in -750_000..720_000 {
            let x = f64::from(step) * 1.001e-3;
            let (result, truth) = (exponential_f64(x), x.exp());
            assert!(
                result == truth || (result - truth).abs() <= 2.0 * (truth.next_up() - truth),
                "e^{x} is {truth:e}, not {result:e}"
            );
        }
    }

    fn decay_in_f32_is_within_1_1_ulps<A: Arithmetic>() {
        let mut worst: f64 = 0.0;
        // The worst of all there are, with fused products, and a sample.
        let sample = (0..=87.336_54_f32.to_bits()).step_by(997).map(f32::from_bits);
        for x in sample.chain([27.377_993]).map(|x| -x) {
            worst = worst.max(error_in_ulps(decay_f32::<A>(x), f64::from(x).exp()));
        }
        assert!(worst < 1.1, "the worst error is {worst} ulp");
    }

    fn decay_in_f64_is_within_two_ulps_of_the_standard_library<A: Arithmetic>() {
        for step in 0..708_000 {
            let x = f64::from(-step) * 1.0005e-3;
            let (result, truth) = (decay_f64::<A>(x), x.exp());
            let error = (result - truth).abs();
            assert!(error <= 2.0 * (truth.next_up() - truth), "e^{x} is {truth:e}, not {result:e}");
        }
    }

    fn decay_has_its_limits<A: Arithmetic>() {
        assert_eq!((decay_f32::<A>(0.0), decay_f64::<A>(0.0)), (1.0, 1.0));
        assert_eq!((decay_f32::<A>(-0.0), decay_f64::<A>(-0.0)), (1.0, 1.0));
        for x in [-87.34, -100.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(decay_f32::<A>(x), 0.0);
        }
        for x in [-708.4, -1e300, f64::NEG_INFINITY] {
            assert_eq!(decay_f64::<A>(x), 0.0);
        }
        assert!(decay_f32::<A>(-87.336_54) >= f32::MIN_POSITIVE);
        assert!(decay_f64::<A>(-708.396_418_532_264_1) >= f64::MIN_POSITIVE);
        // Of any payload: the bits must not become an exponent.
        for bits in [0, 1, 0x1ff, 0x003f_ffff] {
            assert!(decay_f32::<A>(f32::from_bits(0x7fc0_0000 | bits)).is_nan());
            assert!(decay_f64::<A>(f64::from_bits(0x7ff8 << 48 | u64::from(bits))).is_nan());
        }
    }

    #[test]
    fn decay_is_exact_however_it_multiplies_and_adds() {
        decay_in_f32_is_within_1_1_ulps::<Fused>();
        decay_in_f32_is_within_1_1_ulps::<Separate>();
        decay_in_f64_is_within_two_ulps_of_the_standard_library::<Fused>();
        decay_in_f64_is_within_two_ulps_of_the_standard_library::<Separate>();
        decay_has_its_limits::<Fused>();
        decay_has_its_limits::<Separate>();
    }

    #[test]
    fn exponential_has_the_limits_of_the_function() {
        assert_eq!(exponential_f32(f32::NEG_INFINITY), 0.0);
        assert_eq!(exponential_f32(f32::INFINITY), f32::INFINITY);
        assert_eq!(exponential_f32(0.0), 1.0);
        assert_eq!(exponential_f32(-0.0), 1.0);
        assert!(exponential_f32(f32::NAN).is_nan());
        assert_eq!(exponential_f64(f64::NEG_INFINITY), 0.0);
        assert_eq!(exponential_f64(f64::INFINITY), f64::INFINITY);
        assert_eq!(exponential_f64(0.0), 1.0);
        assert!(exponential_f64(f64::NAN).is_nan());
        assert!(exponential_f64(-f64::NAN).is_nan());
    }
}
