#![forbid(unsafe_code)]
//! Cross-entropy with fused softmax–log-sum-exp gradients, and every other loss.
//!
//! A loss is made with its options and applied to a batch; a function of the same name stands for
//! the default options. Most are written as a rule, which is its options, their checks and its
//! formula; one of your own is written in the same way, as an [`ElementwiseRule`], a [`LabelRule`]
//! or a [`DistributionRule`]. Every loss is a [`Tensor`](downhill_tensor::Tensor), in nats where it is
//! one of information, and can be differentiated twice:
//!
//! ```
//! use downhill_losses::{CrossEntropy, cross_entropy};
//! use downhill_tensor::Tensor;
//!
//! let logits = Tensor::parameter([[2.0_f64, 1.0, 0.1], [0.0, 0.0, 0.0]]);
//! let loss = CrossEntropy::new().label_smoothing(0.1).forward(&logits, &[0, 2])?;
//! let plain = cross_entropy(&logits, &[0, 2])?;
//!
//! // softmax − target, divided by the number of rows
//! let gradient = plain.backward().get(&logits).unwrap().to_vec();
//! assert!((gradient[5] - (1.0 / 3.0 - 1.0) / 2.0).abs() < 1e-15);
//! # assert!(loss.item() > plain.item());
//! # Ok::<(), downhill_losses::Error>(())
//! ```
//!
//! | input | losses |
//! | --- | --- |
//! | logits `[…, C]` and labels or distributions | [`CrossEntropy`], also of a last layer whose logits are never held ([`forward_linear`](CrossEntropy::forward_linear)) |
//! | logits `[…, C]` and labels | [`Focal`], [`Poly1`], [`GeneralisedCrossEntropy`], [`SymmetricCrossEntropy`], [`MulticlassHinge`] |
//! | log-probabilities `[…, C]` and labels | [`NegativeLogLikelihood`] |
//! | logits and targets in \[0, 1\], of one shape | [`BinaryCrossEntropyWithLogits`], [`BinaryFocal`], [`BinaryHinge`] |
//! | probabilities and targets in \[0, 1\], of one shape | [`BinaryCrossEntropy`] |
//! | logits and distributions or logits `[…, C]` | [`KlDivergence`], [`JensenShannonDivergence`], [`KnowledgeDistillation`] |
//! | logits or distributions `[…, C]` | [`Entropy`] |
//! | predictions and numbers, of one shape | [`MeanSquaredError`], [`MeanAbsoluteError`], [`Huber`], [`SmoothL1`], [`LogCosh`], [`Quantile`], [`GaussianNegativeLogLikelihood`], [`PoissonNegativeLogLikelihood`] |
//! | probabilities, without gradients | the measures of [`information`] |
//!
//! # To be read
//!
//! `cross_entropy/definition.rs` says what cross-entropy is, in tensor operations, and
//! `cross_entropy/mod.rs` what it is asked for; `regression.rs` shows losses written as rules, and
//! `elementwise.rs` what a rule is given for that. What is in `cross_entropy/kernel/` and
//! `cross_entropy/linear/` computes the same for speed, and can be skipped.
//!
//! # The edges
//!
//! Nothing takes the logarithm of a softmax or of a sigmoid; log Σ exp is a single function, shifted by
//! its maximum. What happens where that is not enough:
//!
//! | case | result |
//! | --- | --- |
//! | huge logits, such as ±10⁴ in `f32` | finite, exact |
//! | a logit of −∞ (a masked class) whose target is 0 | contributes 0, and its gradient is 0 |
//! | the same with label smoothing | masked classes get no share of it: ε is spread over the others |
//! | a logit of −∞ at the true class | loss +∞; the gradient is that of the limit, softmax − target |
//! | a logit of +∞ | takes all the probability: loss 0 if it is the true class, else +∞ |
//! | a row that is nearly certain | loss and gradient are right to a relative 1e-5 down to the least normal number |
//! | a probability of 0 in a divergence or an entropy | 0 · ln 0 is 0, and so are its derivatives of both orders |
//! | equal distributions | a divergence is 0, and never below |
//! | binary, a logit of −∞ and target 0, or +∞ and 1 | 0 |
//! | every label ignored, or of weight 0, with [`Reduction::Mean`] | loss 0, gradient 0 |
//! | an empty batch | mean 0, sum 0, an empty gradient |
//! | NaN in a logit | NaN in the loss and the gradient of that row only |
//! | a row of logits that is all −∞ | [`Error::AllMasked`] |
//! | a label that is no class, a distribution that is none, a shape, number of weights or option out of range | [`Error`], with the place and the value |
//!
//! `cargo test -p downhill-losses edges` checks each. PyTorch 2.15 returns NaN for a masked
//! class in a distribution, the binary edges, where nothing counts, an empty batch and a row of −∞,
//! and +∞ for a masked class with label smoothing (`python tests/reference/edges_elsewhere.py`).

mod binary;
pub mod checks;
pub mod class_weights;
mod cross_entropy;
mod divergence;
mod elementwise;
mod error;
mod focal;
mod hinge;
pub mod information;
mod likelihood;
mod logistic;
mod of_distributions;
mod of_labels;
mod reduction;
mod regression;
mod targets;
mod wrapper;

pub use binary::{
    BinaryCrossEntropy, BinaryCrossEntropyRule, BinaryCrossEntropyWithLogits,
    BinaryCrossEntropyWithLogitsRule, binary_cross_entropy, binary_cross_entropy_with_logits,
};
pub use cross_entropy::{CrossEntropy, cross_entropy};
pub use divergence::{
    Entropy, JensenShannonDivergence, JensenShannonDivergenceRule, KlDivergence, KlDivergenceRule,
    KnowledgeDistillation, entropy, jensen_shannon_divergence, kl_divergence,
    knowledge_distillation,
};
pub use elementwise::{Elementwise, ElementwiseRule};
pub use error::Error;
pub use focal::{
    BinaryFocal, BinaryFocalRule, Focal, FocalRule, GeneralisedCrossEntropy,
    GeneralisedCrossEntropyRule, Poly1, Poly1Rule, SymmetricCrossEntropy,
    SymmetricCrossEntropyRule, binary_focal, focal, generalised_cross_entropy, poly1,
    symmetric_cross_entropy,
};
pub use hinge::{
    BinaryHinge, BinaryHingeRule, MulticlassHinge, MulticlassHingeRule, binary_hinge,
    multiclass_hinge,
};
pub use likelihood::{
    GaussianNegativeLogLikelihood, NegativeLogLikelihood, NegativeLogLikelihoodRule,
    PoissonNegativeLogLikelihood, PoissonNegativeLogLikelihoodRule,
    gaussian_negative_log_likelihood, negative_log_likelihood, poisson_negative_log_likelihood,
};
pub use of_distributions::{DistributionRule, Distributions, Form, OfDistributions};
pub use of_labels::{LabelRule, OfLabels};
pub use reduction::Reduction;
pub use regression::{
    Huber, HuberRule, LogCosh, LogCoshRule, MeanAbsoluteError, MeanAbsoluteErrorRule,
    MeanSquaredError, MeanSquaredErrorRule, Quantile, QuantileRule, SmoothL1, SmoothL1Rule, huber,
    log_cosh, mean_absolute_error, mean_squared_error, quantile, smooth_l1,
};
pub use targets::{IntoLabels, IntoTargets, Labels, Targets};

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
