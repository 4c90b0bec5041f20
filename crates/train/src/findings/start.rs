//! What can be seen in the first step.

use downhill_tensor::Element;

use super::{Ailment, Finding};
use crate::format::format_short;
use crate::history::{History, Start};

/// How far the loss that an untrained classifier must expect may lie above ln C, in nats.
const BAD_START: f64 = 1.0;

impl<E: Element> History<E> {
    pub(super) fn start_findings(&self) -> Option<Finding> {
        let Start { classes, expected, is_softmax } = self.start()?;
        let even = (classes as f64).ln();
        if is_softmax {
            let least = (1.0 + (classes as f64 - 1.0) / std::f64::consts::E).ln();
            let observation = format!(
                "The logits are the result of a softmax already, so that the loss cannot fall \
                 below {} nats.",
                format_short(least)
            );
            let advice = "Cross-entropy wants logits: leave the softmax out of the model.";
            return Some(Finding::new(Ailment::SoftmaxTwice, observation, advice));
        }
        // Of logits that are not finite, another finding tells.
        if !expected.is_finite() || expected < even + BAD_START {
            return None;
        }
        let observation = format!(
            "Before the first step the model is sure already: for classes drawn at random its loss \
             is {} nats, where that of a model that knows nothing is ln {classes} = {}.",
            format_short(expected),
            format_short(even)
        );
        let advice = "Scale the inputs (Standardizer), or start with smaller weights in the last \
                      layer.";
        Some(Finding::new(Ailment::BadStart, observation, advice))
    }
}
