//! Causal self-attention.

mod blocks;
mod operation;

use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use self::operation::causal_attention;
use crate::description::Description;
use crate::initializer::Initializer;
use crate::linear::Linear;
use crate::module::same_in_training;

/// Multi-head self-attention in which each place of a sequence sees itself and those before it
/// (Vaswani et al., "Attention is all you need", 2017). Input and output `[N, T, width]`.
///
/// Each place has a query, a key and a value, of which each head takes its own part of
/// width / heads numbers. Place t gets the mean of the values at the places s ≤ t, weighted with
/// the softmax of query(t) · key(s) / √(width / heads).
///
/// | tensor | shape | in PyTorch's `MultiheadAttention` |
/// | --- | --- | --- |
/// | `query_key_value.weight` | `[width, 3 · width]` | `in_proj_weight`, the transpose |
/// | `query_key_value.bias` | `[3 · width]` | `in_proj_bias` |
/// | `output.weight` | `[width, width]` | `out_proj.weight`, the transpose |
/// | `output.bias` | `[width]` | `out_proj.bias` |
///
/// ```
/// use downhill_nn::CausalSelfAttention;
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let attention = CausalSelfAttention::new(8, 2, &mut rng);
/// let x: Tensor = Tensor::ones(&[5, 3, 8]);
/// assert_eq!(attention.forward(&x).shape(), [5, 3, 8]);
/// ```
#[derive(Debug, Clone)]
pub struct CausalSelfAttention<E: Element = f32> {
    /// Makes the queries, keys and values, in that order; in each, the heads one after another.
    pub query_key_value: Linear<E>,
    /// Mixes what the heads have found.
    pub output: Linear<E>,
    heads: usize,
}
parameters!(CausalSelfAttention<E> { query_key_value, output });

impl<E: Element> CausalSelfAttention<E> {
    /// A layer for vectors of length `width`, split among `heads` heads. The start is PyTorch's:
    /// queries, keys and values Xavier uniform, the output uniform between ±1/√width, no bias.
    ///
    /// # Panics
    ///
    /// If the width is 0, or `heads` does not divide it.
    #[track_caller]
    pub fn new(width: usize, heads: usize, rng: &mut impl Rng) -> Self {
        assert!(
            width > 0 && heads > 0 && width.is_multiple_of(heads),
            "CausalSelfAttention: {heads} heads do not divide a width of {width}"
        );
        let linear = |outputs, initializer, rng: &mut _| {
            Linear::new(width, outputs, rng).initialize(initializer, rng)
        };
        Self {
            query_key_value: linear(3 * width, Initializer::xavier_uniform(1.0), rng),
            output: linear(width, Initializer::PYTORCH, rng),
            heads,
        }
    }

    /// What each place of each sequence finds.
    ///
    /// # Panics
    ///
    /// If x is not `[N, T, width]`.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        let width = self.query_key_value.inputs();
        assert!(
            x.ndim() == 3 && x.shape()[2] == width,
            "CausalSelfAttention: the input has shape {:?}; [N, T, {width}] is needed",
            x.shape()
        );
        self.output.forward(&causal_attention(&self.query_key_value.forward(x), self.heads))
    }
}

same_in_training!(CausalSelfAttention<E>, |attention: &CausalSelfAttention<E>| {
    let (width, heads) = (attention.output.outputs(), attention.heads);
    Description::new(format!("CausalSelfAttention({width}, {heads} heads)"))
        .part("query_key_value", attention.query_key_value.describe())
        .part("output", attention.output.describe())
});

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;
    use downhill_tensor::Parameters;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    fn layer(width: usize, heads: usize) -> CausalSelfAttention<f64> {
        let mut layer = CausalSelfAttention::new(width, heads, &mut rng());
        // Biases that are not the zeros of the start.
        layer.query_key_value.bias = Some(Tensor::parameter(random(&[3 * width], &mut rng())));
        layer
    }

    #[test]
    fn gradients_agree_with_differences() {
        for (sequences, places, width, heads) in [(2, 3, 4, 2), (1, 1, 2, 1), (1, 4, 3, 3)] {
            let x = random(&[sequences, places, width], &mut rng());
            check_gradients(&layer(width, heads), &x, |layer, x| layer.forward(x));
        }
    }

    /// The weighted means as their definition has them, one place at a time.
    #[test]
    fn values_are_those_of_the_definition() {
        for (sequences, places, width, heads) in
            [(2, 5, 6, 2), (1, 20, 4, 1), (3, 17, 8, 4), (1, 70, 16, 1)]
        {
            let layer = layer(width, heads);
            let x = random(&[sequences, places, width], &mut rng());
            let all = layer.query_key_value.forward(&x);
            let all = all.array();
            let size = width / heads;
            let mut found = Vec::new();
            for (sequence, place, column) in ndarray::indices((sequences, places, width)) {
                let first = column / size * size;
                let score = |seen: usize| {
                    let product = |i: usize| {
                        all[[sequence, place, first + i]] * all[[sequence, seen, width + first + i]]
                    };
                    ((0..size).map(product).sum::<f64>() / (size as f64).sqrt()).exp()
                };
                let total: f64 = (0..=place).map(score).sum();
                let value = |seen: usize| all[[sequence, seen, 2 * width + column]];
                found.push((0..=place).map(|seen| score(seen) * value(seen)).sum::<f64>() / total);
            }
            let found = Tensor::from_shape_vec(&[sequences, places, width], found).unwrap();
            let expected = layer.output.forward(&found).to_vec();
            for (y, expected) in layer.forward(&x).to_vec().into_iter().zip(expected) {
                assert_relative_eq!(y, expected, epsilon = 1e-13);
            }
        }
    }

    #[test]
    fn a_place_depends_on_none_after_it() {
        let layer = layer(4, 2);
        let x = random(&[1, 6, 4], &mut rng());
        let whole = layer.forward(&x);
        for places in 1..6 {
            let start = layer.forward(&x.slice(1, ..places));
            assert_eq!(start.to_vec(), whole.slice(1, ..places).to_vec());
        }
    }

    #[test]
    fn scores_too_large_for_their_exponentials_do_no_harm() {
        let mut layer = layer(2, 1);
        layer.query_key_value.weight.update(|weights| weights.iter_mut().for_each(|w| *w *= 1e4));
        let y = layer.forward(&random(&[1, 5, 2], &mut rng()));
        assert!(y.to_vec().iter().all(|y| y.is_finite()), "{y}");
    }

    #[test]
    fn a_batch_that_is_worth_threads_gives_what_its_sequences_give() {
        let layer = layer(32, 4);
        let x = Tensor::parameter(random(&[40, 9, 32], &mut rng()));
        let y = layer.forward(&x);
        let gradient = y.square().sum().backward().get(&x).unwrap().clone();
        for sequence in [0, 17, 39] {
            let alone = Tensor::parameter(x.slice(0, sequence..sequence + 1));
            let y_alone = layer.forward(&alone);
            let gradient_alone = y_alone.square().sum().backward().get(&alone).unwrap().clone();
            for (whole, alone) in [(&y, &y_alone), (&gradient, &gradient_alone)] {
                let whole = whole.slice(0, sequence..sequence + 1).to_vec();
                for (whole, alone) in whole.into_iter().zip(alone.to_vec()) {
                    assert_relative_eq!(whole, alone, epsilon = 1e-12);
                }
            }
        }
    }

    #[test]
    fn empty_batches_and_sequences_stay_empty() {
        assert_eq!(layer(4, 2).forward(&Tensor::zeros(&[0, 3, 4])).shape(), [0, 3, 4]);
        assert_eq!(layer(4, 2).forward(&Tensor::zeros(&[2, 0, 4])).shape(), [2, 0, 4]);
    }

    #[test]
    fn the_start_is_pytorchs() {
        let layer: CausalSelfAttention<f64> = CausalSelfAttention::new(16, 2, &mut rng());
        let bounds = [(6.0_f64 / 64.0).sqrt(), 0.0, 0.25, 0.0];
        for ((name, tensor), bound) in layer.named().into_iter().zip(bounds) {
            let largest = tensor.abs().max().item();
            assert!(0.97 * bound <= largest && largest <= bound, "{name}: {largest}");
        }
    }

    #[test]
    #[should_panic(expected = "CausalSelfAttention: 3 heads do not divide a width of 4")]
    fn heads_that_do_not_divide_the_width_are_refused() {
        layer(4, 3);
    }
}
