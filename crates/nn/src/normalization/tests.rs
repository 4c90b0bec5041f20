use approx::assert_relative_eq;
use downhill_tensor::grad;
use proptest::prelude::*;

use super::*;
use crate::testing::{check_gradients, random, rng};

/// Weights and biases that are not those of the start.
fn layers(width: usize) -> (LayerNorm<f64>, RmsNorm<f64>) {
    let weight = Tensor::parameter(random(&[width], &mut rng()));
    let bias = Tensor::parameter(random(&[width], &mut rng()).exp());
    let norm = LayerNorm { weight: weight.clone(), bias: Some(bias), ..LayerNorm::new(width) };
    (norm, RmsNorm { weight, epsilon: 1e-5 })
}

#[test]
fn rows_have_mean_zero_and_variance_one_at_the_start() {
    for width in [1, 2, 15, 16, 17, 100] {
        let x = random(&[3, width], &mut rng()) * 5.0 + 2.0;
        let y = LayerNorm::new(width).epsilon(1e-12).forward(&x);
        for mean in y.mean_axes(-1).to_vec() {
            assert_relative_eq!(mean, 0.0, epsilon = 1e-13);
        }
        let expected = if width == 1 { 0.0 } else { 1.0 };
        for variance in y.variance_axes(-1, 0).to_vec() {
            assert_relative_eq!(variance, expected, epsilon = 1e-9);
        }
        let y = RmsNorm::new(width).epsilon(1e-12).forward(&x);
        for mean_square in y.square().mean_axes(-1).to_vec() {
            assert_relative_eq!(mean_square, 1.0, epsilon = 1e-9);
        }
    }
}

#[test]
fn a_common_offset_far_larger_than_the_spread_does_no_harm() {
    let x = Tensor::from([[10_000.0_f32, 10_001.0, 10_002.0, 10_003.0]]);
    let y = LayerNorm::new(4).forward(&x).to_vec();
    let expected = [-1.341_635_4, -0.447_211_8, 0.447_211_8, 1.341_635_4];
    for (y, expected) in y.into_iter().zip(expected) {
        assert_relative_eq!(y, expected, max_relative = 1e-6);
    }
}

#[test]
fn gradients_agree_with_differences() {
    for shape in [&[3, 5][..], &[2, 2, 3], &[4]] {
        let x = random(shape, &mut rng());
        let (layer_norm, rms_norm) = layers(shape[shape.len() - 1]);
        check_gradients(&layer_norm, &x, |norm, x| norm.forward(x));
        check_gradients(&layer_norm.without_bias(), &x, |norm, x| norm.forward(x));
        check_gradients(&rms_norm, &x, |norm, x| norm.forward(x));
    }
}

#[test]
fn several_axes_are_normalised_as_one() {
    let x = random(&[2, 3, 4], &mut rng());
    let weight = random(&[12], &mut rng());
    let together = LayerNorm { weight: weight.clone(), ..LayerNorm::over(&[3, 4]) };
    let flat = LayerNorm { weight, ..LayerNorm::new(12) };
    let expected = flat.forward(&x.reshape(&[2, 12])).to_vec();
    assert_eq!(together.forward(&x).to_vec(), expected);
    let layer = LayerNorm::over(&[3, 4]);
    check_gradients(&layer, &x, |norm, x| norm.forward(x));
    assert!(layer.to_string().starts_with("LayerNorm(3, 4)"), "{layer}");
}

#[test]
fn an_empty_batch_stays_empty() {
    let (layer_norm, rms_norm) = layers(3);
    let x = Tensor::zeros(&[0, 3]);
    assert_eq!(layer_norm.forward(&x).shape(), [0, 3]);
    assert_eq!(rms_norm.forward(&x).shape(), [0, 3]);
}

#[test]
fn nan_stays_in_its_row() {
    let x = Tensor::from([[1.0, f64::NAN, 3.0], [1.0, 2.0, 3.0]]);
    let (layer_norm, rms_norm) = layers(3);
    for y in [layer_norm.forward(&x), rms_norm.forward(&x)] {
        let nan: Vec<bool> = y.to_vec().into_iter().map(f64::is_nan).collect();
        assert_eq!(nan, [true, true, true, false, false, false]);
    }
}

#[test]
#[should_panic(expected = "LayerNorm: the input has shape [2, 4]; […, 3] is needed")]
fn vectors_of_another_length_are_refused() {
    layers(3).0.forward(&Tensor::zeros(&[2, 4]));
}

/// The normalised row in f64, from the very numbers that the f32 row holds.
fn exact(row: &[f32], centred: bool, epsilon: f64) -> Vec<f64> {
    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    let count = row.len() as f64;
    let mean = if centred { row.iter().sum::<f64>() / count } else { 0.0 };
    let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
    row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt()).collect()
}

/// 1 / √(variance + ε), or of the mean square.
fn scale(row: &[f32], centred: bool, epsilon: f64) -> f64 {
    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    let count = row.len() as f64;
    let mean = if centred { row.iter().sum::<f64>() / count } else { 0.0 };
    (row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count + epsilon).sqrt().recip()
}

/// Asserts that values and gradients in f32 are those in f64, relative to the largest of the row.
#[track_caller]
fn assert_is_exact(row: &[f32], epsilon: f64) {
    let count = row.len();
    let upstream: Vec<f32> = (0..count).map(|i| ((i * 7 % 11) as f32 - 5.0) / 5.0).collect();
    let upstream_sum: f64 = upstream.iter().map(|&g| f64::from(g)).sum();
    for centred in [true, false] {
        let x = Tensor::parameter(row.to_vec());
        let y = match centred {
            true => LayerNorm::new(count).epsilon(epsilon).forward(&x),
            false => RmsNorm::new(count).epsilon(epsilon).forward(&x),
        };
        let n = exact(row, centred, epsilon);
        let close = |what: &str, found: &[f32], expected: &[f64]| {
            let size = expected.iter().fold(0.0, |size: f64, value| size.max(value.abs()));
            for (found, expected) in found.iter().zip(expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 1e-5 * size.max(1e-30),
                    "{what}, centred {centred}: {found}, not {expected}"
                );
            }
        };
        close("value", &y.to_vec(), &n);

        // s (g − mean(g) − n · mean(g · n)), relative to its terms, which may cancel.
        let scale = scale(row, centred, epsilon);
        let mean = if centred { upstream_sum / count as f64 } else { 0.0 };
        let slope =
            upstream.iter().zip(&n).map(|(&g, n)| f64::from(g) * n).sum::<f64>() / count as f64;
        let expected: Vec<f64> = upstream
            .iter()
            .zip(&n)
            .map(|(&g, n)| (f64::from(g) - mean - n * slope) * scale)
            .collect();
        let loss = (&y * Tensor::from(upstream.clone())).sum();
        let gradient = loss.backward().get(&x).unwrap().to_vec();
        for recorded in [gradient, grad(&loss, &[&x])[0].to_vec()] {
            for (found, expected) in recorded.iter().zip(&expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 1e-5 * scale,
                    "gradient, centred {centred}: {found}, not {expected} (of {scale})"
                );
            }
        }
    }
}

/// Numbers between −1 and 1.
fn noise(count: usize) -> Vec<f32> {
    random(&[count], &mut rng()).to_vec().into_iter().map(|x| x as f32).collect()
}

#[test]
fn constant_rows_are_normalised_to_0() {
    for (count, value) in
        [(768, 10_000.7), (100, 33_333.3), (7, 0.1), (768, 1e30), (33, -3e-20), (5, f32::MAX)]
    {
        let y = LayerNorm::new(count).forward(&Tensor::from(vec![value; count]));
        let largest = y.abs().max().item();
        assert!(largest < 1e-6, "{count} × {value}: {largest}");
    }
}

#[test]
fn rows_far_from_0_keep_their_differences() {
    for (offset, spread) in [(1e4, 0.01), (1e6, 1.0), (1e6, 0.1), (-3e7, 100.0), (0.0, 1.0)] {
        for count in [2, 3, 17, 768] {
            let row: Vec<f32> = noise(count).iter().map(|x| offset + spread * x).collect();
            // With a spread of a few roundings a row may be constant.
            if row.iter().any(|x| *x != row[0]) {
                assert_is_exact(&row, 1e-5);
            }
        }
    }
}

#[test]
fn rows_whose_squares_leave_the_range_are_normalised_all_the_same() {
    let row = [1e20_f32, -1e20, 2e20, -2e20];
    let y = LayerNorm::new(4).forward(&Tensor::from(row)).to_vec();
    for (y, expected) in y.iter().zip([0.632_455_5, -0.632_455_5, 1.264_911, -1.264_911]) {
        assert_relative_eq!(*y, expected, max_relative = 1e-6);
    }
    for size in [3e38, 1e30, 1e19, 1.0, 1e-15, 1e-20, 1e-30] {
        for count in [2, 5, 100] {
            let row: Vec<f32> = noise(count).iter().map(|x| x * size).collect();
            assert_is_exact(&row, 0.0);
            assert_is_exact(&row, 1e-5);
        }
    }
}

#[test]
fn second_derivatives_of_large_rows_are_those_of_small_ones() {
    // y(c · x) = y(x) without ε, so that the second derivative falls with c².
    let second = |size: f64| {
        let x =
            Tensor::parameter(noise(5).iter().map(|&x| f64::from(x) * size).collect::<Vec<_>>());
        let y = LayerNorm::new(5).epsilon(0.0).forward(&x);
        let first = &grad(&y.powi(3).sum(), &[&x])[0];
        grad(&(first * size).square().sum(), &[&x])[0].to_vec()
    };
    let expected = second(1.0);
    for exponent in [-250.0, -180.0, 180.0, 250.0] {
        let size = 10.0_f64.powf(exponent);
        for (found, &expected) in second(size).iter().zip(&expected) {
            assert_relative_eq!(found * size, expected, max_relative = 1e-9, epsilon = 1e-12);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Gradients by both ways agree, and are finite where the values are.
    #[test]
    fn grad_and_backward_agree_on_hostile_rows(
        row in prop::collection::vec(crate::testing::hostile(), 1..20),
        epsilon in prop::sample::select(vec![0.0, 1e-12, 1e-5, 1.0]),
    ) {
        let x = Tensor::parameter(row.clone());
        let layers: [Tensor<f32>; 2] = [
            LayerNorm::new(row.len()).epsilon(epsilon).forward(&x),
            RmsNorm::new(row.len()).epsilon(epsilon).forward(&x),
        ];
        for (y, centred) in layers.into_iter().zip([true, false]) {
            // The terms of a gradient, which may cancel: the scale of the row, times n².
            let n = exact(&row, centred, epsilon).into_iter().fold(1.0, |n: f64, x| n.max(x.abs()));
            let terms = n * n * scale(&row, centred, epsilon);
            if terms > f64::from(f32::MAX) {
                continue; // No f32 holds them.
            }
            let finite_input = row.iter().all(|x| x.is_finite());
            if finite_input && epsilon > 0.0 {
                prop_assert!(y.to_vec().iter().all(|y| y.is_finite()), "{:?}: {:?}", row, y.to_vec());
            }
            let loss = y.sum();
            let backward = loss.backward().get(&x).unwrap().to_vec();
            let recorded = grad(&loss, &[&x])[0].to_vec();
            for (a, b) in backward.iter().zip(&recorded) {
                let difference = f64::from((a - b).abs());
                let agree = a.is_nan() && b.is_nan() || a == b || difference <= 1e-5 * terms;
                prop_assert!(agree, "{:?}: {:?} and {:?}", row, backward, recorded);
            }
        }
    }
}
