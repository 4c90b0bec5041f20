//! The models of first names, trained by several processes.
//!
//! ```text
//! mpirun -n 4 target/release/examples/names_mpi                      # a transformer
//! mpirun -n 2 target/release/examples/names_mpi --model gru --epochs 3
//! mpirun -n 2 target/release/examples/names_mpi --checkpoint run --resume    # on any number
//! ```
//!
//! The last line is the same on any number of processes, to the byte.

#[path = "../../../examples/names/data.rs"]
#[allow(dead_code)]
mod data;
#[path = "../../../examples/names/models.rs"]
#[allow(dead_code)]
mod models;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use downhill::losses::Error as LossError;
use downhill::optim::OneCycle;
use downhill::prelude::*;
use downhill::train::{Position, state};
use downhill_distributed::{Error, Group, PartLoss, run};
use lesson::Usage;
use lesson::keep::Checkpoints;

use crate::data::{Batch, Name, PADDING, prediction_count, shuffled};
use crate::models::{Kind, LanguageModel, Settings};

/// Gradients longer than this are made so long.
const MAX_NORM: f64 = 1.0;

/// Trains a model to predict the next character of first names, on several processes
#[derive(Parser)]
struct Arguments {
    /// The model
    #[arg(long, value_enum, default_value = "transformer")]
    model: Kind,

    /// A text file with one name a line
    #[arg(long, value_name = "FILE", default_value = "data/names.txt")]
    data: PathBuf,

    /// Passes over the training names
    #[arg(long, value_parser = lesson::positive_count)]
    epochs: Option<usize>,

    /// Names for each step of the descent
    #[arg(long, value_parser = lesson::positive_count)]
    batch_size: Option<usize>,

    /// The largest length of a step
    #[arg(long, allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: Option<f64>,

    /// How many parts a batch is cut into: with as many, any number of processes learns the same
    #[arg(long, default_value = "8", value_parser = lesson::positive_count)]
    parts: usize,

    /// Add gradients in whatever order is fastest; the result depends on the number of processes
    #[arg(long)]
    fast: bool,

    /// What split, initial weights, shuffling and dropout are drawn from
    #[arg(long, default_value = "7")]
    seed: u64,

    /// Print nothing but the last line
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,
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
    let (alphabet, names) = data::read(&arguments.data)?;
    let longest = names.iter().map(Vec::len).max().unwrap_or(0);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (train, validation) = data::split(names, 0.1, &mut rng);
    let settings = arguments.model.settings();
    let epochs = arguments.epochs.unwrap_or(settings.epochs);
    let batch_size = arguments.batch_size.unwrap_or(settings.batch_size);
    let learning_rate = arguments.learning_rate.unwrap_or(settings.learning_rate);
    let settings = Settings { epochs, batch_size, learning_rate, ..settings };
    let sizes = [alphabet.symbols(), longest];
    let mut model = LanguageModel::new(arguments.model, sizes, &settings, &mut rng)?;
    let is_quiet = arguments.quiet || !group.is_first();
    if !is_quiet {
        println!(
            "{group}\n{}: {} names to train on, {} to validate with; seed {}\n{}\n",
            arguments.data.display(),
            train.len(),
            validation.len(),
            arguments.seed,
            model.describe()
        );
    }

    let steps = epochs.saturating_mul(train.len().div_ceil(batch_size));
    let schedule = Schedule::one_cycle(learning_rate, steps as u64, OneCycle::default())?;
    let mut optimizer = AdamW::new(learning_rate).weight_decay(settings.weight_decay);
    let cross_entropy = CrossEntropy::new().ignore_index(PADDING);
    let mut position = Position::new();
    let (mut step, mut total_loss) = (0, 0.0);
    checkpoints.restore(state!(model; optimizer; rng, position, step, total_loss), is_quiet)?;
    group.begin(state!(model; optimizer; rng, position, step, total_loss))?;
    let started = Instant::now();
    let mut progress = if is_quiet { Progress::hidden() } else { Progress::new(epochs) };
    let mut validation_loss = loss(&group, &model, &validation)?;
    while position.epoch() < epochs {
        let epoch = position.epoch();
        let names = position.begin_epoch(&mut rng, |rng| shuffled(&train, rng));
        for batch in names.chunks(batch_size).skip(position.batch()) {
            let forward =
                |model: &mut LanguageModel, names: &[Name], rng: &mut Xoshiro256PlusPlus| {
                    let batch = Batch::new(names);
                    let logits = model.forward_training(&batch.inputs, rng);
                    let loss = cross_entropy.forward(&logits, &batch.targets)?;
                    Ok::<_, LossError>(PartLoss::new(loss, cross_entropy.divisor(&batch.targets)))
                };
            let mut gradients = group.gradients(&mut model, batch, &mut rng, forward)?;
            clip_by_global_norm(&mut gradients.gradients, MAX_NORM)?;
            optimizer.set_learning_rate(schedule.learning_rate(step));
            optimizer.step(&mut model, &gradients.gradients)?;
            total_loss += f64::from(gradients.loss.item()) * gradients.weight;
            step += 1;
            position.next_batch();
            checkpoints.step(state!(model; optimizer; rng, position, step, total_loss))?;
        }
        let mean_loss = std::mem::take(&mut total_loss) / prediction_count(&train) as f64;
        validation_loss = loss(&group, &model, &validation)?;
        progress.epoch(epoch, &[("loss", mean_loss), ("validation", validation_loss)]);
        position.next_epoch();
        let state = state!(model; optimizer; rng, position, step, total_loss);
        checkpoints.epoch(state, Some(validation_loss))?;
    }
    progress.finish();
    checkpoints.finish(state!(model; optimizer; rng, position, step, total_loss))?;
    if !group.is_first() {
        return Ok(());
    }
    arguments.keep.save(&model, &[("description", model.describe().to_string())]);
    if !arguments.quiet {
        println!("\ntrained in {:.2} s", started.elapsed().as_secs_f64());
    }
    println!("validation loss {validation_loss:.4}");
    Ok(())
}

/// The mean loss over all predictions that these names ask for, each process a part of them.
fn loss(group: &Group, model: &LanguageModel, names: &[Name]) -> Result<f64, Error> {
    let sum = CrossEntropy::new().ignore_index(PADDING).reduction(Reduction::Sum);
    let [total] = group.total(names, |names| {
        let mut total = 0.0;
        for names in names.chunks(256) {
            let batch = Batch::new(names);
            let logits = without_recording(|| model.evaluate(&batch.inputs));
            total += f64::from(sum.forward(&logits, &batch.targets)?.item());
        }
        Ok::<_, LossError>([total])
    })?;
    Ok(total / prediction_count(names) as f64)
}
