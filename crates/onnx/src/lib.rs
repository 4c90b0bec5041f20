#![forbid(unsafe_code)]
//! Trained models for other programs, in the format [ONNX](https://onnx.ai), which
//! `onnxruntime` and many others run.
//!
//! ```
//! use downhill_nn::{Activation, Linear, Sequential};
//! use downhill_onnx::save;
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("model.onnx");
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//! let model: Sequential = Sequential::new()
//!     .then(Linear::new(4, 8, &mut rng))
//!     .then(Activation::Relu)
//!     .then(Linear::new(8, 3, &mut rng));
//! save(&model, &[4.into()], &path)?; // for inputs [N, 4]
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ```python
//! onnxruntime.InferenceSession("model.onnx").run(None, {"input": rows})
//! ```
//!
//! A model is written by its layers ([`Module::export`]): all of `downhill-nn` can, and a module of
//! your own does by calling its parts'. Any function of a tensor is written by what was recorded of
//! it ([`trace`]). A model of several inputs, or of whole numbers, is written by a [`Program`].

mod message;
mod trace;

use std::path::{Path, PathBuf};

use downhill_nn::{Attribute, Constant, Export, Module, Numbers};
use downhill_tensor::{Element, Tensor, without_recording};
use downhill_train::replace_file;
use message::{Length, Shape};
use prost::Message;
pub use trace::trace;

/// The version of the operators, and of the format that goes with it.
const OPERATORS: i64 = 21;
const FORMAT: i64 = 10;
/// What a message of protocol buffers may have at most.
const MOST_BYTES: usize = (1 << 31) - 1;

/// Why a model was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A layer that other programs know nothing of.
    #[error(transparent)]
    Layer(#[from] downhill_nn::Error),

    /// An operation that other programs know nothing of.
    #[error("the operation `{operation}` has no counterpart in ONNX")]
    Operation {
        /// What it is called.
        operation: String,
    },

    /// A function that computes something else for other samples, or batches of another size.
    #[error(
        "{what} of the function changes with the sample, but not by operations on tensors: numbers \
         that are taken out of tensors, and choices that depend on them, cannot be traced"
    )]
    Untraceable {
        /// What differs from sample to sample.
        what: String,
    },

    /// A file that could not be written.
    #[error(transparent)]
    File(#[from] downhill_train::Error),

    /// A model that is too large for the format.
    #[error("{}: the model takes {bytes} bytes, and an ONNX file holds 2³¹ − 1", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size of the model.
        bytes: usize,
    },
}

/// The length of an axis: a number, or a name for what may be any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axis {
    /// Always the same.
    Fixed(usize),
    /// Any, and the same for all axes of the name.
    Named(String),
}

impl From<usize> for Axis {
    fn from(length: usize) -> Self {
        Self::Fixed(length)
    }
}

impl From<&str> for Axis {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

/// Writes what a model [evaluates](Module::evaluate), whole or not at all. Its input is called
/// `input` and has a first axis `batch` of any length, and after it `axes`; its output is called
/// `output`. A model with a layer that does not say how it is written is [traced](trace).
///
/// # Errors
///
/// [`Error::Layer`] if a layer has no counterpart in ONNX, [`Error::File`] if the file cannot be
/// written, [`Error::TooLarge`] for a model of 2 GiB.
pub fn save<E: Element>(
    model: &(impl Module<E> + ?Sized),
    axes: &[Axis],
    path: impl AsRef<Path>,
) -> Result<(), Error> {
    let axes: Vec<Axis> = std::iter::once("batch".into()).chain(axes.iter().cloned()).collect();
    let mut program = Program::new();
    let input = program.input::<E>("input", &axes);
    let output = model.export(input, program.export())?;
    program.output::<E>("output", &output, &output_axes(model, &axes));
    program.save(path)
}

/// The axes of a model's output: those that change their length with an axis of the input have its
/// name, and those that do not are fixed.
fn output_axes<E: Element>(model: &(impl Module<E> + ?Sized), axes: &[Axis]) -> Vec<Axis> {
    // What one axis has in both trials no other has.
    let length = |axis: &Axis, trial: usize| match axis {
        Axis::Fixed(length) => *length,
        Axis::Named(name) => {
            let first = axes.iter().position(|other| matches!(other, Axis::Named(n) if n == name));
            2 * first.unwrap_or(0) + 2 + trial
        }
    };
    let shape = |trial| {
        let shape: Vec<usize> = axes.iter().map(|axis| length(axis, trial)).collect();
        without_recording(|| model.evaluate(&Tensor::zeros(&shape))).shape().to_vec()
    };
    let (first, second) = (shape(0), shape(1));
    let named = |lengths: (usize, usize)| {
        let same = |axis: &&Axis| (length(axis, 0), length(axis, 1)) == lengths;
        axes.iter().find(same).cloned()
    };
    let axis = |(index, lengths): (usize, (usize, usize))| match lengths {
        (one, other) if one == other => Axis::Fixed(one),
        // It depends on an axis of the input, but is another.
        lengths => named(lengths).unwrap_or_else(|| Axis::Named(format!("output_{index}"))),
    };
    first.into_iter().zip(second).enumerate().map(axis).collect()
}

/// A computation with inputs and outputs of your own.
///
/// ```
/// use downhill_nn::{Embedding, Linear, Module};
/// use downhill_onnx::Program;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.onnx");
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let (table, head): (Embedding, Linear) =
///     (Embedding::new(27, 8, &mut rng), Linear::new(8, 27, &mut rng));
///
/// let mut program = Program::new();
/// let tokens = program.integer_input("tokens", &["batch".into(), "time".into()]);
/// let export = program.export();
/// let vectors = export.scope("table", |export| table.export(&tokens, export));
/// let logits = export.scope("head", |export| head.export(vectors, export))?;
/// program.output::<f32>("logits", &logits, &["batch".into(), "time".into(), 27.into()]);
/// program.save(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Program {
    export: Export,
    inputs: Vec<message::Value>,
    outputs: Vec<message::Value>,
}

impl Program {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What layers write themselves into.
    pub fn export(&mut self) -> &mut Export {
        &mut self.export
    }

    /// An input of floating-point numbers; returns its name as a value.
    pub fn input<E: Element>(&mut self, name: &str, axes: &[Axis]) -> String {
        self.inputs.push(value(name, element::<E>(), axes));
        name.to_owned()
    }

    /// An input of whole numbers of 64 bits; returns its name as a value.
    pub fn integer_input(&mut self, name: &str, axes: &[Axis]) -> String {
        self.inputs.push(value(name, INTEGER, axes));
        name.to_owned()
    }

    /// An input of booleans, such as the padding of [`SelfAttention::export_padded`]; returns its
    /// name as a value.
    ///
    /// [`SelfAttention::export_padded`]: downhill_nn::SelfAttention::export_padded
    pub fn boolean_input(&mut self, name: &str, axes: &[Axis]) -> String {
        self.inputs.push(value(name, BOOLEAN, axes));
        name.to_owned()
    }

    /// Makes a value an output under a name, and says what axes it has.
    pub fn output<E: Element>(&mut self, name: &str, of: &str, axes: &[Axis]) {
        // A value keeps the name that it was given where it was computed.
        self.export.node_named("Identity", &[of], name);
        self.outputs.push(value(name, element::<E>(), axes));
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it cannot be written, [`Error::TooLarge`] for a model of 2 GiB.
    pub fn save(self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let graph = message::Graph {
            nodes: self.export.nodes().iter().enumerate().map(node).collect(),
            name: "downhill".to_owned(),
            initializers: self.export.constants().iter().map(tensor).collect(),
            inputs: self.inputs,
            outputs: self.outputs,
        };
        let model = message::Model {
            ir_version: FORMAT,
            producer_name: "downhill".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            operator_sets: vec![message::OperatorSet { domain: String::new(), version: OPERATORS }],
        };
        let bytes = model.encoded_len();
        if bytes > MOST_BYTES {
            return Err(Error::TooLarge { path: path.to_owned(), bytes });
        }
        Ok(replace_file(path, &model.encode_to_vec())?)
    }
}

const INTEGER: i32 = 7;
const BOOLEAN: i32 = 9;

fn element<E: Element>() -> i32 {
    if size_of::<E>() == 4 { 1 } else { 11 }
}

fn value(name: &str, element: i32, axes: &[Axis]) -> message::Value {
    let length = |axis: &Axis| match axis {
        Axis::Fixed(length) => Length::Fixed(*length as i64),
        Axis::Named(name) => Length::Named(name.clone()),
    };
    let axis = |axis| message::Axis { length: Some(length(axis)) };
    let shape = Some(Shape { axes: axes.iter().map(axis).collect() });
    let tensor = Some(message::TensorType { element, shape });
    message::Value { name: name.to_owned(), of: Some(message::Type { tensor }) }
}

fn node((index, node): (usize, &downhill_nn::Node)) -> message::Node {
    message::Node {
        inputs: node.inputs.clone(),
        outputs: node.outputs.clone(),
        name: format!("{}:{}:{index}", node.part, node.operator),
        operator: node.operator.to_owned(),
        attributes: node.attributes.iter().map(attribute).collect(),
    }
}

fn attribute((name, attribute): &(&'static str, Attribute)) -> message::Attribute {
    let mut message = message::Attribute { name: (*name).to_owned(), ..Default::default() };
    match attribute {
        Attribute::Number(number) => (message.kind, message.number) = (1, Some(*number)),
        Attribute::Integer(integer) => (message.kind, message.integer) = (2, Some(*integer)),
        Attribute::Text(text) => {
            (message.kind, message.text) = (3, Some(text.as_bytes().to_vec()));
        }
        Attribute::Integers(integers) => (message.kind, message.integers) = (7, integers.clone()),
    }
    message
}

fn tensor(constant: &Constant) -> message::Tensor {
    let (element, bytes) = match &constant.values {
        Numbers::F32(values) => (1, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Numbers::F64(values) => (11, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Numbers::I64(values) => {
            (INTEGER, values.iter().flat_map(|value| value.to_le_bytes()).collect())
        }
        Numbers::Bool(values) => (BOOLEAN, values.iter().map(|&value| value.into()).collect()),
    };
    message::Tensor {
        shape: constant.shape.iter().map(|&length| length as i64).collect(),
        element,
        name: constant.name.clone(),
        bytes,
    }
}

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
