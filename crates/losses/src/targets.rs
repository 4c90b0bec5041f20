//! What a model is to predict: one class for each row, or a probability for each class.

use std::borrow::Cow;

use downhill_kernels::vectorize;
use downhill_tensor::{Element, Tensor};
use ndarray::{Array, Dimension};

use crate::checks::rows_and_classes;
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

macro_rules! from_labels {
    ($([$($generics:tt)*] $labels:ty: $convert:expr;)*) => {$(
        impl<'a, $($generics)*> From<&'a $labels> for Labels<'a> {
            fn from(labels: &'a $labels) -> Self {
                let (labels, shape): (Cow<'a, [usize]>, _) = $convert(labels);
                Self { labels, shape }
            }
        }

        impl<'a, E: Element, $($generics)*> From<&'a $labels> for Targets<'a, E> {
            fn from(labels: &'a $labels) -> Self {
                Self::Classes(labels.into())
            }
        }
    )*};
}

from_labels! {
    [] [usize]: |labels: &'a [usize]| (labels.into(), None);
    [] Vec<usize>: |labels: &'a Vec<usize>| (labels.into(), None);
    [const N: usize] [usize; N]: |labels: &'a [usize; N]| (labels.as_slice().into(), None);
    [D: Dimension] Array<usize, D>: |labels: &'a Array<usize, D>| match labels.as_slice() {
        Some(values) => (values.into(), Some(labels.shape())),
        None => (labels.iter().copied().collect(), Some(labels.shape())),
    };
}

impl<'a, E: Element> From<&'a Tensor<E>> for Targets<'a, E> {
    fn from(probabilities: &'a Tensor<E>) -> Self {
        Self::Probabilities(probabilities)
    }
}

impl<'a> Labels<'a> {
    /// The labels in row-major order, unchecked.
    pub(crate) fn values(&self) -> &[usize] {
        &self.labels
    }

    /// The labels in row-major order, one for each row of logits `[…, C]`: each a class or
    /// `ignored`.
    pub(crate) fn check(
        self,
        logits: &[usize],
        ignored: Option<usize>,
    ) -> Result<Cow<'a, [usize]>, Error> {
        let (rows, classes) = rows_and_classes("logits", logits)?;
        let expected = &logits[..logits.len() - 1];
        if self.labels.len() != rows || self.shape.is_some_and(|shape| shape != expected) {
            let found = self.shape.map_or(vec![self.labels.len()], <[usize]>::to_vec);
            return Err(Error::Shape { what: "labels", found, expected: expected.to_vec() });
        }
        let wrong = |&label: &usize| label >= classes && Some(label) != ignored;
        // To look at all of them takes less time than to stop at the first wrong one.
        let any = vectorize(|| self.labels.iter().fold(false, |any, label| any | wrong(label)));
        if any && let Some(position) = self.labels.iter().position(wrong) {
            return Err(Error::Label { position, label: self.labels[position], classes });
        }
        Ok(self.labels)
    }
}
