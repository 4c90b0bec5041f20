//! The sheet of paper: quantities, the formulas they come from, and the numbers put in.

use std::collections::HashMap;
use std::fmt;

/// A quantity such as x₀, or v₀₁, or a derivative such as ∂L/∂v₀₁.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    pub(crate) of: Name,
    by: Option<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) letter: char,
    indices: [Option<usize>; 2],
}

pub(crate) fn symbol(letter: char, indices: &[usize]) -> Symbol {
    let indices = [indices.first().copied(), indices.get(1).copied()];
    Symbol { of: Name { letter, indices }, by: None }
}

impl Symbol {
    /// The derivative of this quantity with respect to another.
    pub(crate) fn by(self, other: Self) -> Self {
        Self { of: self.of, by: Some(other.of) }
    }
}

impl Name {
    /// Where the quantity stands in the tensor of its letter, whose rows have two values.
    pub(crate) fn position(self) -> usize {
        self.indices.into_iter().flatten().fold(0, |position, index| 2 * position + index)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter)?;
        self.indices.iter().flatten().try_for_each(|index| write!(f, "{}", ['₀', '₁'][*index]))
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            None => write!(f, "{}", self.of),
            Some(by) => write!(f, "∂{}/∂{by}", self.of),
        }
    }
}

/// What is known so far.
pub(crate) struct Board {
    values: HashMap<Symbol, f64>,
    given: Vec<Symbol>,
    lines: Vec<Line>,
    moves: Vec<(Symbol, f64)>,
}

/// A quantity that was computed.
pub(crate) struct Line {
    symbol: Symbol,
    right: String,
    /// The formula with numbers put in.
    pub(crate) numbers: String,
    pub(crate) value: f64,
}

impl Line {
    pub(crate) fn formula(&self) -> String {
        format!("{} = {}", self.symbol, self.right)
    }
}

impl Board {
    /// An empty board. The quantities in `moves` will be greater by so much than they would be.
    pub(crate) fn new(moves: &[(Symbol, f64)]) -> Self {
        Self { values: HashMap::new(), given: vec![], lines: vec![], moves: moves.to_vec() }
    }

    pub(crate) fn get(&self, symbol: Symbol) -> f64 {
        *self.values.get(&symbol).unwrap_or_else(|| panic!("{symbol} is not known yet"))
    }

    /// The given quantities of a letter.
    pub(crate) fn all(&self, letter: char) -> impl Iterator<Item = Symbol> {
        self.given.clone().into_iter().filter(move |symbol| symbol.of.letter == letter)
    }

    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(crate) fn last(&self) -> &Line {
        self.lines.last().expect("something was written")
    }

    /// Takes a number as given.
    pub(crate) fn give(&mut self, symbol: Symbol, value: f64) {
        self.given.push(symbol);
        self.know(symbol, value);
    }

    /// Writes down a quantity, the formula it comes from, and the formula with numbers put in.
    pub(crate) fn write(&mut self, symbol: Symbol, right: String, numbers: String, value: f64) {
        let value = self.know(symbol, value);
        self.lines.push(Line { symbol, right, numbers, value });
    }

    /// Writes down a sum of products.
    pub(crate) fn sum(&mut self, symbol: Symbol, terms: &[&[Symbol]]) {
        let join = |each: &dyn Fn(Symbol, usize) -> String| {
            let product = |term: &&[Symbol]| {
                let factors = term.iter().enumerate().map(|(place, &factor)| each(factor, place));
                factors.collect::<Vec<_>>().join("·")
            };
            terms.iter().map(product).collect::<Vec<_>>().join(" + ")
        };
        let right = join(&|factor, _| factor.to_string());
        let numbers = join(&|factor, place| match number(self.get(factor)) {
            negative if place > 0 && negative.starts_with('-') => format!("({negative})"),
            other => other,
        });
        let numbers = numbers.replace("+ -", "− ");
        let value = terms.iter().map(|t| t.iter().map(|&q| self.get(q)).product::<f64>()).sum();
        // A single number would only be repeated.
        let single = matches!(terms, [[_]]);
        self.write(symbol, right, if single { String::new() } else { numbers }, value);
    }

    /// Writes down what arrives at unit `to` of a layer.
    pub(crate) fn affine(&mut self, y: Symbol, x: char, weight: char, bias: char, to: usize) {
        let term = |from| [symbol(x, &[from]), symbol(weight, &[from, to])];
        self.sum(y, &[&term(0), &term(1), &[symbol(bias, &[to])]]);
    }

    fn know(&mut self, symbol: Symbol, value: f64) -> f64 {
        let moves = self.moves.iter().filter(|(moved, _)| *moved == symbol);
        let value = value + moves.map(|(_, step)| step).sum::<f64>();
        self.values.insert(symbol, value);
        value
    }
}

/// At most six decimals, without zeros at the end.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.to_owned() }
}
