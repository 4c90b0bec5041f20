//! The logarithm in a form that vectorises.

/// ln x of a positive normal number, to within 2 units in the last place.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    ln_of_sum(x, 0.0)
}

/// ln(1 + x) of x ≥ 0, to within 2 units in the last place.
#[inline(always)]
pub(crate) fn ln_1p(x: f64) -> f64 {
    let sum = 1.0 + x;
    ln_of_sum(sum, (x - (sum - 1.0)) / sum)
}

/// ln `sum` + `lost`, where `lost` is what rounding took from the sum, relative to it.
///
/// The sum is 2^k · (1 + f) with √½ ≤ 1 + f < √2; the polynomial for ln(1 + f) is that of fdlibm
/// (Sun Microsystems, 1993).
#[inline(always)]
fn ln_of_sum(sum: f64, lost: f64) -> f64 {
    const SQRT_HALF: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const BIAS: u64 = 1023;
    // An integer below 2^52, put in the low bits of this, becomes 2^52 plus itself.
    const MAGIC: f64 = 4_503_599_627_370_496.0;
    let biased = sum.to_bits().wrapping_sub(SQRT_HALF).wrapping_add(BIAS << 52) >> 52;
    let power = biased.wrapping_sub(BIAS) << 52;
    let f = f64::from_bits(sum.to_bits().wrapping_sub(power)) - 1.0;
    let k = f64::from_bits(MAGIC.to_bits() | biased) - (MAGIC + BIAS as f64);
    let s = f / (2.0 + f);
    let z = s * s;
    let r = 1.479_819_860_511_658_6e-1;
    let r = 1.531_383_769_920_937_3e-1 + z * r;
    let r = 1.818_357_216_161_805e-1 + z * r;
    let r = 2.222_219_843_214_978_4e-1 + z * r;
    let r = 2.857_142_874_366_239e-1 + z * r;
    let r = 3.999_999_999_940_942e-1 + z * r;
    let r = z * (6.666_666_666_666_735e-1 + z * r);
    let half_square = 0.5 * f * f;
    let small = s * (half_square + r) + (k * LN_2[1] + lost);
    k * LN_2[0] - ((half_square - small) - f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(x: f64, result: f64, truth: f64) {
        let ulp = truth.abs().next_up() - truth.abs();
        assert!((result - truth).abs() <= 2.0 * ulp, "at {x:e}: {result:e}, not {truth:e}");
    }

    #[test]
    fn logarithms_are_within_two_ulps_of_the_standard_library() {
        let mut x = 1e-300;
        while x < 1e300 {
            assert_close(x, ln(x), x.ln());
            assert_close(x, ln_1p(x), x.ln_1p());
            x *= 1.000_7;
        }
        for step in -1000..1000 {
            let x = 1.0 + f64::from(step) * 1.3e-4;
            assert_close(x, ln(x), x.ln());
        }
        assert_eq!((ln(1.0), ln_1p(0.0)), (0.0, 0.0));
        assert!(ln_1p(f64::NAN).is_nan());
    }
}
