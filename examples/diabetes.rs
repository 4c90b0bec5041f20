//! Linear regression by gradient descent, beside the solution in closed form.
//!
//! ```text
//! cargo run --release --example diabetes
//! cargo run --release --example diabetes -- --report target/diabetes     # pictures of the run
//! ```
//!
//! The model is ŷ = x·w + b, and the loss the mean squared error. Its gradient with respect to w
//! is 2/N · Xᵀ(ŷ − y): zero exactly where the residuals are orthogonal to every feature, which is
//! the condition for the least-squares solution. Gradient descent walks there; how fast depends on
//! how nearly the features say the same thing. Two of them (`total_cholesterol` and `ldl`) almost
//! do, which leaves a long flat valley: momentum is what carries the descent along it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use downhill::datasets::{Csv, Numbers, RegressionBatch};
use downhill::prelude::*;
use downhill::train::metrics::{r_squared, root_mean_squared_error};
use downhill::train::state;

use lesson::keep::Checkpoints;
use lesson::observe::Record;

/// Descends to the coefficients: the loop, in which every step sees all the data.
fn fit(
    mut model: Linear<f64>,
    batch: &RegressionBatch<f64>,
    mut record: Record<f64>,
    mut checkpoints: Checkpoints,
    arguments: &Arguments,
) -> Result<(Linear<f64>, Record<f64>), Box<dyn std::error::Error>> {
    let &Arguments { epochs, learning_rate, quiet, .. } = arguments;
    let mut optimizer = Sgd::new(learning_rate).momentum(0.9);
    let mean_squared_error = MeanSquaredError::new();
    let mut epoch = 0;
    checkpoints.restore(state!(model; optimizer, record; epoch), quiet)?;
    let mut progress = if quiet { Progress::hidden() } else { Progress::new(epochs) };
    while epoch < epochs {
        let predictions = model.forward(&batch.features);
        let loss = mean_squared_error.forward(&predictions, &batch.targets)?;
        record.check_loss(&model, &loss, (epoch, 0), learning_rate)?;
        let gradients = loss.backward();
        optimizer.step(&mut model, &gradients)?;

        record.step(&model, &gradients, &loss, learning_rate);
        record.epoch(&[("root mean squared error", loss.item().sqrt())]);
        progress.epoch(epoch, &[("mean squared error", loss.item())]);
        epoch += 1;
        checkpoints.step(state!(model; optimizer, record; epoch))?;
        if lesson::interrupted() {
            break;
        }
    }
    progress.finish();
    checkpoints.finish(state!(model; optimizer, record; epoch))?;
    Ok((model, record))
}

/// Fits linear regression by gradient descent and compares it with the closed form
#[derive(Parser)]
struct Arguments {
    /// A CSV file of numbers
    #[arg(long, value_name = "FILE", default_value = "data/diabetes.csv")]
    data: PathBuf,

    /// The column to predict [default: the last]
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,

    /// Steps of gradient descent, each on all the data
    #[arg(long, default_value = "4000", value_parser = lesson::positive_count)]
    epochs: usize,

    /// The length of a step, as a multiple of the gradient
    #[arg(long, default_value = "0.05", allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: f64,

    /// What the initial weights are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,

    /// Print nothing but the last line
    #[arg(long)]
    quiet: bool,

    #[command(flatten)]
    keep: lesson::keep::Keep,

    #[command(flatten)]
    observe: lesson::observe::Observe,
}

fn main() -> ExitCode {
    lesson::run(regress)
}

fn regress(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let checkpoints = arguments.keep.checkpoints::<Arguments>(None, Some(&arguments.data))?;
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(arguments.seed);
    let raw = read(&arguments)?;
    let standardizer = Standardizer::fit(&raw);
    let batch = standardizer.transform(&raw).full_batch();
    let mut model = Linear::new(raw.feature_count(), 1, &mut rng);
    let report = arguments.observe.report("Linear regression", arguments.seed)?;
    let mut record = arguments.observe.record(None, &model)?;
    if !arguments.quiet {
        println!(
            "{}: {} samples, {} features, predicting {}; seed {}",
            arguments.data.display(),
            raw.len(),
            raw.feature_count(),
            raw.target_name(),
            arguments.seed
        );
    }

    let started = Instant::now();
    (model, record) = fit(model, &batch, record, checkpoints, &arguments)?;
    let elapsed = started.elapsed();
    arguments.keep.save(&model, &[]);

    let predictions = without_recording(|| model.forward(&batch.features));
    let r_squared = r_squared(&predictions, &batch.targets)?;
    if !arguments.quiet {
        let descended = in_own_units(&model, &standardizer);
        print_coefficients(&raw, &descended);
        println!(
            "\nroot mean squared error {:.4}, fitted in {:.2} s",
            root_mean_squared_error(&predictions, &batch.targets)?,
            elapsed.as_secs_f64()
        );
    }
    if let Some(mut report) = report {
        report.model(&model);
        report.data_file(&arguments.data)?;
        report.history(&record.history);
        report.regression(&predictions, &batch.targets)?;
        let units = "Coefficients are those of features in units of their standard deviation.";
        report.section("Regression").text(units);
        report.coefficients(&in_units_of_deviation(&model, &raw));
        lesson::observe::write(report, arguments.quiet);
    }
    println!("R² {r_squared:.6}");
    Ok(())
}

fn read(arguments: &Arguments) -> Result<Dataset<f64, Numbers<f64>>, downhill::datasets::Error> {
    let mut csv = Csv::new(&arguments.data);
    if let Some(target) = &arguments.target {
        csv = csv.target(target);
    }
    csv.read_regression()
}

/// The coefficients for features as they are in the file, and last the intercept: undoes
/// x → (x − mean) / deviation.
fn in_own_units(model: &Linear<f64>, standardizer: &Standardizer) -> Vec<f64> {
    let (weights, bias) = (model.weight.to_vec(), model.bias.as_ref().map_or(0.0, Tensor::item));
    let deviations = standardizer.standard_deviation();
    let mut coefficients: Vec<f64> =
        weights.iter().zip(deviations).map(|(weight, deviation)| weight / deviation).collect();
    let shift: f64 = coefficients.iter().zip(standardizer.mean()).map(|(c, mean)| c * mean).sum();
    coefficients.push(bias - shift);
    coefficients
}

/// How much the prediction grows with one standard deviation of each feature: comparable, whatever
/// their units.
fn in_units_of_deviation(
    model: &Linear<f64>,
    data: &Dataset<f64, Numbers<f64>>,
) -> Vec<(String, f64)> {
    data.feature_names().into_iter().zip(model.weight.to_vec()).collect()
}

fn print_coefficients(data: &Dataset<f64, Numbers<f64>>, descended: &[f64]) {
    let closed_form = least_squares(data);
    let names = data.feature_names().into_iter().chain(["intercept".into()]);
    println!(
        "\n{:<20} {:>16} {:>16} {:>11}",
        "coefficient", "gradient descent", "closed form", "difference"
    );
    for ((name, descended), exact) in names.zip(descended).zip(&closed_form) {
        let relative = (descended - exact).abs() / exact.abs();
        println!("{name:<20} {descended:>16.6} {exact:>16.6} {relative:>11.1e}");
    }
}

/// The least-squares coefficients and, last, the intercept: the solution of the normal equations
/// XᵀX·w = Xᵀy, for features with a column of ones. They are solved for standardized features,
/// for which they are well conditioned.
fn least_squares(data: &Dataset<f64, Numbers<f64>>) -> Vec<f64> {
    let standardizer = Standardizer::fit(data);
    let batch = standardizer.transform(data).full_batch();
    let ones = Tensor::ones(&[data.len(), 1]);
    let x = Tensor::concat(&[&batch.features, &ones], 1);
    let normal = x.transpose().matmul(&x).to_vec();
    let right = x.transpose().matmul(&batch.targets).to_vec();
    let mut weights = solve(normal, right);
    let bias = weights.pop().expect("the last of at least one is the intercept");
    let model =
        Linear { weight: Tensor::from(weights).unsqueeze(-1), bias: Some(Tensor::from([bias])) };
    in_own_units(&model, &standardizer)
}

/// The solution of n linear equations, by Gaussian elimination with pivoting.
fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for column in 0..n {
        let size = |row: &usize| matrix[row * n + column].abs();
        let pivot = (column..n).max_by(|a, b| size(a).total_cmp(&size(b))).unwrap_or(column);
        for k in 0..n {
            matrix.swap(column * n + k, pivot * n + k);
        }
        right.swap(column, pivot);
        for row in column + 1..n {
            let factor = matrix[row * n + column] / matrix[column * n + column];
            for k in column..n {
                matrix[row * n + k] -= factor * matrix[column * n + k];
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|k| matrix[row * n + k] * right[k]).sum();
        right[row] = (right[row] - known) / matrix[row * n + row];
    }
    right
}
