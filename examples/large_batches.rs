//! What a larger batch does to the gradient, and what it asks of the learning rate.
//!
//! ```text
//! cargo run --release --example large_batches
//! cargo run --release --example large_batches -- --factor 4
//! cargo run --release --example large_batches -- --learning-rate 0.1 --warm-up 0
//! ```
//!
//! Sixteen machines with 32 samples each compute the gradient of a batch of 512. So does one, if it
//! adds up sixteen gradients before it makes a step:
//!
//! ```text
//! g = (g₁ + g₂ + … + g₁₆) ÷ 16
//! ```
//!
//! The gradient of a batch is that of all samples, G, and noise, which averages out:
//!
//! ```text
//! E |g − G|² = tr Σ ÷ B          Σ the covariance of the samples' gradients, B samples in a batch
//! B_noise = tr Σ ÷ |G|²          the batch whose noise is as large as the gradient itself
//! ```
//!
//! (McCandlish et al., "An empirical model of large-batch training", 2018). And with a batch k
//! times as large there are k times fewer steps, so each goes k times as far, at first on a warm-up
//! from the old rate to the new one (Goyal et al., "Accurate, large minibatch SGD: training ImageNet
//! in 1 hour", 2017).
//!
//! What to look for: that the noise halves when the batch is four times as large; that it grows
//! beside the gradient while a network learns, so that larger batches pay later; and what becomes of
//! a large batch at the old rate, at the scaled rate, and with a warm-up.

use std::process::ExitCode;

use clap::Parser;
use downhill::prelude::*;
use rand::seq::SliceRandom;

/// Trains a network: the loop. Returns the mean loss of the last epoch and the number of steps.
fn fit(
    model: &mut Mlp,
    way: &Way,
    data: &Data,
    arguments: &Arguments,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<(f64, usize), Box<dyn std::error::Error>> {
    let mut optimizer = Sgd::new(way.rate).momentum(0.9);
    let mut rows: Vec<usize> = (0..data.train.len()).collect();
    let size = arguments.batch_size * way.factor;
    let steps_an_epoch = rows.len().div_ceil(size);
    let (mut step, mut epoch_loss) = (0, 0.0);
    for _epoch in 0..arguments.epochs {
        rows.shuffle(rng);
        epoch_loss = 0.0;
        for rows in rows.chunks(size) {
            let (loss, gradients) = gradients(model, &data.train, rows, arguments.batch_size)?;
            if !loss.is_finite() {
                return Ok((loss, step));
            }
            optimizer.set_learning_rate(way.rate_after(step as f64 / steps_an_epoch as f64));
            optimizer.step(model, &gradients)?;
            epoch_loss += loss * rows.len() as f64 / data.train.len() as f64;
            step += 1;
        }
    }
    Ok((epoch_loss, step))
}

/// The mean gradient of these rows, computed in small batches that are added up.
fn gradients(
    model: &Mlp,
    train: &Dataset,
    rows: &[usize],
    batch_size: usize,
) -> Result<(f64, Gradients), downhill::losses::Error> {
    let (mut loss, mut sum) = (0.0, Gradients::default());
    for part in rows.chunks(batch_size) {
        let batch = train.batch(part);
        // The mean over all rows is that of the parts' means, each weighted by its share.
        let share = part.len() as f32 / rows.len() as f32;
        let part = cross_entropy(&model.forward(&batch.features), &batch.labels)? * share;
        loss += f64::from(part.item());
        sum += part.backward();
    }
    Ok((loss, sum))
}

/// Measures the noise of gradients, and trains with large batches by adding up small ones
#[derive(Parser)]
struct Arguments {
    /// How many small batches make a large one
    #[arg(long, default_value = "16", value_parser = lesson::positive_count)]
    factor: usize,

    /// Samples in a small batch
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// The learning rate of small batches
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// Passes over the training data
    #[arg(long, default_value = "20", value_parser = lesson::positive_count)]
    epochs: usize,

    /// In how many of the passes the rate rises to the scaled one
    #[arg(long, default_value = "5", allow_hyphen_values = true, value_parser = lesson::not_negative)]
    warm_up: f64,

    /// How often each way is tried, every time with other weights and batches
    #[arg(long, default_value = "5", value_parser = lesson::positive_count)]
    runs: usize,

    /// What split, initial weights and batches are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,
}

struct Data {
    train: Dataset,
    test: Dataset,
}

fn main() -> ExitCode {
    lesson::run(compare)
}

fn compare(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (train, test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
    let data = Data { train, test };
    println!(
        "{} digits to train on, {} to test on; seed {}",
        data.train.len(),
        data.test.len(),
        arguments.seed
    );
    noise(&data, &arguments, &mut rng)?;
    println!(
        "\nThe step, in the mean of {} runs of {} epochs with momentum 0.9;\n\
         the warm-up in epochs\n",
        arguments.runs, arguments.epochs
    );
    let heads = ["batch", "steps", "rate", "warm-up", "training loss", "test accuracy"];
    let [batch, steps, rate, warm_up, loss, accuracy] = heads;
    println!("{batch:>8}{steps:>8}{rate:>10}{warm_up:>11}{loss:>18}{accuracy:>18}");
    let (factor, rate) = (arguments.factor, arguments.learning_rate);
    let scaled = rate * factor as f64;
    for way in [
        Way { factor: 1, rate, warm_up: 0.0 },
        Way { factor, rate, warm_up: 0.0 },
        Way { factor, rate: scaled, warm_up: 0.0 },
        Way { factor, rate: scaled, warm_up: arguments.warm_up },
    ] {
        way.try_out(&data, &arguments)?;
        if lesson::interrupted() {
            break;
        }
    }
    Ok(())
}

fn network(data: &Data, rng: &mut Xoshiro256PlusPlus) -> Mlp {
    Mlp::new(&[data.train.feature_count(), 64, data.train.class_count()], rng)
}

/// The noise of a gradient, before the first step and after some epochs.
fn noise(data: &Data, arguments: &Arguments, rng: &mut Xoshiro256PlusPlus) -> lesson::Outcome {
    let train = &data.train;
    let mut model = network(data, rng);
    let mut optimizer = Sgd::new(arguments.learning_rate).momentum(0.9);
    let mut rows: Vec<usize> = (0..train.len()).collect();
    println!("\nThe noise of a gradient, |g − G| ÷ |G|\n");
    let sizes = [1, 4, 16, 64, 256].map(|size: usize| size.min(train.len()));
    let heads: String =
        sizes.iter().map(|size| format!("{:>10}", format!("batch {size}"))).collect();
    println!("{:<16}{heads}{:>10}", "", "B_noise");
    for (epochs, name) in [(0, "at the start"), (1, "after 1 epoch"), (4, "after 5 epochs")] {
        for _ in 0..epochs {
            rows.shuffle(rng);
            for rows in rows.chunks(arguments.batch_size) {
                let (_, gradients) = gradients(&model, train, rows, rows.len())?;
                optimizer.step(&mut model, &gradients)?;
            }
        }
        let whole = flat(&gradients(&model, train, &rows, rows.len())?.1);
        let length = whole.iter().map(|x| x * x).sum::<f64>();
        let mut line = String::new();
        let mut trace = 0.0;
        for size in sizes {
            const DRAWS: usize = 200;
            let mut square = 0.0;
            for _ in 0..DRAWS {
                let drawn: Vec<usize> =
                    (0..size).map(|_| rng.random_range(0..train.len())).collect();
                let gradient = flat(&gradients(&model, train, &drawn, size)?.1);
                let terms = gradient.iter().zip(&whole).map(|(g, whole)| (g - whole).powi(2));
                square += terms.sum::<f64>() / DRAWS as f64;
            }
            trace += square * size as f64 / sizes.len() as f64;
            line += &format!("{:>10.3}", (square / length).sqrt());
        }
        println!("{name:<16}{line}{:>10.0}", trace / length);
    }
    Ok(())
}

/// All gradients in one row.
fn flat(gradients: &Gradients) -> Vec<f64> {
    gradients.iter().flat_map(|gradient| gradient.to_vec()).map(f64::from).collect()
}

/// How the network is trained.
struct Way {
    factor: usize,
    rate: f64,
    /// In epochs.
    warm_up: f64,
}

impl Way {
    /// The rate after some epochs: from that of small batches to the scaled one.
    fn rate_after(&self, epochs: f64) -> f64 {
        let progress = epochs / self.warm_up;
        let start = self.rate / self.factor as f64;
        match progress < 1.0 {
            true => start + (self.rate - start) * progress,
            false => self.rate,
        }
    }

    fn try_out(&self, data: &Data, arguments: &Arguments) -> lesson::Outcome {
        let (mut losses, mut accuracies, mut steps) = (0.0, Vec::new(), 0);
        for run in 0..arguments.runs as u64 {
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed + run);
            let mut model = network(data, &mut rng);
            let (loss, count) = fit(&mut model, self, data, arguments, &mut rng)?;
            losses += loss / arguments.runs as f64;
            steps = count;
            let test = data.test.full_batch();
            let logits = without_recording(|| model.forward(&test.features));
            accuracies.push(accuracy(&logits.argmax(-1), &test.labels)?);
        }
        let mean = accuracies.iter().sum::<f64>() / accuracies.len() as f64;
        let least = accuracies.iter().copied().fold(f64::INFINITY, f64::min);
        let size = arguments.batch_size * self.factor;
        let losses = if losses < 1e4 { format!("{losses:.4}") } else { format!("{losses:.1e}") };
        println!(
            "{:>8}{steps:>8}{:>10.3}{:>11}{losses:>18}{:>18}",
            size.min(data.train.len()),
            self.rate,
            self.warm_up,
            format!("{mean:.4} ({least:.4} …)")
        );
        Ok(())
    }
}
