//! A model in a file.

mod checksum;
mod entry;
mod numbers;
mod source;
mod tensor_file;
mod whole;

use std::collections::BTreeMap;
use std::path::Path;

use downhill_kernels::all_finite;
use downhill_nn::{Layout, assign};
use downhill_tensor::{self as tensor, Element, Parameters};

use crate::error::Error;
pub(crate) use entry::FileEntry;
pub(crate) use tensor_file::{Data, TensorFile, WRITER, to_bytes, write};
pub(crate) use whole::UNFINISHED;
pub use whole::replace_file;

/// What layers call their tensors here, and no layer of PyTorch's.
const OWN_NAMES: [&str; 2] = ["running_variance", "vectors"];

/// Writes the tensors of a model to a file, whole or not at all, in the format
/// [safetensors](https://github.com/huggingface/safetensors): parameters and buffers, such as
/// running averages, under their names. [`load`] reads it, and so does
/// `safetensors.torch.load_file` in Python.
///
/// ```
/// use downhill_nn::Mlp;
/// use downhill_tensor::Tensor;
/// use downhill_train::{load, save};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let model: Mlp = Mlp::new(&[2, 3, 1], &mut rng);
/// save(&model, &path)?;
///
/// let mut loaded = Mlp::new(&[2, 3, 1], &mut rng);
/// load(&mut loaded, &path)?;
/// let x = Tensor::from([[1.0, 2.0]]);
/// assert_eq!(loaded.forward(&x).to_vec(), model.forward(&x).to_vec());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The file is written beside `path` and takes its place once it is safe on the disk: whatever
/// happens, there is the old file or the new one.
///
/// A matrix called `weight` is `[inputs, outputs]` here, and `torch.nn.Linear` has its transpose. The
/// state dict of a module of PyTorch with layers of the same names is, in Python,
///
/// ```python
/// state = {k: v.T if v.ndim == 2 and k.endswith("weight") else v for k, v in load_file(path).items()}
/// ```
///
/// and [`downhill_nn::load_pytorch_state_dict`] lists the layers whose tensors are called otherwise
/// there.
///
/// # Errors
///
/// [`Error::NotFinite`] if a parameter holds NaN or an infinity, or another tensor holds NaN;
/// [`Error::Write`] if the file cannot be written. What was at `path` is then still there.
pub fn save<E: Element>(
    model: &(impl Parameters<E> + ?Sized),
    path: impl AsRef<Path>,
) -> Result<(), Error> {
    save_with_notes(model, &[], path)
}

/// [`save`], with notes of any kind about the model, each under a name: what its features and
/// classes are called, how it is built. [`ModelFile::note`] reads them.
///
/// # Errors
///
/// As [`save`].
///
/// # Panics
///
/// If a note is called `checksum` or `format_version`, which are the file's own.
#[inline(never)]
#[track_caller]
pub fn save_with_notes<E: Element>(
    model: &(impl Parameters<E> + ?Sized),
    notes: &[(&str, String)],
    path: impl AsRef<Path>,
) -> Result<(), Error> {
    let mut all = BTreeMap::from([
        (WRITER.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ("model".to_owned(), downhill_nn::Description::new("Model").tensors(model).to_string()),
    ]);
    for (name, note) in notes {
        assert!(
            !["checksum", "format_version"].contains(name),
            "save_with_notes: the note {name} is the file's own"
        );
        all.insert((*name).to_owned(), note.clone());
    }
    let entries = entries(model, "")?;
    write(path.as_ref(), &all, &entries)
}

/// The tensors of a model, which are worth being kept, under their names.
#[inline(never)]
pub(crate) fn entries<E: Element>(
    model: &(impl Parameters<E> + ?Sized),
    prefix: &str,
) -> Result<Vec<(String, Data<E>)>, Error> {
    let (mut entries, mut fault) = (Vec::new(), None);
    model.visit(tensor::Path::ROOT, &mut |path, tensor| {
        let values = tensor.values();
        let spoils = |value: &&E| value.is_nan() || (tensor.is_parameter() && value.is_infinite());
        if !all_finite(&values)
            && let Some(value) = values.iter().find(spoils)
        {
            fault.get_or_insert((path.to_string(), value.as_f64()));
        }
        entries.push((format!("{prefix}{path}"), Data::Tensor(tensor.clone())));
    });
    match fault {
        None => Ok(entries),
        Some((name, value)) => Err(Error::NotFinite { name, value }),
    }
}

/// Sets the tensors of a model to those of a file: one that [`save`] wrote, or a state dict of
/// the same module in PyTorch, whose names and layouts [`downhill_nn::load_pytorch_state_dict`]
/// translates.
///
/// ```python
/// safetensors.torch.save_file(module.state_dict(), "module.safetensors")                    # a module
/// safetensors.torch.save_file(torch.load("module.pt", weights_only=True), "module.safetensors")  # a file
/// ```
///
/// A file without the notes that [`save`] writes counts as PyTorch's, whoever wrote it: a program that
/// writes a model of ours anew has to transpose its matrices. That it has not done so cannot be told by
/// a square one; a file with names that only this library has is refused.
///
/// Numbers of 16, 32 or 64 bits become the model's, rounded where they are wider. Everything is
/// checked before anything is changed.
///
/// # Errors
///
/// If the file cannot be read, is no safetensors file, is damaged or of a newer format; if it
/// lacks a tensor of the model, has one that the model has not, or one of another shape; if a
/// value is NaN, or a parameter's infinite. The model is then as it was.
#[inline(never)]
pub fn load<E: Element>(
    model: &mut (impl Parameters<E> + ?Sized),
    path: impl AsRef<Path>,
) -> Result<(), Error> {
    let mut file = TensorFile::open(path.as_ref())?;
    if file.is_empty() {
        file = file.verified()?;
    }
    // Each value is read once, and the checksum computed as it passes. What else is wrong with a
    // damaged file follows from that.
    let file = ModelFile(file);
    file.load(model).map_err(|error| file.0.verify().err().unwrap_or(error))
}

/// A model's file that has been read: its tensors, and the notes about them.
///
/// ```
/// use downhill_nn::Linear;
/// use downhill_train::{ModelFile, save_with_notes};
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
/// let model: Linear = Linear::new(4, 3, &mut rng);
/// save_with_notes(&model, &[("classes", "setosa versicolor virginica".to_owned())], &path)?;
///
/// let file = ModelFile::open(&path)?;
/// let classes = file.note("classes").map_or(0, |note| note.split(' ').count());
/// assert_eq!(file.names().collect::<Vec<_>>(), ["bias", "weight"]);
/// let mut loaded: Linear = Linear::new(4, classes, &mut rng);
/// file.load(&mut loaded)?;
/// assert_eq!(loaded.weight.to_vec(), model.weight.to_vec());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ModelFile(TensorFile);

impl ModelFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is no safetensors file, is damaged or of a newer format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self(TensorFile::read(path.as_ref())?))
    }

    /// The note under `name`, if there is one.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.0.notes().get(name).map(String::as_str)
    }

    /// The names of the tensors, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.names()
    }

    /// The shape of the tensor under `name`, if there is one.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.0.entry(name).map(|entry| entry.shape().to_vec())
    }

    /// Sets the tensors of a model to those of the file, as [`load`] does.
    ///
    /// # Errors
    ///
    /// Those of [`load`] about the tensors.
    #[inline(never)]
    pub fn load<E: Element>(&self, model: &mut (impl Parameters<E> + ?Sized)) -> Result<(), Error> {
        let is_own = |name: &str| OWN_NAMES.contains(&name.rsplit('.').next().unwrap_or_default());
        let own = self.names().find(|name| !self.0.is_ours() && is_own(name));
        if let Some(entry) = own.and_then(|name| self.0.entry(name)) {
            return Err(entry.refuse(
                "has a name that PyTorch does not give, and the file lacks the notes that tell how \
                 its matrices lie; `ModelFile::load_renamed` takes them to lie as PyTorch's"
                    .to_owned(),
            ));
        }
        self.load_renamed(model, str::to_owned)
    }

    /// [`load`](Self::load), for a file with other names: `rename` gives the model's name for each
    /// of the file's, as in `|name| name.replace("fc1.", "hidden.")`. In a file of this library
    /// matrices lie as here, and in any other as in PyTorch.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    #[inline(never)]
    pub fn load_renamed<E: Element>(
        &self,
        model: &mut (impl Parameters<E> + ?Sized),
        rename: impl Fn(&str) -> String,
    ) -> Result<(), Error> {
        let layout = if self.0.is_ours() { Layout::Downhill } else { Layout::PyTorch };
        let names = self.names().filter(|name| !is_counter(layout, name));
        let entries: Vec<(String, FileEntry<'_>)> =
            names.filter_map(|name| Some((name.to_owned(), self.0.entry(name)?))).collect();
        entries.iter().try_for_each(|(_, entry)| entry.check_type())?;
        assign(model, layout, entries, rename).map_err(|misfit| misfit.of(self.0.path()))
    }
}

/// Whether an entry counts batches, which is of no use here, and is no floating-point number.
fn is_counter(layout: Layout, name: &str) -> bool {
    layout == Layout::PyTorch && name.ends_with("num_batches_tracked")
}

#[cfg(test)]
mod tests;
