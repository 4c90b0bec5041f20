//! What a model computes, written down for other programs.

use downhill_tensor::{Element, Tensor};

use crate::error::Error;

/// The computation of a model in the operators of [ONNX](https://onnx.ai/onnx/operators/), in the
/// order in which they are computed. Layers write themselves into it by
/// [`Module::export`](crate::Module::export); `downhill-onnx` writes it to a file.
///
/// Values are known by their names.
///
/// ```
/// use downhill_nn::{Export, Linear, Module};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let linear: Linear = Linear::new(4, 3, &mut Xoshiro256PlusPlus::seed_from_u64(7));
/// let mut export = Export::new();
/// let x = "x".to_owned();
/// export.scope("head", |export| linear.export(x, export))?;
/// let operators: Vec<&str> = export.nodes().iter().map(|node| node.operator).collect();
/// assert_eq!(operators, ["MatMul", "Add"]);
/// assert_eq!(export.constants()[0].name, "head.weight");
/// # Ok::<(), downhill_nn::Error>(())
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

    /// What `part` writes belongs to a part of the model of this name.
    ///
    /// # Errors
    ///
    /// Those of `part`.
    pub fn scope<T>(
        &mut self,
        name: impl Into<String>,
        part: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.scope.push(name.into());
        let outcome = part(self);
        self.scope.pop();
        outcome
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
            part: self.scope.join("."),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: outputs.clone(),
            attributes,
        });
        outputs
    }

    /// Applies an operator to one value, and gives its output a name of the caller's.
    pub fn node_named(&mut self, operator: &'static str, input: &str, output: &str) {
        self.nodes.push(Node {
            operator,
            part: self.scope.join("."),
            inputs: vec![input.to_owned()],
            outputs: vec![output.to_owned()],
            attributes: Vec::new(),
        });
    }

    /// A tensor of the model, under its name.
    pub fn tensor<E: Element>(&mut self, name: &str, tensor: &Tensor<E>) -> String {
        let values = tensor.values();
        self.constant(self.named(name), tensor.shape(), &values)
    }

    /// A number of the model's type.
    pub fn number<E: Element>(&mut self, value: E) -> String {
        self.constant(self.fresh("number"), &[], &[value])
    }

    /// A constant that is made of the model's tensors.
    pub fn array<E: Element>(&mut self, name: &str, shape: &[usize], values: &[E]) -> String {
        self.constant(self.fresh(name), shape, values)
    }

    /// Whole numbers, as shapes and axes are.
    pub fn integers(&mut self, values: &[i64]) -> String {
        let name = self.fresh("integers");
        let (shape, values) = (vec![values.len()], Numbers::I64(values.to_vec()));
        self.constants.push(Constant { name: name.clone(), shape, values });
        name
    }

    /// A whole number.
    pub fn integer(&mut self, value: i64) -> String {
        let name = self.fresh("integer");
        let (shape, values) = (Vec::new(), Numbers::I64(vec![value]));
        self.constants.push(Constant { name: name.clone(), shape, values });
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

    /// The error that a layer has no counterpart.
    pub(crate) fn refuse<L: ?Sized>(&self) -> Error {
        let path = std::any::type_name::<L>();
        let path = path.split('<').next().unwrap_or(path);
        let layer = path.rsplit("::").next().unwrap_or(path).to_owned();
        Error::NoCounterpart { part: self.scope.join("."), layer }
    }
}
