//! What a classifier that was trained and saved says of new data.
//!
//! ```text
//! cargo run --release --example digits -- --save digits.safetensors
//! cargo run --release --example predict -- --model digits.safetensors --data data/digits.csv
//! cargo run --release --example predict -- --model digits.safetensors --data new.csv --csv > answers.csv
//! ```
//!
//! The file of the model holds all that is needed: how the network is built, what its features are
//! called and how they were scaled, and the names of the classes. The data is a table with columns
//! of these names, in any order and among others.
//!
//! What to look for: how sure the model is where it is right, and how sure where it is wrong; and
//! that the runner-up of a digit is one that looks like it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use downhill::datasets::{Csv, Numbers};
use downhill::prelude::*;
use downhill::train::ModelFile;
use ndarray::Array1;
use serde_json::Value;

use lesson::cnn::Cnn;

/// Tells the class of each row of a table by a model that digits or spirals has saved
#[derive(Parser)]
struct Arguments {
    /// The file that --save has written
    #[arg(long, value_name = "FILE")]
    model: PathBuf,

    /// A CSV file with a column for each feature of the model
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// Print CSV rather than a table
    #[arg(long)]
    csv: bool,

    /// The row, counted from 1, whose image is drawn, if the features are the pixels of one
    #[arg(long, default_value = "1", value_parser = lesson::positive_count)]
    show: usize,
}

/// How many rows the model is asked about at a time.
const ROWS: usize = 1000;

fn main() -> ExitCode {
    lesson::run(predict)
}

fn predict(arguments: Arguments) -> lesson::Outcome {
    let classifier = Classifier::open(&arguments)?;
    let data = classifier.read(&arguments)?;
    let scaled = match &classifier.standardizer {
        Some(standardizer) => standardizer.transform(&data),
        None => data.clone(),
    };
    let mut answers = Vec::new();
    for batch in scaled.batches_in_order(ROWS) {
        let logits = without_recording(|| classifier.network.evaluate(&batch.features));
        let probabilities = logits.softmax(-1);
        answers.extend(probabilities.to_vec().chunks(classifier.classes.len()).map(Answer::of));
    }

    let name = |class: usize| classifier.classes[class].as_str();
    if arguments.csv {
        println!("row,class,probability,runner_up,runner_up_probability");
        for (row, Answer { first, second }) in answers.iter().enumerate() {
            let [first_name, second_name] = [first, second].map(|(class, _)| quoted(name(*class)));
            println!("{},{first_name},{},{second_name},{}", row + 1, first.1, second.1);
        }
        return Ok(());
    }
    if let Some(width) = classifier.image_width() {
        let (row, features) = (arguments.show, data.features());
        let (Some(pixels), Some(answer)) =
            (features.outer_iter().nth(row - 1), answers.get(row - 1))
        else {
            return Err(format!("--show {row}: there are {} rows", data.len()).into());
        };
        draw(&pixels.to_owned(), width);
        let (class, probability) = answer.first;
        println!("\nrow {row} is {}, with a probability of {probability:.4}\n", name(class));
    }
    let longest = classifier.classes.iter().map(|class| class.chars().count()).max();
    let width = longest.unwrap_or(0).max("runner-up".len());
    println!(
        "{:>7}  {:<width$}  {:>11}  {:<width$}  {:>11}",
        "row", "class", "probability", "runner-up", "probability"
    );
    for (row, Answer { first, second }) in answers.iter().enumerate() {
        let [(first, p), (second, q)] = [*first, *second];
        println!(
            "{:>7}  {:<width$}  {p:>11.4}  {:<width$}  {q:>11.4}",
            row + 1,
            name(first),
            name(second)
        );
    }
    Ok(())
}

/// The two likeliest classes of a row, and their probabilities.
struct Answer {
    first: (usize, f32),
    second: (usize, f32),
}

impl Answer {
    fn of(probabilities: &[f32]) -> Self {
        let mut order: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
        order.sort_by(|(_, p), (_, q)| q.total_cmp(p));
        Self { first: order[0], second: order[1] }
    }
}

/// A model with all that its file says of it.
struct Classifier {
    network: Box<dyn Module>,
    features: Vec<String>,
    classes: Vec<String>,
    standardizer: Option<Standardizer>,
}

impl Classifier {
    fn open(arguments: &Arguments) -> Result<Self, Box<dyn std::error::Error>> {
        let path = arguments.model.display();
        let file = ModelFile::open(&arguments.model)?;
        let note = |name: &str| {
            let note = file.note(name).ok_or_else(|| {
                format!("{path} has no note on its {name}: digits or spirals writes it with --save")
            })?;
            let parsed: Result<Value, _> = serde_json::from_str(note);
            parsed.map_err(|error| format!("{path}: the note on its {name}: {error}"))
        };
        let words = |name: &str| -> Result<Vec<String>, String> {
            serde_json::from_value(note(name)?)
                .map_err(|error| format!("{path}: the note on its {name}: {error}"))
        };
        let (description, features, classes) =
            (note("network")?, words("features")?, words("classes")?);
        let (mut network, sizes) = network(&file, &description)
            .ok_or_else(|| format!("{path}: {description} is no network that is known here"))?;
        if (sizes[0], sizes[1]) != (features.len(), classes.len()) || classes.len() < 2 {
            return Err(format!(
                "{path}: a network from {} to {} numbers is not for {} features and {} classes",
                sizes[0],
                sizes[1],
                features.len(),
                classes.len()
            )
            .into());
        }
        file.load(&mut network)?;
        let standardizer: Option<Standardizer> = match file.note("scaling") {
            Some(_) => Some(
                serde_json::from_value(note("scaling")?)
                    .map_err(|error| format!("{path}: the note on its scaling: {error}"))?,
            ),
            None => None,
        };
        if standardizer.as_ref().is_some_and(|scaling| scaling.mean().len() != features.len()) {
            return Err(format!("{path}: the scaling is not of {} features", features.len()).into());
        }
        Ok(Self { network, features, classes, standardizer })
    }

    /// The width of the images whose pixels the features are, if they are.
    fn image_width(&self) -> Option<usize> {
        let (row, column) = self.features.last()?.strip_prefix("pixel_")?.split_once('_')?;
        let (rows, columns): (usize, usize) = (row.parse().ok()?, column.parse().ok()?);
        let (height, width) = (rows.checked_add(1)?, columns.checked_add(1)?);
        (height.checked_mul(width)? == self.features.len()).then_some(width)
    }

    /// The features of each row, in the model's order.
    fn read(
        &self,
        arguments: &Arguments,
    ) -> Result<Dataset<f32, Numbers<f32>>, Box<dyn std::error::Error>> {
        let features = Csv::new(&arguments.data).features(&self.features).read_features()?;
        let none = Numbers::new(vec![0.0; features.nrows()])?;
        Ok(Dataset::new(features, none)?)
    }
}

/// The network that a note describes, as large as the file's tensors are, and the lengths of its
/// input and output.
fn network(file: &ModelFile, description: &Value) -> Option<(Box<dyn Module>, [usize; 2])> {
    // What is drawn is replaced by what the file holds.
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let number = |name: &str| description[name].as_f64();
    let length = |name: &str| usize::try_from(description[name].as_u64()?).ok();
    match description["kind"].as_str()? {
        "mlp" => {
            let sizes = sizes(file, "")?;
            let activation = lesson::activation(description["activation"].as_str()?)?;
            let network = Mlp::new(&sizes, &mut rng).activation(activation);
            Some((Box::new(network), [sizes[0], *sizes.last()?]))
        }
        "cnn" => {
            let (height, width) = (length("height")?, length("width")?);
            let scale = [number("mean")? as f32, number("standard_deviation")? as f32];
            let sizes = sizes(file, description["perceptron"].as_str()?)?;
            let network = Cnn::with_sizes([height, width], scale, &sizes, &mut rng).ok()?;
            Some((Box::new(network), [height.checked_mul(width)?, *sizes.last()?]))
        }
        _ => None,
    }
}

/// The lengths of the vectors from layer to layer of a perceptron in a file.
fn sizes(file: &ModelFile, prefix: &str) -> Option<Vec<usize>> {
    let mut sizes = Vec::new();
    while let Some(shape) = file.shape(&format!("{prefix}layers.{}.weight", sizes.len().max(1) - 1))
    {
        let [inputs, outputs] = shape[..] else { return None };
        if sizes.is_empty() {
            sizes.push(inputs);
        }
        sizes.push(outputs);
    }
    (sizes.len() > 1 && !sizes.contains(&0)).then_some(sizes)
}

/// Draws an image in shades, two characters a pixel as these are higher than wide.
fn draw(pixels: &Array1<f32>, width: usize) {
    let brightest = pixels.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let shade = |pixel: &f32| {
        [" ", "░", "▒", "▓", "█"][((pixel / brightest).max(0.0) * 4.0).round() as usize].repeat(2)
    };
    println!();
    for row in pixels.to_vec().chunks(width) {
        let line: String = row.iter().map(shade).collect();
        println!("    {}", line.trim_end());
    }
}

/// A field of a CSV file.
fn quoted(text: &str) -> String {
    match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
