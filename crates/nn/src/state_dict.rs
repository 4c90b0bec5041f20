//! Weights that were trained in PyTorch.

use std::collections::BTreeMap;

use downhill_tensor::{Element, Parameters, Path, Tensor};
use ndarray::ArrayD;

use crate::error::Error;

/// The names of tensors in PyTorch's layers, and in ours where they differ.
const NAMES: [(&str, &str); 18] = [
    ("in_proj_weight", "query_key_value.weight"),
    ("in_proj_bias", "query_key_value.bias"),
    ("out_proj.weight", "output.weight"),
    ("out_proj.bias", "output.bias"),
    ("weight_ih_l0", "input.weight"),
    ("bias_ih_l0", "input.bias"),
    ("weight_hh_l0", "state.weight"),
    ("bias_hh_l0", "state.bias"),
    ("weight_ih_l0", "forward.input.weight"),
    ("bias_ih_l0", "forward.input.bias"),
    ("weight_hh_l0", "forward.state.weight"),
    ("bias_hh_l0", "forward.state.bias"),
    ("weight_ih_l0_reverse", "backward.input.weight"),
    ("bias_ih_l0_reverse", "backward.input.bias"),
    ("weight_hh_l0_reverse", "backward.state.weight"),
    ("bias_hh_l0_reverse", "backward.state.bias"),
    ("running_var", "running_variance"),
    ("weight", "vectors"),
];

/// Sets the tensors of a model to those of the state dict of the same module in PyTorch.
///
/// `entries` are the names and tensors of the state dict, in any order, and `rename` gives the
/// model's name for each: it only has to see to what the program itself has named, such as
/// `fc1.weight` for `hidden.weight`. For what is inside of a layer, these names are changed by
/// themselves:
///
/// | layer | in PyTorch | here |
/// | --- | --- | --- |
/// | [`Embedding`](crate::Embedding) | `weight` | `vectors` |
/// | [`BatchNorm`](crate::BatchNorm) | `running_var` | `running_variance` |
/// | | `num_batches_tracked` | passed over |
/// | [`SelfAttention`](crate::SelfAttention) | `in_proj_weight`, `in_proj_bias` | `query_key_value.weight`, `query_key_value.bias` |
/// | | `out_proj.weight`, `out_proj.bias` | `output.weight`, `output.bias` |
/// | [`Gru`](crate::Gru), [`Lstm`](crate::Lstm) | `weight_ih_l0`, `bias_ih_l0` | `input.weight`, `input.bias` |
/// | | `weight_hh_l0`, `bias_hh_l0` | `state.weight`, `state.bias` |
/// | [`Bidirectional`](crate::Bidirectional) | the same | the same after `forward.` |
/// | | `weight_ih_l0_reverse` … | the same after `backward.` |
///
/// A matrix called `weight`, which belongs to a [`Linear`](crate::Linear) of ours, is transposed:
/// PyTorch stores `[outputs, inputs]`. All else is laid out alike. It takes arrays and no
/// [`Tensor`], since a square matrix of a model of ours would come back transposed: [`assign`]
/// sets what [`named`](downhill_tensor::Parameters::named) gives as it is.
///
/// A state dict holds no options: heads, strides, activations, masks and ε have to be those of the
/// module. [`RmsNorm`](crate::RmsNorm) has ε = 10⁻⁵, and `torch.nn.RMSNorm` by default the machine
/// epsilon of its numbers; [`TransformerBlock`](crate::TransformerBlock) is causal and normalises
/// first, and `torch.nn.TransformerEncoderLayer` by default does neither.
///
/// # Errors
///
/// [`Error::Missing`], [`Error::Unexpected`], [`Error::Repeated`] or [`Error::Shape`] if the
/// entries are not those of the model. The model is then as it was.
///
/// ```
/// use downhill_nn::{Linear, load_pytorch_state_dict};
/// use downhill_tensor::Tensor;
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut model = Linear::new(3, 1, &mut Xoshiro256PlusPlus::seed_from_u64(7));
/// let entries = [
///     ("fc.weight".to_string(), array![[1.0, 2.0, 3.0]].into_dyn()),
///     ("fc.bias".to_string(), array![10.0].into_dyn()),
/// ];
/// load_pytorch_state_dict(&mut model, entries, |name| name.replace("fc.", ""))?;
/// assert_eq!(model.forward(&Tensor::from([[1.0, 1.0, 1.0]])).item(), 16.0);
/// # Ok::<(), downhill_nn::Error>(())
/// ```
///
/// The tensors of a model do not pass for PyTorch's:
///
/// ```compile_fail
/// use downhill_nn::{Linear, load_pytorch_state_dict};
/// use downhill_tensor::Parameters;
/// use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
///
/// let mut model: Linear = Linear::new(2, 2, &mut Xoshiro256PlusPlus::seed_from_u64(7));
/// let own = model.named();
/// load_pytorch_state_dict(&mut model, own, str::to_string).unwrap();
/// ```
pub fn load_pytorch_state_dict<E: Element>(
    model: &mut (impl Parameters<E> + ?Sized),
    entries: impl IntoIterator<Item = (String, ArrayD<E>)>,
    rename: impl Fn(&str) -> String,
) -> Result<(), Error> {
    assign(model, Layout::PyTorch, entries, rename)
}

/// Values from anywhere that a tensor of a model can take.
pub trait Entry<E: Element> {
    /// What goes wrong if they cannot be read, or are not of the model.
    type Error: From<Error>;

    /// The length of each axis.
    fn shape(&self) -> &[usize];

    /// A tensor of this shape, for a parameter or for a buffer.
    ///
    /// # Errors
    ///
    /// If the values cannot be read, or are not what such a tensor may hold.
    fn into_tensor(self, is_parameter: bool) -> Result<Tensor<E>, Self::Error>;
}

impl<E: Element> Entry<E> for Tensor<E> {
    type Error = Error;

    fn shape(&self) -> &[usize] {
        Tensor::shape(self)
    }

    fn into_tensor(self, _is_parameter: bool) -> Result<Tensor<E>, Error> {
        Ok(self)
    }
}

impl<E: Element> Entry<E> for ArrayD<E> {
    type Error = Error;

    fn shape(&self) -> &[usize] {
        ndarray::ArrayBase::shape(self)
    }

    fn into_tensor(self, _is_parameter: bool) -> Result<Tensor<E>, Error> {
        Ok(self.into())
    }
}

/// Whose names and layouts the entries of a state dict have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// This crate's.
    Downhill,
    /// PyTorch's, which [`load_pytorch_state_dict`] translates.
    PyTorch,
}

/// Sets the tensors of a model to the `entries`, each under the name that `rename` gives it: what
/// [`load_pytorch_state_dict`] does with tensors, for entries of any kind and in either layout.
///
/// No entry is read before all are known to fit, and nothing is changed before all have been read.
///
/// # Errors
///
/// As [`load_pytorch_state_dict`], and those of reading an entry. The model is then as it was.
pub fn assign<E: Element, V: Entry<E>>(
    model: &mut (impl Parameters<E> + ?Sized),
    layout: Layout,
    entries: impl IntoIterator<Item = (String, V)>,
    rename: impl Fn(&str) -> String,
) -> Result<(), V::Error> {
    let translated = layout == Layout::PyTorch;
    let mut places: BTreeMap<String, Place<V>> = BTreeMap::new();
    model.visit(Path::ROOT, &mut |path, tensor| {
        let (shape, is_parameter) = (tensor.shape().to_vec(), tensor.is_parameter());
        places.insert(path.to_string(), Place { shape, is_parameter, entry: None });
    });
    for (entry, values) in entries {
        let name = rename(&entry);
        if translated && is_or_ends_with(&name, "num_batches_tracked") {
            continue;
        }
        let name = match translated && !places.contains_key(&name) {
            true => own_name(&name, |name| places.contains_key(name)).unwrap_or(name),
            false => name,
        };
        let Some(place) = places.get_mut(&name) else {
            return Err(Error::Unexpected { entry, name }.into());
        };
        let mut expected = place.shape.clone();
        if translated && is_transposed(&name, &expected) {
            expected.reverse();
        }
        // A vector of ours may belong to several axes of a layer norm.
        let is_flattened = translated
            && expected.len() == 1
            && values.shape().iter().product::<usize>() == expected[0];
        if values.shape() != expected && !is_flattened {
            let found = values.shape().to_vec();
            return Err(Error::Shape { entry, name, found, expected }.into());
        }
        if place.entry.replace(values).is_some() {
            return Err(Error::Repeated { entry, name }.into());
        }
    }
    if let Some((name, _)) = places.iter().find(|(_, place)| place.entry.is_none()) {
        return Err(Error::Missing { name: name.clone() }.into());
    }
    let read = |(name, Place { shape, is_parameter, entry }): (String, Place<V>)| {
        let entry = entry.expect("an entry was found for every name");
        let tensor = entry.into_tensor(is_parameter)?;
        let is_transposed = translated && is_transposed(&name, &shape);
        if tensor.shape() == shape && !is_transposed {
            return Ok((name, tensor));
        }
        let values = if is_transposed { tensor.transpose().to_vec() } else { tensor.to_vec() };
        let tensor = Tensor::from_shape_vec(&shape, values);
        Ok((name, tensor.expect("the shape was checked")))
    };
    let read: BTreeMap<String, Tensor<E>> =
        places.into_iter().map(read).collect::<Result<_, V::Error>>()?;
    model.visit_mut(Path::ROOT, &mut |path, tensor| {
        if let Some(values) = read.get(&path.to_string()) {
            tensor.set(values);
        }
    });
    Ok(())
}

/// A tensor of the model, and the entry for it.
struct Place<V> {
    shape: Vec<usize>,
    is_parameter: bool,
    entry: Option<V>,
}

/// Whether PyTorch stores the transpose of the tensor of this name: the matrix of a linear map.
fn is_transposed(name: &str, shape: &[usize]) -> bool {
    shape.len() == 2 && is_or_ends_with(name, "weight")
}

/// The name here of a tensor inside a layer of PyTorch's, if it is another: one that the model has,
/// or else any.
fn own_name(name: &str, is_there: impl Fn(&str) -> bool) -> Option<String> {
    let names = || {
        NAMES.iter().filter_map(|(theirs, ours)| {
            let start = name.strip_suffix(theirs)?;
            (start.is_empty() || start.ends_with('.')).then(|| format!("{start}{ours}"))
        })
    };
    names().find(|name| is_there(name)).or_else(|| names().next())
}

fn is_or_ends_with(name: &str, last: &str) -> bool {
    name.strip_suffix(last).is_some_and(|start| start.is_empty() || start.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use downhill_tensor::parameters;

    use super::*;
    use crate::embedding::Embedding;
    use crate::linear::Linear;
    use crate::testing::{random, rng};

    struct Model<E: Element> {
        embedding: Embedding<E>,
        head: Linear<E>,
    }
    parameters!(Model<E> { embedding, head });

    fn model() -> Model<f64> {
        Model { embedding: Embedding::new(5, 2, &mut rng()), head: Linear::new(2, 2, &mut rng()) }
    }

    fn entries() -> Vec<(String, ArrayD<f64>)> {
        [("embedding.weight", &[5, 2][..]), ("fc.bias", &[2]), ("fc.weight", &[2, 2])]
            .map(|(name, shape)| (name.to_string(), random(shape, &mut rng()).array().to_owned()))
            .to_vec()
    }

    fn rename(name: &str) -> String {
        name.replace("fc", "head")
    }

    #[test]
    fn matrices_of_linear_maps_are_transposed_and_tables_are_not() {
        let (mut model, entries) = (model(), entries());
        let before = model.head.weight.clone();
        load_pytorch_state_dict(&mut model, entries.clone(), rename).unwrap();
        assert_eq!(model.embedding.vectors.array(), entries[0].1);
        assert_eq!(model.head.weight.array(), entries[2].1.t());
        assert_eq!(model.head.bias.as_ref().unwrap().array(), entries[1].1);
        assert!(model.head.weight.is_parameter() && model.head.weight.id() == before.id());
    }

    #[test]
    fn a_models_own_tensors_are_set_as_they_are() {
        let (mut target, source) = (model(), model());
        assign(&mut target, Layout::Downhill, source.named(), str::to_string).unwrap();
        assert_eq!(target.head.weight.to_vec(), source.head.weight.to_vec());
    }

    #[test]
    fn counters_of_batches_are_passed_over() {
        let mut entries = entries();
        entries.push(("norm.num_batches_tracked".to_string(), ndarray::arr0(3.0).into_dyn()));
        load_pytorch_state_dict(&mut model(), entries, rename).unwrap();
    }

    /// The error of a changed state dict, which must leave the model as it was.
    fn error(change: impl FnOnce(&mut Vec<(String, ArrayD<f64>)>)) -> String {
        let (mut model, mut entries) = (model(), entries());
        let before: Vec<_> = model.named().into_iter().map(|(_, tensor)| tensor.to_vec()).collect();
        change(&mut entries);
        let error = load_pytorch_state_dict(&mut model, entries, rename).unwrap_err();
        let after: Vec<_> = model.named().into_iter().map(|(_, tensor)| tensor.to_vec()).collect();
        assert_eq!(before, after);
        error.to_string()
    }

    #[test]
    fn entries_that_are_not_the_models_are_refused() {
        let zeros = |shape: &[usize]| ArrayD::zeros(shape);
        assert_eq!(
            error(|entries| drop(entries.remove(0))),
            "the state dict holds nothing for the model's `embedding.vectors`"
        );
        assert_eq!(
            error(|entries| entries.push(("fc2.bias".to_string(), zeros(&[])))),
            "the state dict's `fc2.bias` has no place in the model: there is no `head2.bias`"
        );
        assert_eq!(
            error(|entries| entries.push(("head.bias".to_string(), zeros(&[2])))),
            "the state dict's `head.bias` is the second entry for the model's `head.bias`"
        );
        assert_eq!(
            error(|entries| entries[0].1 = zeros(&[2, 5])),
            "the state dict's `embedding.weight` has shape [2, 5], but [5, 2] is needed for the \
             model's `embedding.vectors`"
        );
        assert_eq!(
            error(|entries| entries[2].1 = zeros(&[2, 3])),
            "the state dict's `fc.weight` has shape [2, 3], but [2, 2] is needed for the model's \
             `head.weight`"
        );
    }
}
