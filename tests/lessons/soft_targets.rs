//! Regression on [0, 1] by cross-entropy.

use super::{between, error, row, run};

/// Binary cross-entropy and squared error on the training and the test images, for what stands in
/// the first column of the last table.
fn errors(output: &str, name: &str) -> [f64; 4] {
    let (_, table) = output.split_once("trained with").expect("the table has a heading");
    row(table, name).try_into().expect("a row has four errors")
}

#[test]
fn soft_targets_are_learned_by_either_loss_from_an_ordinary_start() {
    let output = run("soft_targets", "--epochs 4");
    assert!(output.contains("1438 images to train on, 359 to test on; seed 0"), "{output}");
    assert!(output.contains("epoch 4/4  cross-entropy 0."), "{output}");
    let initial = errors(&output, "nothing: the initial weights");
    let least = errors(&output, "the least there is, at ŷ = y");
    assert!(least[0] > 0.2 && least[2] == 0.0, "{output}");
    for name in ["cross-entropy", "squared error"] {
        for (kind, error) in errors(&output, name).into_iter().enumerate() {
            assert!(error < 0.6 * initial[kind] && error > least[kind], "{name}: {output}");
        }
    }
}

#[test]
fn the_gradient_of_squared_error_vanishes_where_the_sigmoid_is_flat() {
    let output = run("soft_targets", "--epochs 1");
    let norms = between(&output, "ratio", "Training");
    let ratios: Vec<f64> = ["0 ", "-2 ", "-4 ", "-8 "].map(|bias| row(norms, bias)[3]).into();
    assert!(ratios.is_sorted() && ratios[0] < 4.0 && ratios[3] > 1000.0, "{ratios:?}");
}

#[test]
fn from_a_start_that_is_surely_wrong_only_cross_entropy_learns() {
    let output = run("soft_targets", "--epochs 4 --bias -8 --quiet");
    let initial = errors(&output, "nothing: the initial weights");
    let [_, _, by_cross_entropy, _] = errors(&output, "cross-entropy");
    let [_, _, by_squared_error, _] = errors(&output, "squared error");
    assert!(by_cross_entropy < 0.2 * initial[2], "{output}");
    assert!(by_squared_error > 0.99 * initial[2], "{output}");
    assert_eq!(output, run("soft_targets", "--epochs 4 --bias -8 --quiet"));
}

#[test]
fn soft_targets_refuses_what_it_cannot_do() {
    for (arguments, status, message) in [
        ("--learning-rate 1e30", 1, "--learning-rate smaller than"),
        ("--learning-rate 0", 2, "'0' for '--learning-rate"),
        ("--bias nan", 2, "'nan' for '--bias"),
        ("--batch-size 0", 2, "'0' for '--batch-size"),
    ] {
        let line = error("soft_targets", &format!("{arguments} --quiet"), status);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
