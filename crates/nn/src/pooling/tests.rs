use approx::assert_relative_eq;
use downhill_tensor::{gradcheck, gradcheck_second_order};

use super::*;
use crate::module::Module;
use crate::testing::{random, rng};

/// Reduces what lies under each position of a window with `f`.
fn by_definition(
    window: Window,
    x: &Tensor<f64>,
    f: impl Fn(&mut dyn Iterator<Item = f64>) -> f64,
) -> Vec<f64> {
    let &[images, channels, height, width] = x.shape() else { unreachable!() };
    let [rows, columns] = window.positions("pool", [height, width]);
    let [down, along] = window.0;
    let mut out = Vec::new();
    for (image, channel, row, column) in ndarray::indices((images, channels, rows, columns)) {
        let mut under =
            ndarray::indices((down.kernel, along.kernel)).into_iter().filter_map(|(y, x_)| {
                let y = (row * down.stride + y).checked_sub(down.padding)?;
                let x_ = (column * along.stride + x_).checked_sub(along.padding)?;
                x.array().get([image, channel, y, x_]).copied()
            });
        out.push(f(&mut under));
    }
    out
}

fn windows() -> Vec<(Window, [usize; 2])> {
    let window = |kernel: [usize; 2], stride: [usize; 2], padding: [usize; 2]| {
        Window::new("pool", kernel.into(), stride.into()).padding(padding.into())
    };
    vec![
        (window([2, 2], [2, 2], [0, 0]), [4, 6]),
        (window([2, 2], [2, 2], [0, 0]), [5, 7]),
        (window([3, 3], [2, 2], [1, 1]), [5, 6]),
        (window([3, 2], [1, 2], [1, 0]), [4, 5]),
        (window([4, 1], [3, 1], [2, 0]), [3, 2]),
    ]
}

fn mean_pool(window: Window) -> AvgPool2d {
    AvgPool2d { window, excludes_padding: false }
}

#[test]
fn the_largest_value_under_the_window_is_taken() {
    for (window, [height, width]) in windows() {
        let x = random(&[2, 3, height, width], &mut rng());
        let expected = by_definition(window, &x, |values| values.fold(f64::MIN, f64::max));
        assert_eq!(MaxPool2d { window }.forward(&x).to_vec(), expected, "{window}");
    }
}

#[test]
fn the_mean_under_the_window_is_taken_with_zeros_around() {
    for (window, [height, width]) in windows() {
        let x = random(&[2, 3, height, width], &mut rng());
        let size = (window.0[0].kernel * window.0[1].kernel) as f64;
        let expected = by_definition(window, &x, |values| values.sum::<f64>() / size);
        let y = mean_pool(window).forward(&x).to_vec();
        for (y, expected) in y.into_iter().zip(expected) {
            assert_relative_eq!(y, expected, epsilon = 1e-15);
        }
    }
}

#[test]
fn excluded_padding_does_not_count_as_zeros() {
    let x = random(&[2, 3, 4, 5], &mut rng());
    let pool = AvgPool2d::new(3).stride(2).padding(1).exclude_padding();
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let expected = by_definition(pool.window, &x, mean);
    for (y, expected) in pool.forward(&x).to_vec().into_iter().zip(expected) {
        assert_relative_eq!(y, expected, epsilon = 1e-15);
    }
    gradcheck(|x| pool.forward(&x[0]).square(), &[x]).unwrap();
}

#[test]
fn gradients_agree_with_differences() {
    for (window, [height, width]) in windows() {
        let x = [random(&[2, 2, height, width], &mut rng())];
        // Squaring makes the second derivatives differ from 0.
        let max = |x: &[Tensor<f64>]| MaxPool2d { window }.forward(&x[0]).square();
        gradcheck(max, &x).unwrap();
        gradcheck_second_order(max, &x).unwrap();
        let mean = |x: &[Tensor<f64>]| mean_pool(window).forward(&x[0]).square();
        gradcheck(mean, &x).unwrap();
        gradcheck_second_order(mean, &x).unwrap();
    }
}

#[test]
fn the_first_of_equal_values_gets_the_gradient() {
    let x = Tensor::parameter(Tensor::<f64>::ones(&[1, 1, 2, 2]));
    let gradients = MaxPool2d::new(2).forward(&x).sum().backward();
    assert_eq!(gradients.get(&x).unwrap().to_vec(), [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn nan_under_the_window_is_not_hidden() {
    let x = Tensor::from([[1.0, f64::NAN], [3.0, 4.0]]).reshape(&[1, 1, 2, 2]);
    assert!(MaxPool2d::new(2).forward(&x).item().is_nan());
    assert!(AvgPool2d::new(2).forward(&x).item().is_nan());
}

#[test]
fn an_empty_batch_stays_empty() {
    let x = Tensor::<f64>::zeros(&[0, 3, 4, 4]);
    assert_eq!(MaxPool2d::new(2).forward(&x).shape(), [0, 3, 2, 2]);
    assert_eq!(AvgPool2d::new(2).forward(&x).shape(), [0, 3, 2, 2]);
}

#[test]
fn a_layer_prints_its_settings() {
    let pool = MaxPool2d::new(3).stride(2).padding(1);
    let text = Module::<f32>::describe(&pool).to_string();
    assert_eq!(text, "MaxPool2d(3×3, stride 2×2, padding 1×1)  0");
}

#[test]
#[should_panic(expected = "MaxPool2d: a padding of 2×2 is more than half the kernel, 3×3")]
fn padding_that_a_window_could_lie_in_is_refused() {
    let _ = MaxPool2d::new(3).padding(2);
}
