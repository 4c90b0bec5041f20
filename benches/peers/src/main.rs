//! The cases of `benches/cases.rs` in other Rust frameworks, one line of JSON each.
//!
//! ```text
//! peers candle|dfdx|burn [CASE-PREFIX ...]
//! ```

mod burn_cases;
mod candle_cases;
mod dfdx_cases;
mod timing;

use std::process::ExitCode;

use timing::Cases;

const CROSS_ENTROPY: [[usize; 2]; 5] =
    [[32, 10], [1024, 10], [4096, 1000], [512, 32_000], [128, 128_256]];
const LINEAR_CROSS_ENTROPY: [[usize; 3]; 2] = [[1024, 256, 32_000], [2048, 512, 32_000]];
const PERCEPTRONS: [(&str, usize, &[usize]); 4] = [
    ("moons", 100, &[2, 16, 16, 2]),
    ("digits", 32, &[64, 32, 10]),
    ("mnist-s", 64, &[784, 128, 10]),
    ("mnist-l", 256, &[784, 512, 512, 10]),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let run = match arguments.next().as_deref() {
        Some("candle") => candle_cases::run,
        Some("dfdx") => dfdx_cases::run,
        Some("burn") => burn_cases::run,
        _ => {
            eprintln!("usage: peers candle|dfdx|burn [CASE-PREFIX ...]");
            return ExitCode::from(2);
        }
    };
    let peer = std::env::args().nth(1).expect("it was just matched");
    run(&Cases { peer, prefixes: arguments.collect() });
    ExitCode::SUCCESS
}
