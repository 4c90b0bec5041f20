//! How much memory cross-entropy of a linear map's logits takes, beyond its inputs and their
//! gradients: by `forward_linear`, and composed of a product and a loss, which holds all logits and
//! their gradient.
//!
//! ```text
//! cargo bench --bench memory
//! ```

mod timing;

use std::process::Command;

use downhill::prelude::*;
use timing::{MEBIBYTE, labels, normal, peak_memory, reset_peak_memory};

fn main() {
    if !reset_peak_memory() {
        return println!("memory: SKIPPED: this system does not let a process reset its peak");
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, composition, rows, inner, classes] = &arguments[..] {
        let shape = [rows, inner, classes].map(|size| size.parse().expect("a size"));
        return measure(composition, shape);
    }
    println!("{:28} {:>10} {:>10} {:>10}", "peak resident, in MiB", "before", "peak", "beyond");
    for shape in [[1024, 256, 32_000], [2048, 512, 32_000]] {
        for composition in ["forward_linear", "composed"] {
            // Each in a process of its own, with no memory left over from another.
            let program = std::env::current_exe().expect("this program has a path");
            let mut command = Command::new(program);
            command.arg(composition).args(shape.map(|size| size.to_string()));
            let status = command.status().expect("this program can be started again");
            assert!(status.success(), "{command:?} failed");
        }
    }
}

/// Prints the peak while the loss is computed and differentiated, and by how much it exceeds what
/// was there before and the gradients.
fn measure(composition: &str, [rows, inner, classes]: [usize; 3]) {
    let hidden = Tensor::parameter(normal(&[rows, inner], 1.0));
    let weight = Tensor::parameter(normal(&[classes, inner], 0.05));
    let labels = labels(rows, classes);
    let cross_entropy = CrossEntropy::new();
    let loss = || match composition {
        "forward_linear" => cross_entropy.forward_linear(&hidden, &weight, None, &labels),
        _ => cross_entropy.forward(&hidden.matmul(&weight.transpose()), &labels),
    };
    reset_peak_memory();
    let before = peak_memory().expect("the system tells the peak that it resets");
    let gradients = loss().expect("the labels are classes").backward();
    let peak = peak_memory().expect("the system tells the peak that it resets");
    let values: usize = gradients.iter().map(|gradient| gradient.len()).sum();
    let beyond = peak - before - (values * size_of::<f32>()) as f64;
    let [before, peak, beyond] = [before, peak, beyond].map(|bytes| bytes / MEBIBYTE);
    let name = format!("{composition}/{rows}x{inner}x{classes}");
    println!("{name:28} {before:10.1} {peak:10.1} {beyond:10.1}");
}
