//! The classifier of handwritten digits, trained by several processes.
//!
//! ```text
//! mpirun -n 4 target/release/examples/digits_mpi
//! mpirun -n 4 target/release/examples/digits_mpi --batch-norm --dropout 0.2
//! mpirun -n 2 target/release/examples/digits_mpi --model cnn --data path/to/mnist
//! mpirun -n 2 target/release/examples/digits_mpi --checkpoint run --resume    # on any number
//! ```
//!
//! The last line is the same on any number of processes, and so is the file of `--save`, to the
//! byte.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use downhill::datasets::Csv;
use downhill::losses::Error as LossError;
use downhill::nn::{BatchNorm, Dropout};
use downhill::prelude::*;
use downhill::train::{Position, state};
use downhill_distributed::{Error, Group, PartLoss, run};
use lesson::Usage;
use lesson::cnn::Cnn;
use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Trains a classifier of handwritten digits on several processes
#[derive(Parser)]
struct Arguments {
    /// A CSV file with a class in its last column, or a directory with MNIST's IDX files
    #[arg(long, value_name = "FILE", default_value = "data/digits.csv")]
    data: PathBuf,

    /// What is trained; a convolutional network needs images
    #[arg(long, value_enum, default_value = "mlp")]
    model: Model,

    /// Sizes of the hidden layers, such as 64,32; 0 for none (softmax regression)
    #[arg(long, value_name = "SIZES", default_value = "64")]
    hidden: lesson::Hidden,

    /// Normalise what goes into the activations of the perceptron by the batch
    #[arg(long)]
    batch_norm: bool,

    /// The fraction of the perceptron's hidden values that is left out at random
    #[arg(long, value_name = "FRACTION", default_value = "0", allow_hyphen_values = true)]
    dropout: f64,

    /// Passes over the training data
    #[arg(long, default_value = "40", value_parser = lesson::positive_count)]
    epochs: usize,

    /// Samples for each step of the descent
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// How many parts a batch is cut into: with as many, any number of processes learns the same
    #[arg(long, default_value = "8", value_parser = lesson::positive_count)]
    parts: usize,

    /// Add gradients in whatever order is fastest; the result depends on the number of processes
    #[arg(long)]
    fast: bool,

    /// What split, initial weights, shuffling and dropout are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Print nothing but the last line
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Model {
    /// A perceptron: every pixel for itself
    Mlp,
    /// A convolutional network: pixels and their neighbours
    Cnn,
}

fn main() -> ExitCode {
    run(|group| match lesson::arguments() {
        Ok(arguments) => train(group, &arguments).and_then(|()| lesson::written()),
        Err(Usage::Asked(text)) => {
            if group.is_first() {
                print!("{text}");
            }
            Ok(())
        }
        Err(Usage::Wrong(line)) => Err(Error::CommandLine(line).into()),
    })
}

fn train(group: Group, arguments: &Arguments) -> lesson::Outcome {
    let group = if arguments.fast { group.fast() } else { group.parts(arguments.parts)? };
    let mut checkpoints = match group.is_first() {
        true => arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?,
        false => Checkpoints::disabled(),
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (mut train, mut test) = read(arguments, &mut rng)?;
    if arguments.model == Model::Mlp {
        let standardizer = Standardizer::fit(&train);
        (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
    }
    let mut model = network(arguments, &train, &mut rng)?;
    let mut optimizer = Sgd::new(arguments.learning_rate).momentum(0.9).weight_decay(1e-3);
    let cross_entropy = CrossEntropy::new();

    let is_quiet = arguments.quiet || !group.is_first();
    let (mut record, mut report) = (Record::disabled(), None);
    if group.is_first() {
        record = arguments.observe.record(None, &model)?;
        report = arguments.observe.report("Handwritten digits", arguments.seed)?;
    }
    let mut progress = Progress::hidden();
    if !is_quiet {
        println!(
            "{group}\n{}: {} samples to train on, {} to test on; seed {}\n{}",
            arguments.data.display(),
            train.len(),
            test.len(),
            arguments.seed,
            model.describe()
        );
        progress = Progress::new(arguments.epochs);
    }
    let mut position = Position::new();
    // The sum of the losses, the right answers and the samples of the epoch so far.
    let mut totals = (0.0, 0.0, 0.0);
    checkpoints.restore(state!(model; optimizer, record; rng, position, totals), is_quiet)?;
    group.begin(state!(model; optimizer; rng, position, totals))?;
    let started = Instant::now();
    while position.epoch() < arguments.epochs {
        let epoch = position.epoch();
        let batches =
            position.begin_epoch(&mut rng, |rng| train.batches(arguments.batch_size, rng).rows());
        for rows in batches.skip(position.batch()) {
            let step = group.gradients(&mut model, &rows, &mut rng, |model, rows, rng| {
                let batch = train.batch(rows);
                let logits = model.forward_training(&batch.features, rng);
                let loss = cross_entropy.forward(&logits, &batch.labels)?;
                let pairs = logits.argmax(-1).into_iter().zip(batch.labels);
                let right = pairs.filter(|(a, b)| a == b).count();
                Ok::<_, LossError>(PartLoss::new(loss, rows.len() as f64).counts([right as f64]))
            })?;
            optimizer.step(&mut model, &step.gradients)?;
            record.step(&model, &step.gradients, &step.loss, arguments.learning_rate);

            totals.0 += f64::from(step.loss.item()) * step.weight;
            totals.1 += step.counts[0];
            totals.2 += step.weight;
            position.next_batch();
            checkpoints.step(state!(model; optimizer, record; rng, position, totals))?;
        }
        let (total_loss, correct, seen) = std::mem::take(&mut totals);
        let (loss, accuracy) = (total_loss / seen, correct / seen);
        progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
        record.epoch(&[("training loss", loss), ("training accuracy", accuracy)]);
        position.next_epoch();
        checkpoints.epoch(state!(model; optimizer, record; rng, position, totals), Some(loss))?;
    }
    progress.finish();
    checkpoints.finish(state!(model; optimizer, record; rng, position, totals))?;
    let elapsed = started.elapsed();

    let rows: Vec<usize> = (0..test.len()).collect();
    let [right] = group.total(&rows, |rows| {
        let batch = test.batch(rows);
        let logits = without_recording(|| model.evaluate(&batch.features));
        let pairs = logits.argmax(-1).into_iter().zip(batch.labels);
        Ok::<_, LossError>([pairs.filter(|(a, b)| a == b).count() as f64])
    })?;
    if !group.is_first() {
        return Ok(());
    }
    arguments.keep.save(&model, &[("description", model.describe().to_string())]);
    if let Some(mut report) = report.take() {
        report.model(model.describe());
        lesson::observe::data_files(&mut report, &arguments.data)?;
        report.history(&record.history);
        lesson::observe::write(report, arguments.quiet);
    }
    if !arguments.quiet {
        println!("\ntrained in {:.2} s", elapsed.as_secs_f64());
    }
    println!("test accuracy {:.4}", right / test.len() as f64);
    Ok(())
}

/// The network that the options describe.
fn network(
    arguments: &Arguments,
    train: &Dataset,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Sequential, Box<dyn std::error::Error>> {
    let hidden = &arguments.hidden.0;
    if arguments.model == Model::Cnn {
        return Ok(Sequential::new().then(Cnn::new(train, hidden, rng)?));
    }
    let (mut model, mut size) = (Sequential::new(), train.feature_count());
    for &next in hidden {
        model = model.then(Linear::new(size, next, rng));
        if arguments.batch_norm {
            model = model.then(BatchNorm::new(next));
        }
        model = model.then(Activation::Relu).then(Dropout::new(arguments.dropout)?);
        size = next;
    }
    Ok(model.then(Linear::new(size, train.class_count(), rng)))
}

/// The data to train and to test on: MNIST comes divided, a table is divided here, 80 to 20.
fn read(
    arguments: &Arguments,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(Dataset, Dataset), Box<dyn std::error::Error>> {
    if arguments.data.is_dir() {
        return Ok(Dataset::read_idx(&arguments.data)?);
    }
    Ok(Csv::new(&arguments.data).read_classification()?.split(0.8, rng)?)
}
