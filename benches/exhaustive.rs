//! Compares the vectorised exponential with the standard library's in double precision, for every
//! `f32` there is, and prints the worst error.
//!
//! ```text
//! cargo bench --bench exhaustive
//! ```

use std::process::ExitCode;
use std::thread;

use downhill::tensor::kernels::{Kernel, vectorize};

/// What the documentation of [`Kernel::exponential`] promises, in units in the last place.
const BOUND: f64 = 1.0;

/// An argument and the error there.
#[derive(Clone, Copy)]
struct Worst {
    x: f32,
    error: f64,
}

fn main() -> ExitCode {
    let threads = thread::available_parallelism().map_or(1, usize::from) as u64;
    let bound = |part: u64| ((part << 32) / threads) as usize;
    let worst = thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|part| scope.spawn(move || worst_of(bound(part)..bound(part + 1))))
            .collect();
        let parts = parts.into_iter().map(|part| part.join().expect("no comparison panics"));
        parts.max_by(|a, b| a.error.total_cmp(&b.error)).expect("there is at least one thread")
    });
    println!(
        "exponential: all 4,294,967,296 f32, worst error {:.4} units in the last place, at {:e}",
        worst.error, worst.x
    );
    if worst.error <= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The worst error among the numbers with these bits.
fn worst_of(bits: std::ops::Range<usize>) -> Worst {
    const BLOCK: usize = 1 << 12;
    let mut worst = Worst { x: 0.0, error: 0.0 };
    for start in bits.clone().step_by(BLOCK) {
        let mut results: [f32; BLOCK] = std::array::from_fn(|i| f32::from_bits((start + i) as u32));
        let arguments = results;
        vectorize(|| {
            for x in &mut results {
                *x = x.exponential();
            }
        });
        for (&x, &result) in arguments.iter().zip(&results).take(bits.end - start) {
            let error = error(result, f64::from(x).exp());
            if error > worst.error {
                worst = Worst { x, error };
            }
        }
    }
    worst
}

/// The distance of a result from the truth, in units of the last place of an `f32` there. Where
/// the truth rounds to zero, infinity or NaN, anything else is infinitely wrong.
fn error(result: f32, truth: f64) -> f64 {
    let rounded = truth as f32;
    if rounded.is_nan() || rounded.is_infinite() || rounded == 0.0 {
        let agrees = result == rounded || (result.is_nan() && rounded.is_nan());
        return if agrees { 0.0 } else { f64::INFINITY };
    }
    let unit = f64::from(rounded.next_up()) - f64::from(rounded);
    (f64::from(result) - truth).abs() / unit
}
