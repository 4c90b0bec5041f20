//! Matrix products: those of matrices in cache by a kernel of ours, others by the real-valued parts
//! of the `gemm` crate, whose complex ones would take longer to compile than everything else here.

#[cfg(test)]
mod tests;

use gemm_common::Parallelism;
use ndarray::{Array2, ArrayView2, ArrayViewMut2, CowArray, Ix2};

use super::dispatch::dispatch;
use super::tiles::Tiled;
use super::{Arithmetic, Kernel, exponential, free_threads, join, normal};

/// The operands of destination = start + left · right.
#[derive(Clone, Copy)]
pub struct Product<E> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) inner: usize,
    pub(super) destination: *mut E,
    /// From one row to the next.
    pub(super) destination_stride: isize,
    pub(super) start: Start<E>,
    pub(super) left: *const E,
    pub(super) left_strides: [isize; 2],
    pub(super) right: *const E,
    pub(super) right_strides: [isize; 2],
    /// If the product is to be computed in tiles whatever its size.
    pub(super) ahead: Option<Bytes>,
}

/// What the products are added to.
#[derive(Clone, Copy)]
pub(super) enum Start<E> {
    Zero,
    /// What the destination holds.
    Destination,
    /// The same numbers in every row.
    Row(*const E),
}

/// Memory that will be needed next, to be called into the cache.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    pub(super) start: *const u8,
    pub(super) len: usize,
}

impl Bytes {
    fn halves(self) -> (Self, Self) {
        let middle = self.len / 2;
        let second = Self { start: self.start.wrapping_add(middle), len: self.len - middle };
        (Self { len: middle, ..self }, second)
    }
}

// SAFETY: the pointers are those of slices of numbers, of which the destination is borrowed
// exclusively for as long as the product is computed.
unsafe impl<E: Send + Sync> Send for Product<E> {}

/// Up to so many multiplications a product is computed in tiles.
const SMALL: usize = 1 << 23;
/// And whatever their number if its destination has no more rows and columns than this: `gemm`
/// would add up in another order than in a larger product, of which this might be a part.
const FEW: usize = 64;
/// A part with fewer multiplications than this is not worth another thread.
const WORTH_THREADS: usize = 1 << 18;

impl<E: Kernel> Product<E> {
    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    unsafe fn run(self) {
        if self.ahead.is_some()
            || self.multiplications() <= SMALL
            || self.rows.max(self.columns) <= FEW
        {
            // SAFETY: the caller vouches for the pointers and strides, and a part is inside.
            let run = |part| E::tiled(unsafe { Tiled::new(part) });
            self.in_parts(&run, |_, _| true);
        } else {
            // SAFETY: likewise.
            let run = |part: Self| unsafe { part.run_alone() };
            self.in_parts(&run, |whole, part| whole.way() == part.way());
        }
    }

    pub(super) fn multiplications(&self) -> usize {
        self.rows * self.columns * self.inner
    }

    /// Runs the product in as many parts as there are free threads. A part is some of the rows or
    /// columns, in which each number `is_same` as in the whole, to the last bit.
    fn in_parts(self, run: &(impl Fn(Self) + Sync), is_same: fn(&Self, &Self) -> bool) {
        if self.multiplications() < 2 * WORTH_THREADS || free_threads() < 2 {
            return run(self);
        }
        let by_longer = self.rows >= self.columns;
        let cuts = [self.halves(by_longer), self.halves(!by_longer)];
        let cut = cuts.into_iter().find(|(a, b)| is_same(&self, a) && is_same(&self, b));
        let Some((first, second)) = cut else { return run(self) };
        join(move || first.in_parts(run, is_same), move || second.in_parts(run, is_same));
    }

    /// In which order `gemm` adds up depends, the layout apart, on these.
    fn way(&self) -> [bool; 4] {
        let (rows, columns) = (self.rows, self.columns);
        [rows * columns <= 256, rows.max(columns) <= FEW, rows <= 1, columns <= 1]
    }

    /// # Safety
    ///
    /// The strides must stay inside the arrays the pointers point into.
    unsafe fn run_alone(self) {
        if let Start::Row(start) = self.start {
            for row in 0..self.rows {
                // SAFETY: the caller vouches for each row of the destination, and for a row to
                // start from.
                unsafe {
                    let out = self.destination.offset(row as isize * self.destination_stride);
                    std::ptr::copy_nonoverlapping(start, out, self.columns);
                }
            }
        }
        // SAFETY: the caller vouches for the pointers and strides.
        unsafe { E::gemm(self) }
    }

    /// Two parts along an axis of the destination.
    fn halves(self, by_rows: bool) -> (Self, Self) {
        // In whole tiles, and whole registers, of most instruction sets.
        let middle = |length: usize, of: usize| (length / 2).next_multiple_of(of).min(length);
        let (ahead, more_ahead) = self.ahead.map(Bytes::halves).unzip();
        let first = Self { ahead, ..self };
        if by_rows {
            let rows = middle(self.rows, 8);
            let (left, destination) =
                (rows as isize * self.left_strides[0], rows as isize * self.destination_stride);
            let second = Self {
                rows: self.rows - rows,
                left: self.left.wrapping_offset(left),
                destination: self.destination.wrapping_offset(destination),
                ahead: more_ahead,
                ..self
            };
            (Self { rows, ..first }, second)
        } else {
            let columns = middle(self.columns, 16);
            let start = match self.start {
                Start::Row(start) => Start::Row(start.wrapping_add(columns)),
                start => start,
            };
            let second = Self {
                columns: self.columns - columns,
                right: self.right.wrapping_offset(columns as isize * self.right_strides[1]),
                destination: self.destination.wrapping_add(columns),
                start,
                ahead: more_ahead,
                ..self
            };
            (Self { columns, ..first }, second)
        }
    }
}

macro_rules! kernel {
    ($float:ident, $gemm:ident, $exponential:ident, $decay:ident, $normal:ident) => {
        impl Kernel for $float {
            #[inline(always)]
            fn exponential(self) -> Self {
                exponential::$exponential(self)
            }

            #[inline(always)]
            fn decay<A: Arithmetic>(self) -> Self {
                exponential::$decay::<A>(self)
            }

            #[inline(always)]
            fn normal<A: Arithmetic>(self) -> (Self, Self) {
                normal::$normal::<A>(self)
            }

            fn tiled(product: Tiled<Self>) {
                dispatch(product);
            }

            unsafe fn gemm(product: Product<Self>) {
                let Product { rows, columns, inner, destination, start, .. } = product;
                let accumulate = !matches!(start, Start::Zero);
                // The kernels want a destination in column-major layout: a row-major one is the
                // transpose, the product of the transposed operands in the other order.
                // SAFETY: the caller vouches for the pointers and strides.
                unsafe {
                    $gemm::gemm::$float::get_gemm_fn()(
                        columns,
                        rows,
                        inner,
                        destination,
                        product.destination_stride,
                        1,
                        accumulate,
                        product.right,
                        product.right_strides[0],
                        product.right_strides[1],
                        product.left,
                        product.left_strides[0],
                        product.left_strides[1],
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        Parallelism::None,
                    );
                }
            }
        }
    };
}
kernel!(f32, gemm_f32, exponential_f32, decay_f32, normal_f32);
kernel!(f64, gemm_f64, exponential_f64, decay_f64, normal_f64);

/// The product of `left` `[M, K]` and `right` `[K, N]`, each in any layout; in row-major layout.
///
/// # Panics
///
/// If the inner dimensions differ.
pub fn matmul<E: Kernel>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>) -> Array2<E> {
    let shape = (left.nrows(), right.ncols());
    Array2::from_shape_vec(shape, linear(left, right)).expect("M · N values were made")
}

/// The M · N values of [`matmul`] in row-major layout.
///
/// # Panics
///
/// If the inner dimensions differ.
pub fn linear<E: Kernel>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>) -> Vec<E> {
    product_from(left, right, Start::Zero)
}

/// [`linear`] with `bias` `[N]` added to each row.
///
/// # Panics
///
/// If the inner dimensions differ, or those of `right` and `bias`.
pub fn affine<E: Kernel>(left: ArrayView2<'_, E>, right: ArrayView2<'_, E>, bias: &[E]) -> Vec<E> {
    assert_eq!(right.ncols(), bias.len(), "a bias for each column");
    product_from(left, right, Start::Row(bias.as_ptr()))
}

/// The product in a buffer of its own, which `start` is not.
fn product_from<E: Kernel>(
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    start: Start<E>,
) -> Vec<E> {
    let (rows, columns) = (left.nrows(), right.ncols());
    // SAFETY: `product` writes every value (with no terms the sums are those they start from).
    unsafe {
        super::uninitialized(rows * columns, |out| {
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
pub fn matmul_onto<E: Kernel>(
    destination: &mut [E],
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
) {
    let shape = (left.nrows(), right.ncols());
    let destination = ArrayViewMut2::from_shape(shape, destination);
    let destination = destination.expect("the product needs its own shape");
    part(destination, left, right, Start::Destination, None);
}

/// Writes the product of `left` `[M, K]` and `right` `[K, N]`, each in any layout, to some rows or
/// columns of a larger matrix, or adds it to what is there.
///
/// It is meant for matrices that are in the second-level cache. `ahead`, which may be empty, is
/// called there while the product is computed: so the operands of the next product do not have to
/// be waited for.
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
pub fn matmul_part<E: Kernel>(
    destination: ArrayViewMut2<'_, E>,
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    is_added: bool,
    ahead: &[E],
) {
    let start = if is_added { Start::Destination } else { Start::Zero };
    part(destination, left, right, start, Some(ahead));
}

fn part<E: Kernel>(
    mut destination: ArrayViewMut2<'_, E>,
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    start: Start<E>,
    ahead: Option<&[E]>,
) {
    let (shape, strides) = (destination.dim(), destination.strides());
    assert_eq!(shape, (left.nrows(), right.ncols()), "the product needs its own shape");
    if destination.is_empty() {
        // Without strides that mean anything.
        return assert_eq!(left.ncols(), right.nrows(), "the inner dimensions must agree");
    }
    assert!(
        shape.1 < 2 || strides[1] == 1 && (shape.0 < 2 || strides[0] >= shape.1 as isize),
        "the rows of the destination must be contiguous and in order"
    );
    let stride = strides[0].max(shape.1 as isize);
    // SAFETY: the destination was just found to hold M · N values in such rows, all of them
    // initialised.
    unsafe { product(left, right, destination.as_mut_ptr(), stride, start, ahead) }
}

/// # Safety
///
/// `destination` must be valid for writing M rows of N values, `destination_stride` values from
/// one to the next, and for reading what to `start` from.
unsafe fn product<E: Kernel>(
    left: ArrayView2<'_, E>,
    right: ArrayView2<'_, E>,
    destination: *mut E,
    destination_stride: isize,
    start: Start<E>,
    ahead: Option<&[E]>,
) {
    let ((rows, inner), (right_rows, columns)) = (left.dim(), right.dim());
    assert_eq!(inner, right_rows, "the inner dimensions must agree");
    // The kernels take no negative strides, which only a reversed view from outside has.
    let (left, right) = (forward(&left), forward(&right));
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

/// The same matrix without negative strides.
fn forward<'a, E: Copy>(view: &ArrayView2<'a, E>) -> CowArray<'a, E, Ix2> {
    match view.strides().iter().all(|&stride| stride >= 0) {
        true => (*view).into(),
        false => view.to_owned().as_standard_layout().into_owned().into(),
    }
}
