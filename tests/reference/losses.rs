//! Losses and their gradients.

use std::collections::BTreeMap;

use downhill::losses::{
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, BinaryFocal, BinaryHinge, CrossEntropy,
    Error, Focal, Form, GaussianNegativeLogLikelihood, GeneralisedCrossEntropy, Huber,
    JensenShannonDivergence, KlDivergence, KnowledgeDistillation, LogCosh, MeanAbsoluteError,
    MeanSquaredError, MulticlassHinge, NegativeLogLikelihood, PoissonNegativeLogLikelihood, Poly1,
    Quantile, Reduction, SmoothL1, SymmetricCrossEntropy,
};
use downhill::tensor::{Element, Tensor};
use ndarray::ArrayD;
use serde_json::Value;

use super::Reference;

/// How many cases there are of each type; none may be passed over.
const CASES: [(&str, usize); 2] = [("f64", 340), ("f32", 156)];

/// One case, and what of it becomes parameters.
struct Case<'a, E: Element> {
    reference: &'a Reference,
    description: &'a Value,
    parameters: BTreeMap<&'a str, Tensor<E>>,
}

impl<'a, E: Element> Case<'a, E> {
    fn new(reference: &'a Reference, description: &'a Value) -> Self {
        let mut case = Self { reference, description, parameters: BTreeMap::new() };
        for role in description["gradients"].as_object().unwrap().keys() {
            let values = case.numbers(&description["inputs"][role]).unwrap().mapv(E::from_f64);
            case.parameters.insert(role, Tensor::parameter(Tensor::from(values)));
        }
        case
    }

    fn numbers(&self, name: &Value) -> Option<&'a ArrayD<f64>> {
        let array = &self.reference.arrays[name.as_str()?];
        (!array.is_of_integers).then_some(&array.values)
    }

    fn tensor(&self, role: &str) -> Tensor<E> {
        self.parameters.get(role).cloned().unwrap_or_else(|| {
            let array = self.numbers(&self.description["inputs"][role]);
            array
                .unwrap_or_else(|| panic!("{role} of {}", self.description))
                .mapv(E::from_f64)
                .into()
        })
    }

    fn labels(&self) -> Option<ArrayD<usize>> {
        let array = &self.reference.arrays[self.description["inputs"]["target"].as_str()?];
        array.is_of_integers.then(|| array.values.mapv(|label| label as usize))
    }

    fn weights(&self, role: &str) -> Option<Vec<f64>> {
        Some(self.numbers(&self.description["inputs"][role])?.iter().copied().collect())
    }

    fn option(&self, name: &str) -> f64 {
        let value = &self.description["options"][name];
        value.as_f64().unwrap_or_else(|| panic!("{name} of {}", self.description))
    }

    fn flag(&self, name: &str) -> bool {
        let value = &self.description["options"][name];
        value.as_bool().unwrap_or_else(|| panic!("{name} of {}", self.description))
    }

    fn form(&self, name: &str) -> Form {
        match self.description["options"][name].as_str() {
            Some("logits") => Form::Logits,
            Some("log_probabilities") => Form::LogProbabilities,
            Some("probabilities") => Form::Probabilities,
            _ => panic!("{name} of {}", self.description),
        }
    }

    fn loss(&self) -> Result<Tensor<E>, Error> {
        let options = &self.description["options"];
        let reduction = match options["reduction"].as_str() {
            Some("none") => Reduction::None,
            Some("mean") => Reduction::Mean,
            Some("sum") => Reduction::Sum,
            _ => panic!("reduction of {}", self.description),
        };
        let input = self.tensor("input");
        let target = || self.tensor("target");
        let labels = || self.labels().unwrap();
        match self.description["loss"].as_str().unwrap() {
            "cross_entropy" => {
                let mut loss = CrossEntropy::new()
                    .label_smoothing(self.option("label_smoothing"))
                    .temperature(self.option("temperature"))
                    .z_loss(self.option("z_loss"))
                    .reduction(reduction);
                if let Some(weights) = self.weights("class_weights") {
                    loss = loss.class_weights(weights);
                }
                if let Some(label) = options["ignore_index"].as_u64() {
                    loss = loss.ignore_index(label as usize);
                }
                match self.labels() {
                    Some(labels) => loss.forward(&input, &labels),
                    None => loss.forward(&input, &target()),
                }
            }
            "negative_log_likelihood" => {
                let mut loss = NegativeLogLikelihood::new().reduction(reduction);
                if let Some(weights) = self.weights("class_weights") {
                    loss = loss.class_weights(weights);
                }
                if let Some(label) = options["ignore_index"].as_u64() {
                    loss = loss.ignore_index(label as usize);
                }
                loss.forward(&input, &labels())
            }
            "focal" => {
                let mut loss = Focal::new().gamma(self.option("gamma")).reduction(reduction);
                if let Some(alpha) = self.weights("alpha") {
                    loss = loss.alpha(alpha);
                }
                loss.forward(&input, &labels())
            }
            "poly1" => {
                let loss = Poly1::new().epsilon(self.option("epsilon"));
                loss.reduction(reduction).forward(&input, &labels())
            }
            "generalised_cross_entropy" => {
                let loss = GeneralisedCrossEntropy::new().q(self.option("q"));
                loss.reduction(reduction).forward(&input, &labels())
            }
            "symmetric_cross_entropy" => SymmetricCrossEntropy::new()
                .alpha(self.option("alpha"))
                .beta(self.option("beta"))
                .log_zero(self.option("log_zero"))
                .reduction(reduction)
                .forward(&input, &labels()),
            "multiclass_hinge" => {
                let loss = MulticlassHinge::new().margin(self.option("margin"));
                loss.reduction(reduction).forward(&input, &labels())
            }
            "crammer_singer_hinge" => {
                let loss = MulticlassHinge::new().margin(self.option("margin")).crammer_singer();
                loss.reduction(reduction).forward(&input, &labels())
            }
            "kl_divergence" => KlDivergence::new()
                .input(self.form("input_kind"))
                .target(self.form("target_kind"))
                .reduction(reduction)
                .forward(&input, &target()),
            "jensen_shannon_divergence" => JensenShannonDivergence::new()
                .input(self.form("input_kind"))
                .target(self.form("target_kind"))
                .reduction(reduction)
                .forward(&input, &target()),
            "knowledge_distillation" => {
                let loss = KnowledgeDistillation::new(self.option("temperature"));
                loss.reduction(reduction).forward(&input, &target())
            }
            "binary_cross_entropy_with_logits" => {
                let mut loss = BinaryCrossEntropyWithLogits::new()
                    .label_smoothing(self.option("label_smoothing"))
                    .reduction(reduction);
                if let Some(weights) = self.weights("pos_weight") {
                    loss = loss.pos_weight(weights);
                }
                if let Some(weights) = self.numbers(&self.description["inputs"]["weights"]) {
                    loss = loss.weights(weights.clone());
                }
                loss.forward(&input, &target())
            }
            "binary_cross_entropy" => {
                let mut loss = BinaryCrossEntropy::new().reduction(reduction);
                if let Some(weights) = self.numbers(&self.description["inputs"]["weights"]) {
                    loss = loss.weights(weights.clone());
                }
                loss.forward(&input, &target())
            }
            "binary_focal" => {
                let mut loss = BinaryFocal::new().gamma(self.option("gamma")).reduction(reduction);
                if let Some(alpha) = options["alpha"].as_f64() {
                    loss = loss.alpha(alpha);
                }
                loss.forward(&input, &target())
            }
            "binary_hinge" => BinaryHinge::new().reduction(reduction).forward(&input, &target()),
            "mean_squared_error" => {
                MeanSquaredError::new().reduction(reduction).forward(&input, &target())
            }
            "mean_absolute_error" => {
                MeanAbsoluteError::new().reduction(reduction).forward(&input, &target())
            }
            "log_cosh" => LogCosh::new().reduction(reduction).forward(&input, &target()),
            "huber" => {
                let loss = Huber::new().delta(self.option("delta"));
                loss.reduction(reduction).forward(&input, &target())
            }
            "smooth_l1" => {
                let loss = SmoothL1::new().beta(self.option("beta"));
                loss.reduction(reduction).forward(&input, &target())
            }
            "quantile" => {
                let loss = Quantile::new().tau(self.option("tau"));
                loss.reduction(reduction).forward(&input, &target())
            }
            "gaussian_negative_log_likelihood" => GaussianNegativeLogLikelihood::new()
                .full(self.flag("full"))
                .epsilon(self.option("epsilon"))
                .reduction(reduction)
                .forward(&input, &target(), &self.tensor("variance")),
            "poisson_negative_log_likelihood" => PoissonNegativeLogLikelihood::new()
                .log_input(self.flag("log_input"))
                .full(self.flag("full"))
                .epsilon(self.option("epsilon"))
                .reduction(reduction)
                .forward(&input, &target()),
            other => panic!("there is no loss {other}"),
        }
    }

    /// Everything that differs from the reference by more than `tolerance`.
    fn differences(&self, tolerance: f64) -> Vec<String> {
        let id = self.description["id"].as_str().unwrap();
        let loss = self.loss().unwrap_or_else(|error| panic!("{id}: {error}"));
        let value = self.numbers(&self.description["value"]).unwrap();
        let mut differences = Vec::new();
        let mut compare = |what: &str, found: &Tensor<E>, expected: &ArrayD<f64>, scale: f64| {
            assert_eq!(found.shape(), expected.shape(), "{id}: {what}");
            for (position, (found, &expected)) in found.to_vec().iter().zip(expected).enumerate() {
                let found = found.as_f64();
                let error = (found - expected).abs() / scale.max(expected.abs());
                if found != expected && (error > tolerance || error.is_nan()) {
                    let what = format!("{id}: {what}[{position}]");
                    differences
                        .push(format!("{what} is {found:e}, not {expected:e} ({error:.1e})"));
                }
            }
        };
        compare("value", &loss, value, 1.0);

        let upstream = match self.numbers(&self.description["upstream"]) {
            Some(upstream) => Tensor::from(upstream.mapv(E::from_f64)),
            None => Tensor::ones(&[]),
        };
        let gradients = loss.backward_with(&upstream);
        // The same by way of differentiable operations.
        let inputs: Vec<_> = self.parameters.values().collect();
        let recorded = downhill::tensor::grad_with(&[&loss], &[&upstream], &inputs);
        for ((role, parameter), recorded) in self.parameters.iter().zip(&recorded) {
            let expected = self.numbers(&self.description["gradients"][role]).unwrap();
            // Small entries are what large terms have left, and as exact as those.
            let scale = expected.iter().fold(1e-3, |largest: f64, x| largest.max(x.abs()));
            let gradient = gradients.get(parameter).unwrap_or_else(|| panic!("{id}: {role}"));
            compare(&format!("gradient of {role}"), gradient, expected, scale);
            compare(&format!("recorded gradient of {role}"), recorded, expected, scale);
        }
        differences
    }
}

fn check<E: Element>(dtype: &str, tolerance: f64) {
    let reference =
        Reference::read("losses.safetensors", CASES.iter().map(|(_, count)| count).sum());
    let of_type = |case: &&Value| case["dtype"] == dtype;
    let cases: Vec<_> = reference.cases.iter().filter(of_type).collect();
    assert!(CASES.contains(&(dtype, cases.len())), "{} cases of {dtype}", cases.len());
    let differences: Vec<String> = cases
        .iter()
        .flat_map(|case| Case::<E>::new(&reference, case).differences(tolerance))
        .collect();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn losses_and_gradients_in_f64_are_pytorchs() {
    check::<f64>("f64", 1e-12);
}

#[test]
fn losses_and_gradients_in_f32_are_those_of_exact_arithmetic() {
    check::<f32>("f32", 2e-6);
}
