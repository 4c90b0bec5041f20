//! The cases in candle.

use std::hint::black_box;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::loss::cross_entropy;
use candle_nn::{AdamW, Module, Optimizer, SGD, Sequential, VarBuilder, VarMap};

use crate::timing::{BUDGET, Cases, LARGE_BUDGET, labels};
use crate::{CROSS_ENTROPY, LINEAR_CROSS_ENTROPY, PERCEPTRONS};

const DEVICE: Device = Device::Cpu;

pub(crate) fn run(cases: &Cases) {
    for [rows, classes] in CROSS_ENTROPY {
        cases.time(&format!("ce/{rows}x{classes}"), BUDGET, || {
            let logits = variable(rows, classes, 1.0);
            let labels = label_tensor(rows, classes);
            move || {
                let loss = cross_entropy(logits.as_tensor(), &labels).unwrap();
                black_box(loss.backward().unwrap().get(&logits));
            }
        });
    }
    for (name, batch, sizes) in PERCEPTRONS {
        cases.time(&format!("mlp/{name}/sgd"), BUDGET, || {
            training_step(batch, sizes, |variables| SGD::new(variables, 1e-3).unwrap())
        });
        cases.time(&format!("mlp/{name}/adam"), BUDGET, || {
            training_step(batch, sizes, |variables| AdamW::new_lr(variables, 1e-4).unwrap())
        });
    }
    for [rows, inner, classes] in LINEAR_CROSS_ENTROPY {
        cases.time(&format!("flce/{rows}x{inner}x{classes}"), LARGE_BUDGET, || {
            let hidden = variable(rows, inner, 1.0);
            let weight = variable(classes, inner, 0.05);
            let labels = label_tensor(rows, classes);
            move || {
                let logits = hidden.matmul(&weight.t().unwrap()).unwrap();
                black_box(cross_entropy(&logits, &labels).unwrap().backward().unwrap());
            }
        });
    }
}

fn training_step<O: Optimizer>(
    batch: usize,
    sizes: &[usize],
    optimizer: impl FnOnce(Vec<Var>) -> O,
) -> impl FnMut() {
    let variables = VarMap::new();
    let model = perceptron(sizes, &variables);
    let mut optimizer = optimizer(variables.all_vars());
    let features = Tensor::randn(0_f32, 1.0, (batch, sizes[0]), &DEVICE).unwrap();
    let labels = label_tensor(batch, sizes[sizes.len() - 1]);
    move || {
        let loss = cross_entropy(&model.forward(&features).unwrap(), &labels).unwrap();
        optimizer.backward_step(&loss).unwrap();
    }
}

fn perceptron(sizes: &[usize], variables: &VarMap) -> Sequential {
    let builder = VarBuilder::from_varmap(variables, DType::F32, &DEVICE);
    let mut model = candle_nn::seq();
    for (index, pair) in sizes.windows(2).enumerate() {
        if index > 0 {
            model = model.add_fn(|x| x.relu());
        }
        let layer = candle_nn::linear(pair[0], pair[1], builder.pp(format!("layer{index}")));
        model = model.add(layer.unwrap());
    }
    model
}

fn variable(rows: usize, columns: usize, standard_deviation: f32) -> Var {
    let values = Tensor::randn(0_f32, standard_deviation, (rows, columns), &DEVICE).unwrap();
    Var::from_tensor(&values).unwrap()
}

fn label_tensor(count: usize, classes: usize) -> Tensor {
    let labels = labels(count, classes).map(|label| label as u32).collect();
    Tensor::from_vec::<_, u32>(labels, count, &DEVICE).unwrap()
}
