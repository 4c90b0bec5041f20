//! What a record of training looks like.

use downhill_tensor::Element;
use downhill_train::{History, format_metric, format_short};

use super::metrics::{best, capitalized, quantities, split_source, when};
use super::{Cell, Report, Table, file_stem};
use crate::plot::Chart;

/// The most runs side by side whose loss is drawn step by step, and not its average alone.
const NOISY_RUNS: usize = 4;
/// How far beyond what most runs reach the picture of several goes, and how far one of them must go
/// to be cut off there.
const BEYOND: f64 = 3.0;
const FAR: f64 = 100.0;
/// The greatest of some values in proportion to the least, from which on a logarithmic scale shows
/// more.
const WIDE: f64 = 30.0;

const EACH_STEP: &str =
    "Each step's loss on its own batch, faintly, and over it the moving average.";
const LOGARITHMIC: &str = "On this logarithmic scale, what falls by a constant factor is a straight \
                           line.";

impl Report {
    /// Adds what was learned: the result and what was [found](History::findings) to be wrong at the
    /// head of the page, loss, metrics and learning rate over time, and the [layers](Self::layers).
    /// Beside the page go `steps.csv`, `epochs.csv` and `history.jsonl`.
    #[inline(never)]
    pub fn history<E: Element>(&mut self, history: &History<E>) {
        self.examine(history.findings());
        self.result_tables.extend(result(history));
        self.time(history);
        for metric in history.metric_names() {
            if let Some((epoch, value)) = best(metric, &by_epoch(history, metric)) {
                let what = format!("best {metric}, {}", format_metric(value));
                self.mark(history.epochs()[epoch - 1].steps, what);
            }
        }
        if let Some(step) = history.diverged_at() {
            self.mark(step + 1, "diverged");
        }
        if !history.losses().is_empty() {
            self.result("steps", history.losses().len());
            let losses = by_step(history.losses());
            let name = history.loss_name();
            let title = format!("{} by step", capitalized(name));
            let chart = Chart::new(title, "step", name).noisy_line("training", losses);
            self.on_its_scale(chart, history.losses(), EACH_STEP.into());
        }
        for quantity in quantities(&history.metric_names()) {
            self.metric(history, quantity);
        }
        self.learning_rates(&[("learning rate", history)]);
        self.all_layers(history);
        self.record("", history);
    }

    /// Adds several runs side by side, such as those of several optimizers: the results at the head
    /// of the page, the loss by step, each metric by epoch and the learning rate, with a curve for
    /// each run. Only losses of the same [name](History::loss_named) share an axis. The record of
    /// each goes beside the page, as that of [`history`](Self::history) does, into files that bear
    /// its name.
    #[inline(never)]
    pub fn comparison<E: Element>(&mut self, runs: &[(&str, &History<E>)]) {
        for (name, history) in runs {
            let of_run = |mut finding: downhill_train::Finding| {
                finding.observation = format!("{name}: {}", finding.observation);
                finding
            };
            self.examine(history.findings().into_iter().map(of_run));
            self.time(history);
        }
        self.result_tables.extend(results(runs));
        let mut losses: Vec<&str> = Vec::new();
        for (_, history) in runs {
            if !losses.contains(&history.loss_name()) {
                losses.push(history.loss_name());
            }
        }
        for loss in losses {
            let own = runs.iter().filter(|(_, history)| history.loss_name() == loss);
            let curves: Vec<Curve<'_>> =
                own.map(|(name, history)| (*name, by_step(history.losses()))).collect();
            let noisy = curves.len() <= NOISY_RUNS;
            let draw = if noisy { Chart::noisy_line } else { Chart::moving_average };
            let caption = match noisy {
                true => EACH_STEP,
                false => "The moving average of each step's loss on its own batch.",
            };
            let title = format!("{} by step", capitalized(loss));
            self.side_by_side([&title, "step", loss], caption.into(), &curves, draw);
        }

        let mut metrics: Vec<&str> = Vec::new();
        for metric in runs.iter().flat_map(|(_, history)| history.metric_names()) {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        // The moving average by step has drawn it already.
        let is_drawn = |metric: &str| {
            runs.len() > NOISY_RUNS
                && runs
                    .iter()
                    .all(|(_, history)| metric == format!("training {}", history.loss_name()))
        };
        metrics.retain(|metric| !is_drawn(metric));
        for metric in metrics {
            let mut captions: Vec<String> = Vec::new();
            let mut curves = Vec::new();
            for (name, history) in runs {
                let points = by_epoch(history, metric);
                if !points.is_empty() {
                    captions.push(when(&points, history.epochs().len()));
                    curves.push((*name, points));
                }
            }
            captions.dedup();
            let caption = match &captions[..] {
                [caption] => format!("{}.", capitalized(caption)),
                _ => "As often as each was measured.".into(),
            };
            let title = format!("{} by epoch", capitalized(metric));
            let labels = [title.as_str(), "epoch", split_source(metric).1];
            self.side_by_side(labels, caption, &curves, Chart::line);
        }
        self.learning_rates(runs);
        for (name, history) in runs {
            self.record(&format!("-{}", file_stem(name)), history);
        }
    }

    /// How long the run was, for the page's slider.
    fn time<E: Element>(&mut self, history: &History<E>) {
        self.steps = self.steps.max(history.losses().len());
        if let Some(epoch) = history.epochs().first() {
            self.steps_per_epoch = epoch.steps;
        }
    }

    /// Draws a quantity of several runs, on a logarithmic scale if that shows more.
    fn side_by_side(
        &mut self,
        [title, x_label, quantity]: [&str; 3],
        caption: String,
        curves: &[Curve<'_>],
        draw: fn(Chart, String, Vec<(f64, f64)>) -> Chart,
    ) {
        let chart = Chart::new(title, x_label, quantity);
        let chart = curves
            .iter()
            .fold(chart, |chart, (name, points)| draw(chart, (*name).to_owned(), points.clone()));
        let values = curves.iter().flat_map(|(_, points)| points).map(|point| point.1);
        let values: Vec<f64> = values.collect();
        let least = values.iter().copied().filter(|value| value.is_finite()).reduce(f64::min);
        match (usual_end(curves), least) {
            (Some(end), Some(least)) if least < end => {
                let end_text = format_short(end);
                let caption = format!("{caption} What exceeds {end_text} is not in this picture.");
                let usual: Vec<f64> = values.into_iter().filter(|value| *value <= end).collect();
                self.on_its_scale(chart.y_range(least, end), &usual, caption);
            }
            _ => self.on_its_scale(chart, &values, caption),
        }
    }

    /// Draws a chart of a quantity once, on the scale that shows more of it.
    fn on_its_scale(&mut self, chart: Chart, values: &[f64], caption: String) {
        let (chart, caption) = match is_drawn_logarithmically(chart.y_label(), values) {
            true => (chart.log_y(), format!("{caption} {LOGARITHMIC}")),
            false => (chart, caption),
        };
        self.section("Learning").picture(chart.picture(), caption);
    }

    /// The learning rate of each run: a line of the head where it is constant.
    fn learning_rates<E: Element>(&mut self, runs: &[(&str, &History<E>)]) {
        let constant = |history: &History<E>| {
            let (first, rest) = history.learning_rates().split_first()?;
            rest.iter().all(|rate| rate == first).then_some(*first)
        };
        let varies = |(_, history): &&(&str, &History<E>)| {
            !history.learning_rates().is_empty() && constant(history).is_none()
        };
        let varying: Vec<_> = runs.iter().filter(varies).collect();
        let rates: Vec<Option<f64>> = runs.iter().map(|(_, history)| constant(history)).collect();
        let alike = rates.windows(2).all(|pair| pair[0] == pair[1]);
        for ((run, _), rate) in runs.iter().zip(&rates).take(if alike { 1 } else { runs.len() }) {
            if let Some(rate) = rate {
                let name = match alike {
                    true => "learning rate".to_owned(),
                    false => format!("learning rate, {run}"),
                };
                self.result(name, format!("{}, at every step", format_short(*rate)));
            }
        }
        if varying.is_empty() {
            return;
        }
        let chart = Chart::new("Learning rate", "step", "learning rate");
        let chart = varying.iter().fold(chart, |chart, (name, history)| {
            chart.line(*name, by_step(history.learning_rates()))
        });
        self.section("Learning").picture(chart.picture(), "The learning rate of each step.");
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

    fn metric<E: Element>(&mut self, history: &History<E>, quantity: &str) {
        let of_quantity = |metric: &&str| split_source(metric).1 == quantity;
        let names: Vec<_> = history.metric_names().into_iter().filter(of_quantity).collect();
        let mut chart =
            Chart::new(format!("{} by epoch", capitalized(quantity)), "epoch", quantity);
        let (mut captions, mut values) = (Vec::new(), Vec::new());
        for metric in names {
            let source = split_source(metric).0.unwrap_or(quantity);
            let points = by_epoch(history, metric);
            captions.push((source, when(&points, history.epochs().len())));
            values.extend(points.iter().map(|point| point.1));
            chart = chart.line(source, points);
        }
        let alike = captions.iter().all(|(_, caption)| *caption == captions[0].1);
        let caption = match alike {
            true => format!("{}.", capitalized(&captions[0].1)),
            false => {
                let each = captions.iter().map(|(source, caption)| format!("{source} {caption}"));
                format!("{}.", capitalized(&each.collect::<Vec<_>>().join(", ")))
            }
        };
        self.on_its_scale(chart, &values, caption);
    }
}

/// A run's name, and its points.
type Curve<'a> = (&'a str, Vec<(f64, f64)>);

fn by_step(values: &[f64]) -> Vec<(f64, f64)> {
    (1..).map(f64::from).zip(values.iter().copied()).collect()
}

fn by_epoch<E: Element>(history: &History<E>, metric: &str) -> Vec<(f64, f64)> {
    let epochs = (1..).map(f64::from).zip(history.epochs());
    epochs.filter_map(|(x, epoch)| Some((x, epoch.metric(metric)?))).collect()
}

/// The last value of each metric, and the best one of what is measured elsewhere than in training.
fn result<E: Element>(history: &History<E>) -> Option<Table> {
    let names = history.metric_names();
    let row = |name: &&str| {
        let points = by_epoch(history, name);
        let last = format_metric(points.last()?.1);
        let best = best(name, &points).map_or(String::new(), |(epoch, value)| {
            format!("{} in epoch {epoch}", format_metric(value))
        });
        Some(vec![Cell::Text((*name).to_owned()), Cell::Text(last), Cell::Text(best)])
    };
    let rows: Vec<_> = names.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Table::new(&["", "at the end", "best"], rows))
}

/// The last value of each metric of each run.
fn results<E: Element>(runs: &[(&str, &History<E>)]) -> Option<Table> {
    let mut metrics: Vec<&str> = Vec::new();
    for metric in runs.iter().flat_map(|(_, history)| history.metric_names()) {
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    let row = |(name, history): &(&str, &History<E>)| {
        let last = |metric: &&str| by_epoch(history, metric).last().map(|point| point.1);
        let cells = metrics.iter().map(|metric| last(metric).map_or("–".into(), format_metric));
        let name = match history.diverged_at() {
            Some(step) => format!("{name}: diverged at step {}", step + 1),
            None => (*name).to_owned(),
        };
        [name].into_iter().chain(cells).map(Cell::Text).collect()
    };
    let header: Vec<&str> = ["at the end"].into_iter().chain(metrics.iter().copied()).collect();
    (!metrics.is_empty()).then(|| Table::new(&header, runs.iter().map(row).collect()))
}

/// Where the axis of several runs is to end, if some go far beyond what most of them reach, so that
/// the others would be pressed to its foot.
fn usual_end(curves: &[Curve<'_>]) -> Option<f64> {
    let greatest = |(_, points): &Curve<'_>| {
        let finite = points.iter().map(|point| point.1).filter(|value| value.is_finite());
        finite.reduce(f64::max)
    };
    let mut greatest: Vec<f64> = curves.iter().filter_map(greatest).collect();
    greatest.sort_by(f64::total_cmp);
    let usual = *greatest.get((greatest.len().max(1) - 1) / 2)?;
    (usual > 0.0 && *greatest.last()? > FAR * usual).then_some(BEYOND * usual)
}

/// Whether a logarithmic scale shows more than a linear one: if all values are positive and the
/// greatest is thirty times the least. Not of an accuracy, whose last steps to 1 it would hide.
fn is_drawn_logarithmically(quantity: &str, values: &[f64]) -> bool {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let min = finite().fold(f64::INFINITY, f64::min);
    let max = finite().fold(f64::NEG_INFINITY, f64::max);
    min > 0.0 && max >= WIDE * min && !quantity.contains("accuracy")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_explode_do_not_press_the_others_to_the_foot_of_the_picture() {
        let run = |greatest: f64| ("run", vec![(1.0, greatest), (2.0, 0.5), (3.0, f64::NAN)]);
        assert_eq!(usual_end(&[run(2.0), run(3.0), run(1e22)]), Some(9.0));
        assert_eq!(usual_end(&[run(2.0), run(3.0), run(80.0)]), None);
        // Of two, neither is what most runs reach; it is the lesser that shall be seen.
        assert_eq!(usual_end(&[run(2.0), run(3000.0)]), Some(6.0));
        assert_eq!(usual_end(&[run(2.0), ("lost at once", Vec::new())]), None);
        assert_eq!(usual_end(&[]), None);
    }

    #[test]
    fn a_logarithmic_picture_is_drawn_where_it_shows_more() {
        assert!(!is_drawn_logarithmically("validation loss", &[2.3, 0.2]));
        assert!(is_drawn_logarithmically("validation loss", &[2.3, 0.05, f64::NAN]));
        assert!(!is_drawn_logarithmically("loss", &[-2.3, 0.0]));
        assert!(!is_drawn_logarithmically("test accuracy", &[0.02, 0.9]));
        assert!(!is_drawn_logarithmically("error", &[2.3, 0.0]));
        assert!(!is_drawn_logarithmically("error", &[]));
    }
}
