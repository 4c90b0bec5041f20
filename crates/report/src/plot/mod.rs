//! Pictures in SVG: charts, tables, histograms, images, maps of decisions and landscapes.
//!
//! Every picture is 400 units wide (but for graphs, which may be wider), so that its text is legible
//! on a phone; it follows the reader's choice of light or dark. Series are told apart whatever the
//! reader's colour vision: by their colours, and by their dashes or the shapes of their points. A
//! picture holds no script and refers to nothing outside of itself.
//! Where a number is NaN or infinite there is a gap.
//!
//! ```
//! use downhill_report::plot::Chart;
//!
//! let training = [(1.0, 2.3), (2.0, 0.7), (3.0, 0.2)];
//! let validation = [(1.0, 1.9), (2.0, 0.9), (3.0, 0.8)];
//! let picture = Chart::new("Loss", "epoch", "loss (nats)")
//!     .line("training", training)
//!     .line("validation", validation)
//!     .log_y()
//!     .picture();
//! # let directory = tempfile::tempdir().unwrap();
//! # let path = directory.path().join("loss.svg");
//! std::fs::write(path, picture.svg())?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod axis;
mod chart;
mod decision_map;
mod extent;
mod field;
mod graph;
mod histograms;
mod images;
mod judgements;
mod labels;
mod layer;
mod layout;
mod lines;
mod markers;
mod picture;
mod plane;
mod range_test;
mod render;
mod rows;
mod svg;
mod tables;

pub use chart::Chart;
pub use decision_map::DecisionMap;
pub use field::Field;
pub use graph::graph;
pub use histograms::histograms;
pub(crate) use histograms::small_histogram;
pub use images::{Image, images, weight_images, weights};
pub use judgements::{bars, predicted_against_actual, reliability_diagram, residuals};
pub use picture::Picture;
pub use plane::{Plane, plane_of};
pub use range_test::learning_rate_range;
pub use tables::{confusion_matrix, heat_map};

pub(crate) use svg::Escaped;

#[cfg(test)]
pub(crate) mod tests;
