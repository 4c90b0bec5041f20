//! The transformer block.

use std::fmt;

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::activation::Activation;
use crate::attention::SelfAttention;
use crate::description::Description;
use crate::dropout::Dropout;
use crate::error::Error;
use crate::mlp::Mlp;
use crate::module::Module;
use crate::normalization::LayerNorm;

/// A block of a decoder-only transformer as GPT-2 has it: attention and a perceptron, each on
/// normalised input and added to what goes in (Vaswani et al., "Attention is all you need", 2017;
/// the norm before the layer: Radford et al., "Language models are unsupervised multitask
/// learners", 2019). Input and output `[N, T, width]`.
///
/// h = x + attention(attention_norm(x)), and the output is h + feed_forward(feed_forward_norm(h)).
///
/// ```
/// use downhill_nn::{Module, TransformerBlock};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let mut block = TransformerBlock::new(8, 2, 32, &mut rng).dropout(0.1)?;
/// let x: Tensor = Tensor::ones(&[5, 3, 8]);
/// assert_eq!(block.forward_training(&x, &mut rng).shape(), [5, 3, 8]);
/// # Ok::<(), downhill_nn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformerBlock<E: Element = f32> {
    /// Normalises what the attention sees.
    pub attention_norm: LayerNorm<E>,
    /// Gathers from other places: from those before alone, unless it is replaced by a
    /// [`SelfAttention`] that is not causal.
    pub attention: SelfAttention<E>,
    /// Normalises what the perceptron sees.
    pub feed_forward_norm: LayerNorm<E>,
    /// Transforms each place by itself.
    pub feed_forward: Mlp<E>,
    dropout: Dropout,
}
parameters!(TransformerBlock<E> { attention_norm, attention, feed_forward_norm, feed_forward, dropout: _ });

impl<E: Element> TransformerBlock<E> {
    /// A block for vectors of length `width`, with `heads` heads of attention and a perceptron
    /// with one hidden layer of size `hidden` (4 · width is customary) and [GELU](Activation::Gelu),
    /// without dropout.
    ///
    /// # Panics
    ///
    /// If a size is 0, or `heads` does not divide the width.
    #[track_caller]
    pub fn new(width: usize, heads: usize, hidden: usize, rng: &mut impl Rng) -> Self {
        Self {
            attention_norm: LayerNorm::new(width),
            attention: SelfAttention::causal(width, heads, rng),
            feed_forward_norm: LayerNorm::new(width),
            feed_forward: Mlp::new(&[width, hidden, width], rng).activation(Activation::Gelu),
            dropout: Dropout::new(0.0).expect("a rate of 0 is in range"),
        }
    }

    /// With another activation in the perceptron.
    pub fn activation(self, activation: Activation) -> Self {
        Self { feed_forward: self.feed_forward.activation(activation), ..self }
    }

    /// With [`Dropout`] of what attention and perceptron give, before it is added.
    ///
    /// # Errors
    ///
    /// [`Error::DropoutRate`] unless 0 ≤ `rate` < 1.
    pub fn dropout(self, rate: f64) -> Result<Self, Error> {
        Ok(Self { dropout: Dropout::new(rate)?, ..self })
    }

    #[inline(never)]
    #[track_caller]
    fn apply(&self, x: &Tensor<E>, mut dropout: impl FnMut(Tensor<E>) -> Tensor<E>) -> Tensor<E> {
        let x = x + dropout(self.attention.forward(&self.attention_norm.forward(x)));
        &x + dropout(self.feed_forward.forward(&self.feed_forward_norm.forward(&x)))
    }
}

impl<E: Element> Module<E> for TransformerBlock<E> {
    #[inline(never)]
    #[track_caller]
    fn forward_training(&mut self, x: &Tensor<E>, rng: &mut dyn Rng) -> Tensor<E> {
        let mut dropout = self.dropout;
        self.apply(x, |x| dropout.forward_training(&x, rng))
    }

    #[inline(never)]
    #[track_caller]
    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        self.apply(x, |x| x)
    }

    fn export(&self, x: String, export: &mut Export) -> Result<String, Error> {
        let normal = export
            .scope("attention_norm", |export| self.attention_norm.write_to(x.clone(), export))?;
        let found = export.scope("attention", |export| self.attention.write_to(normal, export))?;
        let x = export.node("Add", &[&x, &found], vec![]);
        let normal = export.scope("feed_forward_norm", |export| {
            self.feed_forward_norm.write_to(x.clone(), export)
        })?;
        let added =
            export.scope("feed_forward", |export| self.feed_forward.write_to(normal, export))?;
        Ok(export.node("Add", &[&x, &added], vec![]))
    }

    fn describe(&self) -> Description {
        let block = Description::new("TransformerBlock")
            .part("attention_norm", self.attention_norm.describe())
            .part("attention", self.attention.describe())
            .part("feed_forward_norm", self.feed_forward_norm.describe())
            .part("feed_forward", self.feed_forward.describe());
        block.part("dropout", Module::<E>::describe(&self.dropout))
    }
}

impl<E: Element> fmt::Display for TransformerBlock<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use downhill_tensor::Parameters;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    #[test]
    fn gradients_agree_with_differences() {
        let block = TransformerBlock::new(4, 2, 6, &mut rng());
        let x = random(&[2, 3, 4], &mut rng());
        check_gradients(&block, &x, |block, x| block.evaluate(x));
        let block = block.dropout(0.4).unwrap();
        check_gradients(&block, &x, |block, x| block.forward_training(x, &mut rng()));
    }

    #[test]
    fn the_output_is_the_input_and_what_the_parts_add() {
        let block = TransformerBlock::<f64>::new(4, 2, 6, &mut rng()).activation(Activation::Relu);
        let x = random(&[2, 3, 4], &mut rng());
        let h = &x + block.attention.forward(&block.attention_norm.forward(&x));
        let expected = &h + block.feed_forward.forward(&block.feed_forward_norm.forward(&h));
        assert_eq!(block.evaluate(&x).to_vec(), expected.to_vec());
    }

    #[test]
    fn dropout_is_for_training_alone() {
        let block = TransformerBlock::<f64>::new(4, 2, 6, &mut rng());
        let x = random(&[2, 3, 4], &mut rng());
        let expected = block.evaluate(&x).to_vec();
        assert_eq!(block.clone().forward_training(&x, &mut rng()).to_vec(), expected);
        let mut block = block.dropout(0.5).unwrap();
        assert_eq!(block.evaluate(&x).to_vec(), expected);
        assert_ne!(block.forward_training(&x, &mut rng()).to_vec(), expected);
    }

    #[test]
    fn a_rate_of_dropout_that_is_none_is_refused() {
        let block = TransformerBlock::<f64>::new(4, 2, 6, &mut rng());
        assert_eq!(block.dropout(1.0).unwrap_err(), Error::DropoutRate(1.0));
    }

    #[test]
    fn a_block_prints_its_parts() {
        let block = TransformerBlock::<f32>::new(48, 4, 192, &mut rng()).dropout(0.1).unwrap();
        assert_eq!(block.parameter_count(), 28_272);
        assert_eq!(
            block.to_string(),
            "\
TransformerBlock                                 28,272
  attention_norm: LayerNorm(48)                      96  weight [48], bias [48]
  attention: SelfAttention(48, 4 heads, causal)   9,408
    query_key_value: Linear(48 → 144)             7,056  weight [48, 144],
                                                         bias [144]
    output: Linear(48 → 48)                       2,352  weight [48, 48],
                                                         bias [48]
  feed_forward_norm: LayerNorm(48)                   96  weight [48], bias [48]
  feed_forward: Mlp(Gelu)                        18,672
    layers.0: Linear(48 → 192)                    9,408  weight [48, 192],
                                                         bias [192]
    layers.1: Linear(192 → 48)                    9,264  weight [192, 48],
                                                         bias [48]
  dropout: Dropout(0.1)                               0"
        );
    }
}
