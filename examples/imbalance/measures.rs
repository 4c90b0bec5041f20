//! What the models do on samples that they were not trained on, over all runs.

use downhill::prelude::*;
use downhill::train::metrics::{Calibration, ConfusionMatrix, average_precision};
use downhill::train::{self, TemperatureScaling};

use super::{LOSSES, Trial};

/// The row of the temperature.
const TEMPERATURE: usize = 5;

pub(super) const MEASURES: [&str; 7] = [
    "accuracy",
    "recall",
    "precision",
    "average precision",
    "calibration error",
    "  best temperature",
    "  calibration error then",
];

/// What a model does on samples that it was not trained on; None where a measure is undefined.
fn measure(
    trial: &Trial,
    model: &Linear,
    malignant: usize,
) -> Result<[Option<f64>; 7], Box<dyn std::error::Error>> {
    let [test, held_out] = [&trial.test, &trial.held_out];
    let logits = without_recording(|| model.forward(&test.full_batch().features));
    let held_out_logits = without_recording(|| model.forward(&held_out.full_batch().features));
    let confusion = ConfusionMatrix::new(&logits.argmax(-1), test.labels(), test.class_count())?;
    let score = logits.softmax(-1).slice(1, malignant..=malignant);
    let is_malignant: Vec<usize> =
        test.labels().iter().map(|&label| usize::from(label == malignant)).collect();
    let calibration_error = |logits: &Tensor| {
        Calibration::new(&logits.softmax(-1), test.labels(), 10)
            .map(|calibration| calibration.expected_calibration_error())
    };
    let scaling = match TemperatureScaling::fit(&held_out_logits, held_out.labels()) {
        Ok(scaling) => Some(scaling),
        Err(train::Error::AllRight | train::Error::Uninformative) => None,
        Err(error) => return Err(error.into()),
    };
    let scaled = scaling.map_or(logits.clone(), |scaling| scaling.apply(&logits));
    Ok([
        Some(confusion.accuracy()),
        confusion.recall(malignant),
        confusion.precision(malignant),
        Some(average_precision(&score, &is_malignant)?),
        Some(calibration_error(&logits)?),
        scaling.map(|scaling| scaling.temperature()),
        Some(calibration_error(&scaled)?),
    ])
}

/// For each loss and each measure, the figures of all runs in which it is defined.
pub(super) type Measures = [[Vec<f64>; 7]; 3];

pub(super) fn measures(
    trials: &[Trial],
    malignant: usize,
) -> Result<Measures, Box<dyn std::error::Error>> {
    let mut columns: Measures = Default::default();
    for trial in trials {
        for (learner, column) in trial.learners.iter().zip(&mut columns) {
            for (figure, figures) in
                measure(trial, &learner.model, malignant)?.into_iter().zip(column)
            {
                figures.extend(figure);
            }
        }
    }
    Ok(columns)
}

pub(super) fn print_measures(columns: &Measures, runs: usize) {
    println!("{:<26}{:>18}{:>18}{:>18}", "", LOSSES[0], LOSSES[1], LOSSES[2]);
    for (row, name) in MEASURES.iter().enumerate() {
        let cells: Vec<String> =
            columns.iter().map(|column| format!("{:>18}", summary(&column[row]))).collect();
        println!("{name:<26}{}", cells.concat());
    }
    let [plain, weighted, focal] =
        columns.each_ref().map(|column| runs - column[TEMPERATURE].len());
    let note = format!(
        "Mean ± standard deviation over the runs. The temperature is fitted on the held-out samples; \
         in {plain}, {weighted} and {focal} of the runs none is best, as where all of them are \
         right, and the model is left as it is."
    );
    println!("\n{}", lesson::wrapped("", &note));
}

/// "0.792 ± 0.123": mean and standard deviation.
pub(super) fn summary(figures: &[f64]) -> String {
    let count = figures.len() as f64;
    let mean = figures.iter().sum::<f64>() / count;
    let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
    match figures.len() {
        0 => "-".into(),
        1 => format!("{mean:.3}"),
        _ => format!("{mean:.3} ± {:.3}", (squares / (count - 1.0)).sqrt()),
    }
}
