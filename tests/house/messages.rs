//! What the compiler says of the mistakes that newcomers make.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const SETUP: &str = "
use downhill::prelude::*;
pub struct Slope { pub value: Tensor }
pub fn program(mut slope: Slope, x: Tensor, rng: &mut Xoshiro256PlusPlus) {
";

/// What is wrong, as a statement, and parts of what the compiler says of it.
const MISTAKES: [(&str, &[&str]); 5] = [
    (
        "let _ = cross_entropy(&x, &[0_i32, 1]);",
        &[
            "`&[i32; 2]` cannot be used as targets of logits in `f32`",
            "targets are labels (`&[usize]`, `&Vec<usize>`, `&[usize; N]`",
            "`labels.iter().map(|&label| label as usize).collect::<Vec<_>>()`",
        ],
    ),
    (
        "let _ = downhill::losses::focal(&x, &[0_u8, 1]);",
        &["`&[u8; 2]` cannot be used as labels", "labels are numbers of classes from 0"],
    ),
    (
        "let gradients = slope.value.sum().backward();
         let _ = Sgd::new(0.1).step(&mut slope, &gradients);",
        &[
            "`Slope` names no tensors",
            "a model, or a part of one, is needed here",
            "`parameters!(Slope { field, … });`",
        ],
    ),
    (
        "let dropout = downhill::nn::Dropout::new(0.5).unwrap();
         let _ = Sequential::new().then(Linear::new(2, 2, rng)).then(dropout).forward(&x);",
        &[
            "does not compute the same in training and in use",
            "is this training, or use?",
            "call `forward_training(&x, &mut rng)`, elsewhere `evaluate(&x)`",
        ],
    ),
    (
        "let _ = Sequential::new().then(slope);",
        &["`Slope` is no module", "`downhill_nn::Module`: `forward_training` and `evaluate`"],
    ),
];

/// Compiles a program against one of the libraries beside this test. The text is the compiler's.
fn compile(library: &Path, statement: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("program.rs");
    fs::write(&source, format!("{SETUP}{statement}\n}}\n")).unwrap();
    let output = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-Adeprecated"])
        .arg(format!("--extern=downhill={}", library.display()))
        .arg(format!("-Ldependency={}", library.parent().unwrap().display()))
        .arg("--out-dir")
        .args([folder.path(), &source])
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// The facade as it was built for this test: the newest that programs can be compiled against.
fn library() -> PathBuf {
    let beside = env::current_exe().unwrap();
    let mut found: Vec<(SystemTime, PathBuf)> = fs::read_dir(beside.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libdownhill-") && name.ends_with(".rlib")
        })
        .map(|path| (path.metadata().unwrap().modified().unwrap(), path))
        .collect();
    found.sort();
    let mut newest_first = found.into_iter().rev().map(|(_, path)| path);
    let right =
        "let _ = (cross_entropy(&x, &[0_usize]), slope.value.update(|_| ()), rng.next_u32());";
    newest_first.find(|library| compile(library, right).is_ok()).expect("a program that is right")
}

#[test]
fn the_compiler_says_what_is_missing() {
    let library = library();
    for (mistake, expected) in MISTAKES {
        let message = compile(&library, mistake).expect_err(mistake);
        // Long lines are drawn in pieces, each behind a bar.
        let words = message.split_whitespace().filter(|&word| word != "|");
        let message = words.collect::<Vec<_>>().join(" ");
        for part in expected {
            assert!(message.contains(part), "{mistake}\nlacks {part:?}:\n{message}");
        }
    }
}
