//! How time grows with size: of cross-entropy with the number of logits, of copying as many, and
//! of a training step with the batch. What is called `…/memory` works on numbers that are in no
//! cache, however few they are; other steps work on the same ones again and again.
//!
//! ```text
//! cargo bench --bench growth                  # all
//! cargo bench --bench growth -- ce/C=10 step  # those whose names begin so
//! ```

mod timing;

use std::time::Duration;

use downhill::prelude::*;
use timing::{Cases, copy_step, cross_entropy_step, time, training_step};

fn main() {
    let cases = Cases::from_command_line();
    let sizes = [4, 5, 6, 7, 8].map(|exponent| 10_usize.pow(exponent));
    // As often as all are as many numbers as the largest.
    let turns = |size: usize| sizes[sizes.len() - 1] / size;
    for classes in [10, 1000] {
        let step = move |logits: usize| cross_entropy_step(logits / classes, classes);
        series(&cases, &format!("ce/C={classes}"), "logits", &sizes, step);
        series(&cases, &format!("ce/C={classes}/memory"), "logits", &sizes, |logits| {
            in_turn(turns(logits), move || step(logits))
        });
    }
    // What memory alone makes of the growth.
    series(&cases, "copy", "numbers", &sizes, copy_step);
    series(&cases, "copy/memory", "numbers", &sizes, |count| {
        in_turn(turns(count), move || copy_step(count))
    });
    let steps: [(&str, &[usize]); 2] = [("digits", &[64, 32, 10]), ("mnist-s", &[784, 128, 10])];
    for (name, layers) in steps {
        let batches = [1, 4, 16, 64, 256, 1024, 4096];
        series(&cases, &format!("step/{name}"), "batch", &batches, |batch| {
            training_step(batch, layers, Sgd::new(1e-3))
        });
    }
    cases.finish();
}

/// A step on numbers that are in no cache: `count` steps, each on numbers of its own, take turns, so
/// that it is long until the first comes again.
fn in_turn<F: FnMut()>(count: usize, set_up: impl Fn() -> F) -> impl FnMut() {
    let mut steps: Vec<F> = (0..count).map(|_| set_up()).collect();
    // Memory is dearer when it is used for the first time.
    steps.iter_mut().for_each(|step| step());
    let mut next = 0;
    move || {
        steps[next]();
        next = (next + 1) % count;
    }
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
