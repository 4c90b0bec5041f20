//! Cross-entropy for targets that are no classes: an autoencoder of images, 64 → 16 → 64.
//!
//! ```text
//! cargo run --release --example soft_targets
//! cargo run --release --example soft_targets -- --bias -8     # a start that is surely wrong
//! ```
//!
//! The network squeezes the 64 pixels of a digit through 16 numbers and rebuilds them. A pixel's
//! intensity y lies between 0 (white) and 1 (black), and so does the output ŷ = σ(z), with the
//! sigmoid σ(z) = 1 / (1 + e^(−z)). Two losses can judge it, and both are least at ŷ = y:
//!
//! ```text
//! binary cross-entropy   −y · ln ŷ − (1 − y) · ln(1 − ŷ)     d/dz = ŷ − y
//! squared error          (ŷ − y)²                            d/dz = 2 (ŷ − y) · ŷ (1 − ŷ)
//! ```
//!
//! The sigmoid flattens out towards 0 and 1: its derivative ŷ (1 − ŷ) is at most 1/4, and next to
//! nothing where ŷ is near 0 or 1. Squared error is multiplied by it. An output that is
//! confidently wrong thus hardly moves, which is where it should move most. The logarithm of
//! cross-entropy cancels the derivative: the more wrong, the steeper.

use std::process::ExitCode;

use clap::Parser;
use downhill::losses::{BinaryCrossEntropyWithLogits, Error};
use downhill::prelude::*;
use downhill::train::{State, format_metric};
use downhill_report::plot::{Image, Picture, images};

use lesson::keep::Checkpoints;

/// Trains the models on the same batches: the loop.
fn fit(
    runs: &mut [Run; 2],
    [train, test]: [&Dataset; 2],
    mut rng: Xoshiro256PlusPlus,
    mut checkpoints: Checkpoints,
    arguments: &Arguments,
) -> lesson::Outcome {
    let &Arguments { epochs, batch_size, learning_rate, quiet, .. } = arguments;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    let mut epoch = 0;
    checkpoints.restore(state(runs, &mut rng, &mut epoch), quiet)?;
    while epoch < epochs {
        let mut totals = [0.0; 2];
        for (step, batch) in train.batches(batch_size, &mut rng).enumerate() {
            for (Run { loss, model, optimizer, record, .. }, total) in
                runs.iter_mut().zip(&mut totals)
            {
                let logits = model.forward(&batch.features);
                let loss = loss(&logits, &batch.features)?;
                record.check_loss(model, &loss, (epoch, step), learning_rate)?;
                let gradients = loss.backward();
                optimizer.step(model, &gradients)?;

                record.step(model, &gradients, &loss, learning_rate);
                *total += f64::from(loss.item()) * batch.labels.len() as f64;
            }
        }
        let means = [0, 1].map(|run| (runs[run].name, totals[run] / train.len() as f64));
        progress.epoch(epoch, &means);
        for (run, (_, mean)) in runs.iter_mut().zip(means) {
            let [training, held_out] = ["training", "test"].map(|of| format!("{of} {}", run.name));
            let mut metrics = vec![(training.as_str(), mean)];
            if run.record.wants_test((epoch, epochs)) {
                let images = test.full_batch().features;
                let loss = without_recording(|| (run.loss)(&run.model.forward(&images), &images))?;
                metrics.push((held_out.as_str(), loss.item().into()));
            }
            run.record.epoch(&metrics);
        }
        epoch += 1;
        checkpoints.epoch(state(runs, &mut rng, &mut epoch), None)?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(state(runs, &mut rng, &mut epoch))
}

/// What a checkpoint keeps.
fn state<'a>(
    [one, other]: &'a mut [Run; 2],
    rng: &'a mut Xoshiro256PlusPlus,
    epoch: &'a mut usize,
) -> State<'a> {
    State::new("cross_entropy", &mut one.model)
        .memory("cross_entropy_optimizer", &mut one.optimizer)
        .memory("cross_entropy_record", &mut one.record)
        .model("squared_error", &mut other.model)
        .memory("squared_error_optimizer", &mut other.optimizer)
        .memory("squared_error_record", &mut other.record)
        .value("rng", rng)
        .value("epoch", epoch)
}

/// Trains an autoencoder with cross-entropy and with squared error, and compares the two
#[derive(Parser)]
struct Arguments {
    /// Passes over the training data
    #[arg(long, default_value = "30", value_parser = lesson::positive_count)]
    epochs: usize,

    /// Images for each step of the descent
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "1", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// The bias of all outputs at the start: they begin near σ(bias)
    #[arg(long, default_value = "0", allow_hyphen_values = true, value_parser = finite)]
    bias: f32,

    /// What split, initial weights and shuffling are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Print the last table only
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

/// A loss of logits `[B, 64]` against intensities `[B, 64]`.
type Loss = fn(&Tensor, &Tensor) -> Result<Tensor, Error>;

const DATA: &str = "data/digits.csv";

const LOSSES: [(&str, Loss); 2] =
    [("cross-entropy", binary_cross_entropy), ("squared error", squared_error)];

/// −y · ln σ(z) − (1 − y) · ln(1 − σ(z)), computed without rounding σ(z) to 0 or 1 on the way.
fn binary_cross_entropy(logits: &Tensor, intensities: &Tensor) -> Result<Tensor, Error> {
    BinaryCrossEntropyWithLogits::new().forward(logits, intensities)
}

/// (σ(z) − y)²
fn squared_error(logits: &Tensor, intensities: &Tensor) -> Result<Tensor, Error> {
    MeanSquaredError::new().forward(&logits.sigmoid(), intensities)
}

/// A model, the loss it is trained with, and what trains it.
struct Run {
    name: &'static str,
    loss: Loss,
    model: Mlp,
    optimizer: Sgd,
    record: lesson::observe::Record,
}

/// What `--save` writes.
struct Models {
    cross_entropy: Mlp,
    squared_error: Mlp,
}
parameters!(Models { cross_entropy, squared_error });

fn main() -> ExitCode {
    lesson::run(compare)
}

/// What to look for: the norms of the gradients at the start, above all where the biases have
/// driven all outputs to 0, and how long squared error then stays where it is; and in the end each
/// model's errors by either measure. A soft target has a cross-entropy of its own, its entropy,
/// which no model can get below: what a model can improve is the rest, the KL divergence.
fn compare(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(DATA.as_ref()))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let digits = Dataset::read_csv(DATA, "digit")?;
    let intensities = digits.features().mapv(|pixel| pixel / 16.0);
    let (train, test) =
        Dataset::new(intensities, digits.targets().clone())?.split(0.8, &mut rng)?;
    let initial = biased(&Mlp::new(&[64, 16, 64], &mut rng), arguments.bias);
    let report = arguments.observe.report("Soft targets", arguments.seed)?;
    let run = |(name, loss)| -> Result<Run, Box<dyn std::error::Error>> {
        let optimizer = Sgd::new(arguments.learning_rate).momentum(0.9);
        let mut record = arguments.observe.record(Some(name), &initial)?;
        record.history = record.history.loss_named(name);
        Ok(Run { name, loss, model: initial.clone(), optimizer, record })
    };
    let mut runs = [run(LOSSES[0])?, run(LOSSES[1])?];

    if !arguments.quiet {
        println!(
            "data/digits.csv: {} images to train on, {} to test on; seed {}\n{initial}\n",
            train.len(),
            test.len(),
            arguments.seed
        );
        print_gradient_norms(&initial, arguments.bias, &train.full_batch().features)?;
        println!("\nTraining from the same initial weights, on the same batches:\n");
    }
    fit(&mut runs, [&train, &test], rng, checkpoints, &arguments)?;
    let [cross_entropy, squared_error] = runs.each_ref().map(|run| run.model.clone());
    arguments.keep.save(&Models { cross_entropy, squared_error }, &[]);

    let (train, test) = (train.full_batch().features, test.full_batch().features);
    if !arguments.quiet {
        print_images(&runs, &test.slice(0, ..1));
        println!();
    }
    print_errors(&initial, &runs, [&train, &test])?;
    if let Some(mut report) = report {
        report.model(&initial);
        report.data_file(DATA)?;
        report.comparison(
            &runs.iter().map(|run| (run.name, &run.record.history)).collect::<Vec<_>>(),
        );
        for run in &runs {
            report.layers(&format!("Trained with {}", run.name), &run.record.history);
        }
        let caption =
            "Some images that were not trained on, and below each what the models make of it.";
        report.section("Images").picture(rebuilt(&runs, &test.slice(0, ..4)), caption);
        lesson::observe::write(report, arguments.quiet);
    }
    if !arguments.quiet && arguments.bias == 0.0 {
        println!("\nWhat squared error makes of a start that is surely wrong: --bias -8");
    }
    Ok(())
}

/// Prints the errors of each model by either measure, on images that it was trained on and others.
fn print_errors(initial: &Mlp, runs: &[Run], [train, test]: [&Tensor; 2]) -> lesson::Outcome {
    println!("{:>53}{:>20}", "binary cross-entropy", "squared error");
    println!("{:<33}{:>10}{:>10}{:>10}{:>10}", "trained with", "train", "test", "train", "test");
    let print = |name: &str, logits: &dyn Fn(&Tensor) -> Tensor| -> lesson::Outcome {
        print!("{name:<33}");
        for (_, loss) in LOSSES {
            for images in [train, test] {
                let error = without_recording(|| loss(&logits(images), images))?.item();
                print!("{error:>10.4}");
            }
        }
        println!();
        Ok(())
    };
    print("nothing: the initial weights", &|images| initial.forward(images))?;
    for run in runs {
        print(run.name, &|images| run.model.forward(images))?;
    }
    // The logit of y itself: ln y − ln(1 − y).
    let perfect = |images: &Tensor| images.ln() - (1.0 - images).ln();
    print("the least there is, at ŷ = y", &perfect)
}

/// A copy whose every output has the bias `bias`.
fn biased(model: &Mlp, bias: f32) -> Mlp {
    let mut model = model.clone();
    if let Some(output) = model.layers.last_mut().and_then(|layer| layer.bias.as_mut()) {
        output.update(|biases| biases.fill(bias));
    }
    model
}

/// The gradient of either loss with respect to all weights and biases, for outputs that start
/// farther and farther out on the flat end of the sigmoid.
fn print_gradient_norms(initial: &Mlp, own_bias: f32, images: &Tensor) -> lesson::Outcome {
    println!("The norm of the gradient before the first step, for several biases of outputs:\n");
    println!("{:>8}{:>12}{:>18}{:>18}{:>12}", "bias", "σ(bias)", LOSSES[0].0, LOSSES[1].0, "ratio");
    let mut biases = vec![0.0, -2.0, -4.0, -8.0];
    if !biases.contains(&own_bias) {
        biases.push(own_bias);
    }
    for bias in biases {
        let model = biased(initial, bias);
        let mut norms = [0.0; 2];
        for (norm, (_, loss)) in norms.iter_mut().zip(LOSSES) {
            let gradients = loss(&model.forward(images), images)?.backward();
            let squares = gradients.iter().map(|gradient| gradient.square().sum().item());
            *norm = f64::from(squares.sum::<f32>()).sqrt();
        }
        println!(
            "{bias:>8}{:>12}{:>18}{:>18}{:>12.1}",
            format_metric(f64::from(Tensor::from(bias).sigmoid().item())),
            format_metric(norms[0]),
            format_metric(norms[1]),
            norms[0] / norms[1]
        );
    }
    Ok(())
}

/// A few images, and below them what each model makes of them.
fn rebuilt(runs: &[Run], originals: &Tensor) -> Picture {
    let mut rows = vec![("original", originals.to_vec())];
    for run in runs {
        rows.push((run.name, run.model.forward(originals).sigmoid().to_vec()));
    }
    let panel = |(name, pixels): &(&str, Vec<f32>)| -> Vec<Image> {
        // Two words, as there is no room for them side by side.
        let caption: Vec<String> = name.split_inclusive(['-', ' ']).map(str::to_owned).collect();
        let pixels = pixels.chunks(64).map(|image| image.iter().copied().map(f64::from).collect());
        pixels.map(|pixels| Image { pixels, width: 8, caption: caption.clone() }).collect()
    };
    images("Rebuilt from 16 numbers", &rows.iter().flat_map(panel).collect::<Vec<_>>())
}

/// An image and what each model makes of it, side by side.
fn print_images(runs: &[Run], image: &Tensor) {
    let mut panels = vec![("original", image.to_vec())];
    for run in runs {
        panels.push((run.name, run.model.forward(image).sigmoid().to_vec()));
    }
    let shade = |intensity: f32| [" ", "░", "▒", "▓", "█"][(intensity * 4.0).round() as usize];
    let names: Vec<String> = panels.iter().map(|(name, _)| format!("{name:<20}")).collect();
    println!("\n    {}", names.concat().trim_end());
    for row in 0..8 {
        let mut line = String::new();
        for (_, pixels) in &panels {
            line += "    ";
            line.extend(pixels[8 * row..][..8].iter().map(|&pixel| shade(pixel).repeat(2)));
        }
        println!("{}", line.trim_end());
    }
}

fn finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|x: &f32| x.is_finite()).ok_or("must be a finite number".into())
}
