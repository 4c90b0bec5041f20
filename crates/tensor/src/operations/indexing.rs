//! Picking values by their position.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewMutD, Axis, Zip};

use super::axes::resolve;
use crate::export::{Attribute, Numbers, written};
use crate::operation;
use crate::storage::{Storage, volume};
use crate::tensor::Tensor;
use downhill_kernels::Element;

impl<E: Element> Tensor<E> {
    /// The rows (along the first axis) with the given numbers, in that order: how an embedding
    /// looks up its vectors. x `[R, …]` and n numbers give `[n, …]`. Its gradient is
    /// [`scatter_rows`](Self::scatter_rows): a row picked several times gets the sum.
    ///
    /// # Panics
    ///
    /// If there is no axis, or a number is not below the number of rows.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.select_rows(&[1, 1]).to_vec(), [3.0, 4.0, 3.0, 4.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn select_rows(&self, rows: &[usize]) -> Self {
        let count = row_count("select_rows", self);
        check_indices("select_rows", rows, count, self.shape());
        let mut shape = self.shape().to_vec();
        shape[0] = rows.len();
        let length: usize = shape[1..].iter().product();
        let values = self.values();
        let mut picked = Vec::with_capacity(volume::<E>("select_rows", &shape));
        for &row in rows {
            picked.extend_from_slice(&values[row * length..(row + 1) * length]);
        }
        let rows: Arc<[usize]> = rows.into();
        let numbers = Arc::clone(&rows);
        let label = written("select_rows", move |x, _, export| {
            let rows: Vec<i64> = numbers.iter().map(|&row| row as i64).collect();
            let rows = export.integers("rows", &rows);
            export.node("Gather", &[x[0], &rows], vec![("axis", Attribute::Integer(0))])
        });
        operation::unary(label, self, Storage::new(&shape, picked), move |gradient, _, _| {
            gradient.scatter_rows(&rows, count)
        })
    }

    /// Adds each row to that row of `count` rows of zeros whose number it is given: the transpose
    /// of [`select_rows`](Self::select_rows). x `[n, …]` and n numbers give `[count, …]`.
    ///
    /// # Panics
    ///
    /// If there are not as many numbers as rows, or one is not below `count`.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::from([1.0, 2.0]).scatter_rows(&[2, 2], 3).to_vec(), [0.0, 0.0, 3.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn scatter_rows(&self, rows: &[usize], count: usize) -> Self {
        let found = row_count("scatter_rows", self);
        assert!(
            found == rows.len(),
            "scatter_rows: shape {:?} has {found} rows, but {} numbers are given",
            self.shape(),
            rows.len()
        );
        let mut shape = self.shape().to_vec();
        shape[0] = count;
        check_indices("scatter_rows", rows, count, &shape);
        let length: usize = shape[1..].iter().product();
        let mut sums = vec![E::zero(); volume::<E>("scatter_rows", &shape)];
        if length > 0 {
            for (&row, values) in rows.iter().zip(self.values().chunks_exact(length)) {
                let sums = &mut sums[row * length..(row + 1) * length];
                for (sum, &value) in sums.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
        let rows: Box<[usize]> = rows.into();
        operation::unary("scatter_rows", self, Storage::new(&shape, sums), move |gradient, _, _| {
            gradient.select_rows(&rows)
        })
    }

    /// For each position of `indices`, the value at that position but with the index found there
    /// along `axis`: `result[i, j] = x[i, indices[i, j]]` for the last axis of a matrix. The
    /// result has the shape of `indices`, which differs from this tensor's in `axis` only.
    ///
    /// # Panics
    ///
    /// If the axis is out of range, the shapes do not fit, or an index is out of range.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
    /// let picked = x.gather(-1, &ndarray::array![[1], [0]].into_dyn());
    /// assert_eq!(picked.to_vec(), [2.0, 3.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn gather(&self, axis: isize, indices: &ArrayD<usize>) -> Self {
        let axis = resolve("gather", axis, self.shape());
        let length = self.shape()[axis];
        check_lines("gather", axis, indices, self.shape());
        check_indices("gather", indices.iter(), length, self.shape());
        let mut value = ArrayD::zeros(indices.raw_dim());
        each_line(axis, &mut value.view_mut(), indices, self, |out, indices, line| {
            for (out, &index) in out.iter_mut().zip(indices) {
                *out = line[index];
            }
        });
        let indices = Arc::new(indices.clone());
        let numbers = Arc::clone(&indices);
        let label = written("gather", move |x, _, export| {
            let indices = Numbers::I64(numbers.iter().map(|&index| index as i64).collect());
            let indices = export.fixed("indices", numbers.shape(), indices);
            let axis = vec![("axis", Attribute::Integer(axis as i64))];
            export.node("GatherElements", &[x[0], &indices], axis)
        });
        operation::unary(label, self, value, move |gradient, _, _| {
            gradient.scatter(axis as isize, &indices, length)
        })
    }

    /// Adds each value to zeros, at its own position but with its index along `axis`: the
    /// transpose of [`gather`](Self::gather). The result has `length` along `axis`.
    ///
    /// # Panics
    ///
    /// If the axis is out of range, the shapes differ, or an index is not below `length`.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let x = Tensor::from([[5.0, 6.0]]);
    /// let spread = x.scatter(-1, &ndarray::array![[2, 2]].into_dyn(), 3);
    /// assert_eq!(spread.to_vec(), [0.0, 0.0, 11.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn scatter(&self, axis: isize, indices: &ArrayD<usize>, length: usize) -> Self {
        let axis = resolve("scatter", axis, self.shape());
        assert!(
            self.shape() == indices.shape(),
            "scatter: shape {:?}, but indices of shape {:?}",
            self.shape(),
            indices.shape()
        );
        let mut shape = self.shape().to_vec();
        shape[axis] = length;
        check_indices("scatter", indices.iter(), length, &shape);
        volume::<E>("scatter", &shape);
        let mut value = ArrayD::zeros(shape);
        each_line(axis, &mut value.view_mut(), indices, self, |out, indices, line| {
            for (&index, &value) in indices.iter().zip(line) {
                out[index] += value;
            }
        });
        let indices = indices.clone();
        operation::unary("scatter", self, value, move |gradient, _, _| {
            gradient.gather(axis as isize, &indices)
        })
    }

    /// A row for each index, 1 at that position and 0 elsewhere: a constant of shape
    /// `[n, classes]`.
    ///
    /// # Panics
    ///
    /// If an index is not below `classes`.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// assert_eq!(Tensor::<f32>::one_hot(&[2, 0], 3).to_vec(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// ```
    #[inline(never)]
    #[track_caller]
    pub fn one_hot(indices: &[usize], classes: usize) -> Self {
        let shape = [indices.len(), classes];
        check_indices("one_hot", indices, classes, &shape);
        let mut values = vec![E::zero(); volume::<E>("one_hot", &shape)];
        for (row, &index) in indices.iter().enumerate() {
            values[row * classes + index] = E::one();
        }
        Self::constant(Storage::new(&shape, values))
    }
}

/// Calls `f(out, indices, line)` with the lines along `axis` that belong together.
fn each_line<E: Element>(
    axis: usize,
    out: &mut ArrayViewMutD<'_, E>,
    indices: &ArrayD<usize>,
    x: &Tensor<E>,
    f: impl Fn(
        &mut ndarray::ArrayViewMut1<'_, E>,
        &ndarray::ArrayView1<'_, usize>,
        &ndarray::ArrayView1<'_, E>,
    ),
) {
    let axis = Axis(axis);
    Zip::from(out.lanes_mut(axis))
        .and(indices.lanes(axis))
        .and(x.array().lanes(axis))
        .for_each(|mut out, indices, line| f(&mut out, &indices, &line));
}

#[track_caller]
fn row_count<E: Element>(name: &str, x: &Tensor<E>) -> usize {
    let Some(&count) = x.shape().first() else {
        panic!("{name}: a tensor of shape [] has no rows")
    };
    count
}

#[track_caller]
fn check_lines(name: &str, axis: usize, indices: &ArrayD<usize>, shape: &[usize]) {
    let fits = indices.ndim() == shape.len()
        && (0..shape.len()).all(|i| i == axis || indices.shape()[i] == shape[i]);
    assert!(
        fits,
        "{name}: indices of shape {:?} do not fit shape {shape:?} in the axes other than {axis}",
        indices.shape()
    );
}

#[track_caller]
fn check_indices<'a>(
    name: &str,
    indices: impl IntoIterator<Item = &'a usize>,
    length: usize,
    shape: &[usize],
) {
    for (position, &index) in indices.into_iter().enumerate() {
        assert!(
            index < length,
            "{name}: index {index} at position {position} is out of range for shape {shape:?}: \
             the axis has length {length}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check, random, rng};
    use ndarray::array;

    #[test]
    fn derivatives_agree_with_differences_also_for_repeated_indices() {
        let rng = &mut rng(15);
        for shape in [&[3][..], &[3, 2], &[3, 2, 2], &[3, 0]] {
            let x = random(shape, -2.0, 2.0, rng);
            check(&|x| x[0].select_rows(&[2, 0, 2, 2]).square(), &[x.clone()]);
            check(&|x| x[0].select_rows(&[]).square(), &[x.clone()]);
            check(&|x| x[0].scatter_rows(&[1, 1, 4], 5).square(), &[x]);
        }
        let x = random(&[2, 3], -2.0, 2.0, rng);
        let along_last = array![[2, 2, 0, 1], [0, 0, 0, 2]].into_dyn();
        check(&|x| x[0].gather(-1, &along_last).square(), &[x.clone()]);
        let along_first = array![[1, 0, 1]].into_dyn();
        check(&|x| x[0].gather(0, &along_first).square(), &[x.clone()]);
        let spread = array![[3, 3, 0], [1, 2, 1]].into_dyn();
        check(&|x| x[0].scatter(1, &spread, 4).square(), &[x]);
    }

    #[test]
    fn a_row_picked_twice_gets_the_sum_of_its_gradients() {
        let x = Tensor::parameter([[1.0, 2.0], [3.0, 4.0]]);
        let picked =
            x.select_rows(&[1, 1, 0]) * Tensor::from([[1.0, 2.0], [10.0, 20.0], [5.0, 6.0]]);
        assert_eq!(picked.sum().backward().get(&x).unwrap().to_vec(), [5.0, 6.0, 11.0, 22.0]);
    }

    #[test]
    fn gather_along_the_first_axis_picks_in_columns() {
        let x = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(x.gather(0, &array![[1, 0]].into_dyn()).to_vec(), [3.0, 2.0]);
    }

    #[test]
    #[should_panic(
        expected = "select_rows: index 3 at position 1 is out of range for shape [3, 2]: \
                    the axis has length 3"
    )]
    fn an_index_out_of_range_is_named() {
        let _ = Tensor::<f32>::zeros(&[3, 2]).select_rows(&[0, 3]);
    }

    #[test]
    #[should_panic(expected = "gather: indices of shape [3, 1] do not fit shape [2, 2]")]
    fn indices_of_another_shape_are_named() {
        let _ = Tensor::<f32>::zeros(&[2, 2]).gather(1, &array![[0], [0], [0]].into_dyn());
    }
}
