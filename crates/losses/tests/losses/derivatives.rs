//! First and second derivatives of every loss against central differences.

use downhill_losses::*;
use downhill_tensor::{Tensor, gradcheck, gradcheck_second_order};

type Loss<'a> = &'a dyn Fn(&[Tensor<f64>], Reduction) -> Result<Tensor<f64>, Error>;

/// Checks the derivatives of a loss under every reduction, alone and inside another function.
fn check(inputs: &[Tensor<f64>], loss: Loss<'_>) {
    for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
        let alone = |inputs: &[Tensor<f64>]| loss(inputs, reduction).unwrap();
        gradcheck(alone, inputs).unwrap_or_else(|error| panic!("{reduction:?}: {error}"));
        gradcheck_second_order(alone, inputs)
            .unwrap_or_else(|error| panic!("{reduction:?}, second order: {error}"));
        let inside = |inputs: &[Tensor<f64>]| alone(inputs).square() * 0.5;
        gradcheck(inside, inputs).unwrap_or_else(|error| panic!("{reduction:?}, inside: {error}"));
        gradcheck_second_order(inside, inputs)
            .unwrap_or_else(|error| panic!("{reduction:?}, inside, second order: {error}"));
    }
}

fn numbers(shape: &[usize], seed: f64) -> Tensor<f64> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| 2.0 * (seed + 1.7 * i as f64).sin());
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// Numbers strictly between 0 and 1.
fn fractions(shape: &[usize], seed: f64) -> Tensor<f64> {
    numbers(shape, seed).sigmoid()
}

#[test]
fn cross_entropy_of_labels() {
    let everything = CrossEntropy::new()
        .class_weights([1.0, 0.5, 2.0])
        .label_smoothing(0.1)
        .ignore_index(1)
        .temperature(1.7)
        .z_loss(0.05);
    for loss in [CrossEntropy::new(), CrossEntropy::new().label_smoothing(0.2), everything] {
        check(&[numbers(&[4, 3], 0.0)], &|x, reduction| {
            loss.clone().reduction(reduction).forward(&x[0], &[2, 0, 1, 0])
        });
    }
}

#[test]
fn cross_entropy_with_masked_classes() {
    // The masked logits are constants: no difference can be taken there.
    let mask = Tensor::from([[0.0, f64::NEG_INFINITY, 0.0], [0.0, 0.0, f64::NEG_INFINITY]]);
    let loss = CrossEntropy::new().label_smoothing(0.2).z_loss(0.1);
    check(&[numbers(&[2, 3], 0.0)], &|x, reduction| {
        loss.clone().reduction(reduction).forward(&(&x[0] + &mask), &[2, 0])
    });
}

#[test]
fn cross_entropy_of_distributions() {
    let loss = CrossEntropy::new().class_weights([1.0, 0.5, 2.0]).label_smoothing(0.1).z_loss(0.05);
    check(&[numbers(&[2, 3], 0.0), numbers(&[2, 3], 1.0)], &|x, reduction| {
        loss.clone().reduction(reduction).forward(&x[0], &x[1].softmax(-1))
    });
}

#[test]
fn linear_cross_entropy() {
    let inputs = [numbers(&[3, 2], 0.0), numbers(&[4, 2], 1.0), numbers(&[4], 2.0)];
    let loss = CrossEntropy::new().class_weights([1.0, 0.5, 2.0, 1.5]).label_smoothing(0.1);
    check(&inputs, &|x, reduction| {
        let loss = loss.clone().reduction(reduction);
        loss.forward_linear(&x[0], &x[1], Some(&x[2]), &[3, 0, 1])
    });
    check(&inputs[..2], &|x, reduction| {
        let loss = CrossEntropy::new().reduction(reduction);
        loss.forward_linear(&x[0], &x[1], None, &[3, 0, 1])
    });
}

#[test]
fn negative_log_likelihoods() {
    let loss = NegativeLogLikelihood::new().class_weights([1.0, 0.5, 2.0]).ignore_index(1);
    check(&[numbers(&[4, 3], 0.0)], &|x, reduction| {
        loss.clone().reduction(reduction).forward(&x[0], &[2, 0, 1, 0])
    });
    let variance = fractions(&[4, 1], 2.0);
    check(&[numbers(&[4, 3], 0.0), numbers(&[4, 3], 1.0), variance], &|x, reduction| {
        let loss = GaussianNegativeLogLikelihood::new().full(true).reduction(reduction);
        loss.forward(&x[0], &x[1], &x[2])
    });
    let counts = Tensor::from([0.0, 1.0, 2.0, 5.0]);
    for log_input in [true, false] {
        check(&[fractions(&[4], 0.0)], &|x, reduction| {
            PoissonNegativeLogLikelihood::new()
                .log_input(log_input)
                .full(true)
                .reduction(reduction)
                .forward(&x[0], &counts)
        });
    }
}

#[test]
fn binary_losses() {
    let inputs = [numbers(&[3, 2], 0.0), fractions(&[3, 2], 1.0)];
    let loss = BinaryCrossEntropyWithLogits::new()
        .pos_weight([2.0, 0.5])
        .weights(ndarray::array![[1.0], [0.5], [2.0]])
        .label_smoothing(0.1);
    check(&inputs, &|x, reduction| loss.clone().reduction(reduction).forward(&x[0], &x[1]));
    let probabilities = [fractions(&[3, 2], 0.0), fractions(&[3, 2], 1.0)];
    check(&probabilities, &|x, reduction| {
        BinaryCrossEntropy::new().reduction(reduction).forward(&x[0], &x[1])
    });
    for gamma in [0.0, 0.5, 1.0, 2.0] {
        check(&inputs, &|x, reduction| {
            let loss = BinaryFocal::new().alpha(0.25).gamma(gamma);
            loss.reduction(reduction).forward(&x[0], &x[1])
        });
    }
    check(&inputs[..1], &|x, reduction| {
        let labels = Tensor::from([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]);
        BinaryHinge::new().reduction(reduction).forward(&x[0], &labels)
    });
}

#[test]
fn losses_of_the_true_class() {
    let logits = [numbers(&[4, 3], 0.0)];
    let labels = [2, 0, 1, 0];
    for gamma in [0.0, 0.5, 1.0, 2.0] {
        check(&logits, &|x, reduction| {
            let loss = Focal::new().gamma(gamma).alpha([1.0, 0.5, 2.0]);
            loss.reduction(reduction).forward(&x[0], &labels)
        });
    }
    check(&logits, &|x, reduction| {
        Poly1::new().epsilon(2.0).reduction(reduction).forward(&x[0], &labels)
    });
    check(&logits, &|x, reduction| {
        GeneralisedCrossEntropy::new().reduction(reduction).forward(&x[0], &labels)
    });
    check(&logits, &|x, reduction| {
        SymmetricCrossEntropy::new().reduction(reduction).forward(&x[0], &labels)
    });
    check(&logits, &|x, reduction| {
        MulticlassHinge::new().reduction(reduction).forward(&x[0], &labels)
    });
    check(&logits, &|x, reduction| {
        MulticlassHinge::new().crammer_singer().reduction(reduction).forward(&x[0], &labels)
    });
}

#[test]
fn divergences() {
    let inputs = [numbers(&[2, 3], 0.0), numbers(&[2, 3], 1.0)];
    let forms = [Form::Logits, Form::LogProbabilities, Form::Probabilities];
    let in_form = |x: &Tensor<f64>, form: Form| match form {
        Form::Logits => x.clone(),
        Form::LogProbabilities => x.log_softmax(-1),
        Form::Probabilities => x.softmax(-1),
    };
    for input in forms {
        for target in forms {
            check(&inputs, &|x, reduction| {
                let loss = KlDivergence::new().input(input).target(target).reduction(reduction);
                loss.forward(&in_form(&x[0], input), &in_form(&x[1], target))
            });
            check(&inputs, &|x, reduction| {
                let loss = JensenShannonDivergence::new().input(input).target(target);
                let loss = loss.reduction(reduction);
                loss.forward(&in_form(&x[0], input), &in_form(&x[1], target))
            });
        }
    }
    check(&inputs[..1], &|x, reduction| {
        KnowledgeDistillation::new(3.0).reduction(reduction).forward(&x[0], &inputs[1])
    });
}

#[test]
fn regression_losses() {
    let inputs = [numbers(&[5], 0.0), numbers(&[5], 1.0)];
    macro_rules! check_all {
        ($($loss:expr),* $(,)?) => {$(
            check(&inputs, &|x, reduction| $loss.reduction(reduction).forward(&x[0], &x[1]));
        )*};
    }
    check_all!(
        MeanSquaredError::new(),
        MeanAbsoluteError::new(),
        Huber::new().delta(0.7),
        SmoothL1::new().beta(0.7),
        SmoothL1::new().beta(0.0),
        LogCosh::new(),
        Quantile::new().tau(0.8),
    );
}

#[test]
fn jensen_shannon_has_its_second_derivative_where_both_are_equal() {
    let logits = numbers(&[1, 3], 0.0);
    let target = logits.softmax(-1);
    let loss = |x: &[Tensor<f64>]| jensen_shannon_divergence(&x[0], &target).unwrap();
    gradcheck_second_order(loss, &[logits]).unwrap();
}

#[test]
fn gaussian_likelihood_broadcasts_all_three() {
    let mean = numbers(&[4, 1, 3], 0.0);
    let (target, variance) = (numbers(&[2, 1], 1.0), fractions(&[3], 2.0));
    let zeros = Tensor::zeros(&[4, 2, 3]);
    let expanded = [&mean + &zeros, &target + &zeros, &variance + &zeros];
    let none = GaussianNegativeLogLikelihood::new().reduction(Reduction::None);
    let found = none.forward(&mean, &target, &variance).unwrap();
    let expected = none.forward(&expanded[0], &expanded[1], &expanded[2]).unwrap();
    assert_eq!((found.shape(), found.to_vec()), (&[4, 2, 3][..], expected.to_vec()));
    check(&[mean, target, variance], &|x, reduction| {
        let loss = GaussianNegativeLogLikelihood::new().reduction(reduction);
        loss.forward(&x[0], &x[1], &x[2])
    });
}

#[test]
fn a_weighted_margin_is_the_margin_times_the_weight_of_the_label() {
    let (scores, labels) = (numbers(&[4, 3], 0.0), [2, 0, 1, 0]);
    let none = MulticlassHinge::new().reduction(Reduction::None);
    let plain = none.forward(&scores, &labels).unwrap().to_vec();
    let weighted = none.class_weights([1.0, 0.5, 2.0]).forward(&scores, &labels).unwrap().to_vec();
    assert_eq!(weighted, [plain[0] * 2.0, plain[1], plain[2] * 0.5, plain[3]]);
    check(&[scores], &|x, reduction| {
        let loss = MulticlassHinge::new().class_weights([1.0, 0.5, 2.0]).reduction(reduction);
        loss.forward(&x[0], &labels)
    });
}

#[test]
fn entropies() {
    for form in [Form::Logits, Form::LogProbabilities, Form::Probabilities] {
        check(&[numbers(&[2, 3], 0.0)], &|x, reduction| {
            let distributions = match form {
                Form::Logits => x[0].clone(),
                Form::LogProbabilities => x[0].log_softmax(-1),
                Form::Probabilities => x[0].softmax(-1),
            };
            Entropy::new().input(form).reduction(reduction).forward(&distributions)
        });
    }
    let near = [numbers(&[1, 3], 0.0)];
    let logits = &near[0] * 1.001;
    check(&near, &|x, reduction| {
        KlDivergence::new().target(Form::Logits).reduction(reduction).forward(&x[0], &logits)
    });
}
