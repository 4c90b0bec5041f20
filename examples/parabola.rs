//! One weight, one parabola, three rates.
//!
//! ```text
//! cargo run --release --example parabola
//! cargo run --release --example parabola -- --learning-rate 0.5,1 --steps 4
//! cargo run --release --example parabola -- --curvature 8
//! cargo run --release --example parabola -- --momentum 0.5 --learning-rate 1.45,1.5,1.55
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
//! arrives all the same, and beyond −1, where rate > 2 ÷ λ, each step ends farther away. Momentum μ
//! makes of the factor the roots x of x² − (1 + μ − rate · λ) · x + μ = 0: the larger one decides.

use std::process::ExitCode;

use clap::Parser;
use downhill::prelude::*;

const MINIMUM: f64 = 3.0;

/// Where the weight is at the start and after each step.
fn walk(
    rate: f64,
    &Arguments { steps, curvature, momentum, .. }: &Arguments,
) -> Result<Vec<f64>, downhill::optim::Error> {
    let mut weight = Tensor::parameter(0.0_f64);
    let mut optimizer = Sgd::new(rate).momentum(momentum);
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

    /// μ, the share of the last step's direction that the next one keeps
    #[arg(long, default_value = "0", value_parser = momentum, allow_hyphen_values = true)]
    momentum: f64,
}

fn momentum(text: &str) -> Result<f64, String> {
    let momentum = lesson::not_negative(text)?;
    (momentum < 1.0).then_some(momentum).ok_or("must be less than 1".into())
}

/// What becomes of the distance from the minimum in the long run.
#[derive(Clone, Copy)]
enum Factor {
    /// Each step multiplies it by this.
    Real(f64),
    /// The roots are complex: it swings, and its swings are multiplied by this.
    Swings(f64),
}

impl Factor {
    /// The root of x² − (1 + μ − rate · λ) · x + μ = 0 that is larger in size.
    fn of(rate: f64, &Arguments { curvature, momentum, .. }: &Arguments) -> Self {
        let half = (1.0 + momentum - rate * curvature) / 2.0;
        let discriminant = half * half - momentum;
        match discriminant < 0.0 {
            true => Self::Swings(momentum.sqrt()),
            false => Self::Real(half + discriminant.sqrt().copysign(half)),
        }
    }

    fn size(self) -> f64 {
        match self {
            Self::Real(factor) => factor.abs(),
            Self::Swings(factor) => factor,
        }
    }

    /// What a descent with this factor does.
    fn in_words(self, momentum: f64) -> String {
        match self.size() {
            0.0 => "one step ends at the minimum".into(),
            size if (size - 1.0).abs() < 1e-12 => "it jumps from side to side for ever".into(),
            size if size > 1.0 => "each step ends farther away: the descent diverges".into(),
            size => {
                let steps = (0.01_f64.ln() / size.ln()).ceil();
                let some = if momentum > 0.0 { "some " } else { "" };
                let swings = match self {
                    Self::Swings(_) => "it swings; ",
                    Self::Real(_) => "",
                };
                format!("{swings}a hundredth of the distance is left after {some}{steps} steps")
            }
        }
    }
}

impl std::fmt::Display for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Real(factor) => write!(f, "{factor:.4}"),
            Self::Swings(factor) => write!(f, "±{factor:.4}"),
        }
    }
}

fn main() -> ExitCode {
    lesson::run(descend)
}

fn descend(arguments: Arguments) -> lesson::Outcome {
    let &Arguments { steps, curvature, momentum, .. } = &arguments;
    let rates = &arguments.learning_rate;
    if rates.len() > 4 {
        return Err(
            format!("{} rates do not fit beside each other; give up to 4", rates.len()).into()
        );
    }
    let runs = rates.iter().map(|&rate| walk(rate, &arguments));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let factors: Vec<Factor> = rates.iter().map(|&rate| Factor::of(rate, &arguments)).collect();

    let (and, more) = match momentum > 0.0 {
        true => (format!(", with momentum {momentum}"), format!("·(1 + {momentum})")),
        false => (String::new(), String::new()),
    };
    println!("loss(w) = {curvature}/2 · (w − 3)², from w = 0{and}\n");
    let line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>18}")).collect();
        println!("{name:>6}{cells}");
    };
    line("rate", rates.iter().map(f64::to_string).collect());
    line("factor", factors.iter().map(Factor::to_string).collect());
    println!();
    line("step", rates.iter().map(|_| "w".to_owned()).collect());
    for step in 0..=steps {
        line(&step.to_string(), runs.iter().map(|run| format!("{:.6}", run[step])).collect());
    }
    println!();
    for (rate, factor) in rates.iter().zip(factors) {
        let words = factor.in_words(momentum);
        println!("{}", lesson::wrapped(&format!("rate {rate}: "), &words));
    }
    println!("\nThe limit is 2{more} ÷ λ = {}.", 2.0 * (1.0 + momentum) / curvature);
    Ok(())
}
