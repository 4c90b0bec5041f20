//! Cross-entropy as an operation: the definition above, the kernel below.

use downhill_kernels as kernels;
use downhill_tensor::{Element, Fused, Tensor, keep};
use ndarray::{Array, ArrayD};

use super::CrossEntropy;
use super::edges::{log_softmax, log_sum_exp};
use super::kernel::RowTargets;
use crate::reduction::{Reduction, array};

/// A cross-entropy that has been computed. Its inputs are the logits, and the distributions where
/// there are no labels.
pub(super) struct Computed<E: Element> {
    pub(super) options: CrossEntropy,
    pub(super) labels: Option<Vec<usize>>,
    /// The factor of the losses of the rows before they are summed.
    pub(super) normalization: f64,
    /// The gradient with respect to the logits, if the losses are reduced.
    pub(super) gradient: Option<Tensor<E>>,
}

impl<E: Element> Drop for Computed<E> {
    fn drop(&mut self) {
        kernels::recycle(self.labels.take().unwrap_or_default());
    }
}

impl<E: Element> Fused<E> for Computed<E> {
    fn name(&self) -> &str {
        "cross_entropy"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let (logits, targets, kept) = self.rows(inputs);
        let losses = self.options.losses(&logits, &targets, &kept);
        match self.options.is_reduced() {
            true => losses.sum() * E::from_f64(self.normalization),
            false => losses.reshape(leading(&inputs[0])),
        }
    }

    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        match &self.gradient {
            _ if index > 0 => {
                let of_targets = self.target_gradient(inputs);
                let scale = gradient * E::from_f64(self.normalization);
                match self.options.is_reduced() {
                    true => scale.times(&of_targets.reshape(inputs[1].shape())),
                    false => scale.unsqueeze(-1).times(&of_targets.reshape(inputs[1].shape())),
                }
            }
            Some(saved) if gradient.item() == E::one() => saved.clone(),
            Some(saved) => gradient.times(saved),
            None => self.computed_gradient(&gradient.values(), inputs),
        }
    }
}

impl<E: Element> Computed<E> {
    /// Logits and targets, `[N, C]`, and which rows count, `[N, 1]`.
    fn rows(&self, inputs: &[Tensor<E>]) -> (Tensor<E>, Tensor<E>, ArrayD<bool>) {
        let (leading, classes) = (leading(&inputs[0]), inputs[0].shape()[inputs[0].ndim() - 1]);
        let shape = [leading.iter().product(), classes];
        let targets = match &self.labels {
            None => inputs[1].reshape(&shape),
            Some(labels) => {
                let at = |(row, class)| if labels[row] == class { E::one() } else { E::zero() };
                Array::from_shape_fn(shape, at).into()
            }
        };
        let kept = Array::from_shape_fn([shape[0], 1], |(row, _)| self.is_kept(row));
        (inputs[0].reshape(&shape), targets, kept.into_dyn())
    }

    /// Whether a row counts.
    fn is_kept(&self, row: usize) -> bool {
        let label = self.labels.as_ref().map(|labels| labels[row]);
        self.normalization > 0.0 && (label.is_none() || label != self.options.ignore_index)
    }

    /// The derivative of each row's loss with respect to its targets, in which it is linear.
    fn target_gradient(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        let (logits, targets, kept) = self.rows(inputs);
        let options = &self.options;
        let [s, weights, smoothed] = options.smoothed(&logits, &targets, &kept);
        let mut gradient = log_softmax(&s, &smoothed) * E::from_f64(options.label_smoothing - 1.0);
        if options.z_loss > 0.0 {
            let row_weights = (targets * &weights).sum_axes(keep(-1));
            let squared = log_sum_exp(&s, &logits, &row_weights).square();
            gradient += squared * E::from_f64(options.z_loss);
        }
        Tensor::select(&kept, &(gradient * weights), &Tensor::scalar(E::zero()))
    }

    /// The gradient with respect to the logits, for a gradient of each row's loss.
    fn computed_gradient(&self, gradients: &[E], inputs: &[Tensor<E>]) -> Tensor<E> {
        let logits = &inputs[0];
        let classes = logits.shape()[logits.ndim() - 1];
        let weights = self.options.checked_weights(classes).expect("the forward pass checked them");
        let values = inputs.get(1).map(Tensor::values);
        let targets = match (&self.labels, &values) {
            (None, Some(values)) => RowTargets::Probabilities(values),
            (labels, _) => RowTargets::Labels(labels.as_deref().unwrap_or_default()),
        };
        let logits_values = logits.values();
        let weights = weights.as_deref();
        let mut rows =
            self.options.rows(&logits_values, classes, targets, weights, self.normalization);
        rows.row_gradients = Some(gradients);
        let mut gradient = kernels::buffer(logits.len());
        rows.run(&mut vec![E::zero(); gradients.len()], Some(&mut gradient))
            .expect("the forward pass found every row valid");
        // A row that takes no part in the loss may hold anything.
        for (&scale, row) in gradients.iter().zip(gradient.chunks_exact_mut(classes.max(1))) {
            if scale == E::zero() {
                row.fill(E::zero());
            }
        }
        array(logits.shape(), gradient).into()
    }
}

/// The gradient with respect to logits, given distributions and the gradient of each row's
/// cross-entropy: also that of any loss which differs from it by what does not depend on the logits.
pub(crate) fn logits_gradient<E: Element>(
    logits: &Tensor<E>,
    probabilities: &Tensor<E>,
    gradients: &Tensor<E>,
) -> Tensor<E> {
    let options = CrossEntropy::new().reduction(Reduction::None);
    let computed = Computed { options, labels: None, normalization: 1.0, gradient: None };
    computed.computed_gradient(&gradients.values(), &[logits.clone(), probabilities.clone()])
}

/// The shape of the rows.
fn leading<E: Element>(logits: &Tensor<E>) -> &[usize] {
    &logits.shape()[..logits.ndim() - 1]
}
