//! The multilayer perceptron.

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Tensor, parameters};
use rand::Rng;

use crate::activation::Activation;
use crate::description::Description;
use crate::error::Error;
use crate::initializer::{Initializer, checked_len};
use crate::linear::Linear;
use crate::module::same_in_training;

/// A multilayer perceptron: [`Linear`] layers with an activation between each two. Input
/// `[…, first size]`, output `[…, last size]`: logits, to which no activation is applied.
///
/// Its parameters are called `layers.0.weight`, `layers.0.bias`, `layers.1.weight` …
///
/// ```
/// use downhill_nn::{Activation, Mlp};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let model = Mlp::new(&[64, 32, 10], &mut rng).activation(Activation::Tanh);
/// let logits = model.forward(&Tensor::<f32>::zeros(&[5, 64]));
/// assert_eq!(logits.shape(), [5, 10]);
/// ```
#[derive(Debug, Clone)]
pub struct Mlp<E: Element = f32> {
    /// The layers, first to last.
    pub layers: Vec<Linear<E>>,
    activation: Activation,
}
parameters!(Mlp<E> { layers, activation: _ });

impl<E: Element> Mlp<E> {
    /// A perceptron with [ReLU](Activation::Relu) between its layers, and PyTorch's start (see
    /// [`Linear::new`]). `sizes` are the lengths of the vectors from input to output; two sizes
    /// make a linear model.
    ///
    /// # Panics
    ///
    /// If there are fewer than two sizes, or one is 0.
    #[track_caller]
    pub fn new(sizes: &[usize], rng: &mut impl Rng) -> Self {
        assert!(
            sizes.len() >= 2 && !sizes.contains(&0),
            "Mlp: sizes {sizes:?}; at least an input and an output size are needed, and none may \
             be 0"
        );
        for pair in sizes.windows(2) {
            checked_len::<E>("Mlp", pair);
        }
        let layers = sizes.windows(2).map(|pair| Linear::new(pair[0], pair[1], rng)).collect();
        Self { layers, activation: Activation::Relu }
    }

    /// With another activation between the layers.
    pub fn activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    /// With the weights of every layer drawn anew, and biases of 0.
    pub fn initialize(self, initializer: Initializer, rng: &mut impl Rng) -> Self {
        let initialized = |layer: Linear<E>| layer.initialize(initializer, rng);
        Self { layers: self.layers.into_iter().map(initialized).collect(), ..self }
    }

    /// The logits for each vector along the last axis of x.
    ///
    /// # Panics
    ///
    /// If the last axis of x does not have the length of the first size, or there are no layers.
    #[track_caller]
    pub fn forward(&self, x: &Tensor<E>) -> Tensor<E> {
        let Some((first, rest)) = self.layers.split_first() else {
            panic!("Mlp: there are no layers");
        };
        let mut x = first.forward(x);
        for layer in rest {
            x = layer.forward(&self.activation.forward(&x));
        }
        x
    }
}

impl<E: Element> Mlp<E> {
    pub(crate) fn write_to(&self, mut x: String, export: &mut Export) -> Result<String, Error> {
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                x = self.activation.write_to(x, export)?;
            }
            x = export.scope(format!("layers.{index}"), |export| layer.write_to(x, export))?;
        }
        Ok(x)
    }
}

same_in_training!(Mlp<E>, |mlp: &Mlp<E>| {
    let whole = Description::new(format!("Mlp({})", mlp.activation));
    mlp.layers.iter().enumerate().fold(whole, |whole, (index, layer)| {
        whole.part(format!("layers.{index}"), layer.describe())
    })
});

#[cfg(test)]
mod tests {
    use downhill_tensor::Parameters;

    use super::*;
    use crate::testing::{check_gradients, random, rng};

    #[test]
    fn gradients_agree_with_differences() {
        let model = Mlp::new(&[3, 4, 2], &mut rng()).activation(Activation::Tanh);
        check_gradients(&model, &random(&[5, 3], &mut rng()), |model, x| model.forward(x));
    }

    #[test]
    fn the_activation_stands_between_layers_and_not_after_the_last() {
        let one = |weight| Linear { weight: Tensor::parameter([[weight]]), bias: None };
        let mut model = Mlp::<f64>::new(&[1, 1, 1], &mut rng());
        model.layers = vec![one(-2.0), one(-3.0)];
        let y = model.forward(&Tensor::from([[-1.0], [1.0]]));
        assert_eq!(y.to_vec(), [-6.0, 0.0]);
        let y = model.activation(Activation::LeakyRelu(0.5)).forward(&Tensor::from([[1.0]]));
        assert_eq!(y.to_vec(), [3.0]);
    }

    #[test]
    fn parameters_are_named_by_layer() {
        let model: Mlp = Mlp::new(&[3, 4, 2], &mut rng());
        let names: Vec<String> = model.named().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]);
        assert_eq!(model.parameter_count(), 3 * 4 + 4 + 4 * 2 + 2);
    }

    #[test]
    fn a_model_prints_its_layers_shapes_and_counts() {
        let model: Mlp = Mlp::new(&[64, 32, 10], &mut rng());
        assert_eq!(
            model.to_string(),
            "\
Mlp(Relu)                    2,410
  layers.0: Linear(64 → 32)  2,080  weight [64, 32], bias [32]
  layers.1: Linear(32 → 10)    330  weight [32, 10], bias [10]"
        );
    }

    #[test]
    fn models_of_one_seed_agree_in_f32_and_f64() {
        let single: Mlp<f32> = Mlp::new(&[5, 3, 2], &mut rng());
        let double: Mlp<f64> = Mlp::new(&[5, 3, 2], &mut rng());
        for ((name, single), (_, double)) in single.named().into_iter().zip(double.named()) {
            let rounded: Vec<f32> = double.to_vec().into_iter().map(|x| x as f32).collect();
            assert_eq!(single.to_vec(), rounded, "{name}");
        }
    }

    #[test]
    #[should_panic(expected = "Mlp: sizes [64, 0, 10]")]
    fn a_hidden_size_of_zero_is_refused() {
        let _: Mlp = Mlp::new(&[64, 0, 10], &mut rng());
    }

    #[test]
    #[should_panic(expected = "Mlp: sizes [64]")]
    fn one_size_alone_is_refused() {
        let _: Mlp = Mlp::new(&[64], &mut rng());
    }
}
