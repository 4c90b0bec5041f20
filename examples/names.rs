//! Models of language in small: what is the next character of a first name?
//!
//! ```text
//! cargo run --release --example names                               # a recurrent network
//! cargo run --release --example names -- --model bigram
//! cargo run --release --example names -- --model transformer --temperature 0.7
//! cargo run --release --example names -- --report names-report    # pictures of what was learned
//! cargo run --release --example names -- --data path/to/lines.txt   # any file of short lines
//! ```
//!
//! A model gives each possible next character a probability p, from the characters before. Its
//! loss is the cross-entropy with what does come next, −ln p in the mean over all characters and
//! all ends of names.

#[path = "names/bigrams.rs"]
mod bigrams;
#[path = "names/data.rs"]
mod data;
#[path = "names/judgement.rs"]
mod judgement;
#[path = "names/models.rs"]
mod models;
#[path = "names/sampling.rs"]
mod sampling;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use downhill::optim::{AdamW, clip_by_global_norm};
use downhill::prelude::*;
use downhill::train::{Position, state};

use crate::bigrams::Bigrams;
use crate::data::{Alphabet, Name, PADDING, batches, prediction_count, shuffled};
use crate::judgement::Judgement;
use crate::models::{HEADS, Kind, LanguageModel, Settings};
use crate::sampling::Sampler;
use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Trains the model: the loop. The learning rate goes up and down again.
fn fit(
    Run { mut model, mut record, mut rng, mut checkpoints, quiet }: Run,
    [train, validation]: [&[Name]; 2],
    settings: &Settings,
) -> Result<Run, Box<dyn std::error::Error>> {
    let &Settings { weight_decay, epochs, batch_size, learning_rate, .. } = settings;
    let schedule = settings.schedule(train.len())?;
    let mut optimizer = AdamW::new(learning_rate).weight_decay(weight_decay);
    let cross_entropy = CrossEntropy::new().ignore_index(PADDING);
    let mut position = Position::new();
    let (mut step, mut total_loss) = (0, 0.0);
    checkpoints
        .restore(state!(model; optimizer, record; rng, position, step, total_loss), quiet)?;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    while position.epoch() < epochs {
        let epoch = position.epoch();
        let names = position.begin_epoch(&mut rng, |rng| shuffled(train, rng));
        for batch in batches(&names, batch_size).skip(position.batch()) {
            let logits = model.forward_training(&batch.inputs, &mut rng);
            let loss = cross_entropy.forward(&logits, &batch.targets)?;
            record.check_loss(&model, &loss, (epoch, position.batch()), learning_rate)?;
            let mut gradients = loss.backward();
            clip_by_global_norm(&mut gradients, MAX_NORM)?;
            optimizer.set_learning_rate(schedule.learning_rate(step));
            optimizer.step(&mut model, &gradients)?;

            record.step(&model, &gradients, &loss, optimizer.learning_rate());
            total_loss += f64::from(loss.item()) * batch.prediction_count() as f64;
            step += 1;
            position.next_batch();
            checkpoints.step(state!(model; optimizer, record; rng, position, step, total_loss))?;
        }
        let mean_loss = std::mem::take(&mut total_loss) / prediction_count(train) as f64;
        let validation_loss = loss(&model, validation)?;
        progress.epoch(epoch, &[("loss", mean_loss), ("validation", validation_loss)]);
        record.epoch(&[("training loss", mean_loss), ("validation loss", validation_loss)]);
        position.next_epoch();
        let state = state!(model; optimizer, record; rng, position, step, total_loss);
        checkpoints.epoch(state, validation_loss)?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(state!(model; optimizer, record; rng, position, step, total_loss))?;
    Ok(Run { model, record, rng, checkpoints, quiet })
}

/// Gradients longer than this are shortened to it.
const MAX_NORM: f64 = 1.0;

/// Trains a model to predict the next character of first names, and makes up new ones with it
#[derive(Parser)]
#[command(after_help = models::defaults())]
struct Arguments {
    /// The model
    #[arg(long, value_enum, default_value = "gru")]
    model: Kind,

    /// A text file with one name a line
    #[arg(long, value_name = "FILE", default_value = "data/names.txt")]
    data: PathBuf,

    /// The fraction of the names that is held out, to validate with
    #[arg(long, value_name = "FRACTION", default_value = "0.1")]
    #[arg(allow_hyphen_values = true, value_parser = lesson::fraction)]
    validation_fraction: f64,

    /// The size of the hidden layers, of the recurrent state or of the transformer's vectors (4
    /// heads share them)
    #[arg(long, value_name = "SIZE", value_parser = lesson::positive_count)]
    hidden: Option<usize>,

    /// The fraction of hidden values that is left out at random while training
    #[arg(long, value_name = "FRACTION", allow_hyphen_values = true)]
    dropout: Option<f64>,

    /// How strongly weights are drawn towards 0
    #[arg(long, allow_hyphen_values = true)]
    weight_decay: Option<f64>,

    /// Passes over the training names
    #[arg(long, value_parser = lesson::positive_count)]
    epochs: Option<usize>,

    /// Names for each step of the descent
    #[arg(long, value_parser = lesson::positive_count)]
    batch_size: Option<usize>,

    /// The largest length of a step, to which the schedule goes up and from which it goes down
    #[arg(long, allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: Option<f64>,

    /// How many names to make up
    #[arg(long, default_value = "20")]
    samples: usize,

    /// What logits are divided by before a character is drawn
    #[arg(long, default_value = "1", allow_hyphen_values = true, value_parser = lesson::positive)]
    temperature: f64,

    /// From how many of the likeliest characters to draw [default: all]
    #[arg(long, value_name = "K", value_parser = lesson::positive_count)]
    top_k: Option<usize>,

    /// What split, initial weights, shuffling, dropout and samples are drawn from
    #[arg(long, default_value = "7")]
    seed: u64,

    /// Print nothing but the last line
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

fn main() -> ExitCode {
    lesson::run(lesson)
}

/// Trains a model, judges it and lets it make up names. What to look for:
///
/// - what more context is worth: from a model that sees one character (`bigram`) to those that
///   see five (`mlp`) or all (`gru`, `transformer`);
/// - that descent finds for `bigram` what counting finds, and that counting calls some held-out
///   names impossible;
/// - the spread over seeds: which names are held out moves all validation losses together, by
///   0.013 as a rule; the default seed is one with an average split;
/// - the distance between training and validation loss: --dropout 0 widens it;
/// - that most sampled names are neither in the data nor unlike it; a lower --temperature makes
///   them more ordinary, and more of them are in the data.
fn lesson(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?;
    let (alphabet, names) = data::read(&arguments.data)?;
    let longest = names.iter().map(Vec::len).max().unwrap_or(0);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (train, validation) = data::split(names, arguments.validation_fraction, &mut rng);
    let settings = arguments.settings()?;
    let sizes = [alphabet.symbols(), longest];
    let model = LanguageModel::new(arguments.model, sizes, &settings, &mut rng)?;
    let mut report = arguments.observe.report("What comes next in a name", arguments.seed)?;
    if let Some(report) = &mut report {
        // Those that were not given are the model's own.
        for (name, value) in settings.named() {
            report.setting(name, value);
        }
    }
    let record = arguments.observe.record(None, &model)?;
    if !arguments.quiet {
        println!(
            "{}\n{} names to train on, {} to validate with, {} symbols; seed {}\n{}\n",
            arguments.data.display(),
            train.len(),
            validation.len(),
            alphabet.symbols(),
            arguments.seed,
            model.describe()
        );
    }

    let run = Run { model, record, rng, checkpoints, quiet: arguments.quiet };
    let started = std::time::Instant::now();
    let Run { model, record, mut rng, .. } = fit(run, [&train, &validation], &settings)?;
    arguments.keep.save(&model, &[("description", model.describe().to_string())]);
    let validation_loss = loss(&model, &validation)?;
    let top_k = arguments.top_k.unwrap_or(usize::MAX);
    let sampler = Sampler { temperature: arguments.temperature, top_k };
    let samples = sampler.names(&model, arguments.samples, longest, &mut rng);
    if !arguments.quiet {
        println!("\ntrained in {:.2} s\n", started.elapsed().as_secs_f64());
        println!("{:<24}{:>8}{:>10}{:>12}", "loss", "nats", "bits", "perplexity");
        if arguments.model == Kind::Bigram {
            let counts = Bigrams::count(&train, alphabet.symbols());
            print_loss("training, by counting", counts.loss(&train));
            print_loss("validation, by counting", counts.loss(&validation));
        }
        print_loss("training", loss(&model, &train)?);
        print_loss("validation", validation_loss);
        print_samples(&samples, &alphabet, [&train, &validation]);
    }
    if let Some(mut report) = report {
        report.model(model.describe());
        report.data_file(&arguments.data)?;
        report.history(&record.history);
        let Judgement { losses, next } = Judgement::of(&model, &validation, alphabet.symbols())?;
        report.language_model(&losses, &alphabet.names(), &next);
        let section = report.section("Names made up");
        section.text(format!("Drawn with a temperature of {}.", arguments.temperature));
        for (origin, kind) in
            [(Origin::New, "New"), (Origin::HeldOut, "Held out"), (Origin::TrainedOn, "Trained on")]
        {
            let drawn =
                samples.iter().filter(|name| Origin::of(name, [&train, &validation]) == origin);
            let drawn: Vec<String> = drawn.map(|name| alphabet.decode(name)).collect();
            if !drawn.is_empty() {
                section.text(format!("{kind}: {}.", drawn.join(", ")));
            }
        }
        let names = alphabet.names();
        let vowels: Vec<usize> =
            (0..names.len()).filter(|&symbol| "aeiou".contains(names[symbol])).collect();
        report.embedding("Characters", model.vectors(), &names, &[("vowels", &vowels)]);
        lesson::observe::write(report, arguments.quiet);
    }
    println!("validation loss {validation_loss:.4}");
    Ok(())
}

/// A model, and what accompanies its training.
struct Run {
    model: LanguageModel,
    record: Record,
    rng: Xoshiro256PlusPlus,
    checkpoints: Checkpoints,
    quiet: bool,
}

/// The mean loss over all predictions that these names ask for.
fn loss(model: &LanguageModel, names: &[Name]) -> Result<f64, downhill::losses::Error> {
    let sum = CrossEntropy::new().ignore_index(PADDING).reduction(Reduction::Sum);
    let mut total = 0.0;
    for batch in batches(names, 256) {
        let logits = without_recording(|| model.evaluate(&batch.inputs));
        total += f64::from(sum.forward(&logits, &batch.targets)?.item());
    }
    Ok(total / prediction_count(names) as f64)
}

/// Prints a loss in the three units in use for it:
///
/// ```text
/// nats         L                what is minimised
/// bits         L / ln 2         per character: the length to which names could be compressed
/// perplexity   e^L              as uncertain as a choice among as many, all alike
/// ```
fn print_loss(name: &str, nats: f64) {
    let [bits, perplexity] = [nats / std::f64::consts::LN_2, nats.exp()];
    println!("{name:<24}{nats:>8.4}{bits:>10.4}{perplexity:>12.4}");
}

/// Where a name that was made up is found.
#[derive(Clone, Copy, PartialEq)]
enum Origin {
    TrainedOn,
    HeldOut,
    New,
}

impl Origin {
    fn of(name: &Name, [train, validation]: [&[Name]; 2]) -> Self {
        match (train.contains(name), validation.contains(name)) {
            (true, _) => Self::TrainedOn,
            (_, true) => Self::HeldOut,
            _ => Self::New,
        }
    }
}

/// The names that were made up, with a mark behind those that are in the data.
fn print_samples(samples: &[Name], alphabet: &Alphabet, data: [&[Name]; 2]) {
    let origins: Vec<Origin> = samples.iter().map(|name| Origin::of(name, data)).collect();
    println!();
    for (name, origin) in samples.iter().zip(&origins) {
        let mark = match origin {
            Origin::TrainedOn => "  trained on",
            Origin::HeldOut => "  held out",
            Origin::New => "",
        };
        let line = format!("  {}{mark}", alphabet.decode(name));
        println!("{}", line.trim_end());
    }
    let count = |wanted| origins.iter().filter(|origin| **origin == wanted).count();
    println!(
        "\n{} names: {} of those trained on, {} of those held out, {} new",
        samples.len(),
        count(Origin::TrainedOn),
        count(Origin::HeldOut),
        count(Origin::New)
    );
}

impl Arguments {
    /// What is asked for, and the model's own settings for the rest.
    fn settings(&self) -> Result<Settings, String> {
        let defaults = self.model.settings();
        if self.model == Kind::Bigram && (self.hidden.is_some() || self.dropout.is_some()) {
            return Err(
                "a bigram model has nothing hidden; leave out --hidden and --dropout".into()
            );
        }
        if let (Kind::Transformer, Some(hidden)) = (self.model, self.hidden)
            && !hidden.is_multiple_of(HEADS)
        {
            return Err(format!("--hidden {hidden} cannot be shared by the {HEADS} heads"));
        }
        Ok(Settings {
            hidden: self.hidden.unwrap_or(defaults.hidden),
            dropout: self.dropout.unwrap_or(defaults.dropout),
            weight_decay: self.weight_decay.unwrap_or(defaults.weight_decay),
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            learning_rate: self.learning_rate.unwrap_or(defaults.learning_rate),
        })
    }
}
