//! What surrounds a training loop: its progress, its history, and metrics of what was learned.
//!
//! Nothing here runs the loop. It is written out where the training happens, and calls what it
//! needs. `downhill-report` draws what is recorded here.
//!
//! To be read: `history/mod.rs` (what is recorded, and when), `findings/mod.rs` (what is known to go
//! wrong, and in the files beside it how it is seen), `metrics/` (a metric a file) and
//! `graph/mod.rs`. `history/histogram.rs` and the end of `history/layers.rs` are written for speed.
//!
//! ```
//! use downhill_tensor::Tensor;
//! use downhill_train::{Progress, metrics};
//!
//! let (input, target) = (Tensor::from([0.0, 1.0, 2.0]), Tensor::from([0.5, 2.0, 3.5]));
//! let mut slope = Tensor::parameter(0.0);
//!
//! let mut progress = Progress::new(30);
//! for epoch in 0..30 {
//!     let loss = (&slope * &input - &target).square().mean();
//!     let gradients = loss.backward();
//!     let gradient = gradients.get(&slope).expect("the loss depends on the slope").item();
//!     slope.update(|values| values[0] -= 0.2 * gradient);
//!     progress.epoch(epoch, &[("loss", loss.item())]);
//! }
//! progress.finish();
//!
//! let r_squared = metrics::r_squared(&(&slope * &input), &target)?;
//! assert!(r_squared > 0.9);
//! # Ok::<(), downhill_train::Error>(())
//! ```
#![forbid(unsafe_code)]

mod checkpoint;
mod error;
mod findings;
mod format;
mod graph;
mod history;
pub mod metrics;
mod model_file;
mod progress;
mod sparkline;
mod temperature_scaling;
mod tensorboard;

pub use checkpoint::{Checkpoint, Position, Remembered, Remembers, Resumed, State, fingerprint};
pub use error::Error;
pub use findings::{Ailment, Finding};
pub use format::{format_metric, format_short};
pub use graph::{ComputationGraph, Graph, Node, NodeKind};
pub use history::{Epoch, Histogram, History, LayerHistograms, LayerMeasurement};
pub use model_file::{ModelFile, load, replace_file, save, save_with_notes};
pub use progress::Progress;
pub use temperature_scaling::TemperatureScaling;
pub use tensorboard::TensorBoard;

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
