use approx::assert_relative_eq;
use downhill::tensor::Tensor;
use downhill::train::metrics::{
    ConfusionMatrix, RocCurve, average_precision, roc_auc, top_k_accuracy,
};
use serde_json::Value;

use super::number;

/// Sums of some hundred terms.
const TOLERANCE: f64 = 1e-12;

fn figures() -> Value {
    serde_json::from_str(include_str!("metrics.json")).unwrap()
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn labels(case: &Value) -> Vec<usize> {
    numbers(&case["labels"]).into_iter().map(|label| label as usize).collect()
}

#[test]
fn rankings_agree_with_scikit_learn() {
    let figures = figures();
    let cases = figures["rankings"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let (scores, labels) = (Tensor::from(numbers(&case["scores"])), labels(case));
        let close = |found: f64, name: &str| {
            assert_relative_eq!(found, number(case, name), max_relative = TOLERANCE);
        };
        close(roc_auc(&scores, &labels).unwrap(), "roc_auc");
        close(average_precision(&scores, &labels).unwrap(), "average_precision");
        let curve = RocCurve::new(&scores, &labels).unwrap();
        let (x, y): (Vec<f64>, Vec<f64>) = curve.points().iter().copied().unzip();
        assert_eq!(x, numbers(&case["false_positive_rates"]), "{}", case["id"]);
        assert_eq!(y, numbers(&case["true_positive_rates"]), "{}", case["id"]);
        assert_eq!(curve.thresholds()[1..], numbers(&case["thresholds"]), "{}", case["id"]);
    }
}

#[test]
fn measures_of_several_classes_agree_with_scikit_learn() {
    let figures = figures();
    let cases = figures["classes"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let labels = labels(case);
        let rows: Vec<Vec<f64>> = case["scores"].as_array().unwrap().iter().map(numbers).collect();
        let classes = rows[0].len();
        let scores = Tensor::from(rows.concat()).reshape(&[rows.len(), classes]);
        for (k, expected) in (1..).zip(numbers(&case["top_k"])) {
            let found = top_k_accuracy(&scores, &labels, k).unwrap();
            assert_relative_eq!(found, expected, max_relative = TOLERANCE);
        }
        let confusion = ConfusionMatrix::new(&scores.argmax(-1), &labels, classes).unwrap();
        let found = confusion.matthews_correlation().unwrap();
        assert_relative_eq!(found, number(case, "matthews"), max_relative = TOLERANCE);
        for options in case["f_beta"].as_array().unwrap() {
            let confusion = match options["zero_division"].as_f64() {
                Some(value) => confusion.clone().zero_division(value),
                None => confusion.clone(),
            };
            let found = [
                ("macro", confusion.macro_f_beta(number(options, "beta"))),
                ("precision", confusion.macro_precision()),
                ("recall", confusion.macro_recall()),
            ];
            for (name, found) in found {
                let expected = number(options, name);
                assert_relative_eq!(found.unwrap(), expected, max_relative = TOLERANCE);
            }
        }
    }
}
