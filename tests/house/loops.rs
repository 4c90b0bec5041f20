//! The README's loop is the first example, and stands on the facade's page.

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
fn the_readme_shows_the_first_example() {
    let snippet = format!("```rust,no_run\n{}\n```\n", first());
    for readme in ["README.md", "README.zh-CN.md"] {
        assert!(read(project(readme)).contains(&snippet), "{readme} has another program");
    }
}

#[test]
fn both_readmes_show_the_same_code() {
    let code = |readme: &str| -> Vec<String> {
        let text = read(project(readme));
        text.split("```").skip(1).step_by(2).map(str::to_owned).collect()
    };
    assert_eq!(code("README.md"), code("README.zh-CN.md"));
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
