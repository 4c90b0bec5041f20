#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! Data sets: reading, splitting, scaling and batching.
//!
//! A [`Dataset`] is a matrix of features `[N, D]` and one target per row: [`Classes`] or
//! [`Numbers`]. It is read from a table in text ([`Dataset::read_csv`], or [`Csv`] with all its
//! options), from MNIST's IDX files ([`Dataset::read_idx`]), or made from arrays
//! ([`Dataset::new`]); each way, every value is checked to be finite.
//!
//! With the feature `npy` it is also read from NumPy's files (`Dataset::read_npy`,
//! `Dataset::read_npz`), with `images` from folders of pictures (`ImageFolder`), and with
//! `parquet` from Parquet tables (`Parquet`).
//!
//! To be read, in this order: `csv.rs` (a file becomes rows), `table.rs` (rows become a data
//! set), `dataset.rs`, `split.rs` (the first method) and `batches.rs`. The other files are
//! further options, formats and ways of splitting.
//!
//! ```
//! use downhill_datasets::{Dataset, Standardizer};
//! use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
//!
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//! let (train, test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
//! let standardizer = Standardizer::fit(&train);
//! let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
//!
//! for batch in train.batches(32, &mut rng) {
//!     assert_eq!(batch.features.shape(), [batch.labels.len(), 64]);
//! }
//! assert_eq!(train.len() + test.len(), 1797);
//! # Ok::<(), downhill_datasets::Error>(())
//! ```

mod batches;
mod columns;
mod csv;
mod dataset;
mod error;
mod idx;
#[cfg(feature = "images")]
mod images;
mod imputer;
mod names;
#[cfg(feature = "npy")]
mod npy;
#[cfg(feature = "parquet")]
mod parquet;
mod row;
mod sampling;
mod source;
mod split;
mod standardizer;
pub mod synthetic;
mod table;
mod target;
mod whole;
mod words;

pub use batches::Batches;
pub use csv::Csv;
pub use dataset::Dataset;
pub use error::{At, Error, Problem};
pub use idx::read_idx_array;
#[cfg(feature = "images")]
pub use images::ImageFolder;
pub use imputer::{Fill, Imputer};
#[cfg(feature = "npy")]
pub use npy::{read_npy_array, read_npz_array};
#[cfg(feature = "parquet")]
pub use parquet::Parquet;
pub use split::Folds;
pub use standardizer::Standardizer;
pub use target::{Batch, Classes, Numbers, RegressionBatch, Target};

/// The snippets of the README are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
