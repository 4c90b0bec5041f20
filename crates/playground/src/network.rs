//! The network, and everything that appears on the way through it.

use downhill_nn::{Activation, Dropout, Initializer, LayerNorm, Linear, Mlp, Module};
use downhill_tensor::{Tensor, parameters};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::error::Error;
use crate::setting::{ActivationKind, Initialization, ModelSetting};

/// A perceptron with what a setting adds to it. Its parameters are called as those of
/// [`Mlp`]: `layers.0.weight`, `layers.0.bias`, …, and then `norms.0.weight` and so on.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) layers: Vec<Linear>,
    pub(crate) norms: Vec<LayerNorm>,
    /// Of each hidden layer; none is the identity.
    activations: Vec<Option<Activation>>,
    dropout: Option<Dropout>,
    residual: bool,
}
parameters!(Network { layers, norms, activations: _, dropout: _, residual: _ });

/// What a hidden layer makes of its input.
#[derive(Debug, Clone)]
pub(crate) struct Hidden {
    /// x · W + b.
    pub(crate) sum: Tensor,
    /// The sum, normalised if the network does that.
    pub(crate) normalized: Tensor,
    /// What the activation makes of it.
    pub(crate) activated: Tensor,
    /// What the next layer gets: after dropping, and with the input added if the network does that.
    pub(crate) output: Tensor,
}

impl ActivationKind {
    /// The function; none is the identity.
    pub(crate) fn function(self) -> Option<Activation> {
        Some(match self {
            Self::Relu => Activation::Relu,
            Self::LeakyRelu => Activation::LeakyRelu(0.1),
            Self::Tanh => Activation::Tanh,
            Self::Sigmoid => Activation::Sigmoid,
            Self::Softplus => Activation::Softplus,
            Self::Gelu => Activation::Gelu,
            Self::Silu => Activation::Silu,
            Self::Identity => return None,
        })
    }
}

impl Network {
    /// A network at its start, and the generator as the drawing of the weights left it.
    pub(crate) fn new(
        setting: &ModelSetting,
        inputs: usize,
        outputs: usize,
    ) -> Result<(Self, Xoshiro256PlusPlus), Error> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(setting.seed);
        let mut sizes = vec![inputs];
        sizes.extend(&setting.hidden);
        sizes.push(outputs);
        let activation = |layer| setting.activation_of(layer).function();
        let initializer = |layer| {
            Some(match setting.initialization {
                Initialization::Pytorch => return None,
                Initialization::He => Initializer::kaiming_normal(
                    activation(layer).map_or(1.0, |function| function.gain()),
                ),
                Initialization::Xavier => Initializer::xavier_uniform(1.0),
                Initialization::Equal => Initializer::normal(0.0),
                Initialization::Small => Initializer::normal(0.001),
                Initialization::Large => Initializer::normal(4.0),
            })
        };
        let layers = Mlp::new(&sizes, &mut rng).layers.into_iter().enumerate();
        let mut layers: Vec<Linear> = layers
            .map(|(index, layer)| match initializer(index) {
                Some(initializer) => layer.initialize(initializer, &mut rng),
                None => layer,
            })
            .collect();
        if setting.initialization == Initialization::Equal {
            for layer in &mut layers {
                layer.weight.update(|weights| weights.fill(0.5));
            }
        }
        let norms = match setting.layer_norm {
            true => setting.hidden.iter().map(|&width| LayerNorm::new(width)).collect(),
            false => Vec::new(),
        };
        let dropout = match setting.dropout == 0.0 {
            true => None,
            false => Some(Dropout::new(setting.dropout)?),
        };
        let residual = setting.residual;
        let activations = (0..setting.hidden.len()).map(activation).collect();
        Ok((Self { layers, norms, activations, dropout, residual }, rng))
    }

    /// What is applied to the sums of a hidden layer; none is the identity.
    pub(crate) fn activation(&self, layer: usize) -> Option<Activation> {
        self.activations[layer]
    }

    pub(crate) fn has_dropout(&self) -> bool {
        self.dropout.is_some()
    }

    /// The output, with values dropped by `rng` if there is one. `keep` gets each hidden layer.
    fn pass(
        &self,
        features: &Tensor,
        mut rng: Option<&mut Xoshiro256PlusPlus>,
        mut keep: impl FnMut(Hidden),
    ) -> Tensor {
        let (last, hidden) = self.layers.split_last().expect("there is an output layer");
        let mut x = features.clone();
        for (index, layer) in hidden.iter().enumerate() {
            let sum = layer.forward(&x);
            let normalized = match self.norms.get(index) {
                Some(norm) => norm.forward(&sum),
                None => sum.clone(),
            };
            let activated = match self.activations[index] {
                Some(activation) => activation.forward(&normalized),
                None => normalized.clone(),
            };
            let mut output = activated.clone();
            if let (Some(mut dropout), Some(rng)) = (self.dropout, rng.as_deref_mut()) {
                output = dropout.forward_training(&output, rng);
            }
            if self.residual && output.shape() == x.shape() {
                output = &x + output;
            }
            x = output.clone();
            keep(Hidden { sum, normalized, activated, output });
        }
        last.forward(&x)
    }

    /// The output while training.
    pub(crate) fn train(&self, features: &Tensor, rng: &mut Xoshiro256PlusPlus) -> Tensor {
        self.pass(features, Some(rng), |_| {})
    }

    /// The output in use.
    pub(crate) fn evaluate(&self, features: &Tensor) -> Tensor {
        self.pass(features, None, |_| {})
    }

    /// The output in use, and all that comes before it.
    pub(crate) fn trace(&self, features: &Tensor) -> (Vec<Hidden>, Tensor) {
        let mut hidden = Vec::new();
        let logits = self.pass(features, None, |layer| hidden.push(layer));
        (hidden, logits)
    }

    /// Whether a hidden layer's input is added to its output.
    pub(crate) fn is_residual(&self, layer: usize) -> bool {
        self.residual && self.layers[layer].inputs() == self.layers[layer].outputs()
    }
}
