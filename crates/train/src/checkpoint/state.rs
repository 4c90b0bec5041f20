//! What a run consists of.

use std::any::Any;
use std::collections::BTreeMap;

use downhill_nn::{Layout, assign};
use downhill_tensor::{Element, Parameters, Path, Tensor};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::memory::{Remembered, Remembers};
use crate::error::Error;
use crate::model_file::{Data, FileEntry, TensorFile, entries, to_bytes};

/// All that a run goes on with, borrowed for the moment of saving or taking it back;
/// [`state!`](crate::state) writes it.
///
/// ```
/// use downhill_optim::Sgd;
/// use downhill_tensor::Tensor;
/// use downhill_train::State;
///
/// let mut weight = Tensor::parameter([1.0_f32]);
/// let mut optimizer: Sgd = Sgd::new(0.1);
/// let mut best_loss = f64::INFINITY;
/// let state = State::new("weight", &mut weight)
///     .memory("optimizer", &mut optimizer)
///     .value("best_loss", &mut best_loss);
/// ```
pub struct State<'a, E: Element = f32> {
    parts: Vec<(&'a str, Part<'a, E>)>,
}

enum Part<'a, E: Element> {
    Model(&'a mut dyn Parameters<E>),
    /// Of the model before it.
    Memory(&'a mut dyn Remembers<E>),
    Value(&'a mut dyn Value),
}

/// The [`State`] of a model, of what remembers something of it, and of other values, each called
/// as its variable: `state!(model; optimizer, average; rng, position, best_loss)`.
#[macro_export]
macro_rules! state {
    ($model:ident; $($memory:ident),*; $($value:ident),* $(,)?) => {
        $crate::State::new(stringify!($model), &mut $model)
            $(.memory(stringify!($memory), &mut $memory))*
            $(.value(stringify!($value), &mut $value))*
    };
}

impl<'a, E: Element> State<'a, E> {
    /// A model, or anything else that holds tensors.
    pub fn new(name: &'a str, model: &'a mut dyn Parameters<E>) -> Self {
        Self { parts: vec![(name, Part::Model(model))] }
    }

    /// With one more model; memories that follow are of this one.
    ///
    /// # Panics
    ///
    /// If there is a part of this name.
    #[must_use]
    #[track_caller]
    pub fn model(self, name: &'a str, model: &'a mut dyn Parameters<E>) -> Self {
        self.with(name, Part::Model(model))
    }

    /// With something that remembers of the model: an optimizer, an average of the weights, a
    /// history.
    ///
    /// # Panics
    ///
    /// If there is a part of this name.
    #[must_use]
    #[track_caller]
    pub fn memory(self, name: &'a str, memory: &'a mut dyn Remembers<E>) -> Self {
        self.with(name, Part::Memory(memory))
    }

    /// With any value: a random generator, a [`Position`](crate::Position), a count, a sum. It is
    /// taken back exactly, infinities and NaN included.
    ///
    /// # Panics
    ///
    /// If there is a part of this name.
    #[must_use]
    #[track_caller]
    pub fn value<T>(self, name: &'a str, value: &'a mut T) -> Self
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        self.with(name, Part::Value(value))
    }

    #[track_caller]
    fn with(mut self, name: &'a str, part: Part<'a, E>) -> Self {
        assert!(
            self.parts.iter().all(|(other, _)| *other != name),
            "State: there are two parts `{name}`"
        );
        self.parts.push((name, part));
        self
    }

    /// The state as bytes, in the format of a checkpoint: for another process that takes it over
    /// ([`set_bytes`](Self::set_bytes)).
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] if a parameter is NaN or infinite, and [`Error::Remember`] if what
    /// should remember something of the model does of another.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    /// use downhill_train::state;
    ///
    /// let (mut weight, mut count) = (Tensor::parameter([1.0_f32, -2.0]), 3);
    /// let bytes = state!(weight;; count).to_bytes()?;
    ///
    /// (weight, count) = (Tensor::parameter([0.0, 0.0]), 0);
    /// state!(weight;; count).set_bytes("what was sent", bytes)?;
    /// assert_eq!((weight.to_vec(), count), (vec![1.0, -2.0], 3));
    /// # Ok::<(), downhill_train::Error>(())
    /// ```
    #[inline(never)]
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(to_bytes(&self.entries()?))
    }

    /// Takes over the state of another process, or leaves everything as it is. `source` says in
    /// errors where the bytes are from.
    ///
    /// # Errors
    ///
    /// If they are not whole, or the state of another model, optimizer or loop.
    #[inline(never)]
    pub fn set_bytes(&mut self, source: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.restore(&TensorFile::from_bytes(source.as_ref(), bytes)?.own()?)
    }

    /// The name and shape of each tensor of the models.
    pub fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        for (name, part) in &self.parts {
            if let Part::Model(model) = part {
                model.visit(Path::ROOT, &mut |path, tensor| {
                    all.push((format!("{name}.{path}"), tensor.shape().to_vec()));
                });
            }
        }
        all
    }

    /// What is written.
    pub(super) fn entries(&self) -> Result<Vec<(String, Data<E>)>, Error> {
        let mut all = Vec::new();
        let mut model: Option<&dyn Parameters<E>> = None;
        for (name, part) in &self.parts {
            match part {
                Part::Model(part) => {
                    all.extend(entries(&**part, &format!("{name}."))?);
                    model = Some(&**part);
                }
                Part::Memory(memory) => {
                    let model = model.expect("a state begins with a model");
                    let remembered = memory.remember(model);
                    let remembered = remembered
                        .map_err(|problem| Error::Remember { part: (*name).to_owned(), problem })?;
                    all.extend(remembered.into_iter().map(|(of, remembered)| {
                        let data = match remembered {
                            Remembered::Tensor(tensor) => Data::Tensor(tensor),
                            Remembered::Number(number) => Data::Number(number),
                            Remembered::Bytes(bytes) => Data::Bytes(bytes),
                        };
                        (format!("{name}.{of}"), data)
                    }));
                }
                Part::Value(value) => all.push(((*name).to_owned(), Data::Bytes(value.encode()))),
            }
        }
        Ok(all)
    }

    /// Takes back what was written, or leaves everything as it is.
    #[inline(never)]
    pub(super) fn restore(&mut self, file: &TensorFile) -> Result<(), Error> {
        let mut sorted = self.sort(file)?;
        let mut values = Vec::new();
        for ((name, part), entries) in self.parts.iter().zip(&sorted) {
            if let Part::Value(value) = part {
                let entry = entries.first().map(|(_, entry)| entry);
                let entry = entry.ok_or_else(|| lacks(file, name))?;
                let decoded = value.decode(&entry.bytes()?);
                values.push(decoded.map_err(|problem| {
                    entry.refuse(format!("is not what this run counts: {problem}"))
                })?);
            }
        }
        let mut undo: Vec<Undo<E>> = Vec::new();
        let mut outcome = Ok(());
        let mut before: &mut [(&str, Part<'_, E>)] = &mut self.parts;
        let mut model: Option<&mut dyn Parameters<E>> = None;
        for entries in &mut sorted {
            let Some(((name, part), rest)) = before.split_first_mut() else { break };
            before = rest;
            match part {
                Part::Model(part) => {
                    undo.push(Undo::Model(part.named().into_iter().map(|(_, t)| t).collect()));
                    outcome = set_model(file, &mut **part, std::mem::take(entries));
                    model = Some(&mut **part);
                }
                Part::Memory(memory) => {
                    let model = &**model.as_mut().expect("a state begins with a model");
                    let refuse = |problem| Error::State {
                        path: file.path().to_owned(),
                        part: (*name).to_owned(),
                        problem,
                    };
                    outcome = memory.remember(model).map_err(refuse).and_then(|before| {
                        undo.push(Undo::Memory(before));
                        memory.recall(model, remembered(entries)?).map_err(refuse)
                    });
                }
                Part::Value(_) => undo.push(Undo::Nothing),
            }
            if outcome.is_err() {
                break;
            }
        }
        match outcome {
            Ok(()) => self.set_values(values),
            Err(_) => self.undo(undo),
        }
        outcome
    }

    /// The entries of each part, without its name. All must be of a part.
    fn sort<'f>(&self, file: &'f TensorFile) -> Result<Vec<Entries<'f>>, Error> {
        let mut sorted = vec![Vec::new(); self.parts.len()];
        for name in file.names() {
            let entry = file.entry(name).expect("the file has the names it lists");
            let place = self.parts.iter().position(|(part, kind)| match kind {
                Part::Value(_) => name == *part,
                _ => name.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')),
            });
            let Some(place) = place else {
                return Err(entry.refuse("is of no part of this run's state".to_owned()));
            };
            let own = name.get(self.parts[place].0.len() + 1..).unwrap_or_default();
            sorted[place].push((own.to_owned(), entry));
        }
        Ok(sorted)
    }

    fn set_values(&mut self, values: Vec<Box<dyn Any>>) {
        let mut values = values.into_iter();
        for (_, part) in &mut self.parts {
            if let Part::Value(value) = part {
                value.set(values.next().expect("every value was decoded"));
            }
        }
    }

    fn undo(&mut self, undo: Vec<Undo<E>>) {
        let mut model: Option<&mut dyn Parameters<E>> = None;
        for ((_, part), undo) in self.parts.iter_mut().zip(undo) {
            match (part, undo) {
                (Part::Model(part), Undo::Model(tensors)) => {
                    let mut tensors = tensors.into_iter();
                    part.visit_mut(Path::ROOT, &mut |_, tensor| {
                        *tensor = tensors.next().expect("the model has the tensors it had");
                    });
                    model = Some(&mut **part);
                }
                (Part::Memory(memory), Undo::Memory(remembered)) => {
                    let model = &**model.as_mut().expect("a state begins with a model");
                    let taken_back = memory.recall(model, remembered.into_iter().collect());
                    taken_back.expect("what was just remembered can be recalled");
                }
                _ => {}
            }
        }
    }
}

type Entries<'f> = Vec<(String, FileEntry<'f>)>;

/// How a part was.
enum Undo<E: Element> {
    Model(Vec<Tensor<E>>),
    Memory(Vec<(String, Remembered<E>)>),
    Nothing,
}

fn lacks(file: &TensorFile, part: &str) -> Error {
    Error::State {
        path: file.path().to_owned(),
        part: part.to_owned(),
        problem: "it was not saved".to_owned(),
    }
}

fn set_model<E: Element>(
    file: &TensorFile,
    model: &mut dyn Parameters<E>,
    entries: Entries<'_>,
) -> Result<(), Error> {
    entries.iter().try_for_each(|(_, entry)| entry.check_type())?;
    assign(model, Layout::Downhill, entries, str::to_owned).map_err(|misfit| misfit.of(file.path()))
}

fn remembered<E: Element>(entries: &Entries<'_>) -> Result<BTreeMap<String, Remembered<E>>, Error> {
    let one = |(name, entry): &(String, FileEntry<'_>)| {
        let remembered = match entry.number()? {
            Some(number) => Remembered::Number(number),
            None if entry.holds_bytes() => Remembered::Bytes(entry.bytes()?),
            None => Remembered::Tensor(entry.tensor(false)?),
        };
        Ok((name.clone(), remembered))
    };
    entries.iter().map(one).collect()
}

/// A value of any type.
trait Value {
    fn encode(&self) -> Vec<u8>;
    fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Any>, String>;
    fn set(&mut self, decoded: Box<dyn Any>);
}

impl<T: Serialize + DeserializeOwned + 'static> Value for T {
    fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec_named(self).expect("a value that can be serialized")
    }

    fn decode(&self, bytes: &[u8]) -> Result<Box<dyn Any>, String> {
        let value: T = rmp_serde::from_slice(bytes).map_err(|error| error.to_string())?;
        Ok(Box::new(value))
    }

    fn set(&mut self, decoded: Box<dyn Any>) {
        *self = *decoded.downcast().expect("a value is decoded as its own type");
    }
}
