//! The cases in burn, on its ndarray backend.

use std::hint::black_box;

use burn::backend::{Autodiff, NdArray};
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, Optimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Int, Tensor, TensorData};

use crate::timing::{BUDGET, Cases, LARGE_BUDGET, labels};
use crate::{CROSS_ENTROPY, LINEAR_CROSS_ENTROPY, PERCEPTRONS};

type Cpu = Autodiff<NdArray<f32>>;

#[derive(Module, Debug)]
struct Perceptron<B: Backend> {
    layers: Vec<Linear<B>>,
}

impl<B: Backend> Perceptron<B> {
    fn new(sizes: &[usize]) -> Self {
        let layer = |pair: &[usize]| LinearConfig::new(pair[0], pair[1]).init(&Default::default());
        Self { layers: sizes.windows(2).map(layer).collect() }
    }

    fn forward(&self, mut x: Tensor<B, 2>) -> Tensor<B, 2> {
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if index > 0 { relu(x) } else { x });
        }
        x
    }
}

pub(crate) fn run(cases: &Cases) {
    let cross_entropy = CrossEntropyLossConfig::new().init::<Cpu>(&Default::default());
    for [rows, classes] in CROSS_ENTROPY {
        cases.time(&format!("ce/{rows}x{classes}"), BUDGET, || {
            let logits = normal(rows, classes, 1.0).require_grad();
            let labels = label_tensor(rows, classes);
            let cross_entropy = &cross_entropy;
            move || {
                let loss = cross_entropy.forward(logits.clone(), labels.clone());
                black_box(logits.grad(&loss.backward()));
            }
        });
    }
    for (name, batch, sizes) in PERCEPTRONS {
        cases.time(&format!("mlp/{name}/sgd"), BUDGET, || {
            training_step(batch, sizes, 1e-3, SgdConfig::new().init())
        });
        cases.time(&format!("mlp/{name}/adam"), BUDGET, || {
            training_step(batch, sizes, 1e-4, AdamConfig::new().init())
        });
    }
    for [rows, inner, classes] in LINEAR_CROSS_ENTROPY {
        cases.time(&format!("flce/{rows}x{inner}x{classes}"), LARGE_BUDGET, || {
            let hidden = normal(rows, inner, 1.0).require_grad();
            let weight = normal(classes, inner, 0.05).require_grad();
            let labels = label_tensor(rows, classes);
            let cross_entropy = &cross_entropy;
            move || {
                let logits = hidden.clone().matmul(weight.clone().transpose());
                black_box(cross_entropy.forward(logits, labels.clone()).backward());
            }
        });
    }
}

fn training_step(
    batch: usize,
    sizes: &[usize],
    learning_rate: f64,
    mut optimizer: impl Optimizer<Perceptron<Cpu>, Cpu>,
) -> impl FnMut() {
    let cross_entropy = CrossEntropyLossConfig::new().init::<Cpu>(&Default::default());
    let features = normal(batch, sizes[0], 1.0);
    let labels = label_tensor(batch, sizes[sizes.len() - 1]);
    let mut model = Some(Perceptron::new(sizes));
    move || {
        let old = model.take().expect("it is put back");
        let loss = cross_entropy.forward(old.forward(features.clone()), labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &old);
        model = Some(optimizer.step(learning_rate, old, gradients));
    }
}

fn normal(rows: usize, columns: usize, standard_deviation: f64) -> Tensor<Cpu, 2> {
    let distribution = Distribution::Normal(0.0, standard_deviation);
    Tensor::random([rows, columns], distribution, &Default::default())
}

fn label_tensor(count: usize, classes: usize) -> Tensor<Cpu, 1, Int> {
    let labels: Vec<i64> = labels(count, classes).map(|label| label as i64).collect();
    Tensor::from_data(TensorData::new(labels, [count]), &Default::default())
}
