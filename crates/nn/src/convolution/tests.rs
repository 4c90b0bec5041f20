use approx::assert_relative_eq;
use downhill_tensor::{Parameters, gradcheck, gradcheck_second_order};

use super::*;
use crate::module::Module;
use crate::testing::{check_gradients, random, rng};

/// The convolution as its definition has it, one product at a time.
fn by_definition(layer: &Conv2d<f64>, x: &Tensor<f64>) -> Tensor<f64> {
    let [height, width] = layer.window.0;
    let &[images, inputs, rows, columns] = x.shape() else { unreachable!() };
    let &[outputs, group_inputs, ..] = layer.weight.shape() else { unreachable!() };
    let [out_rows, out_columns] = layer.window.positions("Conv2d", [rows, columns]);
    let (xs, weights) = (x.array(), layer.weight.array());
    let bias = layer.bias.as_ref().map_or(vec![0.0; outputs], Tensor::to_vec);
    let mut out = Vec::new();
    for (image, output, row, column) in ndarray::indices((images, outputs, out_rows, out_columns)) {
        let first = output / (outputs / layer.groups) * group_inputs;
        assert!(first + group_inputs <= inputs);
        let mut sum = bias[output];
        for (input, y, x) in ndarray::indices((group_inputs, height.kernel, width.kernel)) {
            let at = |span: crate::window::Span, position: usize, offset: usize| {
                (position * span.stride + offset * span.dilation).wrapping_sub(span.padding)
            };
            let (from_y, from_x) = (at(height, row, y), at(width, column, x));
            if from_y < rows && from_x < columns {
                sum += weights[[output, input, y, x]] * xs[[image, first + input, from_y, from_x]];
            }
        }
        out.push(sum);
    }
    Tensor::from_shape_vec(&[images, outputs, out_rows, out_columns], out).unwrap()
}

/// Layers of 4 to 6 channels whose settings differ in every way, and images they fit.
fn cases() -> Vec<(Conv2d<f64>, [usize; 2])> {
    let mut rng = rng();
    let mut conv = |kernel: [usize; 2], groups| Conv2d::grouped(4, 6, kernel, groups, &mut rng);
    vec![
        (conv([3, 3], 1).padding(1), [5, 4]),
        (conv([1, 1], 1), [3, 4]),
        (conv([1, 1], 2).stride(2), [3, 4]),
        (conv([3, 2], 1).stride([1, 2]), [4, 7]),
        (conv([2, 3], 2).padding([2, 1]).stride([2, 1]), [3, 3]),
        (conv([3, 3], 1).dilation([1, 2]).padding(2), [4, 4]),
        (conv([2, 2], 2).dilation(3).stride(2).padding(1).without_bias(), [6, 5]),
        (conv([5, 5], 1).padding(4), [1, 2]),
        (conv([3, 3], 2).dilation(4).padding(4).stride(3), [2, 3]),
        (conv([2, 5], 1).padding([0, 3]).stride([3, 3]), [2, 1]),
    ]
}

#[test]
fn values_are_those_of_the_definition() {
    for (layer, [height, width]) in cases() {
        let x = random(&[3, 4, height, width], &mut rng());
        let (y, expected) = (layer.forward(&x), by_definition(&layer, &x));
        assert_eq!(y.shape(), expected.shape(), "{layer}");
        for (y, expected) in y.to_vec().into_iter().zip(expected.to_vec()) {
            assert_relative_eq!(y, expected, epsilon = 1e-14);
        }
    }
}

#[test]
fn gradients_agree_with_differences_for_every_setting() {
    for (layer, [height, width]) in cases() {
        let x = random(&[2, 4, height, width], &mut rng());
        check_gradients(&layer, &x, |layer, x| layer.forward(x));
    }
}

#[test]
fn depthwise_gradients_agree_with_differences() {
    let layer = Conv2d::grouped(3, 6, 2, 3, &mut rng()).padding(1);
    check_gradients(&layer, &random(&[2, 3, 3, 2], &mut rng()), |layer, x| layer.forward(x));
}

/// The third derivative of a product of three convolutions exercises every entry of the table of
/// operations, with respect to both its arguments.
#[test]
fn third_derivatives_agree_with_differences() {
    let layer = Conv2d::new(1, 2, 2, &mut rng()).padding(1).stride(2).without_bias();
    let inputs = [random(&[2, 1, 3, 3], &mut rng()), layer.weight.clone()];
    let gradient = |inputs: &[Tensor<f64>]| {
        let layer = Conv2d { weight: inputs[1].clone(), ..layer.clone() };
        let output = layer.forward(&inputs[0]).powi(3).sum();
        let gradients = downhill_tensor::grad(&output, &[&inputs[0], &inputs[1]]);
        gradients[0].square().sum() + gradients[1].square().sum()
    };
    gradcheck(gradient, &inputs).unwrap();
    gradcheck_second_order(gradient, &inputs).unwrap();
}

#[test]
fn a_batch_that_is_worth_threads_gives_the_sums_of_its_images() {
    let layer: Conv2d<f64> = Conv2d::new(8, 16, 3, &mut rng()).padding(1);
    let x = Tensor::parameter(random(&[37, 8, 8, 8], &mut rng()));
    let y = layer.forward(&x);
    let gradients = y.square().sum().backward();
    let mut weight_sum = Tensor::zeros(layer.weight.shape());
    for image in 0..37 {
        let alone = Tensor::parameter(x.slice(0, image..image + 1));
        let y_alone = layer.forward(&alone);
        assert_eq!(y_alone.to_vec(), y.slice(0, image..image + 1).to_vec());
        let gradients_alone = y_alone.square().sum().backward();
        let x_gradient = gradients.get(&x).unwrap().slice(0, image..image + 1);
        assert_eq!(gradients_alone.get(&alone).unwrap().to_vec(), x_gradient.to_vec());
        weight_sum += gradients_alone.get(&layer.weight).unwrap().clone();
    }
    let weight_gradient = gradients.get(&layer.weight).unwrap();
    for (whole, sum) in weight_gradient.to_vec().into_iter().zip(weight_sum.to_vec()) {
        assert_relative_eq!(whole, sum, epsilon = 1e-10);
    }
}

#[test]
fn an_empty_batch_and_an_empty_image_give_empty_and_padded_results() {
    let layer: Conv2d<f64> = Conv2d::new(2, 3, 2, &mut rng());
    let x = Tensor::parameter(Tensor::zeros(&[0, 2, 4, 4]));
    let y = layer.forward(&x);
    assert_eq!(y.shape(), [0, 3, 3, 3]);
    let gradients = y.sum().backward();
    assert_eq!(gradients.get(&layer.weight).unwrap().to_vec(), vec![0.0; 24]);
    let y = layer.clone().padding(1).forward(&Tensor::zeros(&[1, 2, 0, 2]));
    assert_eq!(y.shape(), [1, 3, 1, 3]);
    let bias = layer.bias.expect("a layer has a bias unless told otherwise");
    assert_eq!(y.slice(3, ..1).to_vec(), bias.to_vec());
}

#[test]
fn the_start_depends_on_the_size_of_a_patch() {
    let layer: Conv2d<f64> = Conv2d::grouped(8, 40, 2, 2, &mut rng());
    for (name, tensor) in layer.named() {
        let largest = tensor.abs().max().item();
        assert!((0.24..=0.25).contains(&largest), "{name}: {largest}"); // 1 / √(4 · 2 · 2)
    }
    assert_eq!(fans(&[40, 4, 2, 2], 2), Fans { inputs: 16, outputs: 80 });
}

#[test]
fn a_layer_prints_its_settings() {
    let layer: Conv2d = Conv2d::grouped(4, 6, [3, 5], 2, &mut rng()).padding(1);
    assert_eq!(
        layer.describe().to_string(),
        "Conv2d(4 → 6, 3×5, padding 1×1, 2 groups)  186  weight [6, 2, 3, 5], bias [6]"
    );
}

#[test]
#[should_panic(expected = "Conv2d: 3×3 does not fit into an image of 2×8")]
fn an_image_smaller_than_the_kernel_is_refused() {
    Conv2d::new(1, 1, 3, &mut rng()).forward(&Tensor::<f32>::zeros(&[1, 1, 2, 8]));
}

#[test]
#[should_panic(expected = "[1, 3, 8, 8], but the kernels [1, 2, 3, 3] take 2 channels")]
fn other_channels_than_the_kernels_take_are_refused() {
    Conv2d::new(2, 1, 3, &mut rng()).forward(&Tensor::<f32>::zeros(&[1, 3, 8, 8]));
}

#[test]
#[should_panic(expected = "Conv2d: 3 groups do not divide 4 input and 6 output channels")]
fn groups_that_do_not_divide_the_channels_are_refused() {
    let _: Conv2d = Conv2d::grouped(4, 6, 3, 3, &mut rng());
}

#[test]
fn images_keep_their_size_with_any_kernel_and_dilation() {
    for kernel in [1, 2, 3, 4, 5] {
        for dilation in [1, 2, 3] {
            let layer: Conv2d<f64> =
                Conv2d::new(1, 2, [kernel, 2], &mut rng()).padding_same().dilation([dilation, 1]);
            let x = random(&[1, 1, 5, 4], &mut rng());
            assert_eq!(layer.forward(&x).shape(), [1, 2, 5, 4], "{kernel} {dilation}");
        }
    }
    let layer = Conv2d::new(1, 2, [2, 3], &mut rng()).padding_same();
    check_gradients(&layer, &random(&[1, 1, 3, 3], &mut rng()), |layer, x| layer.forward(x));
    assert!(layer.to_string().contains("2×3, same size"), "{layer}");
}

#[test]
#[should_panic(expected = "Conv2d: images keep their size at stride 1 alone, but it is 2×2")]
fn a_stride_that_shrinks_what_is_to_keep_its_size_is_refused() {
    let layer: Conv2d<f64> = Conv2d::new(1, 2, 3, &mut rng()).padding_same().stride(2);
    layer.forward(&random(&[1, 1, 5, 4], &mut rng()));
}
