//! Cross-entropy of a linear layer's logits, which are never held all at once.

use downhill_kernels::buffer;
use downhill_tensor::{Element, Operation, Tensor, grad_with, operation};
use ndarray::ArrayD;

use super::chunks::{Layer, LayerGradients};
use super::rows::RowTargets;
use super::{CrossEntropy, array, sum};
use crate::checks;
use crate::error::Error;
use crate::reduction::Reduction;
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
    /// 2024). With [`Reduction::None`] the backward pass computes the logits again. Derivatives of
    /// the gradient are composed of tensor operations, which hold all logits.
    ///
    /// # Errors
    ///
    /// As [`forward`](Self::forward).
    ///
    /// # Panics
    ///
    /// If the inner dimensions of hidden and weight differ, or there are no such.
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
        self.check_options()?;
        self.checked_weights::<E>(ws[0])?;
        if let Some(bias) = bias {
            checks::shape("biases", bias, &ws[..1])?;
        }
        let labels = labels.into_labels().check(&logits, self.ignore_index)?.into_owned();
        let inputs: Vec<Tensor<E>> = [hidden, weight].into_iter().chain(bias).cloned().collect();
        let mut linear =
            Linear { inputs, options: self.clone(), labels, upstream: 1.0, gradients: vec![] };
        let targets: RowTargets<'_, E> = RowTargets::Labels(&linear.labels);
        linear.upstream = self.upstream(targets, linear.labels.len());

        let is_reduced = self.reduction != Reduction::None;
        let wanted = |input: &Tensor<E>| is_reduced && operation::is_recorded(&[input]);
        let wanted: Vec<bool> = linear.inputs.iter().map(wanted).collect();
        let (losses, gradients) = linear.pass(&wanted, None)?;
        linear.gradients = gradients;
        let value = match is_reduced {
            true => ArrayD::from_elem(vec![], E::from_f64(sum(&losses) * linear.upstream)),
            false => array(&logits[..logits.len() - 1], losses),
        };
        let inputs = linear.inputs.clone();
        let inputs: Vec<&Tensor<E>> = inputs.iter().collect();
        Ok(operation::record(&inputs, value, || linear))
    }
}

/// A linear cross-entropy, computed or about to be.
struct Linear<E: Element> {
    /// Hidden, weight, and bias if there is one.
    inputs: Vec<Tensor<E>>,
    options: CrossEntropy,
    labels: Vec<usize>,
    /// What the losses of the rows are multiplied with before they are summed.
    upstream: f64,
    /// With respect to the inputs that want it, for an upstream gradient of 1, if the losses are
    /// reduced.
    gradients: Vec<Option<Tensor<E>>>,
}

impl<E: Element> Linear<E> {
    /// The losses of the rows, and the gradients of their sum with respect to the `wanted` inputs,
    /// for an upstream gradient for each row.
    #[expect(clippy::type_complexity, reason = "two results of one pass")]
    fn pass(
        &self,
        wanted: &[bool],
        upstream: Option<&[E]>,
    ) -> Result<(Vec<E>, Vec<Option<Tensor<E>>>), Error> {
        let (hidden, bias) = (self.inputs[0].values(), self.inputs.get(2).map(Tensor::values));
        let weight = self.inputs[1].array().into_dimensionality().expect("the shapes were checked");
        let layer = Layer { hidden: &hidden, weight, bias: bias.as_deref() };
        let classes = weight.nrows();
        let class_weights = self.options.checked_weights(classes)?;

        let mut losses = vec![E::zero(); self.labels.len()];
        let gradient = |(input, &wanted): (&Tensor<E>, &bool)| wanted.then(|| buffer(input.len()));
        let mut gradients: Vec<Option<Vec<E>>> =
            self.inputs.iter().zip(wanted).map(gradient).collect();
        for gradient in gradients.iter_mut().step_by(2).flatten() {
            gradient.fill(E::zero());
        }
        let is_kept = |&row: &usize| {
            self.upstream > 0.0 && Some(self.labels[row]) != self.options.ignore_index
        };
        let kept: Vec<usize> = (0..self.labels.len()).filter(is_kept).collect();
        let labels: Vec<usize> = kept.iter().map(|&row| self.labels[row]).collect();
        let upstream: Option<Vec<E>> =
            upstream.map(|upstream| kept.iter().map(|&row| upstream[row]).collect());
        let targets = RowTargets::Labels(&labels);
        let weights = class_weights.as_deref();
        let mut rows = self.options.rows(&[], classes, targets, weights, self.upstream);
        rows.row_upstream = upstream.as_deref();
        let mut wanted = gradients.iter_mut().map(Option::as_deref_mut);
        let [hidden, weight, bias] = std::array::from_fn(|_| wanted.next().flatten());
        layer.pass(&rows, &kept, &mut losses, LayerGradients { hidden, weight, bias })?;
        let tensor = |(values, input): (Option<Vec<E>>, &Tensor<E>)| {
            values.map(|values| array(input.shape(), values).into())
        };
        Ok((losses, gradients.into_iter().zip(&self.inputs).map(tensor).collect()))
    }
}

impl<E: Element> Operation<E> for Linear<E> {
    fn name(&self) -> &str {
        "linear_cross_entropy"
    }

    fn inputs(&self) -> &[Tensor<E>] {
        &self.inputs
    }

    fn vjp(&self, index: usize, upstream: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        let mut logits = self.inputs[0].matmul(&self.inputs[1].transpose());
        if let Some(bias) = self.inputs.get(2) {
            logits = logits + bias;
        }
        let loss = self
            .options
            .forward(&logits, &self.labels)
            .expect("the forward pass found every row in order");
        grad_with(&[&loss], &[&upstream], &[&self.inputs[index]]).remove(0)
    }

    fn vjp_fused(&self, index: usize, upstream: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
        match self.gradients.get(index) {
            Some(Some(gradient)) if upstream.item() == E::one() => gradient.clone(),
            Some(Some(gradient)) => gradient * upstream,
            _ => {
                let wanted: Vec<bool> = (0..self.inputs.len()).map(|i| i == index).collect();
                let (_, mut gradients) = self
                    .pass(&wanted, Some(&upstream.values()))
                    .expect("the forward pass found every row in order");
                gradients[index].take().expect("it was wanted")
            }
        }
    }
}
