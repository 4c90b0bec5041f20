//! Backpropagation with paper and pencil.

use approx::{assert_abs_diff_eq, assert_relative_eq};

use super::{error, example, row, run, stdout};

/// The last three numbers for a derivative: by hand, by the engine, and by difference. They stand
/// on its line or, where numbers are put into its formula, on the next.
fn derivative(output: &str, name: &str) -> [f64; 3] {
    let figures = row(&joined(output), &format!("{name} ="));
    *figures.last_chunk().unwrap_or_else(|| panic!("{name}: {figures:?}"))
}

/// A line for each quantity and each derivative.
fn joined(output: &str) -> String {
    ["\n      = ", "\n         = "]
        .iter()
        .fold(output.to_owned(), |text, at| text.replace(at, " = "))
}

#[test]
fn the_numbers_are_those_of_paper_and_pencil() {
    let output = run("backprop", "");
    // x = (1, 2): a₀ = 0.5 + 0.5 − 0.5 and a₁ = −1 + 1 − 0.25.
    let h = [0.5_f64.tanh(), (-0.25_f64).tanh()];
    let z = [h[0] + 0.5 * h[1], -0.5 * h[0] - 0.5 * h[1] + 0.25];
    let p = [1.0 / (1.0 + (z[1] - z[0]).exp()), 1.0 / (1.0 + (z[0] - z[1]).exp())];
    let arriving = [p[0] - 1.0, p[1]];
    let dh = [arriving[0] - 0.5 * arriving[1], 0.5 * arriving[0] - 0.5 * arriving[1]];
    let da = [dh[0] * (1.0 - h[0] * h[0]), dh[1] * (1.0 - h[1] * h[1])];
    assert_abs_diff_eq!(
        *row(&joined(&output), "L =").last().unwrap(),
        -p[0].ln(),
        epsilon = 5.1e-7
    );
    for (name, value) in [
        ("∂h₀/∂a₀", 1.0 - h[0] * h[0]),
        ("∂z₁/∂h₁", -0.5),
        ("∂L/∂z₀", arriving[0]),
        ("∂L/∂v₀₁", arriving[1] * h[0]),
        ("∂L/∂h₁", dh[1]),
        ("∂L/∂a₁", da[1]),
        ("∂L/∂u₁₀", da[0] * 2.0),
        ("∂L/∂c₁", da[1]),
        ("∂L/∂x₀", 0.5 * da[0] - da[1]),
    ] {
        for figure in derivative(&output, name) {
            // Six decimals are shown.
            assert_abs_diff_eq!(figure, value, epsilon = 5.1e-7);
        }
    }
}

#[test]
fn all_derivatives_agree_for_every_activation_and_target() {
    for flags in [
        "--activation tanh --target 1",
        "--activation sigmoid --input -0.5,3",
        "--activation sigmoid --input 100,-100 --target 1",
        "--activation relu --input -3,2",
        "--activation relu --input 4,0.1 --target 1",
    ] {
        let output = run("backprop", flags);
        let output = joined(&output);
        let lines: Vec<&str> =
            output.lines().filter(|line| line.trim_start().starts_with('∂')).collect();
        // 22 of single operations, and 2 + 6 + 2 + 2 + 6 + 2 of the loss.
        assert_eq!(lines.len(), 42, "{output}");
        for line in lines {
            let figures = derivative(line, line.split_once(" =").unwrap().0.trim());
            // The quotient's own error is some 1e-10 times the derivatives' size, here up to 100.
            assert_abs_diff_eq!(figures[0], figures[1], epsilon = 1.1e-6);
            assert_abs_diff_eq!(figures[0], figures[2], epsilon = 1.1e-6);
        }
        let difference = output.split_once("by hand differ by ").unwrap().1;
        let difference: f64 = difference.split_whitespace().next().unwrap().parse().unwrap();
        assert!(difference < 1e-13, "{flags}: {difference}");
    }
}

#[test]
fn a_wide_sheet_has_the_same_numbers_in_a_line_each() {
    let wide = stdout(example("backprop").arg("--wide"));
    assert!(wide.lines().all(|line| line.chars().count() <= 100), "{wide}");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&wide), words(&run("backprop", "")));
}

#[test]
fn a_unit_that_is_off_stops_the_gradient() {
    let output = run("backprop", "--activation relu");
    assert_eq!(derivative(&output, "∂h₁/∂a₁"), [0.0; 3]);
    assert_eq!(derivative(&output, "∂L/∂u₁₁"), [0.0; 3]);
    assert!(derivative(&output, "∂L/∂h₁")[0] != 0.0);
}

#[test]
fn a_corner_is_pointed_out() {
    let output = run("backprop", "--activation relu --input 0,2");
    assert!(output.contains("a₀ is 0, where relu has a corner"), "{output}");
    assert_eq!(derivative(&output, "∂h₀/∂a₀"), [0.0, 0.0, 0.5]);
}

#[test]
fn a_short_step_brings_what_the_slope_foretells() {
    let output = run("backprop", "--learning-rate 0.001");
    let change = row(&output, "the change")[0];
    let foretold = row(&output, "what the slope foretold, −η·Σ (∂L/∂w)²")[0];
    assert!(change < 0.0);
    // They differ by η²/2 times the curvature along the gradient.
    assert_relative_eq!(change, foretold, max_relative = 5e-3);
}

#[test]
fn backprop_refuses_what_it_cannot_do() {
    for (arguments, message) in [
        ("--input 1", "give two numbers"),
        ("--input 1,2,3", "give two numbers"),
        ("--input 1,two", "give two numbers"),
        ("--input nan,1", "between -100 and 100"),
        ("--input 1,1e9", "between -100 and 100"),
        ("--target 2", "must be 0 or 1"),
        ("--target -1", "must be 0 or 1"),
        ("--activation step", "'step'"),
        ("--learning-rate 0", "greater than 0"),
    ] {
        let line = error("backprop", arguments, 2);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
