//! What a record of training looks like.

use downhill_tensor::Element;

use super::layers::LAYERS;
use super::{Report, file_stem};
use crate::plot::Chart;
use downhill_train::History;

/// The most runs side by side of which each step's loss is drawn, and not its average alone.
const NOISY_RUNS: usize = 4;

/// How far beyond what most runs reach the linear picture of several goes.
const BEYOND: f64 = 3.0;

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
        self.layers_in("Layers", history, LAYERS);
        self.record("", history);
    }

    /// Adds several runs side by side, such as those of several optimizers: the loss by step, each
    /// metric by epoch and the learning rate, with a curve for each run. The record of each goes
    /// beside the page, as that of [`history`](Self::history) does, into files that bear its name.
    pub fn comparison<E: Element>(&mut self, runs: &[(&str, &History<E>)]) {
        let by_step = |values: &[f64]| -> Vec<(f64, f64)> {
            (1..).map(f64::from).zip(values.iter().copied()).collect()
        };
        let losses: Vec<Curve<'_>> =
            runs.iter().map(|(name, history)| (*name, by_step(history.losses()))).collect();
        let noisy = runs.len() <= NOISY_RUNS;
        let draw = if noisy { Chart::noisy_line } else { Chart::moving_average };
        let caption = match noisy {
            true => "Each step's loss on its own batch, faintly, and over it the moving average.",
            false => "The moving average of each step's loss on its own batch.",
        };
        self.side_by_side(["Loss by step", "step", "loss"], caption, &losses, draw);

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
            let title = format!("{} by epoch", capitalized(metric));
            let labels = [title.as_str(), "epoch", metric];
            self.side_by_side(labels, "At the end of each epoch.", &curves, Chart::line);
        }
        let rates = runs.iter().fold(
            Chart::new("Learning rate", "step", "learning rate"),
            |chart, (name, history)| chart.line(*name, by_step(history.learning_rates())),
        );
        self.section("Learning").picture(rates.picture(), "The learning rate of each step.");
        for (name, history) in runs {
            self.record(&format!("-{}", file_stem(name)), history);
        }
    }

    /// Draws a quantity of several runs, and once more on a logarithmic scale if that shows more.
    fn side_by_side(
        &mut self,
        [title, x_label, quantity]: [&str; 3],
        caption: &str,
        curves: &[Curve<'_>],
        draw: fn(Chart, String, Vec<(f64, f64)>) -> Chart,
    ) {
        let chart = |scale: &str| {
            let chart = Chart::new(format!("{title}{scale}"), x_label, quantity);
            curves.iter().fold(chart, |chart, (name, points)| {
                draw(chart, (*name).to_owned(), points.clone())
            })
        };
        let logarithmic = {
            let values = curves.iter().flat_map(|(_, points)| points).map(|point| point.1);
            is_drawn_logarithmically(quantity, &values.collect::<Vec<_>>())
        };
        let section = self.section("Learning");
        match usual_end(curves).filter(|_| logarithmic) {
            None => section.picture(chart("").picture(), caption),
            Some(end) => {
                let caption = format!(
                    "{caption} What exceeds {} is not in this picture; it is on the logarithmic \
                     scale.",
                    downhill_train::format_short(end)
                );
                section.picture(chart("").y_range(0.0, end).picture(), caption)
            }
        };
        if logarithmic {
            section.picture(chart(", logarithmic").log_y().picture(), LOGARITHMIC);
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
}

/// A run's name, and its points.
type Curve<'a> = (&'a str, Vec<(f64, f64)>);

/// Where the axis of several runs is to end, if some go far beyond what most of them reach, so that
/// the others would be pressed to its foot.
fn usual_end(curves: &[Curve<'_>]) -> Option<f64> {
    let greatest = |(_, points): &Curve<'_>| {
        let finite = points.iter().map(|point| point.1).filter(|value| value.is_finite());
        finite.reduce(f64::max)
    };
    let mut greatest: Vec<f64> = curves.iter().filter_map(greatest).collect();
    greatest.sort_by(f64::total_cmp);
    let end = BEYOND * greatest.get((greatest.len().max(1) - 1) / 2)?;
    (end > 0.0 && greatest.last()? > &end).then_some(end)
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

/// Whether a logarithmic scale shows more than a linear one: of a loss, if it has positive values;
/// of another quantity, if all are positive and the greatest is ten times the least. Not of an
/// accuracy, whose last steps to 1 it would hide.
fn is_drawn_logarithmically(quantity: &str, values: &[f64]) -> bool {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let min = finite().fold(f64::INFINITY, f64::min);
    let max = finite().fold(f64::NEG_INFINITY, f64::max);
    match () {
        () if quantity.contains("loss") => max > 0.0,
        () if quantity.contains("accuracy") => false,
        () => min > 0.0 && max >= 10.0 * min,
    }
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
    fn runs_that_explode_do_not_press_the_others_to_the_foot_of_the_picture() {
        let run = |greatest: f64| ("run", vec![(1.0, greatest), (2.0, 0.5), (3.0, f64::NAN)]);
        assert_eq!(usual_end(&[run(2.0), run(3.0), run(1e22)]), Some(9.0));
        assert_eq!(usual_end(&[run(2.0), run(3.0), run(8.0)]), None);
        // Of two, neither is what most runs reach; it is the lesser that shall be seen.
        assert_eq!(usual_end(&[run(2.0), run(3000.0)]), Some(6.0));
        assert_eq!(usual_end(&[run(2.0), ("lost at once", Vec::new())]), None);
        assert_eq!(usual_end(&[]), None);
    }

    #[test]
    fn a_logarithmic_picture_is_drawn_where_it_shows_more() {
        assert!(is_drawn_logarithmically("validation loss", &[2.3, 2.0]));
        assert!(!is_drawn_logarithmically("loss", &[-2.3, 0.0]));
        assert!(is_drawn_logarithmically("error", &[2.3, 0.1, f64::NAN]));
        assert!(!is_drawn_logarithmically("test accuracy", &[0.08, 0.9]));
        assert!(!is_drawn_logarithmically("error", &[2.3, 0.0]));
        assert!(!is_drawn_logarithmically("error", &[]));
    }
}
