//! The gradient of a recorded loss is that of one that is not, whatever the numbers: kernels and
//! definitions agree up to infinities and NaN. What a mask leaves out has no gradient.

use downhill_losses::*;
use downhill_tensor::{Element, Tensor, grad, grad_with};
use ndarray::ArrayD;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

const CLASSES: usize = 4;
const ROWS: usize = 3;

/// Numbers at the ends of the types, and ordinary ones.
fn hostile() -> impl Strategy<Value = f64> {
    let ends = [
        0.0,
        -0.0,
        1e-40,
        -1e-310,
        1e-38,
        1e-20,
        -1e-20,
        88.0,
        -104.0,
        750.0,
        -800.0,
        1e20,
        -1e20,
        1e38,
        -1e38,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    prop_oneof![2 => -5.0..5.0, 3 => prop::sample::select(ends.to_vec())]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(hostile(), ROWS * CLASSES)
}

/// Numbers from 0 to 1, the ends among them.
fn fractions() -> impl Strategy<Value = Vec<f64>> {
    let ends = prop::sample::select(vec![0.0, 1.0, 1e-40, 1e-20, 0.5]);
    prop::collection::vec(prop_oneof![0.0..=1.0, ends], ROWS * CLASSES)
}

fn tensor<E: Element>(values: &[f64]) -> Tensor<E> {
    let values = values.iter().map(|&x| E::from_f64(x)).collect();
    Tensor::from_shape_vec(&[ROWS, CLASSES], values).unwrap()
}

/// Whether the numbers are as near as the same gradient by two ways of rounding, which is as exact
/// as the largest number on the way.
fn agree<E: Element>(a: E, b: E, largest: f64) -> bool {
    let (x, y) = (a.as_f64(), b.as_f64());
    let tolerance = 64.0 * E::epsilon().as_f64() * largest.max(1.0);
    x == y || (x - y).abs() <= tolerance || x.is_nan() && y.is_nan()
}

type Loss<'a, E> = &'a dyn Fn(&[Tensor<E>], Reduction) -> Result<Tensor<E>, Error>;

fn check<E: Element>(name: &str, inputs: &[&Tensor<E>], loss: Loss<'_, E>) -> TestCaseResult {
    check_to(1.0, name, inputs, loss)
}

/// Checks a loss in which numbers as large as `scale` are rounded on the way.
fn check_to<E: Element>(
    scale: f64,
    name: &str,
    inputs: &[&Tensor<E>],
    loss: Loss<'_, E>,
) -> TestCaseResult {
    let inputs: Vec<Tensor<E>> = inputs.iter().map(|&x| Tensor::parameter(x)).collect();
    for reduction in [Reduction::None, Reduction::Sum] {
        let Ok(output) = loss(&inputs, reduction) else { return Ok(()) };
        if reduction == Reduction::None {
            check_masked(name, &output, &inputs)?;
        }
        let seed = Tensor::full(output.shape(), E::from_f64(0.75));
        let gradients = output.backward_with(&seed);
        let references: Vec<&Tensor<E>> = inputs.iter().collect();
        let recorded = grad_with(&[&output], &[&seed], &references);
        for (number, (input, recorded)) in inputs.iter().zip(&recorded).enumerate() {
            let Some(gradient) = gradients.get(input) else { continue };
            let sizes = gradient.to_vec().into_iter().map(|x| x.as_f64().abs());
            let largest = sizes.filter(|x| x.is_finite()).fold(scale, f64::max);
            for (&a, &b) in gradient.values().iter().zip(&*recorded.values()) {
                prop_assert!(
                    agree(a, b, largest),
                    "{name}, {reduction:?}, input {number}: backward {:?}, grad {:?} at {:?}",
                    gradient.to_vec(),
                    recorded.to_vec(),
                    inputs
                );
            }
        }
    }
    Ok(())
}

/// Checks that a row which a mask leaves out of the loss has derivatives of exactly 0, of both orders,
/// whatever it holds.
fn check_masked<E: Element>(
    name: &str,
    output: &Tensor<E>,
    inputs: &[Tensor<E>],
) -> TestCaseResult {
    const LEFT_OUT: usize = 1;
    let kept = ArrayD::from_shape_fn(output.shape(), |index| index[0] != LEFT_OUT);
    let loss = Tensor::select(&kept, output, &Tensor::scalar(E::zero())).sum();
    let references: Vec<&Tensor<E>> = inputs.iter().collect();
    let first = grad(&loss, &references);
    // What rows share, as weights, is a sum over all of them.
    let by_row = first.iter().filter(|first| first.shape()[0] == ROWS);
    let squares = by_row.map(|first| first.square().sum());
    let total = squares.reduce(|sum, square| sum + square).expect("a loss has an input");
    let second = grad(&total, &references);
    let gradients = loss.backward();
    for (number, input) in inputs.iter().enumerate().filter(|(_, input)| input.shape()[0] == ROWS) {
        let ways = [
            ("backward", gradients.get(input)),
            ("grad", Some(&first[number])),
            ("the second derivative", Some(&second[number])),
        ];
        for (way, derivative) in ways {
            let Some(derivative) = derivative else { continue };
            let row = derivative.slice(0, LEFT_OUT..LEFT_OUT + 1).to_vec();
            prop_assert!(
                row.iter().all(|x| x.is_zero()),
                "{name}, input {number}, {way}: {row:?} where the loss leaves out {:?}",
                input.slice(0, LEFT_OUT..LEFT_OUT + 1).to_vec()
            );
        }
    }
    Ok(())
}

/// The softmax of ordinary numbers, with some probabilities set to 0.
fn distributions<E: Element>(fractions: &[f64]) -> Tensor<E> {
    let mut values = fractions.to_vec();
    for row in values.chunks_mut(CLASSES) {
        row[0] = 0.5;
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|x| *x /= sum);
    }
    tensor(&values)
}

fn with_labels<E: Element>(x: &Tensor<E>, labels: &[usize]) -> TestCaseResult {
    let options = [
        CrossEntropy::new(),
        CrossEntropy::new().label_smoothing(0.1).temperature(1.7),
        CrossEntropy::new().z_loss(0.1).ignore_index(1),
        CrossEntropy::new().class_weights([0.0, 1.0, 0.5, 2.0]).z_loss(0.01).label_smoothing(0.2),
    ];
    for options in options {
        check(&format!("{options:?}"), &[x], &|x, reduction| {
            options.clone().reduction(reduction).forward(&x[0], labels)
        })?;
        let weight =
            &Tensor::from([[0.5, -1.0, 2.0, 0.0], [1.0; 4], [-2.0, 0.0, 1.5, 3.0], [0.0; 4]]);
        let weight = &Tensor::from(weight.array().mapv(E::from_f64));
        // Products are rounded, and overflow, in another order than that of the definition.
        let limit = E::from_f64(100.0);
        let inside = |x: E| if x.is_finite() { x.max(-limit).min(limit) } else { x };
        let hidden = &Tensor::from(x.array().mapv(inside));
        check_to(1e3, &format!("linear, {options:?}"), &[hidden, weight], &|x, reduction| {
            options.clone().reduction(reduction).forward_linear(&x[0], &x[1], None, labels)
        })?;
    }
    macro_rules! all {
        ($($loss:expr),* $(,)?) => {$(
            check(stringify!($loss), &[x], &|x, reduction| {
                $loss.reduction(reduction).forward(&x[0], labels)
            })?;
        )*};
    }
    all!(
        Focal::new().alpha([0.0, 1.0, 0.5, 2.0]),
        Focal::new().gamma(0.5),
        Poly1::new(),
        GeneralisedCrossEntropy::new(),
        SymmetricCrossEntropy::new(),
        MulticlassHinge::new().class_weights([0.0, 1.0, 0.5, 2.0]),
        MulticlassHinge::new().crammer_singer(),
        NegativeLogLikelihood::new().ignore_index(1),
    );
    Ok(())
}

fn with_tensors<E: Element>(x: &Tensor<E>, y: &Tensor<E>, fractions: &[f64]) -> TestCaseResult {
    let (t, p) = (&tensor::<E>(fractions), &distributions::<E>(fractions));
    macro_rules! all {
        ($x:expr, $y:expr; $($loss:expr),* $(,)?) => {$(
            check(stringify!($loss), &[$x, $y], &|x, reduction| {
                $loss.reduction(reduction).forward(&x[0], &x[1])
            })?;
        )*};
    }
    all!(x, t;
        BinaryCrossEntropyWithLogits::new().label_smoothing(0.1).pos_weight([3.0]),
        BinaryCrossEntropyWithLogits::new(),
        BinaryFocal::new().alpha(0.25),
        BinaryFocal::new().gamma(0.5),
        BinaryHinge::new(),
        PoissonNegativeLogLikelihood::new().full(true),
        PoissonNegativeLogLikelihood::new().log_input(false),
    );
    all!(t, t; BinaryCrossEntropy::new());
    all!(x, y;
        MeanSquaredError::new(), MeanAbsoluteError::new(), LogCosh::new(), Huber::new(),
        SmoothL1::new(), SmoothL1::new().beta(0.0), Quantile::new().tau(0.8),
        KnowledgeDistillation::new(3.0),
        KlDivergence::new().target(Form::Logits), JensenShannonDivergence::new().target(Form::Logits),
    );
    all!(x, p;
        CrossEntropy::new(), CrossEntropy::new().z_loss(0.1).label_smoothing(0.1),
        KlDivergence::new(), JensenShannonDivergence::new(),
        KlDivergence::new().input(Form::LogProbabilities),
    );
    all!(p, p;
        KlDivergence::new().input(Form::Probabilities),
        JensenShannonDivergence::new().input(Form::Probabilities),
    );
    check("gaussian", &[x, y, t], &|x, reduction| {
        GaussianNegativeLogLikelihood::new().reduction(reduction).forward(&x[0], &x[1], &x[2])
    })?;
    check("entropy", &[x], &|x, reduction| Entropy::new().reduction(reduction).forward(&x[0]))?;
    check("entropy of probabilities", &[p], &|x, reduction| {
        Entropy::new().input(Form::Probabilities).reduction(reduction).forward(&x[0])
    })
}

proptest! {
    #[test]
    fn grad_and_backward_agree_on_losses_of_labels(
        x in numbers(),
        labels in prop::collection::vec(0..CLASSES, ROWS),
    ) {
        with_labels(&tensor::<f32>(&x), &labels)?;
        with_labels(&tensor::<f64>(&x), &labels)?;
    }

    #[test]
    fn grad_and_backward_agree_on_losses_of_tensors(
        x in numbers(),
        y in numbers(),
        t in fractions(),
    ) {
        with_tensors(&tensor::<f32>(&x), &tensor(&y), &t)?;
        with_tensors(&tensor::<f64>(&x), &tensor(&y), &t)?;
    }
}
