//! What is printed of a model.

use std::fmt;

use downhill_tensor::{Element, Parameters, Path};

/// The columns of a usual terminal.
const WIDTH: usize = 80;

/// A layer's name and tensors, and the parts it is made of: a model as it is printed.
///
/// It displays as one line for each layer that has something to tell, with the number of its
/// parameters (its parts' included) and the names and shapes of its own tensors. Tensors that do not
/// fit 80 columns stand on lines below.
///
/// ```
/// use downhill_nn::{Activation, Linear, Module, Sequential};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let model: Sequential = Sequential::new()
///     .then(Linear::new(64, 32, &mut rng))
///     .then(Activation::Relu)
///     .then(Linear::new(32, 10, &mut rng));
/// assert_eq!(
///     model.describe().to_string(),
///     "\
/// Sequential            2,410
///   0: Linear(64 → 32)  2,080  weight [64, 32], bias [32]
///   1: Relu                 0
///   2: Linear(32 → 10)    330  weight [32, 10], bias [10]"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    layer: String,
    tensors: Vec<TensorLine>,
    parts: Vec<(String, Description)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TensorLine {
    name: String,
    shape: Vec<usize>,
    trained: bool,
}

impl Description {
    /// A layer without tensors or parts. `layer` is what it is called and how it is set, such as
    /// `Linear(64 → 32)`.
    pub fn new(layer: impl Into<String>) -> Self {
        Self { layer: layer.into(), tensors: Vec::new(), parts: Vec::new() }
    }

    /// What the layer is called, and how it is set.
    pub(crate) fn layer(&self) -> &str {
        &self.layer
    }

    /// With the tensors of `holder` as the layer's own.
    pub fn tensors<E: Element>(mut self, holder: &(impl Parameters<E> + ?Sized)) -> Self {
        holder.visit(Path::ROOT, &mut |path, tensor| {
            self.tensors.push(TensorLine {
                name: path.to_string(),
                shape: tensor.shape().to_vec(),
                trained: tensor.is_parameter(),
            });
        });
        self
    }

    /// With a part, under the name that leads to it.
    pub fn part(mut self, name: impl Into<String>, part: Description) -> Self {
        self.parts.push((name.into(), part));
        self
    }

    /// The number of values in the parameters of the layer and its parts.
    pub fn parameter_count(&self) -> usize {
        let trained = self.tensors.iter().filter(|tensor| tensor.trained);
        let own: usize = trained.map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        own + self.parts.iter().map(|(_, part)| part.parameter_count()).sum::<usize>()
    }

    /// The first two columns of each line, and the tensors of the third.
    fn lines(&self, label: String, depth: usize, lines: &mut Vec<([String; 2], Vec<String>)>) {
        let tensors = self.tensors.iter().map(TensorLine::to_string).collect();
        lines.push(([label, grouped(self.parameter_count())], tensors));
        for (name, part) in &self.parts {
            let label = format!("{:1$}{name}: {2}", "", 2 * (depth + 1), part.layer);
            part.lines(label, depth + 1, lines);
        }
    }
}

impl fmt::Display for TensorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.trained { "" } else { " (not trained)" };
        write!(f, "{} {:?}{note}", self.name, self.shape)
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        self.lines(self.layer.clone(), 0, &mut lines);
        let width =
            |column: usize| lines.iter().map(|(line, _)| line[column].chars().count()).max();
        let (label_width, count_width) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
        let place = label_width + count_width + 4;
        let mut all = Vec::new();
        for ([label, count], tensors) in &lines {
            let mut line = format!("{label:label_width$}  {count:>count_width$}  ");
            for (index, tensor) in tensors.iter().enumerate() {
                let comma = if index + 1 < tensors.len() { "," } else { "" };
                let next = format!("{tensor}{comma} ");
                if index > 0 && line.chars().count() + next.chars().count() > WIDTH + 1 {
                    all.push(std::mem::replace(&mut line, " ".repeat(place)));
                }
                line += &next;
            }
            all.push(line);
        }
        let all: Vec<&str> = all.iter().map(|line| line.trim_end()).collect();
        f.write_str(&all.join("\n"))
    }
}

/// A count with its thousands set apart by commas.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use downhill_tensor::Tensor;

    use super::*;

    #[test]
    fn counts_are_those_of_the_parameters_alone() {
        let tensors = [Tensor::parameter([1.0, 2.0]), Tensor::from([3.0])];
        let description = Description::new("Pair").tensors(&tensors);
        assert_eq!(description.parameter_count(), 2);
        assert_eq!(description.to_string(), "Pair  2  0 [2], 1 [1] (not trained)");
    }

    #[test]
    fn tensors_that_do_not_fit_a_terminal_stand_below() {
        let pair = || [Tensor::<f32>::parameter([1.0]), Tensor::parameter([2.0])];
        let told = |name: usize| Description::new("x".repeat(name)).tensors(&pair()).to_string();
        assert_eq!(told(61), format!("{}  2  0 [1], 1 [1]", "x".repeat(61)));
        let wide = told(63);
        assert_eq!(wide.lines().next().map(|line| line.chars().count()), Some(80));
        assert_eq!(wide.lines().count(), 1);
        let lines = format!("{}  2  0 [1],\n{}1 [1]", "x".repeat(64), " ".repeat(69));
        assert_eq!(told(64), lines);
    }

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (123_456, "123,456"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn parts_of_parts_are_indented_and_counted_in_their_wholes() {
        let leaf = Description::new("Leaf").tensors(&[Tensor::<f32>::parameter([1.0; 4])]);
        let branch = Description::new("Branch").part("left", leaf.clone()).part("right", leaf);
        let tree = Description::new("Tree").part("branch", branch);
        assert_eq!(
            tree.to_string(),
            "\
Tree              8
  branch: Branch  8
    left: Leaf    4  0 [4]
    right: Leaf   4  0 [4]"
        );
    }
}
