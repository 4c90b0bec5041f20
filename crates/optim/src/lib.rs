#![forbid(unsafe_code)]
//! Gradient descent and its family.
//!
//! An [`Optimizer`] takes a model and the gradients of its loss, and changes the model's
//! parameters so that the loss gets smaller:
//!
//! ```
//! use downhill_optim::{Optimizer, Sgd};
//! use downhill_tensor::Tensor;
//!
//! let mut weight = Tensor::parameter([4.0_f32, -2.0]);
//! let mut optimizer = Sgd::new(0.1).momentum(0.5);
//! for _step in 0..50 {
//!     let loss = (&weight - 1.0).square().sum();
//!     let gradients = loss.backward();
//!     optimizer.step(&mut weight, &gradients)?;
//! }
//! assert!(weight.to_vec().iter().all(|weight| (weight - 1.0).abs() < 1e-5));
//! # Ok::<(), downhill_optim::Error>(())
//! ```
//!
//! | | |
//! | --- | --- |
//! | [`Sgd`] | along the gradient; momentum, Nesterov's momentum |
//! | [`Adagrad`], [`RmsProp`] | each weight at a pace of its own |
//! | [`Adam`], [`AdamW`] | both of these |
//! | [`Lion`] | along signs |
//! | [`Muon`] | matrices, along all their singular vectors alike |
//! | [`Lbfgs`] | a quasi-Newton method for the full batch |
//!
//! Formulas and defaults are PyTorch's ([`Lion`]'s are optax's), and the results agree with
//! theirs. Around the step there are [`ParameterGroup`]s, [`Schedule`]s of the learning rate,
//! clipping of gradients ([`clip_by_global_norm`] and others), and the
//! [`ExponentialMovingAverage`] of the weights. An optimizer of your own is a [`Rule`].
//!
//! To be read, in this order: `optimizer` (the interface), `sgd` and `adam` (a formula each, and
//! its lines in Rust), `rule` (what a formula is given), `first_order` (what all of them share),
//! and then whichever part is wanted. For speed: `in_lanes`, the loop that formulas are inlined
//! into, which may be skipped.

mod adagrad;
mod adam;
mod average;
mod clip;
mod early_stopping;
mod error;
mod first_order;
mod group;
mod improvement;
mod in_lanes;
mod lbfgs;
mod lion;
mod muon;
mod norm;
mod optimizer;
mod plateau;
mod rms_prop;
mod rule;
mod schedule;
mod sgd;
mod slots;
mod state;
mod visit;

pub use adagrad::{Adagrad, AdagradRule};
pub use adam::{Adam, AdamRule, AdamW};
pub use average::ExponentialMovingAverage;
pub use clip::{clip_by_global_norm, clip_by_global_p_norm, clip_by_norm, clip_by_value};
pub use early_stopping::{EarlyStopping, EarlyStoppingState};
pub use error::{BoxError, Error, check, check_in};
pub use first_order::FirstOrder;
pub use group::ParameterGroup;
pub use improvement::Threshold;
pub use lbfgs::{Lbfgs, LbfgsOutcome, StoppedBy};
pub use lion::{Lion, LionRule};
pub use muon::{Muon, MuonRule, MuonScale};
pub use optimizer::{Optimizer, unclaimed};
pub use plateau::ReduceOnPlateau;
pub use rms_prop::{RmsProp, RmsPropRule};
pub use rule::{Rule, Update};
pub use schedule::{OneCycle, Schedule};
pub use sgd::{Sgd, SgdRule};

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
