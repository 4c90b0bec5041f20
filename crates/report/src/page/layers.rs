//! What the layers of a network look like, over time.

use downhill_tensor::Element;

use super::Report;
use crate::plot::{Chart, histograms};
use downhill_train::{Histogram, History, LayerHistograms, LayerMeasurement};

/// The most layers of which there are histograms, for a single run and for one of several.
pub(super) const LAYERS: usize = 8;
const LAYERS_OF_SEVERAL: usize = 3;

/// What there are histograms of: the title, the axis, and what is to be seen.
type Kind = (&'static str, &'static str, Of, &'static str);
type Of = fn(&LayerHistograms) -> Option<&Histogram>;

const KINDS: [Kind; 3] = [
    (
        "Weights",
        "weight",
        |layer| layer.weights.as_ref(),
        "How the layer's parameters are spread at the start, the middle and the end, each as high \
         as its row.",
    ),
    (
        "Activations",
        "activation",
        |layer| layer.activations.as_ref(),
        "What the layer passes on. All at 0, or all at the ends of the range: little is learned \
         through such a layer.",
    ),
    (
        "Gradients",
        "gradient",
        |layer| layer.gradients.as_ref(),
        "The loss' gradient with respect to the layer's parameters.",
    ),
];

impl Report {
    /// Adds, under a heading, the gradient norm and the update-to-weight ratio of each layer over
    /// time, and the histograms of the first, the middle and the last. [`history`](Self::history)
    /// does so too, for more layers; this is for one of several runs.
    pub fn layers<E: Element>(&mut self, heading: &str, history: &History<E>) {
        self.layers_in(heading, history, LAYERS_OF_SEVERAL);
    }

    /// The same, with histograms of `most` layers.
    pub(super) fn layers_in<E: Element>(
        &mut self,
        heading: &str,
        history: &History<E>,
        most: usize,
    ) {
        self.layer_curves(heading, history);
        self.layer_histograms(heading, history, most);
    }

    fn layer_curves<E: Element>(&mut self, heading: &str, history: &History<E>) {
        let chart = |title, label, of: fn(&LayerMeasurement) -> Option<f64>| {
            let mut chart = Chart::new(title, "step", label).log_y().graded();
            for (index, name) in history.layer_names().iter().enumerate() {
                let measured = history.measurements().iter();
                let points = measured
                    .filter_map(|(step, layers)| Some(((step + 1) as f64, of(&layers[index])?)));
                chart = chart.line(name, points);
            }
            chart
        };
        let Some((last, _)) = history.measurements().last() else { return };
        let norms =
            chart("Gradient norm of each layer", "‖gradient‖", |layer| layer.gradient_norm);
        let ratios = chart("Update-to-weight ratio", "‖update‖ / ‖weights‖", |layer| {
            layer.update_ratio
        })
        .reference("0.001", [(1.0, 1e-3), ((last + 1) as f64, 1e-3)]);
        self.section(heading)
            .picture(
                norms.picture(),
                "The length of the loss' gradient with respect to each layer's parameters. Layers \
                 whose gradient vanishes or explodes stand out.",
            )
            .picture(
                ratios.picture(),
                "How far a step moves each layer's parameters, in proportion to their length. \
                 About a thousandth is usual; much less is slow, much more is unsteady.",
            );
    }

    fn layer_histograms<E: Element>(&mut self, heading: &str, history: &History<E>, most: usize) {
        let entries = history.histograms();
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else { return };
        let middle = (first + last) / 2;
        let nearest = entries.iter().min_by_key(|(step, _)| step.abs_diff(middle));
        let mut moments: Vec<_> =
            [entries.first(), nearest, entries.last()].into_iter().flatten().collect();
        moments.dedup_by_key(|(step, _)| *step);

        let names = history.layer_names();
        let chosen: Vec<usize> = match names.len() <= most {
            true => (0..names.len()).collect(),
            false => (0..most).map(|i| i * (names.len() - 1) / (most - 1)).collect(),
        };
        if chosen.len() < names.len() {
            self.section(heading).text(format!(
                "There are histograms of {} of the {} layers, from the first to the last.",
                chosen.len(),
                names.len()
            ));
        }
        for index in chosen {
            for (title, label, of, caption) in KINDS {
                let rows: Vec<_> = moments
                    .iter()
                    .filter_map(|(step, layers)| {
                        Some((format!("step {}", step + 1), of(&layers[index])?))
                    })
                    .collect();
                if !rows.is_empty() {
                    let title = format!("{title} of {}", names[index]);
                    let picture = histograms(&title, label, &rows);
                    self.section(heading).picture(picture, caption);
                }
            }
        }
    }
}
