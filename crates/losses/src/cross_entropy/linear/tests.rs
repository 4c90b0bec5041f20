use approx::assert_relative_eq;
use downhill_tensor::Tensor;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::cross_entropy::tests::{random, with_every_option};
use crate::error::Error;
use crate::{CrossEntropy, Reduction};

#[test]
fn linear_cross_entropy_is_that_of_the_logits() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(5);
    // Of the last, no vector of rows fits into what is held at a time.
    for (rows, width, classes) in [(1, 1, 1), (5, 3, 7), (70, 4, 4_000), (3, 2, 12_000)] {
        let hidden = Tensor::parameter(random(&[rows, width], 1.0, rng));
        let weight = Tensor::parameter(random(&[classes, width], 1.0, rng));
        let bias = Tensor::parameter(random(&[classes], 1.0, rng));
        let labels: Vec<usize> = (0..rows).map(|_| rng.random_range(0..classes)).collect();
        let mut every = with_every_option(classes, rng);
        every.ignore_index = Some(labels[rows - 1] + classes * (rows / 70));
        for (loss, bias) in [(CrossEntropy::new(), None), (every, Some(&bias))] {
            for reduction in [Reduction::Mean, Reduction::None] {
                let loss = loss.clone().reduction(reduction);
                let linear = loss.forward_linear(&hidden, &weight, bias, &labels).unwrap();
                let mut logits = hidden.matmul(&weight.transpose());
                if let Some(bias) = bias {
                    logits = logits + bias;
                }
                let composed = loss.forward(&logits, &labels).unwrap();
                let seed = random(linear.shape(), 1.0, rng);
                let pairs = linear.to_vec().into_iter().zip(composed.to_vec());
                pairs.for_each(|(a, b)| assert_relative_eq!(a, b, max_relative = 1e-12));
                let (linear, composed) =
                    (linear.backward_with(&seed), composed.backward_with(&seed));
                for input in [&hidden, &weight].into_iter().chain(bias) {
                    let [a, b] = [&linear, &composed].map(|g| g.get(input).unwrap().to_vec());
                    for (a, b) in a.into_iter().zip(b) {
                        assert_relative_eq!(a, b, max_relative = 1e-10, epsilon = 1e-12);
                    }
                }
            }
        }
    }
}

#[test]
fn linear_cross_entropy_shares_between_infinite_logits_and_leaves_out_ignored_rows() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(6);
    let hidden = Tensor::parameter(random(&[20, 5], 1.0, rng));
    let weight = Tensor::parameter(random(&[300, 5], 1.0, rng));
    let mut bias = vec![0.0; 300];
    (bias[7], bias[290]) = (f64::INFINITY, f64::INFINITY);
    let bias = Tensor::parameter(bias);
    let labels: Vec<usize> = (0..20).map(|row| if row % 3 == 0 { 1 } else { 7 }).collect();
    for loss in [CrossEntropy::new(), CrossEntropy::new().class_weights(vec![2.0; 300])] {
        let loss = loss.ignore_index(1);
        let linear = loss.forward_linear(&hidden, &weight, Some(&bias), &labels).unwrap();
        let logits = hidden.matmul(&weight.transpose()) + &bias;
        let composed = loss.forward(&logits, &labels).unwrap();
        assert_relative_eq!(linear.item(), 2.0_f64.ln(), max_relative = 1e-14);
        let (linear, composed) = (linear.backward(), composed.backward());
        for input in [&hidden, &weight, &bias] {
            let [a, b] = [&linear, &composed].map(|g| g.get(input).unwrap().to_vec());
            for (a, b) in a.into_iter().zip(b) {
                assert_relative_eq!(a, b, max_relative = 1e-12, epsilon = 1e-14);
            }
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit_of_linear_cross_entropy() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(7);
    let hidden = Tensor::parameter(random(&[150, 70], 1.0, rng));
    let weight = Tensor::parameter(random(&[3_000, 70], 1.0, rng));
    let bias = Tensor::parameter(random(&[3_000], 1.0, rng));
    let labels: Vec<usize> = (0..150).map(|_| rng.random_range(0..3_000)).collect();
    let loss = CrossEntropy::new().label_smoothing(0.1);
    let [one, two] = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let value = loss.forward_linear(&hidden, &weight, Some(&bias), &labels).unwrap();
            let gradients = value.backward();
            let gradients = [&hidden, &weight, &bias].map(|x| gradients.get(x).unwrap().to_vec());
            (value.item(), gradients)
        })
    });
    assert!(one == two);
}

#[test]
fn linear_cross_entropy_of_no_inputs_is_that_of_equal_logits() {
    let hidden = Tensor::parameter(Tensor::<f64>::zeros(&[2, 0]));
    let weight = Tensor::parameter(Tensor::zeros(&[3, 0]));
    let bias = Tensor::parameter(Tensor::zeros(&[3]));
    let loss = CrossEntropy::new().forward_linear(&hidden, &weight, Some(&bias), &[0, 2]).unwrap();
    approx::assert_relative_eq!(loss.item(), 3.0_f64.ln(), max_relative = 1e-15);
    let gradients = loss.backward();
    assert!(gradients.get(&weight).unwrap().is_empty());
    let gradient = gradients.get(&bias).unwrap();
    for (&found, expected) in gradient.values().iter().zip([-1.0, 2.0, -1.0]) {
        approx::assert_abs_diff_eq!(found, expected / 6.0, epsilon = 1e-15);
    }
}

#[test]
fn linear_cross_entropy_names_the_row_of_all_logits() {
    // 2¹⁸ classes are held 16 rows at a time.
    let hidden = Tensor::from_shape_vec(&[20, 1], vec![0.0_f64; 20]).unwrap();
    let weight = Tensor::zeros(&[1 << 18, 1]);
    let mut bias = vec![0.0; 1 << 18];
    assert!(
        CrossEntropy::new()
            .forward_linear(&hidden, &weight, Some(&bias.clone().into()), &[0; 20])
            .is_ok()
    );
    bias.fill(f64::NEG_INFINITY);
    let labels = [&[7; 19][..], &[0]].concat();
    let loss = CrossEntropy::new().ignore_index(7);
    let error = loss.forward_linear(&hidden, &weight, Some(&bias.into()), &labels).unwrap_err();
    assert_eq!(error, Error::AllMasked { row: 19 });
}
