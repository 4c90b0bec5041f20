//! How time grows with size: of cross-entropy with the number of logits, of copying as many, and
//! of a training step with the batch.
//!
//! ```text
//! cargo bench --bench growth                  # all
//! cargo bench --bench growth -- ce/C=10 step  # those whose names begin so
//! ```

mod timing;

use std::time::Duration;

use downhill::prelude::*;
use timing::{Cases, copy_step, cross_entropy_step, labels, normal, time, training_step};

fn main() {
    let cases = Cases::from_command_line();
    let sizes = [4, 5, 6, 7, 8].map(|exponent| 10_usize.pow(exponent));
    for classes in [10, 1000] {
        series(&cases, &format!("ce/C={classes}"), "logits", &sizes, |logits| {
            cross_entropy_step(logits / classes, classes)
        });
    }
    for classes in [10, 1000] {
        let name = format!("ce/memory/C={classes}");
        series(&cases, &name, "logits", &sizes, |logits| from_memory(logits / classes, classes));
    }
    // What memory alone makes of the growth, once caches are full.
    series(&cases, "copy", "numbers", &sizes, copy_step);
    let steps: [(&str, &[usize]); 2] = [("digits", &[64, 32, 10]), ("mnist-s", &[784, 128, 10])];
    for (name, layers) in steps {
        let batches = [1, 4, 16, 64, 256, 1024, 4096];
        series(&cases, &format!("step/{name}"), "batch", &batches, |batch| {
            training_step(batch, layers, Sgd::new(1e-3))
        });
    }
    cases.finish();
}

/// A step of cross-entropy whose logits and gradient are in no cache: there are so many of them, of
/// which each step takes the next, that it is long until their turn comes again.
fn from_memory(rows: usize, classes: usize) -> impl FnMut() {
    let values = normal(&[rows, classes], 1.0).to_vec();
    let count = 100_000_000 / values.len();
    let logits = (0..count).map(|_| Tensor::from_shape_vec(&[rows, classes], values.clone()));
    let logits: Vec<Tensor> = logits.map(|logits| Tensor::parameter(logits.unwrap())).collect();
    let mut gradients: Vec<_> = (0..count).map(|_| None).collect();
    let labels = labels(rows, classes);
    let cross_entropy = CrossEntropy::new();
    let mut turn = 0;
    let mut step = move || {
        // The last round's makes room for the new one, in its place.
        gradients[turn] = None;
        let loss = cross_entropy.forward(&logits[turn], &labels).expect("the labels are classes");
        gradients[turn] = Some(loss.backward());
        turn = (turn + 1) % count;
    };
    // Memory is dearer when it is used for the first time.
    (0..count).for_each(|_| step());
    step
}

/// Times a step at each size, in all, for each part, and relative to what the size before gives
/// reason to expect; and how far that is from a straight line.
fn series<F: FnMut()>(
    cases: &Cases,
    name: &str,
    unit: &str,
    sizes: &[usize],
    step: impl Fn(usize) -> F,
) {
    if !cases.include(name) {
        return;
    }
    println!("{name:16} {unit:>11} {:>11} {:>9} {:>14}", "µs", "ns each", "÷ proportional");
    let mut times: Vec<(f64, f64)> = Vec::new();
    for &size in sizes {
        let seconds = time(Duration::from_millis(800), step(size)).median;
        let each = seconds * 1e9 / size as f64;
        let growth = times.last().map_or("–".into(), |(size, seconds)| {
            let before = seconds * 1e9 / size;
            format!("{:.2}", each / before)
        });
        println!("{name:16} {size:11} {:11.1} {each:9.2} {growth:>14}", seconds * 1e6);
        times.push((size as f64, seconds));
    }
    let [start, slope] = line(&times);
    let off = times.iter().map(|(size, seconds)| seconds / (start + slope * size) - 1.0);
    let (least, most) =
        off.fold((0.0_f64, 0.0_f64), |(least, most), off| (least.min(off), most.max(off)));
    println!(
        "{name:16} {:.2} µs and {:.3} ns each: the times are off by {:+.0} % to {:+.0} %\n",
        start * 1e6,
        slope * 1e9,
        least * 100.0,
        most * 100.0
    );
}

/// Where the line of times over sizes starts, and its slope, that has the least squares of
/// relative distances.
fn line(times: &[(f64, f64)]) -> [f64; 2] {
    // With weights 1 / time both unknowns stand for a whole time of 1.
    let (mut uu, mut uv, mut vv, mut u, mut v) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (size, seconds) in times {
        let (a, b) = (1.0 / seconds, size / seconds);
        uu += a * a;
        uv += a * b;
        vv += b * b;
        u += a;
        v += b;
    }
    let determinant = uu * vv - uv * uv;
    [(u * vv - v * uv) / determinant, (v * uu - u * uv) / determinant]
}
