//! Step 6: a layer, and a model of two.
//!
//! A linear layer computes x · W + b: inputs `[N, I]`, weights `[I, O]`, biases `[O]`, outputs
//! `[N, O]`. Its weights start as random numbers; if they were all equal, all units would learn the
//! same. Their spread √(2 ÷ I) keeps the size of the numbers from layer to layer (He et al., 2015).

use downhill::prelude::*;

/// x · W + b.
pub struct Layer {
    weight: Tensor,
    bias: Tensor,
}
parameters!(Layer { weight, bias });

/// Two layers with a ReLU, max(x, 0), between them.
pub struct Network {
    hidden: Layer,
    output: Layer,
}
parameters!(Network { hidden, output });

impl Layer {
    /// Weights drawn from `rng`, uniform in ±√(6 ÷ inputs), whose standard deviation is
    /// √(2 ÷ inputs); biases of 0. Both are parameters: `Tensor::parameter(tensor)`.
    pub fn new(inputs: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        let bound = (6.0 / inputs as f32).sqrt();
        let weights = (0..inputs * outputs).map(|_| rng.random_range(-bound..bound)).collect();
        let weight = Tensor::from_shape_vec(&[inputs, outputs], weights).expect("inputs × outputs");
        Self {
            weight: Tensor::parameter(weight),
            bias: Tensor::parameter(Tensor::zeros(&[outputs])),
        }
    }

    /// x · W + b.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.matmul(&self.weight) + &self.bias
    }
}

impl Network {
    /// A network from `inputs` over `hidden` units to `outputs`.
    pub fn new(inputs: usize, hidden: usize, outputs: usize, rng: &mut impl Rng) -> Self {
        Self { hidden: Layer::new(inputs, hidden, rng), output: Layer::new(hidden, outputs, rng) }
    }

    /// The output layer of the ReLU of the hidden layer.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.output.forward(&self.hidden.forward(x).relu())
    }
}
