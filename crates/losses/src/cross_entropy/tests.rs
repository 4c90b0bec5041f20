use approx::assert_relative_eq;
use downhill_tensor::{Fused, grad, hessian, keep, without_recording};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;

/// Numbers of classes around the bounds of lanes, of the two layouts, and of panels.
const CLASSES: [usize; 18] =
    [1, 2, 3, 15, 16, 17, 31, 32, 33, 47, 48, 49, 1000, 2047, 2048, 2049, 2065, 4100];

pub(super) fn random(shape: &[usize], scale: f64, rng: &mut Xoshiro256PlusPlus) -> Tensor<f64> {
    let values = (0..shape.iter().product()).map(|_| scale * rng.random_range(-1.0..1.0));
    Tensor::from_shape_vec(shape, values.collect()).unwrap()
}

/// The loss by its definition.
fn definition(
    loss: &CrossEntropy,
    logits: &Tensor<f64>,
    labels: &[usize],
    distributions: Option<&Tensor<f64>>,
) -> Tensor<f64> {
    let (labels, targets) = match distributions {
        Some(distributions) => (None, RowTargets::Probabilities(&distributions.to_vec())),
        None => (Some(labels.to_vec()), RowTargets::Labels(labels)),
    };
    let normalization = loss.normalization(targets, logits.shape()[0]);
    let computed = Computed { options: loss.clone(), labels, normalization, gradient: None };
    let inputs: Vec<_> = std::iter::once(logits).chain(distributions).cloned().collect();
    computed.definition(&inputs)
}

/// The loss as its documentation has it, in tensor operations, for logits without −∞.
fn formula(
    loss: &CrossEntropy,
    logits: &Tensor<f64>,
    labels: &[usize],
    distributions: Option<&Tensor<f64>>,
) -> Tensor<f64> {
    let [count, classes] = *logits.shape() else { unreachable!() };
    let weights = loss.class_weights.clone().unwrap_or(vec![1.0; classes]);
    let is_kept = |label: &usize| distributions.is_some() || Some(*label) != loss.ignore_index;
    let kept: Vec<f64> = labels.iter().map(|label| f64::from(is_kept(label))).collect();
    let class = |&label: &usize| if is_kept(&label) { label } else { 0 };
    let classes_of_rows: Vec<usize> = labels.iter().map(class).collect();
    let hard = distributions.cloned().unwrap_or_else(|| Tensor::one_hot(&classes_of_rows, classes));
    let kept = Tensor::from(kept);

    let scaled = logits * loss.temperature.recip();
    let target = &hard * (1.0 - loss.label_smoothing) + loss.label_smoothing / classes as f64;
    let weights = Tensor::from(weights);
    let nll = -(scaled.log_softmax(-1) * target * &weights).sum_axes(-1);
    let row_weights = (hard * weights).sum_axes(-1) * &kept;
    let z = scaled.log_sum_exp_axes(-1).square() * loss.z_loss * &row_weights;
    let losses = nll * kept + z;
    match loss.reduction {
        Reduction::None => losses,
        Reduction::Sum => losses.sum(),
        Reduction::Mean if distributions.is_some() => losses.sum() / count as f64,
        Reduction::Mean => losses.sum() / row_weights.sum(),
    }
}

pub(super) fn with_every_option(classes: usize, rng: &mut Xoshiro256PlusPlus) -> CrossEntropy {
    let weights: Vec<f64> = (0..classes).map(|_| rng.random_range(0.2..3.0)).collect();
    CrossEntropy::new()
        .class_weights(weights)
        .label_smoothing(0.1)
        .ignore_index(1)
        .temperature(1.7)
        .z_loss(0.01)
}

#[test]
fn loss_and_gradient_of_the_kernel_are_those_of_the_definition() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(1);
    for classes in CLASSES {
        let rows = if classes < 100 { 37 } else { 3 };
        let logits = Tensor::parameter(random(&[rows, classes], 6.0, rng));
        let labels: Vec<usize> = (0..rows).map(|_| rng.random_range(0..classes)).collect();
        let distributions = random(&[rows, classes], 3.0, rng).softmax(-1);
        let every = with_every_option(classes, rng);
        let losses = [
            CrossEntropy::new(),
            CrossEntropy::new().label_smoothing(0.3),
            CrossEntropy { ignore_index: None, ..every.clone() },
            every,
        ];
        for loss in losses {
            for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
                let loss = loss.clone().reduction(reduction);
                for targets in [None, Some(&distributions)] {
                    // With one class the ignored label leaves no other to average.
                    if classes == 1 && loss.ignore_index.is_some() && targets.is_none() {
                        continue;
                    }
                    let fused = match targets {
                        None => loss.forward(&logits, &labels).unwrap(),
                        Some(targets) => loss.forward(&logits, targets).unwrap(),
                    };
                    let definition = definition(&loss, &logits, &labels, targets);
                    let formula = formula(&loss, &logits, &labels, targets);
                    assert_eq!(fused.shape(), definition.shape());
                    let seed = random(fused.shape(), 2.0, rng);
                    let context = format!("{loss:?}, {classes} classes");
                    for other in [&definition, &formula] {
                        let gradients = [&fused, other].map(|output| output.backward_with(&seed));
                        let [gradient, expected] =
                            gradients.map(|gradients| gradients.get(&logits).unwrap().to_vec());
                        let pairs = fused.to_vec().into_iter().zip(other.to_vec());
                        for (found, expected) in pairs.chain(gradient.into_iter().zip(expected)) {
                            let close = (found - expected).abs() < 1e-13 * expected.abs().max(1.0);
                            assert!(close, "{found:e}, not {expected:e}: {context}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_loss_is_the_same_with_and_without_a_gradient() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(2);
    for classes in CLASSES {
        let logits = Tensor::parameter(random(&[19, classes], 6.0, rng));
        let labels: Vec<usize> = (0..19).map(|_| rng.random_range(0..classes)).collect();
        let loss = with_every_option(classes, rng).reduction(Reduction::Sum);
        let recorded = loss.forward(&logits, &labels).unwrap();
        let evaluated = without_recording(|| loss.forward(&logits, &labels)).unwrap();
        assert_eq!(recorded.item(), evaluated.item(), "{classes} classes");
        let alone = loss.reduction(Reduction::None).forward(&logits, &labels).unwrap();
        assert_eq!(sum(&alone.to_vec()), evaluated.item(), "{classes} classes");
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(3);
    for (rows, classes) in [(9001, 10), (300, 1000), (7, 40_000)] {
        let logits = Tensor::parameter(random(&[rows, classes], 6.0, rng));
        let labels: Vec<usize> = (0..rows).map(|_| rng.random_range(0..classes)).collect();
        let loss = CrossEntropy::new().label_smoothing(0.1);
        let [one, two] = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let value = loss.forward(&logits, &labels).unwrap();
                (value.item(), value.backward().get(&logits).unwrap().to_vec())
            })
        });
        assert_eq!(one, two);
    }
}

#[test]
fn the_hessian_is_diag_p_minus_p_p_transposed() {
    let logits = Tensor::<f64>::parameter([0.3, -1.2, 2.0, 0.7]);
    let loss = cross_entropy(&logits, &[2]).unwrap();
    let p = logits.softmax(-1).to_vec();
    for (position, value) in hessian(&loss, &logits).to_vec().into_iter().enumerate() {
        let (i, j) = (position / 4, position % 4);
        let diagonal = if i == j { p[i] } else { 0.0 };
        assert_relative_eq!(value, diagonal - p[i] * p[j], max_relative = 1e-13);
    }
}

#[test]
fn gradients_flow_into_distributions() {
    let logits = Tensor::<f64>::parameter([[0.3, -1.2, 2.0], [1.0, 0.0, 0.5]]);
    let teacher = Tensor::<f64>::parameter([[1.0, 2.0, 0.1], [-0.3, 0.2, 0.9]]);
    let loss = CrossEntropy::new().class_weights([1.0, 2.0, 0.5]).label_smoothing(0.1).z_loss(0.1);
    let targets = teacher.softmax(-1);
    let fused = loss.forward(&logits, &targets).unwrap();
    let composed = formula(&loss, &logits, &[0, 0], Some(&targets));
    let [fused, composed] = [fused, composed].map(|output| {
        let [first] = &grad(&output, &[&teacher])[..] else { unreachable!() };
        (first.to_vec(), grad(&first.square().sum(), &[&logits])[0].to_vec())
    });
    let pairs = fused.0.iter().zip(&composed.0).chain(fused.1.iter().zip(&composed.1));
    for (found, expected) in pairs {
        assert_relative_eq!(found, expected, max_relative = 1e-12, epsilon = 1e-14);
    }
}

#[test]
fn digits_are_kept_where_one_class_has_nearly_all_the_probability() {
    // e^−20 is far below the distance of f32 numbers near 1.
    for classes in [2, 40, 3000] {
        let mut logits = vec![-40.0_f32; classes];
        (logits[0], logits[1]) = (10.0, -10.0);
        let logits = Tensor::parameter(Tensor::from_shape_vec(&[1, classes], logits).unwrap());
        let loss = cross_entropy(&logits, &[0]).unwrap();
        let rest = (-20.0_f64).exp() + (classes - 2) as f64 * (-50.0_f64).exp();
        assert_relative_eq!(f64::from(loss.item()), rest.ln_1p(), max_relative = 3e-7);
        let gradient = loss.backward().get(&logits).unwrap().to_vec();
        assert_relative_eq!(f64::from(gradient[0]), -rest / (1.0 + rest), max_relative = 3e-7);
        assert_relative_eq!(f64::from(gradient[1]), (-20.0_f64).exp(), max_relative = 3e-7);
    }
}

#[test]
fn losses_of_nearly_certain_rows_are_exact_down_to_the_least_normal_number() {
    // No exponential is a normal number, but their sum is.
    for (classes, margin) in [(20, 88.0), (32, 89.0), (100, 90.0), (100_001, 88.0), (128_256, 95.0)]
    {
        for temperature in [1.0, 4.0] {
            let mut logits = vec![0.0_f32; classes];
            logits[classes / 2] = margin * temperature as f32;
            let logits = Tensor::from_shape_vec(&[1, classes], logits).unwrap();
            let logits = Tensor::parameter(logits);
            let rest = (classes - 1) as f64 * f64::from(-margin).exp();
            let loss = CrossEntropy::new().temperature(temperature);
            let value = loss.forward(&logits, &[classes / 2]).unwrap();
            assert_relative_eq!(f64::from(value.item()), rest, max_relative = 1e-5);
            let gradient = value.backward().get(&logits).unwrap().to_vec();
            let at_label = f64::from(gradient[classes / 2]);
            assert_relative_eq!(at_label, -rest / temperature, max_relative = 1e-5);

            let hidden = Tensor::parameter([[1.0_f32]]);
            let weight = logits.reshape(&[classes, 1]);
            let linear = loss.forward_linear(&hidden, &weight, None, &[classes / 2]).unwrap();
            assert_eq!(linear.item(), value.item());
        }
    }
}

#[test]
fn subnormal_exponentials_count_in_f64_too() {
    let mut logits = vec![0.0_f64; 1000];
    logits[3] = 709.0;
    let logits = Tensor::parameter(Tensor::from_shape_vec(&[1, 1000], logits).unwrap());
    let loss = cross_entropy(&logits, &[3]).unwrap();
    // e^−709 times 999, by way of e^−700 · e^−9.
    assert_relative_eq!(
        loss.item(),
        (-700.0_f64).exp() * (-9.0_f64).exp() * 999.0,
        max_relative = 1e-5
    );
}

#[test]
fn f32_results_are_those_of_f64() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(4);
    for classes in [10, 1000, 50_000] {
        let narrow: Tensor<f32> =
            Tensor::from(random(&[4, classes], 8.0, rng).array().mapv(|x| x as f32));
        let wide: Tensor<f64> = Tensor::from(narrow.array().mapv(f64::from));
        let labels = [1, 3, 5, 7];
        let (narrow, wide) = (Tensor::parameter(narrow), Tensor::parameter(wide));
        let loss = CrossEntropy::new().label_smoothing(0.1);
        let (a, b) =
            (loss.forward(&narrow, &labels).unwrap(), loss.forward(&wide, &labels).unwrap());
        assert_relative_eq!(f64::from(a.item()), b.item(), max_relative = 2e-7);
        let (a, b) = (a.backward(), b.backward());
        let pairs =
            a.get(&narrow).unwrap().to_vec().into_iter().zip(b.get(&wide).unwrap().to_vec());
        for (found, expected) in pairs {
            assert!((f64::from(found) - expected).abs() < 1e-6 * expected.abs() + 1e-9);
        }
    }
}

#[test]
fn a_distribution_over_many_classes_is_one_however_its_sum_rounds() {
    let rng = &mut Xoshiro256PlusPlus::seed_from_u64(5);
    for classes in [20, 1000, 2050, 128_256] {
        let logits: Tensor<f32> =
            Tensor::from(random(&[1, classes], 3.0, rng).array().mapv(|x| x as f32));
        let loss = |off: f64| {
            let targets = vec![((1.0 + off) / classes as f64) as f32; classes];
            let targets = Tensor::from_shape_vec(&[1, classes], targets).unwrap();
            CrossEntropy::new().forward(&logits, &targets)
        };
        let shift = logits.array().fold(f32::NEG_INFINITY, |max, &x| x.max(max));
        let shifted = logits.array().mapv(|x| f64::from(x) - f64::from(shift));
        let expected = shifted.mapv(f64::exp).sum().ln() - shifted.sum() / classes as f64;
        for off in [-9.5e-6, 0.0, 9.5e-6] {
            let found = f64::from(loss(off).unwrap().item());
            assert_relative_eq!(found, expected * (1.0 + off), max_relative = 2e-6);
        }
        for off in [-1.1e-5, 1.1e-5] {
            assert!(matches!(loss(off), Err(Error::Sum { row: 0, .. })), "{classes} {off}");
        }
    }
}

#[test]
fn a_gradient_of_the_loss_scales_that_of_the_logits() {
    let logits = Tensor::<f64>::parameter([[0.3, -1.2, 2.0], [1.0, 0.0, 0.5]]);
    let gradient = |output: Tensor<f64>| output.backward().get(&logits).unwrap().to_vec();
    let loss = || cross_entropy(&logits, &[2, 0]).unwrap();
    let whole = gradient(loss());
    let half = gradient(loss() * 0.5);
    assert_eq!(half, whole.iter().map(|x| x * 0.5).collect::<Vec<_>>());
    // Of the same numbers, not of copies.
    let gradients = loss().backward();
    assert_eq!(gradients.get(&logits).unwrap().to_vec(), whole);
}

#[test]
fn keeping_dimensions_does_not_matter() {
    let rows = Tensor::<f64>::parameter([[0.3, -1.2, 2.0], [1.0, 0.0, 0.5]]);
    let cube = rows.reshape(&[2, 1, 3]);
    let flat = cross_entropy(&rows, &[2, 0]).unwrap().item();
    assert_eq!(cross_entropy(&cube, &[2, 0]).unwrap().item(), flat);
    assert_eq!(cross_entropy(&cube, &ndarray::array![[2], [0]]).unwrap().item(), flat);
    let one = rows.slice(0, 1..).reshape(&[3]);
    let none = CrossEntropy::new().reduction(Reduction::None);
    assert_eq!(none.forward(&one, &[0]).unwrap().shape(), [0; 0]);
    let losses = none.forward(&cube, &[2, 0]).unwrap();
    assert_eq!(losses.shape(), [2, 1]);
    let summed = losses.sum_axes(keep(0));
    assert_relative_eq!(summed.item(), 2.0 * flat, max_relative = 1e-15);
}

/// The tests of this module once more, without vector instructions and with shorter ones.
#[test]
fn all_paths_pass_the_same_tests() {
    if std::env::var_os("DOWNHILL_VECTORS").is_some() {
        return;
    }
    for vectors in ["none", "avx2"] {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .arg("cross_entropy::")
            .env("DOWNHILL_VECTORS", vectors)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !text.contains("running 0 tests"), "{vectors}: {text}");
    }
}
