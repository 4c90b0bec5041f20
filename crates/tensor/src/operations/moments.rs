//! Means, deviations from them, and lengths of vectors.

use super::axes::{Axes, keep};
use super::broadcast::zip;
use super::labels::{centred, reduced};
use super::reduction::{Reduction, all};
use crate::operation;
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// How [`Tensor::norm_axes`] measures the length of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Norm {
    /// Σ |x|.
    L1,
    /// √Σ x², the Euclidean length.
    L2,
    /// max |x|.
    Max,
}

impl<E: Element> Tensor<E> {
    /// The mean of all values, of shape `[]`; NaN of none. It is that of the exact sum to within a
    /// rounding or two, and does not overflow.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([[1.0, 2.0], [3.0, 4.0]]).mean().item(), 2.5);
    /// ```
    pub fn mean(&self) -> Self {
        self.mean_axes(all(self))
    }

    /// The mean over some axes; NaN where they are empty. See [`mean`](Self::mean).
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn mean_axes(&self, axes: impl Into<Axes>) -> Self {
        let axes = axes.into();
        let count = E::from_usize(self.count("mean", &axes));
        let reduction = Reduction::new("mean", self.shape(), &axes);
        let (near, rest) = self.mean_in_two(&axes);
        let value = (near + rest).storage().reshaped(&reduction.shape);
        operation::unary(
            reduced("mean", "ReduceMean", &reduction),
            self,
            value,
            move |gradient, _, x| {
                (gradient / count).reshape(&reduction.kept).broadcast_to(x.shape())
            },
        )
    }

    /// A number near the mean over some axes, which are kept, and the mean distance from it. Their
    /// sum is the mean, and x − near − rest keeps digits that x − mean loses where the mean itself
    /// has to be rounded.
    #[inline(never)]
    #[track_caller]
    fn mean_in_two(&self, axes: &Axes) -> (Self, Self) {
        let (x, axes) = (self.detach(), keep(axes.clone()));
        let count = E::from_usize(self.count("mean", &axes));
        let mut near = x.sum_axes(axes.clone()) / count;
        if count > E::zero() && near.array().iter().any(|near| !near.is_finite()) {
            // The sum may have overflowed where the mean does not.
            near = (&x / count).sum_axes(axes.clone());
        }
        let rest = (&x - &near).sum_axes(axes) / count;
        let rest =
            zip("mean", &rest, &near, |rest, _| if rest.is_finite() { rest } else { E::zero() });
        (near, Self::constant(rest))
    }

    /// x − mean over some axes: what is left when the mean is taken away. Exact to within a few
    /// roundings of the greatest deviation, however far from 0 the values are.
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 3.0], [5.0, 5.0]]);
    /// assert_eq!(x.center_axes(-1).to_vec(), [-1.0, 1.0, 0.0, 0.0]);
    /// ```
    #[track_caller]
    pub fn center_axes(&self, axes: impl Into<Axes>) -> Self {
        let axes = axes.into();
        let (near, rest) = self.mean_in_two(&axes);
        let value = (self.detach() - near - rest).storage().clone();
        let reduction = Reduction::new("center", self.shape(), &axes);
        operation::unary(centred(&reduction), self, value, move |gradient, _, _| {
            gradient.center_axes(axes.clone())
        })
    }

    /// The variance of all values, Σ (x − mean)² / (n − `ddof`): with `ddof` (delta degrees of
    /// freedom) 0 that of a population, with 1 the unbiased estimate from a sample. Where `ddof`
    /// leaves nothing to divide by it is +∞, or NaN if every value is the mean.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 3.0]).variance(0).item(), 1.0);
    /// assert_eq!(Tensor::from([1.0, 3.0]).variance(1).item(), 2.0);
    /// ```
    pub fn variance(&self, ddof: usize) -> Self {
        self.variance_axes(all(self), ddof)
    }

    /// The variance over some axes; see [`variance`](Self::variance).
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn variance_axes(&self, axes: impl Into<Axes>, ddof: usize) -> Self {
        let axes = axes.into();
        let count = self.count("variance", &axes).saturating_sub(ddof);
        self.center_axes(axes.clone()).square().sum_axes(axes) / E::from_usize(count)
    }

    /// The standard deviation of all values, the root of the [`variance`](Self::variance), without
    /// overflow of the squares. Its derivatives are taken to be 0 where it is 0.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 3.0]).std(0).item(), 1.0);
    /// ```
    pub fn std(&self, ddof: usize) -> Self {
        self.std_axes(all(self), ddof)
    }

    /// The standard deviation over some axes; see [`std`](Self::std).
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn std_axes(&self, axes: impl Into<Axes>, ddof: usize) -> Self {
        let axes = axes.into();
        let count = E::from_usize(self.count("std", &axes).saturating_sub(ddof));
        self.center_axes(axes.clone()).norm_axes(Norm::L2, axes) / count.sqrt()
    }

    /// The length of the vector of all values; see [`norm_axes`](Self::norm_axes).
    ///
    /// ```
    /// use downhill_tensor::{Norm, Tensor};
    ///
    /// let x = Tensor::from([3.0, -4.0]);
    /// assert_eq!(x.norm(Norm::L2).item(), 5.0);
    /// assert_eq!((x.norm(Norm::L1).item(), x.norm(Norm::Max).item()), (7.0, 4.0));
    /// ```
    pub fn norm(&self, norm: Norm) -> Self {
        self.norm_axes(norm, all(self))
    }

    /// The length of the vectors along some axes, 0 where they are empty. [`Norm::L2`] neither
    /// overflows nor underflows; its derivatives, of any order, are taken to be 0 at the zero
    /// vector. Where it is infinite they are those of the limit: infinite values share the
    /// direction among themselves, and its own derivatives are 0. For its square, which needs none
    /// of that, see
    /// [`squared_norm_axes`](Self::squared_norm_axes).
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn norm_axes(&self, norm: Norm, axes: impl Into<Axes>) -> Self {
        let axes = axes.into();
        match norm {
            Norm::L1 => self.abs().sum_axes(axes),
            Norm::Max if self.count("norm", &axes) == 0 => self.sum_axes(axes),
            Norm::Max => self.abs().max_axes(axes),
            Norm::L2 => {
                let reduction = Reduction::new("norm", self.shape(), &axes);
                let value = self.detach().euclidean(&axes);
                let axes = keep(axes);
                operation::unary(
                    reduced("norm", "ReduceL2", &reduction),
                    self,
                    value,
                    move |gradient, norm, x| {
                        let norm = norm.reshape(&reduction.kept);
                        let infinite = norm.mask(|norm| norm.is_infinite());
                        let direction = match infinite.iter().any(|&infinite| infinite) {
                            true => Self::select(
                                &infinite,
                                &x.direction_in_the_limit(&axes),
                                &x.direction(&norm.masked_fill(&infinite, E::one())),
                            ),
                            false => x.direction(&norm),
                        };
                        gradient.reshape(&reduction.kept).times(&direction)
                    },
                )
            }
        }
    }

    /// Σ x² over some axes.
    ///
    /// # Panics
    ///
    /// If an axis is out of range or named twice.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([3.0, -4.0]).squared_norm_axes(0).item(), 25.0);
    /// ```
    #[track_caller]
    pub fn squared_norm_axes(&self, axes: impl Into<Axes>) -> Self {
        self.square().sum_axes(axes)
    }

    /// √Σ x², of values that are divided by the largest first where squares leave the range of
    /// numbers.
    #[inline(never)]
    fn euclidean(&self, axes: &Axes) -> crate::storage::Storage<E> {
        let plain = self.square().sum_axes(axes.clone());
        let least = E::min_positive_value() / E::epsilon();
        let kept = |x: &E| x.is_nan() || (*x > least && x.is_finite());
        if plain.array().iter().all(kept) || self.is_empty() {
            return plain.sqrt().storage().clone();
        }
        let largest = self.abs().max_axes(keep(axes.clone()));
        let usual = |x: E| !x.is_zero() && x.is_finite();
        let scale = largest.masked_fill(&largest.mask(|x| !usual(x)), E::one());
        let norm = (self / &scale).square().sum_axes(keep(axes.clone())).sqrt() * scale;
        norm.storage().reshaped(plain.shape())
    }

    /// x / norm where the norm overflows: a constant, since it changes no more.
    #[inline(never)]
    fn direction_in_the_limit(&self, axes: &Axes) -> Self {
        let x = self.detach();
        let largest = x.abs().max_axes(axes.clone());
        let values = zip("norm", &x, &largest, |x, largest| match largest.is_infinite() {
            true if x.is_infinite() => x.signum(),
            true => E::zero(),
            false => x / largest,
        });
        let x = Self::constant(values);
        let norm = x.squared_norm_axes(axes.clone()).sqrt();
        x.direction(&norm)
    }

    /// x / norm, and 0 where either is 0.
    #[inline(never)]
    fn direction(&self, norm: &Self) -> Self {
        let value = zip("norm", self, norm, |x, norm| match norm.is_zero() || x.is_zero() {
            true => E::zero(),
            false => x / norm,
        });
        operation::binary(
            "direction",
            [self, norm],
            value,
            |gradient, _, _, norm| gradient.direction(norm),
            |gradient, direction, _, norm| -gradient.times(direction).direction(norm),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use crate::testing::{check, check_axes, random, rng};

    #[test]
    fn derivatives_agree_with_differences_over_any_axes() {
        check_axes(&|x, axes| x.square().mean_axes(axes), false);
        check_axes(&|x, axes| x.center_axes(axes).square(), false);
        check_axes(&|x, axes| x.variance_axes(axes, 0), false);
        for norm in [Norm::L1, Norm::L2, Norm::Max] {
            check_axes(&|x, axes| x.norm_axes(norm, axes).square(), true);
        }
        check_axes(&|x, axes| x.norm_axes(Norm::L2, axes), true);
        let x = random(&[3, 4], -2.0, 2.0, &mut rng(6));
        check(&|x| x[0].mean().square(), &[x.clone()]);
        check(&|x| x[0].variance(1), &[x.clone()]);
        check(&|x| x[0].std_axes(-1, 1), &[x]);
    }

    /// The deviations of values in `f32` from their mean, computed in `f64`.
    fn deviations(x: &[f32]) -> Vec<f64> {
        let mean = x.iter().copied().map(f64::from).sum::<f64>() / x.len() as f64;
        x.iter().map(|&x| f64::from(x) - mean).collect()
    }

    #[test]
    fn deviations_keep_their_digits_however_far_from_zero_the_values_are() {
        let noise = |i: usize| (i * 37 % 101) as f32 / 101.0;
        let rows: Vec<Vec<f32>> = vec![
            vec![10000.7; 768],
            vec![33333.3; 100],
            (0..768).map(|i| 1e4 + 0.01 * noise(i)).collect(),
            (0..768).map(|i| 1e6 + noise(i)).collect(),
            vec![16_777_216.0, 16_777_218.0, 16_777_216.0],
            vec![1e20, -1e20, 2e20, -2e20],
            vec![3e38; 5],
            vec![1e-38, -1e-38, 3e-38],
            vec![-7.25],
        ];
        for row in rows {
            let (truth, x) = (deviations(&row), Tensor::from(row));
            let greatest = truth.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
            for (found, truth) in x.center_axes(0).to_vec().into_iter().zip(&truth) {
                let error = (f64::from(found) - truth).abs();
                assert!(error <= 1e-6 * greatest, "{found} for {truth}");
            }
            let std = (truth.iter().map(|x| x * x).sum::<f64>() / truth.len() as f64).sqrt();
            approx::assert_relative_eq!(
                f64::from(x.std(0).item()),
                std,
                max_relative = 1e-6,
                epsilon = 1e-44
            );
            let variance = f64::from(x.variance(0).item());
            match std * std > 3e38 {
                true => assert_eq!(variance, f64::INFINITY),
                false => approx::assert_relative_eq!(
                    variance,
                    std * std,
                    max_relative = 2e-6,
                    epsilon = 1e-44
                ),
            }
        }
    }

    #[test]
    fn the_mean_is_that_of_the_exact_sum() {
        for (x, mean) in [
            (vec![10000.7_f32; 768], 10000.7),
            (vec![33333.3; 100], 33333.3),
            (vec![3e38, 3e38, 3e38], 3e38),
            (vec![3e38, 3e38, -3e38, -3e38], 0.0),
            (vec![f32::INFINITY, 1.0], f32::INFINITY),
            (vec![f32::NEG_INFINITY; 3], f32::NEG_INFINITY),
        ] {
            assert_eq!(Tensor::from(x).mean().item(), mean);
        }
        assert!(Tensor::from([f32::INFINITY, f32::NEG_INFINITY]).mean().item().is_nan());
        assert!(Tensor::<f32>::zeros(&[0]).mean().item().is_nan());
        let columns = Tensor::from([[10000.7_f32, 1.0]; 700]);
        assert_eq!(columns.mean_axes(0).to_vec(), [10000.7, 1.0]);
    }

    #[test]
    fn more_degrees_of_freedom_than_values_leave_no_negative_variance() {
        let x = Tensor::from([1.0, 3.0]);
        assert_eq!(x.variance(2).item(), f32::INFINITY);
        assert_eq!(x.variance(3).item(), f32::INFINITY);
        assert_eq!(x.std(3).item(), f32::INFINITY);
        assert!(Tensor::<f32>::from([5.0]).variance(1).item().is_nan());
    }

    #[test]
    fn norms_of_huge_and_tiny_values_neither_overflow_nor_vanish() {
        for (x, norm) in [
            ([3e30_f32, 4e30], 5e30),
            ([3e-30, 4e-30], 5e-30),
            ([3e-42, 4e-42], 5e-42),
            ([f32::NEG_INFINITY, 1.0], f32::INFINITY),
        ] {
            let found = Tensor::from(x).norm(Norm::L2).item();
            approx::assert_relative_eq!(found, norm, max_relative = 1e-3);
        }
        assert!(Tensor::from([f32::NAN, 1.0]).norm(Norm::L2).item().is_nan());
        assert_eq!(Tensor::<f32>::zeros(&[2, 0]).norm_axes(Norm::Max, 1).to_vec(), [0.0, 0.0]);
        // One row in need of care does not change another.
        let rows = Tensor::from([[3.0_f32, 4.0], [3e30, 4e30], [0.0, 0.0]]);
        let norms = rows.norm_axes(Norm::L2, -1).to_vec();
        assert_eq!((norms[0], norms[2]), (5.0, 0.0));
    }

    #[test]
    fn derivatives_of_an_infinite_length_are_those_of_the_limit() {
        const INF: f32 = f32::INFINITY;
        let half = 0.5_f32.sqrt();
        for (norm, x, expected) in [
            (Norm::L1, [INF, 1.0, -2.0], [1.0, 1.0, -1.0]),
            (Norm::L2, [INF, 1.0, -2.0], [1.0, 0.0, 0.0]),
            (Norm::L2, [INF, 1.0, -INF], [half, 0.0, -half]),
            (Norm::L2, [3e38, 0.0, -3e38], [half, 0.0, -half]),
            (Norm::Max, [1.0, -INF, 2.0], [0.0, -1.0, 0.0]),
        ] {
            let x = Tensor::parameter([x, [3.0, 0.0, -4.0]]);
            let length = x.norm_axes(norm, -1).sum();
            let first = grad(&length, &[&x]).remove(0);
            assert_eq!(first.to_vec(), length.backward().get(&x).unwrap().to_vec());
            for (found, expected) in first.to_vec().into_iter().zip(expected) {
                approx::assert_relative_eq!(found, expected, max_relative = 1e-6);
            }
            let second = grad(&first.square().sum(), &[&x])[0].to_vec();
            assert_eq!(second[..3], [0.0; 3], "{norm:?}");
            assert!(second.iter().all(|x| x.is_finite()), "{norm:?}: {second:?}");
        }
    }

    #[test]
    fn derivatives_of_both_orders_are_zero_where_a_length_is() {
        type Length = fn(&Tensor<f64>) -> Tensor<f64>;
        let functions: [Length; 4] =
            [|x| x.norm(Norm::L1), |x| x.norm(Norm::L2), |x| x.norm(Norm::Max), |x| x.std(0)];
        for f in functions {
            let x = Tensor::parameter([0.0, 0.0, 0.0]);
            assert_eq!(f(&x).backward().get(&x).unwrap().to_vec(), [0.0; 3]);
            let first = grad(&f(&x), &[&x]).remove(0);
            assert_eq!(first.to_vec(), [0.0; 3]);
            assert_eq!(grad(&first.sum(), &[&x])[0].to_vec(), [0.0; 3]);
        }
    }
}
