#![forbid(unsafe_code)]
//! Cross-entropy with fused softmax–log-sum-exp gradients, and every other loss.

mod binary;
mod checks;
pub mod class_weights;
mod cross_entropy;
mod divergence;
mod error;
mod focal;
mod hinge;
pub mod information;
mod likelihood;
mod logistic;
mod reduction;
mod regression;
mod targets;

pub use binary::{
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, binary_cross_entropy,
    binary_cross_entropy_with_logits,
};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use divergence::{
    Form, JensenShannonDivergence, KlDivergence, KnowledgeDistillation, jensen_shannon_divergence,
    kl_divergence, knowledge_distillation,
};
pub use error::Error;
pub use focal::{
    BinaryFocal, Focal, GeneralisedCrossEntropy, Poly1, SymmetricCrossEntropy, binary_focal, focal,
    generalised_cross_entropy, poly1, symmetric_cross_entropy,
};
pub use hinge::{BinaryHinge, MulticlassHinge, binary_hinge, multiclass_hinge};
pub use likelihood::{
    GaussianNegativeLogLikelihood, NegativeLogLikelihood, PoissonNegativeLogLikelihood,
    gaussian_negative_log_likelihood, negative_log_likelihood, poisson_negative_log_likelihood,
};
pub use reduction::Reduction;
pub use regression::{
    Huber, LogCosh, MeanAbsoluteError, MeanSquaredError, Quantile, SmoothL1, huber, log_cosh,
    mean_absolute_error, mean_squared_error, quantile, smooth_l1,
};
pub use targets::{Labels, Targets};
