//! The same values in another shape, and several tensors in one.

use std::ops::{Bound, RangeBounds};

use ndarray::{ArrayD, Axis, Slice};

use super::axes::resolve;
use super::broadcast::broadcasts_to;
use super::labels::{ordered, to_shape};
use crate::export::{Attribute, written};
use crate::operation;
use crate::storage::{Storage, volume};
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// The same values, in row-major order, in another shape. They are shared, not copied, where
    /// they are laid out in that order.
    ///
    /// # Panics
    ///
    /// If `shape` does not hold as many values, or more than memory has addresses for.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, 2.0, 3.0, 4.0]).reshape(&[2, 2]);
    /// assert_eq!(x.shape(), [2, 2]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn reshape(&self, shape: &[usize]) -> Self {
        if shape == self.shape() {
            return self.clone();
        }
        let count = volume::<E>("reshape", shape);
        assert!(
            count == self.len(),
            "reshape: shape {:?} holds {} values, {shape:?} {count}",
            self.shape(),
            self.len()
        );
        let value = self.storage().reshaped(shape);
        operation::unary(to_shape("reshape", "Reshape"), self, value, |gradient, _, x| {
            gradient.reshape(x.shape())
        })
    }

    /// The axes in another order: axis `i` of the result is axis `order[i]` of this tensor. The
    /// values are shared, not copied.
    ///
    /// # Panics
    ///
    /// If `order` does not name every axis once.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::<f32>::zeros(&[2, 3, 5]);
    /// assert_eq!(x.permute(&[2, 0, 1]).shape(), [5, 2, 3]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Self {
        let mut inverse = vec![usize::MAX; self.ndim()];
        for (position, &axis) in order.iter().enumerate() {
            if let Some(slot) = inverse.get_mut(axis) {
                *slot = position;
            }
        }
        assert!(
            order.len() == self.ndim() && !inverse.contains(&usize::MAX),
            "permute: {order:?} does not name every axis of shape {:?} once",
            self.shape()
        );
        let value = self.storage().permuted(order);
        let label = ordered("permute", order);
        operation::unary(label, self, value, move |gradient, _, _| gradient.permute(&inverse))
    }

    /// The last two axes swapped: the transpose of a matrix, or of each matrix of a batch. The
    /// values are shared, not copied.
    ///
    /// # Panics
    ///
    /// If there are fewer than two axes.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.transpose().to_vec(), [1.0, 3.0, 2.0, 4.0]);
    /// ```
    #[track_caller]
    pub fn transpose(&self) -> Self {
        assert!(self.ndim() >= 2, "transpose: shape {:?} has no two axes", self.shape());
        self.swap_axes(self.ndim() - 2, self.ndim() - 1)
    }

    #[inline(never)]
    pub(super) fn swap_axes(&self, a: usize, b: usize) -> Self {
        let mut order: Vec<usize> = (0..self.ndim()).collect();
        order.swap(a, b);
        let value = self.storage().permuted(&order);
        let label = ordered("transpose", &order);
        operation::unary(label, self, value, move |gradient, _, _| gradient.swap_axes(a, b))
    }

    /// The values repeated along axes of length 1, and along new axes in front, to fill `shape`.
    ///
    /// # Panics
    ///
    /// If the shape does not broadcast to `shape`, or that holds more values than memory has
    /// addresses for.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([1.0, 2.0]).broadcast_to(&[2, 2]);
    /// assert_eq!(x.to_vec(), [1.0, 2.0, 1.0, 2.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Self {
        if shape == self.shape() {
            return self.clone();
        }
        assert!(
            broadcasts_to(self.shape(), shape),
            "broadcast_to: shape {:?} does not broadcast to {shape:?}",
            self.shape()
        );
        let count = volume::<E>("broadcast_to", shape);
        let value = match self.storage().as_slice() {
            Some(&[number]) => {
                let mut values = kernels::buffer(count);
                values.fill(number);
                Storage::new(shape, values)
            }
            _ => {
                self.array().broadcast(shape).expect("the shape was just checked").to_owned().into()
            }
        };
        // The engine sums the gradient back over the broadcast axes.
        operation::unary(to_shape("broadcast_to", "Expand"), self, value, |gradient, _, _| gradient)
    }

    /// Without an axis of length 1.
    ///
    /// # Panics
    ///
    /// If the axis is out of range or of another length.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::<f32>::zeros(&[3, 1]).squeeze(-1).shape(), [3]);
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axis: isize) -> Self {
        let axis = resolve("squeeze", axis, self.shape());
        assert!(
            self.shape()[axis] == 1,
            "squeeze: axis {axis} of shape {:?} has length {}, not 1",
            self.shape(),
            self.shape()[axis]
        );
        let mut shape = self.shape().to_vec();
        shape.remove(axis);
        self.reshape(&shape)
    }

    /// With a new axis of length 1, which stands at position `axis` of the result.
    ///
    /// # Panics
    ///
    /// If the axis is out of range for the result.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::<f32>::zeros(&[3]).unsqueeze(-1).shape(), [3, 1]);
    /// ```
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Self {
        let mut shape = self.shape().to_vec();
        shape.push(1);
        let axis = resolve("unsqueeze", axis, &shape);
        shape.pop();
        shape.insert(axis, 1);
        self.reshape(&shape)
    }

    /// Tensors one after the other along an axis.
    ///
    /// # Panics
    ///
    /// If there is no tensor, the axis is out of range, or the shapes differ in another axis.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let (x, y) = (Tensor::from([1.0]), Tensor::from([2.0, 3.0]));
    /// assert_eq!(Tensor::concat(&[&x, &y], 0).to_vec(), [1.0, 2.0, 3.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn concat(tensors: &[&Self], axis: isize) -> Self {
        assert!(!tensors.is_empty(), "concat: there is no tensor");
        let axis = resolve("concat", axis, tensors[0].shape());
        let mut shape = tensors[0].shape().to_vec();
        for tensor in &tensors[1..] {
            let other = tensor.shape();
            let fits = other.len() == shape.len()
                && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
            let shapes: Vec<_> = tensors.iter().map(|tensor| tensor.shape()).collect();
            assert!(fits, "concat: shapes {shapes:?} differ in another axis than {axis}");
            shape[axis] = shape[axis].saturating_add(other[axis]);
        }
        volume::<E>("concat", &shape);
        let views: Vec<_> = tensors.iter().map(|tensor| tensor.array()).collect();
        let value = ndarray::concatenate(Axis(axis), &views).expect("the shapes were checked");
        let label = written("concat", move |x, _, export| {
            export.node("Concat", x, vec![("axis", Attribute::Integer(axis as i64))])
        });
        operation::variadic(label, tensors, value, move |index, gradient, _, inputs| {
            let lengths = inputs.iter().map(|input| input.shape()[axis]);
            let start: usize = lengths.take(index).sum();
            gradient.slice(axis as isize, start..start + inputs[index].shape()[axis])
        })
    }

    /// Tensors of one shape side by side along a new axis, which stands at position `axis` of the
    /// result.
    ///
    /// # Panics
    ///
    /// If there is no tensor, the axis is out of range, or the shapes differ.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let (x, y) = (Tensor::from([1.0, 2.0]), Tensor::from([3.0, 4.0]));
    /// assert_eq!(Tensor::stack(&[&x, &y], 1).to_vec(), [1.0, 3.0, 2.0, 4.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn stack(tensors: &[&Self], axis: isize) -> Self {
        assert!(!tensors.is_empty(), "stack: there is no tensor");
        for tensor in tensors {
            let (first, shape) = (tensors[0].shape(), tensor.shape());
            assert!(first == shape, "stack: shapes {first:?} and {shape:?} differ");
        }
        resolve("stack", axis, &[tensors[0].shape(), &[1]].concat());
        let raised: Vec<Self> = tensors.iter().map(|tensor| tensor.unsqueeze(axis)).collect();
        Self::concat(&raised.iter().collect::<Vec<_>>(), axis)
    }

    /// The part of an axis from `range`.
    ///
    /// # Panics
    ///
    /// If the axis or the range is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.slice(1, 1..).to_vec(), [2.0, 3.0, 5.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl RangeBounds<usize>) -> Self {
        let axis = resolve("slice", axis, self.shape());
        let length = self.shape()[axis];
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => length,
        };
        assert!(
            start <= end && end <= length,
            "slice: {start}..{end} is out of range for axis {axis} of shape {:?}",
            self.shape()
        );
        let slice = Slice::from(start..end);
        let value = self.array().slice_axis(Axis(axis), slice).to_owned();
        let label = written("slice", move |x, _, export| {
            let [starts, ends, axes] = [("starts", start), ("ends", end), ("axes", axis)]
                .map(|(name, value)| export.integers(name, &[value as i64]));
            export.node("Slice", &[x[0], &starts, &ends, &axes], vec![])
        });
        operation::unary(label, self, value, move |gradient, _, _| {
            gradient.pad(axis as isize, start, length - end, E::zero())
        })
    }

    /// The values with `before` and `after` times `fill` added along an axis.
    ///
    /// # Panics
    ///
    /// If the axis is out of range, or the result holds more values than memory has addresses for.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0]).pad(0, 1, 2, 0.0).to_vec(), [0.0, 1.0, 0.0, 0.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn pad(&self, axis: isize, before: usize, after: usize, fill: E) -> Self {
        let axis = resolve("pad", axis, self.shape());
        let length = self.shape()[axis];
        let mut shape = self.shape().to_vec();
        shape[axis] = length.saturating_add(before).saturating_add(after);
        volume::<E>("pad", &shape);
        let mut value = ArrayD::from_elem(shape, fill);
        let slice = Slice::from(before..before + length);
        value.slice_axis_mut(Axis(axis), slice).assign(&self.array());
        let label = written("pad", move |x, _, export| {
            let pads = export.integers("pads", &[before as i64, after as i64]);
            let (fill, axes) =
                (export.number("fill", fill), export.integers("axes", &[axis as i64]));
            export.node("Pad", &[x[0], &pads, &fill, &axes], vec![])
        });
        operation::unary(label, self, value, move |gradient, _, _| {
            gradient.slice(axis as isize, before..before + length)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, check_unary, random, rng};

    #[test]
    fn derivatives_agree_with_differences() {
        let rng = &mut rng(13);
        check_unary(&|x| x.reshape(&[x.len()]).square(), -2.0, 2.0);
        check_unary(&|x| x.unsqueeze(-1).square().squeeze(-1), -2.0, 2.0);
        for shape in [&[2, 3, 4][..], &[1, 0, 2]] {
            let x = random(shape, -2.0, 2.0, rng);
            check(&|x| x[0].permute(&[1, 2, 0]).square(), &[x.clone()]);
            check(&|x| x[0].transpose().square(), &[x.clone()]);
            check(&|x| x[0].slice(2, 1..).square(), &[x.clone()]);
            check(&|x| x[0].slice(-1, 1..=1).square(), &[x.clone()]);
            check(&|x| x[0].pad(0, 1, 2, 3.0).square(), &[x.clone()]);
            check(&|x| x[0].pad(-1, 0, 1, 0.0).square(), &[x.clone()]);
        }
        for (shape, target) in
            [(&[3, 1][..], &[2, 3, 4][..]), (&[], &[2, 2]), (&[1], &[0]), (&[2], &[2])]
        {
            check(&|x| x[0].broadcast_to(target).square(), &[random(shape, -2.0, 2.0, rng)]);
        }
        for axis in [0, 1, -1] {
            let inputs = [random(&[2, 3], -2.0, 2.0, rng), random(&[2, 3], -2.0, 2.0, rng)];
            check(&|x| Tensor::concat(&[&x[0], &x[1], &x[0]], axis).square(), &inputs);
            check(&|x| Tensor::stack(&[&x[0], &x[1]], axis).square(), &inputs);
        }
        let ragged = [random(&[2, 1], -2.0, 2.0, rng), random(&[2, 0], -2.0, 2.0, rng)];
        check(&|x| Tensor::concat(&[&x[0], &x[1], &x[0]], 1).square(), &ragged);
    }

    #[test]
    fn reshaping_and_permuting_share_the_values() {
        let x = Tensor::<f32>::zeros(&[2, 3]);
        assert_eq!(x.reshape(&[6]).array().as_ptr(), x.array().as_ptr());
        assert_eq!(x.transpose().array().as_ptr(), x.array().as_ptr());
        assert_eq!(x.detach().array().as_ptr(), x.array().as_ptr());
    }

    #[test]
    fn a_permuted_tensor_is_reshaped_in_row_major_order() {
        let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]).transpose();
        assert_eq!(x.reshape(&[4]).to_vec(), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn joining_and_cutting_are_inverse() {
        let rng = &mut rng(14);
        let (x, y) = (random(&[2, 3], -1.0, 1.0, rng), random(&[2, 2], -1.0, 1.0, rng));
        let both = Tensor::concat(&[&x, &y], 1);
        assert_eq!(both.slice(1, ..3).to_vec(), x.to_vec());
        assert_eq!(both.slice(1, 3..).to_vec(), y.to_vec());
        assert_eq!(x.pad(1, 1, 2, 9.0).slice(1, 1..4).to_vec(), x.to_vec());
    }

    #[test]
    #[should_panic(expected = "reshape: shape [2, 3] holds 6 values, [4] 4")]
    fn a_shape_that_does_not_hold_the_values_is_named() {
        let _ = Tensor::<f32>::zeros(&[2, 3]).reshape(&[4]);
    }

    #[test]
    #[should_panic(expected = "slice: 1..5 is out of range for axis 0 of shape [3]")]
    fn a_range_beyond_the_axis_is_named() {
        let _ = Tensor::<f32>::zeros(&[3]).slice(0, 1..5);
    }

    #[test]
    #[should_panic(expected = "permute: [0, 0] does not name every axis of shape [2, 3] once")]
    fn an_order_that_is_none_is_named() {
        let _ = Tensor::<f32>::zeros(&[2, 3]).permute(&[0, 0]);
    }

    #[test]
    #[should_panic(expected = "concat: shapes [[2, 3], [3, 3]] differ in another axis than 1")]
    fn shapes_that_cannot_be_joined_are_named() {
        let _ = Tensor::concat(&[&Tensor::<f32>::zeros(&[2, 3]), &Tensor::zeros(&[3, 3])], 1);
    }
}
