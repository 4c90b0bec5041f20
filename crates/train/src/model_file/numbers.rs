//! Numbers as they stand in files, in each width.

use downhill_tensor::Element;
use safetensors::Dtype;

/// How many values are read at a time: what the cache of a core holds.
pub(super) const PART: usize = 1 << 16;

/// Changes the bytes of numbers between the order that this machine has and that of a file, the
/// lowest first.
pub(super) fn in_file_order<E: Element>(bytes: &mut [u8]) {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(size_of::<E>()).for_each(<[u8]>::reverse);
    }
}

/// Reads as many floating-point numbers of type `dtype` as there are `values`.
pub(super) fn convert<E: Element>(dtype: Dtype, bytes: &[u8], values: &mut [E]) {
    fn each<E: Element, const N: usize>(
        bytes: &[u8],
        values: &mut [E],
        number: impl Fn([u8; N]) -> f64,
    ) {
        let (numbers, _) = bytes.as_chunks::<N>();
        for (value, &bytes) in values.iter_mut().zip(numbers) {
            *value = E::from_f64(number(bytes));
        }
    }
    match dtype {
        Dtype::F16 => each(bytes, values, |bytes| half(u16::from_le_bytes(bytes))),
        Dtype::BF16 => each(bytes, values, |bytes| {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16))
        }),
        Dtype::F32 => each(bytes, values, |bytes| f64::from(f32::from_le_bytes(bytes))),
        Dtype::F64 => each(bytes, values, f64::from_le_bytes),
        _ => unreachable!("only floating-point numbers are converted"),
    }
}

/// The value of a number of half precision: a sign, five bits of exponent and ten of fraction
/// (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_half_precision_are_read_as_they_are_defined() {
        // 0, the least subnormal and normal numbers, 1, π rounded, the greatest, the infinities.
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2_f64.powi(-24)),
            (0x03ff, 1023.0 * 2_f64.powi(-24)),
            (0x0400, 2_f64.powi(-14)),
            (0x3c00, 1.0),
            (0x4248, 3.140625),
            (0xc248, -3.140625),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x8000) == 0.0 && half(0x8000).is_sign_negative());
        assert!(half(0x7e00).is_nan());
        // The positive ones follow one another in the order of their bits.
        assert!((0..0x7c00).all(|bits| half(bits) < half(bits + 1)));
    }
}
