//! The losses, and what the logits mean to them.

use downhill_losses::{
    BinaryCrossEntropyWithLogits, CrossEntropy, Focal, Huber, MulticlassHinge, mean_absolute_error,
    mean_squared_error,
};
use downhill_tensor::Tensor;

use crate::data::{Answers, Data};
use crate::error::Error;
use crate::setting::{LossKind, LossSetting};

/// A loss for the points of one data set.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    setting: LossSetting,
    classes: Option<usize>,
    class_weights: Option<Vec<f64>>,
}

impl Loss {
    /// The loss, if it suits what there is to predict.
    pub(crate) fn new(setting: &LossSetting, data: &Data) -> Result<Self, Error> {
        use LossKind::{Absolute, Binary, CrossEntropy, Focal, Hinge, Huber};
        let classes = data.class_names().map(<[String]>::len);
        let mismatch = |text: &str| Err(Error::Mismatch(text.into()));
        match (setting.kind, classes) {
            (Focal | Hinge | Binary, None) => {
                return mismatch("this loss is for classes, but the points have values");
            }
            (Absolute | Huber, Some(_)) => {
                return mismatch("this loss is for values, but the points have classes");
            }
            (Binary, Some(classes)) if classes != 2 => {
                return Err(Error::Mismatch(format!(
                    "a single logit tells two classes apart, but there are {classes}"
                )));
            }
            _ => {}
        }
        let weighs = setting.balanced && matches!(setting.kind, CrossEntropy | Focal);
        let class_weights = if weighs { data.balance()? } else { None };
        Ok(Self { setting: setting.clone(), classes, class_weights })
    }

    pub(crate) fn setting(&self) -> &LossSetting {
        &self.setting
    }

    pub(crate) fn class_weights(&self) -> Option<&[f64]> {
        self.class_weights.as_deref()
    }

    /// How many numbers the network gives for a point.
    pub(crate) fn outputs(&self) -> usize {
        match (self.classes, self.setting.kind) {
            (None, _) | (_, LossKind::Binary) => 1,
            (Some(classes), _) => classes,
        }
    }

    /// The loss of logits `[B, C]`, or of values `[B, 1]`: the mean over the points.
    pub(crate) fn forward(&self, logits: &Tensor, answers: &Answers) -> Result<Tensor, Error> {
        let Self { setting, class_weights, .. } = self;
        let smoothing = setting.smoothing;
        Ok(match answers {
            Answers::Values(values) => match setting.kind {
                LossKind::CrossEntropy => BinaryCrossEntropyWithLogits::new()
                    .label_smoothing(smoothing)
                    .forward(logits, values)?,
                LossKind::Absolute => mean_absolute_error(logits, values)?,
                LossKind::Huber => Huber::new().delta(setting.delta).forward(logits, values)?,
                _ => mean_squared_error(logits, values)?,
            },
            Answers::Labels(labels) => match setting.kind {
                LossKind::Binary => BinaryCrossEntropyWithLogits::new()
                    .label_smoothing(smoothing)
                    .forward(logits, &ones_and_zeros(labels))?,
                LossKind::Focal => {
                    let focal = Focal::new().gamma(setting.gamma);
                    let focal = match class_weights {
                        Some(weights) => focal.alpha(weights.as_slice()),
                        None => focal,
                    };
                    focal.forward(logits, labels)?
                }
                LossKind::Hinge => {
                    MulticlassHinge::new().margin(setting.margin).forward(logits, labels)?
                }
                LossKind::Squared => {
                    let classes = self.outputs();
                    mean_squared_error(&logits.softmax(-1), &Tensor::one_hot(labels, classes))?
                }
                _ => {
                    let cross_entropy = CrossEntropy::new()
                        .label_smoothing(smoothing)
                        .temperature(setting.temperature);
                    let cross_entropy = match class_weights {
                        Some(weights) => cross_entropy.class_weights(weights.as_slice()),
                        None => cross_entropy,
                    };
                    cross_entropy.forward(logits, labels)?
                }
            },
        })
    }

    /// What the network says: the probabilities of the classes, `[B, C]`, or the values `[B, 1]`.
    pub(crate) fn predict(&self, logits: &Tensor) -> Tensor {
        match (self.classes, self.setting.kind) {
            (None, LossKind::CrossEntropy) => logits.sigmoid(),
            (None, _) => logits.clone(),
            (_, LossKind::Binary) => Tensor::concat(&[&(-logits).sigmoid(), &logits.sigmoid()], 1),
            (_, LossKind::CrossEntropy) => (logits / (self.setting.temperature as f32)).softmax(-1),
            _ => logits.softmax(-1),
        }
    }

    /// The share of points whose class is named, or one minus the squared error as a part of the
    /// variance (R²) of values. NaN without points.
    pub(crate) fn accuracy(&self, predictions: &Tensor, answers: &Answers) -> f64 {
        match answers {
            Answers::Labels(labels) => {
                let named = predictions.argmax(-1);
                let right = named.iter().zip(labels).filter(|(a, b)| a == b).count();
                right as f64 / labels.len() as f64
            }
            Answers::Values(values) => {
                let mean = values.mean().item();
                let error = (predictions - values).square().sum().item();
                let variance = (values - mean).square().sum().item();
                1.0 - f64::from(error / variance)
            }
        }
    }
}

/// The second class as 1, `[B, 1]`.
pub(crate) fn ones_and_zeros(labels: &[usize]) -> Tensor {
    let values = labels.iter().map(|&label| label as f32).collect();
    Tensor::from_shape_vec(&[labels.len(), 1], values).expect("one number a label")
}
