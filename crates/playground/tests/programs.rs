//! What "as Rust" shows compiles, and gives the same losses to the last digit.
//!
//! The programs are kept in `tests/programs`, where they are compiled as they are; a test compares
//! them with what the session writes now. `UPDATE_PROGRAMS=1 cargo test -p downhill-playground
//! --test programs` writes them anew.

mod common;

use std::cell::RefCell;

use common::{ask, change};
use downhill_playground::Session;
use serde_json::{Value, json};

thread_local! {
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what a program prints.
macro_rules! println {
    ($($argument:tt)*) => {{
        let line = format!($($argument)*);
        crate::PRINTED.with_borrow_mut(|lines| lines.push(line));
    }};
}

macro_rules! programs {
    ($($name:ident: $steps:literal, $changes:tt;)*) => {
        $(mod $name {
            include!(concat!("programs/", stringify!($name), ".rs"));

            pub(crate) fn run() {
                main().unwrap();
            }
        })*

        $(#[test]
        fn $name() {
            check(stringify!($name), $steps, json!($changes), $name::run);
        })*
    };
}

programs! {
    spirals: 100, {};
    moons: 90, {"data.source": "moons", "loss.kind": "binary", "loss.smoothing": 0.1,
        "optimizer.kind": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": true,
        "optimizer.learning_rate": 0.05, "optimizer.weight_decay": 0.001, "model.hidden": [4]};
    circles: 80, {"data.source": "circles", "data.rarity": 0.2, "loss.kind": "focal",
        "loss.balanced": true, "optimizer.kind": "adagrad", "optimizer.learning_rate": 0.1,
        "model.initialization": "pytorch"};
    exclusive_or: 70, {"data.source": "xor", "loss.kind": "hinge", "optimizer.kind": "rmsprop",
        "optimizer.schedule": "exponential", "model.activation": ["relu"],
        "model.initialization": "he", "data.test": 0.0};
    blobs: 60, {"data.source": "blobs", "data.arms": 5, "loss.kind": "squared",
        "optimizer.kind": "lion", "optimizer.learning_rate": 0.002, "optimizer.beta2": 0.99,
        "model.initialization": "equal", "optimizer.weight_decay": 0.1};
    plane: 50, {"data.source": "plane", "loss.kind": "huber", "optimizer.schedule": "step",
        "optimizer.schedule_steps": 20, "model.activation": ["silu"], "model.hidden": []};
    dampened: 40, {"data.source": "xor", "optimizer.kind": "sgd", "optimizer.momentum": 0.9,
        "optimizer.dampening": 0.5, "optimizer.schedule": "warm_up_cosine",
        "optimizer.schedule_steps": 30};
    centred: 40, {"data.source": "blobs", "optimizer.kind": "rmsprop", "optimizer.centered": true,
        "optimizer.learning_rate": 0.01, "optimizer.schedule": "polynomial",
        "optimizer.schedule_steps": 60};
    accumulated: 40, {"optimizer.kind": "adagrad", "optimizer.learning_rate_decay": 0.01,
        "optimizer.initial_accumulator": 0.1};
    hills: 120, {"data.source": "hills", "loss.kind": "cross_entropy", "optimizer.kind": "adamw",
        "optimizer.schedule": "cosine", "model.dropout": 0.1, "model.activation": ["gelu"],
        "optimizer.amsgrad": true};
    digits: 60, {"data.source": "digits", "model.hidden": [32], "model.activation": ["relu"],
        "model.initialization": "he"};
    penguins: 60, {"data.source": "table", "data.table": "penguins", "data.target": "species",
        "model.residual": true, "model.layer_norm": true, "loss.balanced": true};
    iris: 60, {"data.source": "table", "data.table": "iris",
        "data.columns": ["petal_length_cm", "sepal_width_cm"], "optimizer.kind": "muon",
        "optimizer.momentum": 0.95, "optimizer.nesterov": true, "model.layer_norm": true};
    points: 40, {"data.source": "points", "model.initialization": "small", "optimizer.batch": 3,
        "data.points": [[-0.5, 0.25, 0], [0.5, -0.125, 1], [0.75, 0.5, 2], [0.0, -0.75, 0]],
        "optimizer.kind": "sgd", "optimizer.clip": "value", "optimizer.clip_at": 0.1};
    clipped: 90, {"model.activation": ["identity"], "model.initialization": "large",
        "optimizer.clip": "global_norm", "optimizer.schedule": "one_cycle",
        "optimizer.schedule_steps": 80, "loss.smoothing": 0.05, "loss.temperature": 2.0};
    wave: 30, {"data.source": "wave", "loss.kind": "squared", "optimizer.kind": "lbfgs",
        "optimizer.learning_rate": 1.0, "optimizer.batch": 5000, "optimizer.schedule": "linear"};
    by_layer: 60, {"model.hidden": [8, 8, 6], "model.activation": ["relu", "identity", "tanh"],
        "model.initialization": "he", "model.layer_norm": true};
    muon: 50, {"optimizer.kind": "muon", "optimizer.momentum": 0.9, "optimizer.iterations": 3, "model.dropout": 0.2,
        "model.residual": true, "optimizer.clip": "norm", "optimizer.schedule": "warm_up"};
}

fn check(name: &str, steps: u64, changes: Value, run: fn()) {
    let mut session = Session::new();
    let changes: Vec<(&str, Value)> = changes
        .as_object()
        .unwrap()
        .iter()
        .map(|(path, value)| (path.as_str(), value.clone()))
        .collect();
    change(&mut session, &changes);
    assert_eq!(session.advance(steps), steps);
    let program = ask(&mut session, json!({"do": "rust"}));
    let program = program.object()["program"].as_str().unwrap();
    let path = format!("{}/tests/programs/{name}.rs", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_PROGRAMS").is_some() {
        std::fs::write(&path, program).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == program, "tests/programs/{name}.rs is not what the session writes now");

    // The programs read `data/…`.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap();
    run();
    let frame = ask(&mut session, json!({"do": "frame"}));
    let mut expected = Vec::new();
    for part in ["train", "test"] {
        if let Some(loss) = frame.object()[&format!("{part}_loss")].as_f64() {
            // Losses are computed in `f32`.
            expected.push(format!("{part} loss {}", loss as f32));
        }
    }
    assert_eq!(PRINTED.take(), expected);
}
