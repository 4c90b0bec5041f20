//! Cross-entropy from logits.

mod definition;
mod edges;
mod fused;
mod kernel;
mod linear;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use downhill_kernels as kernels;
use downhill_tensor::{Element, Tensor, fused, operation};
use ndarray::ArrayD;

pub(crate) use self::edges::limit;
use self::fused::Computed;
pub(crate) use self::fused::logits_gradient;
use self::kernel::{RowTargets, Rows};
use crate::checks;
use crate::error::Error;
use crate::reduction::{Reduction, array, sum};
use crate::targets::{IntoLabels, IntoTargets, Targets};
use crate::wrapper::{options, plain_function};

options! {
    /// Cross-entropy of logits `[…, C]` with the classes on the last axis: −Σ target · ln softmax of
    /// each row, in nats.
    ///
    /// With s = logits / temperature, lse = ln Σ e^s over the C classes, and all options, the loss of
    /// a row is
    ///
    /// ```text
    /// Σ_c weight_c · ((1 − ε) · target_c + ε / K) · (lse − s_c)  +  z · W · lse²
    /// ```
    ///
    /// where target is 1 at the label and 0 elsewhere, or the given distribution; ε is the label
    /// smoothing (Szegedy et al., "Rethinking the Inception architecture for computer vision", 2016)
    /// and K the number of classes whose logit is not −∞, to which it is limited; z is the z-loss
    /// (Chowdhery et al., "PaLM: scaling language modeling with pathways", 2022) and
    /// W = Σ_c weight_c · target_c.
    ///
    /// The mean over labels is weighted: the sum divided by that of the labels' weights. That over
    /// distributions is the sum divided by the number of rows. Both are as PyTorch has it.
    ///
    /// The gradient, softmax − target in the plainest case, is written in the same pass that computes
    /// the loss, while a row is in cache. See the [crate documentation](crate) for infinite logits
    /// and other edges.
    ///
    /// ```
    /// use downhill_losses::CrossEntropy;
    /// use downhill_tensor::Tensor;
    ///
    /// let logits = Tensor::parameter([[2.0, 1.0, 0.1], [0.5, 2.5, -1.0]]);
    /// let loss = CrossEntropy::new().label_smoothing(0.1).forward(&logits, &[0, 1])?;
    /// let gradients = loss.backward();
    /// assert!(gradients.get(&logits).unwrap().to_vec()[0] < 0.0);
    /// # Ok::<(), downhill_losses::Error>(())
    /// ```
    CrossEntropy {
        /// The weight of each class, finite and not negative; 1 unless set.
        class_weights(class_weights: impl Into<Vec<f64>>): Option<Vec<f64>> =
            None => Some(class_weights.into());
        /// ε, the part of each target, from 0 to 1, that is spread evenly over all classes that are
        /// not masked; 0 unless set.
        label_smoothing(label_smoothing: f64): f64 = 0.0 => label_smoothing;
        /// The label of rows to leave out: their loss and gradient are 0, whatever their logits are. It
        /// need not be a class. Distributions have none to leave out.
        ignore_index(ignore_index: usize): Option<usize> = None => Some(ignore_index);
        /// What the logits are divided by, greater than 0; 1 unless set.
        temperature(temperature: f64): f64 = 1.0 => temperature;
        /// z, the factor, not negative, of the squared log-normaliser that is added to the loss; 0
        /// unless set.
        z_loss(z_loss: f64): f64 = 0.0 => z_loss;
        /// What becomes of the losses of a batch.
        reduction(reduction: Reduction): Reduction = Reduction::Mean => reduction;
    }
}

plain_function!(cross_entropy: CrossEntropy(logits, targets: impl IntoTargets<'a, E>));

impl CrossEntropy {
    /// The loss of logits `[…, C]` against labels (as many as there are rows) or distributions
    /// (of the logits' shape): a tensor of shape `[]`, or `[…]` with [`Reduction::None`].
    ///
    /// Gradients flow into the logits, and into distributions that lead to a parameter.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if an option is out of its range, there are not as
    /// many weights as classes, the shapes do not fit, a label is not a class, a row of
    /// probabilities has a negative one or does not sum to 1 (within 1e-6; 1e-5 in `f32`), or a
    /// row of logits is all −∞.
    pub fn forward<'a, E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: impl IntoTargets<'a, E>,
    ) -> Result<Tensor<E>, Error> {
        let (count, classes) = checks::rows_and_classes("logits", logits.shape())?;
        self.check_options::<E>()?;
        let weights = self.checked_weights(classes)?;
        let (labels, distributions) = match targets.into_targets() {
            Targets::Classes(labels) => {
                (Some(labels.check(logits.shape(), self.ignore_index)?), None)
            }
            Targets::Probabilities(tensor) => {
                checks::shape("target probabilities", tensor, logits.shape())?;
                (None, Some(tensor))
            }
        };
        let probabilities = distributions.map(Tensor::values);
        let targets = match (&labels, &probabilities) {
            (Some(labels), _) => RowTargets::Labels(labels),
            (None, Some(values)) => RowTargets::Probabilities(values),
            (None, None) => unreachable!("one of the two was just made"),
        };
        let normalization = self.normalization(targets, count);
        let mut losses = kernels::buffer::<E>(count);
        // The gradient of unreduced losses is left to the backward pass, which knows that of each.
        let mut gradient = (self.is_reduced() && operation::is_recorded(&[logits]))
            .then(|| kernels::buffer::<E>(logits.len()));
        if normalization > 0.0 {
            let logits = logits.values();
            let rows = self.rows(&logits, classes, targets, weights.as_deref(), normalization);
            rows.run(&mut losses, gradient.as_deref_mut())?;
        } else {
            losses.fill(E::zero());
            gradient.iter_mut().for_each(|gradient| gradient.fill(E::zero()));
        }
        let value = match self.is_reduced() {
            true => {
                let sum = sum(&losses);
                kernels::recycle(losses);
                ArrayD::from_elem(vec![], E::from_f64(sum * normalization))
            }
            false => array(&logits.shape()[..logits.ndim() - 1], losses),
        };
        let inputs = [logits, distributions.unwrap_or(logits)];
        let inputs = &inputs[..1 + usize::from(distributions.is_some())];
        Ok(fused(inputs, value, || Computed {
            options: self.clone(),
            labels: labels.map(owned),
            normalization,
            gradient: gradient.map(|values| array(logits.shape(), values).into()),
        }))
    }

    /// What the mean over these labels divides by: their number without those to ignore, or the sum
    /// of their weights. The mean over a batch that is computed in parts is that of the parts'
    /// means, each weighted by this. Labels that are no classes, which [`forward`](Self::forward)
    /// refuses, weigh nothing.
    ///
    /// ```
    /// use downhill_losses::CrossEntropy;
    ///
    /// let cross_entropy = CrossEntropy::new().class_weights([1.0, 2.5]).ignore_index(9);
    /// assert_eq!(cross_entropy.divisor(&[1, 0, 9, 1]), 6.0);
    /// ```
    pub fn divisor<'a>(&self, labels: impl IntoLabels<'a>) -> f64 {
        let labels = labels.into_labels();
        let labels = labels.as_slice();
        let kept = labels.iter().filter(|&&label| Some(label) != self.ignore_index);
        match &self.class_weights {
            None if self.ignore_index.is_none() => labels.len() as f64,
            None => kept.count() as f64,
            Some(weights) => kept.map(|&label| weights.get(label).unwrap_or(&0.0)).sum(),
        }
    }

    fn check_options<E: Element>(&self) -> Result<(), Error> {
        checks::fraction("label_smoothing", self.label_smoothing)?;
        checks::temperature::<E>(self.temperature)?;
        checks::not_negative("z_loss", self.z_loss)
    }

    /// The weights of the classes in the logits' type.
    fn checked_weights<E: Element>(&self, classes: usize) -> Result<Option<Vec<E>>, Error> {
        let Some(weights) = &self.class_weights else { return Ok(None) };
        checks::class_weights("class_weights", weights, classes)?;
        Ok(Some(weights.iter().map(|&weight| E::from_f64(weight)).collect()))
    }

    fn is_reduced(&self) -> bool {
        self.reduction != Reduction::None
    }

    /// The factor of the losses of the rows. It is 0 where no row counts: the mean is then 0,
    /// whatever the logits are.
    fn normalization<E: Element>(&self, targets: RowTargets<'_, E>, count: usize) -> f64 {
        let divisor = match (self.reduction, targets) {
            (Reduction::None | Reduction::Sum, _) => 1.0,
            (Reduction::Mean, RowTargets::Labels(labels)) => self.divisor(labels),
            (Reduction::Mean, RowTargets::Probabilities(_)) => count as f64,
        };
        if divisor > 0.0 { divisor.recip() } else { 0.0 }
    }

    /// The problem for the kernel.
    fn rows<'a, E: Element>(
        &self,
        logits: &'a [E],
        classes: usize,
        targets: RowTargets<'a, E>,
        weights: Option<&'a [E]>,
        normalization: f64,
    ) -> Rows<'a, E> {
        Rows {
            logits,
            classes,
            targets,
            ignored: self.ignore_index,
            weights,
            label_smoothing: E::from_f64(self.label_smoothing),
            scale: E::from_f64(self.temperature.recip()),
            z_loss: E::from_f64(self.z_loss),
            normalization: E::from_f64(normalization),
            row_gradients: None,
        }
    }
}

/// Labels that a graph can keep.
fn owned(labels: Cow<'_, [usize]>) -> Vec<usize> {
    match labels {
        Cow::Owned(labels) => labels,
        Cow::Borrowed(labels) => {
            let mut owned = kernels::buffer(labels.len());
            owned.copy_from_slice(labels);
            owned
        }
    }
}
