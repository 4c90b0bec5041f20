//! + − × ÷, powers, and the larger and smaller of two, with broadcasting.

use std::cmp::Ordering;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::broadcast::zip;
use crate::operation::{self, is_recorded};
use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

/// Defines an operator between tensors, by value and by reference, and with a number on either
/// side. A temporary (a tensor that nothing else holds) is changed in place when its history need
/// not be remembered.
macro_rules! operator {
    ($Trait:ident, $method:ident, $function:ident, $f:expr) => {
        impl<E: Element> $Trait<&Tensor<E>> for &Tensor<E> {
            type Output = Tensor<E>;

            #[track_caller]
            fn $method(self, other: &Tensor<E>) -> Tensor<E> {
                $function(self, other)
            }
        }

        impl<E: Element> $Trait<&Tensor<E>> for Tensor<E> {
            type Output = Tensor<E>;

            #[track_caller]
            fn $method(mut self, other: &Tensor<E>) -> Tensor<E> {
                match in_place(&mut self, other, $f) {
                    true => self,
                    false => $function(&self, other),
                }
            }
        }

        impl<E: Element> $Trait<Tensor<E>> for &Tensor<E> {
            type Output = Tensor<E>;

            #[track_caller]
            fn $method(self, mut other: Tensor<E>) -> Tensor<E> {
                match in_place(&mut other, self, |y, x| $f(x, y)) {
                    true => other,
                    false => $function(self, &other),
                }
            }
        }

        impl<E: Element> $Trait<Tensor<E>> for Tensor<E> {
            type Output = Tensor<E>;

            #[track_caller]
            fn $method(self, other: Tensor<E>) -> Tensor<E> {
                if self.len() >= other.len() { self.$method(&other) } else { (&self).$method(other) }
            }
        }

        impl<E: Element> $Trait<E> for &Tensor<E> {
            type Output = Tensor<E>;

            fn $method(self, number: E) -> Tensor<E> {
                $function(self, &Tensor::scalar(number))
            }
        }

        impl<E: Element> $Trait<E> for Tensor<E> {
            type Output = Tensor<E>;

            fn $method(self, number: E) -> Tensor<E> {
                self.$method(&Tensor::scalar(number))
            }
        }

        operator!(@number_first $Trait, $method, f32);
        operator!(@number_first $Trait, $method, f64);
    };
    (@number_first $Trait:ident, $method:ident, $number:ty) => {
        impl $Trait<&Tensor<$number>> for $number {
            type Output = Tensor<$number>;

            fn $method(self, tensor: &Tensor<$number>) -> Tensor<$number> {
                (&Tensor::scalar(self)).$method(tensor)
            }
        }

        impl $Trait<Tensor<$number>> for $number {
            type Output = Tensor<$number>;

            fn $method(self, tensor: Tensor<$number>) -> Tensor<$number> {
                (&Tensor::scalar(self)).$method(tensor)
            }
        }
    };
}

operator!(Add, add, addition, |x, y| x + y);
operator!(Sub, sub, subtraction, |x, y| x - y);
operator!(Mul, mul, multiplication, |x, y| x * y);
operator!(Div, div, division, |x, y| x / y);

/// Replaces `x` by `f(x, y)`, if that is its shape, nothing else holds it, and no history is kept.
fn in_place<E: Element>(x: &mut Tensor<E>, y: &Tensor<E>, f: impl Fn(E, E) -> E + Sync) -> bool {
    if x.requires_gradient() || is_recorded(&[y]) {
        return false;
    }
    let same_shape = x.shape() == y.shape();
    let number = y.len() == 1 && y.ndim() <= x.ndim();
    if !(same_shape || number) {
        return false;
    }
    let (Some(xs), Some(ys)) = (x.owned_values(), y.storage().as_slice()) else { return false };
    match ys {
        &[y] => kernels::map_in_place(xs, |x| f(x, y)),
        _ => kernels::zip_in_place(xs, ys, f),
    }
    true
}

#[track_caller]
fn addition<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        "add",
        [x, y],
        zip("add", x, y, |x, y| x + y),
        |gradient, _, _, _| gradient,
        |gradient, _, _, _| gradient,
    )
}

#[track_caller]
fn subtraction<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        "sub",
        [x, y],
        zip("sub", x, y, |x, y| x - y),
        |gradient, _, _, _| gradient,
        |gradient, _, _, _| -gradient,
    )
}

#[track_caller]
fn multiplication<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        "mul",
        [x, y],
        zip("mul", x, y, |x, y| x * y),
        |gradient, _, _, y| gradient * y,
        |gradient, _, x, _| gradient * x,
    )
}

#[track_caller]
fn division<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        "div",
        [x, y],
        zip("div", x, y, |x, y| x / y),
        |gradient, _, _, y| gradient / y,
        |gradient, quotient, _, y| -(gradient * quotient / y),
    )
}

/// Adds in place where nothing else holds the sum.
impl<E: Element> AddAssign for Tensor<E> {
    #[track_caller]
    fn add_assign(&mut self, other: Self) {
        if !in_place(self, &other, |x, y| x + y) {
            *self = &*self + other;
        }
    }
}

impl<E: Element> Neg for &Tensor<E> {
    type Output = Tensor<E>;

    fn neg(self) -> Tensor<E> {
        let value = Storage::new(self.shape(), kernels::map(&self.values(), |x: E| -x));
        operation::unary("neg", self, value, |gradient, _, _| -gradient)
    }
}

impl<E: Element> Neg for Tensor<E> {
    type Output = Self;

    fn neg(mut self) -> Self {
        if !self.requires_gradient()
            && let Some(values) = self.owned_values()
        {
            kernels::map_in_place(values, |x| -x);
            return self;
        }
        -&self
    }
}

impl<E: Element> Tensor<E> {
    /// xⁿ, elementwise, for a whole exponent: n · xⁿ⁻¹ is its derivative, 0 for n = 0.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([-2.0, 3.0]).powi(3).to_vec(), [-8.0, 27.0]);
    /// ```
    pub fn powi(&self, n: i32) -> Self {
        self.elementwise(
            "powi",
            move |x: E| x.powi(n),
            move |gradient, _, x| match n {
                0 => gradient * E::zero(),
                _ => gradient * x.powi(n - 1) * E::from_f64(f64::from(n)),
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
    pub fn powf(&self, p: E) -> Self {
        self.elementwise(
            "powf",
            move |x: E| x.powf(p),
            move |gradient, _, x| match p.is_zero() {
                true => gradient * E::zero(),
                false => gradient * x.powf(p - E::one()) * p,
            },
        )
    }

    /// The larger of x and y, elementwise with broadcasting; NaN if either is. Where they are
    /// equal, each gets half the gradient.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, 5.0]);
    /// assert_eq!(x.maximum(&Tensor::scalar(2.0)).to_vec(), [2.0, 5.0]);
    /// ```
    #[track_caller]
    pub fn maximum(&self, other: &Self) -> Self {
        operation::binary(
            "maximum",
            [self, other],
            zip("maximum", self, other, |x, y| if x > y || x.is_nan() { x } else { y }),
            |gradient, _, x, y| gradient * share(x, y, Ordering::Greater),
            |gradient, _, x, y| gradient * share(x, y, Ordering::Less),
        )
    }

    /// The smaller of x and y, elementwise with broadcasting; NaN if either is. Where they are
    /// equal, each gets half the gradient.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, 5.0]);
    /// assert_eq!(x.minimum(&Tensor::scalar(2.0)).to_vec(), [1.0, 2.0]);
    /// ```
    #[track_caller]
    pub fn minimum(&self, other: &Self) -> Self {
        operation::binary(
            "minimum",
            [self, other],
            zip("minimum", self, other, |x, y| if x < y || x.is_nan() { x } else { y }),
            |gradient, _, x, y| gradient * share(x, y, Ordering::Less),
            |gradient, _, x, y| gradient * share(x, y, Ordering::Greater),
        )
    }
}

/// The share of the gradient that x gets: 1 where it compares to y as `wins`, ½ where they are
/// equal, NaN where they cannot be compared.
fn share<E: Element>(x: &Tensor<E>, y: &Tensor<E>, wins: Ordering) -> Tensor<E> {
    Tensor::constant(zip("share", x, y, |x, y| match x.partial_cmp(&y) {
        Some(order) if order == wins => E::one(),
        Some(Ordering::Equal) => E::from_f64(0.5),
        Some(_) => E::zero(),
        None => E::nan(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, check_binary, check_unary, random, rng};
    use crate::{grad, without_recording};

    #[test]
    fn derivatives_of_the_operators_agree_with_differences() {
        check_binary(|x, y| x + y, -2.0, 2.0);
        check_binary(|x, y| x - y, -2.0, 2.0);
        check_binary(|x, y| x * y, -2.0, 2.0);
        check_binary(|x, y| x / y, 0.5, 2.0);
        check_unary(|x| -x, -2.0, 2.0);
    }

    #[test]
    fn derivatives_with_a_number_on_either_side_agree_with_differences() {
        check_unary(|x| (x + 2.0) * (3.0 - x) / 4.0 - 1.0, -2.0, 2.0);
        check_unary(|x| 2.0 / x, 0.5, 2.0);
        check_unary(|x| 2.0 + x * 0.5, -2.0, 2.0);
    }

    #[test]
    fn derivatives_of_powers_agree_with_differences() {
        for n in [-2, -1, 0, 1, 2, 3] {
            check_unary(move |x| x.powi(n), 0.5, 2.0);
        }
        check_unary(|x| x.powi(3), -2.0, 2.0);
        for p in [-1.5, 0.0, 0.5, 1.0, 2.5] {
            check_unary(move |x| x.powf(p), 0.5, 2.0);
        }
    }

    #[test]
    fn derivatives_of_the_larger_and_smaller_agree_with_differences() {
        check_binary(|x, y| x.maximum(y), -2.0, 2.0);
        check_binary(|x, y| x.minimum(&(y * y)), -2.0, 2.0);
    }

    #[test]
    fn equal_values_share_the_gradient_of_maximum() {
        let (x, y) = (Tensor::parameter([1.0, 2.0]), Tensor::parameter([1.0, 1.0]));
        let gradients = x.maximum(&y).sum().backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec(), [0.5, 1.0]);
        assert_eq!(gradients.get(&y).unwrap().to_vec(), [0.5, 0.0]);
    }

    #[test]
    fn nan_passes_through_maximum_and_minimum_from_either_side() {
        let (x, y) = (Tensor::from([f32::NAN, 1.0]), Tensor::from([1.0, f32::NAN]));
        assert!(x.maximum(&y).to_vec().iter().all(|x| x.is_nan()));
        assert!(x.minimum(&y).to_vec().iter().all(|x| x.is_nan()));
    }

    #[test]
    fn a_power_of_zero_has_no_gradient_even_at_zero() {
        let x = Tensor::parameter([0.0, 2.0]);
        assert_eq!(x.powi(0).sum().backward().get(&x).unwrap().to_vec(), [0.0, 0.0]);
        assert_eq!(x.powf(0.0).sum().backward().get(&x).unwrap().to_vec(), [0.0, 0.0]);
    }

    #[test]
    fn operators_by_value_and_by_reference_agree() {
        let rng = &mut rng(3);
        for (left, right) in
            [(&[2, 3][..], &[2, 3][..]), (&[2, 3], &[3]), (&[1], &[2, 2]), (&[], &[3])]
        {
            let x = random(left, 0.5, 2.0, rng);
            let y = random(right, 0.5, 2.0, rng);
            macro_rules! agree {
                ($operator:tt) => {
                    let expected = (&x $operator &y).to_vec();
                    let own = |tensor: &Tensor<f64>| Tensor::from(tensor.array());
                    assert_eq!((own(&x) $operator &y).to_vec(), expected);
                    assert_eq!((&x $operator own(&y)).to_vec(), expected);
                    assert_eq!((own(&x) $operator own(&y)).to_vec(), expected);
                };
            }
            agree!(+);
            agree!(-);
            agree!(*);
            agree!(/);
        }
    }

    #[test]
    fn a_shared_tensor_is_never_changed_in_place() {
        let x = Tensor::from([1.0, 2.0]);
        let kept = x.clone();
        let view = x.reshape(&[2, 1]);
        assert_eq!((x + 1.0).to_vec(), [2.0, 3.0]);
        assert_eq!(kept.to_vec(), [1.0, 2.0]);
        drop(kept);
        assert_eq!((view * 3.0).to_vec(), [3.0, 6.0]);
    }

    #[test]
    fn a_parameter_is_never_changed_in_place() {
        let x = Tensor::parameter([1.0, 2.0]);
        let doubled = without_recording(|| x.clone() * 2.0);
        assert_eq!(doubled.to_vec(), [2.0, 4.0]);
        assert_eq!(x.to_vec(), [1.0, 2.0]);
        let z = Tensor::from([5.0, 5.0]) * &x;
        assert_eq!(grad(&z.sum(), &[&x])[0].to_vec(), [5.0, 5.0]);
    }

    #[test]
    fn a_sum_of_mixed_ranks_gets_the_broadcast_shape() {
        // The owned operand of one value must not keep its own, shorter shape.
        let x = Tensor::from([2.0]);
        assert_eq!((x * Tensor::ones(&[1, 1])).shape(), [1, 1]);
    }

    #[test]
    #[should_panic(expected = "add: shapes [2, 3] and [2, 2] do not broadcast to one shape")]
    fn shapes_that_do_not_fit_are_named() {
        let _ = Tensor::<f32>::zeros(&[2, 3]) + Tensor::zeros(&[2, 2]);
    }

    #[test]
    fn a_tensor_combined_with_itself_gets_both_gradients() {
        check(|x| &x[0] * &x[0] + &x[0] / &x[0].square(), &[random(&[3], 0.5, 2.0, &mut rng(4))]);
    }
}
