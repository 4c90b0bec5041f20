#![forbid(unsafe_code)]
//! A minimal, exact and fast autodiff training framework.

pub use downhill_datasets as datasets;
pub use downhill_tensor as tensor;
pub use downhill_train as train;
