//! What the first step tells of the logits.

use std::collections::{HashSet, VecDeque};

use downhill_tensor::{Element, Operation, Tensor};

/// The most operations that are looked at.
const OPERATIONS: usize = 10_000;

/// The logits of the first step, if the loss is a cross-entropy.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Start {
    pub(crate) classes: usize,
    /// The cross-entropy that the logits would have on the mean if the classes of the samples were
    /// drawn at random, all with the same probability.
    pub(crate) expected: f64,
    /// Whether the logits are the result of a softmax.
    pub(crate) is_softmax: bool,
}

impl Start {
    /// Looks for the logits in the graph of a loss.
    #[inline(never)]
    pub(crate) fn of<E: Element>(loss: &Tensor<E>) -> Option<Self> {
        let logits = logits(loss)?;
        let classes = *logits.shape().last().filter(|&&classes| classes > 1)?;
        let values = logits.values();
        let mut sum = 0.0;
        for row in values.chunks(classes) {
            let row = || row.iter().map(|value| value.as_f64());
            let largest = row().fold(f64::NEG_INFINITY, f64::max);
            let log_sum_exp = largest + row().map(|z| (z - largest).exp()).sum::<f64>().ln();
            sum += log_sum_exp - row().sum::<f64>() / classes as f64;
        }
        let expected = sum / (values.len() / classes) as f64;
        let is_softmax = logits.operation().is_some_and(|operation| operation.name() == "softmax");
        Some(Self { classes, expected, is_softmax })
    }
}

/// The logits of the cross-entropy nearest to a loss.
fn logits<E: Element>(loss: &Tensor<E>) -> Option<Tensor<E>> {
    let mut waiting = VecDeque::from([loss.clone()]);
    let mut seen = HashSet::from([loss.id()]);
    for _ in 0..OPERATIONS {
        let tensor = waiting.pop_front()?;
        let Some(operation) = tensor.operation() else { continue };
        let inputs = Operation::inputs(operation);
        if operation.name() == "cross_entropy" {
            return inputs.first().cloned();
        }
        for input in inputs {
            if input.operation().is_some() && seen.insert(input.id()) {
                waiting.push_back(input.clone());
            }
        }
    }
    None
}
