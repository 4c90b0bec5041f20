//! Losses of yes-or-no targets.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::{Array, ArrayD, Dimension, Zip};

use crate::checks;
use crate::elementwise::{Elementwise, ElementwiseRule};
use crate::error::Error;
use crate::logistic::logistic;
use crate::wrapper::{options, plain_function};

/// Binary cross-entropy of logits x, elementwise: −weight · (π · t · ln σ(x) + (1 − t) · ln σ(−x))
/// in nats, where σ is the logistic function and the target t any number from 0 to 1.
///
/// With label smoothing ε the target is t · (1 − ε) + ε / 2. The mean divides by the number of
/// logits.
///
/// ```
/// use downhill_losses::BinaryCrossEntropyWithLogits;
/// use downhill_tensor::Tensor;
///
/// let logits = Tensor::parameter([2.0_f64, -1.0]);
/// let loss = BinaryCrossEntropyWithLogits::new().forward(&logits, &Tensor::from([1.0, 0.25]))?;
/// let gradients = loss.backward(); // (σ(logits) − targets) / 2
/// assert!((gradients.get(&logits).unwrap().to_vec()[0] - -0.059_601_461).abs() < 1e-9);
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type BinaryCrossEntropyWithLogits = Elementwise<BinaryCrossEntropyWithLogitsRule>;

options! {
    /// The rule of [`BinaryCrossEntropyWithLogits`].
    BinaryCrossEntropyWithLogitsRule in rule of BinaryCrossEntropyWithLogits {
        /// π, the weight of the positive part of each target: one number for all, or one for each
        /// position on the last axis. Finite and not negative; 1 unless set.
        pos_weight(pos_weight: impl Into<Vec<f64>>): Option<Vec<f64>> =
            None => Some(pos_weight.into());
        /// The weight of each logit, finite and not negative, of the logits' shape or one that
        /// broadcasts to it; 1 unless set.
        weights(weights: Array<f64, impl Dimension>): Option<ArrayD<f64>> =
            None => Some(weights.into_dyn());
        /// ε, the part of each target, from 0 to 1, that goes to ½; 0 unless set.
        label_smoothing(label_smoothing: f64): f64 = 0.0 => label_smoothing;
    }
}

impl ElementwiseRule for BinaryCrossEntropyWithLogitsRule {
    fn validate(&self) -> Result<(), Error> {
        checks::fraction("label_smoothing", self.label_smoothing)
    }

    fn check<E: Element>(&self, logits: &Tensor<E>, targets: &Tensor<E>) -> Result<(), Error> {
        check_targets(targets)?;
        check_pos_weight(self.pos_weight.as_deref(), logits.shape())?;
        check_weights(self.weights.as_ref(), logits.shape())
    }

    fn losses<E: Element>(&self, logits: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
        let smoothed = match self.label_smoothing == 0.0 {
            true => targets.clone(),
            false => {
                let certainty = E::from_f64(1.0 - self.label_smoothing);
                targets * certainty + E::from_f64(self.label_smoothing / 2.0)
            }
        };
        let mut negative = &smoothed * -E::one() + E::one();
        let mut positive = smoothed;
        match self.pos_weight.as_deref() {
            Some([weight]) => positive = positive * E::from_f64(*weight),
            Some(weights) => {
                let weights: Vec<E> = weights.iter().map(|&weight| E::from_f64(weight)).collect();
                positive = positive * Tensor::from(weights);
            }
            None => {}
        }
        if let Some(weights) = &self.weights {
            let weights = Tensor::from(weights.mapv(E::from_f64));
            (positive, negative) = (positive * &weights, negative * weights);
        }
        logistic(logits, &positive, &negative, E::zero())
    }
}

/// Binary cross-entropy of probabilities p, elementwise: −weight · (t · ln p + (1 − t) · ln(1 − p))
/// in nats, where the target t is any number from 0 to 1.
///
/// As in PyTorch a logarithm is taken to be no less than −100, so that the loss is finite, and the
/// gradient is weight · (p − t) / max(p · (1 − p), 1e-12). From logits,
/// [`BinaryCrossEntropyWithLogits`] needs neither.
///
/// ```
/// use downhill_losses::binary_cross_entropy;
/// use downhill_tensor::Tensor;
///
/// let loss = binary_cross_entropy(&Tensor::from([0.8_f64]), &Tensor::from([1.0]))?;
/// assert_eq!(loss.item(), -0.8_f64.ln());
/// # Ok::<(), downhill_losses::Error>(())
/// ```
pub type BinaryCrossEntropy = Elementwise<BinaryCrossEntropyRule>;

options! {
    /// The rule of [`BinaryCrossEntropy`].
    BinaryCrossEntropyRule in rule of BinaryCrossEntropy {
        /// The weight of each probability, finite and not negative, of the probabilities' shape or one
        /// that broadcasts to it; 1 unless set.
        weights(weights: Array<f64, impl Dimension>): Option<ArrayD<f64>> =
            None => Some(weights.into_dyn());
    }
}

impl ElementwiseRule for BinaryCrossEntropyRule {
    fn check<E: Element>(
        &self,
        probabilities: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<(), Error> {
        check_targets(targets)?;
        checks::values("probabilities", probabilities, "from 0 to 1", |p| {
            p.is_nan() || (E::zero()..=E::one()).contains(&p)
        })?;
        check_weights(self.weights.as_ref(), probabilities.shape())
    }

    fn losses<E: Element>(&self, probabilities: &Tensor<E>, targets: &Tensor<E>) -> Tensor<E> {
        let floor = E::from_f64(-100.0);
        let value = |&p: &E, &t: &E| {
            let (log, log_complement) = (p.ln(), (-p).ln_1p());
            // `max` would lose NaN.
            let raised = |log: E| if log < floor { floor } else { log };
            -(t * raised(log) + (E::one() - t) * raised(log_complement))
        };
        let losses = operation::binary(
            "binary_cross_entropy",
            [probabilities, targets],
            Zip::from(probabilities.array()).and(targets.array()).map_collect(value),
            |gradient, _, p, t| {
                let product = p * (p * -E::one() + E::one());
                // PyTorch's constant is a number in f32 for every type.
                gradient * (p - t) / product.clamp(E::from_f64(1e-12_f32.into()), E::infinity())
            },
            move |gradient, _, p, _| {
                let raised = |log: Tensor<E>| log.clamp(floor, E::infinity());
                gradient * (raised((-p).ln_1p()) - raised(p.ln()))
            },
        );
        match &self.weights {
            Some(weights) => losses * Tensor::from(weights.mapv(E::from_f64)),
            None => losses,
        }
    }
}

plain_function!(binary_cross_entropy_with_logits: BinaryCrossEntropyWithLogits(logits, targets));
plain_function!(binary_cross_entropy: BinaryCrossEntropy(probabilities, targets));

/// Checks that targets are from 0 to 1.
pub(crate) fn check_targets<E: Element>(targets: &Tensor<E>) -> Result<(), Error> {
    checks::values("targets", targets, "from 0 to 1", |t| (E::zero()..=E::one()).contains(&t))
}

/// Checks weights of the positive part: one for all, or one for each position on the last axis.
fn check_pos_weight(weights: Option<&[f64]>, shape: &[usize]) -> Result<(), Error> {
    match (weights, shape.last().copied().unwrap_or(1)) {
        (None, _) => Ok(()),
        (Some(weights @ [_]), _) => checks::weights("pos_weight", weights, &[1]),
        (Some(weights), classes) => checks::class_weights("pos_weight", weights, classes),
    }
}

/// Checks weights of all values, which broadcast to the input's shape.
fn check_weights(weights: Option<&ArrayD<f64>>, shape: &[usize]) -> Result<(), Error> {
    let Some(weights) = weights else { return Ok(()) };
    if weights.broadcast(shape).is_none() {
        let (found, expected) = (weights.shape().to_vec(), shape.to_vec());
        return Err(Error::Shape { what: "weights", found, expected });
    }
    checks::weights("weights", weights, weights.shape())
}
