//! The rules to choose from, and what suits each.
//!
//! - `sgd` steps down the gradient of each batch: w ← w − η·g;
//! - `momentum` and `nesterov` step down a running sum of gradients, which cancels what alternates
//!   and adds up what persists;
//! - `adagrad`, `rmsprop`, `adam` and `adamw` divide each weight's step by the size its gradients
//!   usually have, so that flat directions are walked as fast as steep ones;
//! - `lion` takes the sign only: every weight moves by η in every step;
//! - `muon` makes all singular values of a matrix's step equal (biases are stepped by `adamw`).

use clap::ValueEnum;
use downhill::optim::{Adagrad, Lion, Muon, ParameterGroup, RmsProp};
use downhill::prelude::*;

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Rule {
    Sgd,
    Momentum,
    Nesterov,
    Adagrad,
    Rmsprop,
    Adam,
    Adamw,
    Lion,
    Muon,
}

impl Rule {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// A learning rate of the size that suits it.
    pub(crate) fn rate(self) -> f64 {
        match self {
            Self::Sgd => 0.3,
            Self::Momentum | Self::Nesterov | Self::Adagrad | Self::Muon => 0.05,
            Self::Rmsprop | Self::Adam | Self::Adamw => 0.01,
            Self::Lion => 0.002,
        }
    }

    /// Usually one; Muon leaves the biases to a second.
    pub(crate) fn optimizers(self, rate: f64, decay: f64) -> Vec<Box<dyn Optimizer<f32>>> {
        match self {
            Self::Sgd => vec![Box::new(Sgd::new(rate).weight_decay(decay))],
            Self::Momentum => vec![Box::new(Sgd::new(rate).momentum(0.9).weight_decay(decay))],
            Self::Nesterov => {
                let nesterov = Sgd::new(rate).momentum(0.9).nesterov(true);
                vec![Box::new(nesterov.weight_decay(decay))]
            }
            Self::Adagrad => vec![Box::new(Adagrad::new(rate).weight_decay(decay))],
            Self::Rmsprop => vec![Box::new(RmsProp::new(rate).weight_decay(decay))],
            Self::Adam => vec![Box::new(Adam::new(rate).weight_decay(decay))],
            Self::Adamw => vec![Box::new(AdamW::new(rate).weight_decay(decay))],
            Self::Lion => vec![Box::new(Lion::new(rate).weight_decay(decay))],
            Self::Muon => {
                let matrices = Muon::new(rate).weight_decay(decay);
                let biases = AdamW::new(0.01).weight_decay(0.0);
                vec![
                    Box::new(matrices.group(ParameterGroup::matching("*.bias").frozen())),
                    Box::new(biases.group(ParameterGroup::matching("*.weight").frozen())),
                ]
            }
        }
    }
}
