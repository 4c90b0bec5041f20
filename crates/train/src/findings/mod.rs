//! What is known to go wrong in training, found in the record of a run and in its predictions.

mod gradients;
mod learning;
mod predictions;
mod start;

use std::fmt;

use downhill_tensor::Element;

use crate::history::History;

/// Something that is wrong with a run: what was seen, with the figure that it rests on, and what to
/// try.
///
/// A history tells of [its own](History::findings); [`of_predictions`](Self::of_predictions) looks
/// at what a classifier says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of fault it is.
    pub ailment: Ailment,
    /// What was seen, in a sentence with the figure.
    pub observation: String,
    /// What to try.
    pub advice: String,
}

/// The kinds of faults that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ailment {
    /// A parameter that never got a gradient.
    NoGradient,
    /// Logits that are probabilities already.
    SoftmaxTwice,
    /// A model that is sure of something before it has learned anything.
    BadStart,
    /// A loss or a gradient that is NaN or infinite.
    NotFinite,
    /// A loss that goes up and down from step to step.
    Unstable,
    /// Steps that are far too small for a layer's weights.
    SmallSteps,
    /// Steps that are far too large for a layer's weights.
    LargeSteps,
    /// Gradients that get lost on their way to the first layers.
    VanishingGradients,
    /// Gradients that grow on their way to the first layers.
    ExplodingGradients,
    /// Units that pass on nothing.
    DeadUnits,
    /// A norm at which all gradients are clipped.
    AlwaysClipped,
    /// A loss of held-out samples that grows while that of the training samples falls.
    Overfitting,
    /// A class that is there and never predicted.
    ClassNeverPredicted,
    /// A confidence that is higher than how often it is right.
    Overconfident,
}

impl Finding {
    fn new(ailment: Ailment, observation: String, advice: impl Into<String>) -> Self {
        Self { ailment, observation, advice: advice.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.observation, self.advice)
    }
}

impl<E: Element> History<E> {
    /// What is wrong with the run so far, as far as the record shows it; empty for a run that is
    /// well. It can be asked for at any time, and costs about as much as a step.
    ///
    /// ```
    /// use downhill_tensor::{Tensor, parameters};
    /// use downhill_train::{Ailment, History};
    ///
    /// struct Line {
    ///     slope: Tensor,
    ///     offset: Tensor,
    /// }
    /// parameters!(Line { slope, offset });
    ///
    /// let mut line = Line { slope: Tensor::parameter(1.0), offset: Tensor::parameter(0.5) };
    /// let mut history = History::new(&line);
    /// let loss = (&line.slope * 2.0 - 3.0).square(); // The offset was forgotten.
    /// let gradients = loss.backward();
    /// line.slope.update(|slope| slope[0] += 0.1);
    /// history.step(&line, &gradients, &loss, 0.1);
    ///
    /// let findings = history.findings();
    /// assert_eq!(findings[0].ailment, Ailment::NoGradient);
    /// assert!(findings[0].observation.contains("offset"));
    /// ```
    #[inline(never)]
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.without_gradient());
        findings.extend(self.start_findings());
        findings.extend(self.not_finite());
        findings.extend(self.unstable());
        findings.extend(self.step_sizes());
        findings.extend(self.gradient_sizes());
        findings.extend(self.exploded());
        findings.extend(self.dead_units());
        findings.extend(self.always_clipped());
        findings.extend(self.overfitting());
        findings
    }
}

/// The value below which a fraction of the finite ones lie.
fn quantile(mut values: Vec<f64>, fraction: f64) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((fraction * last as f64).round() as usize).copied()
}

/// Some names, the first few of many.
fn listed(names: &[&str]) -> String {
    match names {
        [first, second, third, _, rest @ ..] => {
            format!("{first}, {second}, {third} and {} more", rest.len() + 1)
        }
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
