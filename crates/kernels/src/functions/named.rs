//! The functions as values, by which loops over arrays are told what to compute.

use super::elementary::Elementary;
use crate::map::Function;
use crate::vectorize::Arithmetic;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident: $f:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name;

        impl<E: Elementary> Function<E> for $name {
            const COST: u32 = 2;

            #[inline(always)]
            fn at<A: Arithmetic>(self, x: E) -> E {
                $f(x)
            }
        }
    )*};
}
functions! {
    /// eˣ − 1.
    ExponentialM1: E::exponential_m1::<A>;
    /// ln x.
    Logarithm: E::logarithm::<A>;
    /// ln(1 + x).
    Logarithm1p: E::logarithm_1p::<A>;
    /// tanh x.
    HyperbolicTangent: E::hyperbolic_tangent::<A>;
    /// 1 / (1 + e⁻ˣ).
    Sigmoid: E::sigmoid::<A>;
    /// ln(1 + eˣ).
    Softplus: E::softplus::<A>;
    /// −ln(1 + e⁻ˣ).
    LogSigmoid: |x: E| -(-x).softplus::<A>();
}

/// Φ(x).
#[derive(Clone, Copy)]
pub struct NormalCdf;

/// φ(x).
#[derive(Clone, Copy)]
pub struct NormalDensity;

/// x · Φ(x), the Gaussian error linear unit.
#[derive(Clone, Copy)]
pub struct Gelu;

/// Φ(x) + x · φ(x), the derivative of the Gaussian error linear unit.
#[derive(Clone, Copy)]
pub struct GeluSlope;

macro_rules! function {
    ($name:ident, $f:expr) => {
        impl<E: Elementary> Function<E> for $name {
            const COST: u32 = 3;

            #[inline(always)]
            fn at<A: Arithmetic>(self, x: E) -> E {
                let (cdf, density) = x.normal::<A>();
                $f(x, cdf, density)
            }
        }
    };
}
function!(NormalCdf, |_, cdf, _| cdf);
function!(NormalDensity, |_, _, density| density);
// 0 also where x is infinite.
function!(Gelu, |x, cdf, _| if cdf == E::zero() { cdf } else { x * cdf });
function!(GeluSlope, |x, cdf, density| {
    cdf + if density == E::zero() { density } else { x * density }
});

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::super::is_same;
    use super::*;
    use crate::element::Element;
    use crate::map::map;
    use crate::vectorize::{Fused, Separate};

    #[test]
    fn limits_are_those_of_the_functions() {
        let limits = [f32::NEG_INFINITY, -20.0, -0.0, 0.0, 20.0, f32::INFINITY];
        assert_eq!(map(&limits, NormalCdf), [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]);
        assert_eq!(map(&limits, Gelu), [0.0, 0.0, 0.0, 0.0, 20.0, f32::INFINITY]);
        assert_eq!(map(&limits, GeluSlope), [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]);
        for x in [f32::NAN, -f32::NAN] {
            assert!(map(&[x], NormalCdf)[0].is_nan());
            assert!(map(&[x], Gelu)[0].is_nan());
            assert!(map(&[x], GeluSlope)[0].is_nan());
        }
    }

    /// Compares with the same of one number after another, which no vector instructions compute.
    fn many_numbers_give_what_each_does<E: Element + Debug>(
        function: impl Function<E>,
        single: [fn(E) -> E; 2],
    ) {
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100] {
            let x: Vec<E> = (0..len).map(|i| E::from_f64(0.37 * f64::from(i) - 9.0)).collect();
            let expected = single.map(|f| x.iter().map(|&x| f(x)).collect::<Vec<_>>());
            let results = map(&x, function);
            let agree =
                |expected: &Vec<E>| expected.iter().zip(&results).all(|(&x, &y)| is_same(x, y));
            assert!(expected.iter().any(agree), "{results:?} are not {expected:?}");
        }
    }

    #[test]
    fn vectors_give_what_single_numbers_do() {
        macro_rules! check {
            ($($function:ident: $f:ident;)*) => {$(
                many_numbers_give_what_each_does($function, [f32::$f::<Fused>, f32::$f::<Separate>]);
                many_numbers_give_what_each_does($function, [f64::$f::<Fused>, f64::$f::<Separate>]);
            )*};
        }
        check! {
            ExponentialM1: exponential_m1;
            Logarithm: logarithm;
            Logarithm1p: logarithm_1p;
            HyperbolicTangent: hyperbolic_tangent;
            Sigmoid: sigmoid;
            Softplus: softplus;
        }
    }
}
