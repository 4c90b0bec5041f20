//! Elementwise loops.

use std::mem::MaybeUninit;

use crate::buffers::uninitialized;
use crate::element::Element;
use crate::threads::halves::split_in_halves;
use crate::vectorize::{Arithmetic, Vectorized, vectorize, vectorize_arithmetic};

/// The number of values from which on a loop that does little more than read and write them is worth
/// several threads.
const WORTH_THREADS: usize = 1 << 17;

/// A function of one number that may multiply and add as the processor does it best.
pub trait Function<E>: Copy + Sync {
    /// The binary logarithm of the time it takes, as a multiple of reading and writing a number.
    const COST: u32;

    /// Its value at `x`. To be marked `#[inline(always)]`.
    fn at<A: Arithmetic>(self, x: E) -> E;
}

impl<E, F: Fn(E) -> E + Copy + Sync> Function<E> for F {
    const COST: u32 = 0;

    #[inline(always)]
    fn at<A: Arithmetic>(self, x: E) -> E {
        self(x)
    }
}

/// The value of a function at each x.
#[inline(never)]
pub fn map<E: Element, F: Function<E>>(x: &[E], function: F) -> Vec<E> {
    struct Map<'a, E, F>(&'a mut [MaybeUninit<E>], &'a [E], F);
    impl<E: Element, F: Function<E>> Vectorized for Map<'_, E, F> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            for (out, &x) in self.0.iter_mut().zip(self.1) {
                out.write(self.2.at::<A>(x));
            }
        }
    }
    let write = |(out, x): (&mut [MaybeUninit<E>], &[E])| {
        vectorize_arithmetic(Map(out, x, function));
    };
    let worth = WORTH_THREADS >> F::COST;
    // SAFETY: the two slices have the same length and the same halves, so that every value is
    // written.
    unsafe { uninitialized(x.len(), |out| split_in_halves(x.len(), worth, (out, x), write)) }
}

/// Replaces each value by `f` of it.
#[inline(never)]
pub fn map_in_place<E: Element>(x: &mut [E], f: impl Fn(E) -> E + Sync) {
    let change = |x: &mut [E]| {
        vectorize(
            #[inline(always)]
            || {
                for x in x {
                    *x = f(*x);
                }
            },
        );
    };
    split_in_halves(x.len(), WORTH_THREADS, x, change);
}

/// `f` of each pair of values.
///
/// # Panics
///
/// If the lengths differ.
#[inline(never)]
#[track_caller]
pub fn zip<E: Element>(x: &[E], y: &[E], f: impl Fn(E, E) -> E + Sync) -> Vec<E> {
    assert_eq!(x.len(), y.len(), "zip: takes slices of one length");
    type Zipped<'a, E> = (&'a mut [MaybeUninit<E>], (&'a [E], &'a [E]));
    let write = |(out, (x, y)): Zipped<'_, E>| {
        vectorize(
            #[inline(always)]
            || {
                for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    out.write(f(x, y));
                }
            },
        );
    };
    // SAFETY: all slices have the same length and the same halves, so that every value is written.
    unsafe {
        uninitialized(x.len(), |out| {
            split_in_halves(x.len(), WORTH_THREADS, (out, (x, y)), write);
        })
    }
}

/// Replaces each value `x` by `f(x, y)`.
///
/// # Panics
///
/// If the lengths differ.
#[inline(never)]
#[track_caller]
pub fn zip_in_place<E: Element>(x: &mut [E], y: &[E], f: impl Fn(E, E) -> E + Sync) {
    assert_eq!(x.len(), y.len(), "zip_in_place: takes slices of one length");
    let change = |(x, y): (&mut [E], &[E])| {
        vectorize(
            #[inline(always)]
            || {
                for (x, &y) in x.iter_mut().zip(y) {
                    *x = f(*x, y);
                }
            },
        );
    };
    split_in_halves(x.len(), WORTH_THREADS, (x, y), change);
}

/// Each gradient times the slope at its x.
///
/// # Panics
///
/// If the lengths differ.
#[inline(never)]
#[track_caller]
pub fn times_slope<E: Element, F: Function<E>>(gradient: &[E], x: &[E], slope: F) -> Vec<E> {
    assert_eq!(gradient.len(), x.len(), "times_slope: takes slices of one length");
    type Slopes<'a, E> = (&'a mut [MaybeUninit<E>], (&'a [E], &'a [E]));
    struct Times<'a, E, F>(Slopes<'a, E>, F);
    impl<E: Element, F: Function<E>> Vectorized for Times<'_, E, F> {
        type Output = ();

        #[inline(always)]
        fn run<A: Arithmetic>(self) {
            let (out, (gradient, x)) = self.0;
            for ((out, &gradient), &x) in out.iter_mut().zip(gradient).zip(x) {
                // A gradient of 0 stays 0, though the slope be NaN.
                let product = gradient * self.1.at::<A>(x);
                out.write(if gradient == E::zero() { gradient } else { product });
            }
        }
    }
    let write = |slices: Slopes<'_, E>| vectorize_arithmetic(Times(slices, slope));
    let worth = WORTH_THREADS >> F::COST;
    // SAFETY: all slices have the same length and the same halves, so that every value is written.
    unsafe {
        uninitialized(x.len(), |out| split_in_halves(x.len(), worth, (out, (gradient, x)), write))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Cube;

    impl<E: Element> Function<E> for Cube {
        const COST: u32 = 3;

        #[inline(always)]
        fn at<A: Arithmetic>(self, x: E) -> E {
            A::multiply_add(x * x, x, E::zero())
        }
    }

    fn functions_equal_the_plain_loop<E: Element>() {
        let worth = WORTH_THREADS >> <Cube as Function<E>>::COST;
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, worth, worth + 3] {
            let numbers = |modulus: usize| -> Vec<E> {
                (0..len).map(|i| E::from_usize(i % modulus) - E::from_usize(50)).collect()
            };
            let (x, gradient) = (numbers(101), numbers(89));
            let cubes: Vec<E> = x.iter().map(|&x| x * x * x).collect();
            let products: Vec<E> = cubes.iter().zip(&gradient).map(|(&y, &g)| g * y).collect();
            assert_eq!(map(&x, Cube), cubes, "{len} values");
            assert_eq!(times_slope(&gradient, &x, Cube), products, "{len} values");
        }
    }

    #[test]
    fn functions_equal_the_plain_loop_on_ragged_sizes_and_across_threads() {
        functions_equal_the_plain_loop::<f32>();
        functions_equal_the_plain_loop::<f64>();
    }

    #[test]
    fn loops_equal_the_plain_ones_on_ragged_sizes_and_across_threads() {
        let threaded = WORTH_THREADS + 3;
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, WORTH_THREADS, threaded] {
            let x: Vec<f32> = (0..len).map(|i| (i % 101) as f32 - 50.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i % 89) as f32 + 1.0).collect();
            let mapped: Vec<f32> = x.iter().map(|x| x * 2.0 + 1.0).collect();
            let zipped: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x / y).collect();
            assert_eq!(map(&x, |x: f32| x * 2.0 + 1.0), mapped, "{len} values");
            assert_eq!(zip(&x, &y, |x, y| x / y), zipped, "{len} values");
            let mut changed = x.clone();
            map_in_place(&mut changed, |x| x * 2.0 + 1.0);
            assert_eq!(changed, mapped, "{len} values");
            let mut changed = x;
            zip_in_place(&mut changed, &y, |x, y| x / y);
            assert_eq!(changed, zipped, "{len} values");
        }
    }
}
