//! The figures of the course on every path of the kernels: with the widest vector instructions of
//! this processor, with those of AVX2, and with none, which rounds products and sums apart.
//!
//! Vectors of either length give the same bits. Without them long runs end elsewhere; what the pages
//! say must hold there, too.

use std::fs;

use super::course::{CHINESE, ENGLISH};
use super::gradients::summary;
use super::{example, last_figure, row, stdout};

/// Numbers as a page says them, one for a figure or two for its range, and the place of the figure in
/// what is printed.
type Figure<'a> = (&'a [&'a str], fn(&str) -> f64);

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
    check(
        "07-overfitting",
        "overfitting",
        &[
            (&["0.79"], |output| overfitting(output, "0", BEST)[0]),
            (&["0.791"], |output| overfitting(output, "0", BEST)[1]),
            (&["1.96"], |output| overfitting(output, "0", LAST)[0]),
            (&["0.770"], |output| overfitting(output, "0", LAST)[1]),
        ],
    );
    check(
        "07-overfitting",
        "overfitting --samples 900",
        &[(&["0.29", "0.30"], |output| overfitting(output, "1", LAST)[0])],
    );
    check(
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
    check(
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
        check("06-a-classifier", command, &[(&[accuracy], |it| last_figure(it, "test accuracy"))]);
    }
}

#[test]
fn regressions_are_as_the_lesson_says_on_every_path() {
    let page = "08-regression";
    check(page, "diabetes --epochs 100 --quiet", &[(&["0.516978"], |it| last_figure(it, "R²"))]);
    check(page, "diabetes --quiet", &[(&["0.517748"], |it| last_figure(it, "R²"))]);
    check(
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
    check(
        "11-optimizers",
        "spirals --compare sgd,adam --learning-rate 0.01",
        &[
            (&["0.5606"], |output| row(output, "sgd ")[4]),
            (&["0.66"], |output| row(output, "sgd ")[5]),
        ],
    );
}
