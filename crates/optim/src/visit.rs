//! Visiting those tensors of a model that are parameters, with their number in that order.

use downhill_tensor::{Element, Parameters, Path, Tensor};

use crate::error::Error;

pub(crate) fn each_parameter<E: Element, M: Parameters<E> + ?Sized>(
    model: &M,
    mut visitor: impl FnMut(usize, Path<'_>, &Tensor<E>),
) {
    let mut index = 0;
    model.visit(Path::ROOT, &mut |path, tensor| {
        if tensor.is_parameter() {
            visitor(index, path, tensor);
            index += 1;
        }
    });
}

/// Stops at the first error, and returns it.
pub(crate) fn try_each_parameter<E: Element, M: Parameters<E> + ?Sized>(
    model: &M,
    mut visitor: impl FnMut(usize, Path<'_>, &Tensor<E>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut result = Ok(());
    each_parameter(model, |index, path, parameter| {
        if result.is_ok() {
            result = visitor(index, path, parameter);
        }
    });
    result
}

pub(crate) fn each_parameter_mut<E: Element, M: Parameters<E> + ?Sized>(
    model: &mut M,
    mut visitor: impl FnMut(usize, &mut Tensor<E>),
) {
    let mut index = 0;
    model.visit_mut(Path::ROOT, &mut |_, tensor| {
        if tensor.is_parameter() {
            visitor(index, tensor);
            index += 1;
        }
    });
}
