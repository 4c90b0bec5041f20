//! Points in the plane, and the choice of optimizer, activation and regularisation.

use super::{error, last_figure, row, run};

#[test]
fn every_figure_is_learned() {
    for (flags, least) in [
        ("--epochs 100", 0.95),
        ("--data three-spirals --epochs 100", 0.95),
        ("--data moons --epochs 40", 0.95),
        ("--data circles --epochs 40", 0.95),
        ("--data xor --epochs 40", 0.95),
    ] {
        let output = run("spirals", &format!("{flags} --quiet"));
        assert_eq!(output.lines().count(), 1, "a quiet run prints its last line only");
        assert!(last_figure(&output, "test accuracy") >= least, "{flags}: {output}");
    }
}

#[test]
fn no_line_divides_spirals() {
    let output = run("spirals", "--hidden 0 --epochs 40 --quiet");
    assert!(last_figure(&output, "test accuracy") < 0.75, "{output}");
}

#[test]
fn every_optimizer_and_every_activation_brings_the_loss_down() {
    let rules = "sgd,momentum,nesterov,adagrad,rmsprop,adam,adamw,lion,muon";
    for function in ["relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu"] {
        let output =
            run("spirals", &format!("--activation {function} --compare {rules} --epochs 10"));
        for rule in rules.split(',') {
            let [_, first, _, _, last, ..] = row(&output, &format!("{rule} "))[..] else {
                panic!("{output}")
            };
            assert!(last < first, "{function}, {rule}: {output}");
        }
    }
}

#[test]
fn optimizers_start_from_the_same_weights_and_end_where_they_would_alone() {
    let flags = "--epochs 20 --points 300";
    let output = run("spirals", &format!("{flags} --compare sgd,momentum,adam,lion"));
    assert!(output.contains("240 points to train on, 60 to test on, 2 classes; seed 0"));
    for (rule, rate) in [("sgd", 0.3), ("momentum", 0.05), ("adam", 0.01), ("lion", 0.002)] {
        let figures = row(&output, &format!("{rule} "));
        let [shown_rate, .., accuracy, _time] = figures[..] else { panic!("{figures:?}") };
        assert_eq!((figures.len(), shown_rate), (7, rate), "{output}");
        let alone = run("spirals", &format!("{flags} --optimizer {rule} --quiet"));
        assert_eq!(last_figure(&alone, "test accuracy"), accuracy, "{rule}");
    }
    // The same rule twice is the same run twice, but for the time.
    let output = run("spirals", "--epochs 5 --compare adam,adam --quiet");
    let lines: Vec<Vec<&str>> =
        output.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..7], lines[1][..7]);
}

#[test]
fn a_rate_too_large_for_one_optimizer_does_not_keep_the_others_from_running() {
    let flags = "--activation relu --epochs 3 --learning-rate 1e6 --compare sgd,adam,lion --quiet";
    let output = run("spirals", flags);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 4, "{output}");
    assert!(lines[1].starts_with("sgd         1000000           -  the loss became "), "{output}");
    assert!(lines[3].starts_with("lion        1000000"), "{output}");
}

#[test]
fn weight_decay_keeps_the_model_from_fitting() {
    let loss = |decay: &str| {
        let flags = format!("--compare adamw --epochs 30 --weight-decay {decay}");
        row(&run("spirals", &flags), "adamw ")[4]
    };
    // ln 2 is the loss of a model that knows nothing.
    assert!(loss("0") < 0.5 && (loss("20") - 2.0_f64.ln()).abs() < 1e-3);
}

#[test]
fn the_plane_is_drawn_as_the_model_divides_it() {
    let output = run("spirals", "--data three-spirals --epochs 60");
    let map: Vec<&str> = output
        .lines()
        .filter(|line| line.len() == 60 && line.chars().all(|c| "abcABC".contains(c)))
        .collect();
    assert_eq!(map.len(), 28, "{output}");
    for letter in "abcABC".chars() {
        assert!(map.iter().any(|line| line.contains(letter)), "no {letter} in:\n{output}");
    }
}

#[test]
fn spirals_refuses_what_it_cannot_do() {
    for (arguments, status, message) in [
        ("--noise -0.1", 2, "'-0.1' for '--noise"),
        ("--noise inf", 2, "'inf' for '--noise"),
        ("--weight-decay nan", 2, "'nan' for '--weight-decay"),
        ("--learning-rate 0", 2, "'0' for '--learning-rate"),
        ("--points 0", 2, "'0' for '--points"),
        ("--optimizer newton", 2, "'newton' for '--optimizer"),
        ("--compare sgd,newton", 2, "'newton' for '--compare"),
        ("--compare sgd --optimizer adam", 2, "cannot be used with"),
        ("--data square", 2, "'square' for '--data"),
        ("--activation step", 2, "'step' for '--activation"),
        ("--points 1", 1, "1"),
        (
            "--activation relu --optimizer sgd --learning-rate 1e30",
            1,
            "--learning-rate smaller than",
        ),
    ] {
        let line = error("spirals", &format!("{arguments} --quiet"), status);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}
