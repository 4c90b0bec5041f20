//! Divergences and entropies where they cancel, and where probabilities are 0.

use approx::assert_relative_eq;
use downhill_losses::*;
use downhill_tensor::{Element, Tensor, grad};

fn row<E: Element>(values: &[f64]) -> Tensor<E> {
    let values = values.iter().map(|&x| E::from_f64(x)).collect::<Vec<_>>();
    Tensor::from_shape_vec(&[1, values.len()], values).unwrap()
}

fn wide<E: Element>(x: &Tensor<E>) -> Vec<f64> {
    x.to_vec().into_iter().map(Element::as_f64).collect()
}

/// The value, the gradient, and the second derivative along the gradient of Σ x².
fn derivatives<E: Element>(
    x: &Tensor<E>,
    loss: &dyn Fn(&Tensor<E>) -> Tensor<E>,
) -> (f64, Vec<f64>, Vec<f64>) {
    let x = Tensor::parameter(x);
    let value = loss(&x);
    let gradient = value.backward().get(&x).unwrap().clone();
    let recorded = &grad(&value, &[&x])[0];
    let second = &grad(&recorded.square().sum(), &[&x])[0];
    assert_eq!(wide(recorded), wide(&gradient));
    (value.item().as_f64(), wide(&gradient), wide(second))
}

const FORMS: [Form; 3] = [Form::Logits, Form::LogProbabilities, Form::Probabilities];

fn in_form<E: Element>(logits: &Tensor<E>, form: Form) -> Tensor<E> {
    match form {
        Form::Logits => logits.clone(),
        Form::LogProbabilities => logits.log_softmax(-1),
        Form::Probabilities => logits.softmax(-1),
    }
}

fn distillation_is_exact<E: Element>(temperatures: &[f64], tolerance: f64) {
    let teacher = row::<E>(&[2.0, 1.0]);
    let student = Tensor::parameter(row::<E>(&[1.0, 2.0]));
    for &t in temperatures {
        let loss = knowledge_distillation(&student, &teacher, t).unwrap();
        // With two classes the divergence of opposites is tanh(1 / 2T) / T.
        let exact = t * (0.5 / t).tanh();
        assert_relative_eq!(loss.item().as_f64(), exact, max_relative = tolerance);
        let gradient = wide(loss.backward().get(&student).unwrap());
        assert_relative_eq!(gradient[0], -exact, max_relative = tolerance);
        assert_relative_eq!(gradient[1], exact, max_relative = tolerance);
        assert_relative_eq!(
            wide(&grad(&loss, &[&student])[0])[0],
            -exact,
            max_relative = tolerance
        );
        let equal = knowledge_distillation(&student, &student.detach(), t).unwrap();
        assert_eq!(equal.item(), E::zero());
        assert_eq!(wide(equal.backward().get(&student).unwrap()), [0.0, 0.0]);
    }
}

#[test]
fn distillation_keeps_its_digits_at_every_temperature() {
    distillation_is_exact::<f32>(&[0.1, 1.0, 30.0, 1e4, 1e6, 1e9], 1e-6);
    distillation_is_exact::<f64>(&[0.1, 1.0, 30.0, 1e4, 1e6, 1e9, 1e15], 1e-14);
}

fn divergences_of_equals_are_zero<E: Element>() {
    for seed in 0..50 {
        let values: Vec<f64> = (0..7).map(|i| 9.0 * f64::from(seed * 7 + i).sin()).collect();
        let logits = row::<E>(&values);
        for input in FORMS {
            for target in FORMS {
                let (q, p) = (in_form(&logits, input), in_form(&logits, target));
                let kl = KlDivergence::new().input(input).target(target).forward(&q, &p).unwrap();
                let js = JensenShannonDivergence::new().input(input).target(target);
                let (kl, js) = (kl.item().as_f64(), js.forward(&q, &p).unwrap().item().as_f64());
                let most = if input == target { 0.0 } else { 4.0 * E::epsilon().as_f64() };
                assert!((0.0..=most).contains(&kl), "{input:?} {target:?}: {kl:e}");
                assert!((0.0..=most * most).contains(&js), "{input:?} {target:?}: {js:e}");
            }
        }
        // The usual forms.
        let kl = kl_divergence(&logits, &logits.softmax(-1)).unwrap().item().as_f64();
        assert!((0.0..1e-12).contains(&kl), "{kl:e}");
    }
}

#[test]
fn divergences_are_never_below_zero_and_zero_for_equals() {
    divergences_of_equals_are_zero::<f32>();
    divergences_of_equals_are_zero::<f64>();
}

#[test]
fn divergences_of_neighbours_are_half_the_weighted_square_of_their_difference() {
    let logits = row::<f32>(&[0.5, -1.0, 2.0, 0.0]);
    let p = wide(&logits.softmax(-1));
    for size in [1e-2, 1e-3, 1e-4] {
        // What is added is a number in f32.
        let changed = &logits + row::<f32>(&[size, 0.0, -size, 2.0 * size]);
        let d: Vec<f64> = wide(&changed).iter().zip(wide(&logits)).map(|(a, b)| a - b).collect();
        let mean: f64 = p.iter().zip(&d).map(|(p, d)| p * d).sum();
        let variance: f64 = p.iter().zip(&d).map(|(p, d)| p * (d - mean).powi(2)).sum();
        let kl = KlDivergence::new().target(Form::Logits).forward(&changed, &logits).unwrap();
        assert_relative_eq!(f64::from(kl.item()), variance / 2.0, max_relative = 4.0 * size);
    }
}

fn impossible_classes<E: Element>() {
    let x = row::<E>(&[2000.0, 0.0]);
    let certain = row::<E>(&[1.0, 0.0]);
    let through_softmax = |input: Form| {
        let kl = KlDivergence::new().input(input);
        let js = JensenShannonDivergence::new().input(input);
        [
            derivatives(&x, &|x| kl.forward(&in_form(x, input), &certain).unwrap()),
            derivatives(&x, &|x| js.forward(&in_form(x, input), &certain).unwrap()),
        ]
    };
    for input in FORMS {
        for found in through_softmax(input) {
            assert_eq!(found, (0.0, vec![0.0; 2], vec![0.0; 2]), "{input:?}");
        }
    }
    // A target with a probability of 0, through which gradients flow as well.
    let spread = row::<E>(&[0.0, 0.0]);
    for target in [Form::Logits, Form::Probabilities] {
        let kl = KlDivergence::new().target(target);
        let (value, gradient, second) =
            derivatives(&x, &|x| kl.forward(&spread, &in_form(x, target)).unwrap());
        assert_relative_eq!(value, 2.0_f64.ln(), max_relative = 1e-6);
        assert_eq!((gradient, second), (vec![0.0; 2], vec![0.0; 2]), "{target:?}");
    }
}

#[test]
fn probabilities_of_zero_have_finite_gradients_of_both_orders() {
    impossible_classes::<f32>();
    impossible_classes::<f64>();
}

fn masked_entropy<E: Element>() {
    let x = row::<E>(&[f64::NEG_INFINITY, 0.0, 0.0]);
    for form in FORMS {
        let entropy = Entropy::new().input(form);
        let (value, gradient, second) =
            derivatives(&x, &|x| entropy.forward(&in_form(x, form)).unwrap());
        assert_relative_eq!(value, 2.0_f64.ln(), max_relative = 1e-6);
        for derivative in gradient.iter().chain(&second) {
            assert!(derivative.abs() < 1e-6, "{form:?}: {gradient:?} {second:?}");
        }
    }
    let certain = row::<E>(&[2000.0, 0.0, f64::NEG_INFINITY]);
    let found = derivatives(&certain, &|x| entropy(x).unwrap());
    assert_eq!(found, (0.0, vec![0.0; 3], vec![0.0; 3]));
}

#[test]
fn a_masked_class_adds_nothing_to_the_entropy() {
    masked_entropy::<f32>();
    masked_entropy::<f64>();
}

#[test]
fn divergences_by_class_are_their_terms() {
    let (q, p) = (row::<f64>(&[0.5, -1.0, 2.0]), row::<f64>(&[0.2, 0.0, 0.8]));
    let none = KlDivergence::new().reduction(Reduction::None);
    let terms = none.clone().by_class(true).forward(&q, &p).unwrap();
    assert_eq!(terms.shape(), [1, 3]);
    let log_q = q.log_softmax(-1).to_vec();
    let expected = [0.2 * (0.2_f64.ln() - log_q[0]), 0.0, 0.8 * (0.8_f64.ln() - log_q[2])];
    for (found, expected) in terms.to_vec().into_iter().zip(expected) {
        assert_relative_eq!(found, expected, max_relative = 1e-14);
    }
    let losses = none.forward(&q, &p).unwrap();
    assert_eq!(losses.shape(), [1]);
    assert_relative_eq!(losses.to_vec()[0], terms.sum().item(), max_relative = 1e-14);
    let mean = KlDivergence::new().by_class(true).forward(&q, &p).unwrap();
    assert_relative_eq!(mean.item(), losses.to_vec()[0] / 3.0, max_relative = 1e-14);
}
