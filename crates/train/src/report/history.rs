//! What a record of training looks like.

use downhill_tensor::Element;

use super::{Report, file_stem};
use crate::history::{Histogram, History, LayerHistograms, LayerMeasurement};
use crate::plot::{Chart, histograms};

/// The most layers whose histograms are drawn.
const LAYERS: usize = 8;

/// What is to be seen on a logarithmic scale.
const LOGARITHMIC: &str = "The same on a logarithmic scale, where what falls by a constant factor is \
                           a straight line.";

/// Where a metric comes from: a leading word, which does not make it another quantity.
const SOURCES: [&str; 3] = ["training", "validation", "test"];

impl Report {
    /// Adds what was learned: loss, metrics and learning rate over time, and for each layer the
    /// length of its gradient and of its steps, and how its values were spread at the start, the
    /// middle and the end. Beside the page go `steps.csv`, `epochs.csv` and `history.jsonl`.
    pub fn history<E: Element>(&mut self, history: &History<E>) {
        if !history.losses().is_empty() {
            self.steps(history);
        }
        for quantity in quantities(&history.metric_names()) {
            self.metric(history, quantity);
        }
        if !history.losses().is_empty() {
            let rates = (1..).map(f64::from).zip(history.learning_rates().iter().copied());
            let chart = Chart::new("Learning rate", "step", "learning rate");
            let chart = chart.line("learning rate", rates);
            self.section("Learning").picture(chart.picture(), "The learning rate of each step.");
        }
        self.layers("Layers", history);
        self.layer_histograms(history);

        self.record("", history);
    }

    /// Adds several runs side by side, such as those of several optimizers: the loss by step and
    /// each metric by epoch, with a curve for each run. The record of each goes beside the page,
    /// as that of [`history`](Self::history) does, into files that bear its name.
    pub fn comparison<E: Element>(&mut self, runs: &[(&str, &History<E>)]) {
        let losses = |title| {
            let mut chart = Chart::new(title, "step", "loss");
            for (name, history) in runs {
                let losses = (1..).map(f64::from).zip(history.losses().iter().copied());
                chart = chart.noisy_line(*name, losses);
            }
            chart
        };
        let caption = "Each step's loss on its own batch, faintly, and over it the moving average.";
        self.section("Learning")
            .picture(losses("Loss by step").picture(), caption)
            .picture(losses("Loss by step, logarithmic").log_y().picture(), LOGARITHMIC);
        let mut metrics: Vec<&str> = Vec::new();
        for metric in runs.iter().flat_map(|(_, history)| history.metric_names()) {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        for metric in metrics {
            let curve = |history: &History<E>| -> Vec<(f64, f64)> {
                let epochs = (1..).map(f64::from).zip(history.epochs());
                epochs.filter_map(|(x, epoch)| Some((x, epoch.metric(metric)?))).collect()
            };
            let curves: Vec<_> =
                runs.iter().map(|(name, history)| (*name, curve(history))).collect();
            let chart = |scale: &str| {
                let title = format!("{} by epoch{scale}", capitalized(metric));
                curves.iter().fold(Chart::new(title, "epoch", metric), |chart, (name, points)| {
                    chart.line(*name, points.iter().copied())
                })
            };
            let section = self.section("Learning");
            section.picture(chart("").picture(), "At the end of each epoch.");
            let values: Vec<f64> =
                curves.iter().flat_map(|(_, curve)| curve).map(|p| p.1).collect();
            if is_drawn_logarithmically(metric, &values) {
                section.picture(chart(", logarithmic").log_y().picture(), LOGARITHMIC);
            }
        }
        for (name, history) in runs {
            self.record(&format!("-{}", file_stem(name)), history);
        }
    }

    /// Puts the tables of a run beside the page.
    fn record<E: Element>(&mut self, name: &str, history: &History<E>) {
        let written = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
            let mut bytes = Vec::new();
            write(&mut bytes).expect("writing into memory does not fail");
            bytes
        };
        self.tables.extend([
            (format!("steps{name}.csv"), written(&|bytes| history.write_steps(bytes))),
            (format!("epochs{name}.csv"), written(&|bytes| history.write_epochs(bytes))),
            (format!("history{name}.jsonl"), written(&|bytes| history.write_json_lines(bytes))),
        ]);
    }

    fn steps<E: Element>(&mut self, history: &History<E>) {
        let losses = || (1..).map(f64::from).zip(history.losses().iter().copied());
        let chart = |title| Chart::new(title, "step", "loss").noisy_line("training loss", losses());
        let caption = "Each step's loss on its own batch, faintly, and over it the moving average.";
        let section = self.section("Learning");
        section.picture(chart("Loss by step").picture(), caption);
        if is_drawn_logarithmically("loss", history.losses()) {
            let chart = chart("Loss by step, logarithmic").log_y();
            section.picture(chart.picture(), LOGARITHMIC);
        }
    }

    fn metric<E: Element>(&mut self, history: &History<E>, quantity: &str) {
        let name = capitalized(quantity);
        let of_quantity = |metric: &&str| split_source(metric).1 == quantity;
        let names: Vec<_> = history.metric_names().into_iter().filter(of_quantity).collect();
        let chart = |title| {
            let mut chart = Chart::new(title, "epoch", quantity);
            for metric in &names {
                let source = split_source(metric).0.unwrap_or(quantity);
                let epochs = (1..).map(f64::from).zip(history.epochs());
                let points = epochs.filter_map(|(x, epoch)| Some((x, epoch.metric(metric)?)));
                chart = chart.line(source, points);
            }
            chart
        };
        let section = self.section("Learning");
        section.picture(chart(format!("{name} by epoch")).picture(), "At the end of each epoch.");
        let values: Vec<f64> = history
            .epochs()
            .iter()
            .flat_map(|epoch| names.iter().filter_map(|name| epoch.metric(name)))
            .collect();
        if is_drawn_logarithmically(quantity, &values) {
            let chart = chart(format!("{name} by epoch, logarithmic")).log_y();
            section.picture(chart.picture(), LOGARITHMIC);
        }
    }

    /// Adds, under a heading, the gradient norm and the update-to-weight ratio of each layer over
    /// time. [`history`](Self::history) does so too; this is for one of several runs.
    pub fn layers<E: Element>(&mut self, heading: &str, history: &History<E>) {
        let chart = |title, label, of: fn(&LayerMeasurement) -> Option<f64>| {
            let mut chart = Chart::new(title, "step", label).log_y();
            for (index, name) in history.layer_names().iter().enumerate() {
                let measured = history.measurements().iter();
                let points = measured
                    .filter_map(|(step, layers)| Some(((step + 1) as f64, of(&layers[index])?)));
                chart = chart.line(name, points);
            }
            chart
        };
        if history.measurements().is_empty() {
            return;
        }
        let norms =
            chart("Gradient norm of each layer", "‖gradient‖", |layer| layer.gradient_norm);
        let last = history.measurements().last().map_or(0, |(step, _)| *step);
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

    fn layer_histograms<E: Element>(&mut self, history: &History<E>) {
        let entries = history.histograms();
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else { return };
        let middle = (first + last) / 2;
        let nearest = entries.iter().min_by_key(|(step, _)| step.abs_diff(middle));
        let mut moments: Vec<_> =
            [entries.first(), nearest, entries.last()].into_iter().flatten().collect();
        moments.dedup_by_key(|(step, _)| *step);

        let names = history.layer_names();
        let shown = names.len().min(LAYERS);
        let chosen: Vec<usize> = match names.len() <= LAYERS {
            true => (0..names.len()).collect(),
            false => (0..LAYERS).map(|i| i * (names.len() - 1) / (LAYERS - 1)).collect(),
        };
        if shown < names.len() {
            self.section("Layers").text(format!(
                "There are histograms of {shown} of the {} layers, from the first to the last.",
                names.len()
            ));
        }
        type Of = fn(&LayerHistograms) -> Option<&Histogram>;
        let kinds: [(&str, &str, Of, &str); 3] = [
            (
                "Weights",
                "weight",
                |layer| layer.weights.as_ref(),
                "How the layer's parameters are spread at the start, the middle and the end, each \
                 as high as its row.",
            ),
            (
                "Activations",
                "activation",
                |layer| layer.activations.as_ref(),
                "What the layer passes on. All at 0, or all at the ends of the range: little is \
                 learned through such a layer.",
            ),
            (
                "Gradients",
                "gradient",
                |layer| layer.gradients.as_ref(),
                "The loss' gradient with respect to the layer's parameters.",
            ),
        ];
        for index in chosen {
            for (title, label, of, caption) in kinds {
                let rows: Vec<_> = moments
                    .iter()
                    .filter_map(|(step, layers)| {
                        Some((format!("step {}", step + 1), of(&layers[index])?))
                    })
                    .collect();
                if !rows.is_empty() {
                    let title = format!("{title} of {}", names[index]);
                    let picture = histograms(&title, label, &rows);
                    self.section("Layers").picture(picture, caption);
                }
            }
        }
    }
}

/// What the metrics measure, whatever they measure it on, each once.
fn quantities<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut quantities: Vec<&str> = Vec::new();
    for (_, quantity) in names.iter().map(|name| split_source(name)) {
        if !quantities.contains(&quantity) {
            quantities.push(quantity);
        }
    }
    quantities
}

/// `validation loss` as `validation` and `loss`.
fn split_source(metric: &str) -> (Option<&str>, &str) {
    match metric.split_once(' ') {
        Some((source, quantity)) if SOURCES.contains(&source) => (Some(source), quantity),
        _ => (None, metric),
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

/// Whether a logarithmic scale shows more than a linear one: a loss has positive values, or those
/// of another quantity are all positive and the greatest is ten times the least.
fn is_drawn_logarithmically(quantity: &str, values: &[f64]) -> bool {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let min = finite().fold(f64::INFINITY, f64::min);
    let max = finite().fold(f64::NEG_INFINITY, f64::max);
    if quantity.contains("loss") { max > 0.0 } else { min > 0.0 && max >= 10.0 * min }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_one_quantity_share_a_picture() {
        let names = ["training loss", "loss of all", "validation loss", "test accuracy", "F1"];
        assert_eq!(quantities(&names), ["loss", "loss of all", "accuracy", "F1"]);
        assert_eq!(
            split_source("validation top-5 accuracy"),
            (Some("validation"), "top-5 accuracy")
        );
    }

    #[test]
    fn a_logarithmic_picture_is_drawn_where_it_shows_more() {
        assert!(is_drawn_logarithmically("validation loss", &[2.3, 2.0]));
        assert!(!is_drawn_logarithmically("loss", &[-2.3, 0.0]));
        assert!(is_drawn_logarithmically("error", &[2.3, 0.1, f64::NAN]));
        assert!(!is_drawn_logarithmically("accuracy", &[0.3, 0.9]));
        assert!(!is_drawn_logarithmically("error", &[2.3, 0.0]));
        assert!(!is_drawn_logarithmically("error", &[]));
    }
}
