//! Gradients as a value.

use std::collections::HashSet;

use crate::parameters::{Parameters, Path};
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// What [`Tensor::backward`] returns: for each parameter that the output depends on, the gradient
/// with respect to it.
///
/// A parameter that the output does not depend on has no gradient (`None`), which is not the same
/// as a gradient of zero: an optimizer with momentum or weight decay leaves it alone.
#[derive(Debug, Clone, Default)]
pub struct Gradients<E: Element = f32> {
    /// Ascending by the parameter's identity.
    entries: Vec<(u64, Tensor<E>)>,
}

impl<E: Element> Gradients<E> {
    pub(crate) fn from_sorted(entries: Vec<(u64, Tensor<E>)>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
        Self { entries }
    }

    /// The gradient with respect to `parameter`, of its shape; `None` if the output did not
    /// depend on it.
    pub fn get(&self, parameter: &Tensor<E>) -> Option<&Tensor<E>> {
        let index = self.entries.binary_search_by_key(&parameter.id(), |(id, _)| *id).ok()?;
        Some(&self.entries[index].1)
    }

    /// Replaces the gradient with respect to `parameter`, or gives it one.
    ///
    /// # Panics
    ///
    /// If the gradient's shape is not the parameter's, or `parameter` is none.
    #[track_caller]
    pub fn insert(&mut self, parameter: &Tensor<E>, gradient: Tensor<E>) {
        assert!(parameter.is_parameter(), "Gradients::insert: the tensor is not a parameter");
        assert!(
            parameter.shape() == gradient.shape(),
            "Gradients::insert: the parameter has shape {:?}, but the gradient {:?}",
            parameter.shape(),
            gradient.shape()
        );
        let gradient = gradient.detach();
        match self.entries.binary_search_by_key(&parameter.id(), |(id, _)| *id) {
            Ok(index) => self.entries[index].1 = gradient,
            Err(index) => self.entries.insert(index, (parameter.id(), gradient)),
        }
    }

    /// The names of the parameters of `model` that have no gradient: the output did not depend on
    /// them, so that a step leaves them as they are.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let model = [Tensor::parameter(1.0), Tensor::parameter(2.0)];
    /// assert_eq!((&model[0] * 3.0).backward().missing(&model), ["1"]);
    /// ```
    pub fn missing(&self, model: &(impl Parameters<E> + ?Sized)) -> Vec<String> {
        let mut names = Vec::new();
        model.visit(Path::ROOT, &mut |path, tensor| {
            if tensor.is_parameter() && self.get(tensor).is_none() {
                names.push(path.to_string());
            }
        });
        names
    }

    /// The gradients with respect to parameters that `model` does not hold: a step of the model
    /// passes over them.
    ///
    /// ```
    /// use downhill_tensor::Tensor;
    ///
    /// let (model, other) = ([Tensor::parameter(1.0)], Tensor::parameter([2.0, 3.0]));
    /// let gradients = (&model[0] * &other).sum().backward();
    /// assert_eq!(gradients.unclaimed(&model)[0].shape(), other.shape());
    /// ```
    pub fn unclaimed(&self, model: &(impl Parameters<E> + ?Sized)) -> Vec<&Tensor<E>> {
        let mut claimed = HashSet::new();
        model.visit(Path::ROOT, &mut |_, tensor| {
            claimed.insert(tensor.id());
        });
        let unclaimed = self.entries.iter().filter(|(id, _)| !claimed.contains(id));
        unclaimed.map(|(_, gradient)| gradient).collect()
    }

    /// The number of parameters that have a gradient.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no parameter has a gradient.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The gradients, in the order in which their parameters were made.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor<E>> {
        self.entries.iter().map(|(_, gradient)| gradient)
    }

    /// The gradients for changing them, as clipping does.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Tensor<E>> {
        self.entries.iter_mut().map(|(_, gradient)| gradient)
    }
}

/// Adds gradients parameter by parameter, as for a batch that is computed in parts.
///
/// ```
/// use downhill_tensor::Tensor;
///
/// let x = Tensor::parameter(3.0);
/// let mut gradients = (&x * 2.0).backward();
/// gradients += (&x * 5.0).backward();
/// assert_eq!(gradients.get(&x).unwrap().item(), 7.0);
/// ```
impl<E: Element> std::ops::AddAssign for Gradients<E> {
    fn add_assign(&mut self, other: Self) {
        for (id, gradient) in other.entries {
            match self.entries.binary_search_by_key(&id, |(id, _)| *id) {
                Ok(index) => self.entries[index].1 += gradient,
                Err(index) => self.entries.insert(index, (id, gradient)),
            }
        }
    }
}
