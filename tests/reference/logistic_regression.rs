//! Logistic regression, fitted by L-BFGS.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use downhill::datasets::{Csv, Standardizer};
use downhill::losses::{CrossEntropy, Reduction};
use downhill::optim::Lbfgs;
use downhill::tensor::Tensor;

use super::optimizers::Problem;
use super::{Reference, number, text};

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
        let path = format!("{}/../{}", env!("CARGO_MANIFEST_DIR"), text(case, "data"));
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
