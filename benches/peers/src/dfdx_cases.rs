//! The cases in dfdx: the training steps. Its shapes are types, and its cross-entropy takes a
//! distribution for each row.

use dfdx::nn::builders::{Linear, ReLU};
use dfdx::optim::{Adam, AdamConfig, Sgd, SgdConfig};
use dfdx::prelude::*;

use crate::timing::{BUDGET, Cases, labels};

macro_rules! training_step {
    ($cases:ident, $name:literal, $optimizer:ident, $config:expr,
     [$batch:literal, $inputs:literal, $classes:literal], $model:ty) => {
        $cases.time($name, BUDGET, || {
            let device = Cpu::default();
            let features: Tensor<Rank2<$batch, $inputs>, f32, _> = device.sample_normal();
            let mut targets = vec![0.0; $batch * $classes];
            for (row, label) in labels($batch, $classes).enumerate() {
                targets[row * $classes + label] = 1.0;
            }
            let targets: Tensor<Rank2<$batch, $classes>, f32, _> = device.tensor(targets);
            let mut model = device.build_module::<$model, f32>();
            let mut optimizer = $optimizer::new(&model, $config);
            let mut gradients = Some(model.alloc_grads());
            move || {
                let old = gradients.take().expect("they are put back");
                let logits = model.forward_mut(features.clone().traced(old));
                let loss = cross_entropy_with_logits_loss(logits, targets.clone());
                let mut new = loss.backward();
                optimizer.update(&mut model, &new).unwrap();
                model.zero_grads(&mut new);
                gradients = Some(new);
            }
        });
    };
}

macro_rules! perceptron {
    ($cases:ident, $sgd:literal, $adam:literal, $sizes:tt, $model:ty) => {
        let config = SgdConfig { lr: 1e-3, ..Default::default() };
        training_step!($cases, $sgd, Sgd, config, $sizes, $model);
        let config = AdamConfig { lr: 1e-4, ..Default::default() };
        training_step!($cases, $adam, Adam, config, $sizes, $model);
    };
}

type Moons = ((Linear<2, 16>, ReLU), (Linear<16, 16>, ReLU), Linear<16, 2>);
type Digits = ((Linear<64, 32>, ReLU), Linear<32, 10>);
type SmallMnist = ((Linear<784, 128>, ReLU), Linear<128, 10>);
type LargeMnist = ((Linear<784, 512>, ReLU), (Linear<512, 512>, ReLU), Linear<512, 10>);

pub(crate) fn run(cases: &Cases) {
    perceptron!(cases, "mlp/moons/sgd", "mlp/moons/adam", [100, 2, 2], Moons);
    perceptron!(cases, "mlp/digits/sgd", "mlp/digits/adam", [32, 64, 10], Digits);
    perceptron!(cases, "mlp/mnist-s/sgd", "mlp/mnist-s/adam", [64, 784, 10], SmallMnist);
    perceptron!(cases, "mlp/mnist-l/sgd", "mlp/mnist-l/adam", [256, 784, 10], LargeMnist);
}
