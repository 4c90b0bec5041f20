//! The course: its commands exist, its pictures and links, and both languages say the same.

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

/// The pages of the lessons in a language, by file name.
pub(super) fn lessons(folder: &str) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages = files.filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let lesson = name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".md");
        lesson.then(|| (name, fs::read_to_string(&path).unwrap()))
    });
    pages.collect()
}

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");
pub(super) const ENGLISH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/course");
pub(super) const CHINESE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/course/zh-CN");

#[test]
fn every_command_names_an_example_and_flags_that_it_takes() {
    let mut texts: Vec<String> = lessons(ENGLISH).into_values().collect();
    texts.push(fs::read_to_string(format!("{ENGLISH}/worksheet.md")).unwrap());
    texts.push(fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap());
    let mut flags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for text in texts {
        let found = commands(&text);
        assert!(!found.is_empty(), "a page without a command: {text}");
        for (name, given) in found {
            flags.entry(name).or_default().extend(given);
        }
    }
    for (name, given) in &flags {
        assert!(Path::new(EXAMPLES).join(name).with_extension("rs").exists(), "{name}");
        if given.is_empty() {
            continue;
        }
        let help = stdout(example(name).arg("--help"));
        let taken: BTreeSet<&str> =
            help.split_whitespace().filter(|word| word.starts_with("--")).collect();
        for flag in given {
            assert!(taken.contains(flag.as_str()), "{name} takes no {flag}");
        }
    }
}

#[test]
fn every_program_has_its_place_in_the_course() {
    let pages: String = lessons(ENGLISH).into_values().collect();
    let named: BTreeSet<String> = commands(&pages).into_iter().map(|(name, _)| name).collect();
    let files = fs::read_dir(EXAMPLES).unwrap().map(|entry| entry.unwrap().path());
    let programs: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, programs);
}

/// Numbers with a decimal point, in order.
fn figures(text: &str) -> Vec<String> {
    let number = |word: &str| {
        let word = word.trim_matches('.');
        word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit())
    };
    let words = text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let mut figures: Vec<String> =
        words.filter(|word| number(word)).map(|word| word.trim_matches('.').to_owned()).collect();
    figures.sort();
    figures
}

#[test]
fn both_languages_have_the_same_lessons_commands_and_figures() {
    let [english, chinese] = [ENGLISH, CHINESE].map(|folder| {
        let mut pages = lessons(folder);
        let worksheet = fs::read_to_string(format!("{folder}/worksheet.md")).unwrap();
        pages.insert("worksheet.md".into(), worksheet);
        pages
    });
    assert!(english.len() > 16);
    assert!(english.keys().eq(chinese.keys()));
    for (name, page) in &english {
        let translated = &chinese[name];
        assert_eq!(commands(page), commands(translated), "{name}");
        assert_eq!(figures(page), figures(translated), "{name}");
        let pictures = |text: &str| text.matches("gallery/").count();
        assert_eq!(pictures(page), pictures(translated), "{name}");
    }
}

#[test]
fn every_page_is_a_whole_lesson() {
    for (name, page) in lessons(ENGLISH) {
        let words = page.split_whitespace().count();
        assert!((400..=900).contains(&words), "{name} has {words} words");
        for part in ["\n## The idea", "\n## Run it", "\n## Exercises", "*Change code.*"] {
            let another =
                part == "\n## The idea" && ["08", "09"].iter().any(|it| name.starts_with(it));
            assert!(another || page.contains(part), "{name} has no {part}");
        }
        assert!(page.matches("<summary>Answer</summary>").count() >= 3, "{name}");
        for line in page.lines().filter(|line| !line.contains("<code>") && !line.contains('|')) {
            assert!(line.chars().count() <= 112, "{name}: {line}");
        }
    }
}

#[test]
fn links_of_the_course_lead_somewhere() {
    for folder in [ENGLISH, CHINESE] {
        let glossary = fs::read_to_string(format!("{folder}/glossary.md")).unwrap();
        for (name, page) in lessons(folder) {
            for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if target.starts_with("http") {
                    continue;
                }
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                assert!(Path::new(folder).join(file).exists(), "{folder}/{name}: {target}");
                if file == "glossary.md" {
                    let word = format!("<a id=\"{anchor}\">");
                    assert!(glossary.contains(&word), "{folder}/{name}: {target}");
                }
            }
        }
    }
}

#[test]
fn every_picture_of_the_course_is_whole_and_drawn_by_the_script() {
    let course: String = lessons(ENGLISH).into_values().collect();
    let script = fs::read_to_string(format!("{EXAMPLES}/gallery/make")).unwrap();
    let shown: BTreeSet<&str> =
        course.split("/gallery/").skip(1).filter_map(|rest| rest.split(".svg").next()).collect();
    let files =
        fs::read_dir(format!("{EXAMPLES}/gallery")).unwrap().map(|entry| entry.unwrap().path());
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
