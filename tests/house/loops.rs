//! The README's loop is the first example, and stands on the facade's page.

use std::collections::BTreeSet;

use super::{project, read};

/// The program without the line that says what it is.
fn first() -> String {
    let example = read(project("examples/first.rs"));
    let program = &example[example.find("use downhill").expect("it uses the library")..];
    program.trim_end().to_owned()
}

#[test]
fn the_first_example_fits_on_a_page() {
    assert!(read(project("examples/first.rs")).lines().count() <= 60);
}

#[test]
fn formula_and_loop_of_a_lesson_stand_on_its_first_screen() {
    let folder = project("examples");
    let rust = |path: &std::path::PathBuf| path.extension().is_some_and(|kind| kind == "rs");
    let files = |folder: &std::path::Path| -> Vec<_> {
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(rust).collect()
    };
    let mut sources = files(&folder);
    for lesson in ["gradients", "landscape"] {
        sources.extend(files(&folder.join(lesson)));
    }
    let mut loops = 0;
    for source in sources {
        let text = read(source.clone());
        let Some(step) = text.lines().position(|line| line.contains("optimizer.step(")) else {
            continue;
        };
        loops += 1;
        assert!(step < 67, "{} makes its step in line {}", source.display(), step + 1);
        let formula = |line: &str| line.starts_with("//! ") && line.contains(['=', '←', '∂', '−']);
        // The first is nothing but the loop.
        let has_formula = text.lines().any(formula) || source.ends_with("first.rs");
        assert!(has_formula, "{} has no formula", source.display());
    }
    assert!(loops > 14, "{loops}");
}

#[test]
fn the_readme_shows_the_first_example() {
    let snippet = format!("```rust,no_run\n{}\n```\n", first());
    for readme in ["README.md", "README.zh-CN.md"] {
        assert!(read(project(readme)).contains(&snippet), "{readme} has another program");
    }
}

#[test]
fn both_readmes_have_the_same_code_links_and_figures() {
    let readmes = ["README.md", "README.zh-CN.md"].map(|readme| read(project(readme)));
    let code = |text: &String| -> Vec<String> {
        text.split("```").skip(1).step_by(2).map(str::to_owned).collect()
    };
    // Sentences may stand in another order.
    let links = |text: &String| -> BTreeSet<String> {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let translated = |link: &str| link.replace("course/zh-CN/", "").replace(".zh-CN", "");
        targets.map(translated).filter(|link| link != "examples/README.md").collect()
    };
    let figures = |text: &String| -> BTreeSet<String> {
        let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
        let trimmed = numbers.map(|number| number.trim_matches(['.', ',']).to_owned());
        trimmed.filter(|number| number.len() > 1).collect()
    };
    let [english, chinese] = &readmes;
    assert_eq!(code(english), code(chinese));
    assert_eq!(links(english), links(chinese));
    assert_eq!(figures(english), figures(chinese));
}

#[test]
fn the_facades_page_shows_the_first_example() {
    let page: String = read(project("crates/downhill/src/lib.rs"))
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    assert!(page.contains(&format!("```no_run\n{}\n```\n", first())), "it has another program");
}
