//! The operators between tensors and numbers, by value and by reference.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use super::{addition, division, multiplication, subtraction};
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
#[inline(never)]
pub(super) fn in_place<E: Element>(
    x: &mut Tensor<E>,
    y: &Tensor<E>,
    f: impl Fn(E, E) -> E + Sync,
) -> bool {
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
        operation::unary(("neg", "Neg"), self, value, |gradient, _, _| -gradient)
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
