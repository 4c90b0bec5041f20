//! How values were spread at several moments.

use super::chart::Chart;
use super::layer::{Layer, Paint, Shape};
use super::picture::Picture;
use downhill_train::Histogram;

/// Histograms one below the other over a common axis, each with what it is of, and each as high
/// as its row, so that their shapes can be compared.
pub fn histograms(title: &str, x_label: &str, histograms: &[(String, &Histogram)]) -> Picture {
    let names: Vec<&String> = histograms.iter().map(|(name, _)| name).collect();
    let min = histograms.iter().map(|(_, h)| h.min()).fold(f64::INFINITY, f64::min);
    let max = histograms.iter().map(|(_, h)| h.max()).fold(f64::NEG_INFINITY, f64::max);
    // A bin too narrow to be seen is drawn wider.
    let narrowest = (max / 2.0 - min / 2.0) / 400.0;
    let mut chart = Chart::new(title, x_label, "").y_names(&names);
    chart.height = 42.0;
    for (row, (_, histogram)) in histograms.iter().enumerate() {
        let highest = histogram.counts().iter().copied().max().unwrap_or(0).max(1) as f64;
        let bin = |(bin, &count): (usize, &u64)| {
            let (start, end) = (histogram.edge(bin), histogram.edge(bin + 1));
            let widening = (narrowest - (end / 2.0 - start / 2.0)).max(0.0);
            let foot = row as f64 + 1.0;
            let top = foot - 0.88 * count as f64 / highest;
            ([(start - widening, top), (end + widening, foot)], 1.0)
        };
        let filled = histogram.counts().iter().enumerate().filter(|(_, count)| **count > 0);
        chart = chart.layer(Layer {
            name: None,
            shape: Shape::Rectangles(filled.map(bin).collect()),
            paint: Paint::Series(0),
            opacity: 1.0,
        });
    }
    chart.picture()
}
