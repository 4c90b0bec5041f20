//! One weight, one parabola, three rates.
//!
//! ```text
//! cargo run --release --example parabola
//! cargo run --release --example parabola -- --learning-rate 0.5,1 --steps 4
//! cargo run --release --example parabola -- --curvature 8
//! ```
//!
//! The loss of one weight w is a parabola of curvature λ around its minimum at 3:
//!
//! ```text
//! loss(w) = λ/2 · (w − 3)²        gradient = λ · (w − 3)        step: w ← w − rate · gradient
//! ```
//!
//! Put the gradient into the step, and the distance from the minimum is multiplied by the same
//! number in every step:
//!
//! ```text
//! w − 3  ←  (1 − rate · λ) · (w − 3)
//! ```
//!
//! Between 0 and 1 the weight creeps towards the minimum, between −1 and 0 it jumps over it and
//! arrives all the same, and beyond −1, where rate > 2 ÷ λ, each step ends farther away.

use std::process::ExitCode;

use clap::Parser;
use downhill::prelude::*;

const MINIMUM: f64 = 3.0;

/// Where the weight is at the start and after each step.
fn walk(rate: f64, steps: usize, curvature: f64) -> Result<Vec<f64>, downhill::optim::Error> {
    let mut weight = Tensor::parameter(0.0_f64);
    let mut optimizer = Sgd::new(rate);
    let mut places = vec![weight.item()];
    for _step in 0..steps {
        let loss = (&weight - MINIMUM).square() * (curvature / 2.0);
        let gradients = loss.backward();
        optimizer.step(&mut weight, &gradients)?;
        places.push(weight.item());
    }
    Ok(places)
}

/// Descends a parabola at several rates and prints where each step ends
#[derive(Parser)]
struct Arguments {
    /// The rates, up to four
    #[arg(
        long,
        value_name = "RATES",
        value_delimiter = ',',
        default_value = "0.2,0.9,1.05",
        value_parser = lesson::positive,
        allow_hyphen_values = true
    )]
    learning_rate: Vec<f64>,

    /// The number of steps
    #[arg(long, default_value = "10", value_parser = lesson::positive_count)]
    steps: usize,

    /// λ, how sharply the parabola is curved
    #[arg(long, default_value = "2", value_parser = lesson::positive, allow_hyphen_values = true)]
    curvature: f64,
}

fn main() -> ExitCode {
    lesson::run(descend)
}

fn descend(arguments: Arguments) -> lesson::Outcome {
    let Arguments { learning_rate: rates, steps, curvature } = arguments;
    if rates.len() > 4 {
        return Err(
            format!("{} rates do not fit beside each other; give up to 4", rates.len()).into()
        );
    }
    let runs = rates.iter().map(|&rate| walk(rate, steps, curvature));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;

    println!("loss(w) = {curvature}/2 · (w − 3)², from w = 0\n");
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>18}")).collect();
        println!("{name:>6}{cells}");
    };
    line("rate", rates.iter().map(|rate| rate.to_string()).collect());
    let factor = |rate: &f64| 1.0 - rate * curvature;
    line("factor", rates.iter().map(|rate| format!("{:.4}", factor(rate))).collect());
    println!();
    line("step", rates.iter().map(|_| "w".to_owned()).collect());
    for step in 0..=steps {
        line(&step.to_string(), runs.iter().map(|run| format!("{:.6}", run[step])).collect());
    }
    println!();
    for rate in &rates {
        let says = match factor(rate) {
            0.0 => "one step ends at the minimum".to_owned(),
            factor if factor.abs() < 1.0 => {
                let steps = (0.01_f64.ln() / factor.abs().ln()).ceil();
                format!("a hundredth of the distance is left after {steps} steps")
            }
            -1.0 => "it jumps from side to side for ever".to_owned(),
            _ => "each step ends farther away: the descent diverges".to_owned(),
        };
        println!("rate {rate}: {says}");
    }
    println!("\nThe limit is 2 ÷ λ = {}.", 2.0 / curvature);
    Ok(())
}
