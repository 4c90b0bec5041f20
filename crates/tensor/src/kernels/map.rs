//! Elementwise loops.

use std::mem::MaybeUninit;

use super::{Kernel, free_threads, join, vectorize};

/// A vector of `len` values that `fill` writes, every one of them.
///
/// # Safety
///
/// `fill` must initialise the whole slice it is handed.
pub(crate) unsafe fn uninitialized<E: Kernel>(
    len: usize,
    fill: impl FnOnce(&mut [MaybeUninit<E>]),
) -> Vec<E> {
    let mut values = E::pool().take(len);
    values.clear();
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller promises that `fill` has
    // initialised so many values.
    unsafe { values.set_len(len) };
    values
}

/// From this many values on, a loop is shared among threads.
const WORTH_THREADS: usize = 1 << 17;

/// Slices of one length that are cut alike.
trait Slices: Send + Sized {
    fn halves(self, middle: usize) -> (Self, Self);
}

impl<T: Sync> Slices for &[T] {
    fn halves(self, middle: usize) -> (Self, Self) {
        self.split_at(middle)
    }
}

impl<T: Send> Slices for &mut [T] {
    fn halves(self, middle: usize) -> (Self, Self) {
        self.split_at_mut(middle)
    }
}

impl<A: Slices, B: Slices> Slices for (A, B) {
    fn halves(self, middle: usize) -> (Self, Self) {
        let ((a, more_a), (b, more_b)) = (self.0.halves(middle), self.1.halves(middle));
        ((a, b), (more_a, more_b))
    }
}

/// Runs `f` on all of the slices, or on parts of them on several threads.
fn share<S: Slices>(len: usize, slices: S, f: &(impl Fn(S) + Sync)) {
    if len < WORTH_THREADS || free_threads() < 2 {
        return f(slices);
    }
    let middle = len / 2;
    let (first, second) = slices.halves(middle);
    join(|| share(middle, first, f), || share(len - middle, second, f));
}

/// `f` of each value.
pub(crate) fn map<E: Kernel>(x: &[E], f: impl Fn(E) -> E + Sync) -> Vec<E> {
    let write = |(out, x): (&mut [MaybeUninit<E>], &[E])| {
        vectorize(
            #[inline(always)]
            || {
                for (out, &x) in out.iter_mut().zip(x) {
                    out.write(f(x));
                }
            },
        );
    };
    // SAFETY: the two slices have the same length and are cut alike, so that every value is
    // written.
    unsafe { uninitialized(x.len(), |out| share(x.len(), (out, x), &write)) }
}

/// Replaces each value by `f` of it.
pub(crate) fn map_in_place<E: Kernel>(x: &mut [E], f: impl Fn(E) -> E + Sync) {
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
    share(x.len(), x, &change);
}

/// `f` of each pair of values.
pub(crate) fn zip<E: Kernel>(x: &[E], y: &[E], f: impl Fn(E, E) -> E + Sync) -> Vec<E> {
    assert_eq!(x.len(), y.len(), "zip takes slices of one length");
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
    // SAFETY: all slices have the same length and are cut alike, so that every value is written.
    unsafe { uninitialized(x.len(), |out| share(x.len(), (out, (x, y)), &write)) }
}

/// Replaces each value `x` by `f(x, y)`.
pub(crate) fn zip_in_place<E: Kernel>(x: &mut [E], y: &[E], f: impl Fn(E, E) -> E + Sync) {
    assert_eq!(x.len(), y.len(), "zip_in_place takes slices of one length");
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
    share(x.len(), (x, y), &change);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_equal_the_plain_ones_on_ragged_sizes_and_across_threads() {
        let threaded = WORTH_THREADS + 3;
        for len in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100, WORTH_THREADS, threaded] {
            let x: Vec<f32> = (0..len).map(|i| (i % 101) as f32 - 50.0).collect();
            let y: Vec<f32> = (0..len).map(|i| (i % 89) as f32 + 1.0).collect();
            let mapped: Vec<f32> = x.iter().map(|x| x * 2.0 + 1.0).collect();
            let zipped: Vec<f32> = x.iter().zip(&y).map(|(x, y)| x / y).collect();
            assert_eq!(map(&x, |x| x * 2.0 + 1.0), mapped, "{len} values");
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
