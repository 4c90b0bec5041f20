//! Products of matrices.

use ndarray::{ArrayView2, ArrayViewD, Axis, Dimension, indices};

use super::broadcast::broadcast_shape;
use crate::operation::{self, is_recorded};
use crate::storage::{Storage, volume};
use crate::tensor::Tensor;
use downhill_kernels as kernels;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// The matrix product x · y.
    ///
    /// | x | y | result |
    /// | --- | --- | --- |
    /// | `[M, K]` | `[K, N]` | `[M, N]` |
    /// | `[K]` | `[K, N]` | `[N]` |
    /// | `[M, K]` | `[K]` | `[M]` |
    /// | `[K]` | `[K]` | `[]` |
    /// | `[…, M, K]` | `[…, K, N]` | `[…, M, N]`, with the leading axes broadcast |
    ///
    /// # Panics
    ///
    /// If an operand has no axes, the inner dimensions differ, the leading axes do not broadcast,
    /// or the result holds more values than memory has addresses for.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.matmul(&Tensor::from([1.0, -1.0])).to_vec(), [-1.0, -1.0]);
    /// ```
    #[track_caller]
    pub fn matmul(&self, other: &Self) -> Self {
        let (x, y) = (self, other);
        check_inner("matmul", x, y);
        match (x.ndim(), y.ndim()) {
            (1, 1) => x.unsqueeze(0).matmul(&y.unsqueeze(1)).reshape(&[]),
            (1, _) => x.unsqueeze(0).matmul(y).squeeze(-2),
            (_, 1) => x.matmul(&y.unsqueeze(1)).squeeze(-1),
            (2, 2) => {
                let shape = [x.shape()[0], y.shape()[1]];
                volume::<E>("matmul", &shape);
                operation::binary(
                    ("matmul", "MatMul"),
                    [x, y],
                    Storage::new(&shape, kernels::linear(matrix(x), matrix(y))),
                    |gradient, _, _, y| times_transpose(&gradient, y),
                    |gradient, _, x, _| transpose_times(x, &gradient),
                )
            }
            (_, 2) => {
                let mut shape = x.shape().to_vec();
                shape[x.ndim() - 1] = y.shape()[1];
                x.reshape(&[rows(x), y.shape()[0]]).matmul(y).reshape(&shape)
            }
            _ => operation::binary(
                ("matmul", "MatMul"),
                [x, y],
                batched(x, y),
                |gradient, _, _, y| times_transpose(&gradient, y),
                |gradient, _, x, _| transpose_times(x, &gradient),
            ),
        }
    }

    /// The affine map x · W + b of a layer, in one operation: x `[…, K]`, W `[K, N]` and b `[N]`
    /// give `[…, N]`.
    ///
    /// # Panics
    ///
    /// If the shapes do not fit.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let weight = Tensor::from([[1.0], [2.0]]);
    /// let y = Tensor::from([[3.0, 4.0]]).linear(&weight, &Tensor::from([0.5]));
    /// assert_eq!(y.to_vec(), [11.5]);
    /// ```
    #[track_caller]
    pub fn linear(&self, weight: &Self, bias: &Self) -> Self {
        check_inner("linear", self, weight);
        assert!(
            weight.ndim() == 2 && bias.shape() == &weight.shape()[1..],
            "linear: the weight has shape {:?} and the bias {:?}; [K, N] and [N] are needed",
            weight.shape(),
            bias.shape()
        );
        if self.ndim() != 2 {
            let mut shape = self.shape().to_vec();
            shape[self.ndim() - 1] = weight.shape()[1];
            return self
                .reshape(&[rows(self), weight.shape()[0]])
                .linear(weight, bias)
                .reshape(&shape);
        }
        let shape = [self.shape()[0], weight.shape()[1]];
        volume::<E>("linear", &shape);
        let value = kernels::affine(matrix(self), matrix(weight), &bias.values());
        let inputs = [self, weight, bias];
        operation::composed(
            ("linear", "Gemm"),
            inputs,
            Storage::new(&shape, value),
            |index, gradient, _, inputs| match index {
                0 => times_transpose(&gradient, &inputs[1]),
                1 => transpose_times(&inputs[0], &gradient),
                _ => gradient,
            },
        )
    }
}

#[track_caller]
fn check_inner<E: Element>(name: &str, x: &Tensor<E>, y: &Tensor<E>) {
    let (xs, ys) = (x.shape(), y.shape());
    assert!(
        !xs.is_empty() && !ys.is_empty(),
        "{name}: {xs:?} × {ys:?}: an operand has no axes; multiply by a number with `*`"
    );
    let (left, right) = (xs[xs.len() - 1], ys[ys.len().saturating_sub(2)]);
    assert!(left == right, "{name}: {xs:?} × {ys:?}: inner dimensions {left} and {right} differ");
    let batch = |shape: &[usize]| shape.len().saturating_sub(2);
    assert!(
        broadcast_shape(&xs[..batch(xs)], &ys[..batch(ys)]).is_some(),
        "{name}: {xs:?} × {ys:?}: the leading axes do not broadcast"
    );
}

/// The number of vectors along the last axis, which is not empty.
fn rows<E: Element>(x: &Tensor<E>) -> usize {
    x.shape()[..x.ndim() - 1].iter().product()
}

fn matrix<E: Element>(x: &Tensor<E>) -> ArrayView2<'_, E> {
    x.storage().matrix().expect("the rank was checked to be 2")
}

/// x · yᵀ. Where nothing is recorded, the transpose need not become a tensor.
fn times_transpose<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    match (x.storage().matrix(), y.storage().matrix()) {
        (Some(x_matrix), Some(y_matrix)) if !is_recorded(&[x, y]) => {
            product(x_matrix, y_matrix.reversed_axes())
        }
        _ => x.matmul(&y.transpose()),
    }
}

/// xᵀ · y, likewise.
fn transpose_times<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Tensor<E> {
    match (x.storage().matrix(), y.storage().matrix()) {
        (Some(x_matrix), Some(y_matrix)) if !is_recorded(&[x, y]) => {
            product(x_matrix.reversed_axes(), y_matrix)
        }
        _ => x.transpose().matmul(y),
    }
}

fn product<E: Element>(x: ArrayView2<'_, E>, y: ArrayView2<'_, E>) -> Tensor<E> {
    Tensor::constant(Storage::new(&[x.nrows(), y.ncols()], kernels::linear(x, y)))
}

/// The products of the matrices along the leading axes, which are broadcast.
#[track_caller]
fn batched<E: Element>(x: &Tensor<E>, y: &Tensor<E>) -> Storage<E> {
    let split = |tensor: &Tensor<E>| tensor.ndim() - 2;
    let ((x_batch, x_matrix), (y_batch, y_matrix)) =
        (x.shape().split_at(split(x)), y.shape().split_at(split(y)));
    let batch = broadcast_shape(x_batch, y_batch).expect("the shapes were checked");
    let shape = [&batch[..], &[x_matrix[0], y_matrix[1]]].concat();
    let mut values = vec![E::zero(); volume::<E>("matmul", &shape)];
    let (xs, ys) = (x.array(), y.array());
    let xs = xs.broadcast([&batch[..], x_matrix].concat()).expect("the shapes were checked");
    let ys = ys.broadcast([&batch[..], y_matrix].concat()).expect("the shapes were checked");
    let size = x_matrix[0] * y_matrix[1];
    for (index, out) in indices(&batch[..]).into_iter().zip(values.chunks_exact_mut(size.max(1))) {
        kernels::matmul_onto(out, matrix_at(&xs, index.slice()), matrix_at(&ys, index.slice()));
    }
    Storage::new(&shape, values)
}

/// The matrix at a position of the leading axes.
fn matrix_at<'a, E>(array: &ArrayViewD<'a, E>, position: &[usize]) -> ArrayView2<'a, E> {
    let mut view = array.clone();
    for &index in position {
        view = view.index_axis_move(Axis(0), index);
    }
    view.into_dimensionality().expect("two axes are left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, random, rng};

    #[test]
    fn derivatives_agree_with_differences_for_every_kind_of_product() {
        let rng = &mut rng(9);
        let cases: [(&[usize], &[usize]); 14] = [
            (&[3], &[3]),
            (&[2, 3], &[3]),
            (&[3], &[3, 2]),
            (&[2, 3], &[3, 4]),
            (&[1, 1], &[1, 1]),
            (&[2, 0], &[0, 3]),
            (&[0, 2], &[2, 3]),
            (&[2, 2, 3], &[3, 4]),
            (&[2, 2, 3], &[2, 3, 2]),
            (&[3, 1, 2, 3], &[2, 3, 2]),
            (&[2, 3], &[4, 3, 2]),
            (&[2, 2, 3], &[3]),
            (&[3], &[2, 3, 2]),
            (&[0, 2, 3], &[0, 3, 2]),
        ];
        for (left, right) in cases {
            let inputs = [random(left, -1.0, 1.0, rng), random(right, -1.0, 1.0, rng)];
            check(&|x| x[0].matmul(&x[1]), &inputs);
        }
    }

    #[test]
    fn derivatives_of_linear_agree_with_differences() {
        let rng = &mut rng(10);
        for shape in [&[3][..], &[2, 3], &[2, 4, 3], &[0, 3]] {
            let inputs = [shape, &[3, 2], &[2]].map(|shape| random(shape, -1.0, 1.0, rng));
            check(&|x| x[0].linear(&x[1], &x[2]), &inputs);
        }
    }

    #[test]
    fn products_equal_plain_loops_on_ragged_sizes_and_any_layout() {
        let rng = &mut rng(11);
        for (rows, inner, columns) in [(1, 1, 1), (2, 3, 4), (17, 5, 9), (33, 64, 31), (7, 1, 7)] {
            let x = random(&[rows, inner], -1.0, 1.0, rng);
            let y = random(&[columns, inner], -1.0, 1.0, rng).transpose();
            let (product, xs, ys) = (x.matmul(&y), x.array(), y.array());
            for ((row, column), value) in
                ndarray::indices((rows, columns)).into_iter().zip(product.to_vec())
            {
                let expected: f64 = (0..inner).map(|k| xs[[row, k]] * ys[[k, column]]).sum();
                approx::assert_abs_diff_eq!(value, expected, epsilon = 1e-13);
            }
        }
    }

    #[test]
    fn linear_is_the_product_plus_the_bias() {
        let rng = &mut rng(12);
        let (x, weight, bias) = (
            random(&[2, 5, 3], -1.0, 1.0, rng),
            random(&[3, 4], -1.0, 1.0, rng),
            random(&[4], -1.0, 1.0, rng),
        );
        let difference = x.linear(&weight, &bias) - (x.matmul(&weight) + &bias);
        assert!(difference.abs().max().item() < 1e-15);
    }

    #[test]
    #[should_panic(expected = "matmul: [32, 64] × [32, 10]: inner dimensions 64 and 32 differ")]
    fn inner_dimensions_that_differ_are_named() {
        let _ = Tensor::<f32>::zeros(&[32, 64]).matmul(&Tensor::zeros(&[32, 10]));
    }

    #[test]
    #[should_panic(expected = "matmul: [2, 3, 3] × [4, 3, 3]: the leading axes do not broadcast")]
    fn batches_that_do_not_fit_are_named() {
        let _ = Tensor::<f32>::zeros(&[2, 3, 3]).matmul(&Tensor::zeros(&[4, 3, 3]));
    }
}
