//! What to do when one class is rare: three losses for the same logistic regression.
//!
//! ```text
//! cargo run --release --example imbalance
//! cargo run --release --example imbalance -- --fraction 0.05     # rarer
//! ```
//!
//! Tumours are to be told malignant or benign. Of the malignant ones most are left out, at random,
//! until they make up a small fraction, as where healthy people are screened. The mean loss is
//! then mostly that of benign samples, and a model does well by it that misses many malignant
//! ones. With p the probability of the true class y, the three losses are
//!
//! ```text
//! plain      −ln p                 cross-entropy
//! weighted   −w_y · ln p           w_c = N / (C · n_c): both classes count alike in the sum
//! focal      −(1 − p)^γ · ln p     samples that are already right hardly count
//! ```

#[path = "imbalance/measures.rs"]
mod measures;

use std::process::ExitCode;

use clap::Parser;
use downhill::losses::{Error, Focal, class_weights};
use downhill::prelude::*;
use downhill::train::State;
use downhill::train::metrics::{Calibration, ConfusionMatrix};
use downhill_report::{Report, plot};
use rand::seq::SliceRandom;

use lesson::Totals;
use lesson::keep::Checkpoints;
use lesson::observe::Record;
use measures::{MEASURES, measures, print_measures, summary};

/// Trains all models of all runs: the loop.
fn fit(
    trials: &mut [Trial],
    mut checkpoints: Checkpoints,
    arguments: &Arguments,
) -> lesson::Outcome {
    let &Arguments { epochs, batch_size, learning_rate, quiet, .. } = arguments;
    let count = trials.iter().map(|trial| trial.train.len()).sum::<usize>() as f64;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    let names = names(trials.len());
    let mut epoch = 0;
    checkpoints.restore(state(trials, &names, &mut epoch), quiet)?;
    while epoch < epochs {
        let mut losses = [0.0; 3];
        for Trial { train, test, learners, rng, .. } in &mut *trials {
            for (step, batch) in train.batches(batch_size, rng).enumerate() {
                for Learner { loss, model, optimizer, record, totals } in &mut *learners {
                    let logits = model.forward(&batch.features);
                    let loss = loss(&logits, &batch.labels)?;
                    record.check_loss(model, &loss, (epoch, step), learning_rate)?;
                    let gradients = loss.backward();
                    optimizer.step(model, &gradients)?;

                    record.step(model, &gradients, &loss, learning_rate);
                    totals.add(&loss, &logits, &batch.labels);
                }
            }
            for (Learner { model, record, totals, .. }, loss) in
                learners.iter_mut().zip(&mut losses)
            {
                let means = totals.take();
                *loss += means[0] * train.len() as f64 / count;
                let evaluate = |samples: &Tensor| model.forward(samples);
                record.classifier_epoch((epoch, epochs), means, test, evaluate)?;
            }
        }
        progress.epoch(epoch, &[0, 1, 2].map(|index| (LOSSES[index], losses[index])));
        epoch += 1;
        checkpoints.epoch(state(trials, &names, &mut epoch), None)?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(state(trials, &names, &mut epoch))
}

/// Trains logistic regression on a rare class with three losses and compares what they find
#[derive(Parser)]
struct Arguments {
    /// The fraction of malignant samples that is left
    #[arg(long, default_value = "0.1", allow_hyphen_values = true, value_parser = lesson::fraction)]
    fraction: f64,

    /// The focusing parameter of focal loss; 0 makes it plain
    #[arg(long, default_value = "2", allow_hyphen_values = true)]
    gamma: f64,

    /// How many times to thin, split and train, each with a seed of its own
    #[arg(long, default_value = "20", value_parser = lesson::positive_count)]
    runs: usize,

    /// Passes over the training data
    #[arg(long, default_value = "30", value_parser = lesson::positive_count)]
    epochs: usize,

    /// Samples for each step of the descent
    #[arg(long, default_value = "32", value_parser = lesson::positive_count)]
    batch_size: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// The seed of the first run; each next run has the next
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

/// A loss of logits `[B, 2]` and the labels of their rows.
type Loss = Box<dyn Fn(&Tensor, &[usize]) -> Result<Tensor, Error>>;

const LOSSES: [&str; 3] = ["plain", "weighted", "focal"];

/// One seed's data, and a model for each loss. They start from the same weights and see the same
/// batches.
struct Trial {
    train: Dataset,
    held_out: Dataset,
    test: Dataset,
    learners: Vec<Learner>,
    rng: Xoshiro256PlusPlus,
}

/// A model, the loss it is trained with, and what trains and records it.
struct Learner {
    loss: Loss,
    model: Linear,
    optimizer: Sgd,
    record: Record,
    totals: Totals,
}

/// What `--save` writes: the models of the first run.
struct Models {
    plain: Linear,
    weighted: Linear,
    focal: Linear,
}
parameters!(Models { plain, weighted, focal });

const DATA: &str = "data/breast_cancer.csv";

fn main() -> ExitCode {
    lesson::run(compare)
}

/// Trains, compares and prints. What to look for, on samples that were not trained on:
///
/// - *recall*, the fraction of malignant samples that are called so, and *precision*, the fraction
///   of those called malignant that are (where any are): weights buy the one with the other;
/// - *average precision*, which judges the order by probability whatever the threshold: it hardly
///   moves, as weights shift the threshold and not the order;
/// - the *calibration error*, between what the probabilities say and how often they come true
///   (0 is best): focal loss leaves a model far too hesitant. Temperature scaling, fitted on
///   samples held out for it, mends that; a shift towards one class it cannot mend;
/// - the spread over seeds, wider than many a difference: few malignant samples are left to judge
///   by, and one seed alone may say anything.
fn compare(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(DATA.as_ref()))?;
    let tumours = Dataset::read_csv(DATA, "diagnosis")?;
    let malignant = tumours.class_names().iter().position(|name| name == "malignant");
    let malignant = malignant.ok_or("data/breast_cancer.csv: no diagnosis is `malignant`")?;
    let mut trials = (0..arguments.runs as u64)
        .map(|run| Trial::new(&tumours, malignant, run, &arguments))
        .collect::<Result<Vec<_>, _>>()?;
    let report = arguments.observe.report("A rare class", arguments.seed)?;
    if !arguments.quiet {
        announce(&arguments, &trials[0], malignant);
    }
    fit(&mut trials, checkpoints, &arguments)?;
    let [plain, weighted, focal] = [0, 1, 2].map(|loss| trials[0].learners[loss].model.clone());
    arguments.keep.save(&Models { plain, weighted, focal }, &[]);
    if !arguments.quiet {
        println!();
    }
    let measures = measures(&trials, malignant)?;
    print_measures(&measures, trials.len());
    if let Some(mut report) = report {
        report.data_file(DATA)?;
        report.model(&trials[0].learners[0].model);
        describe(&mut report, &trials[0])?;
        let row = |(row, name): (usize, &&str)| {
            let summaries = measures.iter().map(|column| summary(&column[row]));
            [name.trim().to_owned()].into_iter().chain(summaries).collect()
        };
        let section = report.section("Measures of all runs");
        section.text("Mean ± standard deviation over the runs, on samples not trained on.");
        section.table(&["", LOSSES[0], LOSSES[1], LOSSES[2]], MEASURES.iter().enumerate().map(row));
        lesson::observe::write(report, arguments.quiet);
    }
    Ok(())
}

/// Prints what the runs are trained on.
fn announce(arguments: &Arguments, first: &Trial, malignant: usize) {
    let Trial { train, held_out, test, .. } = first;
    let rare = |part| count(part, malignant);
    println!(
        "data/breast_cancer.csv, malignant samples thinned to a fraction of {}\n\
         {} runs from seed {}\n\
         {} samples ({} malignant) to train on, {} ({}) held out, {} ({}) to test on\n\
         Calling every sample benign has an accuracy of {:.3} and a recall of 0.\n",
        arguments.fraction,
        arguments.runs,
        arguments.seed,
        train.len(),
        rare(train),
        held_out.len(),
        rare(held_out),
        test.len(),
        rare(test),
        1.0 - rare(test) as f64 / test.len() as f64
    );
}

/// What the parts of each run are called in a checkpoint: its models, their optimizers and records,
/// and the random generator.
fn names(runs: usize) -> Vec<([[String; 3]; 3], String)> {
    let parts = |run: usize, loss: &str| {
        ["model", "optimizer", "record"].map(|part| format!("{run}_{loss}_{part}"))
    };
    (0..runs).map(|run| (LOSSES.map(|loss| parts(run, loss)), format!("{run}_rng"))).collect()
}

/// All that the next epoch depends on.
fn state<'a>(
    trials: &'a mut [Trial],
    names: &'a [([[String; 3]; 3], String)],
    epoch: &'a mut usize,
) -> State<'a> {
    let mut state: Option<State<'a>> = None;
    for (Trial { learners, rng, .. }, (names, rng_name)) in trials.iter_mut().zip(names) {
        for (learner, [name, of_optimizer, of_record]) in learners.iter_mut().zip(names) {
            let Learner { model, optimizer, record, .. } = learner;
            let with_model = match state {
                Some(state) => state.model(name, model),
                None => State::new(name, model),
            };
            state = Some(with_model.memory(of_optimizer, optimizer).memory(of_record, record));
        }
        state = state.map(|state| state.value(rng_name, rng));
    }
    state.expect("there is at least one run").value("epoch", epoch)
}

/// How the first run went: its losses, and what each model makes of the test samples.
fn describe(report: &mut Report, first: &Trial) -> lesson::Outcome {
    let histories = LOSSES.iter().zip(&first.learners);
    let histories = histories.map(|(name, learner)| (*name, &learner.record.history));
    report.comparison(&histories.collect::<Vec<_>>());
    report.section("Learning").text(
        "This is the first run. Each model's training loss is its own; the test loss is the plain \
         cross-entropy of all.",
    );
    let test = first.test.full_batch();
    for (name, Learner { model, record, .. }) in LOSSES.iter().zip(&first.learners) {
        let heading = format!("Trained with {name} loss");
        let logits = without_recording(|| model.forward(&test.features));
        let confusion =
            ConfusionMatrix::new(&logits.argmax(-1), &test.labels, first.test.class_count())?
                .with_names(first.test.class_names());
        let calibration = Calibration::new(&logits.softmax(-1), &test.labels, 10)?;
        report
            .section(&heading)
            .picture(plot::confusion_matrix(&confusion), "What the test samples are taken for.")
            .picture(
                plot::reliability_diagram(&calibration),
                "On the diagonal if the model knows how much it knows.",
            );
        report.mistakes(&heading, &logits, &first.test)?;
        report.layers(&format!("The model trained with {name} loss"), &record.history);
    }
    Ok(())
}

impl Trial {
    fn new(
        tumours: &Dataset,
        malignant: usize,
        run: u64,
        arguments: &Arguments,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed.wrapping_add(run));
        let data = thin(tumours, malignant, arguments.fraction, &mut rng)?;
        let (train, rest) = data.split_stratified(0.5, &mut rng)?;
        let (held_out, test) = rest.split_stratified(0.4, &mut rng)?;
        if [&train, &held_out, &test].iter().any(|part| count(part, malignant) == 0) {
            return Err(format!(
                "--fraction {} leaves {} malignant samples, too few to train on, hold out and test \
                 on",
                arguments.fraction,
                count(&data, malignant)
            )
            .into());
        }
        let standardizer = Standardizer::fit(&train);
        let [train, held_out, test] =
            [train, held_out, test].map(|part| standardizer.transform(&part));

        let counts = class_weights::counts(train.labels(), train.class_count())?;
        let weights = class_weights::inverse_frequency(&counts)?;
        let plain = CrossEntropy::new();
        let weighted = CrossEntropy::new().class_weights(weights);
        let focal = Focal::new().gamma(arguments.gamma);
        let losses: [Loss; 3] = [
            Box::new(move |logits, labels| plain.forward(logits, labels)),
            Box::new(move |logits, labels| weighted.forward(logits, labels)),
            Box::new(move |logits, labels| focal.forward(logits, labels)),
        ];
        let model = Linear::new(train.feature_count(), 2, &mut rng);
        // Without decay the weights grow until all is right that can be, and what the losses weigh
        // matters less and less (Byrd & Lipton, "What is the effect of importance weighting in deep
        // learning?", 2019).
        let optimizer = || Sgd::new(arguments.learning_rate).momentum(0.9).weight_decay(0.01);
        let mut learners = Vec::new();
        for (name, loss) in LOSSES.into_iter().zip(losses) {
            let record = match run {
                0 => arguments.observe.record(Some(name), &model)?,
                _ => Record::disabled(),
            };
            let (model, optimizer, totals) = (model.clone(), optimizer(), Totals::default());
            learners.push(Learner { loss, model, optimizer, record, totals });
        }
        Ok(Self { train, held_out, test, learners, rng })
    }
}

/// The number of samples of a class.
fn count(data: &Dataset, class: usize) -> usize {
    data.labels().iter().filter(|&&label| label == class).count()
}

/// The data with only some rows of class `rare`, drawn at random: `fraction` of all that are left.
fn thin(
    data: &Dataset,
    rare: usize,
    fraction: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> Result<Dataset, String> {
    let (mut rare_rows, mut rows): (Vec<usize>, Vec<usize>) =
        (0..data.len()).partition(|&row| data.labels()[row] == rare);
    let wanted = (rows.len() as f64 * fraction / (1.0 - fraction)).round() as usize;
    if wanted > rare_rows.len() {
        return Err(format!(
            "--fraction {fraction} would take {wanted} malignant samples, but there are only {}",
            rare_rows.len()
        ));
    }
    rare_rows.shuffle(rng);
    rows.extend(&rare_rows[..wanted]);
    Ok(data.select(&rows))
}
