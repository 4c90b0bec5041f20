//! What cross-entropy is, in tensor operations: to be read first. Derivatives of the gradient come
//! from here, and the tests compare the [kernel](super::kernel) with it.

use downhill_tensor::{Element, Tensor, keep};
use ndarray::{ArrayD, Axis};

use super::CrossEntropy;
use super::edges::{limit, log_softmax, log_sum_exp};

impl CrossEntropy {
    /// The loss of each row, `[N, 1]`, of logits `[N, C]` against targets `[N, C]`: 1 at the label
    /// and 0 elsewhere, or a distribution. Rows that are not `kept`, `[N, 1]`, count as 0.
    pub(super) fn losses<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
        kept: &ArrayD<bool>,
    ) -> Tensor<E> {
        let [s, weights, smoothed] = self.smoothed(logits, targets, kept);
        let mut losses = -(&smoothed * log_softmax(&s, &smoothed)).sum_axes(keep(-1));
        if self.z_loss > 0.0 {
            let row_weights = (targets * weights).sum_axes(keep(-1));
            let squared = log_sum_exp(&s, logits, &row_weights).square();
            losses += squared * row_weights * E::from_f64(self.z_loss);
        }
        Tensor::select(kept, &losses, &Tensor::scalar(E::zero()))
    }

    /// s, the weights, and weight · ((1 − ε) · target + ε / K) of each class.
    pub(super) fn smoothed<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
        kept: &ArrayD<bool>,
    ) -> [Tensor<E>; 3] {
        let s = self.scaled(logits, kept);
        let weights = self.weights(logits.shape()[1]);
        let certain = targets * E::from_f64(1.0 - self.label_smoothing);
        let smoothed = (certain + self.smoothing(&s)) * &weights;
        [s, weights, smoothed]
    }

    /// s: the logits over the temperature. Those of rows that are not kept may be anything.
    fn scaled<E: Element>(&self, logits: &Tensor<E>, kept: &ArrayD<bool>) -> Tensor<E> {
        let logits = Tensor::select(kept, logits, &Tensor::scalar(E::zero()));
        limit(&logits) * E::from_f64(self.temperature.recip())
    }

    /// The weight of each class.
    fn weights<E: Element>(&self, classes: usize) -> Tensor<E> {
        match &self.class_weights {
            Some(weights) => weights.iter().map(|&w| E::from_f64(w)).collect::<Vec<_>>().into(),
            None => Tensor::ones(&[classes]),
        }
    }

    /// ε / K of each class that is not masked, where K is their number in the row.
    fn smoothing<E: Element>(&self, s: &Tensor<E>) -> Tensor<E> {
        let unmasked = s.array().mapv(|s| f64::from(s != -E::infinity()));
        let counts = unmasked.sum_axis(Axis(1)).insert_axis(Axis(1)).mapv(|count| count.max(1.0));
        (unmasked * self.label_smoothing / counts).mapv(E::from_f64).into()
    }
}
