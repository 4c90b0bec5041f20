//! Where a tensor's numbers are stored, and how they are laid out.

use std::borrow::Cow;
use std::sync::Arc;

use ndarray::{
    Array, ArrayView, ArrayView2, ArrayViewD, Dimension, IntoDimension, IxDyn, ShapeBuilder,
};

use crate::element::Element;
use crate::kernels;

/// The numbers of a tensor: what an [operation](crate::operation) computes. Made from an
/// `ndarray` array, without copying one that is in row-major layout.
///
/// The numbers are owned, or those of another tensor seen with other axes: reshaping and
/// permuting share them.
pub struct Values<E: Element> {
    data: Data<E>,
    shape: IxDyn,
    /// Steps along each axis, unless the layout is row-major.
    strides: Option<IxDyn>,
}

enum Data<E: Element> {
    Owned(Vec<E>),
    /// Always of one that is owned.
    Shared(Arc<Values<E>>),
}

impl<E: Element> Values<E> {
    /// Numbers in row-major order, as many as `shape` holds.
    #[track_caller]
    pub(crate) fn new(shape: &[usize], numbers: Vec<E>) -> Self {
        assert!(numbers.len() == shape.iter().product(), "as many numbers as the shape holds");
        Self { data: Data::Owned(numbers), shape: shape.into_dimension(), strides: None }
    }

    /// The same numbers with other axes, whose steps are `strides`.
    fn share(self: &Arc<Self>, shape: IxDyn, strides: Option<IxDyn>) -> Self {
        let owner = match &self.data {
            Data::Owned(_) => Arc::clone(self),
            Data::Shared(owner) => Arc::clone(owner),
        };
        Self { data: Data::Shared(owner), shape, strides }
    }

    /// The same numbers in row-major order with another shape, shared if they are laid out so.
    pub(crate) fn reshaped(self: &Arc<Self>, shape: &[usize]) -> Self {
        match self.strides {
            None => self.share(shape.into_dimension(), None),
            Some(_) => Self::new(shape, self.numbers().into_owned()),
        }
    }

    /// The same numbers with the axes in another order.
    pub(crate) fn permuted(self: &Arc<Self>, order: &[usize]) -> Self {
        let row_major = self.shape.default_strides();
        let strides = self.strides.as_ref().unwrap_or(&row_major);
        let pick = |axes: &IxDyn| {
            let mut picked = axes.clone();
            for (slot, &axis) in picked.slice_mut().iter_mut().zip(order) {
                *slot = axes[axis];
            }
            picked
        };
        let (shape, strides) = (pick(&self.shape), pick(strides));
        let strides = if strides == shape.default_strides() { None } else { Some(strides) };
        self.share(shape, strides)
    }

    pub(crate) fn shape(&self) -> &[usize] {
        self.shape.slice()
    }

    fn stored(&self) -> &[E] {
        match &self.data {
            Data::Owned(numbers) => numbers,
            Data::Shared(owner) => owner.stored(),
        }
    }

    /// The numbers in row-major order, if they are laid out so.
    pub(crate) fn as_slice(&self) -> Option<&[E]> {
        self.strides.is_none().then(|| self.stored())
    }

    /// The numbers for changing in place, if they are owned and in row-major order.
    pub(crate) fn as_mut_slice(&mut self) -> Option<&mut [E]> {
        match &mut self.data {
            Data::Owned(numbers) if self.strides.is_none() => Some(numbers),
            _ => None,
        }
    }

    /// The numbers in row-major order, copied only if they are laid out otherwise.
    pub(crate) fn numbers(&self) -> Cow<'_, [E]> {
        match self.as_slice() {
            Some(numbers) => numbers.into(),
            None => self.view().iter().copied().collect::<Vec<_>>().into(),
        }
    }

    /// The numbers of two axes, without the detour through a view of any rank.
    pub(crate) fn matrix(&self) -> Option<ArrayView2<'_, E>> {
        let &[rows, columns] = self.shape.slice() else { return None };
        let view = match &self.strides {
            None => ArrayView2::from_shape((rows, columns), self.stored()),
            Some(strides) => {
                let strides = (strides[0], strides[1]);
                ArrayView2::from_shape((rows, columns).strides(strides), self.stored())
            }
        };
        Some(view.expect("a shape and its strides cover the numbers"))
    }

    pub(crate) fn view(&self) -> ArrayViewD<'_, E> {
        let view = match &self.strides {
            None => ArrayView::from_shape(self.shape.clone(), self.stored()),
            Some(strides) => {
                ArrayView::from_shape(self.shape.clone().strides(strides.clone()), self.stored())
            }
        };
        view.expect("a shape and its strides cover the numbers")
    }
}

impl<E: Element> Drop for Values<E> {
    fn drop(&mut self) {
        if let Data::Owned(numbers) = &mut self.data {
            kernels::recycle(std::mem::take(numbers));
        }
    }
}

impl<E: Element, D: Dimension> From<Array<E, D>> for Values<E> {
    fn from(array: Array<E, D>) -> Self {
        let shape = array.raw_dim().into_dyn();
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
        Self { data: Data::Owned(data), shape, strides: None }
    }
}
