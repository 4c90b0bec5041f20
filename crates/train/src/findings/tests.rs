use downhill_losses::CrossEntropy;
use downhill_nn::{Activation, Mlp};
use downhill_optim::{Adam, Optimizer, Sgd, clip_by_global_norm};
use downhill_tensor::{Gradients, Tensor, parameters};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;

/// Points around the corners of a triangle, and which corner each is near.
struct Points {
    features: Tensor<f64>,
    labels: Vec<usize>,
}

impl Points {
    fn around(count: usize, noise: f64, rng: &mut Xoshiro256PlusPlus) -> Self {
        let (mut features, mut labels) = (Vec::new(), Vec::new());
        for index in 0..count {
            let class = index % 3;
            let angle = class as f64 * std::f64::consts::TAU / 3.0;
            let mut spread = || noise * (0..12).map(|_| rng.random::<f64>() - 0.5).sum::<f64>();
            features.extend([angle.cos() + spread(), angle.sin() + spread()]);
            labels.push(class);
        }
        Self { features: Tensor::from(features).reshape(&[count, 2]), labels }
    }

    /// The rows of one batch of 32, drawn at random.
    fn batch(&self, rng: &mut Xoshiro256PlusPlus) -> Self {
        let rows: Vec<usize> = (0..32).map(|_| rng.random_range(0..self.labels.len())).collect();
        let values = self.features.values();
        let features = rows.iter().flat_map(|&row| [values[2 * row], values[2 * row + 1]]);
        Self {
            features: Tensor::from(features.collect::<Vec<_>>()).reshape(&[32, 2]),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
        }
    }

    fn loss(&self, logits: &Tensor<f64>) -> Tensor<f64> {
        CrossEntropy::new().forward(logits, &self.labels).unwrap()
    }
}

/// What may be wrong with a run.
struct Setup {
    seed: u64,
    sizes: Vec<usize>,
    activation: Activation,
    steps: usize,
    rate: f64,
    clip: f64,
    samples: usize,
    noise: f64,
    softmax: bool,
    /// What the initial weights of the last layer are multiplied by, and what the biases are.
    last_scale: f64,
    bias: f64,
    adam: bool,
}

/// A run that is well.
fn healthy(seed: u64) -> Setup {
    Setup {
        seed,
        sizes: vec![2, 16, 3],
        activation: Activation::Relu,
        steps: 400,
        rate: 0.05,
        clip: f64::INFINITY,
        samples: 600,
        noise: 0.25,
        softmax: false,
        last_scale: 1.0,
        bias: 0.0,
        adam: false,
    }
}

fn train(setup: &Setup) -> History<f64> {
    train_and_ask(setup).0
}

/// The record of a run, and what is found in what its model says of other points.
fn train_and_ask(setup: &Setup) -> (History<f64>, Vec<Finding>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(setup.seed);
    let data = Points::around(setup.samples, setup.noise, &mut rng);
    let test = Points::around(300, setup.noise, &mut rng);
    let mut model: Mlp<f64> = Mlp::new(&setup.sizes, &mut rng).activation(setup.activation);
    let last = model.layers.len() - 1;
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let scale = if index == last { setup.last_scale } else { 1.0 };
        layer.weight.update(|weights| weights.iter_mut().for_each(|weight| *weight *= scale));
        if index < last
            && let Some(bias) = &mut layer.bias
        {
            bias.update(|biases| biases.fill(setup.bias));
        }
    }
    let logits = |model: &Mlp<f64>, features: &Tensor<f64>| match setup.softmax {
        true => model.forward(features).softmax(-1),
        false => model.forward(features),
    };
    let (mut sgd, mut adam) = (Sgd::new(setup.rate), Adam::new(setup.rate));
    let mut history = History::new(&model).every(2);
    for step in 0..setup.steps {
        let batch = data.batch(&mut rng);
        let loss = batch.loss(&logits(&model, &batch.features));
        let mut gradients: Gradients<f64> = loss.backward();
        if setup.clip.is_finite() {
            clip_by_global_norm(&mut gradients, setup.clip).unwrap();
        }
        let stepped = match setup.adam {
            true => adam.step(&mut model, &gradients),
            false => sgd.step(&mut model, &gradients),
        };
        history.step(&model, &gradients, &loss, setup.rate);
        if stepped.is_err() {
            break;
        }
        if step % 20 == 19 {
            let training = data.loss(&logits(&model, &data.features)).item();
            let held_out = test.loss(&logits(&model, &test.features)).item();
            history.epoch(&[("training loss", training), ("test loss", held_out)]);
        }
    }
    let asked = logits(&model, &test.features);
    let found = Finding::of_predictions(&asked, &test.labels, &["0", "1", "2"]).unwrap();
    (history, found)
}

#[track_caller]
fn assert_found(ailment: Ailment, history: &History<f64>) -> Finding {
    let findings = history.findings();
    let found = findings.iter().find(|finding| finding.ailment == ailment);
    found.unwrap_or_else(|| panic!("no {ailment:?} among {findings:?}")).clone()
}

#[test]
fn nothing_is_found_in_runs_that_are_well() {
    for seed in 0..10 {
        let mut setup = healthy(seed);
        // Of several kinds.
        setup.adam = seed % 2 == 1;
        setup.rate = if setup.adam { 3e-3 } else { 0.05 };
        setup.activation =
            [Activation::Relu, Activation::Tanh, Activation::Gelu][seed as usize % 3];
        if seed % 4 == 3 {
            setup.sizes = vec![2, 32, 32, 3];
        }
        let (history, of_predictions) = train_and_ask(&setup);
        assert_eq!((history.findings(), of_predictions), (vec![], vec![]), "seed {seed}");
    }
}

#[test]
fn a_softmax_before_the_loss_is_found() {
    let found = assert_found(Ailment::SoftmaxTwice, &train(&Setup { softmax: true, ..healthy(0) }));
    // ln(1 + 2/e)
    assert!(found.observation.contains("0.551 nats"), "{found}");
}

#[test]
fn a_model_that_is_sure_before_it_has_learned_is_found() {
    let found = assert_found(Ailment::BadStart, &train(&Setup { last_scale: 30.0, ..healthy(0) }));
    assert!(found.observation.contains("ln 3 = 1.1"), "{found}");
}

#[test]
fn a_loss_that_is_not_finite_is_found() {
    let setup = Setup { rate: 1e200, ..healthy(0) };
    let found = assert_found(Ailment::NotFinite, &train(&setup));
    assert!(found.observation.starts_with("Diverged at step 2: the loss is inf."), "{found}");
}

#[test]
fn the_step_that_cannot_be_made_is_found_wherever_it_is() {
    // The square root has an infinite slope at 0, where its value is finite.
    for steps in [0, 1, 5, 300] {
        let mut weight = Tensor::parameter(steps as f64);
        let mut history = History::new(&weight);
        for step in 0..=steps {
            let loss = weight.sqrt();
            let gradients = loss.backward();
            if step == steps {
                history.diverged(&weight, &gradients, &loss, 1.0);
                break;
            }
            weight.update(|weight| weight[0] -= 1.0);
            history.step(&weight, &gradients, &loss, 1.0);
        }
        assert_eq!(history.losses().len(), steps + 1);
        assert_eq!(
            (history.diverged_at(), history.measurements().last().unwrap().0),
            (Some(steps), steps)
        );
        let found = assert_found(Ailment::NotFinite, &history);
        let observation = format!("Diverged at step {}: a gradient is not finite.", steps + 1);
        assert_eq!(found.observation, observation);
    }
}

#[test]
fn steps_that_are_too_small_or_too_large_are_found() {
    let small = assert_found(Ailment::SmallSteps, &train(&Setup { rate: 1e-7, ..healthy(0) }));
    assert!(small.observation.contains("layers.0"), "{small}");
    assert!(small.advice.contains("ten times the learning rate"), "{small}");
    // Each step goes from one side of the valley to the other.
    let mut weight = Tensor::parameter(1.0);
    let mut history = History::new(&weight).every(1);
    for _ in 0..20 {
        let loss = weight.square();
        let gradients = loss.backward();
        weight.update(|weight| weight[0] *= -0.9);
        history.step(&weight, &gradients, &loss, 0.95);
    }
    let large = assert_found(Ailment::LargeSteps, &history);
    assert!(large.observation.contains("weights of model: 1.9 of their length"), "{large}");
}

#[test]
fn gradients_that_vanish_or_explode_are_found() {
    let sizes = [&[2][..], &[16; 14], &[3]].concat();
    let deep = Setup { sizes, activation: Activation::Sigmoid, steps: 100, ..healthy(0) };
    let found = assert_found(Ailment::VanishingGradients, &train(&deep));
    assert!(found.observation.contains("layers.0"), "{found}");
    // The rate suits the last layers, so it is not what has to be raised.
    let small = assert_found(Ailment::SmallSteps, &train(&deep));
    assert!(small.advice.contains("other initial weights"), "{small}");

    // A first layer whose output is multiplied a million times.
    let mut layers: Vec<Vec<Tensor<f64>>> = (0..2).map(|_| vec![Tensor::parameter(1.0)]).collect();
    let mut history = History::new(&layers);
    let loss = &layers[0][0] * 1e6 + &layers[1][0];
    let gradients = loss.backward();
    layers[0][0].update(|weight| weight[0] -= 1e-3);
    history.step(&layers, &gradients, &loss, 1e-9);
    let found = assert_found(Ailment::ExplodingGradients, &history);
    assert!(
        found.observation.contains("a weight of layer 1 gets 1e−6 of what one of layer 0 gets"),
        "{found}"
    );

    // w⁴ with a rate that is too large.
    let mut weight = Tensor::parameter(1.0);
    let mut history = History::new(&weight).every(1);
    for _ in 0..5 {
        let loss = weight.powi(4);
        let gradients = loss.backward();
        let gradient = gradients.get(&weight).unwrap().item();
        weight.update(|weight| weight[0] -= 0.6 * gradient);
        history.step(&weight, &gradients, &loss, 0.6);
    }
    let found = assert_found(Ailment::ExplodingGradients, &history);
    assert!(found.observation.contains(" at step 4, where 558 was "), "{found}");
}

#[test]
fn dead_units_are_found() {
    let found = assert_found(Ailment::DeadUnits, &train(&Setup { bias: -50.0, ..healthy(0) }));
    assert!(found.observation.starts_with("16 of the 16 units of layers.0"), "{found}");
}

#[test]
fn clipping_at_every_step_is_found() {
    let found = assert_found(Ailment::AlwaysClipped, &train(&Setup { clip: 1e-3, ..healthy(0) }));
    assert!(found.observation.contains("the norm 0.001"), "{found}");
}

#[test]
fn overfitting_is_found_with_its_epoch() {
    let setup = Setup {
        sizes: vec![2, 64, 3],
        samples: 30,
        noise: 1.0,
        steps: 1500,
        rate: 0.01,
        adam: true,
        ..healthy(0)
    };
    let found = assert_found(Ailment::Overfitting, &train(&setup));
    assert!(found.observation.starts_with("Overfitting from epoch "), "{found}");
}

#[test]
fn a_rate_at_the_edge_of_stability_is_found() {
    // eʷ − w has the curvature 1 at its minimum, so that a rate above 2 goes around it for ever.
    let descend = |rate: f64| {
        let mut weight = Tensor::parameter(0.5);
        let mut history = History::new(&weight);
        for _ in 0..200 {
            let loss = weight.exp() - &weight;
            let gradients = loss.backward();
            let gradient = gradients.get(&weight).unwrap().item();
            weight.update(|weight| weight[0] -= rate * gradient);
            history.step(&weight, &gradients, &loss, rate);
        }
        history
    };
    assert_found(Ailment::Unstable, &descend(2.2));
    assert!(!descend(1.0).findings().iter().any(|f| f.ailment == Ailment::Unstable));
}

#[test]
fn parameters_without_a_gradient_are_named() {
    struct Model<E: Element> {
        used: Tensor<E>,
        unused: Vec<Tensor<E>>,
    }
    parameters!(Model<E> { used, unused });
    let unused = (0..5).map(|_| Tensor::parameter(1.0)).collect();
    let mut model = Model { used: Tensor::parameter(2.0_f64), unused };
    let mut history = History::new(&model);
    for _ in 0..9 {
        let loss = model.used.square();
        let gradients = loss.backward();
        model.used.update(|value| value[0] *= 0.9);
        history.step(&model, &gradients, &loss, 0.1);
    }
    assert_eq!(history.without_gradient_names().len(), 5);
    let found = assert_found(Ailment::NoGradient, &history);
    let expected = "No gradient has reached unused.0, unused.1, unused.2 and 2 more, in any of 2 \
                    measured steps.";
    assert_eq!(found.observation, expected);
}

#[test]
fn a_class_that_is_never_predicted_is_named() {
    let rows: Vec<f64> = (0..60).flat_map(|row| [2.0, f64::from(row % 3), -1.0]).collect();
    let logits = Tensor::from(rows).reshape(&[60, 3]);
    let labels: Vec<usize> = (0..60).map(|row| if row < 6 { 2 } else { row % 2 }).collect();
    let names = ["cat", "dog", "rare"];
    let [found] = &Finding::of_predictions(&logits, &labels, &names).unwrap()[..] else {
        panic!("one finding")
    };
    assert_eq!(found.ailment, Ailment::ClassNeverPredicted);
    assert!(found.observation.contains("dog, rare, though 33 of 60 are"), "{found}");
    let probabilities = logits.softmax(-1);
    let findings = Finding::of_predictions(&probabilities, &labels, &names).unwrap();
    assert_eq!(findings[0].ailment, Ailment::SoftmaxTwice);
}

#[test]
fn a_confidence_that_is_not_deserved_is_found_and_one_that_is_deserved_is_not() {
    // Right in three of four cases, at a confidence of 3/4 and of 98 %.
    let sure = |gap: f64| -> Vec<Finding> {
        let rows: Vec<f64> =
            (0..200).flat_map(|row| if row % 2 == 0 { [gap, 0.0] } else { [0.0, gap] }).collect();
        let labels: Vec<usize> =
            (0..200).map(|row| if row % 8 < 2 { 1 - row % 2 } else { row % 2 }).collect();
        let logits = Tensor::from(rows).reshape(&[200, 2]);
        Finding::of_predictions(&logits, &labels, &["no", "yes"]).unwrap()
    };
    assert_eq!(sure(3_f64.ln()), []);
    let [found] = &sure(4.0)[..] else { panic!("one finding") };
    assert_eq!(found.ailment, Ailment::Overconfident);
    assert!(found.observation.contains("98.2 % on the mean, and right in 75.0 %"), "{found}");
    assert!(found.advice.contains("A temperature of 3.64"), "{found}"); // 4 / ln 3
}
