//! The computation behind a number, as a picture: operations, values and gradients.
//!
//! ```text
//! cargo run --release --example graph
//! ```
//!
//! Every tensor that comes of a parameter knows the operation that made it and what that was made
//! from. `loss.graph()` walks there and asks for the gradient of the loss with respect to all it
//! meets. Three of them are drawn:
//!
//! - `neuron`, the one of micrograd (Karpathy, 2020), tanh(x₁·w₁ + x₂·w₂ + b), whose gradients can
//!   be followed by hand: a sum hands its own on to each summand, a product multiplies it by the
//!   other factor;
//! - `network`, two layers and the cross-entropy of four samples: the same with matrices, shown by
//!   their least and greatest values;
//! - `recurrence`, x ← x + w·sin x over and over: a graph of thousands of operations. Those
//!   nearest to the result are drawn, with a word on the rest.
//!
//! Each is written as SVG, which any browser shows, and in the language of Graphviz (`.dot`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use downhill::prelude::*;
use downhill::train::Graph;
use downhill_report::plot;

/// Draws the computation behind a number: a neuron, a network, and a graph too long to be drawn
#[derive(Parser)]
struct Arguments {
    /// Where the drawings go
    #[arg(long, value_name = "DIR", default_value = "target/graphs")]
    directory: PathBuf,

    /// How often the recurrence is computed
    #[arg(long, default_value = "1000", value_parser = lesson::positive_count)]
    repetitions: usize,

    /// What the network's weights are drawn from
    #[arg(long, default_value = "0")]
    seed: u64,
}

/// How much is drawn of the recurrence.
const SHOWN: usize = 12;

fn main() -> ExitCode {
    lesson::run(draw)
}

fn draw(arguments: Arguments) -> lesson::Outcome {
    let directory = &arguments.directory;
    fs::create_dir_all(directory).map_err(|error| cannot_write(directory, &error))?;

    let neuron = neuron();
    println!("micrograd's neuron: o = tanh(x₁·w₁ + x₂·w₂ + b)\n");
    print_nodes(&neuron);
    write(directory, "neuron", "micrograd's neuron", &neuron)?;

    let network = network(arguments.seed)?;
    println!("\nCross-entropy of a network with one hidden layer; seed {}\n", arguments.seed);
    print_nodes(&network);
    write(directory, "network", "Cross-entropy of a network", &network)?;

    let recurrence = recurrence(arguments.repetitions);
    println!(
        "\nx ← x + w·sin x, {} times\n\
         The {SHOWN} nodes nearest to the result are drawn, {} are not.",
        arguments.repetitions,
        recurrence.omitted()
    );
    write(directory, "recurrence", "x ← x + w·sin x, over and over", &recurrence)
}

fn neuron() -> Graph {
    let [x1, x2, w1, w2] = [2.0, 0.0, -3.0, 1.0].map(Tensor::<f64>::parameter);
    let b = Tensor::parameter(6.881_373_587_019_543);
    let n = &x1 * &w1 + &x2 * &w2 + &b;
    let o = n.tanh();
    let graph = o.graph().name(&n, "n").name(&o, "o");
    let named = [("x₁", &x1), ("x₂", &x2), ("w₁", &w1), ("w₂", &w2), ("b", &b)];
    named.into_iter().fold(graph, |graph, (name, tensor)| graph.name(tensor, name))
}

fn network(seed: u64) -> Result<Graph, downhill::losses::Error> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let model: Mlp = Mlp::new(&[2, 3, 2], &mut rng).activation(Activation::Tanh);
    let features = Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let exclusive_or = [0, 1, 1, 0];
    let logits = model.forward(&features);
    let loss = CrossEntropy::new().forward(&logits, &exclusive_or)?;
    Ok(loss.graph().named(&model).name(&features, "features").name(&logits, "logits"))
}

fn recurrence(repetitions: usize) -> Graph {
    let weight = Tensor::<f64>::parameter(0.01);
    let mut x = Tensor::from(1.0);
    for _ in 0..repetitions {
        x = &x + &weight * x.sin();
    }
    Graph::with_limit(&x, SHOWN).name(&weight, "w")
}

/// The nodes from the result back to what it is made of.
fn print_nodes(graph: &Graph) {
    println!("{:<18}{:<8}{:<26}gradient", "node", "shape", "value");
    for node in graph.nodes() {
        let shape = if node.shape.is_empty() { String::new() } else { format!("{:?}", node.shape) };
        let gradient = node.gradient.as_deref().unwrap_or("none: data");
        println!("{:<18}{shape:<8}{:<26}{gradient}", node.name, node.value);
    }
}

fn write(directory: &Path, name: &str, title: &str, graph: &Graph) -> lesson::Outcome {
    let picture = plot::graph(title, graph);
    let dot = directory.join(name).with_extension("dot");
    fs::write(&dot, graph.dot()).map_err(|error| cannot_write(&dot, &error))?;
    let svg = dot.with_extension("svg");
    fs::write(&svg, picture.svg()).map_err(|error| cannot_write(&svg, &error))?;
    println!("\nwrote {} and {}", svg.display(), dot.display());
    Ok(())
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
