//! Broadcasting: elementwise functions of two tensors whose shapes need not be equal.
//!
//! As in NumPy, shapes are aligned at their last axes, and an axis of length 1 (or a missing one)
//! is repeated to the length of the other's.

use ndarray::{ArcArray, ArrayD, IxDyn, Zip};

use crate::element::Element;
use crate::kernels;
use crate::tensor::Tensor;

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

#[track_caller]
pub(crate) fn expect_broadcast(name: &str, x: &[usize], y: &[usize]) -> Vec<usize> {
    broadcast_shape(x, y)
        .unwrap_or_else(|| panic!("{name}: shapes {x:?} and {y:?} do not broadcast to one shape"))
}

/// `f` of each pair of values, broadcast.
#[track_caller]
pub(crate) fn zip<E: Element>(
    name: &str,
    x: &Tensor<E>,
    y: &Tensor<E>,
    f: impl Fn(E, E) -> E + Copy,
) -> ArcArray<E, IxDyn> {
    let (xs, ys) = (&x.0.value, &y.0.value);
    let shape = if xs.shape() == ys.shape() {
        xs.shape().to_vec()
    } else {
        expect_broadcast(name, xs.shape(), ys.shape())
    };
    let values = match (xs.as_slice(), ys.as_slice()) {
        (Some(xs), Some(ys)) if x.shape() == y.shape() => kernels::zip(xs, ys, f),
        (Some(xs), Some(&[y])) if x.shape() == shape => kernels::map(xs, |x| f(x, y)),
        (Some(&[x]), Some(ys)) if y.shape() == shape => kernels::map(ys, |y| f(x, y)),
        _ => {
            let view = |array: &ArcArray<E, IxDyn>| -> ArrayD<E> {
                array.broadcast(&shape[..]).expect("the shape was just checked").to_owned()
            };
            let mut out = view(xs);
            let ys = ys.broadcast(&shape[..]).expect("the shape was just checked");
            Zip::from(&mut out).and(ys).for_each(|x, &y| *x = f(*x, y));
            return out.into_shared();
        }
    };
    array(&shape, values)
}

/// The array of `shape` with `values` in row-major order.
pub(crate) fn array<E: Element>(shape: &[usize], values: Vec<E>) -> ArcArray<E, IxDyn> {
    ArrayD::from_shape_vec(shape, values).expect("as many values as the shape holds").into_shared()
}
