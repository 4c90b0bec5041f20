//! The table of edges in the crate's documentation, line by line, in both types.

use approx::assert_relative_eq;
use downhill_losses::*;
use downhill_tensor::{Element, Tensor, grad};
use ndarray::array;

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

/// Asserts that an error has this message.
macro_rules! assert_error {
    ($result:expr, $message:literal) => {
        assert_eq!($result.unwrap_err().to_string(), $message)
    };
}

#[test]
fn wrong_targets_are_named_by_place_and_value() {
    let x: Tensor<f64> = Tensor::zeros(&[2, 10]);
    assert_error!(
        cross_entropy(&x, &[3, 10]),
        "labels[1] is 10, but the logits have 10 classes (0..=9)"
    );
    assert_error!(
        cross_entropy(&Tensor::<f64>::zeros(&[1, 1]), &[1]),
        "labels[0] is 1, but the logits have 1 class (0)"
    );
    assert_error!(cross_entropy(&x, &[3]), "the labels have shape [1], but [2] is needed");
    assert_error!(
        cross_entropy(&x, &array![[3], [4]]),
        "the labels have shape [2, 1], but [2] is needed"
    );
    assert_error!(
        cross_entropy(&x, &Tensor::zeros(&[2, 9])),
        "the target probabilities have shape [2, 9], but [2, 10] is needed"
    );
    for classes in [4, 40] {
        let x: Tensor<f64> = Tensor::zeros(&[2, classes]);
        let with = |values: [f64; 3]| {
            let mut all = vec![0.0; 2 * classes];
            all[0] = 1.0;
            all[classes..classes + 3].copy_from_slice(&values);
            tensor::<f64>(&[2, classes], &all)
        };
        assert_error!(
            cross_entropy(&x, &with([0.5, -0.25, 0.75])),
            "target probabilities[1, 1] is -0.25; it must be a probability, from 0 to 1"
        );
        assert_error!(
            cross_entropy(&x, &with([0.5, 0.25, 0.0])),
            "row 1 of the target probabilities sums to 0.75, not 1"
        );
        assert_error!(
            kl_divergence(&x, &with([0.5, f64::NAN, 0.5])),
            "target probabilities[1, 1] is NaN; it must be a probability, from 0 to 1"
        );
        let log_probabilities = KlDivergence::new().input(Form::LogProbabilities);
        assert_error!(
            log_probabilities.forward(&x, &with([0.5, 0.25, 0.0])),
            "row 1 of the target probabilities sums to 0.75, not 1"
        );
        assert_error!(
            jensen_shannon_divergence(&x, &with([0.5, 0.25, 0.0])),
            "row 1 of the target probabilities sums to 0.75, not 1"
        );
    }
    let two = Tensor::from([[0.5], [1.5]]);
    assert_error!(
        binary_cross_entropy_with_logits(&two, &two),
        "targets[1, 0] is 1.5; it must be from 0 to 1"
    );
    assert_error!(
        binary_cross_entropy(&two, &Tensor::from([[0.5], [1.0]])),
        "probabilities[1, 0] is 1.5; it must be from 0 to 1"
    );
    assert_error!(binary_hinge(&two, &two), "targets[0, 0] is 0.5; it must be 0 or 1");
    assert_error!(
        mean_squared_error(&two, &Tensor::zeros(&[2])),
        "the targets have shape [2], but [2, 1] is needed"
    );
    assert_error!(
        poisson_negative_log_likelihood(&two, &Tensor::from([[1.0], [-1.0]])),
        "targets[1, 0] is -1; it must be 0 or more and finite"
    );
    assert_error!(
        gaussian_negative_log_likelihood(&two, &two, &Tensor::from([[1.0], [-2.0]])),
        "variances[1, 0] is -2; it must be 0 or more"
    );
}

#[test]
fn logits_without_a_class_are_errors() {
    let masked = tensor::<f64>(&[2, 2], &[0.0, 0.0, -INFINITY, -INFINITY]);
    let message = "row 1 of the logits is all −∞: no class is left";
    for columns in [1, 20] {
        let masked = Tensor::concat(&vec![&masked; columns], 1);
        assert_eq!(cross_entropy(&masked, &[0, 0]).unwrap_err().to_string(), message);
        assert_eq!(focal(&masked, &[0, 0]).unwrap_err().to_string(), message);
    }
    assert_error!(
        cross_entropy(&Tensor::scalar(1.0), &[0]),
        "the logits have shape [], without a class on the last axis"
    );
    assert_error!(
        cross_entropy(&Tensor::<f64>::zeros(&[2, 0]), &[0, 0]),
        "the logits have shape [2, 0], without a class on the last axis"
    );
}

#[test]
fn the_first_of_several_errors_is_named_whatever_the_threads() {
    let mut logits = vec![0.0_f32; 1000 * 100];
    logits[300 * 100..301 * 100].fill(f32::NEG_INFINITY);
    logits[900 * 100..901 * 100].fill(f32::NEG_INFINITY);
    let logits = Tensor::from_shape_vec(&[1000, 100], logits).unwrap();
    assert_eq!(cross_entropy(&logits, &[0; 1000]).unwrap_err(), Error::AllMasked { row: 300 });
}

#[test]
fn wrong_options_are_named() {
    let x: Tensor<f64> = Tensor::zeros(&[1, 2]);
    let loss = CrossEntropy::new;
    assert_error!(
        loss().label_smoothing(1.5).forward(&x, &[0]),
        "label_smoothing is 1.5; it must be from 0 to 1"
    );
    assert_error!(
        loss().temperature(0.0).forward(&x, &[0]),
        "temperature is 0; it must be greater than 0 and finite"
    );
    assert_error!(
        loss().z_loss(f64::NAN).forward(&x, &[0]),
        "z_loss is NaN; it must be 0 or more and finite"
    );
    assert_error!(
        loss().class_weights([1.0]).forward(&x, &[0]),
        "1 class_weights are given, but the logits have 2 classes"
    );
    assert_error!(
        loss().class_weights([1.0, -1.0]).forward(&x, &[0]),
        "class_weights[1] is -1; it must be finite and not negative"
    );
    assert_error!(
        Focal::new().gamma(-1.0).forward(&x, &[0]),
        "gamma is -1; it must be 0 or more and finite"
    );
    assert_error!(
        Focal::new().alpha([1.0]).forward(&x, &[0]),
        "1 alpha are given, but the logits have 2 classes"
    );
    assert_error!(
        BinaryFocal::new().alpha(1.5).forward(&x, &x),
        "alpha is 1.5; it must be from 0 to 1"
    );
    assert_error!(
        GeneralisedCrossEntropy::new().q(0.0).forward(&x, &[0]),
        "q is 0; it must be greater than 0 and at most 1"
    );
    assert_error!(
        Poly1::new().epsilon(-2.0).forward(&x, &[0]),
        "epsilon is -2; it must be -1 or more and finite"
    );
    assert_error!(
        SymmetricCrossEntropy::new().log_zero(0.0).forward(&x, &[0]),
        "log_zero is 0; it must be less than 0 and finite"
    );
    assert_error!(
        knowledge_distillation(&x, &x, -1.0),
        "temperature is -1; it must be greater than 0 and finite"
    );
    let binary = BinaryCrossEntropyWithLogits::new;
    assert_error!(
        binary().pos_weight([1.0, 2.0, 3.0]).forward(&x, &x),
        "3 pos_weight are given, but the logits have 2 classes"
    );
    assert_error!(
        binary().weights(array![1.0, 2.0, 3.0]).forward(&x, &x),
        "the weights have shape [3], but [1, 2] is needed"
    );
    assert_error!(
        binary().weights(array![1.0, -2.0]).forward(&x, &x),
        "weights[1] is -2; it must be finite and not negative"
    );
    assert_error!(
        Huber::new().delta(0.0).forward(&x, &x),
        "delta is 0; it must be greater than 0 and finite"
    );
    assert_error!(Quantile::new().tau(2.0).forward(&x, &x), "tau is 2; it must be from 0 to 1");
}

#[test]
fn measures_of_information_check_their_inputs() {
    use downhill_losses::information::{self, Unit};

    let good = array![[0.5, 0.5], [1.0, 0.0]];
    assert_eq!(information::entropy(&good, Unit::Bits).unwrap(), 0.5);
    assert_eq!(
        information::cross_entropy(&[1.0, 0.0], &[0.0, 1.0], Unit::Nats).unwrap(),
        f64::INFINITY
    );
    assert_error!(
        information::entropy(&array![[0.5, 0.5], [0.5, 0.6]], Unit::Nats),
        "row 1 of the probabilities p sums to 1.1, not 1"
    );
    assert_error!(
        information::kl_divergence(&good, &array![[0.5, 0.5], [1.5, -0.5]], Unit::Nats),
        "probabilities q[1, 1] is -0.5; it must be a probability, from 0 to 1"
    );
    assert_error!(
        information::perplexity(&[0.5, 0.5], &[0.25; 4]),
        "the probabilities q have shape [4], but [2] is needed"
    );
}

#[test]
fn class_weights_check_their_inputs() {
    assert_error!(
        class_weights::counts(&[0, 3], 2),
        "labels[1] is 3, but the logits have 2 classes (0..=1)"
    );
    assert_error!(
        class_weights::inverse_frequency(&[1, 0]),
        "counts[1] is 0; it must be 1 or more"
    );
    assert_error!(
        class_weights::effective_number(&[1, 2], 1.0),
        "beta is 1; it must be from 0 to below 1"
    );
}
