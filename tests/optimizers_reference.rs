//! Optimizers, schedules and clipping against the figures of PyTorch, optax and scikit-learn in
//! `tests/reference`, whose README.md says what each case holds.

use std::collections::{BTreeMap, HashMap};

use approx::{assert_abs_diff_eq, assert_relative_eq};
use downhill::datasets::{Csv, Standardizer};
use downhill::losses::{CrossEntropy, Reduction};
use downhill::optim::{
    Adagrad, Adam, AdamW, Lbfgs, Lion, Muon, MuonScale, OneCycle, Optimizer, ParameterGroup,
    ReduceOnPlateau, RmsProp, Schedule, Sgd, Threshold, clip_by_global_norm, clip_by_norm,
    clip_by_value,
};
use downhill::tensor::{Gradients, Parameters, Path, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;

/// A file of reference figures.
struct Reference {
    cases: Vec<Value>,
    arrays: HashMap<String, Tensor<f64>>,
}

impl Reference {
    /// Reads a file, which must hold `count` cases: every one is to be tested.
    fn read(name: &str, count: usize) -> Self {
        let path = format!("{}/tests/reference/{name}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = &header.metadata().as_ref().unwrap()["cases"];
        let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
        assert_eq!(cases.len(), count, "{name}");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let arrays = file.iter().map(|(name, view)| (name.to_owned(), array(&view))).collect();
        Self { cases, arrays }
    }

    fn array(&self, name: &Value) -> Tensor<f64> {
        self.arrays[name.as_str().unwrap_or_else(|| panic!("{name} names no array"))].clone()
    }
}

/// Numbers as f64, which holds the labels and counts of the files exactly.
fn array(view: &TensorView<'_>) -> Tensor<f64> {
    let (numbers, _) = view.data().as_chunks::<8>();
    let values = match view.dtype() {
        Dtype::F64 => numbers.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        Dtype::I64 => numbers.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64).collect(),
        other => panic!("unexpected {other:?}"),
    };
    Tensor::from_shape_vec(view.shape(), values).unwrap()
}

fn number(options: &Value, name: &str) -> f64 {
    options[name].as_f64().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn count(options: &Value, name: &str) -> u64 {
    options[name].as_u64().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn flag(options: &Value, name: &str) -> bool {
    options[name].as_bool().unwrap_or_else(|| panic!("{name} of {options}"))
}

fn text<'a>(options: &'a Value, name: &str) -> &'a str {
    options[name].as_str().unwrap_or_else(|| panic!("{name} of {options}"))
}

/// What is minimised: the weights by name, and the data that the loss is computed from.
struct Problem {
    weights: BTreeMap<String, Tensor<f64>>,
    data: Option<(Tensor<f64>, Vec<usize>)>,
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

/// The weights of a case after so many steps.
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
    let reference = Reference::read("optimizers.safetensors", 42);
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
    let reference = Reference::read("optimizers.safetensors", 42);
    for case in reference.cases.iter().filter(|case| case["optimizer"] != "Lbfgs") {
        let mut problem = Problem::new(&reference, case);
        let mut first = optimizer(case);
        for _ in 0..20 {
            let gradients = problem.loss().backward();
            first.step(&mut problem, &gradients).unwrap();
        }
        // A new process would make the model anew: its parameters have other identities.
        let mut resumed = optimizer(case);
        let state = first.state(&problem);
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

fn lbfgs(case: &Value) -> Lbfgs<f64> {
    let options = &case["options"];
    Lbfgs::new()
        .learning_rate(number(options, "learning_rate"))
        .history_size(count(options, "history_size") as usize)
        .max_evaluations(1_000_000)
        .gradient_tolerance(0.0)
        .change_tolerance(0.0)
}

#[test]
fn lbfgs_follows_the_reference_iteration_by_iteration() {
    let reference = Reference::read("optimizers.safetensors", 42);
    let cases = reference.cases.iter().filter(|case| case["optimizer"] == "Lbfgs");
    assert_eq!(cases.clone().count(), 3);
    for case in cases {
        let losses = reference.array(&case["losses"]).to_vec();
        let evaluations = reference.array(&case["evaluations"]).to_vec();
        for step in 1..=count(case, "steps") as usize {
            let mut problem = Problem::new(&reference, case);
            let outcome = lbfgs(case)
                .max_iterations(step)
                .step(&mut problem, |problem| {
                    let loss = problem.loss();
                    let gradients = loss.backward();
                    Ok((loss, gradients))
                })
                .unwrap();
            problem.assert_is_at(&reference, case, step);
            assert_abs_diff_eq!(outcome.loss, losses[step], epsilon = 1e-10);
            assert_eq!(outcome.evaluations as f64, evaluations[step], "{}", case["id"]);
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

#[test]
fn clipped_gradients_are_pytorchs() {
    let reference = Reference::read("clipping.safetensors", 9);
    for case in &reference.cases {
        let names = ["weight", "bias"];
        let inputs = names.map(|name| reference.array(&case["inputs"][name]));
        let parameters = inputs.each_ref().map(Tensor::parameter);
        let mut gradients = Gradients::default();
        for (parameter, input) in parameters.iter().zip(inputs) {
            gradients.insert(parameter, input);
        }
        let limit = number(&case["options"], "limit");
        match text(case, "clip") {
            "global_norm" => {
                let norm = clip_by_global_norm(&mut gradients, limit).unwrap();
                let expected = reference.array(&case["norms"]["all"]).item();
                assert_relative_eq!(norm, expected, max_relative = 1e-14);
            }
            "norm_of_each" => clip_by_norm(&mut gradients, limit).unwrap(),
            "value" => clip_by_value(&mut gradients, limit).unwrap(),
            other => panic!("unknown clipping {other}"),
        }
        for (name, parameter) in names.into_iter().zip(&parameters) {
            let found = gradients.get(parameter).unwrap().to_vec();
            let expected = reference.array(&case["outputs"][name]).to_vec();
            assert_relative_eq!(found[..], expected[..], max_relative = 1e-14);
        }
    }
}

fn schedule(case: &Value) -> Schedule {
    let options = &case["options"];
    let get = |name: &str| number(options, name);
    let steps = |name: &str| count(options, name);
    let schedule = match text(case, "schedule") {
        "step" => Schedule::step(get("learning_rate"), steps("step_size"), get("gamma")),
        "multi_step" => {
            let milestones: Vec<u64> =
                serde_json::from_value(options["milestones"].clone()).unwrap();
            Schedule::multi_step(get("learning_rate"), &milestones, get("gamma"))
        }
        "exponential" => Schedule::exponential(get("learning_rate"), get("gamma")),
        "polynomial" => {
            Schedule::polynomial(get("learning_rate"), steps("total_steps"), get("power"))
        }
        "cosine" => Schedule::cosine(get("learning_rate"), steps("total_steps"), get("minimum")),
        "cosine_with_restarts" => Schedule::cosine_with_restarts(
            get("learning_rate"),
            steps("first_period"),
            steps("period_factor"),
            get("minimum"),
        ),
        "linear" => {
            let [from, to] =
                ["start_factor", "end_factor"].map(|name| get("learning_rate") * get(name));
            Schedule::linear(from, to, steps("total_steps"))
        }
        "chain" => {
            let part = |name: &str| {
                let mut part = serde_json::json!({"options": options[name].clone()});
                part["schedule"] = options[name]["schedule"].clone();
                part["options"]["learning_rate"] = options["learning_rate"].clone();
                schedule(&part)
            };
            Ok(part("first").then(steps("milestone"), part("second")))
        }
        "one_cycle" => {
            let one_cycle = OneCycle {
                warm_up_fraction: get("warm_up_fraction"),
                initial_division: get("initial_division"),
                final_division: get("final_division"),
                linear: text(options, "anneal") == "linear",
                three_phases: flag(options, "three_phases"),
            };
            Schedule::one_cycle(get("max_learning_rate"), steps("total_steps"), one_cycle)
        }
        other => panic!("unknown schedule {other}"),
    };
    schedule.unwrap()
}

fn reduce_on_plateau(options: &Value) -> ReduceOnPlateau {
    let threshold = number(options, "threshold");
    let plateau = ReduceOnPlateau::new(number(options, "learning_rate"))
        .factor(number(options, "factor"))
        .patience(count(options, "patience"))
        .threshold(match text(options, "threshold_mode") {
            "relative" => Threshold::Relative(threshold),
            "absolute" => Threshold::Absolute(threshold),
            other => panic!("unknown mode {other}"),
        })
        .cooldown(count(options, "cooldown"))
        .minimum(number(options, "minimum"))
        .epsilon(number(options, "epsilon"));
    if text(options, "mode") == "max" { plateau.maximize() } else { plateau }
}

#[test]
fn every_schedule_gives_pytorchs_learning_rates() {
    let reference = Reference::read("schedules.safetensors", 33);
    for case in &reference.cases {
        let expected = reference.array(&case["learning_rates"]).to_vec();
        let found: Vec<f64> = if text(case, "schedule") == "reduce_on_plateau" {
            let mut plateau = reduce_on_plateau(&case["options"]);
            let metrics = reference.array(&case["inputs"]["metrics"]).to_vec();
            let reduced = metrics.into_iter().map(|metric| plateau.observe(metric).unwrap());
            std::iter::once(number(&case["options"], "learning_rate")).chain(reduced).collect()
        } else {
            let schedule = schedule(case);
            (0..expected.len() as u64).map(|step| schedule.learning_rate(step)).collect()
        };
        assert_eq!(found.len(), expected.len());
        for (step, (&found, &expected)) in found.iter().zip(&expected).enumerate() {
            // PyTorch computes a rate from the one before, and gathers some rounding.
            assert!(
                (found - expected).abs() <= 1e-12 * expected + 1e-16,
                "{}: the rate of step {step} is {found}, not {expected}",
                case["id"]
            );
        }
    }
}

/// C · Σ cross-entropy + ½ Σ coefficients², by the classes' logits or by one for the second of two.
fn logistic_objective(
    weights: &Problem,
    features: &Tensor<f64>,
    labels: &[usize],
    c: f64,
) -> Tensor<f64> {
    let (coefficients, intercepts) =
        (&weights.weights["coefficients"], &weights.weights["intercepts"]);
    let mut logits = features.linear(coefficients, intercepts);
    if logits.shape()[1] == 1 {
        logits = logits.pad(1, 1, 0, 0.0);
    }
    let cross_entropy = CrossEntropy::new().reduction(Reduction::Sum);
    cross_entropy.forward(&logits, labels).unwrap() * c + coefficients.square().sum() * 0.5
}

#[test]
fn logistic_regression_reaches_scikit_learns_coefficients() {
    let reference = Reference::read("logistic_regression.safetensors", 6);
    for case in &reference.cases {
        let path = format!("{}/{}", env!("CARGO_MANIFEST_DIR"), text(case, "data"));
        let header = std::fs::read_to_string(&path).unwrap();
        let target = header.lines().next().unwrap().rsplit(',').next().unwrap();
        let data = Csv::new(&path).target(target).read_classification::<f64>().unwrap();
        let classes: Vec<String> = serde_json::from_value(case["classes"].clone()).unwrap();
        assert_eq!(data.class_names(), classes);
        let batch = Standardizer::fit(&data).transform(&data).full_batch();

        let [coefficients, intercepts] =
            ["coefficients", "intercepts"].map(|name| reference.array(&case[name]));
        let [outputs, inputs] = coefficients.shape()[..] else { panic!("a matrix is needed") };
        let zeros = |shape: &[usize]| Tensor::parameter(Tensor::zeros(shape));
        let mut weights = Problem {
            weights: [
                ("coefficients".to_owned(), zeros(&[inputs, outputs])),
                ("intercepts".to_owned(), zeros(&[outputs])),
            ]
            .into(),
            data: None,
        };
        let c = number(&case["options"], "C");
        let outcome = Lbfgs::new()
            .max_iterations(200)
            .step(&mut weights, |weights| {
                let loss = logistic_objective(weights, &batch.features, &batch.labels, c);
                let gradients = loss.backward();
                Ok((loss, gradients))
            })
            .unwrap();

        let expected = reference.array(&case["objective"]).item();
        assert_relative_eq!(outcome.loss, expected, max_relative = 1e-8);
        for (name, expected) in
            [("coefficients", coefficients.transpose()), ("intercepts", intercepts)]
        {
            let (found, expected) = (weights.weights[name].to_vec(), expected.to_vec());
            assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-4);
        }
    }
}
