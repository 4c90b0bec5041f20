//! Compares each vectorised function of one number with the standard library's in double
//! precision, for every `f32` there is, and prints the worst error.
//!
//! ```text
//! cargo bench --bench exhaustive               # all of them
//! cargo bench --bench exhaustive -- exp sig    # those whose names begin so
//! DOWNHILL_VECTORS=none cargo bench --bench exhaustive   # without vector instructions
//! ```

mod timing;

use std::array;
use std::process::ExitCode;
use std::thread;

use downhill::kernels::{Arithmetic, Elementary, Vectorized, vectorize_arithmetic};
use timing::Cases;

/// How many numbers are computed at once.
const BLOCK: usize = 1 << 12;
const BLOCKS: usize = (1 << 32) / BLOCK;

/// A function in single precision, and what it should be.
struct Function {
    name: &'static str,
    /// The greatest error that its documentation allows, in units in the last place.
    bound: f64,
    /// Whether results below the smallest normal number may be 0.
    flushes: bool,
    /// Replaces numbers by the function of them.
    replace: fn(&mut [f32; BLOCK]),
    truth: fn(f64) -> f64,
}

/// A table of functions: the name, the bound, the function of an `f32`, and that of an `f64`.
macro_rules! functions {
    ($($name:literal $bound:literal $flushes:literal: $f:expr, $truth:expr;)*) => {
        [$(Function {
            name: $name,
            bound: $bound,
            flushes: $flushes,
            replace: |values| {
                struct Replace<'a>(&'a mut [f32; BLOCK]);
                impl Vectorized for Replace<'_> {
                    type Output = ();

                    #[inline(always)]
                    fn run<A: Arithmetic>(self) {
                        for x in self.0 {
                            *x = $f(*x);
                        }
                    }
                }
                vectorize_arithmetic(Replace(values));
            },
            truth: $truth,
        }),*]
    };
}

fn main() -> ExitCode {
    let functions = functions! {
        "exponential" 1.0 false: f32::exponential, f64::exp;
        "exponential_with" 2.0 false: f32::exponential_with::<A>, f64::exp;
        "exponential_m1" 2.0 false: f32::exponential_m1::<A>, f64::exp_m1;
        "logarithm" 2.0 false: f32::logarithm::<A>, f64::ln;
        "logarithm_1p" 2.0 false: f32::logarithm_1p::<A>, f64::ln_1p;
        "hyperbolic_tangent" 2.0 false: f32::hyperbolic_tangent::<A>, f64::tanh;
        "sigmoid" 2.0 false: f32::sigmoid::<A>, |x| 1.0 / (1.0 + (-x).exp());
        "softplus" 2.0 false: f32::softplus::<A>, |x| x.max(0.0) + (-x.abs()).exp().ln_1p();
        "decay" 1.1 true: |x: f32| (-x.abs()).decay::<A>(), |x| (-x.abs()).exp();
    };
    let cases = Cases::from_command_line();
    let mut all_are_within = true;
    for function in functions.iter().filter(|function| cases.include(function.name)) {
        let worst = worst(function);
        println!(
            "{}: all 4,294,967,296 f32, worst error {:.4} units in the last place, at {:e}",
            function.name, worst.error, worst.x
        );
        all_are_within &= worst.error <= function.bound;
    }
    cases.finish();
    if all_are_within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An argument and the error there.
#[derive(Clone, Copy)]
struct Worst {
    x: f32,
    error: f64,
}

/// The worst error of a function, each thread taking one block of arguments in turn.
fn worst(function: &Function) -> Worst {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || worst_of(function, (thread..BLOCKS).step_by(threads)))
            })
            .collect();
        let parts = parts.into_iter().map(|part| part.join().expect("no comparison panics"));
        parts.max_by(|a, b| a.error.total_cmp(&b.error)).expect("there is at least one thread")
    })
}

/// The worst error among the numbers whose bits are in these blocks.
fn worst_of(function: &Function, blocks: impl Iterator<Item = usize>) -> Worst {
    let mut worst = Worst { x: 0.0, error: 0.0 };
    for block in blocks {
        let start = block * BLOCK;
        let arguments: [f32; BLOCK] = array::from_fn(|i| f32::from_bits((start + i) as u32));
        let mut results = arguments;
        (function.replace)(&mut results);
        for (&x, &result) in arguments.iter().zip(&results) {
            let truth = (function.truth)(f64::from(x));
            if function.flushes && result == 0.0 && truth < f64::from(f32::MIN_POSITIVE) {
                continue;
            }
            let error = error(result, truth);
            if error > worst.error {
                worst = Worst { x, error };
            }
        }
    }
    worst
}

/// The distance of a result from the truth, in units of the last place of an `f32` there. Where
/// the truth rounds to zero, infinity or NaN, anything else is infinitely wrong, as is a zero of
/// the other sign.
fn error(result: f32, truth: f64) -> f64 {
    let rounded = truth as f32;
    if rounded.is_nan() || rounded.is_infinite() || rounded == 0.0 {
        let agrees = result.to_bits() == rounded.to_bits() || (result.is_nan() && rounded.is_nan());
        return if agrees { 0.0 } else { f64::INFINITY };
    }
    let magnitude = rounded.abs();
    let unit = f64::from(magnitude.next_up()) - f64::from(magnitude);
    (f64::from(result) - truth).abs() / unit
}
