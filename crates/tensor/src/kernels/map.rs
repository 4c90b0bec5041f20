//! Elementwise loops.

use std::mem::MaybeUninit;

use super::vectorize;

/// A vector of `len` values that `fill` writes, every one of them.
///
/// # Safety
///
/// `fill` must initialise the whole slice it is handed.
pub(crate) unsafe fn uninitialized<E>(
    len: usize,
    fill: impl FnOnce(&mut [MaybeUninit<E>]),
) -> Vec<E> {
    let mut values = Vec::with_capacity(len);
    fill(&mut values.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is at least `len`, and the caller promises that `fill` has
    // initialised so many values.
    unsafe { values.set_len(len) };
    values
}

/// `f` of each value.
pub(crate) fn map<E: Copy>(x: &[E], f: impl Fn(E) -> E) -> Vec<E> {
    // SAFETY: the two slices have the same length, so the loop writes every value.
    unsafe {
        uninitialized(x.len(), |out| {
            vectorize(|| {
                for (out, &x) in out.iter_mut().zip(x) {
                    out.write(f(x));
                }
            });
        })
    }
}

/// Replaces each value by `f` of it.
pub(crate) fn map_in_place<E: Copy>(x: &mut [E], f: impl Fn(E) -> E) {
    vectorize(|| {
        for x in x {
            *x = f(*x);
        }
    });
}

/// `f` of each pair of values.
pub(crate) fn zip<E: Copy>(x: &[E], y: &[E], f: impl Fn(E, E) -> E) -> Vec<E> {
    assert_eq!(x.len(), y.len(), "zip takes slices of one length");
    // SAFETY: all slices have the same length, so the loop writes every value.
    unsafe {
        uninitialized(x.len(), |out| {
            vectorize(|| {
                for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
                    out.write(f(x, y));
                }
            });
        })
    }
}

/// Replaces each value `x` by `f(x, y)`.
pub(crate) fn zip_in_place<E: Copy>(x: &mut [E], y: &[E], f: impl Fn(E, E) -> E) {
    assert_eq!(x.len(), y.len(), "zip_in_place takes slices of one length");
    vectorize(|| {
        for (x, &y) in x.iter_mut().zip(y) {
            *x = f(*x, y);
        }
    });
}
