#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
//! A minimal, exact and fast autodiff training framework, with cross-entropy at its heart.
//!
//! This page is a short guide: the whole way from data to updated weights, then tensors, gradients,
//! losses, optimizers, and how to write your own of each. Every example on it is compiled, and all
//! but the first are run as tests. The README leads to the course.
//!
//! # The loop
//!
//! ```no_run
//! use downhill::prelude::*;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//!     let (train, test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
//!     let standardizer = Standardizer::fit(&train);
//!     let (train, test) = (standardizer.transform(&train), standardizer.transform(&test));
//!     println!("{} images to train on, {} to test on", train.len(), test.len());
//!
//!     let mut model = Mlp::new(&[64, 32, 10], &mut rng);
//!     let mut optimizer = Sgd::new(0.05).momentum(0.9);
//!     let cross_entropy = CrossEntropy::new();
//!
//!     for epoch in 1..=20 {
//!         let mut total = 0.0;
//!         for batch in train.batches(32, &mut rng) {
//!             let logits = model.forward(&batch.features);
//!             let loss = cross_entropy.forward(&logits, &batch.labels)?;
//!             let gradients = loss.backward();
//!             optimizer.step(&mut model, &gradients)?;
//!             total += loss.item() * batch.labels.len() as f32;
//!         }
//!         println!("epoch {epoch:2}: training loss {:.4} nats", total / train.len() as f32);
//!     }
//!
//!     let logits = without_recording(|| model.forward(&test.full_batch().features));
//!     println!("test accuracy {:.4}", accuracy(&logits.argmax(-1), test.labels())?);
//!     Ok(())
//! }
//! ```
//!
//! # Tensors
//!
//! A [`Tensor`](tensor::Tensor) is an n-dimensional array of `f32` or `f64`. It is immutable and a
//! handle: a clone costs nothing, and threads can share it. Operations broadcast as NumPy's do. It
//! is made from arrays and from `ndarray`'s, and shows itself as one:
//!
//! ```
//! use downhill::prelude::*;
//!
//! let x = Tensor::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
//! let centred = &x - x.mean_axes(0); // [2, 3] − [3]
//! assert_eq!(centred.to_vec(), [-1.5, -1.5, -1.5, 1.5, 1.5, 1.5]);
//! assert_eq!(x.matmul(&x.transpose()).shape(), [2, 2]);
//! assert_eq!(x.array()[[1, 0]], 4.0);
//! ```
//!
//! Shapes that do not fit are a mistake in the program and panic, naming both; what comes from
//! outside (files, labels, probabilities) is checked, and comes back as a `Result`.
//!
//! # Gradients
//!
//! What is to be learned is a [parameter](tensor::Tensor::parameter). Whatever is computed from one
//! remembers how, and [`backward`](tensor::Tensor::backward) returns the gradients as a value:
//!
//! ```
//! use downhill::prelude::*;
//!
//! let weight = Tensor::parameter([1.0_f32, -2.0]);
//! let unused = Tensor::parameter(0.0);
//! let loss = weight.square().sum();
//! let gradients = loss.backward();
//! assert_eq!(gradients.get(&weight).unwrap().to_vec(), [2.0, -4.0]);
//! assert!(gradients.get(&unused).is_none()); // not the same as zero
//! ```
//!
//! [`grad`](tensor::grad) returns gradients that can be differentiated in turn, to any order;
//! [`hessian_vector_product`](tensor::hessian_vector_product) and [`hessian`](tensor::hessian) are
//! made of it. [`without_recording`](tensor::without_recording) computes without remembering.
//!
//! ```
//! use downhill::tensor::{Tensor, hessian_vector_product};
//!
//! // Newton's method finds the minimum of x − ln x in a few steps.
//! let (mut x, one) = (Tensor::parameter(0.5_f64), Tensor::scalar(1.0));
//! for _ in 0..6 {
//!     let loss = &x - x.ln();
//!     let slope = loss.backward().get(&x).unwrap().item();
//!     let curvature = hessian_vector_product(&loss, &[&x], &[&one]).remove(0).item();
//!     x.update(|x| x[0] -= slope / curvature);
//! }
//! assert!((x.item() - 1.0).abs() < 1e-12);
//! ```
//!
//! # Losses
//!
//! A loss is made with its options and applied to a batch; a plain function stands for the default
//! ones. [All of them](losses) are defined where others return NaN, and differentiable twice.
//!
//! ```
//! use downhill::losses::{CrossEntropy, binary_cross_entropy_with_logits};
//! use downhill::prelude::*;
//!
//! let logits = Tensor::parameter([[2.0_f32, 1.0, f32::NEG_INFINITY], [0.0, 3.0, 1.0]]);
//! let loss = CrossEntropy::new().label_smoothing(0.1).forward(&logits, &[0, 1])?;
//! assert!(loss.item().is_finite());
//! let wrong = cross_entropy(&logits, &[0, 3]).unwrap_err();
//! assert_eq!(wrong.to_string(), "labels[1] is 3, but the logits have 3 classes (0..=2)");
//!
//! // Regression on [0, 1]: a target is any number between.
//! let (logits, targets) = (Tensor::from([0.0_f32, 4.0]), Tensor::from([0.5, 0.9]));
//! assert!(binary_cross_entropy_with_logits(&logits, &targets)?.item() > 0.5);
//! # Ok::<(), downhill::losses::Error>(())
//! ```
//!
//! # Optimizers
//!
//! An [optimizer](optim) steps through a model's parameters by name. Schedules are functions of the
//! step, clipping changes the gradients, groups give some parameters settings of their own:
//!
//! ```
//! use downhill::optim::{AdamW, ParameterGroup, Schedule, clip_by_global_norm};
//! use downhill::prelude::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//! let mut model = Mlp::new(&[2, 16, 2], &mut rng);
//! let schedule = Schedule::cosine(0.01, 200, 0.0)?;
//! let mut optimizer =
//!     AdamW::new(0.01).group(ParameterGroup::matching("*.bias").weight_decay(0.0));
//! let inputs = Tensor::from([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! for step in 0..200 {
//!     let loss = cross_entropy(&model.forward(&inputs), &[0, 1, 1, 0])?;
//!     let mut gradients = loss.backward();
//!     clip_by_global_norm(&mut gradients, 1.0)?;
//!     optimizer.set_learning_rate(schedule.learning_rate(step));
//!     optimizer.step(&mut model, &gradients)?;
//! }
//! assert_eq!(accuracy(&model.forward(&inputs).argmax(-1), &[0, 1, 1, 0])?, 1.0);
//! # Ok(())
//! # }
//! ```
//!
//! # Seeing it learn
//!
//! A [`History`](train::History) records a loop in two lines of it, and writes CSV and JSON lines;
//! [`TensorBoard`](train::TensorBoard) writes what TensorBoard reads. With the feature `report`,
//! `report::Report` makes a page of it, with pictures. And any number can be asked how it came
//! about:
//!
//! ```
//! use downhill::prelude::*;
//! use downhill::train::History;
//!
//! let mut slope = Tensor::parameter(1.0_f32);
//! let (x, y) = (Tensor::from([1.0, 2.0]), Tensor::from([3.0, 6.0]));
//! let mut history = History::new(&slope);
//! for _epoch in 0..20 {
//!     let loss = (&x * &slope - &y).square().mean();
//!     let gradients = loss.backward();
//!     let gradient = gradients.get(&slope).unwrap().item();
//!     slope.update(|slope| slope[0] -= 0.1 * gradient);
//!     history.step(&slope, &gradients, &loss, 0.1);
//!     history.epoch(&[("training loss", loss.item().into())]);
//! }
//! let mut table = Vec::new();
//! history.write_epochs(&mut table)?; // or a file
//! assert!(table.starts_with(b"epoch,step,training loss\n1,1,10"));
//!
//! let loss = (&x * &slope - &y).square().mean();
//! let graph = loss.graph().name(&slope, "slope");
//! assert!(graph.dot().starts_with("digraph")); // for Graphviz; `report::plot::graph` draws it as SVG
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Keeping what was learned
//!
//! A model is written to a file in the format safetensors, whole or not at all, and read back, by
//! Python as well; PyTorch's files of the same module are read by the same function. With the feature
//! `onnx`, `downhill::onnx::save` writes a model for onnxruntime and other engines, and
//! `downhill::onnx::trace` any function of a tensor; and a [`Checkpoint`](train::Checkpoint) lets a run
//! go on after whatever stopped it.
//!
//! ```
//! use downhill::prelude::*;
//!
//! # fn main() -> Result<(), downhill::train::Error> {
//! # let path = std::env::temp_dir().join(format!("downhill-{}.safetensors", std::process::id()));
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//! let model: Mlp = Mlp::new(&[64, 32, 10], &mut rng);
//! save(&model, &path)?;
//!
//! let mut loaded: Mlp = Mlp::new(&[64, 32, 10], &mut rng);
//! load(&mut loaded, &path)?;
//! assert_eq!(loaded.layers[0].weight.to_vec(), model.layers[0].weight.to_vec());
//! # std::fs::remove_file(&path).unwrap();
//! # Ok(())
//! # }
//! ```
//!
//! # Your own
//!
//! A **model** is a struct whose tensors and layers [`parameters!`](tensor::parameters) names. A
//! **loss** is a function to one number. An **operation** is a value and a vector–Jacobian product
//! for each input ([`tensor::operation`]), checked with [`gradcheck`](tensor::gradcheck). An
//! **optimizer** is a formula for one weight ([`optim::Rule`]). The README shows each alone; here
//! all four work together:
//!
//! ```
//! use downhill::optim::{Error, FirstOrder, Rule, Update, check};
//! use downhill::prelude::*;
//! use downhill::tensor::{gradcheck, operation};
//!
//! /// x / (1 + |x|), whose derivative is 1 / (1 + |x|)².
//! fn softsign<E: Element>(x: &Tensor<E>) -> Tensor<E> {
//!     let value = x.array().mapv(|x| x / (E::one() + x.abs()));
//!     operation::unary("softsign", x, value, |gradient, _output, x| {
//!         gradient / (x.abs() + E::one()).square()
//!     })
//! }
//! gradcheck(|x| softsign(&x[0]), &[Tensor::from([-2.0, 0.5, 3.0])]).unwrap();
//!
//! /// A model of two numbers.
//! struct Curve {
//!     scale: Tensor,
//!     steepness: Tensor,
//! }
//! parameters!(Curve { scale, steepness });
//!
//! /// Steps of one size, whatever the gradient.
//! struct SignDescent;
//! impl Rule for SignDescent {
//!     fn validate<E: Element>(&self) -> Result<(), Error> {
//!         Ok(())
//!     }
//!     fn state(&self) -> &'static [&'static str] {
//!         &[]
//!     }
//!     fn update<E: Element>(&self, update: Update<'_, E>) {
//!         let rate = E::from_f64(update.learning_rate);
//!         update.each(|weight, gradient, []| (weight - rate * gradient.signum(), []));
//!     }
//! }
//!
//! let (x, y) = (Tensor::from([-1.0, 0.5, 2.0]), Tensor::from([-1.5, 1.2, 12.0 / 7.0]));
//! let mut curve = Curve { scale: Tensor::parameter(1.0), steepness: Tensor::parameter(1.0) };
//! let mut optimizer = FirstOrder::with_rule(0.005, SignDescent);
//! let loss = |curve: &Curve| (softsign(&(&x * &curve.steepness)) * &curve.scale - &y).square().mean();
//! for _step in 0..2000 {
//!     let gradients = loss(&curve).backward();
//!     optimizer.step(&mut curve, &gradients)?;
//! }
//! assert!(loss(&curve).item() < 1e-3);
//! # Ok::<(), Error>(())
//! ```

pub use downhill_datasets as datasets;
pub use downhill_kernels as kernels;
pub use downhill_losses as losses;
pub use downhill_nn as nn;
#[cfg(feature = "onnx")]
pub use downhill_onnx as onnx;
pub use downhill_optim as optim;
#[cfg(feature = "report")]
pub use downhill_report as report;
pub use downhill_tensor as tensor;
#[cfg(feature = "train")]
pub use downhill_train as train;
/// The arrays that tensors are made from and show themselves as.
pub use ndarray;
/// The generators that everything random takes.
pub use rand;

/// What a training program needs, to be imported as a whole.
pub mod prelude {
    pub use downhill_datasets::{Batch, Dataset, Standardizer};
    pub use downhill_losses::{CrossEntropy, MeanSquaredError, Reduction, cross_entropy};
    pub use downhill_nn::{Activation, Linear, Mlp, Module, Sequential};
    pub use downhill_optim::{Adam, AdamW, Optimizer, Schedule, Sgd, clip_by_global_norm};
    pub use downhill_tensor::{
        Element, Gradients, Parameters, Tensor, grad, parameters, without_recording,
    };
    #[cfg(feature = "train")]
    pub use downhill_train::metrics::accuracy;
    #[cfg(feature = "train")]
    pub use downhill_train::{ComputationGraph, Progress, load, save};
    pub use rand::rngs::Xoshiro256PlusPlus;
    pub use rand::{Rng, RngExt, SeedableRng};
}
