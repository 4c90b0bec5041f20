//! The project's own times for the cases that `peers/` time too, one line of JSON each.
//!
//! ```text
//! cargo bench --bench cases                     # all
//! cargo bench --bench cases -- ce/ mlp/digits   # those whose names begin so
//! ```

mod timing;

use downhill::optim::Adam;
use downhill::prelude::*;
use timing::models::{convolution_step, transformer_step};
use timing::{
    BUDGET, Cases, LARGE_BUDGET, copy_step, cross_entropy_step, linear_cross_entropy_step, normal,
    training_step,
};

fn main() {
    let cases = Cases::from_command_line();
    for (rows, classes) in [(32, 10), (1024, 10), (4096, 1000), (512, 32_000), (128, 128_256)] {
        let name = format!("ce/{rows}x{classes}");
        cases.time(&name, BUDGET, || cross_entropy_step(rows, classes));
        let name = format!("copy/{rows}x{classes}");
        cases.time(&name, BUDGET, || copy_step(rows * classes));
    }
    for [rows, inner, classes] in [[1024, 256, 32_000], [2048, 512, 32_000]] {
        let name = format!("flce/{rows}x{inner}x{classes}");
        cases.time(&name, LARGE_BUDGET, || linear_cross_entropy_step(rows, inner, classes));
    }
    let perceptrons: [(&str, usize, &[usize]); 4] = [
        ("moons", 100, &[2, 16, 16, 2]),
        ("digits", 32, &[64, 32, 10]),
        ("mnist-s", 64, &[784, 128, 10]),
        ("mnist-l", 256, &[784, 512, 512, 10]),
    ];
    for (name, batch, sizes) in perceptrons {
        cases.time(&format!("mlp/{name}/sgd"), BUDGET, || {
            training_step(batch, sizes, Sgd::new(1e-3))
        });
        cases.time(&format!("mlp/{name}/adam"), BUDGET, || {
            training_step(batch, sizes, Adam::new(1e-4))
        });
    }
    cases.time("cnn/digits", BUDGET, convolution_step);
    cases.time("transformer/names", BUDGET, transformer_step);
    for [rows, inner, columns] in [[256, 784, 512], [1024, 1024, 1024]] {
        cases.time(&format!("gemm/{rows}x{inner}x{columns}"), BUDGET, || {
            let (left, right) = (normal(&[rows, inner], 1.0), normal(&[inner, columns], 1.0));
            move || {
                std::hint::black_box(left.matmul(&right));
            }
        });
    }
    cases.finish();
}
