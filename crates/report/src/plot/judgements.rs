//! Pictures of how good predictions are.

use super::chart::Chart;
use super::layer::{Layer, Paint, Rectangle, Shape};
use super::picture::{INK, LABEL, Picture, SERIES, text_width};
use downhill_train::format_metric;
use downhill_train::metrics::Calibration;

/// The width of an interval that holds the true value in 95 % of all cases, in standard deviations.
const DEVIATIONS: f64 = 1.96;

/// Whether confidence is deserved: of the predictions of each confidence, the fraction that are
/// right, which where a model is calibrated lies on the diagonal, with the interval in which it lies
/// in 95 % of all cases (Wilson, 1927), and the number of predictions. The title states the expected
/// calibration error.
pub fn reliability_diagram(calibration: &Calibration) -> Picture {
    let bins = || calibration.bins().iter().filter(|bin| bin.count() > 0);
    let bars = bins().filter_map(|bin| Some((bin.lower(), bin.upper(), bin.accuracy()?)));
    let intervals = bins().filter_map(|bin| {
        let accuracy = bin.accuracy()?;
        let middle = (bin.lower() + bin.upper()) / 2.0;
        Some((middle, accuracy, wilson_interval(accuracy, bin.count())))
    });
    let counts = bins().filter_map(|bin| {
        let middle = (bin.lower() + bin.upper()) / 2.0;
        let text = bin.count().to_string();
        let (least, _) = wilson_interval(bin.accuracy()?, bin.count());
        Some(((middle, count_end(&text, bin.lower().min(least))), text))
    });
    let error = format_metric(calibration.expected_calibration_error());
    Chart::new(format!("Reliability: expected calibration error {error}"), "confidence", "fraction")
        .x_range(0.0, 1.0)
        .y_range(0.0, 1.0)
        .square()
        .bars("fraction right", bars)
        .intervals("with its 95 % interval", intervals)
        .reference("calibrated", [(0.0, 0.0), (1.0, 1.0)])
        .layer(Layer {
            name: Some("12: number of predictions".into()),
            shape: Shape::Texts { texts: counts.collect(), upright: true, halo: true },
            paint: Paint::Fixed(INK),
            opacity: 0.0,
        })
        .picture()
}

/// How long a side of the diagram is at least.
const SIDE: f64 = 300.0;

/// Where the upright text of a bin's count ends: at the foot of its bar, if neither the interval nor
/// the diagonal comes `down` to it, otherwise at the top. An interval as long as to touch both does
/// not exist.
fn count_end(text: &str, down: f64) -> f64 {
    let gap = 0.01;
    let end = gap + text_width(text, LABEL) / SIDE;
    if down > end + gap { end } else { 1.0 - gap }
}

/// The interval around a fraction of `count` samples after Wilson, "Probable inference, the law of
/// succession, and statistical inference" (1927).
fn wilson_interval(fraction: f64, count: usize) -> (f64, f64) {
    let (count, z) = (count as f64, DEVIATIONS);
    let scale = 1.0 + z * z / count;
    let middle = (fraction + z * z / (2.0 * count)) / scale;
    let variance = fraction * (1.0 - fraction) / count + z * z / (4.0 * count * count);
    let half = z * variance.sqrt() / scale;
    ((middle - half).max(0.0), (middle + half).min(1.0))
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
        let bar = |(row, &(_, value)): (usize, &(_, f64))| Rectangle {
            corners: [(0.0, row as f64 + 0.15), (value, row as f64 + 0.85)],
            share: 1.0,
            title: Some(format!("{}: {}", names[row], format_metric(value))),
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
            paint: Paint::Fixed(INK),
            opacity: 1.0,
        })
        .picture()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_statsmodels() {
        // statsmodels 0.14: proportion_confint(count, nobs, alpha=0.05, method="wilson")
        for (right, count, low, high) in
            [(1, 1, 0.206_5, 1.0), (0, 4, 0.0, 0.489_9), (9, 10, 0.595_8, 0.982_1)]
        {
            let found = wilson_interval(f64::from(right) / f64::from(count), count as usize);
            assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{found:?}");
        }
    }
}
