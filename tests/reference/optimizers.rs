//! Optimizers, step by step.

use std::collections::BTreeMap;

use approx::assert_abs_diff_eq;
use downhill::losses::CrossEntropy;
use downhill::optim::{
    Adagrad, Adam, AdamW, Lbfgs, Lion, Muon, MuonScale, Optimizer, ParameterGroup, RmsProp, Sgd,
};
use downhill::tensor::{Parameters, Path, Tensor};
use serde_json::Value;

use super::{Reference, count, flag, number, text};

/// What is minimised: the weights by name, and the data that the loss is computed from.
pub(super) struct Problem {
    pub(super) weights: BTreeMap<String, Tensor<f64>>,
    pub(super) data: Option<(Tensor<f64>, Vec<usize>)>,
}

impl Parameters<f64> for Problem {
    fn visit(&self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &Tensor<f64>)) {
        for (name, weight) in &self.weights {
            visitor(path.field(name), weight);
        }
    }

    fn visit_mut(&mut self, path: Path<'_>, visitor: &mut dyn FnMut(Path<'_>, &mut Tensor<f64>)) {
        for (name, weight) in &mut self.weights {
            visitor(path.field(name), weight);
        }
    }
}

impl Problem {
    /// The problem of a case, with the weights that the case starts from.
    fn new(reference: &Reference, case: &Value) -> Self {
        let weights = weights_after(reference, case, 0);
        let parameter = |(name, weight)| (name, Tensor::parameter(weight));
        let data = (text(case, "problem") == "network").then(|| {
            let inputs = &case["inputs"];
            let labels = reference.array(&inputs["labels"]).to_vec();
            let labels = labels.into_iter().map(|label| label as usize).collect();
            (reference.array(&inputs["features"]), labels)
        });
        Self { weights: weights.into_iter().map(parameter).collect(), data }
    }

    fn loss(&self) -> Tensor<f64> {
        let Some((features, labels)) = &self.data else {
            let point = &self.weights["point"];
            let (x, y) = (point.slice(0, 0..1), point.slice(0, 1..2));
            return ((1.0 - &x).square() + 100.0 * (y - x.square()).square()).sum();
        };
        let layer = |x: &Tensor<f64>, name: &str| {
            x.linear(
                &self.weights[&format!("{name}.weight")],
                &self.weights[&format!("{name}.bias")],
            )
        };
        let hidden = layer(features, "hidden").tanh();
        CrossEntropy::new().forward(&layer(&hidden, "output"), labels).unwrap()
    }

    #[track_caller]
    fn assert_is_at(&self, reference: &Reference, case: &Value, step: usize) {
        for (name, expected) in weights_after(reference, case, step) {
            let (found, expected) = (self.weights[&name].to_vec(), expected.to_vec());
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.into_iter().zip(expected) {
                assert!(
                    (found - expected).abs() <= 1e-10,
                    "{}: after {step} steps {name} holds {found} instead of {expected}",
                    case["id"]
                );
            }
        }
    }
}

/// The weights of a case after `step` steps.
fn weights_after(
    reference: &Reference,
    case: &Value,
    step: usize,
) -> BTreeMap<String, Tensor<f64>> {
    let weights = case["weights"].as_object().unwrap();
    let at_step = |(name, path): (&String, &Value)| {
        let weight = reference.array(path).slice(0, step..step + 1).squeeze(0);
        // PyTorch's matrices are [outputs, inputs].
        (name.clone(), if weight.ndim() == 2 { weight.transpose() } else { weight })
    };
    weights.iter().map(at_step).collect()
}

fn optimizer(case: &Value) -> Box<dyn Optimizer<f64>> {
    let options = &case["options"];
    let get = |name: &str| number(options, name);
    let (learning_rate, weight_decay) = (get("learning_rate"), get("weight_decay"));
    match text(case, "optimizer") {
        "Sgd" => Box::new(
            Sgd::new(learning_rate)
                .weight_decay(weight_decay)
                .momentum(get("momentum"))
                .dampening(get("dampening"))
                .nesterov(flag(options, "nesterov")),
        ),
        "Adagrad" => Box::new(
            Adagrad::new(learning_rate)
                .weight_decay(weight_decay)
                .learning_rate_decay(get("learning_rate_decay"))
                .initial_accumulator(get("initial_accumulator"))
                .epsilon(get("epsilon")),
        ),
        "RmsProp" => Box::new(
            RmsProp::new(learning_rate)
                .weight_decay(weight_decay)
                .alpha(get("alpha"))
                .epsilon(get("epsilon"))
                .momentum(get("momentum"))
                .centered(flag(options, "centered")),
        ),
        "Adam" => Box::new(
            Adam::new(learning_rate)
                .weight_decay(weight_decay)
                .betas(get("beta1"), get("beta2"))
                .epsilon(get("epsilon"))
                .amsgrad(flag(options, "amsgrad")),
        ),
        "AdamW" => Box::new(
            AdamW::new(learning_rate)
                .weight_decay(weight_decay)
                .betas(get("beta1"), get("beta2"))
                .epsilon(get("epsilon"))
                .amsgrad(flag(options, "amsgrad")),
        ),
        "Lion" => Box::new(
            Lion::new(learning_rate).weight_decay(weight_decay).betas(get("beta1"), get("beta2")),
        ),
        "Muon" => {
            let coefficients = options["ns_coefficients"].as_array().unwrap();
            let scale = match text(options, "adjust_learning_rate") {
                "original" => MuonScale::Spectral,
                "match_rms_adamw" => MuonScale::MatchAdamW,
                other => panic!("unknown adjustment {other}"),
            };
            Box::new(
                Muon::new(learning_rate)
                    .weight_decay(weight_decay)
                    .momentum(get("momentum"))
                    .nesterov(flag(options, "nesterov"))
                    .coefficients([0, 1, 2].map(|index| coefficients[index].as_f64().unwrap()))
                    .iterations(count(options, "ns_steps") as usize)
                    .epsilon(get("epsilon"))
                    .scale(scale)
                    .group(ParameterGroup::matching("*.bias").frozen()),
            )
        }
        other => panic!("unknown optimizer {other}"),
    }
}

#[test]
fn every_optimizer_follows_the_reference_step_by_step() {
    let reference = Reference::read("optimizers.safetensors", 45);
    for case in reference.cases.iter().filter(|case| case["optimizer"] != "Lbfgs") {
        let mut problem = Problem::new(&reference, case);
        let steps = count(case, "steps") as usize;
        let losses = reference.array(&case["losses"]).to_vec();
        assert_eq!(losses.len(), steps + 1);
        let mut optimizer = optimizer(case);
        for (step, &expected) in losses.iter().enumerate() {
            problem.assert_is_at(&reference, case, step);
            let loss = problem.loss();
            assert_abs_diff_eq!(loss.item(), expected, epsilon = 1e-10);
            let gradients = loss.backward();
            optimizer.step(&mut problem, &gradients).unwrap();
        }
    }
}

#[test]
fn a_restored_optimizer_follows_the_reference_on() {
    let reference = Reference::read("optimizers.safetensors", 45);
    for case in reference.cases.iter().filter(|case| case["optimizer"] != "Lbfgs") {
        let mut problem = Problem::new(&reference, case);
        let mut first = optimizer(case);
        for _ in 0..20 {
            let gradients = problem.loss().backward();
            first.step(&mut problem, &gradients).unwrap();
        }
        // A new process would make the model anew: its parameters have other identities.
        let mut resumed = optimizer(case);
        let state = first.state(&problem).unwrap();
        for weight in problem.weights.values_mut() {
            *weight = Tensor::parameter(&*weight);
        }
        resumed.restore(&problem, &state).unwrap();
        for step in 20..50 {
            problem.assert_is_at(&reference, case, step);
            let gradients = problem.loss().backward();
            resumed.step(&mut problem, &gradients).unwrap();
        }
        problem.assert_is_at(&reference, case, 50);
    }
}

/// The optimizer of a case, and how many steps it makes on the way to entry `entry`.
fn lbfgs(case: &Value, entry: usize) -> (Lbfgs<f64>, usize) {
    let options = &case["options"];
    let optimizer = Lbfgs::new()
        .learning_rate(number(options, "learning_rate"))
        .history_size(count(options, "history_size") as usize)
        .gradient_tolerance(0.0)
        .change_tolerance(0.0);
    match options["iterations_a_step"].as_u64() {
        Some(iterations) => (optimizer.max_iterations(iterations as usize), entry),
        None => (optimizer.max_iterations(entry).max_evaluations(1_000_000), 1),
    }
}

#[test]
fn lbfgs_follows_the_reference_iteration_by_iteration() {
    let reference = Reference::read("optimizers.safetensors", 45);
    let cases = reference.cases.iter().filter(|case| case["optimizer"] == "Lbfgs");
    assert_eq!(cases.clone().count(), 6);
    for case in cases {
        let losses = reference.array(&case["losses"]).to_vec();
        let evaluations = reference.array(&case["evaluations"]).to_vec();
        for step in 1..=count(case, "steps") as usize {
            let mut problem = Problem::new(&reference, case);
            let (mut optimizer, steps) = lbfgs(case, step);
            let (mut evaluated, mut loss) = (0, f64::NAN);
            for _ in 0..steps {
                let outcome = optimizer
                    .step(&mut problem, |problem| {
                        let loss = problem.loss();
                        let gradients = loss.backward();
                        Ok((loss, gradients))
                    })
                    .unwrap();
                evaluated += outcome.evaluations;
                loss = outcome.loss;
            }
            problem.assert_is_at(&reference, case, step);
            assert_abs_diff_eq!(loss, losses[step], epsilon = 1e-10);
            assert_eq!(evaluated as f64, evaluations[step], "{}", case["id"]);
        }
    }
}

#[test]
fn lbfgs_finds_the_minimum_of_rosenbrocks_function_in_60_evaluations() {
    let point = Tensor::parameter([-1.2, 1.0]);
    let mut problem = Problem { weights: [("point".to_owned(), point)].into(), data: None };
    let outcome = Lbfgs::new()
        .max_iterations(100)
        .max_evaluations(60)
        .gradient_tolerance(1e-10)
        .change_tolerance(0.0)
        .step(&mut problem, |problem| {
            let loss = problem.loss();
            let gradients = loss.backward();
            Ok((loss, gradients))
        })
        .unwrap();
    assert!(outcome.evaluations <= 60, "{outcome:?}");
    assert!(problem.loss().item() <= 1e-10, "{outcome:?}");
    for &coordinate in &problem.weights["point"].to_vec() {
        assert_abs_diff_eq!(coordinate, 1.0, epsilon = 1e-10);
    }
}
