//! The table of edges in the crate's documentation, line by line, in both types.

use approx::assert_relative_eq;
use downhill_losses::*;
use downhill_tensor::{Element, Tensor, grad};

const INFINITY: f64 = f64::INFINITY;

fn tensor<E: Element>(shape: &[usize], values: &[f64]) -> Tensor<E> {
    let values = values.iter().map(|&x| E::from_f64(x)).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

/// The value and the gradient of a loss, which must be the same when it is recorded.
fn differentiate<E: Element>(
    x: &Tensor<E>,
    loss: impl Fn(&Tensor<E>) -> Result<Tensor<E>, Error>,
) -> (Vec<f64>, Vec<f64>) {
    let x = Tensor::parameter(x);
    let output = loss(&x).unwrap();
    let gradients = output.backward_with(&Tensor::ones(output.shape()));
    let gradient = wide(gradients.get(&x).unwrap());
    let recorded = wide(&grad(&output.sum(), &[&x])[0]);
    for (recorded, gradient) in recorded.iter().zip(&gradient) {
        let same = recorded == gradient || recorded.is_nan() && gradient.is_nan();
        assert!(same || (recorded - gradient).abs() < 1e-6, "{recorded}, not {gradient}");
    }
    (wide(&output), gradient)
}

fn wide<E: Element>(x: &Tensor<E>) -> Vec<f64> {
    x.to_vec().into_iter().map(Element::as_f64).collect()
}

fn none() -> CrossEntropy {
    CrossEntropy::new().reduction(Reduction::None)
}

/// Runs a generic test in both types.
macro_rules! in_both_types {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                cases::$name::<f32>();
                cases::$name::<f64>();
            }
        )*
    };
}

in_both_types! {
    huge_logits_have_exact_losses
    masked_classes_of_target_zero_contribute_nothing
    masked_classes_get_no_smoothing
    a_masked_true_class_costs_infinity
    an_infinite_logit_takes_all_the_probability
    binary_certainty_that_is_right_costs_nothing
    nothing_that_counts_has_mean_zero
    an_empty_batch_has_mean_and_sum_zero
    nan_stays_in_its_row
    ignored_rows_are_not_looked_at
    reshaped_losses_have_defined_gradients_at_the_ends
    divergences_at_impossible_classes
}

mod cases {
    use super::*;

    pub(super) fn huge_logits_have_exact_losses<E: Element>() {
        let x: Tensor<E> = tensor(&[2, 2], &[1e4, -1e4, -1e4, 1e4]);
        let (losses, gradient) = differentiate(&x, |x| none().forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 2e4], vec![0.0, 0.0, -1.0, 1.0]));
        // In a row of many classes too.
        let x: Tensor<E> = tensor(&[1, 100], &[&[1e4; 1][..], &[-1e4; 99]].concat());
        assert_eq!(differentiate(&x, |x| none().forward(x, &[7])).0, [2e4]);
        let x: Tensor<E> = tensor(&[4], &[1e4, -1e4, 1e4, -1e4]);
        let targets = tensor(&[4], &[1.0, 1.0, 0.0, 0.25]);
        let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &targets));
        assert_eq!(losses, [0.0, 1e4, 1e4, 2.5e3]);
        assert_eq!(gradient, [0.0, -1.0, 1.0, -0.25]);
    }

    pub(super) fn masked_classes_of_target_zero_contribute_nothing<E: Element>() {
        for classes in [3, 33, 3000] {
            let mut logits = vec![-INFINITY; classes];
            (logits[0], logits[classes - 1]) = (2.0, 2.0);
            let x: Tensor<E> = tensor(&[1, classes], &logits);
            let mut truth = vec![0.0; classes];
            truth[0] = 1.0;
            let truth = tensor(&[1, classes], &truth);
            let mut expected = vec![0.0; classes];
            (expected[0], expected[classes - 1]) = (-0.5, 0.5);
            for (losses, gradient) in [
                differentiate(&x, |x| none().forward(x, &[0])),
                differentiate(&x, |x| none().forward(x, &truth)),
                differentiate(&x, |x| kl_divergence(x, &truth)),
            ] {
                assert_relative_eq!(losses[0], 2.0_f64.ln(), max_relative = 1e-7);
                assert_eq!(gradient, expected);
            }
        }
    }

    pub(super) fn masked_classes_get_no_smoothing<E: Element>() {
        for masks in [1, 40] {
            let logits = [&[1.0, 0.0][..], &vec![-INFINITY; masks]].concat();
            let x: Tensor<E> = tensor(&[1, logits.len()], &logits);
            let loss = none().label_smoothing(0.2);
            let (value, gradient) = differentiate(&x, |x| loss.forward(x, &[0]));
            let two: Tensor<E> = tensor(&[1, 2], &[1.0, 0.0]);
            let (expected, two) = differentiate(&two, |x| loss.forward(x, &[0]));
            assert_relative_eq!(value[0], expected[0], max_relative = 1e-6);
            assert_relative_eq!(gradient[0], two[0], max_relative = 1e-6);
            assert!(gradient[2..].iter().all(|&x| x == 0.0));
        }
    }

    pub(super) fn a_masked_true_class_costs_infinity<E: Element>() {
        for classes in [3, 50] {
            let mut logits = vec![-INFINITY; classes];
            (logits[1], logits[2]) = (1.0, 1.0);
            let x: Tensor<E> = tensor(&[1, classes], &logits);
            let mut expected = vec![0.0; classes];
            expected[..3].copy_from_slice(&[-1.0, 0.5, 0.5]);
            let certain = Tensor::one_hot(&[0], classes);
            for found in [
                differentiate(&x, |x| none().forward(x, &[0])),
                differentiate(&x, |x| none().forward(x, &certain)),
            ] {
                assert_eq!(found, (vec![INFINITY], expected.clone()));
            }
            // Unless it has no weight.
            let mut weights = vec![1.0; classes];
            weights[0] = 0.0;
            let loss = none().class_weights(weights);
            let found = differentiate(&x, |x| loss.forward(x, &[0]));
            assert_eq!(found, (vec![0.0], vec![0.0; classes]));
        }
    }

    pub(super) fn an_infinite_logit_takes_all_the_probability<E: Element>() {
        for classes in [4, 60] {
            let mut logits = vec![1.0; classes];
            logits[1] = INFINITY;
            let mut x: Tensor<E> = tensor(&[1, classes], &logits);
            let fused = |x: &Tensor<E>, label: usize| {
                let x = Tensor::parameter(x);
                let output = none().forward(&x, &[label]).unwrap();
                let gradients = output.backward_with(&Tensor::ones(&[1]));
                (output.to_vec()[0].as_f64(), wide(gradients.get(&x).unwrap()))
            };
            assert_eq!(fused(&x, 1), (0.0, vec![0.0; classes]));
            let (value, gradient) = fused(&x, 0);
            assert_eq!((value, gradient[0], gradient[1]), (INFINITY, -1.0, 1.0));
            // Two share it.
            x.update(|logits| logits[3] = E::infinity());
            let (value, gradient) = fused(&x, 1);
            assert_relative_eq!(value, 2.0_f64.ln(), max_relative = 1e-7);
            assert_eq!((gradient[1], gradient[3], gradient[0]), (-0.5, 0.5, 0.0));
            let penalised = none().z_loss(0.1).forward(&x, &[1]).unwrap();
            assert_eq!(penalised.to_vec()[0], E::infinity());
        }
    }

    pub(super) fn binary_certainty_that_is_right_costs_nothing<E: Element>() {
        let x: Tensor<E> = tensor(&[4], &[-INFINITY, INFINITY, INFINITY, -INFINITY]);
        let targets = tensor(&[4], &[0.0, 1.0, 0.0, 1.0]);
        let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &targets));
        assert_eq!(losses, [0.0, 0.0, INFINITY, INFINITY]);
        assert_eq!(gradient, [0.0, 0.0, 1.0, -1.0]);
        for gamma in [0.5, 2.0] {
            let loss = BinaryFocal::new().gamma(gamma).reduction(Reduction::None);
            let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &targets));
            assert_eq!(losses, [0.0, 0.0, INFINITY, INFINITY]);
            assert_eq!(gradient, [0.0, 0.0, 1.0, -1.0]);
        }
    }

    pub(super) fn nothing_that_counts_has_mean_zero<E: Element>() {
        for classes in [3, 50] {
            let x: Tensor<E> = tensor(&[2, classes], &vec![0.5; 2 * classes]);
            let weightless = vec![0.0; classes];
            for loss in [
                CrossEntropy::new().ignore_index(1),
                CrossEntropy::new().class_weights(weightless.clone()),
                CrossEntropy::new().class_weights(weightless.clone()).label_smoothing(0.1),
            ] {
                let found = differentiate(&x, |x| loss.forward(x, &[1, 1]));
                assert_eq!(found, (vec![0.0], vec![0.0; 2 * classes]));
            }
            for loss in [
                NegativeLogLikelihood::new().ignore_index(1),
                NegativeLogLikelihood::new().class_weights(weightless),
            ] {
                let found = differentiate(&x, |x| loss.forward(x, &[1, 1]));
                assert_eq!(found, (vec![0.0], vec![0.0; 2 * classes]));
            }
            let hidden: Tensor<E> = tensor(&[2, 1], &[1.0, 2.0]);
            let weight: Tensor<E> = tensor(&[classes, 1], &vec![0.5; classes]);
            let found = differentiate(&hidden, |hidden| {
                CrossEntropy::new().ignore_index(1).forward_linear(hidden, &weight, None, &[1, 1])
            });
            assert_eq!(found, (vec![0.0], vec![0.0; 2]));
        }
    }

    pub(super) fn an_empty_batch_has_mean_and_sum_zero<E: Element>() {
        let x: Tensor<E> = Tensor::zeros(&[0, 3]);
        let flat: Tensor<E> = Tensor::zeros(&[0]);
        let weight: Tensor<E> = Tensor::zeros(&[3, 3]);
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let loss = CrossEntropy::new().label_smoothing(0.1).reduction(reduction);
            let empty = (vec![0.0], vec![]);
            assert_eq!(differentiate(&x, |x| loss.forward(x, &[])), empty);
            assert_eq!(differentiate(&x, |y| loss.forward(y, &x)), empty);
            assert_eq!(differentiate(&x, |y| loss.forward_linear(y, &weight, None, &[])), empty);
            let loss = Focal::new().reduction(reduction);
            assert_eq!(differentiate(&x, |x| loss.forward(x, &[])), empty);
            let loss = MulticlassHinge::new().reduction(reduction);
            assert_eq!(differentiate(&x, |x| loss.forward(x, &[])), empty);
            let loss = NegativeLogLikelihood::new().reduction(reduction);
            assert_eq!(differentiate(&x, |x| loss.forward(x, &[])), empty);
            let loss = JensenShannonDivergence::new().reduction(reduction);
            assert_eq!(differentiate(&x, |y| loss.forward(y, &x)), empty);
            let loss = BinaryCrossEntropyWithLogits::new().reduction(reduction);
            assert_eq!(differentiate(&flat, |x| loss.forward(x, &flat)), empty);
            let loss = MeanSquaredError::new().reduction(reduction);
            assert_eq!(differentiate(&flat, |x| loss.forward(x, &flat)), empty);
        }
    }

    pub(super) fn nan_stays_in_its_row<E: Element>() {
        for (classes, place) in [(3, 1), (50, 1), (50, 49), (3000, 1), (3000, 2999)] {
            let mut logits = vec![0.0; 2 * classes];
            logits[classes + place] = f64::NAN;
            let x: Tensor<E> = tensor(&[2, classes], &logits);
            let uniform = tensor(&[2, classes], &vec![(classes as f64).recip(); 2 * classes]);
            for (losses, gradient) in [
                differentiate(&x, |x| none().forward(x, &[0, 0])),
                differentiate(&x, |x| none().forward(x, &uniform)),
            ] {
                assert_relative_eq!(losses[0], (classes as f64).ln(), max_relative = 1e-6);
                assert!(losses[1].is_nan());
                assert!(gradient[..classes].iter().all(|x| x.is_finite()));
                assert!(gradient[classes..].iter().all(|x| x.is_nan()));
            }
        }
        let x: Tensor<E> = tensor(&[2], &[0.0, f64::NAN]);
        let targets = tensor(&[2], &[1.0, 0.0]);
        let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &targets));
        assert!(losses[0].is_finite() && losses[1].is_nan());
        assert!(gradient[0].is_finite() && gradient[1].is_nan());
    }

    pub(super) fn ignored_rows_are_not_looked_at<E: Element>() {
        for classes in [2, 50] {
            let mut logits = vec![f64::NAN; 3 * classes];
            logits[classes..2 * classes].fill(-INFINITY);
            logits[2 * classes..].fill(0.0);
            let x: Tensor<E> = tensor(&[3, classes], &logits);
            let loss = none().ignore_index(255).label_smoothing(0.1).z_loss(0.1);
            let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &[255, 255, 1]));
            assert_eq!(losses[..2], [0.0, 0.0]);
            assert!(losses[2] > 0.0);
            assert!(gradient[..2 * classes].iter().all(|&x| x == 0.0));
            assert!(gradient[2 * classes..].iter().all(|&x| x != 0.0));
        }
    }

    pub(super) fn reshaped_losses_have_defined_gradients_at_the_ends<E: Element>() {
        let x: Tensor<E> = tensor(&[2, 3], &[1e4, 0.0, 0.0, -INFINITY, 0.0, -INFINITY]);
        for gamma in [0.0, 0.5, 1.0, 2.0] {
            let loss = Focal::new().gamma(gamma).reduction(Reduction::None);
            let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &[0, 0]));
            assert_eq!(losses, [0.0, INFINITY]);
            assert_eq!(gradient, [0.0, 0.0, 0.0, -1.0, 1.0, 0.0]);
        }
        let loss = Poly1::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &[0, 0]));
        assert_eq!(losses, [0.0, INFINITY]);
        assert_eq!(gradient, [0.0, 0.0, 0.0, -1.0, 1.0, 0.0]);
        let loss = GeneralisedCrossEntropy::new().q(0.5).reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 2.0], vec![0.0; 6]));
        let loss = SymmetricCrossEntropy::new().alpha(0.0).reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, |x| loss.forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 4.0], vec![0.0; 6]));
        let loss = MulticlassHinge::new().reduction(Reduction::None);
        let (losses, _) = differentiate(&x, |x| loss.forward(x, &[0, 0]));
        assert_eq!(losses, [0.0, INFINITY]);
    }

    pub(super) fn divergences_at_impossible_classes<E: Element>() {
        let x: Tensor<E> = tensor(&[1, 3], &[-INFINITY, -INFINITY, 0.0]);
        let truth = tensor(&[1, 3], &[0.0, 0.5, 0.5]);
        let kl = KlDivergence::new();
        assert_eq!(kl.forward(&x, &truth).unwrap().item(), E::infinity());
        let log_probabilities = kl.input(Form::LogProbabilities);
        let (value, gradient) = differentiate(&x, |x| log_probabilities.forward(x, &truth));
        assert_eq!((value, gradient), (vec![INFINITY], vec![0.0, -0.5, -0.5]));
        let (value, gradient) = differentiate(&x, |x| jensen_shannon_divergence(x, &truth));
        let expected =
            0.5 * (0.5 * 2.0_f64.ln() + 0.5 * (2.0 / 3.0_f64).ln() + (4.0 / 3.0_f64).ln());
        assert_relative_eq!(value[0], expected, max_relative = 1e-6);
        assert_eq!(gradient, [0.0; 3]);
    }
}
