//! What tests of the example binaries share.

use std::path::PathBuf;

use assert_cmd::Command;

/// The example binary `name`, to be run in the project's directory.
pub(crate) fn example(name: &str) -> Command {
    // Cargo builds examples beside the tests: target/PROFILE/{deps/this test, examples/NAME}.
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let binary: PathBuf =
        profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(binary.exists(), "{} is missing; `cargo build --examples` makes it", binary.display());
    let mut command = Command::new(binary);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// What the binary prints on standard output when it succeeds.
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("the examples print UTF-8")
}

/// The one line that the binary prints on standard error when it fails with `status`.
pub(crate) fn error_line(command: &mut Command, status: i32) -> String {
    let output = command.assert().code(status).get_output().clone();
    let text = String::from_utf8(output.stderr).expect("the examples print UTF-8");
    assert_eq!(text.lines().count(), 1, "one line is wanted: {text}");
    text
}
