//! ln x and ln(1 + x) in a form that vectorises.
//!
//! x is 2ᵏ · (1 + f) with √½ ≤ 1 + f < √2, so that ln x = k · ln 2 + ln(1 + f), and with
//! s = f / (2 + f), ln(1 + f) = 2 artanh s = 2s + s · r(s²). As 2s = f − s · f, this is
//! f − f²/2 + s · (f²/2 + r(s²)), in which all but f is small. r(z) / z is the polynomial with the
//! least relative error in ln(1 + f) (Remez's algorithm; the error is below 2⁻³⁰ in `f32` and 2⁻⁵⁹
//! in `f64`). ln 2 is the sum of two numbers, the first with so few digits that k times it is exact.
//!
//! ln(1 + x) is the logarithm of the rounded sum and, to the first order, what rounding took from
//! it.

use crate::vectorize::Arithmetic;

/// Implements `logarithm` and `logarithm_1p` on a float type from its constants.
macro_rules! logarithm {
    ($float:ident, $name:ident, $name_1p:ident, $of_sum:ident, bits: $bits:ident,
     magic: $magic:expr, ln_2: [$high:expr, $low:expr], bias: $bias:expr, mantissa: $mantissa:expr,
     polynomial: [$leading:expr $(, $coefficient:expr)*]) => {
        #[inline(always)]
        pub(super) fn $name<A: Arithmetic>(x: $float) -> $float {
            // Subnormal numbers are made normal by a power of 2, without a branch: with one the
            // compiler would compute all that follows twice.
            let power = <$bits>::from(x < $float::MIN_POSITIVE) * ($mantissa + 1);
            let normal = x * <$float>::from_bits(($bias + power) << $mantissa);
            $of_sum::<A>(x, normal, power, 0.0)
        }

        #[inline(always)]
        pub(super) fn $name_1p<A: Arithmetic>(x: $float) -> $float {
            let sum = 1.0 + x;
            // Exactly what rounding took: the lesser term minus what of it is in the sum.
            let lost = if x > 1.0 { 1.0 - (sum - x) } else { x - (sum - 1.0) };
            $of_sum::<A>(sum, sum, 0, lost / sum).copysign(x)
        }

        /// ln(`normal` · 2^−`power`) + `lost`, or the limits of ln `x` where it has no finite value.
        #[inline(always)]
        fn $of_sum<A: Arithmetic>(
            x: $float,
            normal: $float,
            power: $bits,
            lost: $float,
        ) -> $float {
            const SQRT_HALF: $bits = std::$float::consts::FRAC_1_SQRT_2.to_bits();
            // An integer, added to the low bits of 1.5 · 2^mantissa, is added to the number.
            const MAGIC: $float = $magic;
            let bits = normal.to_bits();
            let biased = bits.wrapping_sub(SQRT_HALF).wrapping_add($bias << $mantissa) >> $mantissa;
            let exponent = biased.wrapping_sub($bias) << $mantissa;
            let f = <$float>::from_bits(bits.wrapping_sub(exponent)) - 1.0;
            let integer = MAGIC.to_bits().wrapping_add(biased).wrapping_sub(power);
            let k = <$float>::from_bits(integer) - (MAGIC + $bias as $float);
            let s = f / (2.0 + f);
            let z = s * s;
            let r = $leading;
            $(let r = A::multiply_add(r, z, $coefficient);)*
            let half_square = 0.5 * f * f;
            let small = A::multiply_add(s, A::multiply_add(r, z, half_square), lost);
            let small = A::multiply_add(k, $low, small);
            let result = A::multiply_add(k, $high, f - (half_square - small));
            let result = if x == $float::INFINITY { x } else { result };
            let limit = if x == 0.0 { $float::NEG_INFINITY } else { $float::NAN };
            if x > 0.0 { result } else { limit }
        }
    };
}

logarithm!(
    f32, logarithm_f32, logarithm_1p_f32, of_sum_f32, bits: u32,
    magic: 12_582_912.0, ln_2: [355.0 / 512.0, -2.121_944_4e-4], bias: 127, mantissa: 23,
    polynomial: [0.298_709_54, 0.399_775_74, 0.666_667_76]
);

logarithm!(
    f64, logarithm_f64, logarithm_1p_f64, of_sum_f64, bits: u64,
    magic: 6_755_399_441_055_744.0, ln_2: [0.693_145_751_953_125, 1.428_606_820_309_417_3e-6],
    bias: 1023, mantissa: 52,
    polynomial: [
        0.14795483539306525, 0.1531409797982206, 0.18183562439936182, 0.2222219861006835,
        0.28571428742023236, 0.3999999999941633, 0.6666666666666734
    ]
);
