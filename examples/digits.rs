//! A classifier of handwritten digits, trained by gradient descent on cross-entropy.
//!
//! ```text
//! cargo run --release --example digits
//! cargo run --release --example digits -- --hidden 0                  # softmax regression
//! cargo run --release --example digits -- --model cnn                 # a convolutional network
//! cargo run --release --example digits -- --data data/iris.csv        # any table with classes
//! cargo run --release --example digits -- --data path/to/mnist        # MNIST's own files
//! cargo run --release --example digits -- --report target/digits      # a page about the run
//! cargo run --release --example digits -- --save digits.safetensors   # for the example predict
//! cargo run --release --example digits -- --checkpoint run --resume   # goes on where it stopped
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use downhill::datasets::Csv;
use downhill::prelude::*;
use downhill::train::Position;
use downhill::train::metrics::ConfusionMatrix;
use downhill::train::state;

use lesson::cnn::Cnn;

/// Trains a classifier of handwritten digits and shows how well it does on digits it has not seen
#[derive(Parser)]
struct Arguments {
    /// A CSV file with a class in one column, or a directory with MNIST's IDX files
    #[arg(long, value_name = "FILE", default_value = "data/digits.csv")]
    data: PathBuf,

    /// The column that holds the class [default: the last]
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,

    /// What is trained; a convolutional network needs images
    #[arg(long, value_enum, default_value = "mlp")]
    model: Model,

    /// Sizes of the hidden layers, such as 64,32; 0 for none (softmax regression)
    #[arg(long, value_name = "SIZES", default_value = "64")]
    hidden: lesson::Hidden,

    /// Passes over the training data
    #[arg(long, default_value = "40", value_parser = lesson::positive_count)]
    epochs: usize,

    /// Samples for each step of the descent
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// What split, initial weights and shuffling are drawn from
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

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    /// A perceptron: every pixel for itself
    Mlp,
    /// A convolutional network: pixels and their neighbours
    Cnn,
}

fn main() -> ExitCode {
    lesson::run(train)
}

fn train(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let mut checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (mut train, mut test) = read(&arguments, &mut rng)?;
    let (inputs, classes) = (train.feature_count(), train.class_count());
    let report = arguments.observe.report("Handwritten digits", arguments.seed)?;
    // Images are to be shown as they are, not standardized.
    let shown = report.is_some().then(|| test.clone());
    let (mut model, notes): (Box<dyn Module>, _) = match arguments.model {
        Model::Mlp => {
            let standardizer = Standardizer::fit(&train);
            (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
            let sizes = [&[inputs], &arguments.hidden.0[..], &[classes]].concat();
            let network = serde_json::json!({ "kind": "mlp", "activation": "relu" });
            let notes = lesson::keep::classifier_notes(network, &train, Some(&standardizer));
            (Box::new(Mlp::new(&sizes, &mut rng)), notes)
        }
        Model::Cnn => {
            let cnn = Cnn::new(&train, &arguments.hidden.0, &mut rng)?;
            let notes = lesson::keep::classifier_notes(cnn.note(), &train, None);
            (Box::new(cnn), notes)
        }
    };
    // The weight decay is worth some 0.4 points of the perceptron's test accuracy, on the mean of
    // 20 seeds.
    let mut optimizer = Sgd::new(arguments.learning_rate).momentum(0.9).weight_decay(1e-3);
    let cross_entropy = CrossEntropy::new();
    let mut record = arguments.observe.record(None, &model)?;

    let mut progress = Progress::hidden();
    if !arguments.quiet {
        println!(
            "{}: {} samples to train on, {} to test on, {inputs} features, {classes} classes; \
             seed {}",
            arguments.data.display(),
            train.len(),
            test.len(),
            arguments.seed
        );
        println!("{}", model.describe());
        progress = Progress::new(arguments.epochs);
    }
    let mut position = Position::new();
    // The sum of the losses, the right answers and the samples of the epoch so far.
    let mut totals = (0.0, 0, 0);
    checkpoints
        .restore(state!(model; optimizer, record; rng, position, totals), arguments.quiet)?;
    let started = Instant::now();
    while position.epoch() < arguments.epochs {
        let epoch = position.epoch();
        let batches =
            position.begin_epoch(&mut rng, |rng| train.batches(arguments.batch_size, rng));
        for batch in batches.skip(position.batch()) {
            let logits = model.forward_training(&batch.features, &mut rng);
            let loss = cross_entropy.forward(&logits, &batch.labels)?;
            if !loss.item().is_finite() {
                let loss = f64::from(loss.item());
                let step = position.batch();
                return Err(lesson::diverged(loss, epoch, step, arguments.learning_rate));
            }
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;
            record.step(&model, &gradients, &loss, arguments.learning_rate);

            let right = logits.argmax(-1).iter().zip(&batch.labels).filter(|(a, b)| a == b).count();
            totals.0 += f64::from(loss.item()) * batch.labels.len() as f64;
            totals.1 += right;
            totals.2 += batch.labels.len();
            position.next_batch();
            checkpoints.step(state!(model; optimizer, record; rng, position, totals))?;
            if lesson::interrupted() {
                break;
            }
        }
        let (total_loss, correct, seen) = std::mem::take(&mut totals);
        let (loss, accuracy) = (total_loss / seen as f64, correct as f64 / seen as f64);
        progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
        let (now, figures) = ((epoch, arguments.epochs), [loss, accuracy]);
        record.classifier_epoch(now, figures, &test, |images| model.evaluate(images))?;
        position.next_epoch();
        checkpoints.epoch(state!(model; optimizer, record; rng, position, totals), Some(loss))?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish()?;
    arguments.keep.save(&model, &notes)?;
    let elapsed = started.elapsed();

    // In parts, as what a convolution makes of all images at once may be larger than memory.
    let logits: Vec<Tensor> = without_recording(|| {
        let batches = test.batches_in_order(1000);
        batches.map(|batch| model.evaluate(&batch.features)).collect()
    });
    let logits = Tensor::concat(&logits.iter().collect::<Vec<_>>(), 0);
    let confusion = ConfusionMatrix::new(&logits.argmax(-1), test.labels(), test.class_count())?
        .with_names(test.class_names());
    if !arguments.quiet {
        println!("\n{confusion}\n\ntrained in {:.2} s", elapsed.as_secs_f64());
    }
    if let (Some(mut report), Some(test)) = (report, shown) {
        report.model(model.describe());
        lesson::observe::data_files(&mut report, &arguments.data)?;
        report.history(&record.history);
        report.classification(&logits, &test)?;
        lesson::observe::write(report, arguments.quiet)?;
    }
    println!("test accuracy {:.4}", confusion.accuracy());
    Ok(())
}

/// The data to train and to test on: MNIST comes divided, a table is divided here, 80 to 20.
fn read(
    arguments: &Arguments,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(Dataset, Dataset), Box<dyn std::error::Error>> {
    if arguments.data.is_dir() {
        return Ok(Dataset::read_idx(&arguments.data)?);
    }
    let mut csv = Csv::new(&arguments.data);
    if let Some(target) = &arguments.target {
        csv = csv.target(target);
    }
    let table: Dataset = csv.read_classification()?;
    for note in table.notes() {
        eprintln!("{note}");
    }
    Ok(table.split(0.8, rng)?)
}
