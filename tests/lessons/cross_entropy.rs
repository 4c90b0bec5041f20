//! Cross-entropy, term by term.

use approx::assert_abs_diff_eq;

use super::landscape::check_picture;
use super::{between, error, row, run};

/// −Σ front · ln inside
fn cross_entropy(front: [f64; 2], inside: [f64; 2]) -> f64 {
    -front.iter().zip(inside).map(|(front, inside)| front * inside.ln()).sum::<f64>()
}

#[test]
fn the_examples_of_the_article_are_put_right() {
    let output = run("cross_entropy", "");
    let ln_2 = std::f64::consts::LN_2;
    let truth = [0.5, 0.5];
    for (start, end, model, by_its_formula, printed) in [
        ("Classification:", "Regression:", [0.9, 0.1], "0.6931", "0.4249"),
        ("Regression:", "Language model:", [0.8, 0.2], "0.9163", "0.3910"),
        ("Language model:", "What to see", [0.6, 0.4], "0.6931", "0.3219"),
    ] {
        let section = between(&output, start, end);
        let measures = [
            ("model in front, H(m, t)", cross_entropy(model, truth)),
            ("truth in front, H(t, m)", cross_entropy(truth, model)),
            ("= entropy of the truth, H(t)", ln_2),
            ("+ divergence, KL(t ‖ m)", cross_entropy(truth, model) - ln_2),
        ];
        for (name, nats) in measures {
            let figures = row(section, name);
            assert_abs_diff_eq!(figures[0], nats, epsilon = 5.1e-5);
            assert_abs_diff_eq!(figures[1], nats / ln_2, epsilon = 5.1e-5);
        }
        let article = section.lines().find(|line| line.contains("it prints")).unwrap();
        assert!(article.ends_with(printed), "{article}");
        assert!(article.contains(by_its_formula), "{article}");

        let terms: Vec<Vec<f64>> = ["0 ", "1 ", "sum"].map(|name| row(section, name)).into();
        for ((&first, second), &sum) in terms[0].iter().zip(&terms[1]).zip(&terms[2]).take(4) {
            assert_abs_diff_eq!(sum, first + second, epsilon = 1.1e-6);
        }
        assert_abs_diff_eq!(terms[2][2], cross_entropy(model, truth), epsilon = 5.1e-7);
        assert_abs_diff_eq!(terms[2][3], cross_entropy(truth, model), epsilon = 5.1e-7);
    }
}

/// The last table of a walk through three classes: by the formula, backward() and difference.
fn gradients(output: &str) -> [Vec<f64>; 3] {
    ["0 ", "1 ", "2 "].map(|class| row(between(output, "4. Gradient", "  sum"), class))
}

#[test]
fn any_logits_are_walked_through_to_their_gradient() {
    let output = run("cross_entropy", "--logits 2,1,0.1 --target 0");
    assert!(output.contains("lse = ln Σ exp z = m + ln 1.517448 = 2.000000 + 0.417030 = 2.417030"));
    assert!(output.contains("loss = 0.417030 nats = 0.601647 bits"), "{output}");
    let softmax_minus_target = [-0.340999, 0.242433, 0.098566];
    for (row, expected) in gradients(&output).iter().zip(softmax_minus_target) {
        assert_eq!(row[..3], [expected; 3]);
        assert!(row[3] < 1e-9, "backward() and the difference differ by {}", row[3]);
    }
    // 0.417030 is the loss before the step.
    let after = output.lines().last().unwrap().trim_end_matches('.').rsplit(' ').next().unwrap();
    assert!(after.parse::<f64>().unwrap() < 0.417030, "{after}");
}

// From the formulas, in Python:
// z = [2, 1, .1]; s = [v / 2 for v in z]; lse = log(sum(map(exp, s)))
// q = [w * (.9 * t + .1 / 3) for w, t in zip([1, 3, 2], [0, 1, 0])]
// loss = -sum(a * (b - lse) for a, b in zip(q, s))
// gradient = [(sum(q) * exp(b - lse) - a) / 2 for a, b in zip(q, s)]
#[test]
fn all_options_together_enter_the_loss_and_the_gradient() {
    let options = "--label-smoothing 0.1 --class-weights 1,3,2 --temperature 2";
    let output = run("cross_entropy", &format!("--logits 2,1,0.1 --target 1 {options}"));
    assert!(output.contains("loss = 3.463688 nats"), "{output}");
    for (row, expected) in gradients(&output).iter().zip([0.710781, -0.958781, 0.248000]) {
        assert_eq!(row[..3], [expected; 3]);
    }
    let same = run("cross_entropy", &format!("--logits 2,1,0.1 --probabilities 0,1,0 {options}"));
    assert!(same.contains("against the distribution t = [0, 1, 0]"));
    // The two ways round differ in the last digits of the difference to the estimate.
    for (same, first) in gradients(&same).iter().zip(gradients(&output)) {
        assert_eq!(same[..3], first[..3]);
    }
}

#[test]
fn infinite_and_huge_logits_have_defined_results() {
    let masked = run("cross_entropy", "--logits 1,-inf,1 --target 0 --label-smoothing 0.5");
    assert!(masked.contains("loss = 0.693147 nats = 1.000000 bits"), "{masked}");
    assert_eq!(gradients(&masked)[1], [0.0; 4]);

    let impossible = run("cross_entropy", "--logits 1,-inf,1 --target 1");
    assert!(impossible.contains("loss = inf nats") && impossible.contains("∞ − ∞"));
    for (row, expected) in gradients(&impossible).iter().zip([0.5, -1.0, 0.5]) {
        assert_eq!(row[..2], [expected; 2]);
    }

    let huge = run("cross_entropy", "--logits 10000,9999,-10000 --target 1");
    assert!(huge.contains("loss = 1.313262 nats"), "{huge}");
    for (row, expected) in gradients(&huge).iter().zip([0.731059, -0.731059, 0.0]) {
        assert_eq!(row[..3], [expected; 3]);
    }
}

#[test]
fn bad_numbers_get_the_one_line_of_the_losses() {
    for (arguments, message) in [
        ("--logits 1,2 --target 2", "labels[0] is 2, but the logits have 2 classes (0..=1)"),
        ("--logits -inf,-inf --target 0", "row 0 of the logits is all −∞"),
        ("--logits 1,2 --probabilities 0.25,0.25", "sums to 0.5, not 1"),
        ("--logits 1,2 --probabilities 1.5,-0.5", "target probabilities[0"),
        ("--logits 1,2 --probabilities 0.5,0.25,0.25", "shape [3]"),
        ("--logits 1,2 --target 0 --label-smoothing 1.5", "label_smoothing is 1.5"),
        ("--logits 1,2 --target 0 --temperature 0", "temperature is 0"),
        ("--logits 1,2 --target 0 --class-weights 1,2,3", "class_weights"),
        ("--logits 1,2 --target 0 --class-weights 1,-2", "class_weights[1] is -2"),
    ] {
        let line = error("cross_entropy", arguments, 1);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
    for (arguments, message) in [
        ("--logits 1,x --target 0", "'x' for '--logits"),
        ("--logits 1,2 --target -1", "'-1' for '--target"),
        ("--logits 1,2", "--target"),
        ("--target 0", "--logits"),
        ("--logits 1,2 --target 0 --probabilities 0.5,0.5", "cannot be used with"),
    ] {
        let line = error("cross_entropy", arguments, 2);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}

#[test]
fn the_sums_of_the_worked_examples_are_drawn_if_they_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sums.svg");
    run("cross_entropy", &format!("--picture {}", path.display()));
    check_picture(&path);
    let line = error("cross_entropy", &format!("--picture {}", directory.path().display()), 1);
    assert!(line.starts_with("error: cannot write"), "{line}");
}
