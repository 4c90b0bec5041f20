//! The derivatives of cross-entropy.

use downhill_kernels as kernels;
use downhill_tensor::{Element, Operation, Tensor, keep};
use ndarray::Array;

use super::rows::RowTargets;
use super::{CrossEntropy, array};

/// A cross-entropy that has been computed.
///
/// Its gradient with respect to the logits is at hand, or written in one pass. Where it must be
/// differentiable itself it is composed of tensor operations, which hold tensors of the logits'
/// size.
pub(super) struct Recorded<E: Element> {
    /// Logits, and distributions where there are no labels.
    pub(super) inputs: Vec<Tensor<E>>,
    pub(super) options: CrossEntropy,
    pub(super) labels: Option<Vec<usize>>,
    /// What the losses of the rows are multiplied with before they are summed.
    pub(super) upstream: f64,
    /// With respect to the logits, for an upstream gradient of 1, if the losses are reduced.
    pub(super) gradient: Option<Tensor<E>>,
}

impl<E: Element> Drop for Recorded<E> {
    fn drop(&mut self) {
        kernels::recycle(self.labels.take().unwrap_or_default());
    }
}

impl<E: Element> Operation<E> for Recorded<E> {
    fn name(&self) -> &str {
        "cross_entropy"
    }

    fn inputs(&self) -> &[Tensor<E>] {
        &self.inputs
    }

    fn vjp(&self, index: usize, upstream: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        let shape = self.inputs[0].shape();
        let rows = [shape[..shape.len() - 1].iter().product(), shape[shape.len() - 1]];
        let upstream = match output.ndim() {
            0 => upstream,
            _ => upstream.reshape(&[rows[0], 1]),
        };
        let logits = self.without_ignored(&self.inputs[0].reshape(&rows));
        let scaled = logits * E::from_f64(self.options.temperature.recip());
        let gradient = match index {
            0 => self.logits_gradient(&scaled),
            _ => self.target_gradient(&scaled),
        };
        (gradient * (upstream * E::from_f64(self.upstream))).reshape(shape)
    }

    fn vjp_fused(&self, index: usize, upstream: Tensor<E>, output: &Tensor<E>) -> Tensor<E> {
        match &self.gradient {
            _ if index > 0 => self.vjp(index, upstream, output),
            Some(gradient) if upstream.item() == E::one() => gradient.clone(),
            Some(gradient) => gradient * upstream,
            None => self.written_gradient(&upstream.values()),
        }
    }
}

impl<E: Element> Recorded<E> {
    /// The gradient with respect to the logits, for an upstream gradient for each row.
    fn written_gradient(&self, upstream: &[E]) -> Tensor<E> {
        let logits = &self.inputs[0];
        let classes = logits.shape()[logits.ndim() - 1];
        let weights = self.options.class_weights.as_ref();
        let weights = weights.map(|weights| weights.iter().map(|&w| E::from_f64(w)).collect());
        let weights: Option<Vec<E>> = weights;
        let values = self.inputs.get(1).map(Tensor::values);
        let targets = match (&self.labels, &values) {
            (None, Some(values)) => RowTargets::Probabilities(values),
            (labels, _) => RowTargets::Labels(labels.as_deref().unwrap_or_default()),
        };
        let logits_values = logits.values();
        let mut rows =
            self.options.rows(&logits_values, classes, targets, weights.as_deref(), self.upstream);
        rows.row_upstream = Some(upstream);
        let mut gradient = kernels::buffer(logits.len());
        rows.run(&mut vec![E::zero(); upstream.len()], Some(&mut gradient))
            .expect("the forward pass found every row in order");
        array(logits.shape(), gradient).into()
    }

    /// (slope · softmax − target) / temperature of each row, where slope is
    /// Σ target + 2 · z · W · lse.
    fn logits_gradient(&self, scaled: &Tensor<E>) -> Tensor<E> {
        let weights = self.weights(scaled.shape()[1]);
        let hard = match self.inputs.get(1) {
            Some(distributions) => distributions.reshape(scaled.shape()),
            None => self.one_hot(scaled.shape()),
        } * &weights;
        let certainty = E::from_f64(1.0 - self.options.label_smoothing);
        let target = &hard * certainty + self.smoothing(scaled) * &weights;
        let mut slope = target.sum_axes(keep(-1));
        if self.options.z_loss > 0.0 {
            let factor = E::from_f64(2.0 * self.options.z_loss);
            slope += hard.sum_axes(keep(-1)) * factor * scaled.log_sum_exp_axes(keep(-1));
        }
        (scaled.softmax(-1) * slope - target) * E::from_f64(self.options.temperature.recip())
    }

    /// weight · ((1 − ε) · (lse − s) + z · lse²) of each class.
    fn target_gradient(&self, scaled: &Tensor<E>) -> Tensor<E> {
        let certainty = E::from_f64(1.0 - self.options.label_smoothing);
        let mut gradient = scaled.log_softmax(-1) * -certainty;
        if self.options.z_loss > 0.0 {
            let squared = scaled.log_sum_exp_axes(keep(-1)).square();
            gradient += squared * E::from_f64(self.options.z_loss);
        }
        gradient * self.weights(scaled.shape()[1])
    }

    fn weights(&self, classes: usize) -> Tensor<E> {
        match &self.options.class_weights {
            Some(weights) => weights.iter().map(|&w| E::from_f64(w)).collect::<Vec<_>>().into(),
            None => Tensor::ones(&[classes]),
        }
    }

    /// The label of a row that counts.
    fn label(&self, row: usize) -> Option<usize> {
        let label = self.labels.as_ref()?[row];
        Some(label).filter(|_| Some(label) != self.options.ignore_index)
    }

    fn is_ignored(&self, row: usize) -> bool {
        self.labels.is_some() && self.label(row).is_none()
    }

    /// The logits, with 0 in place of those of ignored rows, which may be anything.
    fn without_ignored(&self, logits: &Tensor<E>) -> Tensor<E> {
        let rows = logits.shape()[0];
        let ignored = Array::from_shape_fn([rows, 1], |(row, _)| self.is_ignored(row));
        match ignored.iter().any(|&ignored| ignored) {
            false => logits.clone(),
            true => Tensor::select(&ignored.into_dyn(), &Tensor::scalar(E::zero()), logits),
        }
    }

    /// 1 at each label, and nothing in ignored rows.
    fn one_hot(&self, shape: &[usize]) -> Tensor<E> {
        let at = |(row, class)| if self.label(row) == Some(class) { E::one() } else { E::zero() };
        Array::from_shape_fn([shape[0], shape[1]], at).into()
    }

    /// ε / K of each class that is not masked, and nothing in ignored rows.
    fn smoothing(&self, scaled: &Tensor<E>) -> Tensor<E> {
        if self.options.label_smoothing == 0.0 {
            return Tensor::scalar(E::zero());
        }
        let masked = |x: &E| *x == E::neg_infinity();
        let mut values = scaled.to_vec();
        for (row, values) in values.chunks_exact_mut(scaled.shape()[1].max(1)).enumerate() {
            let unmasked = values.iter().filter(|x| !masked(x)).count();
            let share = match self.is_ignored(row) {
                true => E::zero(),
                false => E::from_f64(self.options.label_smoothing / unmasked as f64),
            };
            values.iter_mut().for_each(|x| *x = if masked(x) { E::zero() } else { share });
        }
        array(scaled.shape(), values).into()
    }
}
