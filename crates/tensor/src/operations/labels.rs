//! How operations with options are written for other programs: their labels.

use super::reduction::Reduction;
use crate::export::{Attribute, Export, Label, written};
use crate::tensor::Tensor;
use downhill_kernels::Element;

/// What `operator` does over some axes.
pub(super) fn reduced<E: Element>(
    name: &'static str,
    operator: &'static str,
    reduction: &Reduction,
) -> impl Label<E> + use<E> {
    let (axes, is_kept) = (reduction.axes.clone(), reduction.kept == reduction.shape);
    written(name, move |x, _, export| {
        export.reduction(operator, x[0], axes.iter().copied(), is_kept)
    })
}

/// x − the mean over some axes.
pub(super) fn centred<E: Element>(reduction: &Reduction) -> impl Label<E> + use<E> {
    let axes = reduction.axes.clone();
    written("center", move |x, _, export| {
        let mean = export.reduction("ReduceMean", x[0], axes.iter().copied(), true);
        export.node("Sub", &[x[0], &mean], vec![])
    })
}

/// A sum over the first axes.
pub(super) fn summed<E: Element>(axes: usize) -> impl Label<E> {
    written("sum", move |x, _, export| export.reduction("ReduceSum", x[0], 0..axes, false))
}

/// What `operator` does along the last axis.
pub(super) fn along_last<E: Element>(name: &'static str, operator: &'static str) -> impl Label<E> {
    with_option(name, operator, ("axis", Attribute::Integer(-1)))
}

/// What `operator` does with one option.
pub(super) fn with_option<E: Element>(
    name: &'static str,
    operator: &'static str,
    option: (&'static str, Attribute),
) -> impl Label<E> {
    written(name, move |x, _, export| export.node(operator, x, vec![option.clone()]))
}

/// What `operator` does with numbers that have names.
pub(super) fn with_numbers<E: Element, const N: usize>(
    name: &'static str,
    operator: &'static str,
    numbers: [(&'static str, E); N],
) -> impl Label<E> {
    written(name, move |x, _, export| {
        let numbers = numbers.map(|(name, number)| export.number(name, number));
        let inputs: Vec<&str> =
            x.iter().copied().chain(numbers.iter().map(String::as_str)).collect();
        export.node(operator, &inputs, vec![])
    })
}

/// The Gaussian error linear unit by its formula or its approximation.
pub(super) fn gelu<E: Element>(name: &'static str, approximate: &'static str) -> impl Label<E> {
    with_option(name, "Gelu", ("approximate", Attribute::Text(approximate)))
}

/// What changes the shape to that of the output.
pub(super) fn to_shape<E: Element>(name: &'static str, operator: &'static str) -> impl Label<E> {
    written(name, move |x, output: &Tensor<E>, export| {
        let shape: Vec<i64> = output.shape().iter().map(|&length| length as i64).collect();
        let shape = export.integers("shape", &shape);
        export.node(operator, &[x[0], &shape], vec![])
    })
}

/// What puts the axes in another order.
pub(super) fn ordered<E: Element>(name: &'static str, order: &[usize]) -> impl Label<E> + use<E> {
    let order: Vec<usize> = order.to_vec();
    written(name, move |x, _, export| {
        let order = order.iter().map(|&axis| axis as i64).collect();
        export.node("Transpose", x, vec![("perm", Attribute::Integers(order))])
    })
}

/// x · x.
pub(super) fn square<E: Element>(x: &[&str], _: &Tensor<E>, export: &mut Export) -> String {
    export.node("Mul", &[x[0], x[0]], vec![])
}

/// −softplus(−x).
pub(super) fn log_sigmoid<E: Element>(x: &[&str], _: &Tensor<E>, export: &mut Export) -> String {
    ["Neg", "Softplus", "Neg"].iter().fold(x[0].to_owned(), |x, f| export.node(f, &[&x], vec![]))
}

/// x · σ(x).
pub(super) fn silu<E: Element>(x: &[&str], _: &Tensor<E>, export: &mut Export) -> String {
    let sigmoid = export.node("Sigmoid", x, vec![]);
    export.node("Mul", &[x[0], &sigmoid], vec![])
}
