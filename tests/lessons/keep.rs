//! Runs that are killed and resumed, and models that are saved and used. `tests/kill_and_resume`
//! does the first more often and longer.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use super::{error, example, process, run, stdout};

/// A table of the project's.
fn project_table(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    fs::read_to_string(data.join(name)).unwrap()
}

/// The bytes of the model and of the history of a run with these arguments.
fn outcome(name: &str, arguments: &str, directory: &Path, others: &[&str]) -> Vec<Vec<u8>> {
    let (model, report) = (directory.join("model"), directory.join("report"));
    let mut command = example(name);
    command.args(arguments.split_whitespace()).args(others);
    command.arg("--save").arg(&model).arg("--report").arg(&report);
    command.assert().success();
    let files = [model, report.join("steps.csv"), report.join("epochs.csv")];
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Kills a run with SIGKILL at these moments, in milliseconds after it was started, and resumes it.
fn killed(name: &str, arguments: &str, moments: &[u64]) {
    for threads in ["1", "2"] {
        let whole = tempfile::tempdir().unwrap();
        let expected = outcome(name, arguments, whole.path(), &[]);
        let stopped = tempfile::tempdir().unwrap();
        let checkpoints = stopped.path().join("checkpoints");
        let checkpoints = checkpoints.to_str().unwrap();
        let kept = ["--checkpoint", checkpoints, "--checkpoint-every", "0.01", "--resume"];
        for &moment in moments {
            let report = stopped.path().join("report");
            let mut child = process(name)
                .args(arguments.split_whitespace())
                .args(kept)
                .arg("--report")
                .arg(report)
                .env("RAYON_NUM_THREADS", threads)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            sleep(Duration::from_millis(moment));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let resumed = outcome(name, arguments, stopped.path(), &kept);
        assert!(resumed == expected, "{name} {arguments}, {threads} threads");
    }
}

#[test]
fn a_classifier_goes_on_after_kills_to_the_same_bytes() {
    killed("digits", "--epochs 12 --quiet", &[60, 150, 100, 5, 200]);
}

#[test]
fn a_network_with_dropout_goes_on_after_kills_to_the_same_bytes() {
    killed("digits", "--model cnn --hidden 16 --epochs 1 --quiet", &[300, 500, 400]);
}

#[test]
fn spirals_go_on_after_kills_to_the_same_bytes() {
    killed("spirals", "--epochs 60 --optimizer muon --quiet", &[50, 120, 80]);
}

/// Programs that save whole epochs, and compare what they have trained.
#[test]
fn comparisons_go_on_after_kills_to_the_same_model() {
    for (name, arguments) in [
        ("soft_targets", "--quiet --epochs 12"),
        ("imbalance", "--quiet --runs 3 --epochs 40"),
        ("overfitting", "--epochs 60"),
        ("doubt", "--epochs 3"),
        ("cart_pole", "--updates 10 --seeds 2"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = |file: &str| directory.path().join(file).display().to_string();
        run(name, &format!("{arguments} --save {}", path("whole")));
        let kept =
            format!("{arguments} --checkpoint {} --checkpoint-every 0.01 --resume", path("run"));
        for moment in [60, 150, 400] {
            let mut child =
                process(name).args(kept.split_whitespace()).stdout(Stdio::null()).spawn().unwrap();
            sleep(Duration::from_millis(moment));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        run(name, &format!("{kept} --save {}", path("resumed")));
        let model = |file| fs::read(path(file)).unwrap();
        assert!(model("resumed") == model("whole"), "{name}");
    }
}

#[test]
fn a_report_may_be_left_out_and_asked_for_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = |file: &str| directory.path().join(file).display().to_string();
    let kept = format!("--quiet --epochs 2 --checkpoint {}", path("run"));
    run("digits", &format!("{kept} --report {}", path("first")));
    run("digits", &format!("{kept} --resume"));
    run("digits", &format!("{kept} --resume --report {}", path("second")));
    let steps = |report: &str| fs::read(directory.path().join(report).join("steps.csv")).unwrap();
    assert!(steps("first") == steps("second"));

    let kept = format!("--quiet --epochs 1 --checkpoint {}", path("unrecorded"));
    run("digits", &kept);
    let line = error("digits", &format!("{kept} --resume --report {}", path("third")), 1);
    assert!(line.contains("the run was begun without --report and --tensorboard"), "{line}");
}

#[test]
fn a_run_that_has_ended_is_not_trained_again() {
    let directory = tempfile::tempdir().unwrap();
    let kept = format!("--checkpoint {}", directory.path().join("run").display());
    let arguments = format!("--epochs 2 {kept}");
    let first = run("digits", &arguments);
    let again = run("digits", &format!("{arguments} --resume"));
    assert!(again.contains("resumed from "), "{again}");
    assert!(!again.contains("epoch 1/2"), "{again}");
    assert_eq!(first.lines().last(), again.lines().last());
}

#[test]
fn a_directory_of_another_run_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    let kept = format!("--quiet --checkpoint {}", path.display());
    run("digits", &format!("--epochs 1 {kept}"));
    let line = error("digits", &format!("--epochs 1 {kept}"), 1);
    assert!(
        line.contains("holds checkpoints of an earlier run; go on with it by --resume"),
        "{line}"
    );
    for (arguments, difference) in [
        ("--epochs 2", "with `1` for --epochs, and this run has `2`"),
        ("--epochs 1 --seed 3", "with `0` for --seed, and this run has `3`"),
        ("--epochs 1 --data data/iris.csv", "for --data, and this run has `data/iris.csv`"),
    ] {
        let line = error("digits", &format!("{arguments} {kept} --resume"), 1);
        assert!(line.contains(difference), "{line}");
    }
    assert!(error("digits", "--resume", 2).contains("--checkpoint"));
}

#[test]
fn two_runs_at_a_time_do_not_use_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    let mut child = process("names")
        .args(["--quiet", "--checkpoint", path.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !fs::read(path.join("lock")).is_ok_and(|holder| !holder.is_empty()) {
        sleep(Duration::from_millis(5));
    }
    let line = error("names", &format!("--quiet --checkpoint {}", path.display()), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains(&format!("is in use by process {} (names", child.id())), "{line}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_does_not_end_a_run_which_is_resumed_when_it_is_freed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    let binary = process("digits").get_program().to_owned();
    let arguments = format!("--quiet --epochs 3 --checkpoint {} --resume", path.display());
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {} {arguments}", binary.display());
    let mut limited = assert_cmd::Command::new("bash");
    limited.args(["-c", &script]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let output = limited.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    // While it runs, if it comes to that, and at the end.
    assert!((1..=2).contains(&lines.len()) && output.status.code() == Some(1), "{said}");
    let last = lines.last().unwrap();
    assert!(last.starts_with("error: cannot write ") && last.contains("checkpoint-"), "{said}");
    let result = run("digits", "--quiet --epochs 3");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), result);
    let names = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["lock"], "nothing unfinished is left");
    assert_eq!(run("digits", &arguments), result);
}

#[test]
fn a_model_that_cannot_be_saved_is_told_before_it_is_trained() {
    let directory = tempfile::tempdir().unwrap();
    let line = error("digits", &format!("--save {}", directory.path().display()), 1);
    assert!(line.contains("it is a directory"), "{line}");
    let line = error("digits", "--save no/such/folder/model", 1);
    assert!(line.contains("cannot write no/such/folder/model"), "{line}");
}

#[test]
fn a_saved_classifier_tells_digits() {
    for model in ["mlp --epochs 10", "cnn --epochs 2"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("digits.safetensors");
        let path = path.display();
        run("digits", &format!("--quiet --model {model} --save {path}"));
        let table = run("predict", &format!("--model {path} --data data/digits.csv --show 2"));
        assert!(table.contains("█") && table.contains("row 2 is 1, with a probability of 0."));

        let csv = run("predict", &format!("--model {path} --data data/digits.csv --csv"));
        let data = project_table("digits.csv");
        assert_eq!(csv.lines().count(), data.lines().count());
        let right = csv.lines().zip(data.lines()).skip(1).filter(|(answer, row)| {
            let fields: Vec<&str> = answer.split(',').collect();
            let [p, q] = [2, 4].map(|field| fields[field].parse::<f32>().unwrap());
            assert!(p >= q && p + q <= 1.000_001, "{answer}");
            fields[1] == row.rsplit(',').next().unwrap()
        });
        assert!(right.count() > 1700, "{model}");
    }
}

#[test]
fn columns_are_found_by_name_whatever_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let model = directory.path().join("iris.safetensors");
    let model = model.display();
    run("digits", &format!("--data data/iris.csv --quiet --save {model}"));
    let plain = run("predict", &format!("--model {model} --data data/iris.csv --csv"));
    assert!(plain.contains("\n1,setosa,"), "{plain}");

    let reversed: String = project_table("iris.csv")
        .lines()
        .map(|line| line.split(',').rev().skip(1).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let table = directory.path().join("reversed.csv");
    fs::write(&table, &reversed).unwrap();
    let table = table.display();
    assert_eq!(run("predict", &format!("--model {model} --data {table} --csv")), plain);

    fs::write(directory.path().join("less.csv"), reversed.replace("petal_width", "width")).unwrap();
    let less = directory.path().join("less.csv");
    let line = error("predict", &format!("--model {model} --data {} --csv", less.display()), 1);
    assert!(line.contains("petal_width"), "{line}");
}

#[test]
fn a_model_of_one_feature_is_used_as_others_are() {
    let directory = tempfile::tempdir().unwrap();
    let [table, model] = ["one.csv", "one.safetensors"].map(|name| directory.path().join(name));
    let rows = (0..100).map(|row| format!("{row},{}\n", if row < 50 { "low" } else { "high" }));
    fs::write(&table, format!("size,class\n{}", rows.collect::<String>())).unwrap();
    let [table, model] = [table.display(), model.display()];
    run("digits", &format!("--data {table} --quiet --save {model}"));
    let new = directory.path().join("new.csv");
    fs::write(&new, "size\n0\n99\n").unwrap();
    let csv = run("predict", &format!("--model {model} --data {} --csv", new.display()));
    let classes: Vec<&str> = csv.lines().skip(1).map(|line| &line[2..line.len().min(6)]).collect();
    assert_eq!(classes, ["low,", "high"]);
}

#[test]
fn what_is_no_classifier_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line.safetensors");
    let path = path.display();
    stdout(example("diabetes").args(["--epochs", "2", "--quiet", "--save"]).arg(path.to_string()));
    let line = error("predict", &format!("--model {path} --data data/diabetes.csv"), 1);
    assert!(line.contains("has no note on its network"), "{line}");
    let line = error("predict", "--model data/iris.csv --data data/iris.csv", 1);
    assert!(line.contains("data/iris.csv is no safetensors file"), "{line}");
}
