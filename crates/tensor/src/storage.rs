//! Where a tensor's numbers are stored, and how they are laid out.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use ndarray::{Array, ArrayView, ArrayView2, ArrayViewD, Dimension, IntoDimension, ShapeBuilder};

use downhill_kernels as kernels;
use downhill_kernels::Element;

/// The number of values that the result of operation `name` holds.
///
/// # Panics
///
/// If these are more than memory has addresses for.
#[track_caller]
pub(crate) fn volume<E>(name: &str, shape: &[usize]) -> usize {
    match kernels::checked_len::<E>(shape) {
        Some(volume) => volume,
        None => panic!("{name}: a shape of {shape:?} is beyond what memory has addresses for"),
    }
}

/// The numbers of a tensor: what an [operation](crate::operation) computes. Made from an
/// `ndarray` array, without copying one that is in row-major layout.
///
/// The numbers are owned, or those of another tensor seen with other axes: reshaping and
/// permuting share them.
// Why not `ArcArray`? It keeps shape, strides and pointer in the handle, 96 bytes that every clone
// copies, where this is a pointer of 8: a handle is cloned for each input of each operation. And an
// `ArcArray` frees its numbers; these go back to the buffers that the next operation takes.
#[derive(Clone)]
pub struct Storage<E: Element>(Arc<Stored<E>>);

struct Stored<E: Element> {
    data: Data<E>,
    shape: Shape,
    /// Steps along each axis, unless the layout is row-major.
    strides: Option<Box<[usize]>>,
}

enum Data<E: Element> {
    Owned(Vec<E>),
    /// Always of values that own theirs.
    Shared(Storage<E>),
}

/// The length of each axis. Lengths in place save the allocation of a `Box<[usize]>` for each
/// tensor: with that a step of `mlp/digits/sgd` takes 3.5 % more instructions, and so does
/// `mlp/moons/sgd`.
enum Shape {
    /// Up to four, in place.
    Few(usize, [usize; 4]),
    Many(Box<[usize]>),
}

impl From<&[usize]> for Shape {
    #[inline]
    fn from(lengths: &[usize]) -> Self {
        // Read one by one, and not in a loop, they stay in registers until they are stored.
        let at = |axis: usize| lengths.get(axis).copied().unwrap_or(0);
        match lengths.len() {
            rank @ 0..=4 => Self::Few(rank, [at(0), at(1), at(2), at(3)]),
            _ => Self::Many(lengths.into()),
        }
    }
}

impl Deref for Shape {
    type Target = [usize];

    #[inline]
    fn deref(&self) -> &[usize] {
        match self {
            Self::Few(rank, lengths) => &lengths[..*rank],
            Self::Many(lengths) => lengths,
        }
    }
}

impl<E: Element> Storage<E> {
    /// Numbers in row-major order, as many as `shape` holds.
    #[track_caller]
    pub(crate) fn new(shape: &[usize], numbers: Vec<E>) -> Self {
        assert!(numbers.len() == shape.iter().product(), "as many numbers as the shape holds");
        Self::store(Data::Owned(numbers), shape, None)
    }

    fn store(data: Data<E>, shape: &[usize], strides: Option<Box<[usize]>>) -> Self {
        Self(Arc::new(Stored { data, shape: shape.into(), strides }))
    }

    /// The same numbers with other axes, whose steps are `strides`.
    fn share(&self, shape: &[usize], strides: Option<Box<[usize]>>) -> Self {
        let owner = match &self.0.data {
            Data::Owned(_) => self,
            Data::Shared(owner) => owner,
        };
        Self::store(Data::Shared(owner.clone()), shape, strides)
    }

    /// The same numbers in row-major order with another shape, shared if they are laid out so.
    pub(crate) fn reshaped(&self, shape: &[usize]) -> Self {
        match self.0.strides {
            None => self.share(shape, None),
            Some(_) => Self::new(shape, self.numbers().into_owned()),
        }
    }

    /// The same numbers with the axes in another order.
    #[inline(never)]
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let row_major = |shape: &[usize]| shape.into_dimension().default_strides();
        let own = row_major(self.shape());
        let strides = self.0.strides.as_deref().unwrap_or(own.slice());
        let pick = |axes: &[usize]| Box::from_iter(order.iter().map(|&axis| axes[axis]));
        let (shape, strides) = (pick(self.shape()), pick(strides));
        let is_row_major = *strides == *row_major(&shape).slice();
        self.share(&shape, (!is_row_major).then_some(strides))
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn stored(&self) -> &[E] {
        match &self.0.data {
            Data::Owned(numbers) => numbers,
            Data::Shared(owner) => owner.stored(),
        }
    }

    /// The numbers in row-major order, if they are laid out so.
    pub(crate) fn as_slice(&self) -> Option<&[E]> {
        self.0.strides.is_none().then(|| self.stored())
    }

    /// The numbers for changing in place, if they are owned, nothing else holds them, and they
    /// are in row-major order.
    pub(crate) fn as_mut_slice(&mut self) -> Option<&mut [E]> {
        match Arc::get_mut(&mut self.0)? {
            Stored { data: Data::Owned(numbers), strides: None, .. } => Some(numbers),
            _ => None,
        }
    }

    /// The numbers in row-major order, copied only if they are laid out otherwise.
    #[inline(never)]
    pub(crate) fn numbers(&self) -> Cow<'_, [E]> {
        match self.as_slice() {
            Some(numbers) => numbers.into(),
            None => self.view().iter().copied().collect::<Vec<_>>().into(),
        }
    }

    /// The numbers of two axes, without the detour through a view of any rank.
    #[inline(never)]
    pub(crate) fn matrix(&self) -> Option<ArrayView2<'_, E>> {
        let &[rows, columns] = self.shape() else { return None };
        let view = match self.0.strides.as_deref() {
            Some(&[down, right]) => {
                ArrayView2::from_shape((rows, columns).strides((down, right)), self.stored())
            }
            _ => ArrayView2::from_shape((rows, columns), self.stored()),
        };
        Some(view.expect("a shape and its strides cover the numbers"))
    }

    #[inline(never)]
    pub(crate) fn view(&self) -> ArrayViewD<'_, E> {
        let shape = self.shape().into_dimension();
        let view = match self.0.strides.as_deref() {
            None => ArrayView::from_shape(shape, self.stored()),
            Some(strides) => {
                ArrayView::from_shape(shape.strides(strides.into_dimension()), self.stored())
            }
        };
        view.expect("a shape and its strides cover the numbers")
    }
}

impl<E: Element> Drop for Stored<E> {
    fn drop(&mut self) {
        if let Data::Owned(numbers) = &mut self.data {
            kernels::recycle(std::mem::take(numbers));
        }
    }
}

impl<E: Element, D: Dimension> From<Array<E, D>> for Storage<E> {
    #[inline(never)]
    fn from(array: Array<E, D>) -> Self {
        let shape = array.raw_dim();
        let data = if array.is_standard_layout() {
            match array.into_raw_vec_and_offset() {
                // An array cut out of a larger one owns more than it shows.
                (numbers, None | Some(0)) if numbers.len() == shape.size() => numbers,
                (numbers, start) => {
                    let start = start.unwrap_or(0);
                    numbers[start..start + shape.size()].to_vec()
                }
            }
        } else {
            array.iter().copied().collect()
        };
        Self::store(Data::Owned(data), shape.slice(), None)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    #[test]
    fn a_handle_is_a_pointer() {
        assert_eq!(size_of::<Storage<f32>>(), size_of::<usize>());
        assert_eq!(size_of::<ndarray::ArcArray<f32, ndarray::IxDyn>>(), 96);
    }

    #[test]
    fn shapes_of_any_rank_survive_being_reshaped_and_permuted() {
        for rank in 0..8 {
            let shape: Vec<usize> = (0..rank).map(|axis| axis % 3 + 1).collect();
            let reversed: Vec<usize> = (0..rank).rev().collect();
            let numbers: Vec<f64> = (0..shape.iter().product()).map(|i| i as f64).collect();
            let array = ArrayD::from_shape_vec(&shape[..], numbers.clone()).unwrap();
            let values = Storage::new(&[numbers.len()], numbers).reshaped(&shape);
            assert_eq!(values.shape(), shape);
            assert_eq!(values.view(), array);
            let permuted = values.permuted(&reversed);
            assert_eq!(permuted.view(), array.t());
            assert_eq!(permuted.permuted(&reversed).as_slice(), array.as_slice());
        }
    }
}
