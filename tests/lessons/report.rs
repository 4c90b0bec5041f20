//! `--report` and `--tensorboard` of the training examples.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;

use roxmltree::{Document, ParsingOptions};

use super::{error, error_line, example, process, stdout};

/// The headings and the pictures' titles of the page that `name` writes, after checks that hold for
/// every page: it is well-formed, needs nothing from elsewhere, and each picture is a file too.
fn page(name: &str, arguments: &str) -> (Vec<String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let (report, events) = (directory.path().join("report"), directory.path().join("events"));
    let mut command = example(name);
    command.args(arguments.split_whitespace()).arg("--report").arg(&report);
    let output = stdout(command.arg("--tensorboard").arg(&events));
    assert!(output.contains(&format!("report in {}", report.join("report.html").display())));
    assert!(has_events(&events), "no event file in {name}'s directory");

    let page = fs::read_to_string(report.join("report.html")).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&page, options).unwrap();
    for tag in ["link", "img", "image", "iframe", "object"] {
        assert!(!document.descendants().any(|node| node.has_tag_name(tag)), "{name}: <{tag}>");
    }
    assert!(!document.descendants().any(|node| node.attribute("src").is_some()), "{name}");
    // Those of pictures; a rectangle may have one, too.
    let svg_titles = document.descendants().filter(|node| {
        node.has_tag_name(("http://www.w3.org/2000/svg", "title"))
            && node.parent_element().is_some_and(|parent| parent.has_tag_name("svg"))
    });
    let titles: Vec<String> =
        svg_titles.filter_map(|node| node.text().map(str::to_owned)).collect();
    assert_eq!(page.matches("http").count(), titles.len(), "{name} refers to a network");
    let drawn = page.split("<svg").skip(1).map(|svg| svg.split("</svg>").next().unwrap());
    for svg in drawn {
        assert!(!svg.contains("NaN") && !svg.contains("inf,") && !svg.contains("<title></title>"));
        // The style sheet is the page's.
        assert!(!svg.contains("<style>"));
    }
    let pictures = fs::read_dir(&report).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "svg")
            && Document::parse(&fs::read_to_string(path).unwrap()).is_ok()
    });
    // Those in the table of layers are in the page alone.
    let small = titles.iter().filter(|title| title.contains(" at step ")).count();
    assert_eq!(pictures.count(), titles.len() - small, "{name}: not as many files as pictures");
    assert_eq!(&texts(&document, None, "h3")[..2], ["Result", "Findings"], "{name}");
    let facts = texts(&document, None, "th");
    for fact in ["Command", "Seed", "Version", "Machine", "Begun", "Took"] {
        assert!(facts.contains(&fact.into()), "{name}: {facts:?}");
    }
    (texts(&document, None, "h2"), titles)
}

/// What stands in the elements of a name.
fn texts(document: &Document<'_>, namespace: Option<&str>, name: &str) -> Vec<String> {
    let named = document
        .descendants()
        .filter(|node| node.tag_name().name() == name && node.tag_name().namespace() == namespace);
    named.filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn has_events(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => has_events(&path),
            false => path.to_string_lossy().contains("tfevents"),
        }
    })
}

fn has(titles: &[String], wanted: &[&str]) {
    for title in wanted {
        assert!(titles.iter().any(|found| found.starts_with(title)), "{title}: {titles:?}");
    }
}

#[test]
fn digits_shows_learning_layers_and_its_surest_mistakes() {
    let (headings, titles) = page("digits", "--epochs 3");
    assert_eq!(headings, ["Learning", "Layers", "Weights", "Classification", "The run"]);
    assert_eq!(titles.iter().filter(|title| *title == "Confusion matrix").count(), 3);
    has(
        &titles,
        &[
            "Loss by step",
            "Loss by epoch",
            "Accuracy by epoch",
            "Gradient norm of each layer",
            "Update-to-weight ratio",
            "weights of layers.0 at step 1",
            "activations of layers.1 at step 1",
            "Confusion matrix",
            "Reliability: expected calibration error",
            "Most confidently wrong",
            "Weights of the first layer",
        ],
    );
    let directory = tempfile::tempdir().unwrap();
    let mut command = example("digits");
    stdout(command.args(["--epochs", "1", "--quiet", "--tensorboard"]).arg(directory.path()));
    let events = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let events = fs::read(events).unwrap();
    assert!(events.windows(10).any(|bytes| bytes == b"weights/63"), "no image of a unit's weights");
    for flags in ["--hidden 0 --epochs 1", "--model cnn --epochs 1"] {
        has(&page("digits", flags).1, &["Weights of the first layer"]);
    }
    let (headings, _) = page("digits", "--data data/iris.csv --epochs 1");
    assert!(!headings.contains(&"Weights".into()), "{headings:?}");
}

#[test]
fn spirals_shows_its_decisions_at_several_moments() {
    let (headings, titles) = page("spirals", "--epochs 20 --points 100");
    assert_eq!(headings, ["Learning", "Layers", "Decisions", "Classification", "The run"]);
    // Batches of 32 of 80 samples.
    has(&titles, &["Decisions before training", "Decisions after 3 steps"]);
    has(&titles, &["Decisions after 12 steps", "Decisions after 60 steps"]);
}

#[test]
fn diabetes_shows_predictions_residuals_and_coefficients() {
    let (headings, titles) = page("diabetes", "--epochs 200");
    assert_eq!(headings, ["Learning", "Layers", "Regression", "The run"]);
    has(&titles, &["Predicted against actual", "Residuals", "Coefficients"]);
}

#[test]
fn names_shows_where_guessing_is_hard_and_what_follows_what() {
    for model in ["bigram", "gru --hidden 16"] {
        let (headings, titles) = page("names", &format!("--model {model} --epochs 1"));
        let expected = ["Learning", "Layers", "Language", "Names made up", "Characters", "The run"];
        assert_eq!(headings, expected);
        has(&titles, &["Loss by step", "Loss by epoch", "Gradient norm of each layer"]);
        has(&titles, &["Loss by position", "Probability of the next character"]);
        has(&titles, &["Learned vectors"]);
    }
}

#[test]
fn runs_side_by_side_share_their_pictures() {
    let (headings, titles) = page("soft_targets", "--epochs 1");
    let [first, second] =
        ["cross-entropy", "squared error"].map(|loss| format!("Trained with {loss}"));
    assert_eq!(headings, ["Learning", &first, &second, "Images", "The run"]);
    has(&titles, &["Cross-entropy by step", "Squared error by step"]);
    has(&titles, &["Update-to-weight ratio", "activations of layers.1"]);
    let (headings, titles) = page("imbalance", "--epochs 2 --runs 2");
    assert_eq!((headings[0].as_str(), headings[7].as_str()), ("Learning", "Measures of all runs"));
    has(&titles, &["Test accuracy by epoch", "weights of model"]);
    assert_eq!(titles.iter().filter(|title| *title == "Confusion matrix").count(), 3);
    let (headings, titles) = page("gradients", "--epochs 2 --depth 3");
    assert_eq!(
        (headings[0].as_str(), headings[headings.len() - 1].as_str()),
        ("Learning", "The run")
    );
    let norms = titles.iter().filter(|title| *title == "Gradient norm of each layer");
    assert_eq!(norms.count(), headings.len() - 2);
    let (headings, titles) = page("spirals", "--compare sgd,adam --epochs 2 --points 100");
    assert_eq!(headings, ["Learning", "Figures", "sgd", "adam", "The run"]);
    has(&titles, &["Loss by step", "Test accuracy by epoch", "Decisions after "]);
}

#[test]
fn a_run_that_diverges_fails_and_leaves_a_page_that_says_where() {
    for (name, arguments) in [
        ("digits", "--learning-rate 1e8"),
        ("diabetes", "--learning-rate 5"),
        ("names", "--model mlp --learning-rate 1e30"),
        ("soft_targets", "--learning-rate 1e30"),
        ("spirals", "--optimizer sgd --learning-rate 1e6 --activation relu"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let report = directory.path().join("report");
        let mut command = example(name);
        command.args(arguments.split_whitespace()).arg("--report").arg(&report);
        let line = error_line(&mut command, 1);
        assert!(line.starts_with("error: the loss became "), "{name}: {line}");
        let page = fs::read_to_string(report.join("report.html")).unwrap();
        assert!(page.contains("Diverged at step ") && page.contains("diverged</h1>"), "{name}");
    }
}

#[test]
fn nothing_is_found_in_the_lessons_good_runs() {
    for (name, arguments) in [
        ("digits", ""),
        ("digits", "--hidden 0"),
        ("spirals", ""),
        ("spirals", "--compare sgd,momentum,adam,lion"),
        ("diabetes", ""),
        ("names", "--model bigram --epochs 10"),
        ("imbalance", "--runs 2"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut command = example(name);
        command.args(arguments.split_whitespace()).arg("--report");
        let output = stdout(command.arg(directory.path().join("report")));
        assert!(!output.contains("found:"), "{name} {arguments}: {output}");
    }
    // And those in which something is wrong, as the lesson says.
    let directory = tempfile::tempdir().unwrap();
    let mut command = example("soft_targets");
    let output = stdout(command.arg("--report").arg(directory.path().join("report")));
    assert_eq!(output.matches("found:").count(), 2, "{output}");
    assert_eq!(output.matches("5 of the 16 units of layers.0 are dead").count(), 2, "{output}");
}

#[test]
fn a_place_that_cannot_be_written_is_told_before_training_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "kept").unwrap();
    for name in ["digits", "spirals", "diabetes", "soft_targets", "imbalance", "names"] {
        for option in ["--report", "--tensorboard"] {
            // So many epochs would take hours.
            let arguments = format!("--epochs 100000000 {option} {}", file.display());
            let line = error(name, &arguments, 1);
            assert!(line.starts_with(&format!("error: cannot write {}", file.display())), "{line}");
        }
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    let line = error("digits", &format!("--report {}", directory.path().display()), 1);
    assert!(line.contains("holds file, which is not part of a report"), "{line}");
}

/// A limit on the size of files stands for a full disk: both make writing fail.
#[cfg(unix)]
#[test]
fn a_full_disk_does_not_end_the_training_and_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut shell = assert_cmd::Command::new("sh");
    // 8 or 16 KiB. The signal would end the program.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
    shell.arg(process("spirals").get_program());
    shell.args(["--epochs", "60", "--points", "300", "--quiet", "--tensorboard"]);
    let output = shell.arg(directory.path()).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("warning: cannot write ") && said.lines().count() == 1, "{said}");
    assert!(String::from_utf8(output.stdout).unwrap().starts_with("test accuracy "));
    // What fitted are whole events: a length, its checksum, as many bytes and theirs.
    let file = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let mut rest = &fs::read(file).unwrap()[..];
    assert!(!rest.is_empty());
    while let Some(length) = rest.first_chunk() {
        rest = &rest[u64::from_le_bytes(*length) as usize + 16..];
    }
    assert!(rest.is_empty(), "half an event is left");
}

/// A folder that becomes a file stands for a full disk, too, but elsewhere there is room.
#[cfg(unix)]
#[test]
fn a_report_that_cannot_be_written_is_rescued() {
    let directory = tempfile::tempdir().unwrap();
    let rescued = directory.path().join("elsewhere");
    fs::create_dir(&rescued).unwrap();
    let report = directory.path().join("full").join("report");
    let run = |temporary: &Path| {
        fs::create_dir_all(report.parent().unwrap()).unwrap();
        let mut command = process("spirals");
        command.args(["--epochs", "150", "--report"]).arg(&report);
        let child = command.env("TMPDIR", temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        // The first epoch says that the report could be begun.
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.contains("\nepoch ") {
            assert!(output.read_line(&mut printed).unwrap() > 0, "{printed}");
        }
        fs::remove_dir_all(report.parent().unwrap()).unwrap();
        fs::write(report.parent().unwrap(), "").unwrap();
        output.read_to_string(&mut printed).unwrap();
        fs::remove_file(report.parent().unwrap()).unwrap();
        let outcome = child.wait_with_output().unwrap();
        (outcome.status.code(), printed, String::from_utf8(outcome.stderr).unwrap())
    };
    let (code, printed, said) = run(&rescued);
    assert_eq!((code, said.lines().count()), (Some(0), 1), "{said}");
    let page = said.trim_end().split("the report is ").nth(1).unwrap();
    assert!(said.starts_with("warning: cannot write "), "{said}");
    assert!(Path::new(page).starts_with(&rescued) && printed.contains(page), "{said}\n{printed}");
    assert!(printed.contains("test accuracy "), "{printed}");
    assert!(fs::read_to_string(page).unwrap().contains("<svg"));

    // Nowhere: the result is printed all the same, and the program fails.
    let (code, printed, said) = run(&rescued.join("missing"));
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("error: cannot write "), "{said}");
    assert!(printed.contains("test accuracy ") && !printed.contains("report in"), "{printed}");
}

#[test]
fn graph_draws_a_neuron_a_network_and_what_is_too_long() {
    let directory = tempfile::tempdir().unwrap();
    let output = stdout(example("graph").arg("--directory").arg(directory.path()));
    // micrograd's README: x₁ has the gradient −1.5, w₁ 1.
    let row = |name| output.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(row("x₁ ").ends_with("−1.5") && row("w₁ ").ends_with(" 1"), "{output}");
    for (name, nodes) in [("neuron", 10), ("network", 9), ("recurrence", 13)] {
        let path = directory.path().join(name);
        let dot = fs::read_to_string(path.with_extension("dot")).unwrap();
        assert_eq!(dot.matches("[label=").count(), nodes, "{dot}");
        let svg = fs::read_to_string(path.with_extension("svg")).unwrap();
        assert_eq!(svg.matches("<polygon").count(), dot.matches(" -> ").count(), "arrows");
        assert_eq!(svg.matches("http").count(), 1);
        Document::parse(&svg).unwrap();
        assert_eq!(name == "recurrence", svg.contains("more, not shown"), "{name}");
    }
    fs::write(directory.path().join("taken"), "").unwrap();
    let line = error("graph", &format!("--directory {}/taken", directory.path().display()), 1);
    assert!(line.starts_with("error: cannot write"), "{line}");
}
