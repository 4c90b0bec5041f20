//! Products of matrices in any layout.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, CowArray, Ix2};

use super::operands::{Bytes, Product, Start};
use crate::buffers::{checked_len, uninitialized};
use crate::element::Element;

/// The product of `left` `[M, K]` and `right` `[K, N]`, each in any layout; in row-major layout.
///
/// # Panics
///
/// If the inner dimensions differ, or no memory has room for M · N values.
#[inline(never)]
#[track_caller]
pub fn matmul<E: Element>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>) -> Array2<E> {
    let shape = (left.nrows(), right.ncols());
    Array2::from_shape_vec(shape, linear(left, right)).expect("M · N values were made")
}

/// The M · N values of [`matmul`] in row-major layout.
///
/// # Panics
///
/// If the inner dimensions differ.
#[track_caller]
pub fn linear<E: Element>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>) -> Vec<E> {
    product_from(left, right, Start::Zero)
}

/// [`linear`] with `bias` `[N]` added to each row.
///
/// # Panics
///
/// If the inner dimensions differ, or those of `right` and `bias`.
#[track_caller]
pub fn affine<E: Element>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>, bias: &[E]) -> Vec<E> {
    assert_eq!(right.ncols(), bias.len(), "affine: there must be a bias for each column");
    product_from(left, right, Start::Row(bias.as_ptr()))
}

/// The product in a buffer of its own, which `start` does not point into.
#[inline(never)]
#[track_caller]
fn product_from<E: Element>(
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    start: Start<E>,
) -> Vec<E> {
    let (rows, columns) = (left.nrows(), right.ncols());
    assert_eq!(left.ncols(), right.nrows(), "matmul: the inner dimensions must agree");
    let Some(len) = checked_len::<E>(&[rows, columns]) else {
        panic!("matmul: the product of {:?} and {:?} is too large", left.shape(), right.shape())
    };
    // SAFETY: `product` writes every value (with no terms the sums are those they start from).
    unsafe {
        uninitialized(len, |out| {
            product(left, right, out.as_mut_ptr().cast(), columns as isize, start, None);
        })
    }
}

/// Adds the product of `left` `[M, K]` and `right` `[K, N]`, each in any layout, to the M · N
/// values of `destination`, in row-major layout.
///
/// # Panics
///
/// If the inner dimensions differ or `destination` is of another length.
#[track_caller]
pub fn matmul_onto<E: Element>(
    destination: &mut [E],
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
) {
    let shape = (left.nrows(), right.ncols());
    let destination = ArrayViewMut2::from_shape(shape, destination);
    let Ok(destination) = destination else {
        panic!(
            "matmul_onto: the destination does not hold as many values as the product, {shape:?}"
        )
    };
    part(destination, left, right, Start::Destination, None);
}

/// Writes the product of `left` `[M, K]` and `right` `[K, N]`, each in any layout, to some rows or
/// columns of a larger matrix, or adds it to what is there.
///
/// It is meant for matrices that are in the second-level cache. `ahead`, which may be empty, is
/// prefetched into it while the product is computed, so that the next product finds its operands
/// there.
///
/// # Panics
///
/// If the inner dimensions differ, or `destination` is of another shape or its rows are not
/// contiguous.
///
/// ```
/// use downhill_kernels::matmul_part;
/// use ndarray::{Array2, array, s};
///
/// let (x, y) = (array![[1.0, 2.0]], array![[3.0, 4.0], [5.0, 6.0]]);
/// let mut sums = Array2::ones((1, 3));
/// matmul_part(sums.slice_mut(s![.., 1..]), x.view(), y.view(), true, &[]);
/// assert_eq!(sums, array![[1.0, 14.0, 17.0]]);
/// ```
#[track_caller]
pub fn matmul_part<E: Element>(
    destination: ArrayViewMut2<'_, E>,
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    is_added: bool,
    ahead: &[E],
) {
    let start = if is_added { Start::Destination } else { Start::Zero };
    part(destination, left, right, start, Some(ahead));
}

#[inline(never)]
#[track_caller]
fn part<E: Element>(
    mut destination: ArrayViewMut2<'_, E>,
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    start: Start<E>,
    ahead: Option<&[E]>,
) {
    let (shape, strides) = (destination.dim(), destination.strides());
    assert_eq!(
        shape,
        (left.nrows(), right.ncols()),
        "matmul_part: the product needs its own shape"
    );
    assert_eq!(left.ncols(), right.nrows(), "matmul: the inner dimensions must agree");
    if destination.is_empty() {
        // Its strides mean nothing.
        return;
    }
    assert!(
        (shape.1 < 2 || strides[1] == 1) && (shape.0 < 2 || strides[0] >= shape.1 as isize),
        "matmul_part: the rows of the destination must be contiguous and in order"
    );
    // That of a single row may be anything.
    let stride = if shape.0 < 2 { shape.1 as isize } else { strides[0] };
    // SAFETY: the destination was just found to hold M · N initialised values in rows that far
    // apart.
    unsafe { product(left, right, destination.as_mut_ptr(), stride, start, ahead) }
}

/// # Safety
///
/// The inner dimensions must agree. `destination` must be valid for writing M rows of N values, `destination_stride` values from
/// one to the next, and for reading them if they are what the sums `start` from; so must another row
/// to start from.
unsafe fn product<E: Element>(
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    destination: *mut E,
    destination_stride: isize,
    start: Start<E>,
    ahead: Option<&[E]>,
) {
    let ((rows, inner), columns) = (left.dim(), right.ncols());
    let (left, right) = (with_plain_strides(&left), with_plain_strides(&right));
    let strides = |view: &CowArray<'_, E, Ix2>| [view.strides()[0], view.strides()[1]];
    // SAFETY: a view's pointer and strides stay inside its array for every index below its
    // dimensions, which are the ones passed on.
    unsafe {
        let product = Product {
            rows,
            columns,
            inner,
            destination,
            destination_stride,
            start,
            left: left.as_ptr(),
            left_strides: strides(&left),
            right: right.as_ptr(),
            right_strides: strides(&right),
            ahead: ahead
                .map(|ahead| Bytes { start: ahead.as_ptr().cast(), len: size_of_val(ahead) }),
        };
        product.run();
    }
}

/// The same matrix with strides that the kernels take: not negative, as those of a reversed view
/// are, and not so large that a tile's worth of them overflows, as that of an axis of length 1 may.
fn with_plain_strides<'a, E: Copy>(view: &ArrayView2<'a, E>) -> CowArray<'a, E, Ix2> {
    const LARGEST: isize = isize::MAX / 64;
    match view.strides().iter().all(|stride| (0..=LARGEST).contains(stride)) {
        true => (*view).into(),
        false => Array2::from_shape_fn(view.dim(), |index| view[index]).into(),
    }
}
