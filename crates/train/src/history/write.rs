//! A history as tables and as JSON.

use std::io::{self, Write};

use downhill_tensor::Element;
use serde_json::{Map, Value, json};

use super::{Histogram, History, LayerMeasurement};

impl<E: Element> History<E> {
    /// Writes a table of the steps as CSV: their number, counted from 1, the loss, the learning
    /// rate, and each layer's measurements, which are empty at steps that were not measured.
    ///
    /// # Errors
    ///
    /// When `writer` fails.
    #[inline(never)]
    pub fn write_steps(&self, writer: impl Write) -> io::Result<()> {
        let mut table = csv::Writer::from_writer(writer);
        let of_layers = |quantity: &str| {
            let name = move |layer: &String| format!("{quantity} of {layer}");
            self.layer_names().iter().map(name).collect::<Vec<_>>()
        };
        let header = ["step", "loss", "learning rate"].map(String::from).to_vec();
        table.write_record(
            header
                .into_iter()
                .chain(of_layers("gradient norm"))
                .chain(of_layers("update-to-weight ratio")),
        )?;
        let unmeasured = LayerMeasurement { gradient_norm: None, update_ratio: None };
        let unmeasured = vec![unmeasured; self.layer_names().len()];
        let mut measurements = self.measurements().iter().peekable();
        for (step, (loss, rate)) in self.losses().iter().zip(self.learning_rates()).enumerate() {
            let measured = measurements.next_if(|(measured, _)| *measured == step);
            let layers = measured.map_or(&unmeasured, |(_, layers)| layers);
            let norms = layers.iter().map(|layer| layer.gradient_norm);
            let ratios = layers.iter().map(|layer| layer.update_ratio);
            let figures = [Some(*loss), Some(*rate)].into_iter().chain(norms).chain(ratios);
            table.write_record([(step + 1).to_string()].into_iter().chain(figures.map(figure)))?;
        }
        table.flush()
    }

    /// Writes a table of the epochs as CSV: their number, counted from 1, the steps made until
    /// then, and each metric.
    ///
    /// # Errors
    ///
    /// When `writer` fails.
    #[inline(never)]
    pub fn write_epochs(&self, writer: impl Write) -> io::Result<()> {
        let mut table = csv::Writer::from_writer(writer);
        let names = self.metric_names();
        table.write_record(["epoch", "step"].iter().chain(&names))?;
        for (epoch, record) in self.epochs().iter().enumerate() {
            let counts = [(epoch + 1).to_string(), record.steps.to_string()];
            let metrics = names.iter().map(|name| figure(record.metric(name)));
            table.write_record(counts.into_iter().chain(metrics))?;
        }
        table.flush()
    }

    /// Writes everything as JSON, one object a line: first the steps (`{"step":1,"loss":…,
    /// "learning_rate":…}`, with `"layers"` where they were measured and `"histograms"` where
    /// there are some), then the epochs (`{"epoch":1,"step":…,"metrics":{…}}`). Numbers that are
    /// not finite, which JSON cannot hold, are `null`.
    ///
    /// # Errors
    ///
    /// When `writer` fails.
    #[inline(never)]
    pub fn write_json_lines(&self, mut writer: impl Write) -> io::Result<()> {
        let named = |values: Vec<Value>| {
            self.layer_names().iter().cloned().zip(values).collect::<Map<_, _>>()
        };
        let mut measurements = self.measurements().iter().peekable();
        let mut histograms = self.histograms().iter().peekable();
        for (step, (loss, rate)) in self.losses().iter().zip(self.learning_rates()).enumerate() {
            let mut line = json!({ "step": step + 1, "loss": loss, "learning_rate": rate });
            if let Some((_, layers)) = measurements.next_if(|(measured, _)| *measured == step) {
                let layer = |layer: &LayerMeasurement| {
                    json!({
                        "gradient_norm": layer.gradient_norm,
                        "update_ratio": layer.update_ratio,
                    })
                };
                line["layers"] = named(layers.iter().map(layer).collect()).into();
            }
            if let Some((_, layers)) = histograms.next_if(|(measured, _)| *measured == step) {
                let layer = layers.iter().map(|layer| {
                    json!({
                        "weights": layer.weights.as_ref().map(histogram),
                        "gradients": layer.gradients.as_ref().map(histogram),
                        "activations": layer.activations.as_ref().map(histogram),
                    })
                });
                line["histograms"] = named(layer.collect()).into();
            }
            writeln!(writer, "{line}")?;
        }
        for (epoch, record) in self.epochs().iter().enumerate() {
            let metrics: Map<String, Value> =
                record.metrics.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            let line = json!({ "epoch": epoch + 1, "step": record.steps, "metrics": metrics });
            writeln!(writer, "{line}")?;
        }
        writer.flush()
    }
}

fn figure(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn histogram(histogram: &Histogram) -> Value {
    json!({
        "min": histogram.min(),
        "max": histogram.max(),
        "not_finite": histogram.not_finite(),
        "counts": histogram.counts(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::descent;
    use super::*;

    fn text(write: impl Fn(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn steps_are_a_table_with_blanks_where_nothing_was_measured() {
        let history = descent(130);
        let table = text(|bytes| history.write_steps(bytes));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 131);
        assert_eq!(
            lines[0],
            "step,loss,learning rate,gradient norm of model,update-to-weight ratio of model"
        );
        assert_eq!(lines[1], "1,1,0.25,2,0.5");
        assert_eq!(lines[2], "2,0.25,0.25,,");
        assert_eq!(lines[3], "3,0.0625,0.25,0.5,0.5");
    }

    #[test]
    fn epochs_are_a_table_with_quoted_names() {
        let table = text(|bytes| descent(4).write_epochs(bytes));
        assert_eq!(
            table,
            "epoch,step,training loss,\"weight, \"\"w\"\"\"\n1,2,0.25,0.25\n2,4,0.015625,0.0625\n"
        );
    }

    #[test]
    fn a_metric_that_an_epoch_lacks_is_blank() {
        let mut history = descent(2);
        history.epoch(&[("accuracy", f64::NAN)]);
        let table = text(|bytes| history.write_epochs(bytes));
        assert_eq!(table.lines().last(), Some("2,2,,,NaN"));
    }

    #[test]
    fn json_lines_hold_everything() {
        let mut history = descent(2);
        history.epoch(&[("accuracy", f64::NAN)]);
        let lines: Vec<Value> = text(|bytes| history.write_json_lines(bytes))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0]["loss"], 1.0);
        assert_eq!(lines[0]["layers"]["model"]["gradient_norm"], 2.0);
        assert_eq!(lines[0]["histograms"]["model"]["gradients"]["max"], 2.0);
        assert_eq!(lines[0]["histograms"]["model"]["weights"]["counts"][0], 1);
        assert!(lines[1].get("histograms").is_none());
        assert_eq!(lines[2]["metrics"]["training loss"], 0.25);
        assert_eq!(
            (&lines[3]["step"], &lines[3]["metrics"]["accuracy"]),
            (&json!(2), &json!(null))
        );
    }
}
