//! tanh x, σ(x) = 1 / (1 + e⁻ˣ), ln(1 + eˣ) and x · σ(a · x + b · x³) in a form that vectorises.
//!
//! All come from an exponential that is not above 1, so that nothing overflows. The
//! hyperbolic tangent of z = |x|, which gets the sign of x, is
//!
//! - up to z = 0.6, z + z³ · p(z²), where p is the polynomial with the least relative error in
//!   tanh z (Remez's algorithm; the error is below 2⁻²⁸ in `f32` and 2⁻⁶² in `f64`);
//! - beyond, 1 − 2t / (1 + t) with t = e^(−2z).

use super::exponential::{decay_f32, decay_f64};
use super::polynomial::polynomial;
use super::{Arithmetic, Function};
use crate::element::Element;

/// Implements `hyperbolic_tangent` on a float type from its constants.
macro_rules! hyperbolic_tangent {
    ($float:ident, $name:ident, $decay:ident, $coefficients:expr) => {
        #[inline(always)]
        pub(super) fn $name<A: Arithmetic>(x: $float) -> $float {
            let z = x.abs();
            let square = z * z;
            let p = polynomial::<A, _, _>($coefficients, square, square * square);
            let near = A::multiply_add(z * square, p, z);
            let t = $decay::<A>(-2.0 * z);
            let far = 1.0 - (t + t) / (1.0 + t);
            // NaN fails the comparison, and is one in `far`.
            (if z <= 0.6 { near } else { far }).copysign(x)
        }
    };
}

hyperbolic_tangent!(
    f32,
    hyperbolic_tangent_f32,
    decay_f32,
    [-0.333_333, 0.133_319_24, -5.378_383_4e-2, 2.079_597_7e-2, -5.895_163e-3]
);

hyperbolic_tangent!(
    f64,
    hyperbolic_tangent_f64,
    decay_f64,
    [
        -0.33333333333333326,
        0.1333333333333176,
        -5.396825396721095e-2,
        2.1869488501406548e-2,
        -8.863234849890496e-3,
        3.5921195380285956e-3,
        -1.4557632553188439e-3,
        5.896185849395185e-4,
        -2.3750229039790167e-4,
        9.247058572941602e-5,
        -3.115914162293536e-5,
        6.494597052739586e-6
    ]
);

/// σ(x).
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic, E: Element>(x: E) -> E {
    sigmoids::<A, E>(x).0
}

/// σ(x) and σ(−x), from e^(−|x|): the lesser is q = e^(−|x|) / (1 + e^(−|x|)) and the larger
/// 1 − q. The lesser is computed as e^(−|x|) · (1 − q): the quotient itself would have an error of
/// 2.4 units in the last place.
#[inline(always)]
fn sigmoids<A: Arithmetic, E: Element>(x: E) -> (E, E) {
    let small = (-x.abs()).exponential_with::<A>();
    let q = small / (E::one() + small);
    let (lesser, larger) = (A::multiply_add(-small, q, small), E::one() - q);
    if x < E::zero() { (lesser, larger) } else { (larger, lesser) }
}

/// ln(1 + eˣ), from e^(−|x|).
#[inline(always)]
pub(super) fn softplus<A: Arithmetic, E: Element>(x: E) -> E {
    let positive = if x < E::zero() { E::zero() } else { x };
    positive + (-x.abs()).exponential_with::<A>().logarithm_1p::<A>()
}

/// x · σ(linear · x + cubic · x³), a gate that opens with x.
#[derive(Clone, Copy)]
pub struct Gate<E> {
    /// The factor of x.
    pub linear: E,
    /// The factor of x³.
    pub cubic: E,
}

/// The derivative of a gate.
#[derive(Clone, Copy)]
pub struct GateSlope<E>(pub Gate<E>);

impl<E: Element> Gate<E> {
    /// x, cut to where the gate is not yet as shut or open as it can be, and σ and 1 − σ.
    #[inline(always)]
    fn at_cut<A: Arithmetic>(self, x: E) -> (E, (E, E)) {
        let far = E::from_f64(1000.0);
        // NaN passes both comparisons.
        let x = if x > far { far } else { x };
        let x = if x < -far { -far } else { x };
        (x, sigmoids::<A, E>(x * A::multiply_add(self.cubic, x * x, self.linear)))
    }
}

impl<E: Element> Function<E> for Gate<E> {
    const COST: u32 = 2;

    #[inline(always)]
    fn at<A: Arithmetic>(self, x: E) -> E {
        let (_, (open, _)) = self.at_cut::<A>(x);
        x * open
    }
}

impl<E: Element> Function<E> for GateSlope<E> {
    const COST: u32 = 2;

    /// σ · (1 + x · (1 − σ) · (linear + 3 · cubic · x²))
    #[inline(always)]
    fn at<A: Arithmetic>(self, x: E) -> E {
        let (x, (open, shut)) = self.0.at_cut::<A>(x);
        let three = E::from_f64(3.0);
        let slope = A::multiply_add(three * self.0.cubic, x * x, self.0.linear);
        open * A::multiply_add(x * shut, slope, E::one())
    }
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;

    fn gates_and_slopes_are_those_of_the_formula<E: Element>(tolerance: f64) {
        for (linear, cubic) in [(1.0, 0.0), (1.6, 0.07)] {
            let gate = Gate { linear: E::from_f64(linear), cubic: E::from_f64(cubic) };
            let x: Vec<E> = (-2000..2000).map(|step| E::from_f64(f64::from(step) * 7e-3)).collect();
            for ((&x, y), slope) in x.iter().zip(map(&x, gate)).zip(map(&x, GateSlope(gate))) {
                let x = x.as_f64();
                let inner = linear * x + cubic * x.powi(3);
                let (open, shut) = (1.0 / (1.0 + (-inner).exp()), 1.0 / (1.0 + inner.exp()));
                let truth = open * (1.0 + x * shut * (linear + 3.0 * cubic * x * x));
                approx::assert_abs_diff_eq!(y.as_f64(), x * open, epsilon = tolerance * x.abs());
                approx::assert_abs_diff_eq!(slope.as_f64(), truth, epsilon = tolerance * 4.0);
            }
        }
    }

    #[test]
    fn gates_and_slopes_are_those_of_the_formula_in_either_precision() {
        gates_and_slopes_are_those_of_the_formula::<f32>(6e-7);
        gates_and_slopes_are_those_of_the_formula::<f64>(1e-15);
    }

    #[test]
    fn a_gate_is_shut_or_open_far_out() {
        for cubic in [0.0, 0.07] {
            let gate = Gate { linear: 1.0_f32, cubic };
            assert_eq!(map(&[-1e30, -1e4, 1e4, 1e30], gate), [0.0, 0.0, 1e4, 1e30]);
            let far = [f32::NEG_INFINITY, -1e30, -1e4, 1e4, 1e30, f32::INFINITY];
            assert_eq!(map(&far, GateSlope(gate)), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
            assert!(
                map(&[f32::NAN], gate)[0].is_nan() && map(&[f32::NAN], GateSlope(gate))[0].is_nan()
            );
        }
    }
}
