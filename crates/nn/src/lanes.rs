//! Reductions of short rows, in a fixed order that fills the processor's vector registers. To be
//! called inside of [`vectorize`](downhill_tensor::kernels::vectorize).

use downhill_tensor::Element;

pub(crate) const LANES: usize = 16;

/// Σ f(x, y).
#[inline(always)]
pub(crate) fn sum<E: Element>(x: &[E], y: &[E], f: impl Fn(E, E) -> E) -> E {
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
}

/// The largest value, −∞ of none. NaN may be passed over.
#[inline(always)]
pub(crate) fn maximum<E: Element>(x: &[E]) -> E {
    let larger = |x: E, y: E| if x > y { x } else { y };
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
    fn reductions_equal_the_plain_loop_on_ragged_sizes() {
        for len in [0, 1, 15, 16, 17, 31, 32, 100] {
            // Small integers add up exactly in any order.
            let x: Vec<f32> = (0..len).map(|i| (i * 7 % 11) as f32 - 12.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i * 5 % 13) as f32).collect();
            let expected: f32 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_eq!(sum(&x, &y, |x, y| x * y), expected, "{len} values");
            let expected = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(maximum(&x), expected, "{len} values");
        }
    }
}
