//! What the training loss does not say: overfitting, early stopping, weight decay.
//!
//! ```text
//! cargo run --release --example overfitting
//! cargo run --release --example overfitting -- --samples 900
//! cargo run --release --example overfitting -- --weight-decay 3 --label-noise 0
//! ```
//!
//! Three parts of the data, and what each is for:
//!
//! ```text
//! training      the gradient comes from it
//! validation    it chooses: when to stop, how much decay
//! test          it is looked at once, in the end
//! ```
//!
//! A network of 4,810 weights sees a hundred digits, some of them with a wrong label. It can learn
//! them by heart, and does: the training loss falls towards 0. What it learns by heart is no use
//! for other digits, and costs something where it is sure and wrong: the validation loss falls,
//! turns, and rises.
//!
//! Early stopping keeps the weights of the turn. Weight decay pulls every weight towards 0 in each
//! step, w ← w − η · decay · w, so that the network stays simpler than it could be.
//!
//! What to look for: where the validation loss turns, and that the accuracy hardly does: the
//! network does not call more digits wrong, it becomes surer of those that it does.

use std::process::ExitCode;

use clap::Parser;
use downhill::optim::EarlyStopping;
use downhill::prelude::*;
use downhill::train::state;
use rand::seq::SliceRandom;

/// Trains one network: the loop. Prints how it does on data that it sees and that it does not.
fn fit(
    data: &Data,
    weight_decay: f64,
    run: &str,
    arguments: &Arguments,
) -> Result<Mlp, Box<dyn std::error::Error>> {
    let mut checkpoints =
        arguments.keep.checkpoints::<Arguments>(Some(run), Some(DATA.as_ref()))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let mut model = Mlp::new(&[64, 64, 10], &mut rng);
    let mut optimizer = AdamW::new(0.01).weight_decay(weight_decay);
    let mut early_stopping = EarlyStopping::new(u64::MAX);
    let cross_entropy = CrossEntropy::new();

    println!("\nweight decay {weight_decay}\n");
    println!("{:>7}{:>16}{:>18}{:>16}", "epoch", "training loss", "validation loss", "accuracy");
    let mut epoch = 0;
    checkpoints.restore(state!(model; optimizer, early_stopping; rng, epoch), false)?;
    while epoch < arguments.epochs {
        epoch += 1;
        for batch in data.train.batches(32, &mut rng) {
            let logits = model.forward(&batch.features);
            let loss = cross_entropy.forward(&logits, &batch.labels)?;
            let gradients = loss.backward();
            optimizer.step(&mut model, &gradients)?;
        }
        let [training, _] = judge(&model, &data.train)?;
        let [validation, right] = judge(&model, &data.validation)?;
        early_stopping.should_stop(validation, &model)?;
        if epoch == 1 || epoch % (arguments.epochs / 10).max(1) == 0 {
            println!("{epoch:>7}{training:>16.4}{validation:>18.4}{right:>16.4}");
        }
        checkpoints.epoch(state!(model; optimizer, early_stopping; rng, epoch), None)?;
        if lesson::interrupted() {
            break;
        }
    }
    checkpoints.finish(state!(model; optimizer, early_stopping; rng, epoch))?;

    let [last, last_right] = judge(&model, &data.test)?;
    early_stopping.restore_best(&mut model)?;
    let [best, best_right] = judge(&model, &data.test)?;
    let epoch = early_stopping.best_epoch().map_or(0, |epoch| epoch + 1);
    println!("\non test digits                   loss   accuracy");
    println!("the last weights           {last:>10.4}{last_right:>11.4}");
    println!("those of epoch {epoch:<10}  {best:>10.4}{best_right:>11.4}   (early stopping)");
    Ok(model)
}

/// Trains a network on few digits for too long, and shows what helps
#[derive(Parser)]
struct Arguments {
    /// Samples to train on
    #[arg(long, default_value = "100", value_parser = lesson::positive_count)]
    samples: usize,

    /// The fraction of training labels that are replaced by a random one
    #[arg(long, default_value = "0.1", value_parser = lesson::not_negative)]
    label_noise: f64,

    /// How strongly weights are pulled towards 0 in the second run
    #[arg(long, default_value = "1", value_parser = lesson::not_negative)]
    weight_decay: f64,

    /// Passes over the training data
    #[arg(long, default_value = "200", value_parser = lesson::positive_count)]
    epochs: usize,

    /// What the data's parts, labels and initial weights are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    #[command(flatten)]
    keep: lesson::keep::Keep,
}

/// The two networks, each with the weights of its best epoch.
struct Models {
    plain: Mlp,
    decayed: Mlp,
}
parameters!(Models { plain, decayed });

/// The three parts.
struct Data {
    train: Dataset,
    validation: Dataset,
    test: Dataset,
}

const DATA: &str = "data/digits.csv";

fn main() -> ExitCode {
    lesson::run(compare)
}

fn compare(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let data = read(&arguments)?;
    println!(
        "{} digits to train on, {:.0} % of them with a random label;\n\
         {} for validation, {} to test",
        data.train.len(),
        100.0 * arguments.label_noise,
        data.validation.len(),
        data.test.len()
    );
    let plain = fit(&data, 0.0, "plain", &arguments)?;
    let decayed = fit(&data, arguments.weight_decay, "decayed", &arguments)?;
    arguments.keep.save(&Models { plain, decayed }, &[]);
    Ok(())
}

/// The mean loss and the accuracy.
fn judge(model: &Mlp, data: &Dataset) -> Result<[f64; 2], Box<dyn std::error::Error>> {
    let batch = data.full_batch();
    let logits = without_recording(|| model.forward(&batch.features));
    let loss = cross_entropy(&logits, &batch.labels)?.item();
    Ok([f64::from(loss), accuracy(&logits.argmax(-1), &batch.labels)?])
}

/// Few digits to train on, 400 for validation, the rest to test.
fn read(arguments: &Arguments) -> Result<Data, Box<dyn std::error::Error>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let digits = Dataset::read_csv(DATA, "digit")?;
    let most = digits.len() - 800;
    if arguments.samples > most {
        let samples = arguments.samples;
        return Err(format!("--samples is {samples}, but at most {most} can be trained on").into());
    }
    if arguments.label_noise > 1.0 {
        return Err(format!("--label-noise is {}, but is a fraction", arguments.label_noise).into());
    }
    let mut rows: Vec<usize> = (0..digits.len()).collect();
    rows.shuffle(&mut rng);
    let (train, rest) = rows.split_at(arguments.samples);
    let (validation, test) = rest.split_at(400);
    let train = digits.select(train);
    let standardizer = Standardizer::fit(&train);
    let parts = [&digits.select(validation), &digits.select(test)];
    let [validation, test] = parts.map(|part| standardizer.transform(part));
    let train = noisy(&standardizer.transform(&train), arguments.label_noise, &mut rng)?;
    Ok(Data { train, validation, test })
}

/// The same digits, some of them with a label drawn at random.
fn noisy(
    data: &Dataset,
    fraction: f64,
    rng: &mut impl Rng,
) -> Result<Dataset, downhill::datasets::Error> {
    let mut labels = data.labels().to_vec();
    for label in &mut labels {
        if rng.random_range(0.0..1.0) < fraction {
            *label = rng.random_range(0..data.class_count());
        }
    }
    let classes = downhill::datasets::Classes::new(labels, data.class_names().to_vec())?;
    Dataset::new(data.features().to_owned(), classes)
}
