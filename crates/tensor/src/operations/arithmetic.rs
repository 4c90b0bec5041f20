//! + − × ÷, and the larger and smaller of two, with broadcasting.

mod operators;

use std::cmp::Ordering;

use self::operators::in_place;
use super::broadcast::{compare, zip};
use crate::operation::{self, is_recorded};
use crate::tensor::Tensor;
use downhill_kernels::Element;

#[track_caller]
pub(super) fn addition<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        ("add", "Add"),
        [x, y],
        zip("add", x, y, |x, y| x + y),
        |gradient, _, _, _| gradient,
        |gradient, _, _, _| gradient,
    )
}

#[track_caller]
pub(super) fn subtraction<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        ("sub", "Sub"),
        [x, y],
        zip("sub", x, y, |x, y| x - y),
        |gradient, _, _, _| gradient,
        |gradient, _, _, _| -gradient,
    )
}

#[track_caller]
pub(super) fn multiplication<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        ("mul", "Mul"),
        [x, y],
        zip("mul", x, y, |x, y| x * y),
        |gradient, _, _, y| gradient.times(y),
        |gradient, _, x, _| gradient.times(x),
    )
}

#[track_caller]
pub(super) fn division<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    operation::binary(
        ("div", "Div"),
        [x, y],
        zip("div", x, y, |x, y| x / y),
        |gradient, _, _, y| gradient.over(y),
        |gradient, quotient, _, y| -gradient.times(quotient).over(y),
    )
}

impl<E: Element> Tensor<E> {
    /// A gradient times the slope that it goes through, by the rule that **a gradient of 0 stays
    /// 0**, though the slope be infinite or NaN: what an output does not depend on has no say in
    /// it. By this rule the branch that [`select`](Self::select) has not chosen may hold anything.
    /// For vector–Jacobian products of functions that take each value by itself; everywhere else
    /// it is the product with `*`.
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let gradient = Tensor::from([2.0, 0.0]);
    /// assert_eq!(gradient.times(&Tensor::from([3.0, f32::INFINITY])).to_vec(), [6.0, 0.0]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn times(self, slope: &Self) -> Self {
        if is_recorded(&[&self, slope]) {
            // Derivatives of higher order stop where this one does.
            return self.clone() * slope.unless_stopped(&self, E::zero(), E::is_finite);
        }
        self.changed("mul", slope, |x, y| if x == E::zero() { x } else { x * y })
    }

    /// A gradient divided by `divisor`, by the rule of [`times`](Self::times).
    ///
    /// # Panics
    ///
    /// If the shapes do not broadcast.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let gradient = Tensor::from([2.0, 0.0]);
    /// assert_eq!(gradient.over(&Tensor::from([4.0, 0.0])).to_vec(), [0.5, 0.0]);
    /// ```
    #[track_caller]
    #[must_use]
    pub fn over(self, divisor: &Self) -> Self {
        if is_recorded(&[&self, divisor]) {
            let divides = |y: E| y != E::zero() && !y.is_nan();
            return self.clone() / divisor.unless_stopped(&self, E::infinity(), divides);
        }
        self.changed("div", divisor, |x, y| if x == E::zero() { x } else { x / y })
    }

    /// This slope, with `stop` in place of what is not `regular` where the gradient is 0.
    fn unless_stopped(
        &self,
        gradient: &Self,
        stop: E,
        regular: impl Fn(E) -> bool + Copy + Sync,
    ) -> Self {
        if self.array().iter().all(|&x| regular(x)) {
            return self.clone();
        }
        let stopped =
            compare("times", gradient, self, |gradient, x| gradient == E::zero() && !regular(x));
        self.masked_fill(&stopped, stop)
    }

    /// `f` of each pair of values, in place where nothing else holds this tensor.
    #[track_caller]
    fn changed(mut self, name: &str, y: &Self, f: impl Fn(E, E) -> E + Copy + Sync) -> Self {
        match in_place(&mut self, y, f) {
            true => self,
            false => Self::constant(zip(name, &self, y, f)),
        }
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
            ("maximum", "Max"),
            [self, other],
            zip("maximum", self, other, |x, y| if x > y || x.is_nan() { x } else { y }),
            |gradient, _, x, y| gradient.times(&share(x, y, Ordering::Greater)),
            |gradient, _, x, y| gradient.times(&share(x, y, Ordering::Less)),
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
            ("minimum", "Min"),
            [self, other],
            zip("minimum", self, other, |x, y| if x < y || x.is_nan() { x } else { y }),
            |gradient, _, x, y| gradient.times(&share(x, y, Ordering::Less)),
            |gradient, _, x, y| gradient.times(&share(x, y, Ordering::Greater)),
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
        check_binary(&|x, y| x + y, -2.0, 2.0);
        check_binary(&|x, y| x - y, -2.0, 2.0);
        check_binary(&|x, y| x * y, -2.0, 2.0);
        check_binary(&|x, y| x / y, 0.5, 2.0);
        check_unary(&|x| -x, -2.0, 2.0);
    }

    #[test]
    fn derivatives_with_a_number_on_either_side_agree_with_differences() {
        check_unary(&|x| (x + 2.0) * (3.0 - x) / 4.0 - 1.0, -2.0, 2.0);
        check_unary(&|x| 2.0 / x, 0.5, 2.0);
        check_unary(&|x| 2.0 + x * 0.5, -2.0, 2.0);
    }

    #[test]
    fn derivatives_of_the_larger_and_smaller_agree_with_differences() {
        check_binary(&|x, y| x.maximum(y), -2.0, 2.0);
        check_binary(&|x, y| x.minimum(&(y * y)), -2.0, 2.0);
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
        check(&|x| &x[0] * &x[0] + &x[0] / &x[0].square(), &[random(&[3], 0.5, 2.0, &mut rng(4))]);
    }
}
