//! Vectors of either length give the same bits.

use std::env::{current_exe, var_os};
use std::process::Command;

use downhill_kernels::{
    Element, ExponentialM1, Function, Gelu, GeluSlope, HyperbolicTangent, LogSigmoid, Logarithm,
    Logarithm1p, NormalCdf, NormalDensity, Sigmoid, Softplus, affine, dot, linear, log_softmax,
    log_sum_exp, map, matmul_onto, softmax, sum, sum_columns,
};
use ndarray::{ArrayView2, ShapeBuilder};

/// Numbers from −4 to 4 with all their digits.
fn numbers<E: Element>(count: usize, seed: f64) -> Vec<E> {
    (0..count).map(|i| E::from_f64(4.0 * (seed + i as f64 * 0.7).sin())).collect()
}

/// A line for each result: what it is, and a hash of its bits.
fn digest<E: Element>() -> String {
    let mut lines = Vec::new();
    let mut add = |name: String, values: &[E]| {
        let bits = values.iter().flat_map(|value| value.as_f64().to_bits().to_le_bytes());
        let hash =
            bits.fold(0_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        lines.push(format!("{} {name} {hash:x}", size_of::<E>()));
    };
    for inner in [1, 2, 31, 127, 128, 129, 200, 256, 257, 400, 1000, 8000] {
        for (rows, columns) in [(1, 1), (3, 2), (7, 33), (50, 31), (33, 16)] {
            let (x, y) = (numbers::<E>(rows * inner, 0.1), numbers(inner * columns, 0.2));
            let bias = numbers::<E>(columns, 0.3);
            for left_strides in [(inner, 1), (1, rows)] {
                for right_strides in [(columns, 1), (1, inner)] {
                    let left = ArrayView2::from_shape((rows, inner).strides(left_strides), &x);
                    let right = ArrayView2::from_shape((inner, columns).strides(right_strides), &y);
                    let (left, right) = (left.unwrap(), right.unwrap());
                    let mut onto = numbers::<E>(rows * columns, 0.4);
                    matmul_onto(&mut onto, left, right);
                    let case =
                        format!("{rows} × {inner} {left_strides:?} × {columns} {right_strides:?}");
                    add(format!("linear {case}"), &linear(left, right));
                    add(format!("affine {case}"), &affine(left, right, &bias));
                    add(format!("matmul_onto {case}"), &onto);
                }
            }
        }
    }
    for len in [1, 5, 7, 8, 9, 15, 16, 17, 33, 100, 1025, 5000] {
        let (x, y) = (numbers::<E>(len, 0.5), numbers::<E>(len, 0.6));
        let positive: Vec<E> = x.iter().map(|x| x.abs()).collect();
        let mut each = |name: &str, values: Vec<E>| add(format!("{name} of {len}"), &values);
        fn of<E: Element>(x: &[E], function: impl Function<E>) -> Vec<E> {
            map(x, function)
        }
        each("eˣ", of(&x, |x: E| x.exponential()));
        each("eˣ − 1", of(&x, ExponentialM1));
        each("ln", of(&positive, Logarithm));
        each("ln(1 + x)", of(&positive, Logarithm1p));
        each("tanh", of(&x, HyperbolicTangent));
        each("σ", of(&x, Sigmoid));
        each("ln σ", of(&x, LogSigmoid));
        each("softplus", of(&x, Softplus));
        each("gelu", of(&x, Gelu));
        each("gelu's slope", of(&x, GeluSlope));
        each("Φ", of(&x, NormalCdf));
        each("φ", of(&x, NormalDensity));
        each("sum", vec![sum(&x)]);
        each("dot", vec![E::from_f64(dot(&x, &y))]);
        for columns in [1, 3, 16, 50] {
            each("columns", sum_columns(&x[..len / columns * columns], columns));
        }
        let mut out = x.clone();
        softmax(&x, &mut out);
        each("softmax", out.clone());
        log_softmax(&x, &mut out);
        each("log_softmax", out);
        each("log_sum_exp", vec![log_sum_exp(&x)]);
    }
    lines.join("\n")
}

#[test]
fn vectors_of_either_length_give_the_same_bits() {
    let digest = [digest::<f32>(), digest::<f64>()].join("\n");
    if var_os("DIGEST").is_some() {
        // Not in the line that says which test this is.
        println!("\n{digest}");
        return;
    }
    let mut shorter = Command::new(current_exe().unwrap());
    shorter.env("DOWNHILL_VECTORS", "avx2").env("DIGEST", "1").arg("--nocapture");
    let output = shorter.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.lines().collect();
    for line in digest.lines() {
        assert!(printed.contains(&line), "avx2 gives other bits: {line}");
    }
}
