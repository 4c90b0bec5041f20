//! Backpropagation with paper and pencil.
//!
//! ```text
//! cargo run --release --example backprop
//! cargo run --release --example backprop -- --input 1,2 --target 1 --activation relu
//! ```
//!
//! One sample goes through a network of two inputs, two hidden units and two classes, whose
//! weights are round numbers:
//!
//! ```text
//! a = x·u + c        h = tanh a        z = h·v + d        L = ln Σ exp z − z_target
//! ```
//!
//! Every number on the way is printed with what it was computed from, and so is every derivative
//! on the way back: first each operation's own, then the loss's, each made of the ones
//! printed before it. Beside them stand what `backward()` says, and the difference quotient
//! (f(q + ε) − f(q − ε)) / 2ε, for which the quantity q is moved a little and everything after it
//! is computed anew. The three agree to all digits shown.
//!
//! What to look for: the gradient of a weight is what arrives at its output times what went into
//! it, and `--activation relu` stops the gradient where the unit is off.

#[path = "backprop/board.rs"]
mod board;
#[path = "backprop/engine.rs"]
mod engine;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::board::{Board, Symbol, number, symbol};
use crate::engine::Engine;

/// Works out every number of a small network, forward and backward, on one sample
#[derive(Parser)]
struct Arguments {
    /// The two inputs, each from -100 to 100
    #[arg(long, value_name = "X,X", default_value = "1,2", allow_hyphen_values = true)]
    #[arg(value_parser = inputs)]
    input: [f64; 2],

    /// The true class, 0 or 1
    #[arg(long, value_name = "CLASS", default_value = "0", allow_hyphen_values = true)]
    #[arg(value_parser = class)]
    target: usize,

    /// The function of the hidden units
    #[arg(long, value_enum, default_value = "tanh")]
    activation: Function,

    /// Print formula, numbers and result side by side, in a hundred columns
    #[arg(long)]
    wide: bool,

    /// The length of the step that is made in the end
    #[arg(long, default_value = "0.1", allow_hyphen_values = true)]
    #[arg(value_parser = lesson::positive)]
    learning_rate: f64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Function {
    Tanh,
    Sigmoid,
    Relu,
}

/// u, from input (row) to hidden unit (column), and c.
const HIDDEN: ([[f64; 2]; 2], [f64; 2]) = ([[0.5, -1.0], [0.25, 0.5]], [-0.5, -0.25]);
/// v, from hidden unit (row) to class (column), and d.
const OUTPUT: ([[f64; 2]; 2], [f64; 2]) = ([[1.0, -0.5], [0.5, -0.5]], [0.0, 0.25]);

fn inputs(text: &str) -> Result<[f64; 2], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    match numbers.ok().and_then(|numbers| <[f64; 2]>::try_from(numbers).ok()) {
        Some(inputs) if inputs.iter().all(|input| input.abs() <= 100.0) => Ok(inputs),
        Some(_) => Err("both must lie between -100 and 100".into()),
        None => Err("give two numbers, such as 1,2".into()),
    }
}

fn class(text: &str) -> Result<usize, String> {
    match text.trim() {
        "0" => Ok(0),
        "1" => Ok(1),
        _ => Err("must be 0 or 1".into()),
    }
}

fn main() -> ExitCode {
    lesson::run(lesson)
}

fn lesson(arguments: Arguments) -> lesson::Outcome {
    let board = arguments.forward(&[]);
    println!(
        "a = x·u + c,  h = {}(a),  z = h·v + d,  L = ln Σ exp z − z_target\n\
         The target is {}. u₀₁ leads from x₀ to a₁: the first index says from where, the\n\
         second where to.\n",
        arguments.activation.name(),
        arguments.target
    );
    for letters in [&['x'][..], &['u', 'c'], &['v', 'd']] {
        let all = letters.iter().flat_map(|&letter| board.all(letter));
        let given: Vec<String> = all.map(|q| format!("{q} = {}", number(board.get(q)))).collect();
        println!("   {}", given.join("   "));
    }
    println!("\n1. Forward: from the inputs to the loss\n");
    for line in board.lines() {
        let (formula, numbers, value) = (line.formula(), &line.numbers, number(line.value));
        match arguments.wide {
            true => println!("   {formula:<28}= {numbers:<42}= {value:>9}"),
            false => println!("   {formula}\n      = {numbers:<55}= {value:>9}"),
        }
    }

    let engine = Engine::new(&arguments)?;
    let mut table = Table { arguments: &arguments, board, engine, largest: 0.0 };
    println!("\n2. Every operation's own derivatives\n");
    table.heading();
    table.local_derivatives();
    println!("\n3. Backward: from the loss to the weights, by the chain rule\n");
    table.heading();
    table.chain_rule();
    table.point_out_corners();
    println!("\nbackward() and the numbers by hand differ by {:.0e} at most", table.largest);
    table.descend();
    Ok(())
}

/// Derivatives by hand, each compared with the engine's and with a difference quotient.
struct Table<'a> {
    arguments: &'a Arguments,
    board: Board,
    engine: Engine,
    /// The greatest difference so far between a derivative by hand and the engine's.
    largest: f64,
}

impl Table<'_> {
    fn heading(&self) {
        let width = if self.arguments.wide { 67 } else { 46 };
        println!(" {:<width$}{:>10} {:>10} {:>10}", "", "by hand", "backward", "quotient");
    }

    fn local_derivatives(&mut self) {
        for (sum, input, weight, bias) in [('a', 'x', 'u', 'c'), ('z', 'h', 'v', 'd')] {
            for to in 0..2 {
                let output = symbol(sum, &[to]);
                for from in 0..2 {
                    let (input, weight) = (symbol(input, &[from]), symbol(weight, &[from, to]));
                    self.board.sum(output.by(input), &[&[weight]]);
                    self.row(output, input);
                    self.board.sum(output.by(weight), &[&[input]]);
                    self.row(output, weight);
                }
                let bias = symbol(bias, &[to]);
                self.board.write(output.by(bias), "1".into(), String::new(), 1.0);
                self.row(output, bias);
            }
            if sum == 'a' {
                for unit in 0..2 {
                    let (a, h) = (symbol('a', &[unit]), symbol('h', &[unit]));
                    self.arguments.activation.derivative(&mut self.board, a, h);
                    self.row(h, a);
                }
            }
        }
    }

    fn chain_rule(&mut self) {
        let loss = symbol('L', &[]);
        for class in 0..2 {
            let (z, p) = (symbol('z', &[class]), symbol('p', &[class]));
            let truth = f64::from(u8::from(class == self.arguments.target));
            let probability = self.board.get(p);
            self.board.write(
                loss.by(z),
                format!("{p} − {truth}"),
                format!("{} − {truth}", number(probability)),
                probability - truth,
            );
            self.row(loss, z);
        }
        for (sum, input, weight, bias) in [('z', 'h', 'v', 'd'), ('a', 'x', 'u', 'c')] {
            for to in 0..2 {
                let arriving = loss.by(symbol(sum, &[to]));
                for from in 0..2 {
                    let (input, weight) = (symbol(input, &[from]), symbol(weight, &[from, to]));
                    self.board.sum(loss.by(weight), &[&[arriving, input]]);
                    self.row(loss, weight);
                }
                let bias = symbol(bias, &[to]);
                self.board.sum(loss.by(bias), &[&[arriving]]);
                self.row(loss, bias);
            }
            // What was used twice receives two gradients, and they add up.
            for from in 0..2 {
                let input = symbol(input, &[from]);
                let path = |to| [loss.by(symbol(sum, &[to])), symbol(weight, &[from, to])];
                self.board.sum(loss.by(input), &[&path(0), &path(1)]);
                self.row(loss, input);
            }
            if sum == 'z' {
                for unit in 0..2 {
                    let (a, h) = (symbol('a', &[unit]), symbol('h', &[unit]));
                    self.board.sum(loss.by(a), &[&[loss.by(h), h.by(a)]]);
                    self.row(loss, a);
                }
            }
        }
    }

    /// Prints the derivative that was written last, ∂`output`/∂`input`.
    fn row(&mut self, output: Symbol, input: Symbol) {
        let line = self.board.last();
        let by_engine = self.engine.derivative(output, input);
        let (formula, single) = (line.formula(), line.numbers.is_empty());
        let numbers = if single { String::new() } else { format!("= {}", line.numbers) };
        let quotient = self.arguments.quotient(&self.board, output, input);
        // What is to be worked out stands above the numbers, so that a sheet can cover these.
        match (self.arguments.wide, single) {
            (true, _) => print!(" {formula:<33}{numbers:<34}"),
            (false, true) => print!(" {formula:<46}"),
            (false, false) => print!(" {formula}\n         {numbers:<38}"),
        }
        println!("{:>10} {:>10} {:>10}", number(line.value), number(by_engine), number(quotient));
        self.largest = self.largest.max((line.value - by_engine).abs());
    }

    /// Says where the quotient disagrees with good reason.
    fn point_out_corners(&self) {
        let at_corner = |unit: &usize| {
            self.arguments.activation == Function::Relu
                && self.board.get(symbol('a', &[*unit])) == 0.0
        };
        for unit in (0..2).filter(at_corner) {
            println!(
                "\n{} is 0, where relu has a corner and no derivative: backward() takes the 0\n\
                 from the left, and the quotient is the mean of 0 and 1.",
                symbol('a', &[unit])
            );
        }
    }

    /// One step down the gradient, and what it was to bring.
    fn descend(&self) {
        let rate = self.arguments.learning_rate;
        let loss = symbol('L', &[]);
        let mut square = 0.0;
        let mut stepped = Vec::new();
        for q in ['u', 'c', 'v', 'd'].into_iter().flat_map(|letter| self.board.all(letter)) {
            let gradient = self.board.get(loss.by(q));
            square += gradient * gradient;
            stepped.push((q, -rate * gradient));
        }
        let (before, after) = (self.board.get(loss), self.arguments.forward(&stepped).get(loss));
        println!("\n4. One step: every weight w becomes w − {}·∂L/∂w\n", number(rate));
        println!("   the loss before                            {:>9}", number(before));
        println!("   the loss after                             {:>9}", number(after));
        println!("   the change                                 {:>9}", number(after - before));
        println!("   what the slope foretold, −η·Σ (∂L/∂w)²     {:>9}", number(-rate * square));
    }
}

impl Arguments {
    /// The pass from the inputs to the loss. Each quantity in `moves` is moved by so much as soon
    /// as it is known.
    fn forward(&self, moves: &[(Symbol, f64)]) -> Board {
        let mut board = Board::new(moves);
        for (i, &x) in self.input.iter().enumerate() {
            board.give(symbol('x', &[i]), x);
        }
        for ((weights, biases), [w, b]) in [(HIDDEN, ['u', 'c']), (OUTPUT, ['v', 'd'])] {
            for (from, row) in weights.iter().enumerate() {
                for (to, &weight) in row.iter().enumerate() {
                    board.give(symbol(w, &[from, to]), weight);
                }
            }
            for (to, &bias) in biases.iter().enumerate() {
                board.give(symbol(b, &[to]), bias);
            }
        }
        for unit in 0..2 {
            let (a, h) = (symbol('a', &[unit]), symbol('h', &[unit]));
            board.affine(a, 'x', 'u', 'c', unit);
            let value = board.get(a);
            let name = self.activation.name();
            let numbers = format!("{name}({})", number(value));
            board.write(h, format!("{name} {a}"), numbers, self.activation.value(value));
        }
        for class in 0..2 {
            board.affine(symbol('z', &[class]), 'h', 'v', 'd', class);
        }
        self.cross_entropy(&mut board);
        board
    }

    /// Writes down the probabilities p and the loss L of the logits z.
    fn cross_entropy(&self, board: &mut Board) {
        let z = [0, 1].map(|class| symbol('z', &[class]));
        let values = z.map(|z| board.get(z));
        // Shifted by the greater one, no power overflows.
        let m = values[0].max(values[1]);
        let shifted = values.map(|z| z - m);
        let [first, second] = shifted.map(number);
        let numbers = format!("{} + ln(exp {first} + exp {second})", number(m));
        let value = m + shifted.map(f64::exp).iter().sum::<f64>().ln();
        let s = symbol('s', &[]);
        board.write(s, "m + ln Σ exp(z − m)".into(), numbers, value);

        let s = board.get(s);
        let difference = |a, b| format!("{} − {}", number(a), number(b)).replace("− -", "+ ");
        for (class, (z, value)) in z.into_iter().zip(values).enumerate() {
            let numbers = format!("exp({})", difference(value, s));
            let p = symbol('p', &[class]);
            board.write(p, format!("exp({z} − s)"), numbers, (value - s).exp());
        }
        let (truth, value) = (z[self.target], values[self.target]);
        let loss = symbol('L', &[]);
        board.write(loss, format!("s − {truth}"), difference(s, value), s - value);
    }

    /// The central difference quotient of `output` with respect to `input`.
    fn quotient(&self, board: &Board, output: Symbol, input: Symbol) -> f64 {
        // The cube root of f64's precision, at which rounding and curvature harm equally.
        let step = f64::EPSILON.cbrt() * board.get(input).abs().max(1.0);
        let at = |step| self.forward(&[(input, step)]).get(output);
        (at(step) - at(-step)) / (2.0 * step)
    }
}

impl Function {
    fn name(self) -> &'static str {
        match self {
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Relu => "relu",
        }
    }

    fn value(self, a: f64) -> f64 {
        match self {
            Self::Tanh => a.tanh(),
            Self::Sigmoid => 1.0 / (1.0 + (-a).exp()),
            Self::Relu => a.max(0.0),
        }
    }

    /// Writes ∂h/∂a on the board.
    fn derivative(self, board: &mut Board, a: Symbol, h: Symbol) {
        let value = board.get(h);
        let shown = match number(value) {
            negative if negative.starts_with('-') => format!("({negative})"),
            other => other,
        };
        let (formula, numbers, derivative) = match self {
            Self::Tanh => (format!("1 − {h}²"), format!("1 − {shown}²"), 1.0 - value * value),
            Self::Sigmoid => {
                (format!("{h}·(1 − {h})"), format!("{shown}·(1 − {shown})"), value * (1.0 - value))
            }
            Self::Relu => {
                let on = f64::from(u8::from(board.get(a) > 0.0));
                (format!("1 if {a} > 0, else 0"), format!("{a} is {}", number(board.get(a))), on)
            }
        };
        board.write(h.by(a), formula, numbers, derivative);
    }
}
