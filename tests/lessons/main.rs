//! The lessons, run as a reader would run them: what they print, and what they refuse.

mod backprop;
mod browser;
mod course;
mod cross_entropy;
mod diabetes;
mod digits;
mod ending;
mod few_weights;
mod first;
mod glossary;
mod gradients;
mod imbalance;
mod keep;
mod landscape;
mod large_batches;
mod names;
mod processors;
mod report;
mod soft_targets;
mod spirals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use assert_cmd::Command;

/// The example binary `name`, to be run in the project's directory.
fn example(name: &str) -> Command {
    Command::from_std(process(name))
}

/// The same, for who wants to choose where its output goes or to reach it while it runs.
fn process(name: &str) -> process::Command {
    // Cargo builds examples beside the tests: target/PROFILE/{deps/this test, examples/NAME}.
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let binary: PathBuf =
        profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    check_up_to_date(&binary);
    let mut command = process::Command::new(binary);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}

/// Fails unless the binary is there and no source of it has changed since it was made. `cargo test`
/// sees to that, but `cargo test --test lessons` alone makes no examples.
fn check_up_to_date(binary: &Path) {
    let made = fs::metadata(binary).and_then(|file| file.modified());
    let made = made.unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo build --examples` makes it", binary.display())
    });
    // Cargo's list of what went into it, as a rule of make: `binary: source source …`.
    let rule = fs::read_to_string(binary.with_extension("d")).expect("Cargo lists the sources");
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    for source in sources.split_whitespace().map(|source| source.replace('\0', " ")) {
        let changed = fs::metadata(&source).and_then(|file| file.modified());
        assert!(
            changed.is_ok_and(|changed| changed <= made),
            "{source} has changed since {} was made; `cargo build --examples` makes it anew",
            binary.display()
        );
    }
}

/// What the binary prints on standard output when it succeeds.
fn stdout(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("the examples print UTF-8")
}

/// The one line that the binary prints on standard error when it fails with `status`.
fn error_line(command: &mut Command, status: i32) -> String {
    let output = command.assert().code(status).get_output().clone();
    let text = String::from_utf8(output.stderr).expect("the examples print UTF-8");
    assert_eq!(text.lines().count(), 1, "one line is wanted: {text}");
    text
}

/// What `name` prints, given arguments separated by blanks.
fn run(name: &str, arguments: &str) -> String {
    let output = stdout(example(name).args(arguments.split_whitespace()));
    let plain = |c: char| !c.is_control() || c == '\n';
    assert!(output.chars().all(plain), "a control character in a pipe: {output:?}");
    for line in output.lines() {
        assert!(line.chars().count() <= 80, "a line is too wide: {line}");
        assert_eq!(line, line.trim_end(), "blanks at the end of a line");
    }
    output
}

fn error(name: &str, arguments: &str, status: i32) -> String {
    error_line(example(name).args(arguments.split_whitespace()), status)
}

/// The numbers in the line of `text` that starts with `name`, after leading blanks.
fn row(text: &str, name: &str) -> Vec<f64> {
    let mut lines = text.lines().filter_map(|line| line.trim_start().strip_prefix(name));
    let line = lines.next().unwrap_or_else(|| panic!("no line starts with {name:?} in:\n{text}"));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The part of `text` between two strings.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, text) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?} in:\n{text}"));
    text.split_once(end).unwrap_or_else(|| panic!("no {end:?} after {start:?} in:\n{text}")).0
}

/// The figure of the last line, `name 0.1234`.
fn last_figure(output: &str, name: &str) -> f64 {
    let line = output.lines().last().expect("something was printed");
    line.strip_prefix(name)
        .unwrap_or_else(|| panic!("the last line is {line}"))
        .trim()
        .parse()
        .unwrap()
}
