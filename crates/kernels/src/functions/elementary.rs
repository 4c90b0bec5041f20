//! The elementary functions of a number.

use num_traits::Float;

use super::{exponential, logarithm, normal, sigmoid};
use crate::vectorize::Arithmetic;

/// Elementary functions in a form that vectorises, to within 2 units in the last place over the
/// whole range, subnormal results included, unless they say otherwise. Where the functions have
/// limits at 0 and ±∞ those are their values; NaN comes of NaN, and wherever there is no real value.
///
/// Most multiply and add in the way they are told: see
/// [`vectorize_arithmetic`](crate::vectorize_arithmetic).
pub trait Elementary: Float {
    /// eˣ, to within 1 unit in the last place, with products and sums that are rounded one by one:
    /// the same bits on every processor.
    fn exponential(self) -> Self;

    /// eˣ.
    fn exponential_with<A: Arithmetic>(self) -> Self;

    /// eˣ of what is not above 0, to within 1.1 units in the last place in `f32` and 2 in `f64`, or
    /// 0 where that is less than the smallest normal number. 1 of 0, NaN of NaN. It takes fewer
    /// operations than [`exponential_with`](Self::exponential_with), fewest where multiply–add is
    /// [`Fused`](crate::Fused).
    fn decay<A: Arithmetic>(self) -> Self;

    /// eˣ − 1.
    fn exponential_m1<A: Arithmetic>(self) -> Self;

    /// ln x.
    fn logarithm<A: Arithmetic>(self) -> Self;

    /// ln(1 + x).
    fn logarithm_1p<A: Arithmetic>(self) -> Self;

    /// tanh x; that of −x is exactly its negative.
    fn hyperbolic_tangent<A: Arithmetic>(self) -> Self;

    /// The logistic function σ(x) = 1 / (1 + e⁻ˣ).
    fn sigmoid<A: Arithmetic>(self) -> Self {
        self.sigmoids::<A>().0
    }

    /// σ(x) and 1 − σ(x) = σ(−x), both with all their digits.
    fn sigmoids<A: Arithmetic>(self) -> (Self, Self);

    /// ln(1 + eˣ).
    fn softplus<A: Arithmetic>(self) -> Self;

    /// Φ(x) and φ(x), the distribution function of the standard normal distribution and its
    /// density, or 0 where they are less than the smallest normal number: within a relative error
    /// of 5e-7 in `f32`.
    fn normal<A: Arithmetic>(self) -> (Self, Self);
}

macro_rules! elementary {
    ($float:ident, $exponential:path; $($method:ident: $function:path => $result:ty;)*) => {
        impl Elementary for $float {
            #[inline(always)]
            fn exponential(self) -> Self {
                $exponential(self)
            }
            $(
                #[inline(always)]
                fn $method<A: Arithmetic>(self) -> $result {
                    $function(self)
                }
            )*
        }
    };
}
elementary! { f32, exponential::exponential_f32;
    exponential_with: exponential::exponential_with_f32::<A> => Self;
    decay: exponential::decay_f32::<A> => Self;
    exponential_m1: exponential::exponential_m1_f32::<A> => Self;
    logarithm: logarithm::logarithm_f32::<A> => Self;
    logarithm_1p: logarithm::logarithm_1p_f32::<A> => Self;
    hyperbolic_tangent: sigmoid::hyperbolic_tangent_f32::<A> => Self;
    sigmoids: sigmoid::sigmoids_f32::<A> => (Self, Self);
    softplus: sigmoid::softplus_f32::<A> => Self;
    normal: normal::normal_f32::<A> => (Self, Self);
}
elementary! { f64, exponential::exponential_f64;
    exponential_with: exponential::exponential_with_f64::<A> => Self;
    decay: exponential::decay_f64::<A> => Self;
    exponential_m1: exponential::exponential_m1_f64::<A> => Self;
    logarithm: logarithm::logarithm_f64::<A> => Self;
    logarithm_1p: logarithm::logarithm_1p_f64::<A> => Self;
    hyperbolic_tangent: sigmoid::hyperbolic_tangent_f64::<A> => Self;
    sigmoids: sigmoid::sigmoids_f64::<A> => (Self, Self);
    softplus: sigmoid::softplus_f64::<A> => Self;
    normal: normal::normal_f64::<A> => (Self, Self);
}

#[cfg(test)]
mod tests {
    use super::super::{error_in_ulps, is_same};
    use super::*;
    use crate::element::Element;
    use crate::vectorize::{Fused, Separate};

    /// A function in both precisions, and what it should be.
    struct Case {
        name: &'static str,
        single: fn(f32) -> f32,
        double: fn(f64) -> f64,
        truth: fn(f64) -> f64,
    }

    fn cases<A: Arithmetic>() -> [Case; 7] {
        macro_rules! cases {
            ($($name:ident: $truth:expr;)*) => {
                [$(Case {
                    name: stringify!($name),
                    single: f32::$name::<A>,
                    double: f64::$name::<A>,
                    truth: $truth,
                }),*]
            };
        }
        cases! {
            exponential_with: f64::exp;
            exponential_m1: f64::exp_m1;
            logarithm: f64::ln;
            logarithm_1p: f64::ln_1p;
            hyperbolic_tangent: f64::tanh;
            sigmoid: |x| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
            softplus: |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
        }
    }

    fn functions_are_within_two_ulps_in_f32<A: Arithmetic>() {
        for case in cases::<A>() {
            for bits in (0..=u32::MAX).step_by(1997) {
                let x = f32::from_bits(bits);
                let (result, truth) = ((case.single)(x), (case.truth)(f64::from(x)));
                let error = error_in_ulps(result, truth);
                assert!(error < 2.0, "{} of {x:e} is {truth:e}, not {result:e}", case.name);
            }
        }
    }

    /// The standard library's are within 1 unit.
    fn functions_are_within_three_ulps_of_the_standard_library_in_f64<A: Arithmetic>() {
        let all = (0..=u64::MAX).step_by((1 << 44) - 3).map(f64::from_bits);
        let usual = (-400_000..=400_000).map(|step| f64::from(step) * 1.0007e-4);
        let arguments: Vec<_> = all.chain(usual).collect();
        for case in cases::<A>() {
            for &x in &arguments {
                let (result, truth) = ((case.double)(x), (case.truth)(x));
                let ulp = truth.abs().next_up() - truth.abs();
                assert!(
                    is_same(result, truth) || (result - truth).abs() <= 3.0 * ulp,
                    "{} of {x:e} is {truth:e}, not {result:e}",
                    case.name
                );
            }
        }
    }

    #[test]
    fn functions_in_f32_are_within_two_ulps_however_they_multiply_and_add() {
        functions_are_within_two_ulps_in_f32::<Fused>();
        functions_are_within_two_ulps_in_f32::<Separate>();
    }

    #[test]
    fn functions_in_f64_agree_with_the_standard_library_however_they_multiply_and_add() {
        functions_are_within_three_ulps_of_the_standard_library_in_f64::<Fused>();
        functions_are_within_three_ulps_of_the_standard_library_in_f64::<Separate>();
    }

    fn functions_have_their_limits<E: Element, A: Arithmetic>() {
        let (zero, one, infinity, nan) = (E::zero(), E::one(), E::infinity(), E::nan());
        let smallest = E::min_positive_value() * E::epsilon();
        // At −∞, −1, −0, 0, ∞ and NaN.
        type Row<E> = (fn(E) -> E, [Option<E>; 6]);
        let table: [Row<E>; 6] = [
            (
                E::exponential_m1::<A>,
                [Some(-one), None, Some(-zero), Some(zero), Some(infinity), Some(nan)],
            ),
            (
                E::logarithm::<A>,
                [Some(nan), Some(nan), Some(-infinity), Some(-infinity), Some(infinity), Some(nan)],
            ),
            (
                E::logarithm_1p::<A>,
                [Some(nan), Some(-infinity), Some(-zero), Some(zero), Some(infinity), Some(nan)],
            ),
            (
                E::hyperbolic_tangent::<A>,
                [Some(-one), None, Some(-zero), Some(zero), Some(one), Some(nan)],
            ),
            (
                E::sigmoid::<A>,
                [
                    Some(zero),
                    None,
                    Some(E::from_f64(0.5)),
                    Some(E::from_f64(0.5)),
                    Some(one),
                    Some(nan),
                ],
            ),
            (
                E::softplus::<A>,
                [Some(zero), None, Some(E::LN_2()), Some(E::LN_2()), Some(infinity), Some(nan)],
            ),
        ];
        for (row, (f, limits)) in table.into_iter().enumerate() {
            for (x, limit) in [-infinity, -one, -zero, zero, infinity, nan].into_iter().zip(limits)
            {
                if let Some(limit) = limit {
                    assert!(is_same(f(x), limit), "row {row}: {limit} at {x}, not {}", f(x));
                }
            }
        }
        // What is next to 0 is its own value, as far as subnormal numbers.
        for f in [E::exponential_m1::<A>, E::logarithm_1p::<A>, E::hyperbolic_tangent::<A>] {
            for x in [E::from_f64(1e-20), E::min_positive_value(), smallest] {
                assert_eq!((f(x), f(-x)), (x, -x));
            }
        }
        assert_eq!(one.logarithm::<A>(), zero);
        for x in [E::from_f64(20.0), E::max_value()] {
            assert_eq!((x.hyperbolic_tangent::<A>(), (-x).hyperbolic_tangent::<A>()), (one, -one));
        }
        assert_eq!(E::max_value().exponential_m1::<A>(), infinity);
        assert_eq!(E::min_value().exponential_m1::<A>(), -one);
        // The sigmoid becomes subnormal before it is 0.
        let x = E::min_positive_value().ln() - E::from_f64(3.0);
        let tail = x.sigmoid::<A>();
        assert!(zero < tail && tail < E::min_positive_value() && is_same(tail, x.softplus::<A>()));
    }

    #[test]
    fn functions_have_their_limits_in_either_precision() {
        functions_have_their_limits::<f32, Fused>();
        functions_have_their_limits::<f32, Separate>();
        functions_have_their_limits::<f64, Fused>();
        functions_have_their_limits::<f64, Separate>();
    }

    fn functions_obey_their_laws<A: Arithmetic>() {
        let ascending = (-200_000..=200_000).map(|step| step as f32 * 1.3e-4);
        let mut before: Option<[f32; 4]> = None;
        for x in ascending {
            let tanh = x.hyperbolic_tangent::<A>();
            assert!(is_same((-x).hyperbolic_tangent::<A>(), -tanh), "tanh is odd at {x}");
            let sum = x.sigmoid::<A>() + (-x).sigmoid::<A>();
            assert!((sum - 1.0).abs() <= f32::EPSILON, "σ(x) + σ(−x) is {sum} at {x}");
            let values = [tanh, x.sigmoid::<A>(), x.softplus::<A>(), x.exponential_m1::<A>()];
            if let Some(before) = before {
                let ascend = values.iter().zip(before).all(|(&value, before)| before <= value);
                assert!(ascend, "{before:?} come before {values:?} at {x}");
            }
            before = Some(values);
        }
    }

    #[test]
    fn functions_obey_their_laws_however_they_multiply_and_add() {
        functions_obey_their_laws::<Fused>();
        functions_obey_their_laws::<Separate>();
    }
}
