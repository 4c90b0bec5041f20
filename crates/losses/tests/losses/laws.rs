//! What holds between the losses, whatever the numbers.

use downhill_losses::information::{self, Unit};
use downhill_losses::*;
use downhill_tensor::{Element, Tensor};
use proptest::prelude::*;

/// Logits of a batch and their labels.
fn batch() -> impl Strategy<Value = (Tensor<f64>, Vec<usize>)> {
    (1_usize..5, 1_usize..40).prop_flat_map(|(rows, classes)| {
        let logits = prop::collection::vec(-20.0..20.0, rows * classes);
        let labels = prop::collection::vec(0..classes, rows);
        (logits, labels).prop_map(move |(logits, labels)| {
            (Tensor::from_shape_vec(&[rows, classes], logits).unwrap(), labels)
        })
    })
}

/// Two distributions over the same classes; some classes have no probability.
fn distributions() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (2_usize..9).prop_flat_map(|classes| {
        let masses = || {
            let mass = prop_oneof![4 => 0.01..1.0, 1 => Just(0.0)];
            prop::collection::vec(mass, classes - 1).prop_map(|mut masses| {
                masses.push(0.5);
                let sum: f64 = masses.iter().sum();
                masses.iter().map(|mass| mass / sum).collect::<Vec<_>>()
            })
        };
        (masses(), masses())
    })
}

type Loss<'a, E> = &'a dyn Fn(&Tensor<E>) -> Result<Tensor<E>, Error>;

fn value_and_gradient<E: Element>(x: &Tensor<E>, loss: Loss<'_, E>) -> (E, Vec<E>) {
    let x = Tensor::parameter(x);
    let output = loss(&x).unwrap();
    (output.item(), output.backward().get(&x).unwrap().to_vec())
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * a.abs().max(b.abs()).max(1.0)
}

fn all_close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| close(a, b))
}

fn one_row(values: &[f64]) -> Tensor<f64> {
    Tensor::from_shape_vec(&[1, values.len()], values.to_vec()).unwrap()
}

proptest! {
    #[test]
    fn adding_a_number_to_all_logits_changes_nothing((x, labels) in batch(), shift in -50.0..50.0) {
        let loss = CrossEntropy::new().label_smoothing(0.1);
        let (a, b) = (&x, &(&x + shift));
        let (a, b) = (
            value_and_gradient(a, &|x| loss.forward(x, &labels)),
            value_and_gradient(b, &|x| loss.forward(x, &labels)),
        );
        prop_assert!(close(a.0, b.0) && all_close(&a.1, &b.1));
    }

    #[test]
    fn gradient_rows_sum_to_zero((x, labels) in batch()) {
        let classes = x.shape()[1];
        let loss = CrossEntropy::new().label_smoothing(0.1).temperature(0.7);
        let (_, gradient) = value_and_gradient(&x, &|x| loss.forward(x, &labels));
        for row in gradient.chunks_exact(classes) {
            prop_assert!(row.iter().sum::<f64>().abs() < 1e-14);
        }
    }

    #[test]
    fn permuting_classes_permutes_gradients((x, labels) in batch(), step in 1_usize..40) {
        let (rows, classes) = (x.shape()[0], x.shape()[1]);
        let rotate = |class: usize| (class + step) % classes;
        let mut rotated = vec![0.0; x.len()];
        for (position, value) in x.to_vec().into_iter().enumerate() {
            rotated[position / classes * classes + rotate(position % classes)] = value;
        }
        let rotated = Tensor::from_shape_vec(&[rows, classes], rotated).unwrap();
        let new_labels: Vec<usize> = labels.iter().map(|&label| rotate(label)).collect();
        let (a, gradient) = value_and_gradient(&x, &|x| cross_entropy(x, &labels));
        let (b, new_gradient) = value_and_gradient(&rotated, &|x| cross_entropy(x, &new_labels));
        prop_assert!(close(a, b));
        for (position, value) in gradient.into_iter().enumerate() {
            let new = position / classes * classes + rotate(position % classes);
            prop_assert!(close(value, new_gradient[new]));
        }
    }

    #[test]
    fn smoothing_is_a_mixture_with_the_uniform_distribution(
        (x, labels) in batch(),
        smoothing in 0.0..=1.0,
    ) {
        let classes = x.shape()[1];
        let mixed = Tensor::one_hot(&labels, classes) * (1.0 - smoothing)
            + smoothing / classes as f64;
        let loss = CrossEntropy::new().label_smoothing(smoothing);
        let smoothed = value_and_gradient(&x, &|x| loss.forward(x, &labels));
        let mixed = value_and_gradient(&x, &|x| cross_entropy(x, &mixed));
        prop_assert!(close(smoothed.0, mixed.0) && all_close(&smoothed.1, &mixed.1));
    }

    #[test]
    fn equal_weights_change_nothing((x, labels) in batch(), weight in 0.1..10.0) {
        let loss = CrossEntropy::new().label_smoothing(0.1).z_loss(0.01);
        let weighted = loss.clone().class_weights(vec![weight; x.shape()[1]]);
        let plain = value_and_gradient(&x, &|x| loss.forward(x, &labels));
        let weighted = value_and_gradient(&x, &|x| weighted.forward(x, &labels));
        prop_assert!(close(plain.0, weighted.0) && all_close(&plain.1, &weighted.1));
    }

    #[test]
    fn labels_are_distributions_with_one_certain_class((x, labels) in batch()) {
        let certain = Tensor::one_hot(&labels, x.shape()[1]);
        let a = value_and_gradient(&x, &|x| cross_entropy(x, &labels));
        let b = value_and_gradient(&x, &|x| cross_entropy(x, &certain));
        let c = value_and_gradient(&x, &|x| kl_divergence(x, &certain));
        prop_assert!(close(a.0, b.0) && all_close(&a.1, &b.1));
        prop_assert!(close(a.0, c.0) && all_close(&a.1, &c.1));
    }

    #[test]
    fn masking_a_class_is_leaving_it_out((x, labels) in batch(), smoothing in 0.0..=1.0) {
        let [rows, classes] = *x.shape() else { unreachable!() };
        // Whether at the front or the back, the lanes differ.
        let mask = Tensor::full(&[rows, 1], f64::NEG_INFINITY);
        let loss = CrossEntropy::new().label_smoothing(smoothing).z_loss(0.1);
        let left_out = value_and_gradient(&x, &|x| loss.forward(x, &labels));
        let masked = Tensor::concat(&[&mask, &x, &mask], 1);
        let shifted: Vec<usize> = labels.iter().map(|label| label + 1).collect();
        let (value, gradient) = value_and_gradient(&masked, &|x| loss.forward(x, &shifted));
        prop_assert!(close(value, left_out.0));
        for (row, expected) in gradient.chunks_exact(classes + 2).zip(left_out.1.chunks(classes)) {
            prop_assert!(row[0] == 0.0 && row[classes + 1] == 0.0);
            prop_assert!(all_close(&row[1..=classes], expected));
        }
    }

    #[test]
    fn binary_logits_are_two_class_logits_with_zero(z in -200.0..200.0, target in 0.0..=1.0) {
        let (value, gradient) = value_and_gradient(&Tensor::from([z]), &|x| {
            binary_cross_entropy_with_logits(x, &Tensor::from([target]))
        });
        let (expected, both) = value_and_gradient(&Tensor::from([[0.0, z]]), &|x| {
            cross_entropy(x, &Tensor::from([[1.0 - target, target]]))
        });
        prop_assert!(close(value, expected) && close(gradient[0], both[1]));
    }

    #[test]
    fn focal_loss_with_gamma_zero_is_cross_entropy((x, labels) in batch()) {
        let focal = value_and_gradient(&x, &|x| Focal::new().gamma(0.0).forward(x, &labels));
        let plain = value_and_gradient(&x, &|x| cross_entropy(x, &labels));
        prop_assert!(close(focal.0, plain.0) && all_close(&focal.1, &plain.1));
        let hard = Tensor::from(vec![1.0; labels.len()]);
        let z = x.slice(1, ..1).reshape(&[labels.len()]);
        let focal = value_and_gradient(&z, &|x| BinaryFocal::new().gamma(0.0).forward(x, &hard));
        let plain = value_and_gradient(&z, &|x| binary_cross_entropy_with_logits(x, &hard));
        prop_assert!(close(focal.0, plain.0) && all_close(&focal.1, &plain.1));
    }

    #[test]
    fn losses_for_noisy_labels_have_cross_entropy_as_a_limit((x, labels) in batch()) {
        let plain = cross_entropy(&x, &labels).unwrap().item();
        let near = GeneralisedCrossEntropy::new().q(1e-9).forward(&x, &labels).unwrap().item();
        prop_assert!((near - plain).abs() < 1e-6 * plain.max(1.0));
        let poly = Poly1::new().epsilon(0.0).forward(&x, &labels).unwrap().item();
        let symmetric = SymmetricCrossEntropy::new().alpha(1.0).beta(0.0);
        prop_assert!(close(poly, plain));
        prop_assert!(close(symmetric.forward(&x, &labels).unwrap().item(), plain));
    }

    #[test]
    fn negative_log_likelihood_of_log_softmax_is_cross_entropy((x, labels) in batch()) {
        let weights: Vec<f64> = (0..x.shape()[1]).map(|class| 0.5 + class as f64).collect();
        let composed = NegativeLogLikelihood::new().class_weights(weights.clone());
        let composed = value_and_gradient(&x, &|x| composed.forward(&x.log_softmax(-1), &labels));
        let fused = CrossEntropy::new().class_weights(weights);
        let fused = value_and_gradient(&x, &|x| fused.forward(x, &labels));
        prop_assert!(close(fused.0, composed.0) && all_close(&fused.1, &composed.1));
    }

    #[test]
    fn cross_entropy_is_entropy_plus_divergence((p, q) in distributions()) {
        for unit in [Unit::Nats, Unit::Bits] {
            let entropy = information::entropy(&p, unit).unwrap();
            let cross_entropy = information::cross_entropy(&p, &q, unit).unwrap();
            let divergence = information::kl_divergence(&p, &q, unit).unwrap();
            prop_assert!(close(cross_entropy, entropy + divergence));
            prop_assert!(cross_entropy >= entropy - 1e-12);
        }
    }

    #[test]
    fn divergences_are_zero_between_equals_only((p, q) in distributions()) {
        let distance = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>();
        let kl = information::kl_divergence(&p, &q, Unit::Nats).unwrap();
        // Pinsker's inequality.
        prop_assert!(kl >= distance * distance / 2.0 - 1e-12);
        prop_assert!(information::kl_divergence(&p, &p, Unit::Nats).unwrap() == 0.0);
        let js = information::jensen_shannon_divergence(&p, &q, Unit::Bits).unwrap();
        let mirrored = information::jensen_shannon_divergence(&q, &p, Unit::Bits).unwrap();
        prop_assert!(close(js, mirrored) && js <= 1.0 + 1e-12);
        prop_assert!(js >= distance * distance / 8.0 - 1e-12);
        prop_assert!(information::jensen_shannon_divergence(&p, &p, Unit::Bits).unwrap() == 0.0);
    }

    #[test]
    fn losses_of_distributions_are_the_measures_of_information((p, q) in distributions()) {
        let (truth, model) = (one_row(&p), one_row(&q));
        let (logits, nats) = (model.ln(), Unit::Nats);
        let cross = information::cross_entropy(&p, &q, nats).unwrap();
        let kl = information::kl_divergence(&p, &q, nats).unwrap();
        let js = information::jensen_shannon_divergence(&p, &q, nats).unwrap();
        let entropy = information::entropy(&p, nats).unwrap();
        prop_assert!(close(cross_entropy(&logits, &truth).unwrap().item(), cross));
        prop_assert!(close(kl_divergence(&logits, &truth).unwrap().item(), kl));
        prop_assert!(close(jensen_shannon_divergence(&logits, &truth).unwrap().item(), js));
        for input in [Form::Logits, Form::LogProbabilities] {
            for (form, target) in [(Form::Probabilities, &truth), (Form::LogProbabilities, &truth.ln())] {
                let loss = KlDivergence::new().input(input).target(form);
                prop_assert!(close(loss.forward(&logits, target).unwrap().item(), kl));
                let loss = JensenShannonDivergence::new().input(input).target(form);
                prop_assert!(close(loss.forward(&logits, target).unwrap().item(), js));
            }
        }
        prop_assert!(close(information::perplexity(&p, &p).unwrap(), entropy.exp()));
    }

    #[test]
    fn distillation_at_temperature_one_is_the_divergence((x, labels) in batch()) {
        let teacher = x.cos() * 3.0;
        let _ = labels;
        let distilled = value_and_gradient(&x, &|x| knowledge_distillation(x, &teacher, 1.0));
        let plain = value_and_gradient(&x, &|x| kl_divergence(x, &teacher.softmax(-1)));
        prop_assert!(close(distilled.0, plain.0) && all_close(&distilled.1, &plain.1));
    }

    #[test]
    fn regression_losses_meet_at_their_limits(x in prop::collection::vec(-5.0..5.0, 1..9)) {
        let (x, zero) = (Tensor::from(x.clone()), Tensor::zeros(&[x.len()]));
        let squared = mean_squared_error(&x, &zero).unwrap().item();
        let absolute = mean_absolute_error(&x, &zero).unwrap().item();
        let huber = |delta| Huber::new().delta(delta).forward(&x, &zero).unwrap().item();
        let smooth = |beta| SmoothL1::new().beta(beta).forward(&x, &zero).unwrap().item();
        prop_assert!(close(huber(10.0), squared / 2.0));
        prop_assert!(close(smooth(0.7), huber(0.7) / 0.7));
        prop_assert!(close(smooth(0.0), absolute));
        let median = Quantile::new().forward(&x, &zero).unwrap().item();
        prop_assert!(close(median, absolute / 2.0));
        let log_cosh = log_cosh(&x, &zero).unwrap().item();
        prop_assert!(log_cosh <= absolute && log_cosh >= absolute - 2.0_f64.ln());
    }
}
