//! tanh x, σ(x) = 1 / (1 + e⁻ˣ) and ln(1 + eˣ) in a form that vectorises.
//!
//! All three come from an exponential that is not above 1, so that nothing overflows. The
//! hyperbolic tangent of z = |x|, which gets the sign of x, is
//!
//! - up to z = 0.6, z + z³ · p(z²), where p is the polynomial with the least relative error in
//!   tanh z (Remez's algorithm; the error is below 2⁻²⁸ in `f32` and 2⁻⁶² in `f64`);
//! - beyond, 1 − 2t / (1 + t) with t = e^(−2z).

use super::Arithmetic;
use super::exponential::{decay_f32, decay_f64};
use crate::element::Element;

/// Implements `hyperbolic_tangent` on a float type from its constants.
macro_rules! hyperbolic_tangent {
    ($float:ident, $name:ident, $decay:ident, [$leading:expr $(, $coefficient:expr)*]) => {
        #[inline(always)]
        pub(super) fn $name<A: Arithmetic>(x: $float) -> $float {
            let z = x.abs();
            let square = z * z;
            let p = $leading;
            $(let p = A::multiply_add(p, square, $coefficient);)*
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
    [-5.895_163e-3, 2.079_597_7e-2, -5.378_383_4e-2, 0.133_319_24, -0.333_333]
);

hyperbolic_tangent!(
    f64,
    hyperbolic_tangent_f64,
    decay_f64,
    [
        6.494597052739586e-6,
        -3.115914162293536e-5,
        9.247058572941602e-5,
        -2.3750229039790167e-4,
        5.896185849395185e-4,
        -1.4557632553188439e-3,
        3.5921195380285956e-3,
        -8.863234849890496e-3,
        2.1869488501406548e-2,
        -5.396825396721095e-2,
        0.1333333333333176,
        -0.33333333333333326
    ]
);

/// σ(x), from e^(−|x|): the lesser of σ(x) and σ(−x) is q = e^(−|x|) / (1 + e^(−|x|)), and what is
/// asked for e^(−|x|) · (1 − q) or 1 − q. The quotient itself would have an error of 2.4 units in
/// the last place.
#[inline(always)]
pub(super) fn sigmoid<A: Arithmetic, E: Element>(x: E) -> E {
    let small = (-x.abs()).exponential_with::<A>();
    let q = small / (E::one() + small);
    let numerator = if x < E::zero() { small } else { E::one() };
    A::multiply_add(-numerator, q, numerator)
}

/// ln(1 + eˣ), from e^(−|x|).
#[inline(always)]
pub(super) fn softplus<A: Arithmetic, E: Element>(x: E) -> E {
    let positive = if x < E::zero() { E::zero() } else { x };
    positive + (-x.abs()).exponential_with::<A>().logarithm_1p::<A>()
}
