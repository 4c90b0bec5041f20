//! What surrounds a training loop: metrics of what was learned and a display of progress.
//!
//! Nothing here runs the loop. It is written out where the training happens, and calls what it
//! needs:
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

mod error;
mod format;
mod graph;
mod history;
pub mod metrics;
#[cfg(feature = "report")]
pub mod plot;
mod progress;
#[cfg(feature = "report")]
mod report;
mod sparkline;
mod temperature_scaling;
mod tensorboard;

pub use error::Error;
pub use format::format_metric;
pub use graph::{ComputationGraph, Graph, Node, NodeKind};
pub use history::{Epoch, Histogram, History, LayerHistograms, LayerMeasurement};
pub use progress::Progress;
#[cfg(feature = "report")]
pub use report::{Report, Section};
pub use temperature_scaling::TemperatureScaling;
pub use tensorboard::TensorBoard;
