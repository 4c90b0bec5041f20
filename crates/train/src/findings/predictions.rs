//! What can be seen in a classifier's predictions.

use downhill_tensor::{Element, Tensor};

use super::{Ailment, Finding, listed};
use crate::error::Error;
use crate::format::format_short;
use crate::metrics::{Calibration, ConfusionMatrix};
use crate::temperature_scaling::TemperatureScaling;

/// The samples of a class that must be there before it is missed.
const SAMPLES: usize = 5;
/// The samples that a confidence is judged by, the temperature above which it is too high, and by
/// how much that temperature must mend the calibration error.
const JUDGED: usize = 100;
const HOT: f64 = 1.25;
const MENDED: f64 = 0.02;
/// The usual number of bins.
const BINS: usize = 15;

impl Finding {
    /// What is wrong with what a classifier says of samples that it was not trained on, given its
    /// logits, `[N, C]`.
    ///
    /// # Errors
    ///
    /// Those of [`ConfusionMatrix::new`], as when there are not as many rows of logits as labels.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    /// use downhill_train::{Ailment, Finding};
    ///
    /// let logits = Tensor::from([[2.0, 1.0], [1.0, -1.0], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]]);
    /// let findings = Finding::of_predictions(&logits, &[1; 5], &["no", "yes"])?;
    /// assert_eq!(findings[0].ailment, Ailment::ClassNeverPredicted);
    /// # Ok::<(), downhill_train::Error>(())
    /// ```
    #[inline(never)]
    pub fn of_predictions<E: Element>(
        logits: &Tensor<E>,
        labels: &[usize],
        class_names: &[impl AsRef<str>],
    ) -> Result<Vec<Self>, Error> {
        let confusion = ConfusionMatrix::new(&logits.argmax(-1), labels, class_names.len())?;
        let mut findings = Vec::new();
        findings.extend(softmax_twice(logits));
        findings.extend(never_predicted(&confusion, class_names));
        if findings.is_empty() && labels.len() >= JUDGED {
            findings.extend(overconfident(logits, labels, &confusion)?);
        }
        Ok(findings)
    }
}

fn softmax_twice<E: Element>(logits: &Tensor<E>) -> Option<Finding> {
    let classes = *logits.shape().last()?;
    let values = logits.values();
    let is_distribution = |row: &[E]| {
        let sum: f64 = row.iter().map(|value| value.as_f64()).sum();
        row.iter().all(|value| value.as_f64() >= 0.0) && (sum - 1.0).abs() < 1e-4
    };
    if values.is_empty() || !values.chunks(classes.max(1)).all(is_distribution) {
        return None;
    }
    let observation = format!(
        "Each row of the logits sums to 1, as probabilities do: taken for logits, none of them is \
         surer than {}.",
        format_short(1.0 / (1.0 + (classes as f64 - 1.0) / std::f64::consts::E))
    );
    let advice = "Leave the softmax out of the model: cross-entropy wants logits.";
    Some(Finding::new(Ailment::SoftmaxTwice, observation, advice))
}

fn never_predicted(confusion: &ConfusionMatrix, names: &[impl AsRef<str>]) -> Option<Finding> {
    let classes = 0..confusion.class_count();
    let missed = |&class: &usize| {
        confusion.true_count(class) >= SAMPLES && confusion.predicted_count(class) == 0
    };
    let missed: Vec<usize> = classes.filter(missed).collect();
    let samples: usize = missed.iter().map(|&class| confusion.true_count(class)).sum();
    if missed.is_empty() {
        return None;
    }
    let names: Vec<&str> = missed.iter().map(|&class| names[class].as_ref()).collect();
    let observation = format!(
        "No sample is taken for {}, though {samples} of {} are.",
        listed(&names),
        confusion_samples(confusion)
    );
    let advice = "Weight the classes by their rarity, or draw batches in which they are even.";
    Some(Finding::new(Ailment::ClassNeverPredicted, observation, advice))
}

fn confusion_samples(confusion: &ConfusionMatrix) -> usize {
    (0..confusion.class_count()).map(|class| confusion.true_count(class)).sum()
}

fn overconfident<E: Element>(
    logits: &Tensor<E>,
    labels: &[usize],
    confusion: &ConfusionMatrix,
) -> Result<Option<Finding>, Error> {
    let Ok(scaling) = TemperatureScaling::fit(logits, labels) else { return Ok(None) };
    let error = |logits: &Tensor<E>| -> Result<f64, Error> {
        let calibration = Calibration::new(&logits.detach().softmax(-1), labels, BINS)?;
        Ok(calibration.expected_calibration_error())
    };
    let (before, after) = (error(logits)?, error(&scaling.apply(logits))?);
    if scaling.temperature() < HOT || before - after < MENDED {
        return Ok(None);
    }
    let probabilities = logits.detach().softmax(-1);
    let rows = probabilities.values();
    let largest = |row: &[E]| row.iter().map(|p| p.as_f64()).fold(0.0, f64::max);
    let confidence = rows.chunks(confusion.class_count().max(1)).map(largest).sum::<f64>();
    let observation = format!(
        "The model is too sure: {:.1} % on the mean, and right in {:.1} % (calibration error {}).",
        100.0 * confidence / labels.len() as f64,
        100.0 * confusion.accuracy(),
        format_short(before)
    );
    let advice = format!(
        "A temperature of {} makes the error {}: TemperatureScaling on held-out samples; or stop \
         earlier.",
        format_short(scaling.temperature()),
        format_short(after)
    );
    Ok(Some(Finding::new(Ailment::Overconfident, observation, advice)))
}
