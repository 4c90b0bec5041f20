//! The core that the README names can be read in an afternoon.

use super::{project, read};

/// The most lines that an afternoon holds, at 500 to 700 an hour.
const AFTERNOON: usize = 3_500;

/// The files that the README's section names, in order.
fn core() -> Vec<String> {
    let readme = read(project("README.md"));
    let (_, section) = readme.split_once("\n## The core\n").expect("a section on the core");
    let section = section.split("\n## ").next().unwrap_or_default();
    let links = section.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|link| link.ends_with(".rs")).map(str::to_owned).collect()
}

/// Lines of code, documentation and comments, without blank lines and without tests: those of a
/// module at the end of the file, and those that documentation runs.
fn lines(file: &str) -> usize {
    let source = read(project(file));
    let source = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let (mut count, mut fence) = (0, None);
    for line in source.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mark = line.strip_prefix("/// ```").or_else(|| line.strip_prefix("//! ```"));
        let in_example =
            mark.is_some_and(|mark| mark != "text") || fence.is_some_and(|it| it != "text");
        count += usize::from(!in_example);
        if let Some(mark) = mark {
            fence = if fence.is_some() { None } else { Some(mark) };
        }
    }
    count
}

#[test]
fn the_core_is_read_in_an_afternoon() {
    let files = core();
    let total: usize = files.iter().map(|file| lines(file)).sum();
    let list: Vec<String> = files.iter().map(|file| format!("{:5} {file}", lines(file))).collect();
    println!("{}\n{total:5} together", list.join("\n"));
    assert!(total <= AFTERNOON, "{}\n{total:5} together", list.join("\n"));
}

#[test]
fn the_core_goes_from_data_to_updated_weights() {
    let files = core();
    let place = |end: &str| {
        let found = files.iter().position(|file| file.ends_with(end));
        found.unwrap_or_else(|| panic!("the core lacks {end}"))
    };
    let way = [
        "first.rs",
        "datasets/src/csv.rs",
        "datasets/src/batches.rs",
        "tensor/src/tensor.rs",
        "tensor/src/operation.rs",
        "operations/arithmetic.rs",
        "tensor/src/autodiff.rs",
        "nn/src/linear.rs",
        "nn/src/mlp.rs",
        "cross_entropy/definition.rs",
        "optim/src/first_order.rs",
        "optim/src/sgd.rs",
        "optim/src/adam.rs",
    ];
    assert!(way.map(place).is_sorted(), "{files:?}");
    let mut unique = files.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), files.len());
}
