//! Asking a session, in a test.
#![allow(dead_code, reason = "each test uses what it needs")]

use downhill_playground::{Reply, Session};
use serde_json::{Value, json};

pub(crate) fn ask(session: &mut Session, message: Value) -> Reply {
    let reply = session.handle(&message.to_string());
    assert_eq!(reply.object().get("error"), None, "{message}");
    reply
}

pub(crate) fn setting(session: &mut Session) -> Value {
    ask(session, json!({"do": "describe"})).object()["setting"].clone()
}

/// The setting with some members replaced: `[("optimizer.kind", json!("sgd")), …]`.
pub(crate) fn with(mut setting: Value, changes: &[(&str, Value)]) -> Value {
    for (path, value) in changes {
        let (part, name) = path.split_once('.').unwrap();
        assert!(setting[part].get(name).is_some(), "{path} is no part of a setting");
        setting[part][name] = value.clone();
    }
    setting
}

pub(crate) fn change(session: &mut Session, changes: &[(&str, Value)]) {
    let setting = with(setting(session), changes);
    ask(session, json!({"do": "set", "setting": setting}));
}

/// The names of all parameters.
pub(crate) fn names(session: &mut Session) -> Vec<String> {
    let names = ask(session, json!({"do": "describe"})).object()["names"].clone();
    names.as_array().unwrap().iter().map(|name| name[0].as_str().unwrap().to_owned()).collect()
}

/// All weights, bit by bit.
pub(crate) fn weights(session: &mut Session) -> Vec<u32> {
    let names = names(session);
    let reply = ask(session, json!({"do": "frame", "weights": true}));
    let numbers =
        names.iter().flat_map(|name| reply.floats(name).expect("a parameter by its name"));
    numbers.map(f32::to_bits).collect()
}

pub(crate) fn step(session: &mut Session) -> u64 {
    ask(session, json!({"do": "frame"})).object()["step"].as_u64().unwrap()
}

/// What is wrong with a message.
pub(crate) fn error(session: &mut Session, message: &str) -> String {
    let reply = session.handle(message);
    reply.object()["error"].as_str().expect("the error is text").to_owned()
}
