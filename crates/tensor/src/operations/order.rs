//! Values in order of size, and running sums.

use std::cmp::Ordering;

use ndarray::{ArrayD, Axis};

use super::axes::resolve;
use crate::export::{Attribute, written};
use crate::operation;
use crate::tensor::Tensor;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// The values along an axis from the smallest to the largest, and the index of each along that
    /// axis. Equal values keep their order, and NaN comes last. The gradient goes back to where
    /// each value stood.
    ///
    /// # Panics
    ///
    /// If the axis is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let (sorted, indices) = Tensor::from([3.0, 1.0, 2.0]).sort(0);
    /// assert_eq!(sorted.to_vec(), [1.0, 2.0, 3.0]);
    /// assert_eq!(indices, ndarray::array![1, 2, 0].into_dyn());
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn sort(&self, axis: isize) -> (Self, ArrayD<usize>) {
        let axis = resolve("sort", axis, self.shape());
        let indices = self.order(axis, self.shape()[axis], ascending);
        (self.gather(axis as isize, &indices), indices)
    }

    /// The `k` largest values along an axis, the largest first, and the index of each along that
    /// axis. Of equal values the first comes first; NaN counts as the largest. The gradient goes
    /// back to where each value stood.
    ///
    /// # Panics
    ///
    /// If the axis is out of range, or shorter than `k`.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let (largest, indices) = Tensor::from([3.0, 1.0, 2.0]).top_k(2, 0);
    /// assert_eq!(largest.to_vec(), [3.0, 2.0]);
    /// assert_eq!(indices, ndarray::array![0, 2].into_dyn());
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn top_k(&self, k: usize, axis: isize) -> (Self, ArrayD<usize>) {
        let axis = resolve("top_k", axis, self.shape());
        let length = self.shape()[axis];
        assert!(
            k <= length,
            "top_k: {k} values of axis {axis} of shape {:?}, which has length {length}",
            self.shape()
        );
        let indices = self.order(axis, k, |x, y| ascending(y, x));
        (self.gather(axis as isize, &indices), indices)
    }

    /// The indices of the first `k` along an axis in the order of `compare`.
    #[inline(never)]
    fn order(&self, axis: usize, k: usize, compare: impl Fn(E, E) -> Ordering) -> ArrayD<usize> {
        let mut shape = self.shape().to_vec();
        shape[axis] = k;
        let mut indices = ArrayD::zeros(shape);
        let lines = indices.lanes_mut(Axis(axis)).into_iter();
        for (mut out, line) in lines.zip(self.array().lanes(Axis(axis))) {
            let mut order: Vec<usize> = (0..line.len()).collect();
            // Of equal values the first index comes first: no two positions are equal.
            let position = |&i: &usize, &j: &usize| compare(line[i], line[j]).then(i.cmp(&j));
            if k < order.len() {
                order.select_nth_unstable_by(k, position);
                order.truncate(k);
            }
            order.sort_unstable_by(position);
            out.assign(&ndarray::ArrayView1::from(&order));
        }
        indices
    }

    /// The sums of the first 1, 2, 3, … values along an axis, each rounded once from `f64`.
    ///
    /// # Panics
    ///
    /// If the axis is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 2.0, 3.0]).cumsum(0).to_vec(), [1.0, 3.0, 6.0]);
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Self {
        self.running_sum(resolve("cumsum", axis, self.shape()), false)
    }

    /// [`cumsum`](Self::cumsum) from the first or from the last value; each is the other's
    /// transpose.
    #[inline(never)]
    fn running_sum(&self, axis: usize, from_last: bool) -> Self {
        let mut value = self.array().to_owned();
        if from_last {
            value.invert_axis(Axis(axis));
        }
        for lane in value.lanes_mut(Axis(axis)) {
            let mut sum = 0.0;
            for x in lane {
                sum += x.as_f64();
                *x = E::from_f64(sum);
            }
        }
        if from_last {
            value.invert_axis(Axis(axis));
        }
        let label = written("cumsum", move |x, _, export| {
            let axis = export.integer("axis", axis as i64);
            let reverse = Attribute::Integer(from_last.into());
            export.node("CumSum", &[x[0], &axis], vec![("reverse", reverse)])
        });
        operation::unary(label, self, value, move |gradient, _, _| {
            gradient.running_sum(axis, !from_last)
        })
    }
}

/// NaN is the largest.
fn ascending<E: Element>(x: E, y: E) -> Ordering {
    x.partial_cmp(&y).unwrap_or_else(|| x.is_nan().cmp(&y.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, random, rng, shapes};

    #[test]
    fn derivatives_agree_with_differences_along_any_axis() {
        let rng = &mut rng(17);
        for shape in shapes(6, rng) {
            for axis in 0..shape.len() {
                let x = random(&shape, -2.0, 2.0, rng);
                let k = shape[axis].div_ceil(2);
                let axis = axis as isize;
                check(&|x| x[0].sort(axis).0.square(), &[x.clone()]);
                check(&|x| x[0].top_k(k, axis).0.square(), &[x.clone()]);
                check(&|x| x[0].cumsum(axis).square(), &[x]);
            }
        }
    }

    #[test]
    fn equal_values_keep_their_order_and_nan_is_the_largest() {
        let x = Tensor::from([1.0, f32::NAN, -0.0, 1.0, 0.0, f32::NEG_INFINITY]);
        assert_eq!(x.sort(0).1.into_raw_vec_and_offset().0, [5, 2, 4, 0, 3, 1]);
        assert_eq!(x.top_k(4, 0).1.into_raw_vec_and_offset().0, [1, 0, 3, 2]);
        assert_eq!(x.top_k(0, 0).0.shape(), [0]);
    }

    #[test]
    fn the_largest_are_those_of_the_whole_sort() {
        let x = random(&[7, 50], -1.0, 1.0, &mut rng(18));
        let sorted = (-x.sort(-1).0).to_vec();
        for k in [1, 3, 49, 50] {
            let largest = x.top_k(k, -1).0;
            for (row, sorted) in largest.to_vec().chunks(k).zip(sorted.chunks(50)) {
                assert!(
                    row.iter().eq(sorted
                        .iter()
                        .rev()
                        .take(k)
                        .map(|x| -x)
                        .collect::<Vec<_>>()
                        .iter())
                );
            }
        }
    }

    #[test]
    fn running_sums_end_in_the_sum_and_their_gradients_count_what_follows() {
        let x = Tensor::parameter([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        assert_eq!(x.cumsum(0).to_vec(), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
        assert_eq!(x.cumsum(-1).to_vec(), [1.0, 3.0, 6.0, 4.0, 9.0, 15.0]);
        let gradients = x.cumsum(1).sum().backward();
        assert_eq!(gradients.get(&x).unwrap().to_vec(), [3.0, 2.0, 1.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn running_sums_of_many_values_keep_their_digits() {
        let x = Tensor::parameter(Tensor::<f32>::full(&[1_000_000], 0.1));
        let right = 1e6 * f64::from(0.1_f32);
        let sums = x.cumsum(0);
        approx::assert_relative_eq!(f64::from(sums.values()[999_999]), right, max_relative = 1e-7);
        let gradients = (&sums * &x.detach()).sum().backward();
        let first = f64::from(gradients.get(&x).unwrap().values()[0]);
        approx::assert_relative_eq!(first, right, max_relative = 1e-7);
        assert_eq!(Tensor::from([1e8_f32, 1.0, -1e8]).cumsum(0).to_vec(), [1e8, 1e8, 1.0]);
    }

    #[test]
    #[should_panic(expected = "top_k: 4 values of axis 0 of shape [3], which has length 3")]
    fn more_than_there_are_is_refused() {
        let _ = Tensor::<f32>::zeros(&[3]).top_k(4, 0);
    }
}
