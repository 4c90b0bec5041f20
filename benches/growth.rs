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
use timing::{Cases, copy_step, cross_entropy_step, time, training_step};

fn main() {
    let cases = Cases::from_command_line();
    let sizes = [4, 5, 6, 7, 8].map(|exponent| 10_usize.pow(exponent));
    for classes in [10, 1000] {
        series(&cases, &format!("ce/C={classes}"), "logits", &sizes, |logits| {
            cross_entropy_step(logits / classes, classes)
        });
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
}

/// Times a step at each size, in all, for each part, and relative to what the size before gives
/// reason to expect.
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
    let mut before: Option<f64> = None;
    for &size in sizes {
        let seconds = time(Duration::from_millis(800), step(size)).median;
        let each = seconds * 1e9 / size as f64;
        let growth = before.map_or("–".into(), |before| format!("{:.2}", each / before));
        println!("{name:16} {size:11} {:11.1} {each:9.2} {growth:>14}", seconds * 1e6);
        before = Some(each);
    }
    println!();
}
