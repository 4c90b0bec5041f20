#![forbid(unsafe_code)]
//! A minimal, exact and fast autodiff training framework, with cross-entropy at its heart.

pub use downhill_datasets as datasets;
pub use downhill_losses as losses;
pub use downhill_nn as nn;
pub use downhill_optim as optim;
pub use downhill_tensor as tensor;
pub use downhill_train as train;

/// What a training program needs, to be imported as a whole.
pub mod prelude {
    pub use downhill_datasets::{Batch, Dataset, Standardizer};
    pub use downhill_losses::{CrossEntropy, MeanSquaredError, Reduction, cross_entropy};
    pub use downhill_nn::{Activation, Linear, Mlp, Module, Sequential};
    pub use downhill_optim::{Optimizer, Sgd};
    pub use downhill_tensor::{
        Element, Gradients, Parameters, Tensor, grad, parameters, without_recording,
    };
    pub use downhill_train::metrics::accuracy;
    pub use downhill_train::{ComputationGraph, Progress};
    pub use rand::rngs::Xoshiro256PlusPlus;
    pub use rand::{Rng, RngExt, SeedableRng};
}

/// The README's snippets are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
