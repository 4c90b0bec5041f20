//! A classifier, trained in full.

use super::processors::skips;
use super::{error, error_line, example, last_figure, run, stdout};

#[test]
fn digits_are_classified_as_well_as_pytorch_does() {
    let seeds = if skips("digits --seed 3 … 9") { 3 } else { 10 };
    let accuracies: Vec<f64> = (0..seeds)
        .map(|seed| {
            let output = stdout(example("digits").args(["--quiet", "--seed", &seed.to_string()]));
            assert_eq!(output.lines().count(), 1, "a quiet run prints its last line only");
            last_figure(&output, "test accuracy")
        })
        .collect();
    let mean = accuracies.iter().sum::<f64>() / f64::from(seeds);
    assert!(mean >= 0.975, "mean test accuracy {mean}");
    assert!(accuracies.iter().all(|&accuracy| accuracy >= 0.955), "{accuracies:?}");
}

#[test]
fn digits_shows_its_run_in_plain_lines_when_piped() {
    let output = stdout(example("digits").args(["--epochs", "3"]));
    assert!(!output.contains(|c: char| c.is_control() && c != '\n'), "{output:?}");
    assert!(
        output
            .contains("1438 samples to train on, 359 to test on, 64 features, 10 classes; seed 0")
    );
    for epoch in
        ["epoch 1/3  loss", "epoch 2/3  loss", "epoch 3/3  loss", "macro average", "trained in"]
    {
        assert!(output.contains(epoch), "{epoch:?} is missing in:\n{output}");
    }
    let last = output.lines().last().unwrap();
    assert_eq!(last.len(), "test accuracy 0.9722".len(), "{last}");
    assert!(last_figure(&output, "test accuracy") > 0.9);
}

#[test]
fn the_same_seed_gives_the_same_bytes_whatever_the_number_of_threads() {
    let run = |threads: &str| {
        // Batches of 512 in layers of 128 are products that threads share.
        let flags = "--quiet --epochs 2 --seed 5 --batch-size 512 --hidden 128,128";
        stdout(example("digits").env("RAYON_NUM_THREADS", threads).args(flags.split(' ')))
    };
    assert_eq!(run("1"), run("2"));
}

#[test]
fn softmax_regression_and_other_tables_work() {
    let output = stdout(example("digits").args(["--hidden", "0", "--quiet", "--epochs", "10"]));
    assert!(last_figure(&output, "test accuracy") > 0.9);
    let output = stdout(example("digits").args(["--data", "data/iris.csv"]));
    assert!(output.contains("versicolor"), "{output}");
    assert!(last_figure(&output, "test accuracy") > 0.85);
    let output =
        stdout(example("digits").args(["--data", "data/wine.csv", "--target", "cultivar"]));
    assert!(last_figure(&output, "test accuracy") > 0.9);
}

#[test]
fn a_convolutional_network_learns_digits_in_few_epochs() {
    let flags = "--model cnn --epochs 3 --seed 1";
    let output = run("digits", flags);
    assert!(output.contains("Conv2d(1 → 16, 3×3, padding 1×1)"), "{output}");
    // 0.9081 to 0.9805 for the seeds 0 to 9.
    assert!(last_figure(&output, "test accuracy") > 0.95, "{output}");
    let quiet = run("digits", &format!("{flags} --quiet"));
    assert_eq!(output.lines().last(), quiet.lines().last());
}

#[test]
fn a_convolutional_network_reads_images_of_any_size_from_idx_files() {
    let directory = tempfile::tempdir().unwrap();
    // Images of 6×5 with a bar on the left or on the right.
    let pixel =
        |image: usize, column: usize| 200 * u8::from((column < 2) == image.is_multiple_of(2));
    for (part, count) in [("train", 60_u8), ("t10k", 20)] {
        let pixels = (0..30 * usize::from(count)).map(|index| pixel(index / 30, index % 5));
        let images: Vec<u8> = [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 6, 0, 0, 0, 5]
            .into_iter()
            .chain(pixels)
            .collect();
        let labels: Vec<u8> =
            [0, 0, 8, 1, 0, 0, 0, count].into_iter().chain((0..count).map(|i| i % 2)).collect();
        std::fs::write(directory.path().join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(directory.path().join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let data = directory.path().to_str().unwrap();
    let output = run("digits", &format!("--model cnn --epochs 5 --data {data}"));
    assert!(output.contains("60 samples to train on, 20 to test on, 30 features, 2 classes"));
    assert_eq!(last_figure(&output, "test accuracy"), 1.0);
}

#[test]
fn a_convolutional_network_refuses_what_is_no_image() {
    let line = error("digits", "--model cnn --data data/iris.csv", 1);
    assert!(line.starts_with("error: --model cnn is for images"), "{line}");
    let line = error("digits", "--model rnn", 2);
    assert!(line.contains("'rnn' for '--model"), "{line}");
}

#[test]
fn bad_command_lines_get_one_line_and_status_2() {
    let cases = [
        ("--epochs 0", "'0' for '--epochs"),
        ("--batch-size 0", "'0' for '--batch-size"),
        ("--learning-rate nan", "'nan' for '--learning-rate"),
        ("--learning-rate -1", "'-1' for '--learning-rate"),
        ("--hidden 64,0,32", "'64,0,32' for '--hidden"),
        ("--seed words", "'words' for '--seed"),
        ("--nonsense", "'--nonsense'"),
    ];
    for (flags, place) in cases {
        let line = error_line(example("digits").args(flags.split(' ')), 2);
        assert!(line.starts_with("error: ") && line.contains(place), "{flags}: {line}");
    }
    let line = error_line(example("diabetes").args(["--learning-rate", "inf"]), 2);
    assert!(line.contains("'inf' for '--learning-rate"), "{line}");
}

#[test]
fn bad_data_gets_one_line_and_status_1() {
    let line = error_line(example("digits").args(["--data", "no/such/file.csv"]), 1);
    assert!(line.starts_with("error: cannot read no/such/file.csv: "), "{line}");
    let line = error_line(example("digits").args(["--data", "data"]), 1);
    assert!(line.contains("data: holds neither train-images-idx3-ubyte nor"), "{line}");
    let line = error_line(example("digits").args(["--target", "colour"]), 1);
    assert!(line.contains("no column is named `colour`"), "{line}");
    let line = error_line(example("diabetes").args(["--data", "data/iris.csv"]), 1);
    assert!(line.contains("data/iris.csv:2: column `species`: \"setosa\""), "{line}");
}

#[test]
fn a_rate_so_large_that_the_loss_explodes_stops_the_run_at_once() {
    let line = error_line(example("digits").args(["--learning-rate", "1e8"]), 1);
    assert!(line.contains("at epoch 1, step "), "{line}");
    assert!(line.contains("--learning-rate smaller than 100000000"), "{line}");
    let line = error_line(example("diabetes").args(["--learning-rate", "5"]), 1);
    assert!(line.contains("the loss became inf at epoch "), "{line}");
}

#[test]
fn help_explains_each_flag_with_its_default() {
    let output = stdout(example("digits").arg("--help"));
    for flag in
        ["--epochs", "--batch-size", "--learning-rate", "--model", "--hidden", "--seed", "--data"]
    {
        assert!(output.contains(flag), "{flag} is missing in:\n{output}");
    }
    for default in
        ["[default: data/digits.csv]", "[default: 40]", "[default: 32]", "[default: 0.05]"]
    {
        assert!(output.contains(default), "{default} is missing in:\n{output}");
    }
}
