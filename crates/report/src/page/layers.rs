//! What the layers of a network look like, over time.

use downhill_tensor::Element;
use downhill_train::{Histogram, History, LayerHistograms, LayerMeasurement, format_short};

use super::{Cell, Report, Table};
use crate::plot::{Chart, Picture, small_histogram};

/// The most moments with histograms.
const MOMENTS: usize = 9;
/// The most layers with histograms, for a single run and for one of several.
const LAYERS: usize = 24;
const LAYERS_OF_SEVERAL: usize = 5;

/// What the picture of the gradients is called.
const NORMS: &str = "Gradient norm of each layer";

/// What there are histograms of.
type Of = fn(&LayerHistograms) -> Option<&Histogram>;
const KINDS: [(&str, Of); 3] = [
    ("weights", |layer| layer.weights.as_ref()),
    ("activations", |layer| layer.activations.as_ref()),
    ("gradients", |layer| layer.gradients.as_ref()),
];

impl Report {
    /// Adds, under a heading, what the layers of a network look like: the gradient norm and the
    /// update-to-weight ratio of each over time, and a table with a row a layer of how its weights,
    /// activations and gradients are spread, for some of the layers if there are many.
    /// [`history`](Self::history) does so too, for more layers; this is for one of several runs.
    #[inline(never)]
    pub fn layers<E: Element>(&mut self, heading: &str, history: &History<E>) {
        self.layers_in(heading, history, LAYERS_OF_SEVERAL);
    }

    pub(super) fn all_layers<E: Element>(&mut self, history: &History<E>) {
        self.layers_in("Layers", history, LAYERS);
    }

    /// The same, with rows for `most` layers.
    fn layers_in<E: Element>(&mut self, heading: &str, history: &History<E>, most: usize) {
        let names = history.layer_names();
        let chart = |title, label, of: fn(&LayerMeasurement) -> Option<f64>| {
            let mut chart = Chart::new(title, "step", label).log_y().graded();
            for (index, name) in names.iter().enumerate() {
                let measured = history.measurements().iter();
                let points = measured
                    .filter_map(|(step, layers)| Some(((step + 1) as f64, of(&layers[index])?)));
                chart = chart.line(name, points);
            }
            chart
        };
        let [(first, _), .., (last, _)] = history.measurements() else { return };
        let norms = chart(NORMS, "‖gradient‖", |layer| layer.gradient_norm);
        let ratios = chart("Update-to-weight ratio", "‖update‖ / ‖weights‖", |layer| {
            layer.update_ratio
        })
        .reference("0.001", [((first + 1) as f64, 1e-3), ((last + 1) as f64, 1e-3)]);
        let table = layer_table(history, most);
        // Said once on a page.
        let is_first = self.pictures().all(|picture| picture.title() != NORMS);
        let caption = |said: &str| if is_first { said.to_owned() } else { String::new() };
        let measured = history.measurements().len();
        let section = self.section(heading);
        section
            .picture(
                norms.picture(),
                caption(&format!(
                    "Layers whose gradient vanishes or explodes stand out; {measured} steps were \
                     measured."
                )),
            )
            .picture(
                ratios.picture(),
                caption("About a thousandth is usual; much less is slow, much more is unsteady."),
            );
        section.tables.extend(table);
    }
}

/// A row for each layer, a column for each kind of values, a picture for each moment.
fn layer_table<E: Element>(history: &History<E>, most: usize) -> Option<Table> {
    let entries = history.histograms();
    let last = entries.len().checked_sub(1)?;
    let mut moments: Vec<usize> =
        (0..MOMENTS).map(|moment| (moment * last).div_ceil(MOMENTS - 1)).collect();
    moments.dedup();
    let moments: Vec<&(usize, Vec<LayerHistograms>)> =
        moments.into_iter().map(|index| &entries[index]).collect();

    let names = history.layer_names();
    let chosen: Vec<usize> = match names.len() <= most {
        true => (0..names.len()).collect(),
        false => (0..most).map(|i| i * (names.len() - 1) / (most - 1)).collect(),
    };
    let row = |index: usize| {
        let mut row = vec![Cell::Text(names[index].clone())];
        for (kind, of) in KINDS {
            let found: Vec<(usize, &Histogram)> = moments
                .iter()
                .filter_map(|(step, layers)| Some((step + 1, of(&layers[index])?)))
                .collect();
            let least = found.iter().map(|(_, h)| h.min()).fold(f64::INFINITY, f64::min);
            let greatest = found.iter().map(|(_, h)| h.max()).fold(f64::NEG_INFINITY, f64::max);
            let picture = |(step, histogram): (usize, &Histogram)| -> (usize, Picture) {
                let title = format!("{kind} of {} at step {step}", names[index]);
                (step, small_histogram(&title, histogram, (least, greatest)))
            };
            row.push(match least < greatest {
                true => Cell::Pictures(found.into_iter().map(picture).collect()),
                // A constant is a number, not a picture.
                false if found.is_empty() => Cell::Text("none".into()),
                false => Cell::Text(format!("all {}", format_short(least))),
            });
        }
        row
    };
    let layer = match chosen.len() < names.len() {
        true => format!("layer ({} of {})", chosen.len(), names.len()),
        false => "layer".into(),
    };
    let header = [layer.as_str(), "weights", "activations", "gradients"];
    Some(Table::new(&header, chosen.into_iter().map(row).collect()))
}
