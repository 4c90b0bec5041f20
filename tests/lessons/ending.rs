//! How the lessons end when they are cut short.
#![cfg(unix)]

use std::io::{self, BufRead, BufReader, Read};
use std::process::Stdio;

use super::process;

const TRAINING: [&str; 5] = ["digits", "diabetes", "spirals", "imbalance", "soft_targets"];

#[test]
fn a_reader_who_has_had_enough_is_no_error() {
    for name in TRAINING.into_iter().chain(["cross_entropy", "gradients"]) {
        for arguments in [&[][..], &["--help"]] {
            let (reader, writer) = io::pipe().unwrap();
            drop(reader);
            let output = process(name).args(arguments).stdout(writer).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{name} {arguments:?}");
            assert!(
                output.stderr.is_empty(),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}

#[test]
fn errors_that_nobody_reads_keep_their_status() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = process("digits").arg("--nonsense").stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_of_one_line() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = process("digits").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let line = String::from_utf8(output.stderr).unwrap();
    let start = "error: failed printing to stdout: ";
    assert!(line.starts_with(start) && line.lines().count() == 1, "{line}");
}

#[test]
fn an_interrupt_ends_training_with_the_results_so_far() {
    for (name, result) in [
        ("digits", "test accuracy 0."),
        ("diabetes", "R² "),
        ("spirals", "test accuracy "),
        ("imbalance", "are right, and the model is left"),
        ("soft_targets", "What squared error makes"),
        ("gradients", "sigmoid, Glorot  "),
    ] {
        // Only the interrupt ends a run of a billion epochs.
        let mut child = process(name)
            .args(["--epochs", "1000000000"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        // The lesson on gradients shows no epochs in a pipe, but says what it is about to train.
        while !line.starts_with("epoch") && !line.contains("hidden layers of") {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "{name} ended before its first epoch"
            );
        }
        let pid = child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success()
        );
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{name}");
        let last = rest.lines().last().unwrap_or_default();
        assert!(last.starts_with(result), "{name} ends with {last:?}");
    }
}
