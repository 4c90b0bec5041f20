//! Means over as many parts of an image as are wanted.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, keep};

use crate::description::Description;
use crate::error::Error;
use crate::module::same_in_training;
use crate::window::Pair;

/// The means of parts of each channel, so that images of any size give outputs of one size: input
/// `[N, C, H, W]`, output `[N, C, rows, columns]`. As in PyTorch, row i of the output is the mean
/// of the rows ⌊i · H / rows⌋ to ⌈(i + 1) · H / rows⌉ of the input, without the last, and columns
/// alike: neighbouring parts overlap where the sizes do not divide. One row and one column are
/// the mean of the whole image.
///
/// ```
/// use downhill_nn::AdaptiveAvgPool2d;
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::from([[1.0, 5.0, 3.0], [3.0, 3.0, 9.0]]).reshape(&[1, 1, 2, 3]);
/// assert_eq!(AdaptiveAvgPool2d::new(1).forward(&x).to_vec(), [4.0]);
/// assert_eq!(AdaptiveAvgPool2d::new([1, 2]).forward(&x).to_vec(), [3.0, 5.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveAvgPool2d {
    size: Pair,
}

impl AdaptiveAvgPool2d {
    /// A layer with outputs of `size`, one number or two, height before width.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn new(size: impl Into<Pair>) -> Self {
        let size = size.into();
        assert!(size.0 > 0 && size.1 > 0, "AdaptiveAvgPool2d: outputs of {size} hold nothing");
        Self { size }
    }

    /// The means of the parts.
    ///
    /// # Panics
    ///
    /// If x is not `[N, C, H, W]`, or its images are empty.
    #[inline(never)]
    #[track_caller]
    pub fn forward<E: Element>(&self, x: &Tensor<E>) -> Tensor<E> {
        assert!(
            x.ndim() == 4 && x.shape()[2] > 0 && x.shape()[3] > 0,
            "AdaptiveAvgPool2d: the input has shape {:?}; [N, C, H, W] is needed, of at least one \
             point",
            x.shape()
        );
        means(&means(x, 2, self.size.0), 3, self.size.1)
    }
}

impl AdaptiveAvgPool2d {
    /// ONNX has no operator for it, but for the mean of all. The means of parts are products with
    /// a matrix that depends on the image's size.
    fn write_to(&self, x: String, export: &mut Export) -> Result<String, Error> {
        if self.size == Pair(1, 1) {
            let axes = export.integers("axes", &[2, 3]);
            return Ok(export.node("ReduceMean", &[&x, &axes], vec![]));
        }
        let rows = write_shares(&x, 2, self.size.0, export);
        let columns = write_shares(&x, 3, self.size.1, export);
        let swapped = vec![("perm", Attribute::Integers(vec![1, 0]))];
        let columns = export.node("Transpose", &[&columns], swapped);
        let means = export.node("MatMul", &[&rows, &x], vec![]);
        Ok(export.node("MatMul", &[&means, &columns], vec![]))
    }
}

/// `[count, length]`: what each place of an axis counts for in the mean of each part.
fn write_shares(x: &str, axis: i64, count: usize, export: &mut Export) -> String {
    let count = count as i64;
    let one_axis = vec![("start", Attribute::Integer(axis)), ("end", Attribute::Integer(axis + 1))];
    let length = export.node("Shape", &[x], one_axis);
    let length = export.node("Squeeze", &[&length], vec![]);
    let [zero, one, less, all] =
        [0, 1, count - 1, count].map(|value| export.integer("number", value));
    let places = export.node("Range", &[&zero, &length, &one], vec![]);
    let column = export.integers("shape", &[count, 1]);
    let mut of_parts = |first: i64| {
        let parts = export.integers("parts", &(first..first + count).collect::<Vec<_>>());
        let parts = export.node("Reshape", &[&parts, &column], vec![]);
        export.node("Mul", &[&parts, &length], vec![])
    };
    // The quotient of whole numbers is rounded down.
    let (starts, ends) = (of_parts(0), of_parts(1));
    let starts = export.node("Div", &[&starts, &all], vec![]);
    let ends = export.node("Add", &[&ends, &less], vec![]);
    let ends = export.node("Div", &[&ends, &all], vec![]);
    let begun = export.node("GreaterOrEqual", &[&places, &starts], vec![]);
    let not_ended = export.node("Less", &[&places, &ends], vec![]);
    let inside = export.node("And", &[&begun, &not_ended], vec![]);
    let sizes = export.node("Sub", &[&ends, &starts], vec![]);
    let [inside, sizes] =
        [inside, sizes].map(|value| export.node("CastLike", &[&value, x], vec![]));
    export.node("Div", &[&inside, &sizes], vec![])
}

same_in_training!(AdaptiveAvgPool2d, |pool: &AdaptiveAvgPool2d| {
    Description::new(format!("AdaptiveAvgPool2d({})", pool.size))
});

/// The means of `count` parts of an axis.
fn means<E: Element>(x: &Tensor<E>, axis: usize, count: usize) -> Tensor<E> {
    let length = x.shape()[axis];
    let parts: Vec<Tensor<E>> = (0..count)
        .map(|part| {
            let (start, end) = (part * length / count, ((part + 1) * length).div_ceil(count));
            x.slice(axis as isize, start..end).mean_axes(keep(axis as isize))
        })
        .collect();
    Tensor::concat(&parts.iter().collect::<Vec<_>>(), axis as isize)
}

#[cfg(test)]
mod tests {
    use downhill_tensor::{gradcheck, gradcheck_second_order};

    use super::*;
    use crate::testing::{random, rng};

    #[test]
    fn sizes_that_divide_are_plain_pooling() {
        let x = random(&[2, 3, 4, 6], &mut rng());
        let expected = crate::AvgPool2d::new([2, 3]).forward(&x);
        let y = AdaptiveAvgPool2d::new(2).forward(&x);
        assert_eq!(y.shape(), expected.shape());
        for (y, expected) in y.to_vec().into_iter().zip(expected.to_vec()) {
            approx::assert_relative_eq!(y, expected, epsilon = 1e-15);
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        for size in [[1, 1], [2, 3], [5, 4]] {
            let x = [random(&[2, 2, 3, 5], &mut rng())];
            let pool = |x: &[Tensor<f64>]| AdaptiveAvgPool2d::new(size).forward(&x[0]).square();
            gradcheck(pool, &x).unwrap();
            gradcheck_second_order(pool, &x).unwrap();
        }
    }

    #[test]
    fn an_infinity_stays_in_its_part() {
        let x = Tensor::from([f64::INFINITY, 1.0, 2.0, 4.0]).reshape(&[1, 1, 1, 4]);
        let y = AdaptiveAvgPool2d::new([1, 2]).forward(&x);
        assert_eq!(y.to_vec(), [f64::INFINITY, 3.0]);
    }
}
