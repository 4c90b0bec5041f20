//! Functions of tensors, written by what was recorded of them.

use std::collections::{BTreeMap, HashMap};

use downhill_nn::{Attribute, Constant, Export, Numbers};
use downhill_tensor::{Element, Operation, Tensor, with_recording};
use ndarray::{ArrayViewD, Axis as ArrayAxis, Slice};

use crate::{Axis, Error, Program};

/// The name of the input.
const INPUT: &str = "input";

/// Writes down a function, by what it does to a sample: a batch of one or more inputs. The operations
/// that are recorded say how they are written; one that is computed in one pass and has no
/// counterpart is written by its definition. All that does not depend on the input becomes a
/// constant.
///
/// The program takes batches of any size, as its input `input`; its output is called `output`. The
/// function is called with three batches, of all rows of the sample, of the first and of the last, and
/// what differs must follow from the size of the batch. It should be one of use, without dropout.
///
/// ```
/// use downhill_nn::{Linear, Module};
/// use downhill_tensor::Tensor;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.onnx");
/// let linear: Linear = Linear::new(4, 3, &mut Xoshiro256PlusPlus::seed_from_u64(7));
/// let probabilities = |x: &Tensor| linear.forward(&(x * 0.1)).softmax(-1);
/// downhill_onnx::trace(&Tensor::ones(&[2, 4]), probabilities)?.save(&path)?;
///
/// let error = downhill_onnx::trace(&Tensor::ones(&[2, 4]), |x: &Tensor| x.exp_m1()).unwrap_err();
/// assert_eq!(error.to_string(), "the operation `exp_m1` has no counterpart in ONNX");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`Error::Operation`] for an operation without a counterpart; [`Error::Untraceable`] if the output
/// does not depend on the input, or something changes from batch to batch that no operation has
/// computed: a mask, a choice, a number that was taken out of a tensor. One that is the same for all
/// rows of the sample cannot be told from a constant; so the sample should hold rows that differ.
///
/// # Panics
///
/// If the sample has no first axis or no row, and where the function does.
#[track_caller]
pub fn trace<E: Element>(
    sample: &Tensor<E>,
    function: impl Fn(&Tensor<E>) -> Tensor<E>,
) -> Result<Program, Error> {
    let rows = sample.shape().first().copied().unwrap_or(0);
    assert!(rows > 0, "trace: the sample has shape {:?}; [N, …] is needed", sample.shape());
    // Of one row alone, so that all that was made of the rows' values is another number.
    let batches = [(0..rows).collect(), vec![0; rows + 1], vec![rows - 1; rows + 3]];
    let sizes = batches.each_ref().map(|batch| batch.len() as i64);
    let traced = |batch: &Vec<usize>| Trace::of(&sample.select_rows(batch), &function);
    let [first, second, third] = batches.each_ref().map(traced);
    let merged = Merged { sizes, export: Export::new() };
    merged.program::<E>(&sample.shape()[1..], [first?, second?, third?])
}

/// What the function does to one batch.
struct Trace {
    export: Export,
    output: String,
    shape: Vec<usize>,
}

impl Trace {
    fn of<E: Element>(
        batch: &Tensor<E>,
        function: impl Fn(&Tensor<E>) -> Tensor<E>,
    ) -> Result<Self, Error> {
        let input = Tensor::parameter(batch);
        let output = with_recording(true, || function(&input));
        let names = HashMap::from([(input.id(), INPUT.to_owned())]);
        let mut writer = Writer { names, constants: HashMap::new(), export: Export::new() };
        let name = writer.write(&output)?;
        if !writer.names.contains_key(&output.id()) {
            return Err(Error::Untraceable { what: "the output".to_owned() });
        }
        Ok(Self { export: writer.export, output: name, shape: output.shape().to_vec() })
    }
}

struct Writer<E: Element> {
    /// Of the tensors that depend on the input, by their identity.
    names: HashMap<u64, String>,
    /// The others, by identity and place in memory, which they keep as long as they are held.
    constants: HashMap<(u64, usize), (Tensor<E>, String)>,
    export: Export,
}

impl<E: Element> Writer<E> {
    /// Writes what the output is computed by, as far as it has not been, and returns its name.
    fn write(&mut self, output: &Tensor<E>) -> Result<String, Error> {
        // An operation's output is younger than its inputs.
        let (mut waiting, mut oldest_first) = (vec![output.clone()], BTreeMap::new());
        while let Some(tensor) = waiting.pop() {
            if !self.names.contains_key(&tensor.id()) && !oldest_first.contains_key(&tensor.id()) {
                let inputs = tensor.operation().map_or(&[][..], Operation::inputs);
                waiting.extend(inputs.iter().cloned());
                oldest_first.insert(tensor.id(), tensor);
            }
        }
        for (id, tensor) in oldest_first {
            let Some(operation) = tensor.operation() else { continue };
            let inputs = operation.inputs();
            if !inputs.iter().any(|input| self.names.contains_key(&input.id())) {
                continue;
            }
            let inputs: Vec<String> = inputs.iter().map(|input| self.name(input)).collect();
            let names: Vec<&str> = inputs.iter().map(String::as_str).collect();
            let name = match operation.export(&names, &tensor, &mut self.export) {
                Some(name) => name,
                None => match with_recording(true, || operation.definition()) {
                    Some(definition) => self.write(&definition)?,
                    None => {
                        return Err(Error::Operation { operation: operation.name().to_owned() });
                    }
                },
            };
            self.names.insert(id, name);
        }
        Ok(self.name(output))
    }

    fn name(&mut self, tensor: &Tensor<E>) -> String {
        if let Some(name) = self.names.get(&tensor.id()) {
            return name.clone();
        }
        let key = (tensor.id(), tensor.array().as_ptr() as usize);
        if let Some((held, name)) = self.constants.get(&key)
            && held.shape() == tensor.shape()
        {
            return name.clone();
        }
        let name = self.export.array("constant", tensor.shape(), &tensor.values());
        self.constants.insert(key, (tensor.clone(), name.clone()));
        name
    }
}

/// A number that is `slope` · size + `offset` for batches of any size.
#[derive(Clone, Copy)]
struct Affine {
    slope: i64,
    offset: i64,
}

/// What was written for batches of three sizes, on the way to one program for any size.
struct Merged {
    sizes: [i64; 3],
    export: Export,
}

impl Merged {
    fn program<E: Element>(
        mut self,
        lengths: &[usize],
        traces: [Trace; 3],
    ) -> Result<Program, Error> {
        let untraceable = |what: &str| Error::Untraceable { what: what.to_owned() };
        let [(output, shape), (_, second), (_, third)] =
            traces.each_ref().map(|trace| (trace.output.clone(), trace.shape.clone()));
        let [(nodes, first), others @ ..] = traces.map(|trace| trace.export.into_parts());
        for (other, _) in &others {
            if let Some((node, _)) = nodes.iter().zip(other).find(|(one, other)| one != other) {
                return Err(untraceable(node.operator));
            }
            if nodes.len() != other.len() {
                return Err(untraceable("the number of operators"));
            }
        }
        let [seconds, thirds] = others.map(|(_, constants)| constants);
        for ((first, second), third) in first.into_iter().zip(seconds).zip(thirds) {
            let name = first.name.clone();
            self.constant([first, second, third]).ok_or_else(|| {
                let used = nodes.iter().find(|node| node.inputs.contains(&name));
                untraceable(&format!("a constant for {}", used.map_or("", |node| node.operator)))
            })?;
        }
        self.export.extend([], nodes);
        let axis = |axis: usize| {
            let lengths = [shape.get(axis)?, second.get(axis)?, third.get(axis)?];
            Some(match self.affine(lengths.map(|&length| length))? {
                Affine { slope: 0, offset } => (offset as usize).into(),
                Affine { slope: 1, offset: 0 } => "batch".into(),
                _ => Axis::Named(format!("output_{axis}")),
            })
        };
        let output_axes: Option<Vec<Axis>> = (0..shape.len()).map(axis).collect();
        let output_axes = output_axes.ok_or_else(|| untraceable("the shape of the output"))?;
        let mut program = Program { export: self.export, ..Program::new() };
        let fixed = lengths.iter().map(|&length| length.into());
        let axes: Vec<Axis> = std::iter::once("batch".into()).chain(fixed).collect();
        program.input::<E>(INPUT, &axes);
        program.output::<E>("output", &output, &output_axes);
        Ok(program)
    }

    /// Writes one constant in place of those of the three batches, if they are the same or follow from
    /// the size of the batch.
    fn constant(&mut self, constants: [Constant; 3]) -> Option<()> {
        let [first, second, third] = &constants;
        if first == second && first == third {
            let [constant, ..] = constants;
            self.export.extend([constant], []);
            return Some(());
        }
        if first.shape == second.shape && first.shape == third.shape {
            let [Numbers::I64(first), Numbers::I64(second), Numbers::I64(third)] =
                constants.each_ref().map(|constant| &constant.values)
            else {
                return None;
            };
            let numbers = first.iter().zip(second).zip(third);
            let numbers: Option<Vec<Affine>> =
                numbers.map(|((&a, &b), &c)| self.affine([a, b, c])).collect();
            self.vector(&numbers?, Some(&constants[0].name));
            return Some(());
        }
        let shapes = first.shape.iter().zip(&second.shape).zip(&third.shape);
        let lengths: Option<Vec<Affine>> =
            shapes.map(|((&a, &b), &c)| self.affine([a, b, c])).collect();
        let lengths = lengths?;
        let repeated: Vec<usize> =
            (0..lengths.len()).filter(|&axis| lengths[axis].slope != 0).collect();
        let [once, others @ ..] =
            constants.each_ref().map(|constant| without_repetition(constant, &repeated));
        let once = once?;
        if others.iter().any(|other| other.as_ref() != Some(&once)) {
            return None;
        }
        let (name, shape) = (&constants[0].name, self.vector(&lengths, None));
        let part = Constant { name: format!("batch.{name}"), ..once };
        self.export.node_named("Expand", &[&part.name, &shape], name);
        self.export.extend([part], []);
        Some(())
    }

    fn affine<T: TryInto<i64>>(&self, values: [T; 3]) -> Option<Affine> {
        let [first, second, third] = values.map(|value| value.try_into().ok());
        let (first, second, third) = (first?, second?, third?);
        let slope = second.checked_sub(first)?.checked_div(self.sizes[1] - self.sizes[0])?;
        let at = |size: i64| slope.checked_mul(size - self.sizes[0])?.checked_add(first);
        let fits = at(self.sizes[1]) == Some(second) && at(self.sizes[2]) == Some(third);
        let offset = first.checked_sub(slope.checked_mul(self.sizes[0])?)?;
        fits.then_some(Affine { slope, offset })
    }

    /// Writes how numbers are computed from the size of the batch, and returns their name.
    fn vector(&mut self, numbers: &[Affine], name: Option<&str>) -> String {
        self.export.scope("batch", |export| {
            let first = vec![("start", Attribute::Integer(0)), ("end", Attribute::Integer(1))];
            let size = export.node("Shape", &[INPUT], first);
            let slopes: Vec<i64> = numbers.iter().map(|number| number.slope).collect();
            let offsets: Vec<i64> = numbers.iter().map(|number| number.offset).collect();
            let slopes = export.integers("slopes", &slopes);
            let offsets = export.integers("offsets", &offsets);
            let products = export.node("Mul", &[&size, &slopes], vec![]);
            match name {
                None => export.node("Add", &[&products, &offsets], vec![]),
                Some(name) => {
                    export.node_named("Add", &[&products, &offsets], name);
                    name.to_owned()
                }
            }
        })
    }
}

/// A constant with length 1 along some axes, if it is the same all along them.
fn without_repetition(constant: &Constant, axes: &[usize]) -> Option<Constant> {
    fn once<T: Clone + PartialEq>(
        shape: &[usize],
        values: &[T],
        axes: &[usize],
    ) -> Option<(Vec<usize>, Vec<T>)> {
        let whole = ArrayViewD::from_shape(shape, values).ok()?;
        let mut once = whole.clone();
        for &axis in axes {
            if shape[axis] == 0 {
                return None;
            }
            once.slice_axis_inplace(ArrayAxis(axis), Slice::from(0..1));
        }
        (once.broadcast(shape)? == whole)
            .then(|| (once.shape().to_vec(), once.iter().cloned().collect()))
    }
    let shape = &constant.shape[..];
    let (shape, values) = match &constant.values {
        Numbers::F32(values) => {
            once(shape, values, axes).map(|(shape, values)| (shape, Numbers::F32(values)))
        }
        Numbers::F64(values) => {
            once(shape, values, axes).map(|(shape, values)| (shape, Numbers::F64(values)))
        }
        Numbers::I64(values) => {
            once(shape, values, axes).map(|(shape, values)| (shape, Numbers::I64(values)))
        }
        Numbers::Bool(values) => {
            once(shape, values, axes).map(|(shape, values)| (shape, Numbers::Bool(values)))
        }
    }?;
    Some(Constant { name: constant.name.clone(), shape, values })
}
