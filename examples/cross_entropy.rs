//! What cross-entropy is, number by number.
//!
//! ```text
//! cargo run --release --example cross_entropy                                 # the first lesson
//! cargo run --release --example cross_entropy -- --logits 2,1,0.1 --target 0  # any numbers
//! cargo run --release --example cross_entropy -- --picture cross_entropy.svg  # all models at once
//! ```
//!
//! ```text
//! H(p, q) = −Σ p · ln q            p what is true, q what a model says
//! −ln softmax(z)_y = ln Σ exp z − z_y            the same for logits z, if class y is true
//! ```
//!
//! Without arguments it works three small examples, taken from an article on cross-entropy in
//! classification, regression and language models, whose printed results are not what its
//! formulas give. With `--logits` it walks through the loss that a classifier is trained with, up
//! to its gradient.

#[path = "cross_entropy/picture.rs"]
mod picture;
#[path = "cross_entropy/table.rs"]
mod table;
#[path = "cross_entropy/walk_through.rs"]
mod walk_through;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use downhill::losses::Error;
use downhill::losses::information::{Unit, cross_entropy, entropy, kl_divergence};
use downhill::tensor::Tensor;

use crate::table::{Column, list, print_table};

/// Shows cross-entropy term by term: three worked examples, or any logits with --logits
#[derive(Parser)]
#[command(group = clap::ArgGroup::new("truth").args(["target", "probabilities"]))]
struct Arguments {
    /// The model's score for each class, such as 2,1,0.1; -inf masks a class
    #[arg(long, value_name = "Z,…", value_delimiter = ',', requires = "truth")]
    #[arg(allow_hyphen_values = true)]
    logits: Option<Vec<f64>>,

    /// The true class, counted from 0
    #[arg(long, value_name = "CLASS", requires = "logits", allow_hyphen_values = true)]
    target: Option<usize>,

    /// The true distribution over the classes, such as 0.7,0.2,0.1, instead of --target
    #[arg(long, value_name = "T,…", value_delimiter = ',', requires = "logits")]
    #[arg(allow_hyphen_values = true)]
    probabilities: Option<Vec<f64>>,

    /// The share of the target that is spread evenly over all classes [default: 0]
    #[arg(long, value_name = "SHARE", requires = "logits")]
    #[arg(allow_hyphen_values = true)]
    label_smoothing: Option<f64>,

    /// The weight of each class, such as 1,5,1 [default: 1 each]
    #[arg(long, value_name = "W,…", value_delimiter = ',', requires = "logits")]
    #[arg(allow_hyphen_values = true)]
    class_weights: Option<Vec<f64>>,

    /// What the logits are divided by [default: 1]
    #[arg(long, requires = "logits", allow_hyphen_values = true)]
    temperature: Option<f64>,

    /// Draw the sums of the worked examples for all that a model may say, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "logits")]
    picture: Option<PathBuf>,
}

fn main() -> ExitCode {
    lesson::run(|arguments: Arguments| match &arguments.logits {
        None => worked_examples(arguments.picture.as_deref()),
        Some(logits) => walk_through::walk_through(logits, &arguments),
    })
}

/// An example of the article: two distributions over two classes.
struct Example {
    task: &'static str,
    model: [f64; 2],
    truth: [f64; 2],
    /// The article's formula and the result it prints.
    formula: Formula,
    printed: f64,
}

/// Which distribution stands in front of the logarithm, and so weights its terms.
#[derive(Clone, Copy, PartialEq)]
enum Formula {
    ModelInFront,
    TruthInFront,
}

const EXAMPLES: [Example; 3] = [
    Example {
        task: "Classification",
        model: [0.9, 0.1],
        truth: [0.5, 0.5],
        formula: Formula::ModelInFront,
        printed: 0.4249,
    },
    Example {
        task: "Regression",
        model: [0.8, 0.2],
        truth: [0.5, 0.5],
        formula: Formula::TruthInFront,
        printed: 0.3910,
    },
    Example {
        task: "Language model",
        model: [0.6, 0.4],
        truth: [0.5, 0.5],
        formula: Formula::ModelInFront,
        printed: 0.3219,
    },
];

/// The article's three examples, each summed both ways round.
///
/// Of two distributions p and q over the same classes, the cross-entropy is
///
/// ```text
/// H(p, q) = −Σ p · ln q = H(p) + KL(p ‖ q)
/// H(p)    = −Σ p · ln p               the entropy: what p costs by itself
/// KL(p‖q) = Σ p · (ln p − ln q) ≥ 0   the divergence: what taking q for p costs on top
/// ```
///
/// It weighs the surprise at each class, −ln q, by how often p has it. The two do not change
/// places freely: H(p, q) is not H(q, p).
fn worked_examples(picture: Option<&Path>) -> lesson::Outcome {
    if let Some(path) = picture {
        let picture = picture::picture()?;
        fs::write(path, picture.svg())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    println!("{INTRODUCTION}");
    for example in &EXAMPLES {
        work(example)?;
    }
    println!("{CONCLUSION}");
    Ok(())
}

const INTRODUCTION: &str = "\
Cross-entropy H(p, q) = −Σ p · ln q: how surprised one is, on average, who
expects q where p is true. Surprise at an event of probability q is −ln q, in
nats; log₂ gives bits.

Three examples from an article, with m for the model and t for the truth. The
results it prints are not what its formulas give; here is every term.";

const CONCLUSION: &str = "
What to see

* Except for regression, the article's sum puts the model in front and the truth
  inside the logarithm. With an even truth that is ln 2 whatever the model says;
  with any other it is least where the model claims the likeliest class for
  certain. Training minimises −Σ t · ln m, with the truth in front, which is
  least where m = t.
* At its least it is not 0 but the entropy of the truth. What is above it is the
  KL divergence. Cross-entropy is the sum of the two, not a special case of
  either.
* A bit is ln 2 nats. The unit changes the figures, not where they are least.

What to run next

  cargo run --release --example cross_entropy -- --logits 2,1,0.1 --target 0
      any numbers, up to the gradient that training follows
  cargo run --release --example soft_targets
      regression on [0, 1] with cross-entropy, trained";

fn work(example: &Example) -> lesson::Outcome {
    let Example { task, model, truth, formula, printed } = example;
    println!("\n{task}: the model says {}, the truth is {}\n", list(model), list(truth));
    let terms = |front: &[f64; 2], inside: &[f64; 2]| {
        (-Tensor::from(*front).x_ln_y(&Tensor::from(*inside))).to_vec()
    };
    print_table(&[
        Column::new("m", model).with_sum(),
        Column::new("t", truth).with_sum(),
        Column::new("−m · ln t", &terms(model, truth)).with_sum(),
        Column::new("−t · ln m", &terms(truth, model)).with_sum(),
    ]);

    println!("\n{:>41}{:>8}", "nats", "bits");
    let line = |name: &str, measure: &dyn Fn(Unit) -> Result<f64, Error>| {
        print!("   {name:<30}{:>8.4}{:>8.4}", measure(Unit::Nats)?, measure(Unit::Bits)?);
        Ok::<_, Error>(())
    };
    let remark = |direction| match direction == *formula {
        true => println!("  the article; it prints {printed:.4}"),
        false => println!(),
    };
    line("model in front, H(m, t)", &|unit| cross_entropy(model, truth, unit))?;
    remark(Formula::ModelInFront);
    line("truth in front, H(t, m)", &|unit| cross_entropy(truth, model, unit))?;
    remark(Formula::TruthInFront);
    line("  = entropy of the truth, H(t)", &|unit| entropy(truth, unit))?;
    println!();
    line("  + divergence, KL(t ‖ m)", &|unit| kl_divergence(truth, model, unit))?;
    println!();
    Ok(())
}
