//! The surface that a descent walks on: bowls, valleys, plateaus, and how steep is too steep.
//!
//! ```text
//! cargo run --release --example landscape                       # the figures
//! cargo run --release --example landscape -- --output pictures  # and the pictures, as SVG
//! cargo run --release --example landscape -- --only network --learning-rate 0.3,1,1.5
//! ```
//!
//! Three landscapes, each computed from real losses on a grid of weights:
//!
//! 1. `bowl`: logistic regression with two weights, so that the whole loss can be drawn, and on it
//!    the ways of gradient descent, momentum, Adam and L-BFGS. Near the minimum the loss is a
//!    parabola of curvature λ along each eigenvector of its Hessian, and a step of rate η
//!    multiplies the distance by 1 − η·λ: beyond η = 2 ÷ λ_max it grows, and with momentum β beyond
//!    2·(1 + β) ÷ λ_max (Polyak, "Some methods of speeding up the convergence of iteration methods",
//!    1964). Both rates are measured, and λ_max is computed from Hessian–vector products.
//! 2. `plateau`: the same model with the squared error of its probabilities. Cross-entropy is
//!    convex in the weights; the squared error is flat where the model is sure and wrong.
//! 3. `network`: a network has too many weights to be drawn. Its loss is shown along the line from
//!    the initial to the final weights, on a plane through the final ones (Li et al., "Visualizing
//!    the loss landscape of neural nets", 2018), and as the sharpness, λ_max, at which gradient
//!    descent finds itself: it grows until 2 ÷ η and then hovers there (Cohen et al., "Gradient
//!    descent on neural networks typically occurs at the edge of stability", 2021).

#[path = "landscape/animation.rs"]
mod animation;
#[path = "landscape/bowl.rs"]
mod bowl;
#[path = "landscape/curvature.rs"]
mod curvature;
#[path = "landscape/logistic.rs"]
mod logistic;
#[path = "landscape/network.rs"]
mod network;
#[path = "landscape/plateau.rs"]
mod plateau;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::logistic::Logistic;

/// Draws the loss as a function of the weights, and how optimizers walk on it
#[derive(Parser)]
struct Arguments {
    /// One of the three landscapes [default: all]
    #[arg(long, value_enum)]
    only: Option<Part>,

    /// The measurements of penguins
    #[arg(long, value_name = "FILE", default_value = "data/penguins.csv")]
    data: PathBuf,

    /// Write the pictures into this directory
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// How many points to a side of each grid, from 10 to 200
    #[arg(long, default_value = "48", allow_hyphen_values = true, value_parser = grid)]
    grid: usize,

    /// Sizes of the network's hidden layers
    #[arg(long, value_name = "SIZES", default_value = "32,32")]
    hidden: lesson::Hidden,

    /// The lengths of a step of the network's descents; all start from the same weights
    #[arg(long, value_name = "RATE,…", value_delimiter = ',', default_value = "0.5,0.7,1")]
    #[arg(allow_hyphen_values = true, value_parser = lesson::positive)]
    learning_rate: Vec<f64>,

    /// How many steps each of the network's descents takes
    #[arg(long, default_value = "3000", allow_hyphen_values = true)]
    #[arg(value_parser = lesson::positive_count)]
    steps: usize,

    /// What the network's weights and the directions of the plane are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    Bowl,
    Plateau,
    Network,
}

fn grid(text: &str) -> Result<usize, String> {
    match lesson::positive_count(text)? {
        size @ 10..=200 => Ok(size),
        _ => Err("must be from 10 to 200".into()),
    }
}

fn main() -> ExitCode {
    lesson::run(lesson)
}

fn lesson(arguments: Arguments) -> lesson::Outcome {
    lesson::stop_at_interrupt()?;
    let gallery = Gallery::create(arguments.output.as_deref())?;
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Bowl) || wanted(Part::Plateau) {
        let model = Logistic::read(&arguments.data)?;
        if wanted(Part::Bowl) {
            bowl::explore(&model, arguments.grid, &gallery)?;
        }
        if wanted(Part::Plateau) {
            plateau::explore(&model, arguments.grid, &gallery)?;
        }
    }
    if wanted(Part::Network) {
        network::explore(&arguments, &gallery)?;
    }
    match &gallery.directory {
        Some(directory) => println!("pictures in {}", directory.display()),
        None => println!("--output DIR draws all this"),
    }
    Ok(())
}

/// Where pictures go, if anywhere.
struct Gallery {
    directory: Option<PathBuf>,
}

impl Gallery {
    /// Makes sure, before any work, that pictures can be written.
    fn create(directory: Option<&Path>) -> Result<Self, String> {
        if let Some(directory) = directory {
            let probe = directory.join(".writable");
            fs::create_dir_all(directory)
                .and_then(|()| File::create(&probe).and_then(|_| fs::remove_file(&probe)))
                .map_err(|error| format!("cannot write to {}: {error}", directory.display()))?;
        }
        Ok(Self { directory: directory.map(Path::to_owned) })
    }

    /// Writes a picture, which is drawn only if it is wanted.
    fn draw(&self, name: &str, svg: impl FnOnce() -> String) -> lesson::Outcome {
        if let Some(directory) = &self.directory {
            let path = directory.join(name).with_extension("svg");
            fs::write(&path, svg())
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }
}
