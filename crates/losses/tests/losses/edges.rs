//! The table of edges in the crate's documentation, line by line, in both types.

use approx::assert_relative_eq;
use downhill_losses::*;
use downhill_tensor::{Element, Tensor, grad};

const INFINITY: f64 = f64::INFINITY;

fn tensor<E: Element>(shape: &[usize], values: &[f64]) -> Tensor<E> {
    let values = values.iter().map(|&x| E::from_f64(x)).collect();
    Tensor::from_shape_vec(shape, values).unwrap()
}

type Loss<'a, E> = &'a dyn Fn(&Tensor<E>) -> Result<Tensor<E>, Error>;

/// The value and the gradient of a loss, which must be the same when it is recorded.
fn differentiate<E: Element>(x: &Tensor<E>, loss: Loss<'_, E>) -> (Vec<f64>, Vec<f64>) {
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
        let (losses, gradient) = differentiate(&x, &|x| none().forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 2e4], vec![0.0, 0.0, -1.0, 1.0]));
        // In a row of many classes too.
        let x: Tensor<E> = tensor(&[1, 100], &[&[1e4; 1][..], &[-1e4; 99]].concat());
        assert_eq!(differentiate(&x, &|x| none().forward(x, &[7])).0, [2e4]);
        let x: Tensor<E> = tensor(&[4], &[1e4, -1e4, 1e4, -1e4]);
        let targets = tensor(&[4], &[1.0, 1.0, 0.0, 0.25]);
        let loss = BinaryCrossEntropyWithLogits::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &targets));
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
                differentiate(&x, &|x| none().forward(x, &[0])),
                differentiate(&x, &|x| none().forward(x, &truth)),
                differentiate(&x, &|x| kl_divergence(x, &truth)),
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
            let (value, gradient) = differentiate(&x, &|x| loss.forward(x, &[0]));
            let two: Tensor<E> = tensor(&[1, 2], &[1.0, 0.0]);
            let (expected, two) = differentiate(&two, &|x| loss.forward(x, &[0]));
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
                differentiate(&x, &|x| none().forward(x, &[0])),
                differentiate(&x, &|x| none().forward(x, &certain)),
            ] {
                assert_eq!(found, (vec![INFINITY], expected.clone()));
            }
            // Unless it has no weight.
            let mut weights = vec![1.0; classes];
            weights[0] = 0.0;
            let loss = none().class_weights(weights);
            let found = differentiate(&x, &|x| loss.forward(x, &[0]));
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
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &targets));
        assert_eq!(losses, [0.0, 0.0, INFINITY, INFINITY]);
        assert_eq!(gradient, [0.0, 0.0, 1.0, -1.0]);
        for gamma in [0.5, 2.0] {
            let loss = BinaryFocal::new().gamma(gamma).reduction(Reduction::None);
            let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &targets));
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
                let found = differentiate(&x, &|x| loss.forward(x, &[1, 1]));
                assert_eq!(found, (vec![0.0], vec![0.0; 2 * classes]));
            }
            for loss in [
                NegativeLogLikelihood::new().ignore_index(1),
                NegativeLogLikelihood::new().class_weights(weightless),
            ] {
                let found = differentiate(&x, &|x| loss.forward(x, &[1, 1]));
                assert_eq!(found, (vec![0.0], vec![0.0; 2 * classes]));
            }
            let hidden: Tensor<E> = tensor(&[2, 1], &[1.0, 2.0]);
            let weight: Tensor<E> = tensor(&[classes, 1], &vec![0.5; classes]);
            let found = differentiate(&hidden, &|hidden| {
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
            assert_eq!(differentiate(&x, &|x| loss.forward(x, &[])), empty);
            assert_eq!(differentiate(&x, &|y| loss.forward(y, &x)), empty);
            assert_eq!(differentiate(&x, &|y| loss.forward_linear(y, &weight, None, &[])), empty);
            let loss = Focal::new().reduction(reduction);
            assert_eq!(differentiate(&x, &|x| loss.forward(x, &[])), empty);
            let loss = MulticlassHinge::new().reduction(reduction);
            assert_eq!(differentiate(&x, &|x| loss.forward(x, &[])), empty);
            let loss = NegativeLogLikelihood::new().reduction(reduction);
            assert_eq!(differentiate(&x, &|x| loss.forward(x, &[])), empty);
            let loss = JensenShannonDivergence::new().reduction(reduction);
            assert_eq!(differentiate(&x, &|y| loss.forward(y, &x)), empty);
            let loss = BinaryCrossEntropyWithLogits::new().reduction(reduction);
            assert_eq!(differentiate(&flat, &|x| loss.forward(x, &flat)), empty);
            let loss = MeanSquaredError::new().reduction(reduction);
            assert_eq!(differentiate(&flat, &|x| loss.forward(x, &flat)), empty);
        }
    }

    pub(super) fn nan_stays_in_its_row<E: Element>() {
        for (classes, place) in [(3, 1), (50, 1), (50, 49), (3000, 1), (3000, 2999)] {
            let mut logits = vec![0.0; 2 * classes];
            logits[classes + place] = f64::NAN;
            let x: Tensor<E> = tensor(&[2, classes], &logits);
            let uniform = tensor(&[2, classes], &vec![(classes as f64).recip(); 2 * classes]);
            for (losses, gradient) in [
                differentiate(&x, &|x| none().forward(x, &[0, 0])),
                differentiate(&x, &|x| none().forward(x, &uniform)),
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
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &targets));
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
            let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &[255, 255, 1]));
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
            let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &[0, 0]));
            assert_eq!(losses, [0.0, INFINITY]);
            assert_eq!(gradient, [0.0, 0.0, 0.0, -1.0, 1.0, 0.0]);
        }
        let loss = Poly1::new().reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &[0, 0]));
        assert_eq!(losses, [0.0, INFINITY]);
        assert_eq!(gradient, [0.0, 0.0, 0.0, -1.0, 1.0, 0.0]);
        let loss = GeneralisedCrossEntropy::new().q(0.5).reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 2.0], vec![0.0; 6]));
        let loss = SymmetricCrossEntropy::new().alpha(0.0).reduction(Reduction::None);
        let (losses, gradient) = differentiate(&x, &|x| loss.forward(x, &[0, 0]));
        assert_eq!((losses, gradient), (vec![0.0, 4.0], vec![0.0; 6]));
        let loss = MulticlassHinge::new().reduction(Reduction::None);
        let (losses, _) = differentiate(&x, &|x| loss.forward(x, &[0, 0]));
        assert_eq!(losses, [0.0, INFINITY]);
    }

    pub(super) fn divergences_at_impossible_classes<E: Element>() {
        let x: Tensor<E> = tensor(&[1, 3], &[-INFINITY, -INFINITY, 0.0]);
        let truth = tensor(&[1, 3], &[0.0, 0.5, 0.5]);
        let kl = KlDivergence::new();
        assert_eq!(kl.forward(&x, &truth).unwrap().item(), E::infinity());
        let log_probabilities = kl.input(Form::LogProbabilities);
        let (value, gradient) = differentiate(&x, &|x| log_probabilities.forward(x, &truth));
        assert_eq!((value, gradient), (vec![INFINITY], vec![0.0, -0.5, -0.5]));
        let (value, gradient) = differentiate(&x, &|x| jensen_shannon_divergence(x, &truth));
        let expected =
            0.5 * (0.5 * 2.0_f64.ln() + 0.5 * (2.0 / 3.0_f64).ln() + (4.0 / 3.0_f64).ln());
        assert_relative_eq!(value[0], expected, max_relative = 1e-6);
        assert_eq!(gradient, [0.0; 3]);
    }
}

/// Of the whole range of a type, what is near its ends.
#[test]
fn sums_of_exponentials_that_are_no_normal_numbers_are_exact() {
    let mut logits = vec![0.0_f32; 100_001];
    logits[0] = 88.0;
    let logits = Tensor::from(logits).reshape(&[1, 100_001]);
    let truth = 1e5 * (-88.0_f64).exp();
    let loss = f64::from(cross_entropy(&logits, &[0]).unwrap().item());
    assert_relative_eq!(loss, truth, max_relative = 1e-6);
    let certain = Tensor::<f32>::one_hot(&[0], 100_001);
    let loss = f64::from(cross_entropy(&logits, &certain).unwrap().item());
    assert_relative_eq!(loss, truth, max_relative = 1e-6);
}

#[test]
fn distillation_is_exact_at_every_temperature() {
    let teacher = Tensor::from([[2.0_f32, 1.0]]);
    for temperature in [1e-37, 1e-30, 1e-10, 0.01, 1e4, 1e15, 1e20, 1e30, 1e37] {
        let student = Tensor::parameter([[1.0_f32, 2.0]]);
        let loss = KnowledgeDistillation::new(temperature).forward(&student, &teacher).unwrap();
        // T² times the divergence is T · tanh(1 / 2T), and its slope the same.
        let truth = temperature * (0.5 / temperature).tanh();
        assert_relative_eq!(f64::from(loss.item()), truth, max_relative = 1e-5);
        let backward = loss.backward().get(&student).unwrap().to_vec();
        let recorded = grad(&loss, &[&student])[0].to_vec();
        for gradient in [backward, recorded] {
            assert_relative_eq!(f64::from(gradient[1]), truth, max_relative = 1e-5);
        }
        let equal = KnowledgeDistillation::new(temperature).forward(&student, &student).unwrap();
        assert_eq!(equal.item(), 0.0);
    }
}

#[test]
fn options_that_the_type_cannot_hold_are_refused() {
    let x = &Tensor::from([[1.0_f32, 2.0]]);
    for temperature in [1e-60, 1e-39, 1e39, 1e60] {
        let error = CrossEntropy::new().temperature(temperature).forward(x, &[0]).unwrap_err();
        assert!(error.to_string().starts_with("temperature is"), "{error}");
        let error = KnowledgeDistillation::new(temperature).forward(x, x).unwrap_err();
        assert!(error.to_string().starts_with("temperature is"), "{error}");
        let wide = &Tensor::from([[1.0_f64, 2.0]]);
        assert!(CrossEntropy::new().temperature(temperature).forward(wide, &[0]).is_ok());
    }
    assert!(Huber::new().delta(1e-60).forward(x, x).is_err());
    let gaussian = GaussianNegativeLogLikelihood::new().epsilon(1e-60);
    assert!(gaussian.forward(x, x, x).is_err());
}

#[test]
fn products_and_differences_are_taken_in_an_order_that_keeps_them() {
    let number = |x: f32| Tensor::from([x]);
    let smooth = |beta, x| SmoothL1::new().beta(beta).forward(&number(x), &number(0.0)).unwrap();
    assert_relative_eq!(smooth(1e25, 1e20).item(), 0.5e15, max_relative = 1e-6);
    assert_relative_eq!(smooth(1e-24, 1e-25).item(), 5e-27, max_relative = 1e-6);
    let (mean, variance) = (Tensor::parameter([1e20_f32]), Tensor::parameter([1e38_f32]));
    let loss = GaussianNegativeLogLikelihood::new();
    let loss = loss.forward(&mean, &number(0.0), &variance).unwrap();
    assert_relative_eq!(loss.item(), 50.0 + 0.5 * 1e38_f32.ln(), max_relative = 1e-6);
    let gradients = loss.backward();
    assert_relative_eq!(gradients.get(&mean).unwrap().item(), 1e-18, max_relative = 1e-5);
    let scores = Tensor::from([[1e8_f32, 1e8]]);
    let hinge = MulticlassHinge::new();
    assert_eq!(hinge.clone().forward(&scores, &[0]).unwrap().item(), 0.5);
    assert_eq!(hinge.clone().crammer_singer().forward(&scores, &[1]).unwrap().item(), 1.0);
    let infinite = Tensor::from([[f32::INFINITY, f32::INFINITY]]);
    assert_eq!(hinge.forward(&infinite, &[0]).unwrap().item(), 0.5);
}

#[test]
fn measures_of_information_are_never_below_0_and_exact_near_it() {
    use information::{Unit, jensen_shannon_divergence, kl_divergence};
    let near = 1e-9;
    for (p, q) in [
        ([0.1, 0.2, 0.7], [0.10000000000000002, 0.2, 0.7]),
        ([0.3, 0.3, 0.4], [0.30000000000000004, 0.30000000000000004, 0.39999999999999997]),
        ([0.0999999, 0.2, 0.7], [0.1, 0.2, 0.7000002]),
        ([0.0, 0.5, 0.5], [0.0, 0.5 + near, 0.5 - near]),
        ([5e-324, 0.5, 0.5], [0.0, 0.5, 0.5]),
    ] {
        let kl = kl_divergence(&p, &q, Unit::Nats).unwrap();
        let js = jensen_shannon_divergence(&p, &q, Unit::Nats).unwrap();
        assert!(kl >= 0.0 && js >= 0.0, "{kl}, {js}");
        assert_eq!(kl_divergence(&p, &p, Unit::Nats), Ok(0.0));
        assert_eq!(jensen_shannon_divergence(&q, &q, Unit::Bits), Ok(0.0));
    }
    let (p, q) = ([0.5, 0.5], [0.5 + near, 0.5 - near]);
    let kl = kl_divergence(&p, &q, Unit::Nats).unwrap();
    assert_relative_eq!(kl, 2.0 * near * near, max_relative = 1e-6);
    let js = jensen_shannon_divergence(&p, &q, Unit::Nats).unwrap();
    assert_relative_eq!(js, 0.5 * near * near, max_relative = 1e-6);
    let far = kl_divergence(&[1.0, 0.0], &[1e-310, 1.0], Unit::Nats).unwrap();
    assert_relative_eq!(far, -1e-310_f64.ln(), max_relative = 1e-12);
}
