//! Reductions: many numbers to one, over all axes or some.

use ndarray::ArrayD;

use super::axes::{Axes, keep, resolve};
use super::broadcast::zip;
use super::labels::{reduced, summed};
use crate::operation;
use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

/// What becomes of a shape when axes of it are reduced.
pub(super) struct Reduction {
    pub(super) axes: Vec<usize>,
    /// The shape with the reduced axes at length 1, which broadcasts against the input.
    pub(super) kept: Vec<usize>,
    /// The shape of the result.
    pub(super) shape: Vec<usize>,
}

impl Reduction {
    #[track_caller]
    pub(super) fn new(name: &str, shape: &[usize], axes: &Axes) -> Self {
        let reduced = axes.resolve(name, shape);
        let mut kept = shape.to_vec();
        for &axis in &reduced {
            kept[axis] = 1;
        }
        let shape = match axes.kept() {
            true => kept.clone(),
            false => {
                let remains = |&axis: &usize| !reduced.contains(&axis);
                (0..shape.len()).filter(remains).map(|axis| shape[axis]).collect()
            }
        };
        Self { axes: reduced, kept, shape }
    }

    /// `f` of the values that are reduced to each result.
    fn rows<E: Element>(&self, x: &Tensor<E>, f: impl Fn(&[E]) -> E) -> Storage<E> {
        let rank = x.ndim();
        let mut order: Vec<usize> = (0..rank).filter(|axis| !self.axes.contains(axis)).collect();
        order.extend(&self.axes);
        let permuted = x.array().permuted_axes(order);
        let permuted = permuted.as_standard_layout();
        let values = permuted.as_slice().expect("the layout was just made standard");
        let length: usize = self.axes.iter().map(|&axis| x.shape()[axis]).product();
        let count: usize = self.shape.iter().product();
        let results = (0..count).map(|row| f(&values[row * length..(row + 1) * length]));
        Storage::new(&self.shape, results.collect())
    }
}

/// Every axis, to be dropped.
pub(super) fn all<E: Element>(x: &Tensor<E>) -> Axes {
    Axes::from(&(0..x.ndim() as isize).collect::<Vec<_>>()[..])
}

/// The softmax over some axes where the logarithm of the sum is infinite, and `softmax` elsewhere:
/// of values that are +∞ each gets the same share, and where all are −∞ there is none.
fn limits<E: Element>(
    x: &Tensor<E>,
    log_sum: &Tensor<E>,
    reduction: &Reduction,
    softmax: Tensor<E>,
) -> Tensor<E> {
    let axes: Vec<isize> = reduction.axes.iter().map(|&axis| axis as isize).collect();
    let unlimited = Tensor::constant(zip("log_sum_exp", x, log_sum, |x, log_sum| {
        if x == E::infinity() && log_sum == x { E::one() } else { E::zero() }
    }));
    let shares = &unlimited / unlimited.sum_axes(keep(&axes[..]));
    let shares = shares.masked_fill(&log_sum.mask(|x| x == E::neg_infinity()), E::zero());
    Tensor::select(&log_sum.mask(|x| x.is_infinite()), &shares, &softmax)
}

impl<E: Element> Tensor<E> {
    /// The sum of all values, of shape `[]`; 0 of none.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1.0, 2.0], [3.0, 4.0]]).sum().item(), 10.0);
    /// ```
    pub fn sum(&self) -> Self {
        self.sum_axes(all(self))
    }

    /// The sum over some axes; 0 where they are empty.
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_axes(-1).to_vec(), [3.0, 7.0]);
    /// ```
    #[track_caller]
    pub fn sum_axes(&self, axes: impl Into<Axes>) -> Self {
        let reduction = Reduction::new("sum", self.shape(), &axes.into());
        // Summing leading axes away needs no rearranging.
        let leading = reduction.axes.iter().enumerate().all(|(i, &axis)| i == axis);
        let value = if leading && reduction.axes.len() < self.ndim() {
            let columns = self.shape()[reduction.axes.len()..].iter().product();
            Storage::new(&reduction.shape, kernels::sum_columns(&self.values(), columns))
        } else {
            reduction.rows(self, kernels::sum)
        };
        let label = reduced("sum", "ReduceSum", &reduction);
        operation::unary(label, self, value, move |gradient, _, x| {
            gradient.reshape(&reduction.kept).broadcast_to(x.shape())
        })
    }

    /// The largest value, of shape `[]`; NaN if any is. Equal ones share the gradient.
    ///
    /// # Panics
    ///
    /// If there is no value.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 3.0, 2.0]).max().item(), 3.0);
    /// ```
    #[track_caller]
    pub fn max(&self) -> Self {
        self.max_axes(all(self))
    }

    /// The largest value over some axes; NaN where any is. Equal ones share the gradient.
    ///
    /// # Panics
    ///
    /// If an axis is out of range, named twice, or empty.
    #[track_caller]
    pub fn max_axes(&self, axes: impl Into<Axes>) -> Self {
        self.extremum(["max", "ReduceMax"], &axes.into(), |row| {
            kernels::vectorize(|| kernels::lanes::maximum(row))
        })
    }

    /// The smallest value, of shape `[]`; NaN if any is. Equal ones share the gradient.
    ///
    /// # Panics
    ///
    /// If there is no value.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 3.0, 2.0]).min().item(), 1.0);
    /// ```
    #[track_caller]
    pub fn min(&self) -> Self {
        self.min_axes(all(self))
    }

    /// The smallest value over some axes; NaN where any is. Equal ones share the gradient.
    ///
    /// # Panics
    ///
    /// If an axis is out of range, named twice, or empty.
    #[track_caller]
    pub fn min_axes(&self, axes: impl Into<Axes>) -> Self {
        self.extremum(["min", "ReduceMin"], &axes.into(), |row| {
            let smaller = |min: E, &x: &E| if x < min || x.is_nan() { x } else { min };
            row.iter().fold(E::infinity(), smaller)
        })
    }

    #[track_caller]
    fn extremum(&self, names: [&'static str; 2], axes: &Axes, f: impl Fn(&[E]) -> E) -> Self {
        let [name, operator] = names;
        assert!(self.count(name, axes) > 0, "{name}: shape {:?} has no value", self.shape());
        let reduction = Reduction::new(name, self.shape(), axes);
        let value = reduction.rows(self, f);
        let label = reduced(name, operator, &reduction);
        operation::unary(label, self, value, move |gradient, extremum, x| {
            let extremum = extremum.detach().reshape(&reduction.kept);
            let equal = |x, y| if x == y { E::one() } else { E::zero() };
            let winners = Tensor::constant(zip(name, x, &extremum, equal));
            let axes: Vec<isize> = reduction.axes.iter().map(|&axis| axis as isize).collect();
            let count = winners.sum_axes(keep(&axes[..]));
            gradient.reshape(&reduction.kept).times(&(winners / count))
        })
    }

    /// ln Σ eˣ over all values, of shape `[]`, shifted by the largest so that it cannot overflow:
    /// −∞ of none or where all are −∞. Its gradient is the softmax: values of +∞ share it, and it
    /// is 0 where all are −∞.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1e4, 1e4]).log_sum_exp().item(), 1e4 + 2.0_f32.ln());
    /// ```
    pub fn log_sum_exp(&self) -> Self {
        self.log_sum_exp_axes(all(self))
    }

    /// ln Σ eˣ over some axes; see [`log_sum_exp`](Self::log_sum_exp).
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn log_sum_exp_axes(&self, axes: impl Into<Axes>) -> Self {
        let reduction = Reduction::new("log_sum_exp", self.shape(), &axes.into());
        let value = reduction.rows(self, kernels::log_sum_exp);
        let label = reduced("log_sum_exp", "ReduceLogSumExp", &reduction);
        operation::unary(label, self, value, move |gradient, log_sum, x| {
            let log_sum = log_sum.reshape(&reduction.kept);
            let softmax = (x - &log_sum).exp();
            let softmax = match log_sum.array().iter().any(|x| x.is_infinite()) {
                true => limits(x, &log_sum, &reduction, softmax),
                false => softmax,
            };
            gradient.reshape(&reduction.kept).times(&softmax)
        })
    }

    /// The position of the largest value along an axis, which the result no longer has: the first
    /// of equal ones, and the first NaN if there is one. Not differentiable.
    ///
    /// # Panics
    ///
    /// If the axis is out of range or empty.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let logits = Tensor::from([[0.1, 2.0, -1.0], [3.0, 0.0, 0.5]]);
    /// assert_eq!(logits.argmax(-1).into_raw_vec_and_offset().0, [1, 0]);
    /// ```
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> ArrayD<usize> {
        let axis = resolve("argmax", axis, self.shape());
        let length = self.shape()[axis];
        assert!(length > 0, "argmax: axis {axis} of shape {:?} is empty", self.shape());
        self.array().map_axis(ndarray::Axis(axis), |row| {
            let greater = |best: usize, i: usize| {
                let wins = row[i] > row[best] || (row[i].is_nan() && !row[best].is_nan());
                if wins { i } else { best }
            };
            (1..length).fold(0, greater)
        })
    }

    /// The number of values that are reduced to one.
    #[track_caller]
    pub(super) fn count(&self, name: &str, axes: &Axes) -> usize {
        axes.resolve(name, self.shape()).iter().map(|&axis| self.shape()[axis]).product()
    }

    /// The sum over the axes along which `shape` is broadcast to this tensor's shape.
    pub(crate) fn sum_to(&self, shape: &[usize]) -> Self {
        let added = self.ndim() - shape.len();
        if !shape.is_empty() && shape == &self.shape()[added..] {
            // As for a bias: there is nothing to be found out about the other axes.
            let columns = shape.iter().product();
            let value = Storage::new(shape, kernels::sum_columns(&self.values(), columns));
            return operation::unary(summed(added), self, value, |gradient, _, x| {
                gradient.broadcast_to(x.shape())
            });
        }
        let stretched = |&axis: &usize| axis < added || shape[axis - added] != self.shape()[axis];
        let axes: Vec<isize> =
            (0..self.ndim()).filter(stretched).map(|axis| axis as isize).collect();
        self.sum_axes(keep(&axes[..])).reshape(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, check_axes, check_unary, random, rng};

    #[test]
    fn derivatives_of_reductions_agree_with_differences_over_any_axes() {
        check_axes(&|x, axes| x.square().sum_axes(axes), true);
        check_axes(&|x, axes| x.max_axes(axes).square(), false);
        check_axes(&|x, axes| x.min_axes(axes).square(), false);
        check_axes(&|x, axes| x.log_sum_exp_axes(axes), false);
    }

    #[test]
    fn derivatives_of_reductions_of_everything_agree_with_differences() {
        check_unary(&|x| x.square().sum(), -2.0, 2.0);
        check_unary(&|x| x.sum_to(&[]).square(), -2.0, 2.0);
        let x = random(&[3, 4], -2.0, 2.0, &mut rng(6));
        check(&|x| x[0].max() * x[0].min(), &[x.clone()]);
        check(&|x| x[0].log_sum_exp(), &[x]);
    }

    #[test]
    fn reductions_have_the_values_of_plain_loops() {
        let x = Tensor::from(ndarray::Array::from_shape_fn((2, 3, 4), |(i, j, k)| {
            f64::from((i * 12 + j * 4 + k) as u32)
        }));
        assert_eq!(x.sum_axes(0).to_vec()[..3], [12.0, 14.0, 16.0]);
        assert_eq!(x.sum_axes([0, 2]).to_vec(), [60.0, 92.0, 124.0]);
        assert_eq!(x.sum_axes([0, 1]).to_vec(), [60.0, 66.0, 72.0, 78.0]);
        assert_eq!(x.mean_axes(keep(-1)).shape(), [2, 3, 1]);
        assert_eq!(x.mean_axes(-1).to_vec(), [1.5, 5.5, 9.5, 13.5, 17.5, 21.5]);
        assert_eq!(x.max_axes([1, 2]).to_vec(), [11.0, 23.0]);
        assert_eq!(x.min_axes([1, 2]).to_vec(), [0.0, 12.0]);
        assert_eq!(x.variance_axes(-1, 0).to_vec(), [1.25; 6]);
        assert_eq!(x.permute(&[2, 0, 1]).sum_axes(0).to_vec(), x.sum_axes(2).to_vec());
    }

    #[test]
    fn reductions_of_nothing_are_their_neutral_elements() {
        let x = Tensor::<f64>::zeros(&[2, 0]);
        assert_eq!(x.sum_axes(1).to_vec(), [0.0, 0.0]);
        assert_eq!(x.log_sum_exp_axes(1).to_vec(), [f64::NEG_INFINITY; 2]);
        assert!(x.mean().item().is_nan());
        assert_eq!(x.sum_axes(0).shape(), [0]);
    }

    #[test]
    #[should_panic(expected = "max: shape [2, 0] has no value")]
    fn the_largest_of_nothing_is_refused() {
        let _ = Tensor::<f32>::zeros(&[2, 0]).max();
    }

    #[test]
    #[should_panic(expected = "sum: axis 2 is out of range for shape [2, 3], which has 2 axes")]
    fn an_axis_out_of_range_is_named() {
        let _ = Tensor::<f32>::zeros(&[2, 3]).sum_axes(2);
    }

    #[test]
    fn nan_comes_out_of_every_reduction_and_argmax_finds_it() {
        let mut values = vec![1.0_f32; 40];
        values[33] = f32::NAN;
        let x = Tensor::from(values);
        for y in [x.sum(), x.mean(), x.max(), x.min(), x.log_sum_exp(), x.variance(0)] {
            assert!(y.item().is_nan());
        }
        assert_eq!(x.argmax(0).first(), Some(&33));
    }

    #[test]
    fn equal_largest_values_share_the_gradient() {
        let x = Tensor::parameter([3.0, 1.0, 3.0]);
        assert_eq!(x.max().backward().get(&x).unwrap().to_vec(), [0.5, 0.0, 0.5]);
    }

    #[test]
    fn argmax_takes_the_first_of_equal_values() {
        let x = Tensor::from([[1.0, 1.0], [0.0, 2.0]]);
        assert_eq!(x.argmax(-1).into_raw_vec_and_offset().0, [0, 1]);
        assert_eq!(x.argmax(0).into_raw_vec_and_offset().0, [0, 1]);
    }
}
