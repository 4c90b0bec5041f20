//! Real doubt: when people disagree about the label, and a split that lies.
//!
//! ```text
//! cargo run --release --example doubt
//! cargo run --release --example doubt -- --split family
//! cargo run --release --example doubt -- --words gross,love,terror
//! ```
//!
//! Ten people judged thousands of words from −4 (awful) to 4 (wonderful). They do not agree, so the
//! truth of a word is no class but a distribution p over nine answers. A model of the word's letters
//! answers with a distribution q, and is trained with their cross-entropy:
//!
//! ```text
//! H(p, q) = −Σ p · ln q  =  H(p)  +  KL(p ‖ q)
//!                           doubt    error
//! ```
//!
//! H(p), the people's own entropy, is the floor: no model gets below it. What a model can learn is
//! the rest.
//!
//! The model is softmax regression on pieces of the word, of one to five letters. It is judged on
//! words that it has not seen, held out in two ways: at random, or with all words of a family, whose
//! first five letters are the same, on one side (`--split family`).
//!
//! What to look for: the floor; that the random split promises what the other does not keep; and
//! that the loss turns after a few epochs.

#[path = "doubt/words.rs"]
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use downhill::losses::information::{self, Unit};
use downhill::nn::Embedding;
use downhill::optim::EarlyStopping;
use downhill::prelude::*;
use downhill::train::{TemperatureScaling, state};
use lesson::keep::Checkpoints;

use crate::words::{ANSWERS, Pieces, Word, judgements, read, split};

/// Trains the model: the loop. Returns it with what kept the best weights on the way.
fn fit(
    Run { mut model, mut checkpoints, floor }: Run,
    pieces: &Pieces,
    [train, held_out]: [&[Word]; 2],
    arguments: &Arguments,
) -> Result<(Model, EarlyStopping), Box<dyn std::error::Error>> {
    let mut optimizer = Adam::new(arguments.learning_rate);
    let mut early_stopping = EarlyStopping::new(u64::MAX);
    let cross_entropy = CrossEntropy::new();
    let (asked, said) = (pieces.numbers(held_out), judgements(held_out));

    println!("\n{:>7}{:>12}{:>12}  =  doubt + error", "epoch", "training", "held out");
    let mut epoch = 0;
    checkpoints.restore(state!(model; optimizer, early_stopping; epoch), false)?;
    while epoch < arguments.epochs {
        epoch += 1;
        let mut total = 0.0;
        for batch in train.chunks(64) {
            let logits = model.forward(&pieces.numbers(batch));
            let loss = cross_entropy.forward(&logits, &judgements(batch))?;
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;

            total += f64::from(loss.item()) * batch.len() as f64;
        }
        let logits = without_recording(|| model.forward(&asked));
        let loss = f64::from(cross_entropy.forward(&logits, &said)?.item());
        early_stopping.should_stop(loss, &model)?;
        let training = total / train.len() as f64;
        println!("{epoch:>7}{training:>12.4}{loss:>12.4}  =  {floor:.4} + {:.4}", loss - floor);
        checkpoints.epoch(state!(model; optimizer, early_stopping; epoch), None)?;
        if lesson::interrupted() {
            break;
        }
    }
    checkpoints.finish(state!(model; optimizer, early_stopping; epoch))?;
    Ok((model, early_stopping))
}

/// Learns what people feel about words, from their letters
#[derive(Parser)]
struct Arguments {
    /// A table of words, and how often each answer was given
    #[arg(long, value_name = "FILE", default_value = "data/valence.csv")]
    data: PathBuf,

    /// How words are held out
    #[arg(long, value_enum, default_value = "random")]
    split: Split,

    /// Passes over the training words
    #[arg(long, default_value = "12", value_parser = lesson::positive_count)]
    epochs: usize,

    /// The length of a step of Adam
    #[arg(long, default_value = "0.005", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// Words to ask the model about, in the end
    #[arg(long, value_delimiter = ',', default_value = "happiest,dreadful,gross,loveless")]
    words: Vec<String>,

    /// What split and shuffling are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    #[command(flatten)]
    keep: lesson::keep::Keep,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Split {
    /// Each word for itself
    Random,
    /// Words that begin with the same five letters together
    Family,
}

/// Each answer's logit is the sum over the word's pieces of what the piece adds to it.
struct Model {
    pieces: Embedding,
    bias: Tensor,
}
parameters!(Model { pieces, bias });

impl Model {
    fn forward(&self, numbers: &ndarray::Array2<usize>) -> Tensor {
        // Number 0, no piece, adds nothing.
        let known = Tensor::from(numbers.mapv(|number| f32::from(number > 0)));
        let rows = [numbers.nrows(), numbers.ncols(), 1];
        let added = self.pieces.forward(numbers) * known.reshape(&rows);
        added.sum_axes(1) + &self.bias
    }
}

fn main() -> ExitCode {
    lesson::run(learn)
}

fn learn(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let words = read(&arguments.data)?;
    let (train, held_out) = match arguments.split {
        Split::Random => split(&words, |word| word.text.clone(), &mut rng),
        Split::Family => {
            split(&words, |word| word.text.chars().take(5).collect::<String>(), &mut rng)
        }
    };
    let pieces = Pieces::of(&train);
    println!(
        "{} words to train on, {} held out; {} pieces",
        train.len(),
        held_out.len(),
        pieces.count() - 1
    );
    let floor = bounds(&train, &held_out)?;

    let model = Model {
        pieces: Embedding { vectors: Tensor::parameter(Tensor::zeros(&[pieces.count(), ANSWERS])) },
        bias: Tensor::parameter(Tensor::zeros(&[ANSWERS])),
    };
    let run = Run { model, checkpoints, floor };
    let (mut model, early_stopping) = fit(run, &pieces, [&train, &held_out], &arguments)?;

    let logits = without_recording(|| model.forward(&pieces.numbers(&held_out)));
    let most: Vec<usize> = held_out.iter().map(likeliest).collect();
    if let Ok(scaling) = TemperatureScaling::fit(&logits, &most) {
        println!("\nIn the end a temperature of {:.2} would be best.", scaling.temperature());
    }
    early_stopping.restore_best(&mut model)?;
    arguments.keep.save(&model, &[]);
    let epoch = early_stopping.best_epoch().map_or(0, |epoch| epoch + 1);
    println!("The weights of epoch {epoch}, asked:\n");
    ask(&model, &pieces, &arguments.words, &words);
    Ok(())
}

/// What is trained, how the run is kept, and the least loss that there is.
struct Run {
    model: Model,
    checkpoints: Checkpoints,
    floor: f64,
}

/// Prints what a model reaches that knows nothing, one that knows the mean answer, and one that
/// knows what people say. Returns the last: the people's own entropy.
fn bounds(train: &[Word], held_out: &[Word]) -> Result<f64, downhill::losses::Error> {
    let mean: Vec<f64> = (0..ANSWERS)
        .map(|answer| {
            let sum: f64 = train.iter().map(|word| f64::from(word.judgement[answer])).sum();
            sum / train.len() as f64
        })
        .collect();
    let (mut ignorant, mut average, mut floor) = (0.0, 0.0, 0.0);
    for word in held_out {
        let p = word.judgement.map(f64::from);
        ignorant += information::cross_entropy(&p, &[1.0 / ANSWERS as f64; ANSWERS], Unit::Nats)?;
        average += information::cross_entropy(&p, &mean, Unit::Nats)?;
        floor += information::entropy(&p, Unit::Nats)?;
    }
    let count = held_out.len() as f64;
    println!("\ncross-entropy on held-out words, in nats, of one who");
    println!("   finds all nine answers alike     {:.4}", ignorant / count);
    println!("   gives the mean answer each time  {:.4}", average / count);
    println!("   knows what the ten will say      {:.4}", floor / count);
    Ok(floor / count)
}

fn likeliest(word: &Word) -> usize {
    let answers = word.judgement.iter().enumerate();
    answers.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(answer, _)| answer)
}

/// Prints for each word the distribution that the model gives, and the people's, if they were asked.
fn ask(model: &Model, pieces: &Pieces, asked: &[String], words: &[Word]) {
    println!("{:18}   −4  −3  −2  −1   0   1   2   3   4   doubt", "percent");
    let line = |name: &str, p: &[f32]| {
        let cells: String = p.iter().map(|p| format!("{:>4.0}", 100.0 * p)).collect();
        let doubt: f32 = p.iter().map(|&p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum();
        println!("{name:18} {cells}{doubt:>8.2}");
    };
    for text in asked {
        let word = Word { text: text.to_lowercase(), judgement: [0.0; ANSWERS] };
        let logits = without_recording(|| model.forward(&pieces.numbers(&[word.clone()])));
        line(&format!("{text}: the model"), &logits.softmax(-1).to_vec());
        if let Some(found) = words.iter().find(|found| found.text == word.text) {
            line("   ten people", &found.judgement);
        }
    }
}
