//! What a model is to predict: one class for each row, or a probability for each class.

use std::borrow::Cow;

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Tensor};
use ndarray::{Array, Dimension};

use crate::checks;
use crate::error::Error;

/// The true class of each row, as its number from 0.
///
/// Made from a `Vec`, a slice or an array of numbers in row-major order, or from an `ndarray`
/// array whose shape must then be that of the logits without their last axis.
#[derive(Debug, Clone)]
pub struct Labels<'a> {
    labels: Cow<'a, [usize]>,
    shape: Option<&'a [usize]>,
}

/// The targets of a classifier.
#[derive(Debug, Clone)]
pub enum Targets<'a, E: Element> {
    /// The true class of each row.
    Classes(Labels<'a>),
    /// For each row a distribution over the classes: a tensor of the logits' shape.
    Probabilities(&'a Tensor<E>),
}

/// What [`Labels`] can be made of: a reference to a `Vec`, a slice or an array of `usize`.
///
/// ```compile_fail,E0277
/// use downhill_losses::focal;
/// use downhill_tensor::Tensor;
///
/// let loss = focal(&Tensor::from([[0.0, 1.0]]), &[1_u8]); // "`&[u8; 1]` cannot be used as labels"
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as labels",
    label = "labels are numbers of classes from 0, as `usize`: `&[usize]`, `&Vec<usize>`, \
             `&[usize; N]` or `&ndarray::Array<usize, D>`",
    note = "convert numbers of another type first: \
            `labels.iter().map(|&label| label as usize).collect::<Vec<_>>()`"
)]
pub trait IntoLabels<'a> {
    /// The labels.
    fn into_labels(self) -> Labels<'a>;
}

/// What [`Targets`] can be made of: whatever [`Labels`] can, or a reference to a tensor of
/// distributions, of the logits' type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as targets of logits in `{E}`",
    label = "targets are labels (`&[usize]`, `&Vec<usize>`, `&[usize; N]`, \
             `&ndarray::Array<usize, D>`) or distributions (`&Tensor<{E}>`)",
    note = "convert numbers of another type first: \
            `labels.iter().map(|&label| label as usize).collect::<Vec<_>>()`"
)]
pub trait IntoTargets<'a, E: Element> {
    /// The targets.
    fn into_targets(self) -> Targets<'a, E>;
}

macro_rules! into_labels {
    ($([$($generics:tt)*] $labels:ty: $convert:expr;)*) => {$(
        impl<'a, $($generics)*> IntoLabels<'a> for &'a $labels {
            fn into_labels(self) -> Labels<'a> {
                let (labels, shape): (Cow<'a, [usize]>, _) = $convert(self);
                Labels { labels, shape }
            }
        }

        impl<'a, E: Element, $($generics)*> IntoTargets<'a, E> for &'a $labels {
            fn into_targets(self) -> Targets<'a, E> {
                Targets::Classes(self.into_labels())
            }
        }
    )*};
}

into_labels! {
    [] [usize]: |labels: &'a [usize]| (labels.into(), None);
    [] Vec<usize>: |labels: &'a Vec<usize>| (labels.into(), None);
    [const N: usize] [usize; N]: |labels: &'a [usize; N]| (labels.as_slice().into(), None);
    [D: Dimension] Array<usize, D>: |labels: &'a Array<usize, D>| match labels.as_slice() {
        Some(values) => (values.into(), Some(labels.shape())),
        None => (labels.iter().copied().collect(), Some(labels.shape())),
    };
}

impl<'a> IntoLabels<'a> for Labels<'a> {
    fn into_labels(self) -> Self {
        self
    }
}

impl<'a, E: Element> IntoTargets<'a, E> for Labels<'a> {
    fn into_targets(self) -> Targets<'a, E> {
        Targets::Classes(self)
    }
}

impl<'a, E: Element> IntoTargets<'a, E> for &'a Tensor<E> {
    fn into_targets(self) -> Targets<'a, E> {
        Targets::Probabilities(self)
    }
}

impl<'a, E: Element> IntoTargets<'a, E> for Targets<'a, E> {
    fn into_targets(self) -> Self {
        self
    }
}

impl<'a> Labels<'a> {
    /// The labels in row-major order.
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.labels
    }

    /// The labels in row-major order, one for each row of logits `[…, C]`: each a class or
    /// `ignored`.
    pub(crate) fn check(
        self,
        logits: &[usize],
        ignored: Option<usize>,
    ) -> Result<Cow<'a, [usize]>, Error> {
        let (rows, classes) = checks::rows_and_classes("logits", logits)?;
        let expected = &logits[..logits.len() - 1];
        if self.labels.len() != rows || self.shape.is_some_and(|shape| shape != expected) {
            let found = self.shape.map_or(vec![self.labels.len()], <[usize]>::to_vec);
            return Err(Error::Shape { what: "labels", found, expected: expected.to_vec() });
        }
        let wrong = |&label: &usize| label >= classes && Some(label) != ignored;
        // A branch-free pass over all labels is faster than one that stops at the first wrong one.
        let any = vectorize(|| self.labels.iter().fold(false, |any, label| any | wrong(label)));
        if any && let Some(position) = self.labels.iter().position(wrong) {
            return Err(Error::Label { position, label: self.labels[position], classes });
        }
        Ok(self.labels)
    }
}
