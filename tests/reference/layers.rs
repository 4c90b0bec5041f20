//! Layers. The weights go through the loader of state dicts, and so do the gradients, which have
//! the same names and layouts.

use std::collections::BTreeSet;

use approx::assert_abs_diff_eq;
use downhill::nn::{
    Activation, AdaptiveAvgPool2d, AvgPool2d, BatchNorm, Bidirectional, Conv2d, Embedding, Gru,
    LayerNorm, Linear, Lstm, LstmState, MaxPool2d, Module, RmsNorm, SelfAttention,
    TransformerBlock, load_pytorch_state_dict,
};
use downhill::tensor::{Element, Parameters, Tensor, parameters};
use downhill::train::load;
use ndarray::ArrayD;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde_json::Value;

use super::{Reference, count};

/// Relative to the larger of 1 and the largest value of an array: both sides are computed in f64
/// and differ by the order of their sums.
const TOLERANCE: f64 = 1e-13;

/// The cases of one kind of layer. There must be `count` of them.
fn cases(reference: &Reference, layer: &str, count: usize) -> Vec<Value> {
    let of_layer = |case: &&Value| case["layer"] == layer;
    let cases: Vec<Value> = reference.cases.iter().filter(of_layer).cloned().collect();
    assert_eq!(cases.len(), count, "every case of {layer} is to be tested");
    cases
}

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(0)
}

fn size(case: &Value, option: &str) -> usize {
    count(&case["options"], option) as usize
}

fn number(case: &Value, option: &str) -> f64 {
    super::number(&case["options"], option)
}

fn flag(case: &Value, option: &str) -> bool {
    super::flag(&case["options"], option)
}

fn pair(case: &Value, option: &str) -> [usize; 2] {
    [0, 1].map(|axis| {
        let value = case["options"][option][axis].as_u64();
        value.unwrap_or_else(|| panic!("{option} of {case}")) as usize
    })
}

#[track_caller]
fn assert_agrees(what: &str, found: &Tensor<f64>, expected: &Tensor<f64>) {
    super::assert_agrees(what, found, expected, TOLERANCE);
}

/// Loads the case's weights into `model`, and compares the outputs of `forward`, all gradients
/// and what has become of the running statistics.
fn check<M: Parameters<f64> + Clone>(
    reference: &Reference,
    case: &Value,
    mut model: M,
    rename: impl Fn(&str) -> String,
    forward: impl FnOnce(&mut M, &[Tensor<f64>]) -> Vec<Tensor<f64>>,
) {
    let id = case["id"].as_str().unwrap();
    let load = |model: &mut M, parameters: &str, buffers: &str| {
        let mut entries = reference.arrays(&case[parameters]);
        entries.retain(|(role, _)| case["parameters"].get(role).is_some());
        entries.extend(reference.arrays(&case[buffers]));
        let arrays = entries.into_iter().map(|(name, values)| (name, values.array().to_owned()));
        load_pytorch_state_dict(model, arrays, &rename)
            .unwrap_or_else(|error| panic!("{id}: {error}"));
    };
    load(&mut model, "parameters", "buffers_before");
    let inputs = reference.arrays(&case["inputs"]);
    let values: Vec<_> = inputs.iter().map(|(_, value)| Tensor::parameter(value)).collect();
    let outputs = forward(&mut model, &values);

    let expected = reference.arrays(&case["outputs"]);
    let upstreams = reference.arrays(&case["upstreams"]);
    assert_eq!(outputs.len(), expected.len(), "{id}");
    let mut loss = Tensor::scalar(0.0);
    for ((output, (role, expected)), (_, upstream)) in outputs.iter().zip(expected).zip(upstreams) {
        assert_agrees(&format!("{id}: {role}"), output, &expected);
        loss += (output * upstream).sum();
    }

    let gradients = loss.backward();
    for ((role, _), value) in inputs.iter().zip(&values) {
        if let Some(name) = case["gradients"].get(role).filter(|name| name.is_string()) {
            let gradient = gradients.get(value).unwrap_or_else(|| panic!("{id}: {role}"));
            assert_agrees(&format!("{id}: gradient of {role}"), gradient, &reference.array(name));
        }
    }
    let mut expected = model.clone();
    load(&mut expected, "gradients", "buffers_after");
    for ((name, tensor), (_, expected)) in model.named().into_iter().zip(expected.named()) {
        if tensor.is_parameter() {
            let gradient = gradients.get(&tensor).unwrap_or_else(|| panic!("{id}: {name}"));
            assert_agrees(&format!("{id}: gradient of {name}"), gradient, &expected);
        } else {
            assert_agrees(&format!("{id}: {name}"), &tensor, &expected);
        }
    }
}

/// [`check`] of a layer whose tensors the loader knows the names of.
fn check_module<M: Module<f64> + Clone>(reference: &Reference, case: &Value, model: M) {
    check(reference, case, model, str::to_string, |model, inputs| {
        match case["options"].get("training") {
            Some(Value::Bool(false)) => vec![model.evaluate(&inputs[0])],
            _ => vec![model.forward_training(&inputs[0], &mut rng())],
        }
    });
}

#[test]
fn every_kind_of_layer_is_tested() {
    let reference = Reference::read("layers.safetensors", 73);
    let layers: BTreeSet<&str> =
        reference.cases.iter().map(|case| case["layer"].as_str().unwrap()).collect();
    let tested = [
        "AdaptiveAvgPool2d",
        "AvgPool2d",
        "BatchNorm1d",
        "BatchNorm2d",
        "Bidirectional",
        "Conv2d",
        "Embedding",
        "GRU",
        "LSTM",
        "LayerNorm",
        "Linear",
        "MaxPool2d",
        "RMSNorm",
        "SelfAttention",
        "TransformerBlock",
        "state_dict",
    ];
    assert_eq!(layers, BTreeSet::from(tested));
}

#[test]
fn linear_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "Linear", 3) {
        let layer =
            Linear::new(size(&case, "in_features"), size(&case, "out_features"), &mut rng());
        let layer = if flag(&case, "bias") { layer } else { layer.without_bias() };
        check_module(&reference, &case, layer);
    }
}

#[test]
fn embedding_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "Embedding", 2) {
        let (count, width) = (size(&case, "num_embeddings"), size(&case, "embedding_dim"));
        let layer = Embedding::new(count, width, &mut rng());
        check(&reference, &case, layer, str::to_string, |layer, inputs| {
            let indices: ArrayD<usize> = inputs[0].array().mapv(|index| index as usize);
            vec![layer.forward(&indices)]
        });
    }
}

#[test]
fn layer_norm_and_rms_norm_are_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    let width = |case: &Value| case["options"]["normalized_shape"][0].as_u64().unwrap() as usize;
    for case in cases(&reference, "LayerNorm", 7) {
        let shape: Vec<usize> =
            serde_json::from_value(case["options"]["normalized_shape"].clone()).unwrap();
        let layer = LayerNorm::over(&shape).epsilon(number(&case, "epsilon"));
        let has_bias = case["parameters"].get("bias").is_some();
        check_module(&reference, &case, if has_bias { layer } else { layer.without_bias() });
    }
    for case in cases(&reference, "RMSNorm", 3) {
        let layer = RmsNorm::new(width(&case)).epsilon(number(&case, "epsilon"));
        check_module(&reference, &case, layer);
    }
}

#[test]
fn batch_norm_is_pytorchs_in_one_and_two_dimensions() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in [cases(&reference, "BatchNorm1d", 6), cases(&reference, "BatchNorm2d", 6)].concat()
    {
        let layer = BatchNorm::new(size(&case, "num_features"))
            .epsilon(number(&case, "epsilon"))
            .momentum(number(&case, "momentum"));
        check_module(&reference, &case, layer);
    }
}

#[test]
fn convolution_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "Conv2d", 15) {
        let (inputs, outputs) = (size(&case, "in_channels"), size(&case, "out_channels"));
        let (kernel, groups) = (pair(&case, "kernel_size"), size(&case, "groups"));
        let layer = Conv2d::grouped(inputs, outputs, kernel, groups, &mut rng())
            .stride(pair(&case, "stride"))
            .dilation(pair(&case, "dilation"));
        let layer = match case["options"]["padding"].as_str() {
            Some("same") => layer.padding_same(),
            _ => layer.padding(pair(&case, "padding")),
        };
        let layer = if flag(&case, "bias") { layer } else { layer.without_bias() };
        check_module(&reference, &case, layer);
    }
}

#[test]
fn pooling_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "MaxPool2d", 5) {
        let layer = MaxPool2d::new(pair(&case, "kernel_size"))
            .stride(pair(&case, "stride"))
            .padding(pair(&case, "padding"));
        check_module(&reference, &case, layer);
    }
    for case in cases(&reference, "AvgPool2d", 7) {
        let layer = AvgPool2d::new(pair(&case, "kernel_size"))
            .stride(pair(&case, "stride"))
            .padding(pair(&case, "padding"));
        let counted = flag(&case, "count_include_pad");
        check_module(&reference, &case, if counted { layer } else { layer.exclude_padding() });
    }
}

#[test]
fn adaptive_pooling_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "AdaptiveAvgPool2d", 4) {
        check_module(&reference, &case, AdaptiveAvgPool2d::new(pair(&case, "output_size")));
    }
}

#[test]
fn attention_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "SelfAttention", 6) {
        let (width, heads) = (size(&case, "width"), size(&case, "heads"));
        let layer = match flag(&case, "causal") {
            true => SelfAttention::causal(width, heads, &mut rng()),
            false => SelfAttention::new(width, heads, &mut rng()),
        };
        let padding: Option<Vec<Vec<bool>>> =
            serde_json::from_value(case["options"]["padding"].clone()).unwrap();
        let Some(padding) = padding else {
            check_module(&reference, &case, layer);
            continue;
        };
        let shape = (padding.len(), padding[0].len());
        let padding = ndarray::Array2::from_shape_vec(shape, padding.concat()).unwrap();
        check(&reference, &case, layer, str::to_string, |layer, inputs| {
            vec![layer.forward_padded(&inputs[0], &padding)]
        });
    }
}

#[test]
fn a_transformer_block_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "TransformerBlock", 2) {
        let (width, heads, hidden) =
            (size(&case, "width"), size(&case, "heads"), size(&case, "hidden"));
        let activation = match case["options"]["gelu"].as_str() {
            Some("exact") => Activation::Gelu,
            Some("tanh") => Activation::GeluTanh,
            other => panic!("{other:?}"),
        };
        let block = TransformerBlock::new(width, heads, hidden, &mut rng()).activation(activation);
        let rename = |name: &str| {
            name.replace("norm1", "attention_norm")
                .replace("norm2", "feed_forward_norm")
                .replace("fc1", "feed_forward.layers.0")
                .replace("fc2", "feed_forward.layers.1")
        };
        check(&reference, &case, block, rename, |block, inputs| {
            vec![block.forward_training(&inputs[0], &mut rng())]
        });
    }
}

#[test]
fn a_gru_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "GRU", 2) {
        let gru = Gru::new(size(&case, "input_size"), size(&case, "hidden_size"), &mut rng());
        check(&reference, &case, gru, str::to_string, |gru, inputs| {
            let states = match inputs {
                [x] => gru.forward(x),
                [x, state] => gru.forward_from(x, state),
                _ => panic!("{} inputs", inputs.len()),
            };
            let last = states.shape()[1] - 1;
            // In the order of their names: `last_state`, `output`.
            vec![states.slice(1, last..).squeeze(1), states]
        });
    }
}

#[test]
fn an_lstm_is_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "LSTM", 2) {
        let lstm = Lstm::new(size(&case, "input_size"), size(&case, "hidden_size"), &mut rng());
        check(&reference, &case, lstm, str::to_string, |lstm, inputs| {
            // In the order of their names.
            let (x, state) = match inputs {
                [x] => (x, lstm.start(x.shape()[0])),
                [cell, hidden, x] => (x, LstmState { hidden: hidden.clone(), cell: cell.clone() }),
                _ => panic!("{} inputs", inputs.len()),
            };
            let (output, last) = lstm.forward_from(x, &state);
            vec![last.cell, last.hidden, output]
        });
    }
}

#[test]
fn recurrent_layers_in_both_directions_are_pytorchs() {
    let reference = Reference::read("layers.safetensors", 73);
    for case in cases(&reference, "Bidirectional", 2) {
        let (inputs, width) = (size(&case, "input_size"), size(&case, "hidden_size"));
        match case["options"]["layer"].as_str() {
            Some("GRU") => {
                let layer = || Gru::new(inputs, width, &mut rng());
                check_module(&reference, &case, Bidirectional::new(layer(), layer()));
            }
            Some("LSTM") => {
                let layer = || Lstm::new(inputs, width, &mut rng());
                check_module(&reference, &case, Bidirectional::new(layer(), layer()));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The module whose state dict is stored, with its layers' names in PyTorch.
#[derive(Clone)]
struct Everything<E: Element> {
    conv: Conv2d<E>,
    norm: BatchNorm<E>,
    gru: Gru<E>,
    head: Linear<E>,
}
parameters!(Everything<E> { conv, norm, gru, head });

impl<E: Element> Everything<E> {
    fn new() -> Self {
        Self {
            conv: Conv2d::new(1, 2, 3, &mut rng()).padding(1),
            norm: BatchNorm::new(2),
            gru: Gru::new(8, 5, &mut rng()),
            head: Linear::new(5, 3, &mut rng()),
        }
    }

    fn evaluate(&self, x: &Tensor<E>) -> Tensor<E> {
        let image = self.norm.evaluate(&self.conv.forward(x)).relu();
        let rows = image.permute(&[0, 2, 1, 3]).reshape(&[x.shape()[0], 6, 8]);
        self.head.forward(&self.gru.forward(&rows).slice(1, 5..).squeeze(1))
    }
}

#[test]
fn a_state_dict_of_pytorchs_loads_by_its_own_names() {
    let reference = Reference::read("layers.safetensors", 73);
    let [case] = &cases(&reference, "state_dict", 1)[..] else { unreachable!() };
    let input = reference.array(&case["inputs"]["input"]);
    let expected = reference.array(&case["outputs"]["output"]);

    let state_dict = concat!(env!("CARGO_MANIFEST_DIR"), "/reference/state_dict.safetensors");
    let mut model = Everything::<f64>::new();
    load(&mut model, state_dict).unwrap();
    assert_agrees("output in f64", &model.evaluate(&input), &expected);

    let mut model = Everything::<f32>::new();
    load(&mut model, state_dict).unwrap();
    let output = model.evaluate(&Tensor::from(input.array().mapv(|value| value as f32)));
    for (output, expected) in output.to_vec().into_iter().zip(expected.to_vec()) {
        // Some ten operations on numbers near 1, each rounded to 6e-8.
        assert_abs_diff_eq!(f64::from(output), expected, epsilon = 1e-6);
    }
}
