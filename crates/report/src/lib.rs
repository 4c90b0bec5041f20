//! Pictures of training in SVG, and the page of a run that holds them.
//!
//! [`plot`] draws charts, tables, histograms, maps and graphs. A [`Report`] is a page with pictures
//! of a run: what a [`History`](downhill_train::History) has recorded, and how good the result is.
//!
//! To be read: `plot/chart.rs` (what a chart is made of), `plot/render.rs` (how it becomes SVG),
//! `page/mod.rs` (what a report is made of) and `page/directory.rs` (how it takes the place of the
//! one before). The other files each draw or find one thing. Nothing here is written for speed.
#![forbid(unsafe_code)]

mod error;
mod page;
pub mod plot;

pub use error::Error;
pub use page::{Report, Section};
