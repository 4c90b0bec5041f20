//! tanh x, σ(x) = 1 / (1 + e⁻ˣ) and ln(1 + eˣ) in a form that vectorises.
//!
//! All are computed from an exponential that is not above 1, so that nothing overflows. The
//! hyperbolic tangent of z = |x|, which gets the sign of x, is
//!
//! - up to z = 0.6, z + z³ · p(z²), where p is the polynomial with the least relative error in
//!   tanh z (Remez's algorithm; the error is below 2⁻²⁸ in `f32` and 2⁻⁶² in `f64`);
//! - beyond, 1 − 2t / (1 + t) with t = e^(−2z).

use super::exponential::{decay_f32, decay_f64, exponential_with_f32, exponential_with_f64};
use super::logarithm::{logarithm_1p_f32, logarithm_1p_f64};
use super::polynomial::polynomial;
use crate::vectorize::Arithmetic;

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

/// Implements `sigmoids` and `softplus` on a float type.
macro_rules! sigmoid {
    ($float:ident, $sigmoids:ident, $softplus:ident, $exponential:ident, $logarithm_1p:ident) => {
        /// σ(x) and σ(−x), from e^(−|x|): the lesser is q = e^(−|x|) / (1 + e^(−|x|)) and the
        /// larger 1 − q. The lesser is computed as e^(−|x|) · (1 − q): the quotient itself would
        /// have an error of 2.4 units in the last place.
        #[inline(always)]
        pub(super) fn $sigmoids<A: Arithmetic>(x: $float) -> ($float, $float) {
            let small = $exponential::<A>(-x.abs());
            let q = small / (1.0 + small);
            let (lesser, larger) = (A::multiply_add(-small, q, small), 1.0 - q);
            if x < 0.0 { (lesser, larger) } else { (larger, lesser) }
        }

        /// ln(1 + eˣ), from e^(−|x|).
        #[inline(always)]
        pub(super) fn $softplus<A: Arithmetic>(x: $float) -> $float {
            let positive = if x < 0.0 { 0.0 } else { x };
            positive + $logarithm_1p::<A>($exponential::<A>(-x.abs()))
        }
    };
}
sigmoid!(f32, sigmoids_f32, softplus_f32, exponential_with_f32, logarithm_1p_f32);
sigmoid!(f64, sigmoids_f64, softplus_f64, exponential_with_f64, logarithm_1p_f64);
