//! What the benches share: choosing cases, timing one as the programs in `peers/` do, and the
//! lines they print.
// Every bench compiles this module for itself, and none uses all of it.
#![allow(dead_code, reason = "each bench uses what it needs")]

pub(crate) mod models;

use std::cell::Cell;
use std::time::{Duration, Instant};

use downhill::kernels::{free_threads, join};
use downhill::prelude::*;
use rand_distr::StandardNormal;

/// For how long the repetitions of a case of ordinary size go on.
pub(crate) const BUDGET: Duration = Duration::from_millis(1500);
/// And of a case of large size.
pub(crate) const LARGE_BUDGET: Duration = Duration::from_secs(6);

/// The cases asked for on the command line, and what is to be done with them.
pub(crate) struct Cases {
    /// The beginnings of their names, and whether there was one.
    prefixes: Vec<(String, Cell<bool>)>,
    /// How many steps to make, for a profiler to watch; without it, steps are timed.
    steps: Option<usize>,
}

impl Cases {
    /// Those whose names begin with one of the arguments; all if there are none. `--steps N` makes
    /// N steps of each without timing them; `--bench` is what cargo says to every bench.
    pub(crate) fn from_command_line() -> Self {
        let (mut prefixes, mut steps) = (Vec::new(), None);
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--bench" => {}
                "--steps" => {
                    let count = arguments.next().and_then(|count| count.parse().ok());
                    steps = Some(
                        count.unwrap_or_else(|| refuse("--steps is followed by a whole number")),
                    );
                }
                _ => prefixes.push((argument, Cell::new(false))),
            }
        }
        Self { prefixes, steps }
    }

    pub(crate) fn include(&self, name: &str) -> bool {
        let mut asked = self.prefixes.is_empty();
        for (_, found) in self.prefixes.iter().filter(|(prefix, _)| name.starts_with(prefix)) {
            found.set(true);
            asked = true;
        }
        asked
    }

    /// To be called in the end: refuses what was asked for and is not there.
    pub(crate) fn finish(&self) {
        if let Some((prefix, _)) = self.prefixes.iter().find(|(_, found)| !found.get()) {
            refuse(&format!("no case's name begins with {prefix}"));
        }
    }

    /// Times the step that `set_up` makes, and prints the result as a line of JSON.
    pub(crate) fn time<F: FnMut()>(
        &self,
        name: &str,
        budget: Duration,
        set_up: impl FnOnce() -> F,
    ) {
        if !self.include(name) {
            return;
        }
        let mut step = set_up();
        if let Some(steps) = self.steps {
            return (0..steps).for_each(|_| step());
        }
        let Timing { median, least } = time(budget, step);
        let [median, least] = [median, least].map(|seconds| seconds * 1e6);
        println!(
            "{{\"peer\": \"downhill\", \"case\": \"{name}\", \"median_us\": {median:.2}, \
             \"min_us\": {least:.2}}}"
        );
    }
}

fn refuse(message: &str) -> ! {
    eprintln!("{message}");
    std::process::exit(2)
}

/// Seconds for one step.
pub(crate) struct Timing {
    pub(crate) median: f64,
    pub(crate) least: f64,
}

/// Times `step` in samples of some 20 ms, at least 5 and at most 60 of them, for about as long as
/// `budget`.
pub(crate) fn time(budget: Duration, mut step: impl FnMut()) -> Timing {
    let mut sample = |steps: usize| {
        let start = Instant::now();
        for _ in 0..steps {
            step();
        }
        start.elapsed().as_secs_f64() / steps as f64
    };
    sample(2);
    let once = sample(1).max(1e-7);
    let steps = ((0.02 / once) as usize).max(1);
    let count = ((budget.as_secs_f64() / (once * steps as f64)) as usize).clamp(5, 60);
    let mut samples: Vec<f64> = (0..count).map(|_| sample(steps)).collect();
    samples.sort_by(f64::total_cmp);
    Timing { median: samples[count / 2], least: samples[0] }
}

/// Normal numbers with this standard deviation, always the same.
pub(crate) fn normal(shape: &[usize], standard_deviation: f32) -> Tensor {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let mut draw = || standard_deviation * rng.sample::<f32, _>(StandardNormal);
    let values = (0..shape.iter().product()).map(|_| draw()).collect();
    Tensor::from_shape_vec(shape, values).expect("as many values as the shape holds")
}

/// Labels that are spread over the classes.
pub(crate) fn labels(count: usize, classes: usize) -> Vec<usize> {
    (0..count).map(|row| row * 31 % classes).collect()
}

/// One training step of a model on labels that fit what `forward` makes of it.
pub(crate) fn step<M: Parameters<f32>>(
    mut model: M,
    mut forward: impl FnMut(&mut M) -> Tensor,
    labels: Vec<usize>,
    mut optimizer: impl Optimizer<f32>,
) -> impl FnMut() {
    let cross_entropy = CrossEntropy::new();
    move || {
        let logits = forward(&mut model);
        let loss = cross_entropy.forward(&logits, &labels).expect("the labels are classes");
        let gradients = loss.backward();
        optimizer.step(&mut model, &gradients).expect("the gradients are finite");
    }
}

/// One training step of a perceptron on a batch of random numbers.
pub(crate) fn training_step(
    batch: usize,
    sizes: &[usize],
    optimizer: impl Optimizer<f32>,
) -> impl FnMut() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
    let model = Mlp::new(sizes, &mut rng);
    let features = normal(&[batch, sizes[0]], 1.0);
    let labels = labels(batch, sizes[sizes.len() - 1]);
    step(model, move |model| model.forward(&features), labels, optimizer)
}

/// Mean cross-entropy of a matrix of random logits, and its gradient, which is kept until the next
/// step.
pub(crate) fn cross_entropy_step(rows: usize, classes: usize) -> impl FnMut() {
    let logits = Tensor::parameter(normal(&[rows, classes], 1.0));
    let labels = labels(rows, classes);
    let cross_entropy = CrossEntropy::new();
    let mut kept = Vec::with_capacity(1);
    move || {
        // Its memory is then free for the next.
        kept.clear();
        let loss = cross_entropy.forward(&logits, &labels).expect("the labels are classes");
        kept.push(loss.backward());
    }
}

/// Copies as many numbers as a cross-entropy reads and writes, with every core: what reading and
/// writing memory alone takes.
pub(crate) fn copy_step(count: usize) -> impl FnMut() {
    fn copy(from: &[f32], to: &mut [f32]) {
        if free_threads() < 2 {
            return to.copy_from_slice(from);
        }
        let (from, more_from) = from.split_at(from.len() / 2);
        let (to, more_to) = to.split_at_mut(from.len());
        join(|| copy(from, to), || copy(more_from, more_to));
    }
    let (from, mut to) = (vec![1.0; count], vec![0.0; count]);
    move || {
        copy(&from, &mut to);
        std::hint::black_box(&mut to);
    }
}

/// Mean cross-entropy of the logits of a linear layer on random numbers, and the gradients of its
/// input and its weight.
pub(crate) fn linear_cross_entropy_step(rows: usize, inner: usize, classes: usize) -> impl FnMut() {
    let hidden = Tensor::parameter(normal(&[rows, inner], 1.0));
    let weight = Tensor::parameter(normal(&[classes, inner], 0.05));
    let labels = labels(rows, classes);
    let cross_entropy = CrossEntropy::new();
    move || {
        let loss = cross_entropy.forward_linear(&hidden, &weight, None, &labels);
        std::hint::black_box(loss.expect("the labels are classes").backward());
    }
}

/// Bytes in a MiB.
pub(crate) const MEBIBYTE: f64 = 1_048_576.0;

/// The most memory that was ever resident, in bytes, where the system tells.
pub(crate) fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// Makes the memory resident now the peak from which [`peak_memory`] goes on. Whether the system
/// can do that.
pub(crate) fn reset_peak_memory() -> bool {
    std::fs::write("/proc/self/clear_refs", "5").is_ok()
}
