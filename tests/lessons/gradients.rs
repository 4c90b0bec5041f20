//! Vanishing and exploding gradients, and what helps.

use std::fs;

use super::{between, error, example, row, run, stdout};

const SMALL: &str = "--depth 8 --width 32 --epochs 5";

/// The columns of the last table: the first layer's gradient ÷ the last's, the largest norm, the
/// first layer's step ÷ weight; and for a network that was not lost the loss and the accuracy.
pub(super) fn summary(output: &str, network: &str) -> Vec<f64> {
    let (_, table) = output.split_once("test\nnetwork").expect("the table has a heading");
    // A name may be the start of another; blanks end it.
    row(table, &format!("{network}  "))
}

#[test]
fn gradients_vanish_live_and_explode_as_activation_and_start_decide() {
    let output = run("gradients", SMALL);
    assert!(output.contains("10 classes; seed 0."), "{output}");
    let first_to_last = |network| summary(&output, network)[0];
    // σ′ is at most 1/4, over eight layers: 1.5e-5.
    assert!(first_to_last("sigmoid, Glorot") < 1e-4, "{output}");
    assert!((0.2..5.0).contains(&first_to_last("sigmoid, Glorot, BatchNorm")), "{output}");
    assert!((0.2..5.0).contains(&first_to_last("tanh, Glorot")), "{output}");
    assert!(first_to_last("tanh, 4 × Glorot") > 10.0, "{output}");
    assert!((0.2..5.0).contains(&first_to_last("ReLU, He")), "{output}");
    // The steps follow the gradients: hardly anything, against the rule of thumb of 1e-3.
    assert!(summary(&output, "sigmoid, Glorot")[2] < 1e-6, "{output}");
    assert!((1e-4..1e-2).contains(&summary(&output, "ReLU, He")[2]), "{output}");
    // Guessing is right in a tenth.
    assert!(summary(&output, "sigmoid, Glorot")[4] < 0.2, "{output}");
    assert!(summary(&output, "ReLU, He")[4] > 0.8, "{output}");
}

#[test]
fn the_table_of_a_network_agrees_with_the_sum_of_it_and_with_what_is_said() {
    let output = run("gradients", SMALL);
    let sigmoid = between(&output, "\nsigmoid, Glorot\n", "\n\n");
    let (first, last) = (row(sigmoid, "1 ")[0], row(sigmoid, "9 ")[0]);
    // Each figure printed has two digits.
    approx::assert_relative_eq!(
        first / last,
        summary(&output, "sigmoid, Glorot")[0],
        max_relative = 0.15
    );
    assert!(sigmoid.contains("The first layer's gradient has vanished: "), "{sigmoid}");
    assert!(sigmoid.contains(" of its size: hardly anything."), "{sigmoid}");
    let relu = between(&output, "\nReLU, He\n", "\n\n");
    assert!(relu.contains("The first layer's gradient has kept its size: "), "{relu}");
    assert!(relu.contains(" of its size: a healthy pace."), "{relu}");
    let large = between(&output, "\nReLU, 2 × He\n", "\n\n");
    assert!(large.contains("All gradients are huge alike"), "{large}");
    assert!(large.contains(" of its size: too much."), "{large}");
}

#[test]
fn clipping_bounds_the_norm_that_explodes_without_it() {
    let output = run("gradients", &format!("{SMALL} --clip 0.5 --quiet"));
    assert!(summary(&output, "ReLU, 2 × He")[1] > 1000.0, "{output}");
    assert_eq!(summary(&output, "ReLU, 2 × He, clipped")[1], 0.5, "{output}");
}

#[test]
fn squared_error_stays_where_the_sigmoid_is_flat_and_cross_entropy_leaves() {
    let output = run("gradients", "--depth 1 --width 2 --epochs 1 --quiet");
    for (start, least) in [("2 ", 4.0), ("4 ", 10.0), ("6 ", 40.0), ("8 ", 200.0)] {
        let figures = row(&output, start);
        let [a, squared, formula, cross, error, steps, cross_steps, ratio] = figures[..] else {
            panic!("{figures:?}")
        };
        // As in the table, with a rounded to five decimals.
        assert_eq!((squared, cross), (formula, error));
        approx::assert_abs_diff_eq!(cross, a, epsilon = 1e-5);
        approx::assert_abs_diff_eq!(squared, a * a * (1.0 - a), epsilon = 1e-5);
        approx::assert_abs_diff_eq!(ratio, steps / cross_steps, epsilon = 0.05);
        assert!(ratio > least, "{output}");
    }
}

#[test]
fn gradients_repeats_itself_and_heeds_its_seed() {
    let flags = "--depth 2 --width 8 --epochs 1 --quiet";
    assert_eq!(run("gradients", flags), run("gradients", flags));
    assert_ne!(run("gradients", flags), run("gradients", &format!("{flags} --seed 1")));
}

#[test]
fn networks_that_are_too_deep_are_shown_to_be_lost() {
    let output = run("gradients", "--depth 150 --width 16 --epochs 1");
    assert!(output.contains("ReLU, 2 × He\n  Lost at once: the loss or its gradient"), "{output}");
    assert!(output.lines().last().unwrap().starts_with("ReLU, 2 × He, LayerNorm"), "{output}");
}

#[test]
fn gradients_refuses_what_it_cannot_do() {
    for (arguments, message) in [
        ("--depth 0", "'0' for '--depth"),
        ("--width -3", "'-3'"),
        ("--epochs 0", "'0' for '--epochs"),
        ("--clip 0", "'0' for '--clip"),
        ("--learning-rate nan", "'nan' for '--learning-rate"),
        ("--seed words", "'words' for '--seed"),
    ] {
        let line = error("gradients", arguments, 2);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}

#[test]
fn a_lost_network_is_found_and_has_its_last_step_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let report = directory.path().join("report");
    let mut command = example("gradients");
    command.args(["--depth", "150", "--width", "16", "--epochs", "1"]).arg("--report").arg(&report);
    let output = stdout(&mut command);
    let found = "found: ReLU, 2 × He: Diverged at step 1: the loss is ";
    assert!(output.contains(found), "{output}");
    let page = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(page.contains("<td>ReLU, 2 × He: diverged at step 1</td>"), "no such row");
}
