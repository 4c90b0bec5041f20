//! How long a step takes on a number of processes, as a line of figures.
//!
//! ```text
//! target/release/examples/scaling --case mnist-l --plain          # the loop of one process
//! mpirun -n 2 target/release/examples/scaling --case mnist-l --parts 2
//! mpirun -n 2 target/release/examples/scaling --case sum --values 670000    # the exchange alone
//! ```
//!
//! `measure`, beside the crate's README, calls it in turns and fits the model of time.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use downhill::losses::Error as LossError;
use downhill::nn::{Conv2d, Embedding, Flatten, LayerNorm, MaxPool2d, TransformerBlock};
use downhill::prelude::*;
use downhill::train::state;
use downhill_distributed::{Error, Group, PartLoss, run};

/// Times training steps
#[derive(Parser)]
struct Arguments {
    /// What is trained
    #[arg(long, value_enum)]
    case: Case,
    /// As a loop without a group
    #[arg(long)]
    plain: bool,
    /// The number of parts [default: one for each process]
    #[arg(long)]
    parts: Option<usize>,
    /// Sums by MPI's own all-reduce
    #[arg(long)]
    fast: bool,
    /// The number of values, for the case `sum`
    #[arg(long, default_value = "1000")]
    values: usize,
    /// The rows of a batch, if other than those of the case
    #[arg(long)]
    rows: Option<usize>,
    /// For how long steps are timed
    #[arg(long, default_value = "2")]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Debug, ValueEnum)]
enum Case {
    /// A perceptron 784-512-512-10, batches of 256, plain gradient descent
    MnistL,
    /// Two convolutions, 9,930 parameters, batches of 32 images of 8×8, Adam
    Cnn,
    /// Two blocks, 60,027 parameters, batches of 64 names of 12 characters, Adam
    Transformer,
    /// Nothing but a gradient that is known at once
    Sum,
}

#[derive(Clone)]
struct Network {
    symbols: Option<Embedding>,
    places: Option<Embedding>,
    body: Sequential,
}
parameters!(Network { symbols, places, body });

const PLACES: usize = 12;

impl Network {
    fn new(arguments: &Arguments, rng: &mut Xoshiro256PlusPlus) -> Self {
        let (mut symbols, mut places) = (None, None);
        let body = match arguments.case {
            Case::MnistL => Sequential::new().then(Mlp::new(&[784, 512, 512, 10], rng)),
            Case::Cnn => Sequential::new()
                .then(Conv2d::new(1, 16, 3, rng).padding(1))
                .then(Activation::Relu)
                .then(Conv2d::new(16, 32, 3, rng).padding(1))
                .then(Activation::Relu)
                .then(MaxPool2d::new(2))
                .then(Flatten)
                .then(Linear::new(32 * 4 * 4, 10, rng)),
            Case::Transformer => {
                symbols = Some(Embedding::new(27, 48, rng));
                places = Some(Embedding::new(16, 48, rng));
                Sequential::new()
                    .then(TransformerBlock::new(48, 4, 192, rng))
                    .then(TransformerBlock::new(48, 4, 192, rng))
                    .then(LayerNorm::new(48))
                    .then(Linear::new(48, 27, rng))
            }
            Case::Sum => {
                Sequential::new().then(Linear::new(arguments.values, 1, rng).without_bias())
            }
        };
        Self { symbols, places, body }
    }

    fn forward(&mut self, data: &Data, rows: &[usize], rng: &mut dyn Rng) -> Tensor {
        let rows = rows[0]..rows[rows.len() - 1] + 1;
        match (&self.symbols, &self.places) {
            (Some(symbols), Some(places)) => {
                let range = rows.start * PLACES..rows.end * PLACES;
                let symbols = symbols.forward(&data.labels[range]);
                let all: Vec<usize> = (0..PLACES).collect();
                let x = symbols.reshape(&[rows.len(), PLACES, 48]) + places.forward(&all);
                self.body.forward_training(&x, rng)
            }
            _ => self.body.forward_training(&data.features.slice(0, rows), rng),
        }
    }
}

struct Data {
    features: Tensor,
    labels: Vec<usize>,
    /// The number of labels of a row.
    places: usize,
    rows: Vec<usize>,
}

impl Data {
    fn new(arguments: &Arguments, rng: &mut Xoshiro256PlusPlus) -> Self {
        let (row, rows, classes, places): (&[usize], _, _, _) = match arguments.case {
            Case::MnistL => (&[784], 256, 10, 1),
            Case::Cnn => (&[1, 8, 8], 32, 10, 1),
            Case::Transformer => (&[1], 64, 27, PLACES),
            Case::Sum => (&[1], 64, 1, 1),
        };
        let rows = arguments.rows.unwrap_or(rows);
        let shape = [&[rows], row].concat();
        let mut number = || (rng.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0;
        let values = (0..shape.iter().product()).map(|_| number()).collect();
        let features = Tensor::from_shape_vec(&shape, values).expect("as many as the shape holds");
        let labels = (0..rows * places).map(|row| (row * 7919) % classes).collect();
        Self { features, labels, places, rows: (0..rows).collect() }
    }

    fn loss(&self, logits: &Tensor, rows: &[usize]) -> Result<Tensor, LossError> {
        let range = rows[0] * self.places..(rows[rows.len() - 1] + 1) * self.places;
        let classes = logits.shape()[logits.ndim() - 1];
        cross_entropy(&logits.reshape(&[range.len(), classes]), &self.labels[range])
    }
}

fn main() -> ExitCode {
    run(|group| {
        let arguments =
            Arguments::try_parse().map_err(|error| Error::CommandLine(error.to_string()))?;
        time(group, &arguments)
    })
}

fn time(group: Group, arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let parts = arguments.parts.unwrap_or(group.ranks());
    let group = if arguments.fast { group.fast() } else { group.parts(parts)? };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let data = Data::new(arguments, &mut rng);
    let mut model = Network::new(arguments, &mut rng);
    let mut optimizer: Box<dyn Optimizer<f32>> = match arguments.case {
        Case::MnistL | Case::Sum => Box::new(Sgd::new(1e-4)),
        Case::Cnn | Case::Transformer => Box::new(Adam::new(1e-4)),
    };
    group.begin(state!(model; optimizer; rng))?;
    let is_sum = arguments.case == Case::Sum;
    let mut step = |model: &mut Network, rng: &mut Xoshiro256PlusPlus| {
        let rows = &data.rows;
        if arguments.plain {
            let logits = model.forward(&data, rows, rng);
            let gradients = data.loss(&logits, rows)?.backward();
            optimizer.step(model, &gradients)?;
            return Ok::<_, Box<dyn std::error::Error>>(());
        }
        let forward = |model: &mut Network, rows: &[usize], rng: &mut Xoshiro256PlusPlus| {
            let loss = if is_sum {
                model.body.named()[0].1.sum()
            } else {
                data.loss(&model.forward(&data, rows, rng), rows)?
            };
            Ok::<_, LossError>(PartLoss::new(loss, rows.len() as f64))
        };
        let step = group.gradients(model, rows, rng, forward)?;
        if !is_sum {
            optimizer.step(model, &step.gradients)?;
        }
        Ok(())
    };
    // All processes make the same number of steps.
    let started = Instant::now();
    for _ in 0..20 {
        step(&mut model, &mut rng)?;
    }
    let each = started.elapsed().as_secs_f64() / 20.0;
    let count = group.total(&[0], |_| Ok::<_, LossError>([arguments.seconds / each]))?[0];
    let mut times = Vec::new();
    for _ in 0..(count as usize).clamp(20, 1_000_000) {
        let started = Instant::now();
        step(&mut model, &mut rng)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| micros(times[((times.len() - 1) as f64 * share) as usize]);
    if group.is_first() {
        let mode = match (arguments.plain, arguments.fast) {
            (true, _) => "plain".to_owned(),
            (_, true) => "fast".to_owned(),
            _ => format!("{parts} parts"),
        };
        println!(
            "{:?} {} values, {} processes, {mode}: {:.1} µs a step (from {:.1} to {:.1})",
            arguments.case,
            model.parameter_count(),
            group.ranks(),
            at(0.5),
            at(0.1),
            at(0.9)
        );
    }
    Ok(())
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
