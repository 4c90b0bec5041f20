//! Powers, and the product with a logarithm that entropies are made of.

use ndarray::ArrayD;

use super::broadcast::{compare, zip};
use super::labels::with_numbers;
use crate::operation;
use crate::tensor::Tensor;
use downhill_kernels::{Element, Separate};

impl<E: Element> Tensor<E> {
    /// xⁿ, elementwise, for a whole exponent: n · xⁿ⁻¹ is its derivative, 0 for n = 0.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([-2.0, 3.0]).powi(3).to_vec(), [-8.0, 27.0]);
    /// ```
    #[inline(never)]
    pub fn powi(&self, n: i32) -> Self {
        self.elementwise(
            with_numbers("powi", "Pow", [("exponent", E::from_f64(n.into()))]),
            move |x: E| power(x, n),
            move |gradient, _, x| {
                let power = match n.checked_sub(1) {
                    _ if n == 0 => return Self::zeros(x.shape()),
                    Some(less) => x.powi(less),
                    None => x.powi(n) / x,
                };
                gradient.times(&power) * E::from_f64(n.into())
            },
        )
    }

    /// xᵖ, elementwise; NaN for negative x and a fraction p. The derivative is p · xᵖ⁻¹, 0 for
    /// p = 0.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([4.0, 9.0]).powf(0.5).to_vec(), [2.0, 3.0]);
    /// ```
    #[inline(never)]
    pub fn powf(&self, p: E) -> Self {
        self.elementwise(
            with_numbers("powf", "Pow", [("exponent", p)]),
            move |x: E| x.powf(p),
            move |gradient, _, x| match p.is_zero() {
                true => Self::zeros(x.shape()),
                false => gradient.times(&x.powf(p - E::one())) * p,
            },
        )
    }

    /// x · ln y, elementwise with broadcasting, and 0 wherever x is 0 (the limit, as in entropy;
    /// NaN if y is NaN). Its derivatives are ln y with respect to x and x / y with respect to y.
    /// Where x is 0 and y is not positive, all derivatives are taken to be 0: a class of
    /// probability 0 takes no part in an entropy.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let p = Tensor::from([0.0_f64, 1.0]);
    /// assert_eq!(p.x_ln_y(&p).to_vec(), [0.0, 0.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn x_ln_y(&self, y: &Self) -> Self {
        let value = zip("x_ln_y", self, y, |x, y| match x.is_zero() {
            true if !y.is_nan() => E::zero(),
            _ => x * y.logarithm::<Separate>(),
        });
        operation::binary(
            "x_ln_y",
            [self, y],
            value,
            |gradient, _, x, y| gradient.times(&y.masked_fill(&absent(x, y), E::one()).ln()),
            |gradient, _, x, y| {
                let absent = absent(x, y);
                let x = x.masked_fill(&absent, E::zero());
                gradient.times(&x.over(&y.masked_fill(&absent, E::one())))
            },
        )
    }

    /// xʸ, elementwise with broadcasting: 1 where y is 0, NaN for negative x and a fraction y. The
    /// derivatives are y · xʸ⁻¹ with respect to x, 0 where y is 0, and xʸ · ln x with respect to y,
    /// 0 where x is 0 and y is not negative.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let base = Tensor::from([0.0, 2.0, 9.0]);
    /// assert_eq!(base.pow(&Tensor::from([0.0, 3.0, 0.5])).to_vec(), [1.0, 8.0, 3.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn pow(&self, exponent: &Self) -> Self {
        operation::binary(
            ("pow", "Pow"),
            [self, exponent],
            zip("pow", self, exponent, |x, y| x.powf(y)),
            |gradient, _, x, y| gradient.times(&y.clone().times(&x.pow(&(y - E::one())))),
            |gradient, power, x, y| {
                let mask = compare("pow", x, y, |x, y| x.is_zero() && y >= E::zero());
                let base = x.masked_fill(&mask, E::one());
                gradient.times(&power.clone().times(&base.ln()))
            },
        )
    }
}

/// xⁿ within a rounding or two. Repeated products are as exact as long as there are few of them,
/// and a reciprocal of a power may be a number where the power is none.
fn power<E: Element>(x: E, n: i32) -> E {
    let x = x.as_f64();
    E::from_f64(match n {
        -1 => x.recip(),
        0..=16 => x.powi(n),
        _ => x.powf(n.into()),
    })
}

/// Where x is 0 and y not positive.
fn absent<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> ArrayD<bool> {
    compare("x_ln_y", x, y, |x, y| x.is_zero() && y <= E::zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use crate::testing::{check_binary, check_unary};

    #[test]
    fn derivatives_of_powers_agree_with_differences() {
        for n in [-2, -1, 0, 1, 2, 3] {
            check_unary(&move |x| x.powi(n), 0.5, 2.0);
        }
        check_unary(&|x| x.powi(3), -2.0, 2.0);
        for p in [-1.5, 0.0, 0.5, 1.0, 2.5] {
            check_unary(&move |x| x.powf(p), 0.5, 2.0);
        }
    }

    #[test]
    fn whole_powers_are_exact_however_large_or_small() {
        for (x, n) in [(1.0001_f32, 100_000), (0.1, -38), (2.0, -140), (10.0, -40), (-1.01, 4_001)]
        {
            let right = f64::from(x).powf(n.into());
            let found = f64::from(Tensor::from([x]).powi(n).item());
            approx::assert_relative_eq!(found, right, max_relative = 1e-7, epsilon = 7e-46);
        }
        let found = Tensor::from([1.00001_f64]).powi(10_000_000).item();
        approx::assert_relative_eq!(found, (1e7 * 1.00001_f64.ln()).exp(), max_relative = 1e-13);
        assert_eq!(Tensor::from([1e20_f64]).powi(-16).item(), 1e-320);
        assert_eq!(Tensor::from([-0.0_f64]).powi(-3).item(), f64::NEG_INFINITY);
    }

    #[test]
    fn a_power_of_zero_has_no_gradient_even_at_zero() {
        let x = Tensor::parameter([0.0, 2.0]);
        assert_eq!(x.powi(0).sum().backward().get(&x).unwrap().to_vec(), [0.0, 0.0]);
        assert_eq!(x.powf(0.0).sum().backward().get(&x).unwrap().to_vec(), [0.0, 0.0]);
    }

    #[test]
    fn derivatives_of_powers_and_logarithms_of_two_tensors_agree_with_differences() {
        check_binary(&|x, y| x.x_ln_y(y), 0.3, 2.0);
        check_binary(&|x, y| x.pow(y), 0.3, 2.0);
    }

    #[test]
    fn the_derivative_of_the_least_whole_power_does_not_wrap() {
        let x = Tensor::parameter([1.0_f64, 2.0, -1.0]);
        let n = f64::from(i32::MIN);
        let gradients = x.powi(i32::MIN).sum().backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec(), [n, 0.0, -n]);
    }

    /// Both first and all second derivatives of Σ f(x, y), at one point.
    fn derivatives(f: fn(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64>, [x, y]: [f64; 2]) -> Vec<f64> {
        let (x, y) = (Tensor::parameter(x), Tensor::parameter(y));
        let first = grad(&f(&x, &y), &[&x, &y]);
        let gradients = f(&x, &y).backward();
        for (parameter, first) in [&x, &y].into_iter().zip(&first) {
            let found = gradients.get(parameter).map_or(0.0, Tensor::item);
            assert!(found == first.item() || found.is_nan() && first.item().is_nan());
        }
        let second = first.iter().flat_map(|first| grad(first, &[&x, &y]));
        first.iter().cloned().chain(second).map(|x| x.item()).collect()
    }

    #[test]
    fn a_product_of_zero_and_an_infinite_logarithm_is_zero_in_all_derivatives() {
        assert_eq!(derivatives(Tensor::x_ln_y, [0.0, 0.0]), [0.0; 6]);
        assert_eq!(
            derivatives(Tensor::x_ln_y, [0.0, 2.0]),
            [2.0_f64.ln(), 0.0, 0.0, 0.5, 0.5, 0.0]
        );
        assert_eq!(derivatives(Tensor::x_ln_y, [1.0, 0.0])[0], f64::NEG_INFINITY);
        assert_eq!(derivatives(|x, _| x.x_ln_y(x), [0.0, 1.0])[..1], [0.0]);
    }

    #[test]
    fn entropies_of_masked_and_of_certain_distributions_have_their_gradients() {
        let entropy = |x: [f64; 3]| {
            let x = Tensor::parameter(x);
            let p = x.softmax(-1);
            let loss = p.x_ln_y(&p).sum();
            let first = grad(&loss, &[&x]).remove(0);
            assert_eq!(first.to_vec(), loss.backward().get(&x).unwrap().to_vec());
            let second = grad(&first.square().sum(), &[&x]).remove(0);
            (loss.item(), first.to_vec(), second.to_vec())
        };
        let (loss, first, second) = entropy([f64::NEG_INFINITY, 0.0, 0.0]);
        approx::assert_abs_diff_eq!(loss, -2.0_f64.ln(), epsilon = 1e-15);
        assert!(first.iter().chain(&second).all(|x| x.abs() < 1e-15));
        let (loss, first, second) = entropy([2000.0, 0.0, 0.0]);
        assert_eq!((loss, first, second), (0.0, vec![0.0; 3], vec![0.0; 3]));
    }

    #[test]
    fn powers_at_zero_have_their_values_and_derivatives() {
        let inf = f64::INFINITY;
        for ([x, y], value, by_x, by_y) in [
            ([0.0, 0.0], 1.0, 0.0, 0.0),
            ([0.0, 1.0], 0.0, 1.0, 0.0),
            ([0.0, 2.0], 0.0, 0.0, 0.0),
            ([0.0, 0.5], 0.0, inf, 0.0),
            ([2.0, 0.0], 1.0, 0.0, 2.0_f64.ln()),
            ([-2.0, 0.0], 1.0, 0.0, f64::NAN),
            ([-2.0, 3.0], -8.0, 12.0, f64::NAN),
            ([inf, 0.0], 1.0, 0.0, inf),
        ] {
            assert_eq!(Tensor::scalar(x).pow(&Tensor::scalar(y)).item(), value);
            let found = derivatives(Tensor::pow, [x, y]);
            for (found, expected) in found.into_iter().zip([by_x, by_y]) {
                assert!(
                    found == expected || found.is_nan() && expected.is_nan(),
                    "{x}^{y}: {found}, not {expected}"
                );
            }
        }
        // The second derivatives of x² at 0, and of x⁰.
        assert_eq!(derivatives(Tensor::pow, [0.0, 2.0])[2], 2.0);
        assert_eq!(derivatives(Tensor::pow, [2.0, 0.0])[2], 0.0);
    }
}
