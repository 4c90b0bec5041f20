//! Bad input gets an error that names the place and the value.

use downhill_losses::*;
use downhill_tensor::Tensor;
use ndarray::array;

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
            Tensor::<f64>::from_shape_vec(&[2, classes], all).unwrap()
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
    let masked = Tensor::from([[0.0, 0.0], [f64::NEG_INFINITY, f64::NEG_INFINITY]]);
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
        "class_weights[1] is -1; it must be finite and not negative \
         (a negative weight leaves the loss without a minimum)"
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
        "weights[1] is -2; it must be finite and not negative \
         (a negative weight leaves the loss without a minimum)"
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
