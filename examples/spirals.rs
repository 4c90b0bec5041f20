//! Points in the plane that no line divides: the ground for comparing optimizers.
//!
//! ```text
//! cargo run --release --example spirals
//! cargo run --release --example spirals -- --data moons --optimizer adam --activation relu
//! cargo run --release --example spirals -- --compare sgd,momentum,adam,lion
//! ```
//!
//! With `--compare` each optimizer starts from the same weights and sees the same batches, so that
//! what differs is the rule alone:
//!
//! - `sgd` steps down the gradient of each batch: w ← w − η·g;
//! - `momentum` and `nesterov` step down a running sum of gradients, which cancels what alternates
//!   and adds up what persists;
//! - `adagrad`, `rmsprop`, `adam` and `adamw` divide each weight's step by the size its gradients
//!   usually have, so that flat directions are walked as fast as steep ones;
//! - `lion` takes the sign only: every weight moves by η in every step;
//! - `muon` makes all singular values of a matrix's step equal (biases are stepped by `adamw`).
//!
//! What to look for: how much of the way each has gone after a tenth of the epochs, and that the
//! learning rates at which they do best differ by a factor of a hundred.

#[path = "spirals/plane.rs"]
mod plane;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use downhill::datasets::synthetic;
use downhill::nn::Initializer;
use downhill::optim::{Adagrad, Adam, AdamW, Lion, Muon, ParameterGroup, RmsProp};
use downhill::prelude::*;
use downhill::tensor::Path;
use downhill::train::{Position, format_metric, state};

use crate::plane::{decisions, letters};
use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Trains a small network to tell points in the plane apart, with the optimizer of your choice
#[derive(Parser)]
struct Arguments {
    /// The figure the points are drawn on
    #[arg(long, value_enum, default_value = "spirals")]
    data: Figure,

    /// How many points are drawn; a fifth of them is kept for testing
    #[arg(long, default_value = "500", value_parser = lesson::positive_count)]
    points: usize,

    /// The standard deviation of the noise added to both coordinates
    #[arg(long, default_value = "0.02", allow_hyphen_values = true)]
    #[arg(value_parser = lesson::not_negative)]
    noise: f64,

    /// Sizes of the hidden layers; 0 for none
    #[arg(long, value_name = "SIZES", default_value = "32,32")]
    hidden: lesson::Hidden,

    /// The function between the layers
    #[arg(long, value_enum, default_value = "tanh")]
    activation: Function,

    /// What makes the steps
    #[arg(long, value_enum, default_value = "adam")]
    optimizer: Rule,

    /// Trains once with each of these instead, from the same weights
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with_all = ["optimizer", "save"])]
    compare: Vec<Rule>,

    /// The length of a step [default: one that suits the optimizer]
    #[arg(long, allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: Option<f64>,

    /// How strongly weights are drawn towards 0
    #[arg(long, default_value = "0", allow_hyphen_values = true)]
    #[arg(value_parser = lesson::not_negative)]
    weight_decay: f64,

    /// Passes over the training points
    #[arg(long, default_value = "200", value_parser = lesson::positive_count)]
    epochs: usize,

    /// Points for each step of the descent
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// What points, initial weights and shuffling are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Print nothing but the last line, or the table of --compare
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

#[derive(Clone, Copy, ValueEnum)]
enum Figure {
    Spirals,
    ThreeSpirals,
    Moons,
    Circles,
    Xor,
}

#[derive(Clone, Copy, ValueEnum)]
enum Function {
    Relu,
    LeakyRelu,
    Tanh,
    Sigmoid,
    Gelu,
    Silu,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Rule {
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Rmsprop,
    Adam,
    Adamw,
    Lion,
    Muon,
}

/// When the decisions are drawn: after these shares of the epochs.
const MOMENTS: [f64; 3] = [0.05, 0.2, 1.0];

fn main() -> ExitCode {
    lesson::run(lesson)
}

fn lesson(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (train, test) = arguments.draw(&mut rng)?.split_stratified(0.8, &mut rng)?;
    let model = arguments.model(train.class_count(), &mut rng);
    if !arguments.quiet {
        println!(
            "{} points to train on, {} to test on, {} classes; seed {}",
            train.len(),
            test.len(),
            train.class_count(),
            arguments.seed
        );
        println!("{model}");
    }

    let mut report = arguments.observe.report("Points in the plane", arguments.seed)?;
    if let Some(report) = &mut report {
        report.model(&model);
        let figure = arguments.data.to_possible_value();
        let figure = figure.map_or_else(String::new, |value| value.get_name().to_owned());
        let (points, noise) = (arguments.points, arguments.noise);
        report.fact("Data", format!("{figure}: {points} points, drawn with noise of {noise}"));
    }
    if arguments.compare.is_empty() {
        let mut record = arguments.observe.record(None, &model)?;
        let sets = [&train, &test];
        let checkpoints = arguments.keep.checkpoints::<Arguments>(None, None)?;
        let run =
            arguments.train(arguments.optimizer, model, sets, &mut record, checkpoints, rng)?;
        let function = arguments.activation.to_possible_value();
        let function = function.map_or_else(String::new, |value| value.get_name().to_owned());
        let network = serde_json::json!({ "kind": "mlp", "activation": function });
        let notes = lesson::keep::classifier_notes(network, &train, None);
        arguments.keep.save(&run.model, &notes)?;
        if !arguments.quiet {
            println!("\n{}", letters(&run.model, &train));
            println!("trained in {:.2} s", run.seconds);
        }
        if let Some(mut report) = report {
            report.history(&record.history);
            report.decisions("Decisions", &decisions(&run.moments, &train));
            let logits = without_recording(|| run.model.forward(&test.full_batch().features));
            report.classification(&logits, &test)?;
            lesson::observe::write(report, arguments.quiet)?;
        }
        println!("test accuracy {:.4}", run.accuracy);
        return Ok(());
    }

    let header =
        ["optimizer", "rate", "loss, first", "a tenth", "half", "last", "accuracy", "time"];
    println!("{}", line(&header.map(str::to_owned)));
    let (mut runs, mut rows) = (Vec::new(), Vec::new());
    for &rule in &arguments.compare {
        let mut record = arguments.observe.record(Some(&name(rule)), &model)?;
        let sets = [&train, &test];
        let checkpoints = arguments.keep.checkpoints::<Arguments>(Some(&name(rule)), None)?;
        let run = arguments.train(rule, model.clone(), sets, &mut record, checkpoints, rng.clone());
        let mut row = vec![name(rule), arguments.rate(rule).to_string()];
        match &run {
            Ok(run) => row.extend(run.summary()),
            // One rate for all is too large for some.
            Err(error) => {
                let error = error.to_string();
                let what = error.split(':').next().unwrap_or_default();
                row.extend(["-".to_owned(), format!(" {what}")]);
            }
        }
        println!("{}", line(&row));
        rows.push(row);
        // One that diverges is drawn as far as it went.
        runs.push((name(rule), record, run.map_or(Vec::new(), |run| run.moments)));
        if lesson::interrupted() {
            break;
        }
    }
    if let Some(mut report) = report {
        let histories = runs.iter().map(|(name, record, _)| (name.as_str(), &record.history));
        report.comparison(&histories.collect::<Vec<_>>());
        report.section("Figures").table(&header, rows);
        for (name, record, moments) in &runs {
            let last = &moments[moments.len().saturating_sub(1)..];
            report.decisions(name, &decisions(last, &train));
            report.layers(name, &record.history);
        }
        lesson::observe::write(report, arguments.quiet)?;
    }
    Ok(())
}

/// A line of the table.
fn line(cells: &[String]) -> String {
    let widths = [10, 8, 12, 10, 10, 10, 9, 7];
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// What came of training.
struct Run {
    model: Mlp,
    /// The model before training and after some numbers of steps.
    moments: Vec<(usize, Mlp)>,
    /// The mean loss of each epoch.
    losses: Vec<f64>,
    accuracy: f64,
    seconds: f64,
}

impl Run {
    /// The losses of the first epoch, after a tenth, a half and the whole of the way, the accuracy
    /// and the time.
    fn summary(&self) -> [String; 6] {
        let at =
            |part: usize| format_metric(self.losses[(self.losses.len() * part / 10).max(1) - 1]);
        let (accuracy, time) = (format!("{:.4}", self.accuracy), format!("{:.2} s", self.seconds));
        [format_metric(self.losses[0]), at(1), at(5), at(10), accuracy, time]
    }
}

impl Arguments {
    fn train(
        &self,
        rule: Rule,
        mut model: Mlp,
        [train, test]: [&Dataset; 2],
        mut record: &mut Record,
        mut checkpoints: Checkpoints,
        mut rng: Xoshiro256PlusPlus,
    ) -> Result<Run, Box<dyn std::error::Error>> {
        let mut optimizers = self.optimizers(rule);
        let cross_entropy = CrossEntropy::new();
        let shown = self.compare.is_empty() && !self.quiet;
        let mut progress = if shown { Progress::new(self.epochs) } else { Progress::hidden() };
        let started = Instant::now();
        let mut position = Position::new();
        let mut losses: Vec<f64> = Vec::new();
        let mut moments = vec![(0, weights(&model))];
        // The sums of the losses and of the right answers of the epoch so far.
        let mut totals = (0.0, 0.0);
        macro_rules! run {
            () => {
                state!(model; optimizers, record; rng, position, totals, losses, moments)
            };
        }
        checkpoints.restore(run!(), self.quiet || !shown)?;
        while position.epoch() < self.epochs {
            let epoch = position.epoch();
            let batches = position.begin_epoch(&mut rng, |rng| train.batches(self.batch_size, rng));
            for batch in batches.skip(position.batch()) {
                let logits = model.forward(&batch.features);
                let loss = cross_entropy.forward(&logits, &batch.labels)?;
                if !loss.item().is_finite() {
                    let (loss, rate) = (f64::from(loss.item()), self.rate(rule));
                    return Err(lesson::diverged(loss, epoch, position.batch(), rate));
                }
                let gradients = loss.backward();
                for optimizer in &mut optimizers {
                    optimizer.step(&mut model, &gradients)?;
                }
                record.step(&model, &gradients, &loss, self.rate(rule));

                let count = batch.labels.len() as f64;
                totals.0 += f64::from(loss.item()) * count;
                totals.1 += accuracy(&logits.argmax(-1), &batch.labels)? * count;
                position.next_batch();
                checkpoints.step(run!())?;
            }
            let (total_loss, correct) = std::mem::take(&mut totals);
            let count = train.len() as f64;
            let (loss, accuracy) = (total_loss / count, correct / count);
            losses.push(loss);
            progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
            let (now, figures) = ((epoch, self.epochs), [loss, accuracy]);
            record.classifier_epoch(now, figures, test, |points| model.forward(points))?;
            if MOMENTS.iter().any(|share| (share * self.epochs as f64) as usize == epoch + 1) {
                let steps = (epoch + 1) * train.len().div_ceil(self.batch_size);
                moments.push((steps, weights(&model)));
            }
            position.next_epoch();
            checkpoints.epoch(run!(), Some(loss))?;
            if lesson::interrupted() {
                break;
            }
        }
        progress.finish();
        checkpoints.finish()?;
        let seconds = started.elapsed().as_secs_f64();
        let logits = without_recording(|| model.forward(&test.full_batch().features));
        let accuracy = accuracy(&logits.argmax(-1), test.labels())?;
        let then = |(steps, weights)| (steps, with_weights(&model, weights));
        let moments = moments.into_iter().map(then).collect();
        Ok(Run { model, moments, losses, accuracy, seconds })
    }

    fn draw(&self, rng: &mut Xoshiro256PlusPlus) -> Result<Dataset, downhill::datasets::Error> {
        match self.data {
            Figure::Spirals => synthetic::spirals(2, self.points, self.noise, rng),
            Figure::ThreeSpirals => synthetic::spirals(3, self.points, self.noise, rng),
            Figure::Moons => synthetic::moons(self.points, self.noise, rng),
            Figure::Circles => synthetic::circles(self.points, self.noise, rng),
            Figure::Xor => synthetic::exclusive_or(self.points, self.noise, rng),
        }
    }

    fn model(&self, classes: usize, rng: &mut Xoshiro256PlusPlus) -> Mlp {
        let activation = match self.activation {
            Function::Relu => Activation::Relu,
            Function::LeakyRelu => Activation::LeakyRelu(0.01),
            Function::Tanh => Activation::Tanh,
            Function::Sigmoid => Activation::Sigmoid,
            Function::Gelu => Activation::Gelu,
            Function::Silu => Activation::Silu,
        };
        let sizes = [&[2], &self.hidden.0[..], &[classes]].concat();
        Mlp::new(&sizes, rng)
            .activation(activation)
            .initialize(Initializer::xavier_uniform(activation.gain()), rng)
    }

    /// The learning rate asked for, or one of the size that suits the optimizer.
    fn rate(&self, rule: Rule) -> f64 {
        self.learning_rate.unwrap_or(match rule {
            Rule::Sgd => 0.3,
            Rule::Momentum | Rule::Nesterov | Rule::Adagrad | Rule::Muon => 0.05,
            Rule::Rmsprop | Rule::Adam | Rule::Adamw => 0.01,
            Rule::Lion => 0.002,
        })
    }

    /// Usually one; Muon leaves the biases to a second.
    fn optimizers(&self, rule: Rule) -> Vec<Box<dyn Optimizer<f32>>> {
        let (rate, decay) = (self.rate(rule), self.weight_decay);
        match rule {
            Rule::Sgd => vec![Box::new(Sgd::new(rate).weight_decay(decay))],
            Rule::Momentum => vec![Box::new(Sgd::new(rate).momentum(0.9).weight_decay(decay))],
            Rule::Nesterov => {
                let nesterov = Sgd::new(rate).momentum(0.9).nesterov(true);
                vec![Box::new(nesterov.weight_decay(decay))]
            }
            Rule::Adagrad => vec![Box::new(Adagrad::new(rate).weight_decay(decay))],
            Rule::Rmsprop => vec![Box::new(RmsProp::new(rate).weight_decay(decay))],
            Rule::Adam => vec![Box::new(Adam::new(rate).weight_decay(decay))],
            Rule::Adamw => vec![Box::new(AdamW::new(rate).weight_decay(decay))],
            Rule::Lion => vec![Box::new(Lion::new(rate).weight_decay(decay))],
            Rule::Muon => {
                let matrices = Muon::new(rate).weight_decay(decay);
                let biases = AdamW::new(0.01).weight_decay(0.0);
                vec![
                    Box::new(matrices.group(ParameterGroup::matching("*.bias").frozen())),
                    Box::new(biases.group(ParameterGroup::matching("*.weight").frozen())),
                ]
            }
        }
    }
}

/// The values of all parameters.
fn weights(model: &Mlp) -> Vec<Vec<f32>> {
    model.named().iter().map(|(_, tensor)| tensor.to_vec()).collect()
}

/// The model with other parameters.
fn with_weights(model: &Mlp, weights: Vec<Vec<f32>>) -> Mlp {
    let (mut model, mut weights) = (model.clone(), weights.into_iter());
    model.visit_mut(Path::ROOT, &mut |_, tensor| {
        if let Some(weights) = weights.next() {
            tensor.update(|values| values.copy_from_slice(&weights));
        }
    });
    model
}

fn name(rule: Rule) -> String {
    rule.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
