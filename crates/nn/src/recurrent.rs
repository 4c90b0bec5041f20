//! Recurrent layers, as ONNX has them.

use downhill_tensor::export::{Attribute, Export};
use downhill_tensor::{Element, Tensor};
use ndarray::Axis;

use crate::linear::Linear;

/// Writes down a layer whose `input` and `state` add to gates that lie side by side. ONNX has time
/// before the batch, the weights of one gate below those of another, and the gates in the order
/// `gates`.
pub(crate) fn write<E: Element>(
    operator: &'static str,
    [input, state]: [&Linear<E>; 2],
    gates: &[usize],
    mut attributes: Vec<(&'static str, Attribute)>,
    x: &str,
    export: &mut Export,
) -> String {
    let (width, count) = (state.inputs(), gates.len());
    let rows: Vec<usize> = gates.iter().flat_map(|gate| gate * width..(gate + 1) * width).collect();
    let in_order = |linear: &Linear<E>| {
        let by_gate = linear.weight.transpose().array().select(Axis(0), &rows);
        let biases = linear.bias.as_ref().map_or(vec![E::zero(); count * width], Tensor::to_vec);
        let biases = rows.iter().map(|&row| biases[row]).collect::<Vec<E>>();
        (by_gate.into_iter().collect::<Vec<E>>(), biases)
    };
    let ((input_weight, input_bias), (state_weight, state_bias)) =
        (in_order(input), in_order(state));
    let weight = export.array("input", &[1, count * width, input.inputs()], &input_weight);
    let recurrence = export.array("state", &[1, count * width, width], &state_weight);
    let biases = [input_bias, state_bias].concat();
    let bias = export.array("bias", &[1, 2 * count * width], &biases);
    let swapped = || vec![("perm", Attribute::Integers(vec![1, 0, 2]))];
    let x = export.node("Transpose", &[x], swapped());
    attributes.push(("hidden_size", Attribute::Integer(width as i64)));
    let states = export.node(operator, &[&x, &weight, &recurrence, &bias], attributes);
    let direction = export.integers("axes", &[1]);
    let states = export.node("Squeeze", &[&states, &direction], vec![]);
    export.node("Transpose", &[&states], swapped())
}
