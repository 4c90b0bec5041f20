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
//!
//! Of the pixels x of an image the network makes ten logits z, and each step changes all weights a
//! little, against the gradient of the loss:
//!
//! ```text
//! z = relu(x·W + b)·V + c        loss = ln Σ exp z − z_label
//! w ← w − rate · v               v ← 0.9 · v + ∂loss/∂w + 0.001 · w
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use downhill::datasets::Csv;
use downhill::prelude::*;
use downhill::train::metrics::ConfusionMatrix;
use downhill::train::{Position, state};

use lesson::Totals;
use lesson::cnn::Cnn;
use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Trains the model: the loop.
fn fit(run: Run, data: &Data, arguments: &Arguments) -> Result<Run, Box<dyn std::error::Error>> {
    let Run { mut model, mut record, mut checkpoints, mut rng } = run;
    let &Arguments { epochs, batch_size, learning_rate, quiet, .. } = arguments;
    // The weight decay is worth some 0.4 points of the perceptron's test accuracy, on the mean of
    // 20 seeds.
    let mut optimizer = Sgd::new(learning_rate).momentum(0.9).weight_decay(1e-3);
    let cross_entropy = CrossEntropy::new();
    let (mut position, mut totals) = (Position::new(), Totals::default());
    checkpoints.restore(state!(model; optimizer, record; rng, position, totals), quiet)?;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    while position.epoch() < epochs {
        let epoch = position.epoch();
        let batches = position.begin_epoch(&mut rng, |rng| data.training.batches(batch_size, rng));
        for batch in batches.skip(position.batch()) {
            let logits = model.forward_training(&batch.features, &mut rng);
            let loss = cross_entropy.forward(&logits, &batch.labels)?;
            record.check_loss(&model, &loss, (epoch, position.batch()), learning_rate)?;
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;

            record.step(&model, &gradients, &loss, learning_rate);
            totals.add(&loss, &logits, &batch.labels);
            position.next_batch();
            checkpoints.step(state!(model; optimizer, record; rng, position, totals))?;
            if lesson::interrupted() {
                break;
            }
        }
        let [loss, accuracy] = totals.take();
        progress.epoch(epoch, &[("loss", loss), ("accuracy", accuracy)]);
        let evaluate = |images: &Tensor| model.evaluate(images);
        record.classifier_epoch((epoch, epochs), [loss, accuracy], &data.test, evaluate)?;
        position.next_epoch();
        checkpoints.epoch(state!(model; optimizer, record; rng, position, totals), loss)?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(state!(model; optimizer, record; rng, position, totals))?;
    Ok(Run { model, record, checkpoints, rng })
}

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
    lesson::run(classify)
}

fn classify(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let data = read(&arguments, &mut rng)?;
    let report = arguments.observe.report("Handwritten digits", arguments.seed)?;
    // Images are to be shown as they are, not standardized.
    let shown = report.is_some().then(|| data.test.clone());
    let (model, data, notes) = set_up(&arguments, data, &mut rng)?;
    let record = arguments.observe.record(None, &model)?;
    if !arguments.quiet {
        announce(&arguments, &data, &model);
    }

    let started = Instant::now();
    let run = Run { model, record, checkpoints, rng };
    let Run { model, mut record, .. } = fit(run, &data, &arguments)?;
    let elapsed = started.elapsed();
    arguments.keep.save(&model, &notes);

    let (logits, test) = (logits(&model, &data.test), &data.test);
    let confusion = ConfusionMatrix::new(&logits.argmax(-1), test.labels(), test.class_count())?
        .with_names(test.class_names());
    if !arguments.quiet {
        println!("\n{confusion}\n\ntrained in {:.2} s", elapsed.as_secs_f64());
    }
    let weights = record.weights(&model, test);
    if let (Some(mut report), Some(test)) = (report, shown) {
        report.model(model.describe());
        lesson::observe::data_files(&mut report, &arguments.data)?;
        report.history(&record.history);
        if !weights.is_empty() {
            report.weights("Weights", &weights);
        }
        report.classification_since(&record.confusions(&test)?, &logits, &test)?;
        lesson::observe::write(report, arguments.quiet);
    }
    println!("test accuracy {:.4}", confusion.accuracy());
    Ok(())
}

/// A model, and what accompanies its training.
struct Run {
    model: Box<dyn Module>,
    record: Record,
    checkpoints: Checkpoints,
    rng: Xoshiro256PlusPlus,
}

/// What is to be learned from, and what the model is tested on.
struct Data {
    training: Dataset,
    test: Dataset,
}

/// Reads the data: MNIST comes divided, a table is divided here, 80 to 20.
fn read(
    arguments: &Arguments,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Data, Box<dyn std::error::Error>> {
    if arguments.data.is_dir() {
        let (training, test) = Dataset::read_idx(&arguments.data)?;
        return Ok(Data { training, test });
    }
    let mut csv = Csv::new(&arguments.data);
    if let Some(target) = &arguments.target {
        csv = csv.target(target);
    }
    let table: Dataset = csv.read_classification()?;
    for note in table.notes() {
        eprintln!("{note}");
    }
    let (training, test) = table.split(0.8, rng)?;
    Ok(Data { training, test })
}

/// What is written into the file of a model, by name.
type Notes = Vec<(&'static str, String)>;

/// The model, the data as it takes them, and what is noted for who loads the model.
fn set_up(
    arguments: &Arguments,
    Data { training, test }: Data,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(Box<dyn Module>, Data, Notes), String> {
    let hidden = &arguments.hidden.0[..];
    match arguments.model {
        Model::Mlp => {
            let standardizer = Standardizer::fit(&training);
            let data = Data {
                training: standardizer.transform(&training),
                test: standardizer.transform(&test),
            };
            let sizes = [&[training.feature_count()], hidden, &[training.class_count()]].concat();
            let network = serde_json::json!({ "kind": "mlp", "activation": "relu" });
            let notes = lesson::keep::classifier_notes(network, &training, Some(&standardizer));
            Ok((Box::new(Mlp::new(&sizes, rng)), data, notes))
        }
        Model::Cnn => {
            let cnn = Cnn::new(&training, hidden, rng)?;
            let notes = lesson::keep::classifier_notes(cnn.note(), &training, None);
            Ok((Box::new(cnn), Data { training, test }, notes))
        }
    }
}

/// Prints what is about to be trained, and on what.
fn announce(arguments: &Arguments, Data { training, test }: &Data, model: &dyn Module) {
    println!(
        "{}\n{} samples to train on, {} to test on, {} features, {} classes; seed {}\n{}",
        arguments.data.display(),
        training.len(),
        test.len(),
        training.feature_count(),
        training.class_count(),
        arguments.seed,
        model.describe()
    );
}

/// What the model makes of the data, a thousand samples at a time: what a convolution makes of all
/// images at once may be larger than memory.
fn logits(model: &dyn Module, data: &Dataset) -> Tensor {
    let batches = data.batches_in_order(1000);
    let logits: Vec<Tensor> =
        without_recording(|| batches.map(|batch| model.evaluate(&batch.features)).collect());
    Tensor::concat(&logits.iter().collect::<Vec<_>>(), 0)
}
