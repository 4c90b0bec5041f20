//! The lessons, run as a reader would run them: what they print, and what they refuse.

mod cross_entropy;
mod diabetes;
mod digits;
mod ending;
mod gradients;
mod imbalance;
mod report;
