//! Operations on tensors.

use downhill::tensor::{Norm, Tensor, keep};
use serde_json::Value;

use super::{Reference, assert_agrees, count, flag, number, text};

/// Both sides are computed in f64 and differ by the order of their sums.
const TOLERANCE: f64 = 1e-13;

fn axes(options: &Value) -> Vec<isize> {
    let axes = options["axes"].as_array().unwrap();
    axes.iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
}

fn norm(name: &str) -> Norm {
    match name {
        "l1" => Norm::L1,
        "l2" => Norm::L2,
        "max" => Norm::Max,
        other => panic!("there is no norm {other}"),
    }
}

fn apply(case: &Value, inputs: &[Tensor<f64>]) -> Tensor<f64> {
    let (x, options) = (&inputs[0], &case["options"]);
    match text(case, "operation") {
        "gelu" => x.gelu(),
        "gelu_tanh" => x.gelu_tanh(),
        "silu" => x.silu(),
        "softplus" => x.softplus(),
        "log_sigmoid" => x.log_sigmoid(),
        "sigmoid" => x.sigmoid(),
        "leaky_relu" => x.leaky_relu(number(options, "negative_slope")),
        "log_sum_exp" if flag(options, "keep_axes") => x.log_sum_exp_axes(keep(&axes(options)[..])),
        "log_sum_exp" => x.log_sum_exp_axes(&axes(options)[..]),
        "softmax" => x.softmax(count(options, "axis") as isize),
        "log_softmax" => x.log_softmax(count(options, "axis") as isize),
        "variance" => x.variance_axes(&axes(options)[..], count(options, "ddof") as usize),
        "std" => x.std_axes(&axes(options)[..], count(options, "ddof") as usize),
        "norm" => x.norm_axes(norm(text(options, "norm")), &axes(options)[..]),
        "sort" => x.sort(count(options, "axis") as isize).0,
        "top_k" => x.top_k(count(options, "k") as usize, count(options, "axis") as isize).0,
        "cumsum" => x.cumsum(count(options, "axis") as isize),
        "pow" => x.pow(&inputs[1]),
        "matmul" => x.matmul(&inputs[1]),
        other => panic!("there is no operation {other}"),
    }
}

#[test]
fn operations_and_their_gradients_are_pytorchs() {
    let reference = Reference::read("tensor.safetensors", 93);
    for case in &reference.cases {
        let id = text(case, "id");
        // "left" stands before "right" in the alphabet, too, and "base" before "exponent".
        let inputs = reference.arrays(&case["inputs"]);
        let parameters: Vec<_> = inputs.iter().map(|(_, value)| Tensor::parameter(value)).collect();
        let value = apply(case, &parameters);
        assert_agrees(id, &value, &reference.array(&case["value"]), TOLERANCE);
        let gradients = value.backward_with(&reference.array(&case["upstream"]));
        for ((role, _), parameter) in inputs.iter().zip(&parameters) {
            let expected = reference.array(&case["gradients"][role]);
            let gradient = gradients.get(parameter).unwrap_or_else(|| panic!("{id}: {role}"));
            assert_agrees(&format!("{id}: gradient of {role}"), gradient, &expected, TOLERANCE);
        }
    }
}
