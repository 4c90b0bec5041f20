//! How values were spread at several moments.

use super::chart::Chart;
use super::layer::{Layer, Paint, Rectangle, Shape};
use super::picture::{GRID, MUTED, Picture, SERIES, fill, stroke, style};
use super::svg::{Anchor, Baseline};
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
            Rectangle {
                corners: [(start - widening, top), (end + widening, foot)],
                share: 1.0,
                title: None,
            }
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

/// The size of a histogram in a table, the height of its bars, and the space at its sides.
const SMALL: (f64, f64) = (180.0, 52.0);
const BARS: f64 = 34.0;
const SIDE: f64 = 6.0;

/// A histogram for a table, over an axis from `min` to `max`: no words but the ends of its axis.
pub(crate) fn small_histogram(
    title: &str,
    histogram: &Histogram,
    (min, max): (f64, f64),
) -> Picture {
    let x = |value: f64| {
        let share = (value / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0);
        SIDE + (SMALL.0 - 2.0 * SIDE) * share.clamp(0.0, 1.0)
    };
    let highest = histogram.counts().iter().copied().max().unwrap_or(0).max(1) as f64;
    // One outline from left to right and back along the foot, at least a unit wide.
    let widening = (0.5 - (x(histogram.max()) - x(histogram.min())) / 2.0).max(0.0);
    let mut outline = vec![(x(histogram.min()) - widening, BARS)];
    for (bin, &count) in histogram.counts().iter().enumerate() {
        let top = BARS - (BARS - 4.0) * count as f64 / highest;
        let (left, right) = (x(histogram.edge(bin)), x(histogram.edge(bin + 1)));
        outline.extend([(left - widening, top), (right + widening, top)]);
    }
    outline.push((x(histogram.max()) + widening, BARS));
    Picture::draw_untitled(title, SMALL, |drawing| {
        if min < 0.0 && max > 0.0 {
            drawing.line(&[(x(0.0), 2.0), (x(0.0), BARS)], stroke(MUTED, 0.5, 0.8), "");
        }
        drawing.polygon(&outline, fill(SERIES[0], 1.0));
        drawing.line(&[(SIDE, BARS), (SMALL.0 - SIDE, BARS)], stroke(GRID, 1.0, 0.8), "");
        for (value, at, anchor) in [(min, SIDE, Anchor::Start), (max, SMALL.0 - SIDE, Anchor::End)]
        {
            let text = downhill_train::format_short(value);
            drawing.text(&text, (at, BARS + 2.0), style(MUTED, anchor, Baseline::Top));
        }
    })
}
