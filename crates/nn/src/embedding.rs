//! Vectors for words, characters or any other numbered things.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor, parameters};
use ndarray::{ArrayView, Dimension};
use rand::Rng;

use crate::description::Description;
use crate::initializer::{Fans, Initializer, checked_len};

/// A table with a vector for each of a number of things: indices `[…]`, output `[…, width]`.
///
/// | tensor | shape | in PyTorch |
/// | --- | --- | --- |
/// | `vectors` | `[count, width]` | `weight` |
///
/// The gradient of a vector is the sum over all places that looked it up.
///
/// ```
/// use downhill_nn::Embedding;
/// use downhill_tensor::Tensor;
///
/// let vectors = Tensor::parameter([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]]);
/// let embedding = Embedding { vectors };
/// let y = embedding.forward(&ndarray::array![[2, 1]]);
/// assert_eq!(y.shape(), [1, 2, 2]);
/// assert_eq!(y.to_vec(), [2.0, 20.0, 1.0, 10.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Embedding<E: Element = f32> {
    /// The vectors, `[count, width]`.
    pub vectors: Tensor<E>,
}
parameters!(Embedding<E> { vectors });

impl<E: Element> Embedding<E> {
    /// `count` vectors of length `width`, drawn from the standard normal distribution as
    /// PyTorch's are.
    ///
    /// # Panics
    ///
    /// If either is 0.
    #[track_caller]
    pub fn new(count: usize, width: usize, rng: &mut impl Rng) -> Self {
        assert!(
            count > 0 && width > 0,
            "Embedding: {count} vectors of length {width}; there must be at least one, of at \
             least one number"
        );
        checked_len::<E>("Embedding", &[count, width]);
        let fans = Fans { inputs: count, outputs: width };
        Self { vectors: Initializer::normal(1.0).draw(&[count, width], fans, rng) }
    }

    /// With vectors drawn anew.
    ///
    /// # Panics
    ///
    /// If the vectors are not `[count, width]`.
    #[track_caller]
    pub fn initialize(self, initializer: Initializer, rng: &mut impl Rng) -> Self {
        let &[inputs, outputs] = self.vectors.shape() else {
            panic!(
                "Embedding: the vectors have shape {:?}; [count, width] is needed",
                self.vectors.shape()
            );
        };
        Self { vectors: initializer.draw(&[inputs, outputs], Fans { inputs, outputs }, rng) }
    }

    /// The vector of each index. `indices` are a slice, or an `ndarray` array of any shape.
    ///
    /// # Panics
    ///
    /// If an index is not below the number of vectors.
    #[track_caller]
    pub fn forward<'a, D: Dimension>(
        &self,
        indices: impl Into<ArrayView<'a, usize, D>>,
    ) -> Tensor<E> {
        let indices = indices.into();
        let shape = [indices.shape(), &self.vectors.shape()[1..]].concat();
        let rows =
            indices.to_slice().map_or_else(|| indices.iter().copied().collect(), <[_]>::to_vec);
        self.vectors.select_rows(&rows).reshape(&shape)
    }

    /// The layer as it is printed.
    #[inline(never)]
    pub fn describe(&self) -> Description {
        let [count, width] = [0, 1].map(|axis| self.vectors.shape()[axis]);
        Description::new(format!("Embedding({count} × {width})")).tensors(self)
    }
}

impl<E: Element> Embedding<E> {
    /// Writes down the vectors of the whole numbers `indices`, and returns the name of the result,
    /// as [`Module::export`](crate::Module::export) does.
    pub fn export(&self, indices: &str, export: &mut Export) -> String {
        let vectors = export.tensor("vectors", &self.vectors);
        export.node("Gather", &[&vectors, indices], vec![("axis", Attribute::Integer(0))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{check_gradients, rng};

    #[test]
    fn gradients_agree_with_differences_where_indices_repeat() {
        let embedding = Embedding::new(4, 3, &mut rng());
        let indices = ndarray::array![[1, 3], [3, 3]];
        let nothing = Tensor::zeros(&[0]);
        check_gradients(&embedding, &nothing, |embedding, _| embedding.forward(&indices).sin());
    }

    #[test]
    fn indices_may_be_a_slice_or_an_array_in_any_layout() {
        let embedding: Embedding<f64> = Embedding::new(6, 2, &mut rng());
        let indices = ndarray::array![[0, 1, 2], [3, 4, 5]];
        let transposed = embedding.forward(indices.t());
        assert_eq!(transposed.shape(), [3, 2, 2]);
        assert_eq!(transposed.to_vec(), embedding.forward(&[0, 3, 1, 4, 2, 5]).to_vec());
        assert_eq!(embedding.forward(&vec![5, 5]).shape(), [2, 2]);
        assert_eq!(embedding.forward(&ndarray::Array2::zeros((0, 3))).shape(), [0, 3, 2]);
    }

    #[test]
    fn the_start_is_standard_normal() {
        let embedding: Embedding<f64> = Embedding::new(200, 100, &mut rng());
        approx::assert_relative_eq!(embedding.vectors.variance(0).item(), 1.0, epsilon = 0.05);
        assert_eq!(
            embedding.describe().to_string(),
            "Embedding(200 × 100)  20,000  vectors [200, 100]"
        );
    }

    #[test]
    #[should_panic(expected = "index 4 at position 1 is out of range")]
    fn an_index_beyond_the_table_is_refused() {
        Embedding::<f32>::new(4, 3, &mut rng()).forward(&[0, 4]);
    }
}
