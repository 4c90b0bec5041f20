//! The troubles of deep networks: gradients that vanish or explode on their way down, and what
//! helps.
//!
//! ```text
//! cargo run --release --example gradients
//! cargo run --release --example gradients -- --depth 30           # deeper
//! cargo run --release --example gradients -- --quiet              # only what came of it
//! ```
//!
//! A layer computes aₗ = f(zₗ) of zₗ = aₗ₋₁ · Wₗ + bₗ. With δₗ = ∂loss/∂zₗ the chain rule says
//!
//! ```text
//! ∂loss/∂Wₗ = aₗ₋₁ᵀ · δₗ          what came up to the layer, times what comes down to it
//! δₗ        = (δₗ₊₁ · Wₗ₊₁ᵀ) ∘ f′(zₗ)
//! ```
//!
//! so that δ is multiplied by a Jacobian, diag f′(z) · W, for every layer on its way down. Where
//! these shrink what they are applied to, the product of many of them is next to nothing and the
//! first layers hardly learn (Hochreiter 1991; Bengio, Simard & Frasconi 1994); where they
//! stretch it, it is enormous, and a step leaves all sense behind. A layer of n inputs and n
//! outputs, whose weights have mean 0, multiplies the variance of δ by n · Var W · E\[f′²\], and
//! that of what comes up by n · Var W · E\[f(z)²\] / Var z. To keep both near 1 is what good
//! starts are for:
//!
//! ```text
//! Glorot   Var W = 2 / (inputs + outputs)   tanh, with f′ near 1 around 0
//!          Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
//!          networks", 2010
//! He       Var W = 2 / inputs               ReLU, with f′ = 0 for half of all z
//!          He, Zhang, Ren & Sun, "Delving deep into rectifiers", 2015
//! ```
//!
//! There is no start like it for the sigmoid: σ′(z) = σ(z) · (1 − σ(z)) is at most 1/4. Two remedies
//! do not hang on the start:
//!
//! - *Normalisation* gives the z mean 0 and variance 1, over the units of a layer (`LayerNorm`: Ba,
//!   Kiros & Hinton, 2016) or over the samples of a batch (`BatchNorm`: Ioffe & Szegedy, 2015), and
//!   in the backward pass divides δ by the deviation that it took away. Sigmoids all answer with
//!   about 1/2, which every sample has in common and every layer has more of. The units' deviation
//!   stems from that, and to divide by it is not enough; the samples' deviation is what is left to
//!   tell them apart, and `BatchNorm` magnifies just that.
//! - *Clipping* shortens the gradient of all weights together to the norm it may have at most
//!   (Pascanu, Mikolov & Bengio, 2013). It keeps a descent from being lost where gradients explode;
//!   what vanishes it does not bring back.
//!
//! Before that, one neuron shows the same factor σ′ at work where there is but one layer, and how
//! the choice of the loss undoes it.
//!
//! What to look for, in each network's table: the norms of the gradients from the first layer to
//! the last, and the size of each step in proportion to the weights it changes. As a rule of thumb
//! a thousandth a step is healthy; much more is forgetful, much less is idle.

#[path = "gradients/deep.rs"]
mod deep;
#[path = "gradients/neuron.rs"]
mod neuron;

use std::process::ExitCode;

use clap::Parser;
use downhill::prelude::*;

use crate::deep::{NETWORKS, Run};

/// Shows how gradients vanish and explode in deep networks, and what helps
#[derive(Parser)]
struct Arguments {
    /// The number of hidden layers
    #[arg(long, default_value = "12", value_parser = lesson::positive_count)]
    depth: usize,

    /// Units in each hidden layer
    #[arg(long, default_value = "48", value_parser = lesson::positive_count)]
    width: usize,

    /// Passes over the training data, for each network
    #[arg(long, default_value = "20", value_parser = lesson::positive_count)]
    epochs: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// The largest norm that clipped gradients may have
    #[arg(long, default_value = "1", allow_hyphen_values = true, value_parser = lesson::positive)]
    clip: f64,

    /// What split, initial weights and shuffling are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Print only the table that sums up each part
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

fn main() -> ExitCode {
    lesson::run(lesson)
}

fn lesson(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    neuron::show(arguments.quiet)?;

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let (train, test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
    let standardizer = Standardizer::fit(&train);
    let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
    if !arguments.quiet {
        println!(
            "\nMany layers. data/digits.csv\n\
             {} samples to train on, {} to test on, 10 classes; seed {}.\n\
             {} hidden layers of {} units, steps of {} times the gradient.\n\
             Every network sees the same batches.",
            train.len(),
            test.len(),
            arguments.seed,
            arguments.depth,
            arguments.width,
            arguments.learning_rate
        );
    }
    let report = arguments.observe.report("Gradients in deep networks", arguments.seed)?;
    let mut runs = Vec::new();
    for network in &NETWORKS {
        // From the same state, so that networks differ in nothing but what their names say.
        let run = network.fit(&arguments, &train, &test, rng.clone())?;
        if !arguments.quiet {
            println!("\n{run}");
        }
        runs.push(run);
        if lesson::interrupted() {
            break;
        }
    }
    print_summary(&runs);
    if let Some(mut report) = report {
        report.data_file("data/digits.csv")?;
        let models = runs.iter().map(|run| format!("{}\n{}", run.network.name, run.model));
        report.model(models.collect::<Vec<_>>().join("\n\n"));
        let histories = runs.iter().map(|run| (run.network.name, &run.record.history));
        report.comparison(&histories.collect::<Vec<_>>());
        for run in &runs {
            report.layers(run.network.name, &run.record.history);
        }
        lesson::observe::write(report, arguments.quiet);
    }
    Ok(())
}

fn print_summary(runs: &[Run]) {
    println!(
        "\n{:<26}{:>10}{:>10}{:>14}{:>10}{:>10}",
        "", "gradient", "largest", "first layer's", "training", "test"
    );
    println!(
        "{:<26}{:>10}{:>10}{:>14}{:>10}{:>10}",
        "network", "first/last", "norm", "‖ΔW‖/‖W‖", "loss", "accuracy"
    );
    let cell = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1e}"));
    for run in runs {
        let loss = run.losses.last().map_or("-".into(), |&loss| match loss < 1e4 {
            true => format!("{loss:.4}"),
            false => format!("{loss:.1e}"),
        });
        let accuracy = run.accuracy.map_or("lost".into(), |accuracy| format!("{accuracy:.4}"));
        println!(
            "{:<26}{:>10}{:>10}{:>14}{loss:>10}{accuracy:>10}",
            run.network.name,
            cell(run.first_to_last()),
            cell(run.snapshots.first().map(|_| run.largest_norm)),
            cell(run.update_ratio()),
        );
    }
}
