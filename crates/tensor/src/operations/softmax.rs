//! Softmax and its logarithm.

use super::axes::{keep, resolve};
use super::labels::along_last;
use crate::operation;
use crate::storage::Storage;
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// eˣ / Σ eˣ along an axis, shifted so that it cannot overflow: positive numbers that sum to
    /// one. A value of −∞ gets exactly 0; values of +∞ share a row among themselves; a row that is
    /// all −∞ or holds NaN becomes NaN.
    ///
    /// # Panics
    ///
    /// If the axis is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1e4, 1e4]).softmax(-1).to_vec(), [0.5, 0.5]);
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Self {
        let axis = resolve("softmax", axis, self.shape());
        if axis + 1 != self.ndim() {
            let last = self.ndim() - 1;
            return self.swap_axes(axis, last).softmax(-1).swap_axes(axis, last);
        }
        let value = self.map_rows(kernels::softmax);
        operation::unary(along_last("softmax", "Softmax"), self, value, |gradient, softmax, _| {
            let product = gradient.times(softmax);
            &product - product.sum_axes(keep(-1)).times(softmax)
        })
    }

    /// x − ln Σ eˣ along an axis: the logarithm of the softmax, without rounding it first. Infinite
    /// values as in [`softmax`](Self::softmax).
    ///
    /// # Panics
    ///
    /// If the axis is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([0.0, -1e4]).log_softmax(-1).to_vec(), [0.0, -1e4]);
    /// ```
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Self {
        let axis = resolve("log_softmax", axis, self.shape());
        if axis + 1 != self.ndim() {
            let last = self.ndim() - 1;
            return self.swap_axes(axis, last).log_softmax(-1).swap_axes(axis, last);
        }
        let value = self.map_rows(kernels::log_softmax);
        let label = along_last("log_softmax", "LogSoftmax");
        operation::unary(label, self, value, |gradient, log_softmax, _| {
            let total = gradient.sum_axes(keep(-1));
            gradient - total.times(&log_softmax.exp())
        })
    }

    /// `f(row, out)` of each row along the last axis.
    fn map_rows(&self, f: impl Fn(&[E], &mut [E])) -> Storage<E> {
        let length = self.shape()[self.ndim() - 1].max(1);
        let mut out = kernels::buffer(self.len());
        for (row, out) in self.values().chunks_exact(length).zip(out.chunks_exact_mut(length)) {
            f(row, out);
            if out[0].is_nan() && row.contains(&E::infinity()) && !row.iter().any(|x| x.is_nan()) {
                // In the limit, the infinite ones are equal and the others nothing beside them.
                let limit = |&x: &E| if x == E::infinity() { E::zero() } else { E::neg_infinity() };
                f(&row.iter().map(limit).collect::<Vec<_>>(), out);
            }
        }
        Storage::new(self.shape(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use crate::testing::{check, random, rng, shapes};

    #[test]
    fn derivatives_agree_with_differences_along_any_axis() {
        let rng = &mut rng(7);
        for shape in shapes(6, rng) {
            for axis in 0..shape.len() as isize {
                let x = random(&shape, -2.0, 2.0, rng);
                check(&|x| x[0].softmax(axis), &[x.clone()]);
                check(&|x| x[0].log_softmax(axis), &[x]);
            }
        }
    }

    #[test]
    fn softmax_is_the_exponential_of_log_softmax_along_any_axis() {
        let x = random(&[3, 4, 5], -5.0, 5.0, &mut rng(8));
        for axis in 0..3 {
            let (p, log_p) = (x.softmax(axis), x.log_softmax(axis).exp());
            for (p, q) in p.to_vec().into_iter().zip(log_p.to_vec()) {
                approx::assert_relative_eq!(p, q, max_relative = 1e-14);
            }
            for sum in p.sum_axes(axis).to_vec() {
                approx::assert_relative_eq!(sum, 1.0, max_relative = 1e-15);
            }
        }
    }

    #[test]
    fn infinite_values_share_a_row_and_the_gradients_are_those_of_the_limit() {
        const INF: f64 = f64::INFINITY;
        for (x, p) in [
            ([INF, 1.0, 0.0], [1.0, 0.0, 0.0]),
            ([INF, -INF, INF], [0.5, 0.0, 0.5]),
            ([-INF, 0.0, 0.0], [0.0, 0.5, 0.5]),
            ([1e308, 0.0, -1e308], [1.0, 0.0, 0.0]),
        ] {
            let x = Tensor::parameter(x);
            assert_eq!(x.softmax(-1).to_vec(), p);
            assert_eq!(x.log_softmax(-1).exp().to_vec(), p);
            let lse = x.log_sum_exp();
            assert_eq!(lse.backward().get(&x).unwrap().to_vec(), p);
            assert_eq!(grad(&lse, &[&x])[0].to_vec(), p);
            assert_eq!(grad(&x.reshape(&[3, 1]).log_sum_exp_axes(0).sum(), &[&x])[0].to_vec(), p);
            for y in [x.softmax(-1), x.log_softmax(-1)] {
                let first = grad(&y.slice(0, ..1).sum(), &[&x]).remove(0);
                assert!(first.to_vec().iter().all(|x| x.is_finite()));
                assert!(
                    grad(&first.square().sum(), &[&x])[0].to_vec().iter().all(|x| x.is_finite())
                );
            }
        }
        let x = Tensor::parameter([-INF, -INF]);
        assert_eq!(x.log_sum_exp().backward().get(&x).unwrap().to_vec(), [0.0, 0.0]);
        assert_eq!(grad(&grad(&x.log_sum_exp(), &[&x])[0].sum(), &[&x])[0].to_vec(), [0.0, 0.0]);
        assert!(x.softmax(-1).to_vec().iter().all(|x| x.is_nan()));
        // A row that is left out may be anything.
        let rows = Tensor::parameter([[f64::NAN, 0.0], [0.0, 0.0]]);
        let kept = ndarray::array![[false], [true]].into_dyn();
        for y in [rows.softmax(-1), rows.log_softmax(-1), rows.log_sum_exp_axes(keep(-1))] {
            let loss = Tensor::select(&kept, &y.square(), &Tensor::scalar(0.0)).sum();
            assert_eq!(loss.backward().get(&rows).unwrap().to_vec()[..2], [0.0, 0.0]);
            assert_eq!(grad(&loss, &[&rows])[0].to_vec()[..2], [0.0, 0.0]);
        }
    }

    #[test]
    fn a_masked_value_gets_nothing_and_a_nan_spoils_its_row_only() {
        let x =
            Tensor::from([[0.0, f32::NEG_INFINITY, 0.0], [f32::NAN, 0.0, 0.0], [1e4, 0.0, -1e4]]);
        let p = x.softmax(-1).to_vec();
        assert_eq!(p[..3], [0.5, 0.0, 0.5]);
        assert!(p[3..6].iter().all(|p| p.is_nan()));
        assert_eq!(p[6..], [1.0, 0.0, 0.0]);
    }
}
