//! A small training run for the tests to start on several processes. Prints, on the process of rank
//! 0, checksums of all that was learned.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use downhill::losses::Error as LossError;
use downhill::nn::{BatchNorm, Dropout};
use downhill::optim::{Adagrad, Lbfgs, Lion, Muon, ParameterGroup, RmsProp};
use downhill::prelude::*;
use downhill::tensor::Path;
use downhill::train::{State, state};
use downhill_distributed::{Error, Group, Number, PartLoss, Step, run};
use rand::seq::SliceRandom;

#[derive(Parser, Clone)]
struct Arguments {
    #[arg(long, default_value = "sgd")]
    optimizer: Method,
    #[arg(long)]
    batch_norm: bool,
    #[arg(long, default_value = "0")]
    dropout: f64,
    #[arg(long, default_value = "8")]
    parts: usize,
    #[arg(long)]
    fast: bool,
    #[arg(long, default_value = "24")]
    batch_size: usize,
    #[arg(long, default_value = "20")]
    steps: usize,
    #[arg(long, default_value = "8")]
    hidden: usize,
    #[arg(long)]
    double: bool,
    /// What goes wrong, on which rank, in which step
    #[arg(long, num_args = 3)]
    fault: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    Sgd,
    Nesterov,
    Adagrad,
    RmsProp,
    Adam,
    AdamW,
    Lion,
    Muon,
    Lbfgs,
}

const ROWS: usize = 61;
const FEATURES: usize = 6;
const CLASSES: usize = 3;
const IGNORED: usize = 99;

fn main() -> ExitCode {
    run(|group| {
        let arguments =
            Arguments::try_parse().map_err(|error| Error::CommandLine(error.to_string()))?;
        match arguments.double {
            true => train::<f64>(group, arguments),
            false => train::<f32>(group, arguments),
        }
    })
}

struct Data<E: Element> {
    features: Vec<Vec<E>>,
    labels: Vec<usize>,
}

impl<E: Element> Data<E> {
    fn new(rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut number = || E::from_f64(f64::from(rng.next_u32()) / 2f64.powi(31) - 1.0);
        let features = (0..ROWS).map(|_| (0..FEATURES).map(|_| number()).collect()).collect();
        let label = |row: usize| if row % 7 == 3 { IGNORED } else { (row * row) % CLASSES };
        Self { features, labels: (0..ROWS).map(label).collect() }
    }

    fn batch(&self, rows: &[usize]) -> (Tensor<E>, Vec<usize>) {
        let values = rows.iter().flat_map(|&row| self.features[row].iter().copied()).collect();
        let features = Tensor::from_shape_vec(&[rows.len(), FEATURES], values).expect("rows");
        (features, rows.iter().map(|&row| self.labels[row]).collect())
    }
}

fn train<E: Number>(group: Group, arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let group = if arguments.fast { group.fast() } else { group.parts(arguments.parts)? };
    let fault = |kind: &str, step: usize| {
        let [what, rank, at] = &arguments.fault[..] else { return false };
        what == kind && *rank == group.rank().to_string() && *at == step.to_string()
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
    let data: Data<E> = Data::new(&mut rng);
    // Each process begins with weights of its own; those of rank 0 count.
    let mut own = Xoshiro256PlusPlus::seed_from_u64(group.rank() as u64);
    let mut model: Sequential<E> = Sequential::new();
    model = model.then(Linear::new(FEATURES, arguments.hidden, &mut own));
    if arguments.batch_norm {
        model = model.then(BatchNorm::new(arguments.hidden));
    }
    let dropout = Dropout::new(arguments.dropout)?;
    model = model.then(Activation::Tanh).then(dropout);
    model = model.then(Linear::new(arguments.hidden, CLASSES, &mut own));
    let mut optimizer: Box<dyn Optimizer<E>> = match arguments.optimizer {
        Method::Sgd => Box::new(Sgd::new(0.1).momentum(0.9).weight_decay(0.01)),
        Method::Nesterov => Box::new(Sgd::new(0.1).momentum(0.9).nesterov(true)),
        Method::Adagrad => Box::new(Adagrad::new(0.1)),
        Method::RmsProp => Box::new(RmsProp::new(0.01)),
        Method::Adam => Box::new(Adam::new(0.01)),
        Method::AdamW => Box::new(AdamW::new(0.01)),
        Method::Lion => Box::new(Lion::new(0.01)),
        Method::Muon => {
            // It is for matrices.
            let mut muon = Muon::new(0.02).group(ParameterGroup::matching("*.bias").frozen());
            if arguments.batch_norm {
                muon = muon.group(ParameterGroup::matching("1.weight").frozen());
            }
            Box::new(muon)
        }
        Method::Lbfgs => Box::new(Sgd::new(0.1)),
    };
    let mut lbfgs = Lbfgs::new().max_iterations(2);
    let cross_entropy = CrossEntropy::new().class_weights([1.0, 2.5, 0.3]).ignore_index(IGNORED);
    group.begin(state!(model; optimizer, lbfgs; rng))?;
    if group.is_first() {
        println!("{group}");
    }

    let mut order: Vec<usize> = (0..ROWS).collect();
    // A group may have trained a smaller model before.
    let mut small = [Tensor::parameter(Tensor::scalar(E::one()))];
    let square = |small: &mut [Tensor<E>; 1], rows: &[usize], _: &mut Xoshiro256PlusPlus| {
        Ok::<_, LossError>(PartLoss::new(&small[0] * &small[0], rows.len() as f64))
    };
    let step = group.clone().gradients(&mut small, &order, &mut rng, square)?;
    let slope = step.gradients.get(&small[0]).expect("a gradient").item();
    assert!((slope.as_f64() - 2.0).abs() < 1e-6, "{slope} instead of 2");
    let mut losses = Vec::new();
    for step in 0..arguments.steps {
        if fault("hang", step) {
            std::thread::sleep(Duration::from_secs(3600));
        }
        if fault("panic", step) {
            panic!("a bug in step {step}");
        }
        if fault("seed", step) {
            rng.next_u32();
        }
        if fault("weights", step) {
            model.visit_mut(Path::ROOT, &mut |_, tensor| tensor.update(|w| w[0] += E::one()));
        }
        if step % 3 == 0 {
            order.shuffle(&mut rng);
        }
        let start = step % 3 * arguments.batch_size % ROWS;
        let mut rows = order[start..(start + arguments.batch_size).min(ROWS)].to_vec();
        if fault("batch", step) {
            rows.reverse();
        }
        let spoiled = fault("nan", step);
        let is_wrong = fault("file", step);
        let forward = |model: &mut Sequential<E>, rows: &[usize], rng: &mut Xoshiro256PlusPlus| {
            let (mut features, mut labels) = data.batch(rows);
            if spoiled {
                features = features * E::nan();
            }
            if is_wrong {
                labels[0] = 17;
            }
            let logits = model.forward_training(&features, rng);
            let loss = cross_entropy.forward(&logits, &labels)?;
            let right = logits.argmax(-1).iter().zip(&labels).filter(|(a, b)| a == b).count();
            let weight = cross_entropy.divisor(&labels);
            Ok::<_, LossError>(PartLoss::new(loss, weight).counts([right as f64]))
        };
        let loss = if let Method::Lbfgs = arguments.optimizer {
            let outcome = lbfgs.step(&mut model, |model| {
                let Step { loss, gradients, .. } =
                    group.gradients(&mut model.clone(), &rows, &mut rng, forward)?;
                Ok((loss, gradients))
            })?;
            outcome.loss
        } else {
            let mut step = group.gradients(&mut model, &rows, &mut rng, forward)?;
            clip_by_global_norm(&mut step.gradients, 0.5)?;
            optimizer.step(&mut model, &step.gradients)?;
            step.loss.item().as_f64() + step.counts[0]
        };
        losses.push(loss);
    }
    let [total, right] = group.total(&order, |rows| {
        let (features, labels) = data.batch(rows);
        let logits = without_recording(|| model.evaluate(&features));
        let sum = cross_entropy.clone().reduction(Reduction::Sum).forward(&logits, &labels)?;
        let right = logits.argmax(-1).iter().zip(&labels).filter(|(a, b)| a == b).count();
        Ok::<_, LossError>([sum.item().as_f64(), right as f64])
    })?;
    if group.is_first() {
        let losses: Vec<String> =
            losses.iter().map(|loss| format!("{:x}", loss.to_bits())).collect();
        let bytes = checksum(state!(model; optimizer, lbfgs; rng))?;
        println!(
            "state {bytes:08x} losses {} total {:x} {right}",
            losses.join(" "),
            total.to_bits()
        );
        println!("mean {:.6}", total / ROWS as f64);
    }
    Ok(())
}

fn checksum<E: Element>(state: State<'_, E>) -> Result<u32, downhill::train::Error> {
    Ok(crc32fast::hash(&state.to_bytes()?))
}
