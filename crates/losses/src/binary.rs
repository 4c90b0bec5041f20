//! Losses of yes-or-no targets.

use downhill_tensor::{Element, Tensor, operation};
use ndarray::{Array, ArrayD, Dimension, Zip};

use crate::checks::{check_fraction, check_shape, check_values, check_weights};
use crate::error::Error;
use crate::logistic::logistic;
use crate::reduction::{Reduction, reduction_option};

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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryCrossEntropyWithLogits {
    pos_weight: Option<Vec<f64>>,
    weights: Option<ArrayD<f64>>,
    label_smoothing: f64,
    reduction: Reduction,
}

/// The mean binary cross-entropy of logits: [`BinaryCrossEntropyWithLogits`] with default options.
///
/// # Errors
///
/// As [`BinaryCrossEntropyWithLogits::forward`].
pub fn binary_cross_entropy_with_logits<E: Element>(
    logits: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    BinaryCrossEntropyWithLogits::new().forward(logits, targets)
}

impl BinaryCrossEntropyWithLogits {
    /// Without weights and smoothing, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// π, the weight of the positive part of each target: one number for all, or one for each
    /// position on the last axis. Finite and not negative.
    pub fn pos_weight(mut self, pos_weight: impl Into<Vec<f64>>) -> Self {
        self.pos_weight = Some(pos_weight.into());
        self
    }

    /// The weight of each logit, finite and not negative, of the logits' shape or one that
    /// broadcasts to it.
    pub fn weights<D: Dimension>(mut self, weights: Array<f64, D>) -> Self {
        self.weights = Some(weights.into_dyn());
        self
    }

    /// The share of each target, from 0 to 1, that goes to ½.
    pub fn label_smoothing(mut self, label_smoothing: f64) -> Self {
        self.label_smoothing = label_smoothing;
        self
    }

    reduction_option!();

    /// The loss of logits and targets of one shape. Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if an option is out of its range, the shapes do not
    /// fit, or a target is not from 0 to 1.
    pub fn forward<E: Element>(
        &self,
        logits: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_fraction("label_smoothing", self.label_smoothing)?;
        check_targets(targets, logits.shape())?;
        let smoothed = match self.label_smoothing == 0.0 {
            true => targets.clone(),
            false => {
                let certainty = E::from_f64(1.0 - self.label_smoothing);
                targets * certainty + E::from_f64(self.label_smoothing / 2.0)
            }
        };
        let mut negative = &smoothed * -E::one() + E::one();
        let mut positive = smoothed;
        if let Some(pos_weight) = &self.pos_weight {
            positive = positive * checked_pos_weight(pos_weight, logits.shape())?;
        }
        if let Some(weights) = element_weights(self.weights.as_ref(), logits.shape())? {
            (positive, negative) = (positive * &weights, negative * weights);
        }
        Ok(self.reduction.apply(logistic(logits, &positive, &negative, E::zero())))
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinaryCrossEntropy {
    weights: Option<ArrayD<f64>>,
    reduction: Reduction,
}

/// The mean binary cross-entropy of probabilities: [`BinaryCrossEntropy`] with default options.
///
/// # Errors
///
/// As [`BinaryCrossEntropy::forward`].
pub fn binary_cross_entropy<E: Element>(
    probabilities: &Tensor<E>,
    targets: &Tensor<E>,
) -> Result<Tensor<E>, Error> {
    BinaryCrossEntropy::new().forward(probabilities, targets)
}

impl BinaryCrossEntropy {
    /// Without weights, reduced to the mean.
    pub fn new() -> Self {
        Self::default()
    }

    /// The weight of each probability, finite and not negative, of the probabilities' shape or
    /// one that broadcasts to it.
    pub fn weights<D: Dimension>(mut self, weights: Array<f64, D>) -> Self {
        self.weights = Some(weights.into_dyn());
        self
    }

    reduction_option!();

    /// The loss of probabilities and targets of one shape. Gradients flow into both.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place and the value if the shapes do not fit, a weight is out of its
    /// range, or a probability or target is not from 0 to 1.
    pub fn forward<E: Element>(
        &self,
        probabilities: &Tensor<E>,
        targets: &Tensor<E>,
    ) -> Result<Tensor<E>, Error> {
        check_targets(targets, probabilities.shape())?;
        check_values("probabilities", probabilities, "from 0 to 1", |p| {
            p.is_nan() || (E::zero()..=E::one()).contains(&p)
        })?;
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
            |upstream, _, p, t| {
                let product = p * (p * -E::one() + E::one());
                // PyTorch's constant is a number in f32 for every type.
                upstream * (p - t) / product.clamp(E::from_f64(1e-12_f32.into()), E::infinity())
            },
            move |upstream, _, p, _| {
                let raised = |log: Tensor<E>| log.clamp(floor, E::infinity());
                upstream * (raised((-p).ln_1p()) - raised(p.ln()))
            },
        );
        Ok(self.reduction.apply(
            match element_weights(self.weights.as_ref(), probabilities.shape())? {
                Some(weights) => losses * weights,
                None => losses,
            },
        ))
    }
}

/// Checks that targets have the shape of the input and are from 0 to 1.
pub(crate) fn check_targets<E: Element>(targets: &Tensor<E>, shape: &[usize]) -> Result<(), Error> {
    check_shape("targets", targets, shape)?;
    check_values("targets", targets, "from 0 to 1", |t| (E::zero()..=E::one()).contains(&t))
}

/// Weights of the positive part that broadcast to the logits' shape.
fn checked_pos_weight<E: Element>(weights: &[f64], shape: &[usize]) -> Result<Tensor<E>, Error> {
    let option = "pos_weight";
    let classes = shape.last().copied().unwrap_or(1);
    if weights.len() != 1 && weights.len() != classes {
        return Err(Error::WeightCount { option, found: weights.len(), classes });
    }
    check_weights(option, weights, &[weights.len()])?;
    let weights: Vec<E> = weights.iter().map(|&weight| E::from_f64(weight)).collect();
    Ok(match weights[..] {
        [weight] => Tensor::scalar(weight),
        _ => weights.into(),
    })
}

/// Weights of all values, which broadcast to the input's shape.
fn element_weights<E: Element>(
    weights: Option<&ArrayD<f64>>,
    shape: &[usize],
) -> Result<Option<Tensor<E>>, Error> {
    let Some(weights) = weights else { return Ok(None) };
    let what = "weights";
    if weights.broadcast(shape).is_none() {
        let (found, expected) = (weights.shape().to_vec(), shape.to_vec());
        return Err(Error::Shape { what, found, expected });
    }
    check_weights(what, weights, weights.shape())?;
    Ok(Some(weights.mapv(E::from_f64).into()))
}
