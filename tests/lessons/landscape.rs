//! The surfaces that descents walk on.

use std::fs;
use std::path::Path;

use approx::assert_relative_eq;
use roxmltree::Document;

use super::{error, example, row, run, stdout};

#[test]
fn descent_diverges_at_the_rate_that_the_curvature_foretells() {
    let output = run("landscape", "--only bowl");
    let [sharpness, limit] = row(&output, "Hessian at the minimum")[..] else { panic!("{output}") };
    assert_relative_eq!(limit, 2.0 / sharpness, max_relative = 1e-3);
    for name in ["gradient descent, 2 ÷ λ_max", "momentum 0.9, 2·(1 + 0.9) ÷ λ_max"] {
        let [measured, theory] = row(&output, name)[..] else { panic!("{output}") };
        // Bisected to a hundred-thousandth, by whether 400 steps lead away.
        assert_relative_eq!(measured, theory, max_relative = 3e-4);
    }
    let minimum = output.lines().find(|line| line.contains("minimum   w =")).unwrap();
    let figures: Vec<f64> =
        minimum.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let (rates, optimizers) = output.split_once("ways from").unwrap();
    let last = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words
            .iter()
            .find(|word| word.starts_with("0.") || word.starts_with("1."))
            .map(|w| w.parse::<f64>().unwrap())
    };
    let too_large = rates.lines().find(|line| line.contains("η = 1.5·2")).unwrap();
    assert!(too_large.contains("never"), "{too_large}");
    let lbfgs = optimizers.lines().find(|line| line.contains("L-BFGS")).unwrap();
    assert_eq!(last(lbfgs), figures.last().copied(), "{output}");
}

#[test]
fn squared_error_is_flat_where_cross_entropy_is_steep() {
    let output = run("landscape", "--only plateau");
    let near = row(&output, "length of the gradient at (-1.5, 0.75)");
    let far = row(&output, "length of the gradient at (-24, 12)");
    let [(near, far), (near_squared, far_squared)] =
        [0, 1].map(|i| (near[near.len() - 2 + i], far[far.len() - 2 + i]));
    assert!(far > near && far_squared < near_squared / 10.0, "{output}");
    let [convex, bent] = row(&output, "the Hessian's least eigenvalue")[..] else { panic!() };
    assert!(convex >= 0.0 && bent < -0.01, "{output}");
    let [fast, slow] = row(&output, "steps until 90 % of the birds are right")[..] else {
        panic!("{output}")
    };
    assert!(slow > 5.0 * fast, "{output}");
}

#[test]
fn sharpness_hovers_at_two_over_the_rate() {
    let output =
        run("landscape", "--only network --hidden 16,16 --learning-rate 1,1.5 --steps 800");
    let mean = row(&output, "mean of the last quarter");
    let limit = row(&output, "2 ÷ η");
    assert_eq!(limit, [2.0, 1.3333]);
    for (mean, limit) in mean.iter().zip(&limit) {
        assert_relative_eq!(mean, limit, max_relative = 0.1);
    }
    let rises = row(&output, "steps in which the loss rose");
    assert!(rises.iter().all(|rises| *rises > 0.0), "{output}");
    // A rate so small that the edge is out of reach: the loss never rises.
    let output = run("landscape", "--only network --hidden 8 --learning-rate 0.05 --steps 100");
    assert_eq!(row(&output, "steps in which the loss rose"), [0.0]);
}

#[test]
fn pictures_are_whole_and_refer_to_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let flags = ["--grid", "12", "--steps", "60", "--hidden", "4", "--output"];
    let output = stdout(example("landscape").args(flags).arg(directory.path()));
    assert!(output.ends_with(&format!("pictures in {}\n", directory.path().display())));
    let names = [
        "bowl-losses",
        "bowl-optimizers",
        "bowl-rates",
        "descent",
        "network-line",
        "network-loss",
        "network-plane",
        "network-sharpness",
        "one-logit",
        "plateau-cross-entropy",
        "plateau-squared-error",
    ];
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), names.len());
    for name in names {
        check_picture(&directory.path().join(name).with_extension("svg"));
    }
    let animation = fs::read_to_string(directory.path().join("descent.svg")).unwrap();
    // A trail, and a dot in two coordinates, for each of four ways.
    assert_eq!(animation.matches("<animate ").count(), 12);
}

/// Panics unless the file is a picture that any viewer can draw alone.
pub(super) fn check_picture(path: &Path) {
    let svg =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    for element in document.descendants().filter(roxmltree::Node::is_element) {
        let name = element.tag_name().name();
        assert!(!["script", "image", "foreignObject", "a"].contains(&name), "{path:?}: <{name}>");
        for attribute in element.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{path:?}: {value}");
            assert!(!value.contains("://") && !value.contains("url("), "{path:?}: {value}");
            assert!(!attribute.name().starts_with("on"), "{path:?}: {}", attribute.name());
        }
    }
    assert!(!svg.contains("@import") && !svg.contains("url("), "{path:?}");
}

#[test]
fn landscape_refuses_what_it_cannot_do() {
    for (arguments, status, message) in [
        ("--grid 9", 2, "from 10 to 200"),
        ("--grid 1000", 2, "from 10 to 200"),
        ("--only valley", 2, "'valley'"),
        ("--learning-rate 0", 2, "greater than 0"),
        ("--learning-rate 0.1,nan", 2, "finite number"),
        ("--steps 0", 2, "at least 1"),
        ("--hidden 8,", 2, "not a whole number"),
        ("--data data/iris.csv --only bowl", 1, "body_mass_g"),
        ("--data nowhere.csv", 1, "nowhere.csv"),
        ("--output Cargo.toml", 1, "cannot write to Cargo.toml"),
        ("--only network --hidden 4 --learning-rate 1e6 --steps 50", 1, "--learning-rate smaller"),
    ] {
        let line = error("landscape", arguments, status);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
