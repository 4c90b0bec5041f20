//! Gates: x · σ(a · x + b · x³), as SiLU and the approximation of GELU are.

use crate::element::Element;
use crate::map::Function;
use crate::vectorize::Arithmetic;

/// x · σ(linear · x + cubic · x³), a gate that opens as x grows.
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
    /// x, clamped to where the gate still changes, and σ and 1 − σ there.
    #[inline(always)]
    fn at_cut<A: Arithmetic>(self, x: E) -> (E, (E, E)) {
        let far = E::from_f64(1000.0);
        // NaN passes both comparisons.
        let x = if x > far { far } else { x };
        let x = if x < -far { -far } else { x };
        (x, (x * A::multiply_add(self.cubic, x * x, self.linear)).sigmoids::<A>())
    }
}

impl<E: Element> Function<E> for Gate<E> {
    const COST: u32 = 2;

    #[inline(always)]
    fn at<A: Arithmetic>(self, x: E) -> E {
        let (cut, (open, _)) = self.at_cut::<A>(x);
        // At −∞ the gate is shut.
        let x = if x < cut { cut } else { x };
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
    use super::*;
    use crate::map::map;

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
