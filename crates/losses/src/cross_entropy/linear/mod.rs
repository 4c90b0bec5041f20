//! Cross-entropy of a linear layer's logits, which are never held all at once.

mod class_ranges;
mod logit_blocks;
mod pass;
mod row_chunks;
#[cfg(test)]
mod tests;

use downhill_kernels::buffer;
use downhill_tensor::{Element, Fused, Tensor, fused, operation};
use ndarray::ArrayD;

use self::pass::LayerGradients;
use self::row_chunks::Layer;
use super::CrossEntropy;
use super::kernel::RowTargets;
use crate::checks;
use crate::error::Error;
use crate::reduction::{array, sum};
use crate::targets::IntoLabels;

impl CrossEntropy {
    /// The loss of the logits hidden · weightᵀ + bias of a last layer, for hidden `[…, D]`, weight
    /// `[C, D]` and bias `[C]`: that of [`forward`](Self::forward) to within rounding, but in
    /// memory for some rows of logits (13 MiB, or 16 rows if that is more) instead of all. With a
    /// large vocabulary those and their gradient would be most of a language model's memory.
    ///
    /// A chunk of logits is computed, turned into its gradient in place, and multiplied into the
    /// gradients of the layer at once (Hsu et al., "Liger Kernel: efficient Triton kernels for LLM
    /// training", 2024; Wijmans et al., "Cut your losses in large-vocabulary language models",
    /// 2024). With [`Reduction::None`](crate::Reduction::None) the backward pass computes the logits
    /// again. Derivatives of the gradient are composed of tensor operations, which hold all logits.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// If the inner dimensions of hidden and weight differ, or either lacks one.
    ///
    /// ```
    /// use downhill_losses::CrossEntropy;
    /// use downhill_tensor::Tensor;
    ///
    /// let hidden = Tensor::parameter([[1.0_f64, 2.0], [0.5, -1.0]]);
    /// let weight = Tensor::parameter([[0.1, 0.2], [0.3, -0.1], [0.0, 0.4]]);
    /// let loss = CrossEntropy::new().forward_linear(&hidden, &weight, None, &[0, 1])?;
    /// let logits = hidden.matmul(&weight.transpose());
    /// let composed = CrossEntropy::new().forward(&logits, &[0, 1])?;
    /// assert!((loss.item() - composed.item()).abs() < 1e-15);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    #[track_caller]
    pub fn forward_linear<'a, E: Element>(
        &self,
        hidden: &Tensor<E>,
        weight: &Tensor<E>,
        bias: Option<&Tensor<E>>,
        labels: impl IntoLabels<'a>,
    ) -> Result<Tensor<E>, Error> {
        let (hs, ws) = (hidden.shape(), weight.shape());
        assert!(
            ws.len() == 2 && hs.last() == Some(&ws[1]),
            "forward_linear: hidden {hs:?} and weight {ws:?}; […, D] and [C, D] are needed"
        );
        let logits = [&hs[..hs.len() - 1], &ws[..1]].concat();
        self.check_options::<E>()?;
        self.checked_weights::<E>(ws[0])?;
        if let Some(bias) = bias {
            checks::shape("biases", bias, &ws[..1])?;
        }
        let labels = labels.into_labels().check(&logits, self.ignore_index)?.into_owned();
        let inputs: Vec<Tensor<E>> = [hidden, weight].into_iter().chain(bias).cloned().collect();
        let targets: RowTargets<'_, E> = RowTargets::Labels(&labels);
        let normalization = self.normalization(targets, labels.len());
        let mut linear = Linear { options: self.clone(), labels, normalization, gradients: vec![] };

        let wanted = |input: &Tensor<E>| self.is_reduced() && operation::is_recorded(&[input]);
        let wanted: Vec<bool> = inputs.iter().map(wanted).collect();
        let (losses, gradients) = linear.pass(&inputs, &wanted, None)?;
        linear.gradients = gradients;
        let value = match self.is_reduced() {
            true => ArrayD::from_elem(vec![], E::from_f64(sum(&losses) * normalization)),
            false => array(&logits[..logits.len() - 1], losses),
        };
        let inputs: Vec<&Tensor<E>> = inputs.iter().collect();
        Ok(fused(&inputs, value, || linear))
    }
}

/// A linear cross-entropy, computed or about to be. Its inputs are hidden, weight, and bias if there
/// is one.
struct Linear<E: Element> {
    options: CrossEntropy,
    labels: Vec<usize>,
    /// The factor of the losses of the rows before they are summed.
    normalization: f64,
    /// The gradients with respect to the inputs that want one, if the losses are reduced.
    gradients: Vec<Option<Tensor<E>>>,
}

impl<E: Element> Linear<E> {
    /// Whether rows with this label count.
    fn is_kept(&self, label: usize) -> bool {
        self.normalization > 0.0 && Some(label) != self.options.ignore_index
    }

    /// The losses of the rows, and the gradients with respect to the `wanted` inputs, given the
    /// gradient of each row's loss.
    #[inline(never)]
    #[expect(clippy::type_complexity, reason = "two results of one pass")]
    fn pass(
        &self,
        inputs: &[Tensor<E>],
        wanted: &[bool],
        row_gradients: Option<&[E]>,
    ) -> Result<(Vec<E>, Vec<Option<Tensor<E>>>), Error> {
        let (hidden, bias) = (inputs[0].values(), inputs.get(2).map(Tensor::values));
        let weight = inputs[1].array().into_dimensionality().expect("the shapes were checked");
        let layer = Layer { hidden: &hidden, weight, bias: bias.as_deref() };
        let classes = weight.nrows();
        let class_weights = self.options.checked_weights(classes)?;

        let mut losses = vec![E::zero(); self.labels.len()];
        let gradient = |(input, &wanted): (&Tensor<E>, &bool)| wanted.then(|| buffer(input.len()));
        let mut gradients: Vec<Option<Vec<E>>> = inputs.iter().zip(wanted).map(gradient).collect();
        // The gradient of the weight, input 1, is overwritten; the others are added to.
        for (_, gradient) in gradients.iter_mut().enumerate().filter(|&(input, _)| input != 1) {
            gradient.iter_mut().for_each(|gradient| gradient.fill(E::zero()));
        }
        let rows = 0..self.labels.len();
        // What the loss leaves out may be anything, and takes no part in sums over rows.
        let counts = |row: usize| row_gradients.is_none_or(|gradients| gradients[row] != E::zero());
        let kept = rows.filter(|&row| self.is_kept(self.labels[row]) && counts(row));
        let kept: Vec<usize> = kept.collect();
        let labels: Vec<usize> = kept.iter().map(|&row| self.labels[row]).collect();
        let row_gradients: Option<Vec<E>> =
            row_gradients.map(|gradients| kept.iter().map(|&row| gradients[row]).collect());
        let targets = RowTargets::Labels(&labels);
        let weights = class_weights.as_deref();
        let mut rows = self.options.rows(&[], classes, targets, weights, self.normalization);
        rows.row_gradients = row_gradients.as_deref();
        let mut wanted = gradients.iter_mut().map(Option::as_deref_mut);
        let [hidden, weight, bias] = std::array::from_fn(|_| wanted.next().flatten());
        layer.pass(&rows, &kept, &mut losses, LayerGradients { hidden, weight, bias })?;
        let tensor = |(values, input): (Option<Vec<E>>, &Tensor<E>)| {
            values.map(|values| array(input.shape(), values).into())
        };
        Ok((losses, gradients.into_iter().zip(inputs).map(tensor).collect()))
    }
}

impl<E: Element> Fused<E> for Linear<E> {
    fn name(&self) -> &str {
        "linear_cross_entropy"
    }

    fn definition(&self, inputs: &[Tensor<E>]) -> Tensor<E> {
        // Rows that do not count may be anything.
        let leading = &inputs[0].shape()[..inputs[0].ndim() - 1];
        let kept = self.labels.iter().map(|&label| self.is_kept(label)).collect();
        let kept = array(&[leading, &[1]].concat(), kept);
        let hidden = Tensor::select(&kept, &inputs[0], &Tensor::scalar(E::zero()));
        let mut logits = hidden.matmul(&inputs[1].transpose());
        if let Some(bias) = inputs.get(2) {
            logits = logits + bias;
        }
        self.options.forward(&logits, &self.labels).expect("the forward pass found every row valid")
    }

    fn vjp(
        &self,
        index: usize,
        gradient: Tensor<E>,
        _output: &Tensor<E>,
        inputs: &[Tensor<E>],
    ) -> Tensor<E> {
        match self.gradients.get(index) {
            Some(Some(saved)) if gradient.item() == E::one() => saved.clone(),
            Some(Some(saved)) => gradient.times(saved),
            _ => {
                let wanted: Vec<bool> = (0..inputs.len()).map(|input| input == index).collect();
                let (_, mut gradients) = self
                    .pass(inputs, &wanted, Some(&gradient.values()))
                    .expect("the forward pass found every row valid");
                gradients[index].take().expect("it was wanted")
            }
        }
    }
}
