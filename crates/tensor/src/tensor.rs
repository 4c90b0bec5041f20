//! The tensor: a cheap, immutable handle to values and to how they came about.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array, ArrayView, ArrayViewD, Dimension};

use crate::error::Error;
use crate::operation::Operation;
use crate::release;
use crate::storage::{Storage, volume};
use downhill_kernels as kernels;
use downhill_kernels::Element;

/// An n-dimensional array that remembers how it was computed.
///
/// A tensor is a handle: cloning it copies a pointer, and every clone sees the same immutable
/// values. There are three kinds:
///
/// - *constants*, made with [`Tensor::from`] and its relatives: data;
/// - *parameters*, made with [`Tensor::parameter`]: leaves that want a gradient. A parameter has
///   an identity that survives [updates](Tensor::update), so that gradients and optimizer state
///   can be keyed by it;
/// - *results of operations*. One that depends on a parameter (and was computed while
///   [recording](crate::without_recording)) holds the operation and its inputs, which is all that
///   [`Tensor::backward`] needs.
///
/// ```
/// use downhill_tensor::Tensor;
///
/// let weight = Tensor::parameter([2.0, -1.0]);
/// let input = Tensor::from([3.0, 4.0]);
/// let loss = (&weight * &input).sum();
/// assert_eq!(loss.item(), 2.0);
///
/// let gradients = loss.backward();
/// assert_eq!(gradients.get(&weight).unwrap().to_vec(), [3.0, 4.0]);
/// assert!(gradients.get(&input).is_none());
/// ```
pub struct Tensor<E: Element = f32> {
    values: Storage<E>,
    /// Position in the order of creation: an operation's output is younger than its inputs, so
    /// descending identities are a topological order. Constants, which no gradient reaches,
    /// have none (0).
    id: u64,
    /// What made it, if that must be remembered. A parameter has an identity but no operation.
    operation: Option<Arc<dyn Operation<E>>>,
}

fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl<E: Element> Clone for Tensor<E> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), id: self.id, operation: self.operation.clone() }
    }
}

impl<E: Element> Drop for Tensor<E> {
    fn drop(&mut self) {
        if let Some(operation) = self.operation.take()
            && Arc::strong_count(&operation) == 1
        {
            release::release(operation);
        }
    }
}

impl<E: Element> Tensor<E> {
    pub(crate) fn constant(values: impl Into<Storage<E>>) -> Self {
        Self { values: values.into(), id: 0, operation: None }
    }

    pub(crate) fn recorded(values: Storage<E>, operation: impl Operation<E>) -> Self {
        Self { values, id: next_id(), operation: Some(Arc::new(operation)) }
    }

    /// A leaf that wants a gradient, with an identity of its own.
    ///
    /// `value` is anything a tensor can be made from: an `ndarray` array, a number, a tensor
    /// (whose history is left behind).
    pub fn parameter(value: impl Into<Self>) -> Self {
        Self { values: value.into().values.clone(), id: next_id(), operation: None }
    }

    /// A constant of one number, of shape `[]`.
    pub fn scalar(value: E) -> Self {
        Self::full(&[], value)
    }

    /// A constant of `shape` that holds `value` everywhere.
    ///
    /// # Panics
    ///
    /// If the shape holds more values than memory has addresses for.
    #[track_caller]
    pub fn full(shape: &[usize], value: E) -> Self {
        Self::filled("full", shape, value)
    }

    /// A constant of `shape` that holds 0 everywhere.
    ///
    /// # Panics
    ///
    /// If the shape holds more values than memory has addresses for.
    #[track_caller]
    pub fn zeros(shape: &[usize]) -> Self {
        Self::filled("zeros", shape, E::zero())
    }

    /// A constant of `shape` that holds 1 everywhere.
    ///
    /// # Panics
    ///
    /// If the shape holds more values than memory has addresses for.
    #[track_caller]
    pub fn ones(shape: &[usize]) -> Self {
        Self::filled("ones", shape, E::one())
    }

    #[track_caller]
    fn filled(name: &str, shape: &[usize], value: E) -> Self {
        Self::constant(Storage::new(shape, vec![value; volume::<E>(name, shape)]))
    }

    /// A constant of `shape` with `values` in row-major order.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the shape does not hold as many numbers as `values` has.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from_shape_vec(&[2, 2], vec![1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(x.shape(), [2, 2]);
    /// assert!(Tensor::from_shape_vec(&[3], vec![1.0]).is_err());
    /// # Ok::<(), downhill_tensor::Error>(())
    /// ```
    pub fn from_shape_vec(shape: &[usize], values: Vec<E>) -> Result<Self, Error> {
        match kernels::checked_len::<E>(shape) == Some(values.len()) {
            true => Ok(Self::constant(Storage::new(shape, values))),
            false => Err(Error::Shape { shape: shape.to_vec(), found: values.len() }),
        }
    }

    /// A view of the values. It need not be in row-major layout.
    pub fn array(&self) -> ArrayViewD<'_, E> {
        self.values.view()
    }

    /// The values in row-major order.
    pub fn to_vec(&self) -> Vec<E> {
        self.values().into_owned()
    }

    /// The length of each axis, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.values.shape()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.shape().len()
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// Whether there is no value at all (some axis has length 0).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The only value of a tensor that holds one, whatever its number of axes.
    ///
    /// # Panics
    ///
    /// If there is not exactly one value.
    #[track_caller]
    pub fn item(&self) -> E {
        assert!(self.len() == 1, "item: the tensor has shape {:?}, not one value", self.shape());
        self.values()[0]
    }

    /// Whether this is a leaf made with [`Tensor::parameter`].
    pub fn is_parameter(&self) -> bool {
        self.id != 0 && self.operation.is_none()
    }

    /// Whether a gradient can flow through this tensor: it is a parameter or was computed from
    /// one while recording.
    pub fn requires_gradient(&self) -> bool {
        self.id != 0
    }

    /// The operation this tensor is the recorded result of, by which a graph can be walked.
    pub fn operation(&self) -> Option<&dyn Operation<E>> {
        self.operation.as_deref()
    }

    /// A number that tells tensors of a graph apart. A parameter keeps its own through updates;
    /// the result of an operation has a greater one than the operation's inputs; constants,
    /// which no gradient reaches, all have 0.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The same values as a constant: gradients stop here. The values are shared, not copied.
    pub fn detach(&self) -> Self {
        Self { values: self.values.clone(), id: 0, operation: None }
    }

    /// Changes the values of a parameter or constant, which keeps its identity: how optimizers
    /// step. `change` gets the values in row-major order.
    ///
    /// Other handles keep the values they had. The values are changed in place when no other
    /// handle and no graph holds them, and copied first when one does.
    ///
    /// # Panics
    ///
    /// If the tensor is the recorded result of an operation: its values follow from its inputs.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let mut weight = Tensor::parameter([1.0, 2.0]);
    /// let before = weight.clone();
    /// weight.update(|values| values[0] = 5.0);
    /// assert_eq!(weight.to_vec(), [5.0, 2.0]);
    /// assert_eq!(before.to_vec(), [1.0, 2.0]);
    /// assert_eq!(weight.id(), before.id());
    /// ```
    #[track_caller]
    pub fn update(&mut self, change: impl FnOnce(&mut [E])) {
        self.update_from(|old, values| {
            if let Some(old) = old {
                values.copy_from_slice(old);
            }
            change(values);
        });
    }

    /// [`update`](Self::update) in one pass, for optimizers. Where something else holds the old
    /// values, `change` gets them apart from the new ones: it must write all of those, which are
    /// unspecified at first. Otherwise (`None`) it gets the values to be changed.
    ///
    /// # Panics
    ///
    /// If the tensor is the recorded result of an operation.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let halve = |old: Option<&[f32]>, values: &mut [f32]| match old {
    ///     Some(old) => values.iter_mut().zip(old).for_each(|(new, old)| *new = old / 2.0),
    ///     None => values.iter_mut().for_each(|value| *value /= 2.0),
    /// };
    /// let mut weight = Tensor::parameter([4.0, 2.0]);
    /// weight.update_from(halve);
    /// let before = weight.clone();
    /// weight.update_from(halve);
    /// assert_eq!((before.to_vec(), weight.to_vec()), (vec![2.0, 1.0], vec![1.0, 0.5]));
    /// ```
    #[doc(hidden)]
    #[track_caller]
    pub fn update_from(&mut self, change: impl FnOnce(Option<&[E]>, &mut [E])) {
        if let Some(operation) = self.operation() {
            panic!(
                "update: the tensor is the result of `{}`; only parameters and constants can be \
                 updated",
                operation.name()
            );
        }
        if let Some(values) = self.owned_values() {
            return change(None, values);
        }
        let mut values = kernels::buffer(self.len());
        change(Some(&self.values()), &mut values);
        self.values = Storage::new(self.shape(), values);
    }

    /// Gives a parameter or constant the values of another tensor, which it shares; it keeps its
    /// identity.
    ///
    /// # Panics
    ///
    /// If the tensor is the recorded result of an operation, or of another shape.
    #[doc(hidden)]
    #[track_caller]
    pub fn set(&mut self, values: &Self) {
        assert!(
            self.operation.is_none() && self.shape() == values.shape(),
            "set: {self:?} cannot have values of shape {:?}",
            values.shape()
        );
        self.values = values.values.clone();
    }

    /// The values for changing in place, if this handle is the only one to them and they are in
    /// row-major layout.
    pub(crate) fn owned_values(&mut self) -> Option<&mut [E]> {
        self.values.as_mut_slice()
    }

    /// The values and their layout, which may be shared.
    pub(crate) fn storage(&self) -> &Storage<E> {
        &self.values
    }

    /// The values in row-major order as a slice: copied only if they are laid out otherwise, as
    /// after a transpose. For kernels and optimizers.
    pub fn values(&self) -> Cow<'_, [E]> {
        self.values.numbers()
    }
}

impl<E: Element, D: Dimension> From<Array<E, D>> for Tensor<E> {
    fn from(array: Array<E, D>) -> Self {
        Self::constant(array)
    }
}

impl<E: Element, D: Dimension> From<ArrayView<'_, E, D>> for Tensor<E> {
    fn from(array: ArrayView<'_, E, D>) -> Self {
        array.to_owned().into()
    }
}

impl<E: Element> From<Vec<E>> for Tensor<E> {
    fn from(values: Vec<E>) -> Self {
        Array::from_vec(values).into()
    }
}

impl<E: Element, const N: usize> From<[E; N]> for Tensor<E> {
    fn from(values: [E; N]) -> Self {
        values.to_vec().into()
    }
}

impl<E: Element, const N: usize, const M: usize> From<[[E; M]; N]> for Tensor<E> {
    fn from(rows: [[E; M]; N]) -> Self {
        ndarray::arr2(&rows).into()
    }
}

impl<E: Element> From<&Tensor<E>> for Tensor<E> {
    fn from(tensor: &Tensor<E>) -> Self {
        tensor.clone()
    }
}

macro_rules! from_number {
    ($($element:ty),*) => {$(
        impl From<$element> for Tensor<$element> {
            fn from(value: $element) -> Self {
                Self::scalar(value)
            }
        }
    )*};
}
from_number!(f32, f64);

impl<E: Element> fmt::Display for Tensor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.array().fmt(f)
    }
}

impl<E: Element> fmt::Debug for Tensor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.operation() {
            Some(operation) => operation.name(),
            None if self.is_parameter() => "parameter",
            None => "constant",
        };
        write!(f, "Tensor({origin}, shape {:?}, {})", self.shape(), self.array())
    }
}
