//! Unbalanced classes.

use super::{error, row, run};

#[test]
fn a_rare_class_is_found_more_often_with_weights_and_at_a_price() {
    let output = run("imbalance", "--runs 8 --epochs 15 --seed 3");
    assert!(output.contains("8 runs from seed 3"), "{output}");
    assert!(output.contains("199 samples (20 malignant) to train on, 79 (8) held out, 119 (12)"));
    // Each cell is "mean ± deviation"; the sign is no number.
    let means = |name| {
        let figures = row(&output, name);
        assert_eq!(figures.len(), 6, "{name}: {figures:?}");
        [figures[0], figures[2], figures[4]]
    };
    let [plain, weighted, _] = means("recall");
    assert!(weighted > plain && plain > 0.5, "{output}");
    let [plain, weighted, _] = means("precision");
    assert!(weighted < plain, "{output}");
    assert!(means("average precision").iter().all(|&mean| mean > 0.9), "{output}");
    let [plain, weighted, focal] = means("calibration error");
    assert!(focal > 2.0 * plain && focal > 2.0 * weighted, "{output}");
    assert!(means("calibration error then")[2] < 0.75 * focal, "{output}");
    assert!(means("best temperature")[2] < 0.75, "{output}");
}

#[test]
fn focal_loss_with_gamma_0_is_plain_and_a_seed_repeats_itself() {
    let output = run("imbalance", "--runs 2 --epochs 3 --gamma 0 --quiet");
    for name in ["recall", "precision", "average precision", "calibration error"] {
        let figures = row(&output, name);
        assert_eq!(figures[..2], figures[4..], "{name}");
    }
    assert_eq!(output, run("imbalance", "--runs 2 --epochs 3 --gamma 0 --quiet"));
    assert_ne!(output, run("imbalance", "--runs 2 --epochs 3 --gamma 0 --quiet --seed 1"));
}

#[test]
fn imbalance_refuses_what_it_cannot_do() {
    for (arguments, status, message) in [
        ("--fraction 0.5", 1, "would take 357 malignant samples, but there are only 212"),
        ("--fraction 0.003", 1, "class `malignant` has 1 row, too few"),
        ("--gamma -1", 1, "gamma is -1"),
        ("--learning-rate 1e30", 1, "would not be finite in f32"),
        ("--fraction 1", 2, "'1' for '--fraction"),
        ("--runs 0", 2, "'0' for '--runs"),
        ("--epochs 0", 2, "'0' for '--epochs"),
    ] {
        let line = error("imbalance", &format!("{arguments} --quiet"), status);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
