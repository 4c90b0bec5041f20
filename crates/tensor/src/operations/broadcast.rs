//! Broadcasting: elementwise functions of two tensors whose shapes need not be equal.
//!
//! As in NumPy, shapes are aligned at their last axes, and an axis of length 1 (or a missing one)
//! is repeated to the length of the other's.

use ndarray::{ArrayD, Zip};

use crate::storage::{Storage, volume};
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

/// The shape that two shapes broadcast to, if they do.
pub(crate) fn broadcast_shape(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let (long, short) = if x.len() >= y.len() { (x, y) } else { (y, x) };
    let mut shape = long.to_vec();
    let offset = long.len() - short.len();
    for (length, &other) in shape[offset..].iter_mut().zip(short) {
        match (*length, other) {
            (a, b) if a == b => {}
            (1, b) => *length = b,
            (_, 1) => {}
            _ => return None,
        }
    }
    Some(shape)
}

/// Whether a tensor of one shape can be repeated to another.
pub(crate) fn broadcasts_to(shape: &[usize], other: &[usize]) -> bool {
    let mut lengths = shape.iter().rev().zip(other.iter().rev());
    shape.len() <= other.len() && lengths.all(|(&length, &other)| length == other || length == 1)
}

#[track_caller]
pub(crate) fn expect_broadcast<E>(name: &str, x: &[usize], y: &[usize]) -> Vec<usize> {
    // Not in a closure, into which `track_caller` would not reach.
    let Some(shape) = broadcast_shape(x, y) else {
        panic!("{name}: shapes {x:?} and {y:?} do not broadcast to one shape")
    };
    volume::<E>(name, &shape);
    shape
}

/// `f` of each pair of values, broadcast.
#[inline(never)]
#[track_caller]
pub(crate) fn zip<E: Element>(
    name: &str,
    x: &Tensor<E>,
    y: &Tensor<E>,
    f: impl Fn(E, E) -> E + Copy + Sync,
) -> Storage<E> {
    if x.shape() == y.shape() {
        return Storage::new(x.shape(), kernels::zip(&x.values(), &y.values(), f));
    }
    let shape = expect_broadcast::<E>(name, x.shape(), y.shape());
    match (x.storage().as_slice(), y.storage().as_slice()) {
        (Some(xs), Some(&[y])) if x.shape() == shape => {
            Storage::new(&shape, kernels::map(xs, |x: E| f(x, y)))
        }
        (Some(&[x]), Some(ys)) if y.shape() == shape => {
            Storage::new(&shape, kernels::map(ys, |y: E| f(x, y)))
        }
        _ => {
            let mut out = x.array().broadcast(&shape[..]).expect("it was just checked").to_owned();
            Zip::from(&mut out).and_broadcast(&y.array()).for_each(|x, &y| *x = f(*x, y));
            out.into()
        }
    }
}

/// Where a pair of values satisfies `predicate`, broadcast.
#[track_caller]
pub(crate) fn compare<E: Element>(
    name: &str,
    x: &Tensor<E>,
    y: &Tensor<E>,
    predicate: impl Fn(E, E) -> bool + Copy + Sync,
) -> ArrayD<bool> {
    let holds = zip(name, x, y, |x, y| if predicate(x, y) { E::one() } else { E::zero() });
    holds.view().mapv(|holds| holds == E::one())
}
