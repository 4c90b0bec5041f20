#![deny(unsafe_code)]
//! Training on several processes and machines over MPI, to the byte as on one.
//!
//! Every process runs the same program. Two lines of a training loop change: which rows of a batch
//! are a process's own, and that gradients are the group's before the optimizer's step:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use downhill::prelude::*;
//! use downhill::train::state;
//! use downhill_distributed::{Group, PartLoss, run};
//!
//! fn main() -> ExitCode {
//!     run(train)
//! }
//!
//! fn train(group: Group) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
//!     let (train, _test) = Dataset::read_csv("data/digits.csv", "digit")?.split(0.8, &mut rng)?;
//!     let mut model = Mlp::new(&[64, 32, 10], &mut rng);
//!     let mut optimizer = Sgd::new(0.1).momentum(0.9);
//!     let cross_entropy = CrossEntropy::new();
//!     group.begin(state!(model; optimizer; rng))?;
//!
//!     for _epoch in 0..20 {
//!         for rows in train.batches(32, &mut rng).rows() {
//!             let step = group.gradients(&mut model, &rows, &mut rng, |model, rows, _rng| {
//!                 let batch = train.batch(rows);
//!                 let logits = model.forward(&batch.features);
//!                 let loss = cross_entropy.forward(&logits, &batch.labels)?;
//!                 Ok::<_, downhill::losses::Error>(PartLoss::new(loss, rows.len() as f64))
//!             })?;
//!             optimizer.step(&mut model, &step.gradients)?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! ```text
//! mpirun -n 4 target/release/my_program
//! ```
//!
//! A batch is [cut into parts](Group::parts), eight unless that is changed, whatever the number of
//! processes, and what comes of the parts is added in an order that depends on the number of parts
//! alone. So 1, 2, 3, 4 or 8 processes train the same bytes. Batch normalisation is by the whole
//! batch, dropout depends on the sample, and a mean is over the whole batch.
//! [`Group::fast`] gives this up for speed between machines.
//!
//! Processes of one machine add gradients in memory that all of them read. Where there is none, or with
//! `DOWNHILL_SHARED_MEMORY=0` in the environment, they send messages as those of several machines do.
//!
//! To be read: `cut` (in which order is added), `gradients` (a step), `layout` (gradients as one row),
//! `exchange` (who gives what to whom), `shared` (memory that all processes of a machine read),
//! `meeting` (how parts normalise together), `run` (how a run ends), `wait` (how one process waits for
//! another, and for how long), `start` (the same before MPI runs), `begin`.

mod begin;
mod cut;
mod error;
mod exchange;
mod gradients;
mod group;
mod layout;
mod meeting;
mod run;
mod shared;
mod start;
mod wait;

pub use error::Error;
pub use gradients::{PartLoss, Step};
pub use group::{Group, Number};
pub use run::run;
