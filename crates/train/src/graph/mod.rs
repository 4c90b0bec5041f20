//! The computation behind a number.

mod dot;

use std::collections::{HashMap, HashSet, VecDeque};

use downhill_tensor::export::Export;
use downhill_tensor::{Element, Operation, Parameters, Path, Tensor, grad};

use crate::format::format_short;

/// The most operations and leaves that are shown unless another number is asked for.
const LIMIT: usize = 100;

/// The method by which a number shows how it came about: `loss.graph()`.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::ComputationGraph;
///
/// let weight = Tensor::parameter(3.0);
/// let loss = weight.square();
/// let graph = loss.graph().name(&weight, "weight");
/// assert_eq!(graph.nodes()[0].value, "9");
/// assert_eq!(graph.nodes()[1].gradient.as_deref(), Some("6"));
/// ```
pub trait ComputationGraph {
    /// The graph of operations that this is the result of: [`Graph::of`].
    fn graph(&self) -> Graph;
}

impl<E: Element> ComputationGraph for Tensor<E> {
    fn graph(&self) -> Graph {
        Graph::of(self)
    }
}

/// The graph of operations that a tensor is the result of, with the value of each, and its
/// gradient: that of the tensor, if it is a single number, with respect to the value.
///
/// Only what depends on a parameter is recorded, so the graph begins at parameters and at the
/// constants that were combined with them. One that is large is cut, nearest to the result last;
/// how much is left out is shown.
///
/// ```
/// use downhill_tensor::Tensor;
/// use downhill_train::Graph;
///
/// let (x, w) = (Tensor::from(2.0), Tensor::parameter(-3.0));
/// let output = (&w * &x).tanh();
/// let graph = Graph::of(&output).name(&x, "x").name(&w, "w");
/// assert_eq!(graph.nodes().len(), 4);
/// assert!(graph.dot().contains(r#"label="w\nvalue −3\ngradient 4.92e−5""#));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// From input to output, as indices of nodes; an operation's in the order of its inputs.
    edges: Vec<(usize, usize)>,
    /// The number of operations and leaves that are not shown.
    omitted: usize,
}

/// An operation's result, or a leaf.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The operation's name, or the name given to the tensor.
    pub name: String,
    /// What the tensor is.
    pub kind: NodeKind,
    /// What the operation was called with besides its inputs, such as axes, in words.
    pub options: Vec<(String, String)>,
    /// The tensor's shape.
    pub shape: Vec<usize>,
    /// The value, or a summary of it.
    pub value: String,
    /// The gradient, or a summary of it; `None` if no gradient reaches the tensor.
    pub gradient: Option<String>,
    key: Key,
}

/// What a tensor in a [`Graph`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A leaf that wants a gradient.
    Parameter,
    /// A leaf that wants none: data.
    Constant,
    /// The result of an operation.
    Operation,
    /// What stands for all that is not shown.
    Omitted,
}

/// What tells a tensor from others: its identity, or for constants, which have none, the place of
/// its values in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(u64, usize);

impl Key {
    fn of<E: Element>(tensor: &Tensor<E>) -> Self {
        match tensor.id() {
            0 => Self(0, tensor.array().as_ptr() as usize),
            id => Self(id, 0),
        }
    }
}

impl Graph {
    /// The graph of at most 100 operations and leaves that `output` is the result of.
    pub fn of<E: Element>(output: &Tensor<E>) -> Self {
        Self::with_limit(output, LIMIT)
    }

    /// The graph of at most `limit` operations and leaves.
    #[inline(never)]
    pub fn with_limit<E: Element>(output: &Tensor<E>, limit: usize) -> Self {
        let inputs = |tensor: &Tensor<E>| match tensor.operation() {
            Some(operation) => Operation::inputs(operation).to_vec(),
            None => Vec::new(),
        };
        // From the result outwards, so that what is cut off is farthest from it.
        let mut waiting = VecDeque::from([output.clone()]);
        let mut seen = HashSet::from([Key::of(output)]);
        let (mut shown, mut omitted) = (Vec::new(), 0);
        while let Some(tensor) = waiting.pop_front() {
            for input in inputs(&tensor) {
                if seen.insert(Key::of(&input)) {
                    waiting.push_back(input);
                }
            }
            if shown.len() < limit {
                shown.push(tensor);
            } else {
                omitted += 1;
            }
        }
        let index: HashMap<Key, usize> =
            shown.iter().enumerate().map(|(index, tensor)| (Key::of(tensor), index)).collect();
        let mut edges = Vec::new();
        for (to, tensor) in shown.iter().enumerate() {
            let mut from: Vec<usize> = inputs(tensor)
                .iter()
                .map(|input| index.get(&Key::of(input)).copied().unwrap_or(shown.len()))
                .collect();
            if from.iter().filter(|&&from| from == shown.len()).count() > 1 {
                // Several inputs that are not shown are one edge.
                let mut first = true;
                from.retain(|&from| from < shown.len() || std::mem::take(&mut first));
            }
            edges.extend(from.into_iter().map(|from| (from, to)));
        }
        let gradients = gradients(output, &shown);
        let mut nodes: Vec<Node> = shown
            .iter()
            .zip(gradients)
            .map(|(tensor, gradient)| Node::of(tensor, gradient.as_ref()))
            .collect();
        if omitted > 0 {
            nodes.push(Node::omitted(omitted));
        }
        Self { nodes, edges, omitted }
    }

    /// With a name for a tensor, if it is part of the graph.
    #[must_use]
    pub fn name<E: Element>(mut self, tensor: &Tensor<E>, name: impl Into<String>) -> Self {
        let key = Key::of(tensor);
        if let Some(node) = self.nodes.iter_mut().find(|node| node.key == key) {
            let name = name.into();
            node.name = match node.kind {
                NodeKind::Operation => format!("{name} = {}", node.name),
                _ => name,
            };
        }
        self
    }

    /// With the names of a model's tensors, such as `layers.0.weight`.
    #[inline(never)]
    #[must_use]
    pub fn named<E: Element>(mut self, model: &(impl Parameters<E> + ?Sized)) -> Self {
        let mut names = HashMap::new();
        model.visit(Path::ROOT, &mut |path, tensor| {
            names.insert(Key::of(tensor), path.to_string());
        });
        for node in &mut self.nodes {
            if let Some(name) = names.remove(&node.key) {
                node.name = name;
            }
        }
        self
    }

    /// The operations and leaves: the result first, and what it is made of after it. If not all
    /// are shown, the last stands for those that are not.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// From which node to which the values go, as indices of [`nodes`](Self::nodes).
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// The number of operations and leaves that are not shown.
    pub fn omitted(&self) -> usize {
        self.omitted
    }
}

/// The gradient of `output` with respect to each of `tensors` that one can reach.
fn gradients<E: Element>(output: &Tensor<E>, tensors: &[Tensor<E>]) -> Vec<Option<Tensor<E>>> {
    if output.len() != 1 || !output.requires_gradient() {
        return vec![None; tensors.len()];
    }
    let wanted: Vec<&Tensor<E>> =
        tensors.iter().filter(|tensor| tensor.requires_gradient()).collect();
    let mut found = grad(output, &wanted).into_iter().peekable();
    tensors.iter().map(|tensor| found.next_if(|_| tensor.requires_gradient())).collect()
}

impl Node {
    fn of<E: Element>(tensor: &Tensor<E>, gradient: Option<&Tensor<E>>) -> Self {
        let (name, kind) = match tensor.operation() {
            Some(operation) => (operation.name(), NodeKind::Operation),
            None if tensor.is_parameter() => ("parameter", NodeKind::Parameter),
            None => ("constant", NodeKind::Constant),
        };
        Self {
            name: name.to_owned(),
            kind,
            options: options(tensor),
            shape: tensor.shape().to_vec(),
            value: summary(tensor),
            gradient: gradient.map(summary),
            key: Key::of(tensor),
        }
    }

    fn omitted(count: usize) -> Self {
        Self {
            name: format!("… {count} more, not shown"),
            kind: NodeKind::Omitted,
            options: Vec::new(),
            shape: Vec::new(),
            value: String::new(),
            gradient: None,
            key: Key(0, 0),
        }
    }

    /// What a drawing writes into the node: its name and shape, its options, the value, the gradient.
    pub fn lines(&self) -> Vec<String> {
        let shape =
            if self.shape.is_empty() { String::new() } else { format!(" {:?}", self.shape) };
        let mut lines = vec![format!("{}{shape}", self.name)];
        if !self.options.is_empty() {
            let options = self.options.iter().map(|(name, value)| format!("{name} {value}"));
            lines.push(options.collect::<Vec<_>>().join(", "));
        }
        if self.kind != NodeKind::Omitted {
            lines.push(format!("value {}", self.value));
            lines.extend(self.gradient.iter().map(|gradient| format!("gradient {gradient}")));
        }
        lines
    }
}

/// The options of an operation, as it writes them for other programs; a shape is told anyhow.
fn options<E: Element>(tensor: &Tensor<E>) -> Vec<(String, String)> {
    let Some(operation) = tensor.operation() else { return Vec::new() };
    let (inputs, mut export) = (vec!["x"; operation.inputs().len()], Export::new());
    operation.export(&inputs, tensor, &mut export);
    export.options().into_iter().filter(|(name, _)| name != "shape").collect()
}

/// A few values as they are; of more, the least and the greatest.
fn summary<E: Element>(tensor: &Tensor<E>) -> String {
    let values: Vec<f64> = tensor.array().iter().map(|value| value.as_f64()).collect();
    match values[..] {
        [] => "empty".into(),
        [value] => format_short(value),
        _ if values.len() <= 4 => {
            format!(
                "[{}]",
                values.iter().map(|value| format_short(*value)).collect::<Vec<_>>().join(", ")
            )
        }
        _ if values.iter().any(|value| value.is_nan()) => {
            let count = values.iter().filter(|value| value.is_nan()).count();
            format!("{count} of {} are NaN", values.len())
        }
        _ => {
            let min = values.iter().copied().fold(f64::INFINITY, f64::min);
            let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            format!("{} … {}", format_short(min), format_short(max))
        }
    }
}

#[cfg(test)]
mod tests;
