#![forbid(unsafe_code)]
//! Layers, initialisers and models.
//!
//! To be read, in this order: `module` (what layers have in common), `linear`, `activation` and
//! `mlp` (a whole model), `initializer`, and then whichever layer is wanted; each page begins with
//! its formula. For speed: `attention/blocks`, `attention/operation`, `convolution/patches` and
//! `normalization/operation`. Their `definition`s say what they compute, the rest may be skipped.

mod activation;
mod adaptive_pooling;
mod attention;
mod batch_norm;
mod bidirectional;
mod convolution;
mod description;
mod dropout;
mod embedding;
mod error;
mod flatten;
mod gru;
mod initializer;
mod linear;
mod lstm;
mod mlp;
mod module;
mod normalization;
mod part;
mod pooling;
mod recurrent;
mod sequential;
mod state_dict;
#[cfg(test)]
mod testing;
mod transformer;
mod window;

pub use activation::Activation;
pub use adaptive_pooling::AdaptiveAvgPool2d;
pub use attention::SelfAttention;
pub use batch_norm::BatchNorm;
pub use bidirectional::Bidirectional;
pub use convolution::Conv2d;
pub use description::Description;
pub use downhill_tensor::export::{Attribute, Constant, Export, Node, Numbers};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use error::Error;
pub use flatten::Flatten;
pub use gru::Gru;
pub use initializer::{Fans, Initializer};
pub use linear::Linear;
pub use lstm::{Lstm, LstmState};
pub use mlp::Mlp;
pub use module::{Module, SameInTraining};
pub use normalization::{LayerNorm, RmsNorm};
pub use part::{Part, Peers, in_part};
pub use pooling::{AvgPool2d, MaxPool2d};
pub use sequential::Sequential;
pub use state_dict::{Entry, Layout, assign, load_pytorch_state_dict};
pub use transformer::TransformerBlock;
pub use window::Pair;

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
