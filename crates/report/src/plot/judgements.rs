//! Pictures of how good predictions are.

use super::chart::Chart;
use super::layer::{Layer, Paint, Shape};
use super::picture::{Picture, SERIES};
use downhill_train::format_metric;
use downhill_train::metrics::Calibration;

/// Whether confidence is deserved: of the predictions of each confidence, the fraction that are
/// right, which where a model is calibrated lies on the diagonal; and the share of all predictions
/// that have this confidence. The title states the expected calibration error.
pub fn reliability_diagram(calibration: &Calibration) -> Picture {
    let total: usize = calibration.bins().iter().map(|bin| bin.count()).sum();
    let bars = calibration
        .bins()
        .iter()
        .filter_map(|bin| Some((bin.lower(), bin.upper(), bin.accuracy()?)));
    let shares = calibration.bins().iter().map(|bin| {
        let inset = (bin.upper() - bin.lower()) / 3.0;
        (bin.lower() + inset, bin.upper() - inset, bin.count() as f64 / total.max(1) as f64)
    });
    let error = format_metric(calibration.expected_calibration_error());
    Chart::new(format!("Reliability: expected calibration error {error}"), "confidence", "fraction")
        .x_range(0.0, 1.0)
        .y_range(0.0, 1.0)
        .square()
        .bars("fraction right", bars)
        .bars("share of predictions", shares)
        .reference("calibrated", [(0.0, 0.0), (1.0, 1.0)])
        .picture()
}

/// Each prediction against what was to be predicted: on the diagonal where it is right.
pub fn predicted_against_actual(pairs: &[(f64, f64)]) -> Picture {
    let numbers = || pairs.iter().flat_map(|&(predicted, actual)| [predicted, actual]);
    let numbers = || numbers().filter(|number| number.is_finite());
    let min = numbers().fold(f64::INFINITY, f64::min);
    let max = numbers().fold(f64::NEG_INFINITY, f64::max);
    Chart::new("Predicted against actual", "actual", "predicted")
        .square()
        .points("sample", pairs.iter().map(|&(predicted, actual)| (actual, predicted)))
        .reference("exact", [(min, min), (max, max)])
        .picture()
}

/// What is left of each target when its prediction is taken away, against the prediction: a cloud
/// without a shape if the model has found all that there is to find.
pub fn residuals(pairs: &[(f64, f64)]) -> Picture {
    let predictions = || pairs.iter().map(|pair| pair.0).filter(|number| number.is_finite());
    let min = predictions().fold(f64::INFINITY, f64::min);
    let max = predictions().fold(f64::NEG_INFINITY, f64::max);
    Chart::new("Residuals", "predicted", "actual − predicted")
        .points("sample", pairs.iter().map(|&(predicted, actual)| (predicted, actual - predicted)))
        .reference("exact", [(min, 0.0), (max, 0.0)])
        .picture()
}

/// A bar for each of some named numbers, such as the coefficients of a linear model, in their
/// order. Negative ones have another colour.
pub fn bars(title: &str, label: &str, values: &[(impl ToString, f64)]) -> Picture {
    let names: Vec<String> = values.iter().map(|(name, _)| name.to_string()).collect();
    let mut chart = Chart::new(title, label, "").y_names(&names);
    for (negative, color) in [(false, SERIES[0]), (true, SERIES[1])] {
        let rows = values.iter().enumerate().filter(|(_, (_, value))| (*value < 0.0) == negative);
        let bar = |(row, &(_, value)): (usize, &(_, f64))| {
            ([(0.0, row as f64 + 0.15), (value, row as f64 + 0.85)], 1.0)
        };
        chart = chart.layer(Layer {
            name: None,
            shape: Shape::Rectangles(rows.map(bar).collect()),
            paint: Paint::Fixed(color),
            opacity: 0.85,
        });
    }
    let zero = vec![(0.0, 0.0), (0.0, names.len() as f64)];
    chart
        .layer(Layer {
            name: None,
            shape: Shape::Line { points: zero, width: 1.0, marked: false },
            paint: Paint::Fixed(super::picture::MUTED),
            opacity: 1.0,
        })
        .picture()
}
