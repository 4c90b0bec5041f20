//! The figures of the course on every path of the kernels: with the widest vector instructions of
//! this processor, with those of AVX2, and with none, which rounds products and sums apart.
//!
//! Vectors of either length give the same bits, but in large products, which the crate `gemm` computes
//! (see `downhill_kernels`). Without vectors long runs end elsewhere. What the pages say must hold in
//! any case.
//!
//! All but the first are left to tests that are compiled in release.

use std::fs;

use super::course::{CHINESE, ENGLISH};
use super::gradients::summary;
use super::{example, last_figure, row, stdout};

/// Numbers as a page says them, one for a figure or two for its range, and the place of the figure in
/// what is printed.
type Figure<'a> = (&'a [&'a str], fn(&str) -> f64);

/// Whether a long run is left out, which is said.
pub(super) fn skips(command: &str) -> bool {
    if cfg!(debug_assertions) {
        eprintln!("SKIPPED: `{command}` takes long; `cargo test --release` runs it");
    }
    cfg!(debug_assertions)
}

/// Runs a long command on every path, in release.
fn check_long(page: &str, command: &str, figures: &[Figure<'_>]) {
    if !skips(command) {
        check(page, command, figures);
    }
}

/// Runs a command on every path.
fn check(page: &str, command: &str, figures: &[Figure<'_>]) {
    let (name, arguments) = command.split_once(' ').unwrap_or((command, ""));
    let [full, avx2, none] = ["", "avx2", "none"].map(|vectors| {
        let mut run = example(name);
        stdout(run.args(arguments.split_whitespace()).env("DOWNHILL_VECTORS", vectors))
    });
    for (said, find) in figures {
        for folder in [ENGLISH, CHINESE] {
            let text = fs::read_to_string(format!("{folder}/{page}.md")).unwrap();
            for number in *said {
                assert!(text.contains(number), "{folder}/{page}.md does not say {number}");
            }
        }
        assert_eq!(find(&full), find(&avx2), "{command}: the length of vectors matters");
        let number = |said: &str| said.parse::<f64>().unwrap();
        let digits = |said: &str| said.split_once('.').map_or(0, |(_, digits)| digits.len());
        // What rounds to a number that is said counts as it.
        let half = 0.5 * 10.0_f64.powi(-(digits(said[0]) as i32)) + 1e-12;
        let (low, high) = (number(said[0]) - half, number(said[said.len() - 1]) + half);
        for output in [&full, &none] {
            let found = find(output);
            assert!((low..=high).contains(&found), "{command}: {found}, not {said:?}");
        }
    }
}

/// The loss and the accuracy on test digits without weight decay and with it, of the last weights or
/// of those of the best epoch.
fn overfitting(output: &str, decay: &str, weights: &str) -> [f64; 2] {
    let (_, part) = output.split_once(&format!("weight decay {decay}\n")).unwrap();
    let (_, table) = part.split_once("on test digits").unwrap();
    let line = table.lines().find(|line| line.starts_with(weights)).unwrap();
    let line = line.trim_start_matches(weights).trim_end_matches("(early stopping)");
    let figures: Vec<f64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    [figures[figures.len() - 2], figures[figures.len() - 1]]
}

const LAST: &str = "the last weights";
const BEST: &str = "those of epoch";

#[test]
fn overfitting_is_as_the_lesson_says_on_every_path() {
    check_long(
        "07-overfitting",
        "overfitting",
        &[
            (&["0.79"], |output| overfitting(output, "0", BEST)[0]),
            (&["0.791"], |output| overfitting(output, "0", BEST)[1]),
            (&["1.96"], |output| overfitting(output, "0", LAST)[0]),
            (&["0.770"], |output| overfitting(output, "0", LAST)[1]),
        ],
    );
    check_long(
        "07-overfitting",
        "overfitting --samples 900",
        &[(&["0.29", "0.30"], |output| overfitting(output, "1", LAST)[0])],
    );
    check_long(
        "07-overfitting",
        "overfitting --label-noise 0",
        &[
            (&["0.71"], |output| overfitting(output, "0", BEST)[0]),
            (&["0.817"], |output| overfitting(output, "0", BEST)[1]),
            (&["1.21"], |output| overfitting(output, "0", LAST)[0]),
            (&["0.844"], |output| overfitting(output, "0", LAST)[1]),
        ],
    );
}

#[test]
fn deep_networks_are_as_the_lesson_says_on_every_path() {
    check_long(
        "10-deep-networks",
        "gradients --quiet",
        &[
            (&["25", "40"], |output| summary(output, "ReLU, 2 × He, clipped")[3]),
            (&["0.25", "0.40"], |output| summary(output, "ReLU, 2 × He, clipped")[4]),
            (&["0.93", "0.94"], |output| summary(output, "ReLU, He")[4]),
        ],
    );
}

#[test]
fn the_digits_are_as_the_lesson_says_on_every_path() {
    for (command, accuracy) in [
        ("digits --quiet", "0.9861"),
        ("digits --hidden 0 --quiet", "0.9721"),
        ("digits --epochs 1 --quiet", "0.9526"),
    ] {
        check_long(
            "06-a-classifier",
            command,
            &[(&[accuracy], |it| last_figure(it, "test accuracy"))],
        );
    }
}

#[test]
fn regressions_are_as_the_lesson_says_on_every_path() {
    let page = "08-regression";
    check_long(
        page,
        "diabetes --epochs 100 --quiet",
        &[(&["0.516978"], |it| last_figure(it, "R²"))],
    );
    check_long(page, "diabetes --quiet", &[(&["0.517748"], |it| last_figure(it, "R²"))]);
    check_long(
        page,
        "soft_targets --bias -8 --quiet",
        &[
            (&["0.0158"], |output| row(output, "cross-entropy  ")[3]),
            (&["0.0563"], |output| row(output, "squared error  ")[3]),
        ],
    );
}

#[test]
fn optimizers_are_as_the_lesson_says_on_every_path() {
    check_long(
        "11-optimizers",
        "spirals --compare sgd,adam --learning-rate 0.01",
        &[
            (&["0.5606"], |output| row(output, "sgd ")[4]),
            (&["0.66"], |output| row(output, "sgd ")[5]),
        ],
    );
}

#[test]
fn the_rare_class_is_as_the_lesson_says_on_every_path() {
    let page = "09-imbalance";
    check_long(
        page,
        "imbalance --quiet",
        &[
            (&["0.888"], |output| row(output, "recall")[0]),
            (&["0.933"], |output| row(output, "recall")[2]),
            (&["0.996"], |output| row(output, "precision")[0]),
            (&["0.859"], |output| row(output, "precision")[2]),
            (&["0.988"], |output| row(output, "accuracy")[0]),
            (&["0.976"], |output| row(output, "accuracy")[2]),
            (&["0.302"], |output| row(output, "best temperature")[4]),
            (&["0.130"], |output| row(output, "calibration error")[4]),
            (&["0.045"], |output| row(output, "calibration error then")[4]),
        ],
    );
    check_long(
        page,
        "imbalance --fraction 0.05 --quiet",
        &[
            (&["0.758"], |output| row(output, "recall")[0]),
            (&["0.875"], |output| row(output, "recall")[2]),
        ],
    );
}

#[test]
fn language_models_are_as_the_lesson_says_on_every_path() {
    let page = "12-language-models";
    let loss = |output: &str| last_figure(output, "validation loss");
    check_long(page, "names --model bigram --quiet", &[(&["2.3541"], loss)]);
    check_long(page, "names --model mlp --quiet", &[(&["1.9105"], loss)]);
}

#[test]
fn doubt_is_as_the_lesson_says_on_every_path() {
    check_long(
        "13-real-doubt",
        "doubt",
        &[
            (&["1.60"], |output| row(output, "3 ")[1]),
            (&["1.07"], |output| row(output, "3 ")[2]),
            (&["0.54"], |output| row(output, "3 ")[3]),
            (&["1.67"], |output| row(output, "12 ")[1]),
        ],
    );
}

#[test]
fn decisions_are_as_the_lesson_says_on_every_path() {
    check_long(
        "14-decisions",
        "cart_pole --baseline none",
        &[
            (&["496"], |output| row(output, "update  72:")[0]),
            (&["225"], |output| row(output, "update 108:")[0]),
        ],
    );
    // Seeds end elsewhere without vectors, and all of them well.
    if skips("cart_pole --seeds 10") {
        return;
    }
    let [full, avx2, _] = ["", "avx2", "none"].map(|vectors| {
        let mut run = example("cart_pole");
        let output = stdout(run.args(["--seeds", "10"]).env("DOWNHILL_VECTORS", vectors));
        assert!(output.contains("10 of 10 seeds reach 475"), "{vectors}: {output}");
        output
    });
    assert_eq!(full, avx2, "the length of vectors matters");
}

#[test]
fn landscapes_are_as_the_lesson_says_on_every_path() {
    let page = "15-landscapes";
    check_long(
        page,
        "landscape --only plateau",
        &[
            (&["0.088"], |output| -row(output, "the Hessian's least eigenvalue")[1]),
            (&["13"], |output| row(output, "steps until 90 % of the birds are right")[0]),
            (&["225"], |output| row(output, "steps until 90 % of the birds are right")[1]),
        ],
    );
    check_long(
        page,
        "landscape --only network --learning-rate 0.3,1,1.5",
        &[
            (&["4.07"], |output| row(output, "mean of the last quarter")[0]),
            (&["2.00"], |output| row(output, "mean of the last quarter")[1]),
            (&["1.33"], |output| row(output, "mean of the last quarter")[2]),
        ],
    );
}

#[test]
fn the_first_example_is_as_the_readme_says_on_every_path() {
    let readme = include_str!("../../README.md");
    let said = readme.lines().find(|line| line.starts_with("test accuracy ")).unwrap();
    for vectors in ["", "avx2", "none"] {
        let output = stdout(example("first").env("DOWNHILL_VECTORS", vectors));
        assert_eq!(output.lines().last(), Some(said), "{vectors}");
    }
}
