//! Points in the plane that no line divides: the ground for comparing optimizers.
//!
//! ```text
//! cargo run --release --example spirals
//! cargo run --release --example spirals -- --data moons --optimizer adam --activation relu
//! cargo run --release --example spirals -- --compare sgd,momentum,adam,lion
//! ```
//!
//! ```text
//! sgd    w ← w − η · g              momentum   w ← w − η · v,  v ← 0.9 · v + g
//! adam   w ← w − η · m ÷ √v         m and v the means of g and g² over the last steps
//! ```
//!
//! With `--compare` each optimizer starts from the same weights and sees the same batches, so that
//! what differs is the rule alone.
//!
//! What to look for: how much of the way each has gone after a tenth of the epochs, and that the
//! learning rates at which they do best differ by a factor of a hundred.

#[path = "spirals/plane.rs"]
mod plane;
#[path = "spirals/rules.rs"]
mod rules;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use downhill::datasets::synthetic;
use downhill::nn::Initializer;
use downhill::prelude::*;
use downhill::tensor::Path;
use downhill::train::{Position, State, format_metric};
use downhill_report::Report;

use crate::plane::{decisions, letters};
use crate::rules::Rule;
use lesson::Totals;
use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Trains the model: the loop.
fn fit(
    run: &mut Run,
    mut checkpoints: Checkpoints,
    rule: Rule,
    [train, test]: [&Dataset; 2],
    arguments: &Arguments,
) -> lesson::Outcome {
    let &Arguments { epochs, batch_size, .. } = arguments;
    let rate = arguments.rate(rule);
    let mut optimizers = rule.optimizers(rate, arguments.weight_decay);
    let cross_entropy = CrossEntropy::new();
    let quiet = arguments.quiet || !arguments.compare.is_empty();
    checkpoints.restore(run.state(&mut optimizers), quiet)?;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    while run.position.epoch() < epochs {
        let epoch = run.position.epoch();
        let batches = run.position.begin_epoch(&mut run.rng, |rng| train.batches(batch_size, rng));
        for batch in batches.skip(run.position.batch()) {
            let logits = run.model.forward(&batch.features);
            let loss = cross_entropy.forward(&logits, &batch.labels)?;
            run.record.check_loss(&run.model, &loss, (epoch, run.position.batch()), rate)?;
            let gradients = loss.backward();
            for optimizer in &mut optimizers {
                optimizer.step(&mut run.model, &gradients)?;
            }

            run.record.step(&run.model, &gradients, &loss, rate);
            run.totals.add(&loss, &logits, &batch.labels);
            run.position.next_batch();
            checkpoints.step(run.state(&mut optimizers))?;
        }
        let [loss, accuracy] = run.totals.take();
        run.losses.push(loss);
        progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
        let evaluate = |points: &Tensor| run.model.forward(points);
        run.record.classifier_epoch((epoch, epochs), [loss, accuracy], test, evaluate)?;
        if MOMENTS.iter().any(|share| (share * epochs as f64) as usize == epoch + 1) {
            let steps = (epoch + 1) * train.len().div_ceil(batch_size);
            run.moments.push((steps, weights(&run.model)));
        }
        run.position.next_epoch();
        checkpoints.epoch(run.state(&mut optimizers), loss)?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(run.state(&mut optimizers))
}

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
        match arguments.compare.is_empty() {
            true => report.setting("learning rate", arguments.rate(arguments.optimizer)),
            false => report.setting("optimizer", "each that is compared"),
        }
    }
    match arguments.compare.is_empty() {
        true => train_one(&arguments, model, [&train, &test], rng, report),
        false => compare(&arguments, &model, [&train, &test], &rng, report),
    }
}

/// Trains with one optimizer, and shows what came of it.
fn train_one(
    arguments: &Arguments,
    model: Mlp,
    [train, test]: [&Dataset; 2],
    rng: Xoshiro256PlusPlus,
    report: Option<Report>,
) -> lesson::Outcome {
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, None)?;
    let mut run = Run::new(arguments, None, model, rng)?;
    let started = Instant::now();
    fit(&mut run, checkpoints, arguments.optimizer, [train, test], arguments)?;
    let elapsed = started.elapsed();
    let function = arguments.activation.to_possible_value();
    let function = function.map_or_else(String::new, |value| value.get_name().to_owned());
    let network = serde_json::json!({ "kind": "mlp", "activation": function });
    let notes = lesson::keep::classifier_notes(network, train, None);
    arguments.keep.save(&run.model, &notes);
    if !arguments.quiet {
        println!("\n{}", letters(&run.model, train));
        println!("trained in {:.2} s", elapsed.as_secs_f64());
    }
    if let Some(mut report) = report {
        report.history(&run.record.history);
        report.decisions("Decisions", &decisions(&run.models(), train));
        let logits = without_recording(|| run.model.forward(&test.full_batch().features));
        report.classification_since(&run.record.confusions(test)?, &logits, test)?;
        lesson::observe::write(report, arguments.quiet);
    }
    println!("test accuracy {:.4}", run.accuracy(test)?);
    Ok(())
}

/// Trains with one optimizer after the other, from the same weights, and prints a table.
fn compare(
    arguments: &Arguments,
    model: &Mlp,
    [train, test]: [&Dataset; 2],
    rng: &Xoshiro256PlusPlus,
    report: Option<Report>,
) -> lesson::Outcome {
    let header =
        ["optimizer", "rate", "loss, first", "a tenth", "half", "last", "accuracy", "time"];
    println!("{}", line(&header.map(str::to_owned)));
    let (mut runs, mut rows) = (Vec::new(), Vec::new());
    for &rule in &arguments.compare {
        let name = rule.name();
        let checkpoints = arguments.keep.checkpoints::<Arguments>(Some(&name), None)?;
        let mut run = Run::new(arguments, Some(&name), model.clone(), rng.clone())?;
        let started = Instant::now();
        let outcome = fit(&mut run, checkpoints, rule, [train, test], arguments);
        let seconds = started.elapsed().as_secs_f64();
        let mut row = vec![name.clone(), arguments.rate(rule).to_string()];
        match outcome {
            Ok(()) => {
                row.extend(run.losses_on_the_way());
                row.extend([format!("{:.4}", run.accuracy(test)?), format!("{seconds:.2} s")]);
            }
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
        runs.push((name, run));
        if lesson::interrupted() {
            break;
        }
    }
    if let Some(mut report) = report {
        let histories = runs.iter().map(|(name, run)| (name.as_str(), &run.record.history));
        report.comparison(&histories.collect::<Vec<_>>());
        report.section("Figures").table(&header, rows);
        for (name, run) in &runs {
            let models = run.models();
            report.decisions(name, &decisions(&models[models.len() - 1..], train));
            report.layers(name, &run.record.history);
        }
        lesson::observe::write(report, arguments.quiet);
    }
    Ok(())
}

/// A line of the table.
fn line(cells: &[String]) -> String {
    let widths = [10, 8, 11, 9, 9, 9, 9, 7];
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// A model, and what accompanies its training.
struct Run {
    model: Mlp,
    record: Record,
    rng: Xoshiro256PlusPlus,
    position: Position<Xoshiro256PlusPlus>,
    totals: Totals,
    /// The mean loss of each epoch.
    losses: Vec<f64>,
    /// The weights before training and after some numbers of steps.
    moments: Vec<(usize, Vec<Vec<f32>>)>,
}

impl Run {
    /// A run, named if it is one of several.
    fn new(
        arguments: &Arguments,
        name: Option<&str>,
        model: Mlp,
        rng: Xoshiro256PlusPlus,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let record = arguments.observe.record(name, &model)?;
        let moments = vec![(0, weights(&model))];
        let (position, totals) = (Position::new(), Totals::default());
        Ok(Self { model, record, rng, position, totals, losses: Vec::new(), moments })
    }

    /// All that the next step depends on.
    fn state<'a>(&'a mut self, optimizers: &'a mut Vec<Box<dyn Optimizer<f32>>>) -> State<'a> {
        State::new("model", &mut self.model)
            .memory("optimizers", optimizers)
            .memory("record", &mut self.record)
            .value("rng", &mut self.rng)
            .value("position", &mut self.position)
            .value("totals", &mut self.totals)
            .value("losses", &mut self.losses)
            .value("moments", &mut self.moments)
    }

    /// The loss of the first epoch, and those after a tenth, a half and the whole of the way.
    fn losses_on_the_way(&self) -> [String; 4] {
        let at =
            |part: usize| format_metric(self.losses[(self.losses.len() * part / 10).max(1) - 1]);
        [format_metric(self.losses[0]), at(1), at(5), at(10)]
    }

    fn accuracy(&self, test: &Dataset) -> Result<f64, downhill::train::Error> {
        let logits = without_recording(|| self.model.forward(&test.full_batch().features));
        accuracy(&logits.argmax(-1), test.labels())
    }

    /// The model before training and after some numbers of steps.
    fn models(&self) -> Vec<(usize, Mlp)> {
        let then =
            |(steps, weights): &(usize, Vec<_>)| (*steps, with_weights(&self.model, weights));
        self.moments.iter().map(then).collect()
    }
}

impl Arguments {
    /// The learning rate asked for, or one that suits the optimizer.
    fn rate(&self, rule: Rule) -> f64 {
        self.learning_rate.unwrap_or_else(|| rule.rate())
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
}

/// The values of all parameters.
fn weights(model: &Mlp) -> Vec<Vec<f32>> {
    model.named().iter().map(|(_, tensor)| tensor.to_vec()).collect()
}

/// The model with other parameters.
fn with_weights(model: &Mlp, weights: &[Vec<f32>]) -> Mlp {
    let (mut model, mut weights) = (model.clone(), weights.iter());
    model.visit_mut(Path::ROOT, &mut |_, tensor| {
        if let Some(weights) = weights.next() {
            tensor.update(|values| values.copy_from_slice(weights));
        }
    });
    model
}
