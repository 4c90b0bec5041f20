//! Polynomials.

use num_traits::Float;

use crate::vectorize::Arithmetic;

/// The sum of coefficientₖ · xᵏ, given x².
///
/// Neighbouring terms are paired first, independently of one another, and the pairs summed up by
/// Horner's rule in x²: the chain of dependent operations is about half as long as by that rule in x.
#[inline(always)]
pub(super) fn polynomial<A: Arithmetic, E: Float, const N: usize>(
    coefficients: [E; N],
    x: E,
    square: E,
) -> E {
    let pair = |k: usize| match coefficients.get(2 * k + 1) {
        Some(&odd) => A::multiply_add(odd, x, coefficients[2 * k]),
        None => coefficients[2 * k],
    };
    let last = N.div_ceil(2) - 1;
    let mut sum = pair(last);
    for k in (0..last).rev() {
        sum = A::multiply_add(sum, square, pair(k));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectorize::{Fused, Separate};

    fn is_the_sum_of_its_terms<const N: usize>() {
        let coefficients: [f64; N] = std::array::from_fn(|k| k as f64 - 2.0);
        // Small integers, which add up exactly.
        for x in [-3.0_f64, -1.0, 0.0, 2.0] {
            let sum = (0..N).map(|k| coefficients[k] * x.powi(k as i32)).sum::<f64>();
            assert_eq!(polynomial::<Fused, _, N>(coefficients, x, x * x), sum);
            assert_eq!(polynomial::<Separate, _, N>(coefficients, x, x * x), sum);
        }
    }

    #[test]
    fn a_polynomial_of_any_degree_is_the_sum_of_its_terms() {
        is_the_sum_of_its_terms::<1>();
        is_the_sum_of_its_terms::<2>();
        is_the_sum_of_its_terms::<3>();
        is_the_sum_of_its_terms::<8>();
        is_the_sum_of_its_terms::<11>();
    }
}
