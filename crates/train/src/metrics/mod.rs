//! How good predictions are: of classes, of probabilities, of quantities.
//!
//! Metrics are plain numbers, summed in `f64` whatever the tensor holds; no gradient flows
//! through them. Predicted classes come from the logits by `argmax` over the last axis. One that
//! is undefined for its input (of no samples, say) is an [`Error`](crate::Error) or a `None`, not
//! a number that looks like a result.
//!
//! | | |
//! | --- | --- |
//! | classes | [`accuracy`], [`ConfusionMatrix`] (precision, recall, F1) |
//! | scores of two classes | [`average_precision`] |
//! | class probabilities | [`negative_log_likelihood`], [`brier_score`], [`Calibration`] |
//! | quantities | [`r_squared`], [`root_mean_squared_error`], [`mean_absolute_error`] |

mod average_precision;
mod bootstrap;
mod calibration;
mod classes;
mod confusion;
mod probabilities;
mod ranking;
mod regression;

pub use average_precision::average_precision;
pub use bootstrap::bootstrap_interval;
pub use calibration::{Calibration, CalibrationBin};
pub use classes::{ClassIndices, accuracy};
pub use confusion::ConfusionMatrix;
pub use probabilities::{brier_score, negative_log_likelihood};
pub use ranking::{RocCurve, roc_auc, top_k_accuracy};
pub use regression::{mean_absolute_error, pairs, r_squared, root_mean_squared_error};
