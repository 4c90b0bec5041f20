//! What the README says of the repository itself.

mod core;
mod loops;
mod messages;
mod panics;

use std::fs;
use std::path::{Path, PathBuf};

/// A path from the project's directory.
fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of the crates, tests among them.
fn sources() -> Vec<PathBuf> {
    let mut waiting = vec![project("crates")];
    let mut found = Vec::new();
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry of it").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn only_kernels_and_shared_memory_may_be_unsafe() {
    let roots: Vec<PathBuf> =
        sources().into_iter().filter(|path| path.ends_with("src/lib.rs")).collect();
    assert!(roots.len() > 6, "the crates were not found");
    for root in roots {
        let text = read(&root);
        let has = |line: &str| text.lines().any(|other| other == line);
        if root.ends_with("distributed/src/lib.rs") {
            assert!(has("#![deny(unsafe_code)]"), "{}", root.display());
            continue;
        }
        let kernels = root.ends_with("kernels/src/lib.rs");
        assert_eq!(has("#![forbid(unsafe_code)]"), !kernels, "{}", root.display());
    }
    for source in sources() {
        let allows = read(&source).contains("#![allow(unsafe_code)]");
        let may = ["kernels/src/lib.rs", "distributed/src/shared.rs"];
        assert_eq!(allows, may.iter().any(|end| source.ends_with(end)), "{}", source.display());
    }
}
