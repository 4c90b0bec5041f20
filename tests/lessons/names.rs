//! Language models.

use std::fs;

use super::processors::skips;
use super::{between, error, error_line, example, last_figure, row, run, stdout};

#[test]
fn descent_on_bigrams_comes_to_what_counting_finds() {
    let output = run("names", "--model bigram");
    assert!(output.contains("4647 names to train on, 516 to validate with, 27 symbols; seed 7"));
    let counted = row(&output, "training, by counting");
    let trained = row(&output, "training  ");
    assert!(counted[0] <= trained[0] && trained[0] < counted[0] + 1e-3, "{output}");
    let [nats, bits, perplexity] = trained[..] else { panic!("{trained:?}") };
    // The figures have four decimals.
    approx::assert_abs_diff_eq!(bits, nats / std::f64::consts::LN_2, epsilon = 2e-4);
    approx::assert_abs_diff_eq!(perplexity, nats.exp(), epsilon = 2e-3);
    assert_eq!(row(&output, "validation  ")[0], last_figure(&output, "validation loss"));
}

#[test]
fn the_summary_of_every_model_fits_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("names.txt");
    fs::write(&file, "ab\ncd\nef\ngh\nij\n").unwrap();
    for model in ["bigram", "mlp", "gru", "transformer"] {
        // `run` looks at the width of each line.
        let output = run("names", &format!("--model {model} --epochs 1 --data {}", file.display()));
        assert!(output.contains("vectors ["), "{output}");
    }
}

#[test]
fn counting_calls_unseen_pairs_impossible() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("names.txt");
    fs::write(&file, "ab\ncd\n").unwrap();
    let output = stdout(example("names").args(["--model", "bigram", "--data"]).arg(&file));
    // Whichever is held out, the model has seen none of its pairs but has seen all of the other's.
    assert_eq!(row(&output, "training, by counting")[0], 0.0, "{output}");
    assert_eq!(row(&output, "validation, by counting")[0], f64::INFINITY, "{output}");
}

#[test]
fn each_network_learns_more_than_bigrams_know() {
    // A uniform guess would come to ln 27 = 3.30, bigrams to 2.35.
    for (arguments, bound) in [
        ("--model mlp --epochs 2 --hidden 64 --learning-rate 1e-2", 2.25),
        ("--model gru --epochs 3 --hidden 32 --learning-rate 3e-2 --dropout 0", 2.25),
        ("--model transformer --epochs 1 --hidden 16 --learning-rate 4e-2 --dropout 0", 2.3),
    ] {
        let arguments = format!("{arguments} --batch-size 32 --quiet");
        if !arguments.starts_with("--model mlp") && skips(&format!("names {arguments}")) {
            continue;
        }
        let output = run("names", &arguments);
        assert_eq!(output.lines().count(), 1, "a quiet run prints its last line only");
        assert!(last_figure(&output, "validation loss") < bound, "{arguments}: {output}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("names.txt");
    let names =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/names.txt")).unwrap();
    let some: Vec<&str> = names.lines().step_by(40).collect();
    fs::write(&file, some.join("\n")).unwrap();
    for model in ["bigram", "mlp", "gru", "transformer"] {
        let output = |threads: &str, seed: &str| {
            let arguments = ["--epochs", "1", "--seed", seed, "--data"];
            let mut command = example("names");
            command.args(["--model", model]).args(arguments).arg(&file);
            command.env("RAYON_NUM_THREADS", threads);
            let output = stdout(&mut command);
            let (before, after) = output.split_once("trained in").expect("the time is told");
            format!("{before}{}", after.split_once('\n').unwrap().1)
        };
        assert_eq!(output("1", "5"), output("2", "5"), "{model}");
        assert_ne!(output("1", "5"), output("1", "6"), "{model}");
    }
}

#[test]
fn samples_are_marked_that_are_in_the_data() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("names.txt");
    // Nothing but these can be made of the pairs in them.
    fs::write(&file, "ab\r\n\nab\nëx\ncd\n").unwrap();
    let arguments = ["--model", "bigram", "--epochs", "400", "--seed", "2", "--samples", "40"];
    let output = stdout(example("names").args(arguments).arg("--data").arg(&file));
    assert!(output.contains("2 names to train on, 1 to validate with, 7 symbols"), "{output}");
    let samples = between(&output, "perplexity", "40 names");
    let marked = samples.lines().filter(|line| line.ends_with("  trained on")).count();
    assert!(marked >= 30, "{output}");
    assert!(output.contains(&format!("40 names: {marked} of those trained on, ")), "{output}");

    let output = run("names", "--model bigram --epochs 1 --samples 0");
    assert!(output.contains("0 names: 0 of those trained on, 0 of those held out, 0 new"));
}

#[test]
fn the_likeliest_character_alone_makes_the_same_name_always() {
    for flags in ["--top-k 1", "--temperature 1e-300"] {
        let output = run("names", &format!("--model bigram --epochs 2 --samples 3 {flags}"));
        let names: Vec<&str> = output
            .lines()
            .rev()
            .skip(3)
            .take(3)
            .map(|line| line.split_whitespace().next().unwrap())
            .collect();
        assert!(names[0] == names[1] && names[1] == names[2], "{output}");
    }
}

#[test]
fn names_refuses_what_it_cannot_do() {
    for (arguments, status, message) in [
        ("--model lstm", 2, "'lstm' for '--model"),
        ("--top-k 0", 2, "'0' for '--top-k"),
        ("--temperature 0", 2, "'0' for '--temperature"),
        ("--temperature nan", 2, "'nan' for '--temperature"),
        ("--epochs 0", 2, "'0' for '--epochs"),
        ("--validation-fraction 1", 2, "'1' for '--validation-fraction"),
        ("--model transformer --hidden 50", 1, "--hidden 50 cannot be shared by the 4 heads"),
        ("--model bigram --hidden 50", 1, "a bigram model has nothing hidden"),
        ("--dropout 1", 1, "the dropout rate is 1"),
        ("--model mlp --learning-rate 1e30", 1, "--learning-rate smaller than"),
        ("--data no/such/file.txt", 1, "cannot read no/such/file.txt: "),
    ] {
        let line = error("names", &format!("{arguments} --quiet"), status);
        assert!(line.starts_with("error: ") && line.contains(message), "{arguments}: {line}");
    }
}

#[test]
fn files_that_hold_no_names_are_refused_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let long = "x".repeat(65);
    for (bytes, message) in [
        (&b""[..], "names.txt: 0 different names; at least 2 are needed"),
        (b"anna\nanna\n", "names.txt: 1 different names; at least 2 are needed"),
        (b"anna\nan\tna\n", "names.txt:2: the control character '\\t' in a name"),
        (b"anna\notto\n\xff\n", "names.txt:3: not UTF-8"),
        (format!("anna\n\n{long}\n").as_bytes(), "names.txt:3: a name of 65 characters"),
    ] {
        let file = directory.path().join("names.txt");
        fs::write(&file, bytes).unwrap();
        let line = error_line(example("names").arg("--data").arg(&file), 1);
        assert!(line.contains(message), "{message}: {line}");
    }
}

#[test]
fn help_lists_what_suits_each_model() {
    let output = stdout(example("names").arg("--help"));
    for model in ["bigram", "mlp", "gru", "transformer"] {
        assert!(row(&output, &format!("{model}  ")).len() >= 3, "{output}");
    }
}
