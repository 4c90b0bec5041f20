//! One neuron that is surely wrong, after M. Nielsen, "Neural networks and deep learning", 2015,
//! chapter 3.
//!
//! It computes a = σ(z) of z = w · x + b, for the input x = 1 and the target y = 0:
//!
//! ```text
//! squared error   (a − y)² / 2                          ∂/∂w = (a − y) · σ′(z) · x
//! cross-entropy   −y · ln a − (1 − y) · ln(1 − a)       ∂/∂w = (a − y) · x
//! ```
//!
//! with σ′(z) = a · (1 − a), which is next to nothing for an a near 1. The derivative of the
//! logarithm, 1 / (a · (1 − a)), cancels it.

use downhill::losses::{BinaryCrossEntropyWithLogits, Error};
use downhill::prelude::*;

/// How a neuron came down from its start.
struct Descent {
    /// ∂loss/∂w at the start.
    gradient: f64,
    /// The output a before each step.
    outputs: Vec<f64>,
}

impl Descent {
    /// Trains a neuron until its output is on the target's side of 1/2, but at least for as many
    /// steps as are shown.
    fn from(start: f64, loss: Loss) -> Result<Self, Box<dyn std::error::Error>> {
        let (input, target) = (Tensor::scalar(INPUT), Tensor::scalar(TARGET));
        let half = || Tensor::parameter(Tensor::scalar(start / 2.0));
        let mut neuron = Neuron { weight: half(), bias: half() };
        let mut optimizer = Sgd::new(LEARNING_RATE);
        let mut descent = Self { gradient: f64::NAN, outputs: Vec::new() };
        loop {
            let z = &neuron.weight * &input + &neuron.bias;
            let loss = loss(&z, &target)?;
            let gradients = loss.backward();
            if descent.outputs.is_empty() {
                descent.gradient = gradients.get(&neuron.weight).map_or(0.0, Tensor::item);
            }
            let output = z.sigmoid().item();
            descent.outputs.push(output);
            if output < 0.5 && descent.outputs.len() > STEPS[STEPS.len() - 1] {
                return Ok(descent);
            }
            optimizer.step(&mut neuron, &gradients)?;
        }
    }
}

const INPUT: f64 = 1.0;
const TARGET: f64 = 0.0;
/// Nielsen's.
const LEARNING_RATE: f64 = 0.15;
/// Where the neuron starts: z = w · x + b with w = b.
const STARTS: [f64; 4] = [2.0, 4.0, 6.0, 8.0];
/// Nielsen's start, w = b = 2, and the steps at which it is watched.
const SHOWN: f64 = 4.0;
const STEPS: [usize; 7] = [0, 10, 20, 50, 100, 200, 300];

struct Neuron<E: Element> {
    weight: Tensor<E>,
    bias: Tensor<E>,
}
parameters!(Neuron<E> { weight, bias });

/// A loss of z and y.
type Loss = fn(&Tensor<f64>, &Tensor<f64>) -> Result<Tensor<f64>, Error>;

const LOSSES: [(&str, Loss); 2] =
    [("squared error", squared_error), ("cross-entropy", binary_cross_entropy)];

fn squared_error(z: &Tensor<f64>, target: &Tensor<f64>) -> Result<Tensor<f64>, Error> {
    Ok((z.sigmoid() - target).square() / 2.0)
}

/// From z and not from σ(z), which is rounded to 1 where z is large.
fn binary_cross_entropy(z: &Tensor<f64>, target: &Tensor<f64>) -> Result<Tensor<f64>, Error> {
    BinaryCrossEntropyWithLogits::new().forward(z, target)
}

impl Descent {
    /// How many steps it took to bring the output, which only ever falls, below 1/2.
    fn steps(&self) -> usize {
        self.outputs.partition_point(|&output| output >= 0.5)
    }
}

/// Prints how long the two losses take to bring a neuron back from several starts.
pub(crate) fn show(quiet: bool) -> lesson::Outcome {
    if !quiet {
        let what = format!(
            "One neuron, a = σ(z) of z = w·x + b, at the input x = {INPUT} and with the target y = \
             {TARGET}. It starts surely wrong, with w = b = {}, and takes steps of {LEARNING_RATE} \
             times the gradient. Its output a after some:",
            SHOWN / 2.0
        );
        println!("{}\n", lesson::wrapped("", &what));
        print_row("steps", &STEPS.map(|step| step.to_string()));
        for (name, loss) in LOSSES {
            let descent = Descent::from(SHOWN, loss)?;
            print_row(name, &STEPS.map(|step| format!("{:.4}", descent.outputs[step])));
        }
        println!(
            "\nWhat holds squared error back is the factor σ′(z). Below are the gradients at\n\
             several starts, by backward() and by their formulas, and the steps until the\n\
             output is below 1/2:\n"
        );
    }
    println!("{:>12}{:^27}{:^21}{:>17}", "", "squared error", "cross-entropy", "steps");
    println!(
        "{:>3}{:>9}{:>12}{:>15}{:>11}{:>10}{:>8}{:>6}{:>6}",
        "z", "a", "∂/∂w", "(a−y)·σ′(z)·x", "∂/∂w", "(a−y)·x", "squared", "cross", "ratio"
    );
    for start in STARTS {
        let [squared, cross] =
            [Descent::from(start, LOSSES[0].1)?, Descent::from(start, LOSSES[1].1)?];
        let a = squared.outputs[0];
        println!(
            "{start:>3}{a:>9.5}{:>12.7}{:>15.7}{:>11.7}{:>10.7}{:>8}{:>6}{:>6.1}",
            squared.gradient,
            (a - TARGET) * a * (1.0 - a) * INPUT,
            cross.gradient,
            (a - TARGET) * INPUT,
            squared.steps(),
            cross.steps(),
            squared.steps() as f64 / cross.steps() as f64
        );
    }
    Ok(())
}

fn print_row(name: &str, cells: &[String]) {
    let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>9}")).collect();
    println!("{name:<15}{}", cells.concat());
}
