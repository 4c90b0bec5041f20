//! Cross-entropy of a linear layer's logits, which are never held all at once.

use downhill_tensor::kernels::{buffer, matmul_onto, matmul_onto_part};
use downhill_tensor::{Element, Operation, Tensor, grad_with, operation};
use ndarray::{ArrayD, ArrayView2, ArrayViewMut2, Axis, Slice};

use super::rows::RowTargets;
use super::{CrossEntropy, array, sum};
use crate::checks::{check_class_weights, check_shape};
use crate::error::Error;
use crate::reduction::Reduction;
use crate::targets::Labels;

/// So many bytes of logits are held at a time.
const CHUNK: usize = 10 << 20;
/// For so many classes at a time the products are computed: their weights stay in cache.
const CLASSES: usize = 1 << 10;

impl CrossEntropy {
    /// The loss of the logits hidden · weightᵀ + bias of a last layer, for hidden `[…, D]`, weight
    /// `[C, D]` and bias `[C]`: that of [`forward`](Self::forward) to within rounding, but in
    /// memory for some rows of logits (10 MiB) instead of all. With a large vocabulary those and
    /// their gradient would be most of a language model's memory.
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
        labels: impl Into<Labels<'a>>,
    ) -> Result<Tensor<E>, Error> {
        let (hs, ws) = (hidden.shape(), weight.shape());
        assert!(
            ws.len() == 2 && hs.last() == Some(&ws[1]),
            "forward_linear: hidden {hs:?} and weight {ws:?}; […, D] and [C, D] are needed"
        );
        let logits = [&hs[..hs.len() - 1], &ws[..1]].concat();
        self.check_options()?;
        check_class_weights::<E>("class_weights", self.class_weights.as_deref(), ws[0])?;
        if let Some(bias) = bias {
            check_shape("biases", bias, &ws[..1])?;
        }
        let labels = labels.into().check(&logits, self.ignore_index)?.into_owned();
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
        let (count, width) = (self.labels.len(), self.inputs[0].shape().last().copied());
        let width = width.expect("the shapes were checked");
        let values = self.inputs[0].values();
        let weight: ArrayView2<'_, E> =
            self.inputs[1].array().into_dimensionality().expect("the shapes were checked");
        let classes = weight.nrows();
        let bias = self.inputs.get(2).map(Tensor::values);
        let class_weights =
            check_class_weights("class_weights", self.options.class_weights.as_deref(), classes)?;

        let mut losses = vec![E::zero(); count];
        let zeros = |input: &Tensor<E>| {
            let mut values = buffer(input.len());
            values.fill(E::zero());
            values
        };
        let mut gradients: Vec<Option<Vec<E>>> = self
            .inputs
            .iter()
            .zip(wanted)
            .map(|(input, &wanted)| wanted.then(|| zeros(input)))
            .collect();
        let step = (CHUNK / (classes.max(1) * size_of::<E>())).clamp(1, count.max(1));
        let mut logits = buffer(step * classes);
        for start in (0..count).step_by(step) {
            let end = count.min(start + step);
            let logits = &mut logits[..(end - start) * classes];
            match &bias {
                Some(bias) => {
                    logits.chunks_exact_mut(classes).for_each(|row| row.copy_from_slice(bias));
                }
                None => logits.fill(E::zero()),
            }
            let hidden =
                ArrayView2::from_shape([end - start, width], &values[start * width..end * width])
                    .expect("a row of hidden numbers for each label");
            let part = |start: usize| Slice::from(start..classes.min(start + CLASSES));
            let mut all = ArrayViewMut2::from_shape([end - start, classes], &mut *logits)
                .expect("a row of logits for each label");
            for class in (0..classes).step_by(CLASSES) {
                let weight = weight.slice_axis(Axis(0), part(class));
                let part = all.slice_axis_mut(Axis(1), part(class));
                matmul_onto_part(part, hidden, weight.t());
            }
            let targets = RowTargets::Labels(&self.labels[start..end]);
            let weights = class_weights.as_deref();
            let mut rows = self.options.rows(&[], classes, targets, weights, self.upstream);
            rows.row_upstream = upstream.map(|upstream| &upstream[start..end]);
            rows.run_in_place(&mut losses[start..end], logits)
                .map_err(|error| error.after_rows(start))?;

            let gradient = ArrayView2::from_shape([end - start, classes], logits)
                .expect("a row of logits for each label");
            for class in (0..classes).step_by(CLASSES) {
                let gradient = gradient.slice_axis(Axis(1), part(class));
                let weight = weight.slice_axis(Axis(0), part(class));
                if let Some(out) = &mut gradients[0] {
                    matmul_onto(&mut out[start * width..end * width], gradient, weight);
                }
                if let Some(out) = &mut gradients[1] {
                    let out = &mut out[class * width..(class + gradient.ncols()) * width];
                    matmul_onto(out, gradient.t(), hidden);
                }
            }
            if let Some(Some(out)) = gradients.get_mut(2) {
                for row in gradient.rows() {
                    out.iter_mut().zip(row).for_each(|(out, &x)| *out += x);
                }
            }
        }
        let tensor = |(values, input): (Vec<E>, &Tensor<E>)| array(input.shape(), values).into();
        let gradients = gradients.into_iter().zip(&self.inputs);
        let gradients =
            gradients.map(|(values, input)| values.map(|values| tensor((values, input))));
        Ok((losses, gradients.collect()))
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

    fn vjp_value(&self, index: usize, upstream: Tensor<E>, _output: &Tensor<E>) -> Tensor<E> {
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
