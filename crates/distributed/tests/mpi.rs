//! Runs on several processes: the same bytes on any number of them, and one message when one of
//! them fails. Needs `mpirun`.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a run of a second may take on a machine that is busy.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

/// An example's program, which `cargo test` builds beside the tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    profile.join("examples").join(name)
}

/// The variable that makes processes of one machine send messages as those of several do.
const MESSAGES: &str = "DOWNHILL_SHARED_MEMORY=0";

/// `mpirun` for processes that may be more than there are cores, given the rest of its line.
fn mpirun(arguments: &[&str]) -> Output {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--bind-to", "none", "--quiet"]).args(arguments);
    command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    command.env("DOWNHILL_TIMEOUT", "5").current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mpirun");
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if started.elapsed() > ENDS_WITHIN {
            let _ = child.kill();
            panic!("{arguments:?} hangs: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.wait_with_output().expect("its output")
}

/// A trial; what stands before its arguments in the form `NAME=VALUE` is its environment.
fn trial(ranks: usize, arguments: &str) -> Output {
    let (ranks, program) = (ranks.to_string(), program("trial"));
    let mut line = vec!["-n", &ranks, "env"];
    let (environment, arguments): (Vec<_>, Vec<_>) =
        arguments.split_whitespace().partition(|word| word.contains('='));
    line.extend(environment);
    line.push(program.to_str().expect("a path"));
    line.extend(arguments);
    mpirun(&line)
}

/// What a run has learned.
fn learned(ranks: usize, arguments: &str) -> String {
    let output = trial(ranks, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{ranks} processes, {arguments}: {errors}");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = text.lines().find(|line| line.starts_with("state "));
    line.unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// The lines on standard error that are the program's own; MPI adds lines of its own.
fn messages(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| line.starts_with("error: ")).map(str::to_owned).collect()
}

fn same_on_all(arguments: &str, ranks: &[usize]) {
    let one = learned(1, arguments);
    for &ranks in ranks {
        assert_eq!(learned(ranks, arguments), one, "{ranks} processes: {arguments}");
    }
}

#[test]
fn any_number_of_processes_learns_the_same_bytes() {
    let everything = "--optimizer adam-w --batch-norm --dropout 0.3";
    same_on_all(everything, &[2, 3, 4, 8]);
    same_on_all("--optimizer sgd --dropout 0.3", &[2, 3, 4, 8]);
    same_on_all("--double --batch-norm --dropout 0.3", &[3, 8]);
}

#[test]
fn messages_teach_what_shared_memory_does() {
    for arguments in
        ["--optimizer adam-w --batch-norm --dropout 0.3", "--double --parts 7", "--batch-size 3"]
    {
        let one = learned(1, arguments);
        for ranks in [2, 3, 7] {
            let messages = learned(ranks, &format!("{MESSAGES} {arguments}"));
            assert_eq!(messages, one, "{ranks} processes: {arguments}");
        }
    }
}

#[test]
fn every_optimizer_learns_the_same_bytes() {
    for optimizer in
        ["sgd", "nesterov", "adagrad", "rms-prop", "adam", "adam-w", "lion", "muon", "lbfgs"]
    {
        same_on_all(&format!("--optimizer {optimizer} --batch-norm --dropout 0.2 --steps 8"), &[4]);
    }
}

#[test]
fn batches_with_fewer_rows_than_parts_do_too() {
    same_on_all("--batch-size 5 --batch-norm --dropout 0.3", &[2, 3, 8]);
    same_on_all("--batch-size 2 --batch-norm", &[8]);
    same_on_all("--batch-size 3", &[8]);
}

#[test]
fn numbers_of_parts_that_are_no_power_of_two_do_too() {
    same_on_all("--parts 7 --batch-norm --dropout 0.3", &[2, 3, 7]);
    assert_ne!(learned(2, "--parts 7"), learned(2, "--parts 8"));
}

#[test]
fn the_fast_mode_learns_nearly_the_same() {
    let mean = |ranks, environment: &str| {
        let output = trial(ranks, &format!("{environment} --fast --batch-norm --steps 5"));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("fast: results depend on the number of processes"), "{text}");
        let mean = text.lines().find_map(|line| line.strip_prefix("mean "));
        mean.unwrap_or_else(|| panic!("{text}")).parse::<f64>().expect("a number")
    };
    let one = mean(1, "");
    for (ranks, environment) in [(2, ""), (4, ""), (2, MESSAGES), (4, MESSAGES)] {
        let several = mean(ranks, environment);
        // Five steps carry the last digit of an f32 no further than this.
        assert!((several - one).abs() < 1e-4, "{ranks} {environment}: {several} and {one}");
    }
}

/// Runs with a fault in step 3 end with one message, which has these words.
#[track_caller]
fn ends(ranks: usize, arguments: &str, words: &[&str]) {
    let started = Instant::now();
    let output = trial(ranks, arguments);
    let found = messages(&output);
    assert!(!output.status.success(), "{arguments}");
    assert_eq!(found.len(), 1, "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    for word in words {
        assert!(found[0].contains(word), "{arguments}: no {word:?} in {}", found[0]);
    }
    println!("{:4.1} s  {}", started.elapsed().as_secs_f64(), found[0]);
}

#[test]
fn a_fault_of_one_process_ends_all_with_one_message() {
    ends(4, "--fault nan 2 3", &["rank 2", "0.weight", "not finite in step 4"]);
    ends(4, "--fault nan 0 3 --batch-norm", &["rank 0", "0.weight", "not finite"]);
    ends(4, "--fault file 1 3", &["rank 1 of 4: labels[0] is 17"]);
    ends(4, "--fault file 0 3 --batch-norm", &["rank 0 of 4: labels[0] is 17"]);
    ends(4, "--fault panic 3 3", &["rank 3 of 4: a bug in step 3", "trial.rs"]);
    ends(1, "--fault panic 0 3", &["a bug in step 3"]);
    ends(4, "--fault hang 1 3", &["rank 1 has not answered for 5 s in step 4"]);
    ends(3, "--fault hang 0 3 --batch-norm", &["rank 0 has not answered for 5 s in"]);
}

#[test]
fn processes_that_drift_apart_are_named() {
    ends(4, "--fault weights 2 3", &["rank 2 went astray", "its model differs"]);
    ends(4, "--fault seed 1 3", &["rank 1 went astray by step 4", "its random generator"]);
    ends(4, "--fault batch 3 3", &["rank 3 went astray by step 4", "its batch differs"]);
}

#[test]
fn strangers_are_refused_at_the_start() {
    let trial = program("trial");
    let trial = trial.to_str().expect("a path");
    let digits = program("digits_mpi");
    let digits = digits.to_str().expect("a path");
    for (other, words) in [
        (vec![trial, "--double"], ["rank 2: the type of numbers differs", "f64", "f32"]),
        (vec![trial, "--hidden", "9"], ["rank 2: the model differs", "[6, 9]", "[6, 8]"]),
        (
            vec![trial, "--parts", "4"],
            ["rank 2: how batches are cut differs", "4 parts", "8 parts"],
        ),
        (vec![digits], ["rank 2: the program differs", "digits_mpi", "trial"]),
    ] {
        let mut line = vec!["-n", "2", trial, ":", "-n", "1"];
        line.extend(other);
        let output = mpirun(&line);
        let found = messages(&output);
        assert!(!output.status.success());
        assert_eq!(found.len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
        for word in words {
            assert!(found[0].contains(word), "no {word:?} in {}", found[0]);
        }
    }
}

#[test]
fn a_bad_command_line_ends_with_2_and_one_message() {
    let output = trial(3, "--nonsense");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(messages(&output).len(), 1, "{}", String::from_utf8_lossy(&output.stderr));
    ends(3, "--parts 2", &["3 processes, but a batch is cut into 2 parts"]);
}
