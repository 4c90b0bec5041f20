//! What is computed, written down for other programs.
//!
//! An operation says in its [`Label`] how it is written; a layer may say it for all of its own. What
//! they say is what drawings of the graph show, too.

use std::fmt;

use crate::tensor::Tensor;
use downhill_kernels::Element;

/// A computation in the operators of [ONNX](https://onnx.ai/onnx/operators/), in the order in which
/// they are computed. Operations write themselves into it by
/// [`Operation::export`](crate::Operation::export), layers by `Module::export`, and `downhill-onnx`
/// writes it to a file.
///
/// Values are known by their names.
///
/// ```
/// use downhill_tensor::{Tensor, export::Export};
///
/// let total = Tensor::parameter([[1.0, 2.0]]).sum_axes(1);
/// let mut export = Export::new();
/// total.operation().unwrap().export(&["x"], &total, &mut export);
/// assert_eq!(export.nodes()[0].operator, "ReduceSum");
/// let options = export.options();
/// assert_eq!(options[1], ("axes".to_owned(), "[1]".to_owned()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Export {
    nodes: Vec<Node>,
    constants: Vec<Constant>,
    scope: Vec<String>,
}

/// An operator, applied to values of these names.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is called in ONNX.
    pub operator: &'static str,
    /// The part of the model that it belongs to.
    pub part: String,
    /// The names of what goes in; an empty one stands for what is left out.
    pub inputs: Vec<String>,
    /// The names of what comes out.
    pub outputs: Vec<String>,
    /// The options, by name.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// An option of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Integer(i64),
    /// Whole numbers.
    Integers(Vec<i64>),
    /// A number.
    Number(f32),
    /// A word.
    Text(&'static str),
}

/// A value that does not depend on the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Constant {
    /// Its name: that of the model's tensor, if it is one.
    pub name: String,
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Numbers,
}

/// Numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Of 32 bits.
    F32(Vec<f32>),
    /// Of 64 bits.
    F64(Vec<f64>),
    /// Whole.
    I64(Vec<i64>),
    /// Whether something holds.
    Bool(Vec<bool>),
}

impl Export {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The operators so far.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The constants so far.
    pub fn constants(&self) -> &[Constant] {
        &self.constants
    }

    /// What `part` writes belongs to a part of the model of this name. Returns what `part` does.
    pub fn scope<T>(&mut self, name: impl Into<String>, part: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(name.into());
        let outcome = part(self);
        self.scope.pop();
        outcome
    }

    /// The part of the model that is being written.
    pub fn part(&self) -> String {
        self.scope.join(".")
    }

    /// A name in the current scope.
    fn named(&self, name: &str) -> String {
        let parts = self.scope.iter().map(String::as_str).chain([name]);
        parts.collect::<Vec<_>>().join(".")
    }

    /// A name that nothing has yet.
    fn fresh(&self, name: &str) -> String {
        self.named(&format!("{name}:{}", self.nodes.len() + self.constants.len()))
    }

    /// Applies an operator, and returns the name of its only output.
    pub fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        attributes: Vec<(&'static str, Attribute)>,
    ) -> String {
        self.node_with_outputs(operator, inputs, 1, attributes).remove(0)
    }

    /// Applies an operator of several outputs, and returns their names.
    pub fn node_with_outputs(
        &mut self,
        operator: &'static str,
        inputs: &[&str],
        outputs: usize,
        attributes: Vec<(&'static str, Attribute)>,
    ) -> Vec<String> {
        let first = self.fresh(operator);
        let outputs: Vec<String> = match outputs {
            1 => vec![first],
            _ => (0..outputs).map(|output| format!("{first}:{output}")).collect(),
        };
        self.nodes.push(Node {
            operator,
            part: self.part(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: outputs.clone(),
            attributes,
        });
        outputs
    }

    /// Applies an operator, and gives its output a name of the caller's.
    pub fn node_named(&mut self, operator: &'static str, inputs: &[&str], output: &str) {
        self.nodes.push(Node {
            operator,
            part: self.part(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            attributes: Vec::new(),
        });
    }

    /// Applies a reduction over axes, which are kept with length 1 or dropped.
    pub fn reduction(
        &mut self,
        operator: &'static str,
        x: &str,
        axes: impl IntoIterator<Item = usize>,
        is_kept: bool,
    ) -> String {
        let axes: Vec<i64> = axes.into_iter().map(|axis| axis as i64).collect();
        if axes.is_empty() {
            // The operator would take it for all of them.
            return match operator {
                "ReduceL2" => self.node("Abs", &[x], vec![]),
                _ => x.to_owned(),
            };
        }
        let axes = self.integers("axes", &axes);
        self.node(operator, &[x, &axes], vec![("keepdims", Attribute::Integer(is_kept.into()))])
    }

    /// A tensor of the model, under its name.
    pub fn tensor<E: Element>(&mut self, name: &str, tensor: &Tensor<E>) -> String {
        let values = tensor.values();
        self.constant(self.named(name), tensor.shape(), &values)
    }

    /// A number of the model's type.
    pub fn number<E: Element>(&mut self, name: &str, value: E) -> String {
        self.array(name, &[], &[value])
    }

    /// A constant that is made of the model's tensors.
    pub fn array<E: Element>(&mut self, name: &str, shape: &[usize], values: &[E]) -> String {
        self.constant(self.fresh(name), shape, values)
    }

    /// Whole numbers, as shapes and axes are.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.fixed(name, &[values.len()], Numbers::I64(values.to_vec()))
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: i64) -> String {
        self.fixed(name, &[], Numbers::I64(vec![value]))
    }

    /// A constant of any type.
    pub fn fixed(&mut self, name: &str, shape: &[usize], values: Numbers) -> String {
        let name = self.fresh(name);
        self.constants.push(Constant { name: name.clone(), shape: shape.to_vec(), values });
        name
    }

    fn constant<E: Element>(&mut self, name: String, shape: &[usize], values: &[E]) -> String {
        let wide = values.iter().map(|value| value.as_f64());
        let values = match size_of::<E>() {
            4 => Numbers::F32(wide.map(|value| value as f32).collect()),
            _ => Numbers::F64(wide.collect()),
        };
        // A tensor that two parts of the model share is written once.
        if !self.constants.iter().any(|constant| constant.name == name) {
            self.constants.push(Constant { name: name.clone(), shape: shape.to_vec(), values });
        }
        name
    }

    /// The operators and the constants.
    pub fn into_parts(self) -> (Vec<Node>, Vec<Constant>) {
        (self.nodes, self.constants)
    }

    /// Adds constants and operators as they are.
    pub fn extend(
        &mut self,
        constants: impl IntoIterator<Item = Constant>,
        nodes: impl IntoIterator<Item = Node>,
    ) {
        self.constants.extend(constants);
        self.nodes.extend(nodes);
    }

    /// What the operators were called with besides their inputs: names, and values in words.
    pub fn options(&self) -> Vec<(String, String)> {
        let attributes = self.nodes.iter().flat_map(|node| &node.attributes);
        let attributes =
            attributes.map(|(name, attribute)| ((*name).to_owned(), attribute.to_string()));
        let few = self.constants.iter().filter(|constant| constant.shape.iter().all(|&n| n <= 8));
        // A constant's name ends with a number that tells it from others.
        let name = |name: &str| name.split(':').next().unwrap_or(name).to_owned();
        let value = |constant: &Constant| {
            let values = constant.values.to_string();
            let is_number = constant.shape.is_empty();
            if is_number { values.trim_matches(['[', ']']).to_owned() } else { values }
        };
        let constants = few.map(|constant| (name(&constant.name), value(constant)));
        attributes.chain(constants).collect()
    }
}

impl From<f64> for Attribute {
    fn from(number: f64) -> Self {
        Self::Number(number as f32)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(integer) => write!(f, "{integer}"),
            Self::Integers(integers) => write!(f, "{integers:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::F32(numbers) => write!(f, "{numbers:?}"),
            Self::F64(numbers) => write!(f, "{numbers:?}"),
            Self::I64(numbers) => write!(f, "{numbers:?}"),
            Self::Bool(numbers) => write!(f, "{numbers:?}"),
        }
    }
}

/// What an operation is called, and how other programs write it. A name alone, for one that has no
/// counterpart; a name and the operator of ONNX that computes the same from the same inputs; or a
/// name and a function that writes the operators ([`written`]).
pub trait Label<E: Element>: Send + Sync + 'static {
    /// The name, for messages and drawings.
    fn name(&self) -> &str;

    /// See [`Operation::export`](crate::Operation::export).
    fn export(&self, _inputs: &[&str], _output: &Tensor<E>, _: &mut Export) -> Option<String> {
        None
    }
}

impl<E: Element> Label<E> for &'static str {
    fn name(&self) -> &str {
        self
    }
}

impl<E: Element> Label<E> for (&'static str, &'static str) {
    fn name(&self) -> &str {
        self.0
    }

    fn export(&self, inputs: &[&str], _output: &Tensor<E>, export: &mut Export) -> Option<String> {
        Some(export.node(self.1, inputs, vec![]))
    }
}

impl<E, F> Label<E> for (&'static str, F)
where
    E: Element,
    F: Fn(&[&str], &Tensor<E>, &mut Export) -> String + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        self.0
    }

    fn export(&self, inputs: &[&str], output: &Tensor<E>, export: &mut Export) -> Option<String> {
        Some((self.1)(inputs, output, export))
    }
}

/// A [`Label`] with a function that gets the names of the inputs' values, and the output, and
/// returns the name of what it has written.
///
/// ```
/// use downhill_tensor::{Tensor, export::{Export, written}, operation};
///
/// fn cube(x: &Tensor) -> Tensor {
///     let label = written("cube", |x, _, export| {
///         let square = export.node("Mul", &[x[0], x[0]], vec![]);
///         export.node("Mul", &[&square, x[0]], vec![])
///     });
///     let value = x.array().mapv(|x| x * x * x);
///     operation::unary(label, x, value, |gradient, _, x| gradient.times(&(x * x * 3.0)))
/// }
///
/// let cubed = cube(&Tensor::parameter(2.0));
/// let mut export = Export::new();
/// cubed.operation().unwrap().export(&["x"], &cubed, &mut export).unwrap();
/// assert_eq!(export.nodes().len(), 2);
/// ```
pub fn written<E, F>(name: &'static str, write: F) -> (&'static str, F)
where
    E: Element,
    F: Fn(&[&str], &Tensor<E>, &mut Export) -> String + Send + Sync + 'static,
{
    (name, write)
}
