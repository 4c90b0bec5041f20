//! The course, examples/README.md: its commands exist, and so do its pictures.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::landscape::check_picture;
use super::{example, stdout};

/// The commands in a text: each an example's name, and the flags that it is given.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let after = text.split("cargo run --release --example ").skip(1);
    let ends = ['\n', '`', '<', '#'];
    let command = |rest: &str| {
        let line = rest.split(ends).next().unwrap_or_default();
        let mut words = line.split_whitespace().map(str::to_owned);
        let name = words.next().expect("an example has a name");
        (name, words.filter(|word| word.starts_with("--") && word != "--").collect())
    };
    after.map(command).collect()
}

#[test]
fn every_command_names_an_example_and_flags_that_it_takes() {
    let mut flags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in ["README.md", "examples/README.md"] {
        let found = commands(&fs::read_to_string(file).unwrap());
        assert!(found.len() > 10, "{file}: {} commands", found.len());
        for (name, given) in found {
            flags.entry(name).or_default().extend(given);
        }
    }
    for (name, given) in &flags {
        assert!(Path::new("examples").join(name).with_extension("rs").exists(), "{name}");
        let help = stdout(example(name).arg("--help"));
        let taken: BTreeSet<&str> =
            help.split_whitespace().filter(|word| word.starts_with("--")).collect();
        for flag in given {
            assert!(taken.contains(flag.as_str()), "{name} takes no {flag}");
        }
    }
}

#[test]
fn every_lesson_is_in_the_course() {
    let named: BTreeSet<String> = commands(&fs::read_to_string("examples/README.md").unwrap())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let files = fs::read_dir("examples").unwrap().map(|entry| entry.unwrap().path());
    let lessons: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, lessons);
}

#[test]
fn every_picture_of_the_course_is_whole_and_drawn_by_the_script() {
    let course = fs::read_to_string("examples/README.md").unwrap();
    let script = fs::read_to_string("examples/gallery/make").unwrap();
    let shown: BTreeSet<&str> =
        course.split("](gallery/").skip(1).filter_map(|rest| rest.split(".svg)").next()).collect();
    let files = fs::read_dir("examples/gallery").unwrap().map(|entry| entry.unwrap().path());
    let pictures: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "svg")).collect();
    for path in &pictures {
        check_picture(path);
        assert!(fs::metadata(path).unwrap().len() < 100_000, "{} is large", path.display());
    }
    let there: BTreeSet<&str> =
        pictures.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(shown, there);
    for name in shown {
        let line = |line: &str| line.split_whitespace().next() == Some(name);
        assert!(script.lines().any(line), "examples/gallery/make does not draw {name}");
    }
}

#[test]
fn commands_are_read_as_they_are_written() {
    let text = "`cargo run --release --example a -- --b 1 --c` and\n\
                cargo run --release --example d   # what --e does";
    let expected = [("a", vec!["--b", "--c"]), ("d", vec![])];
    let found = commands(text);
    assert_eq!(found.len(), 2);
    for ((name, flags), (expected_name, expected_flags)) in found.iter().zip(expected) {
        assert_eq!(
            (name.as_str(), flags),
            (expected_name, &expected_flags.iter().map(ToString::to_string).collect())
        );
    }
}
