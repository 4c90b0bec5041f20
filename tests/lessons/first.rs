//! The README's loop.

use super::{last_figure, run};

#[test]
fn it_prints_what_the_readme_says() {
    let output = run("first", "");
    assert_eq!(output.lines().filter(|line| line.starts_with("epoch ")).count(), 20);
    let readme = include_str!("../../README.md");
    let line = output.lines().last().expect("it prints something");
    let said = readme.lines().find(|line| line.starts_with("test accuracy ")).expect("the figure");
    let (found, said) = (last_figure(&output, "test accuracy"), last_figure(said, "test accuracy"));
    // One image of the 359 more or less, on a processor that rounds otherwise.
    assert!((found - said).abs() < 1.5 / 359.0, "{line}, but the README says {said}");
}
