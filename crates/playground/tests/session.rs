//! What a page can do, without a page.

mod common;

use common::{ask, change, error, setting, step, weights, with};
use downhill_playground::Session;
use serde_json::{Value, json};

#[test]
fn every_step_can_be_returned_to_exactly() {
    let mut session = Session::new();
    change(
        &mut session,
        &[("model.dropout", json!(0.2)), ("data.count", json!(60)), ("optimizer.batch", json!(7))],
    );
    // More steps than states are kept, so that most have to be made again.
    let mut seen = vec![weights(&mut session)];
    for at in 0..1300 {
        match at {
            200 => change(
                &mut session,
                &[("optimizer.kind", json!("sgd")), ("optimizer.momentum", json!(0.9))],
            ),
            201 => change(&mut session, &[("optimizer.learning_rate", json!(0.05))]),
            500 => change(&mut session, &[("optimizer.batch", json!(20))]),
            777 => change(&mut session, &[("loss.kind", json!("focal"))]),
            778 => change(
                &mut session,
                &[("optimizer.kind", json!("adam")), ("optimizer.schedule", json!("cosine"))],
            ),
            _ => {}
        }
        assert_eq!(session.advance(1), 1);
        seen.push(weights(&mut session));
    }
    for at in [1299, 1298, 778, 777, 779, 201, 200, 199, 202, 0, 1, 513, 1300, 1025, 1024, 499, 501]
    {
        ask(&mut session, json!({"do": "seek", "step": at}));
        assert_eq!(step(&mut session), at);
        assert!(weights(&mut session) == seen[at as usize], "step {at}");
    }
    // And from there it goes on as it did.
    ask(&mut session, json!({"do": "seek", "step": 190}));
    session.advance(1000);
    assert!(weights(&mut session) == seen[1190]);
    assert_eq!(ask(&mut session, json!({"do": "frame"})).object()["end"], 1300);
}

#[test]
fn a_change_in_the_past_forgets_the_future() {
    let mut session = Session::new();
    session.advance(50);
    ask(&mut session, json!({"do": "seek", "step": 20}));
    let before = weights(&mut session);
    change(&mut session, &[("optimizer.learning_rate", json!(0.5))]);
    let reply = ask(&mut session, json!({"do": "frame", "curves": true}));
    assert_eq!((&reply.object()["step"], &reply.object()["end"]), (&json!(20), &json!(20)));
    assert_eq!(reply.floats("curve.step").unwrap().last(), Some(&20.0));
    assert_eq!(reply.object()["changes"], json!([20]));
    assert!(weights(&mut session) == before, "nothing has been trained");
}

#[test]
fn changes_at_one_step_are_one_change() {
    let mut straight = Session::new();
    straight.advance(40);
    let mut detour = Session::new();
    detour.advance(40);
    change(&mut detour, &[("optimizer.kind", json!("sgd"))]);
    change(&mut detour, &[("optimizer.kind", json!("lion"))]);
    change(&mut detour, &[("optimizer.kind", json!("adam"))]);
    straight.advance(10);
    detour.advance(10);
    assert!(weights(&mut straight) == weights(&mut detour), "Adam has kept its memory");
}

#[test]
fn what_an_optimizer_remembers_survives_another_rate() {
    let mut session = Session::new();
    session.advance(30);
    change(&mut session, &[("optimizer.learning_rate", json!(0.0))]);
    session.advance(1);
    change(&mut session, &[("optimizer.learning_rate", json!(0.01))]);
    session.advance(1);
    let mut fresh = Session::new();
    fresh.advance(30);
    change(
        &mut fresh,
        &[("optimizer.kind", json!("sgd")), ("optimizer.learning_rate", json!(0.0))],
    );
    fresh.advance(1);
    change(
        &mut fresh,
        &[("optimizer.kind", json!("adam")), ("optimizer.learning_rate", json!(0.01))],
    );
    fresh.advance(1);
    assert!(weights(&mut session) != weights(&mut fresh));
}

#[test]
fn all_that_can_be_chosen_trains() {
    let mut settings: Vec<Vec<(&str, Value)>> = Vec::new();
    for source in ["moons", "circles", "spirals", "xor", "blobs", "table", "digits"] {
        settings.push(vec![("data.source", json!(source)), ("data.table", json!("iris"))]);
    }
    for loss in ["cross_entropy", "squared", "absolute", "huber"] {
        settings.push(vec![("data.source", json!("wave")), ("loss.kind", json!(loss))]);
        settings.push(vec![("data.source", json!("hills")), ("loss.kind", json!(loss))]);
    }
    for loss in ["cross_entropy", "binary", "focal", "hinge", "squared"] {
        settings.push(vec![
            ("data.source", json!("moons")),
            ("loss.kind", json!(loss)),
            ("loss.balanced", json!(true)),
        ]);
    }
    for optimizer in ["sgd", "adagrad", "rmsprop", "adam", "adamw", "lion", "muon", "lbfgs"] {
        settings.push(vec![
            ("optimizer.kind", json!(optimizer)),
            ("model.layer_norm", json!(optimizer == "muon")),
        ]);
    }
    for activation in
        ["relu", "leaky_relu", "tanh", "sigmoid", "softplus", "gelu", "silu", "identity"]
    {
        settings
            .push(vec![("model.activation", json!([activation])), ("model.residual", json!(true))]);
    }
    for start in ["he", "xavier", "pytorch", "equal", "small", "large"] {
        settings
            .push(vec![("model.initialization", json!(start)), ("model.layer_norm", json!(true))]);
    }
    for schedule in [
        "constant",
        "step",
        "exponential",
        "linear",
        "cosine",
        "restarts",
        "one_cycle",
        "warm_up",
        "polynomial",
        "warm_up_cosine",
    ] {
        settings.push(vec![
            ("optimizer.schedule", json!(schedule)),
            ("optimizer.schedule_steps", json!(5)),
        ]);
    }
    for clip in ["none", "global_norm", "norm", "value"] {
        settings.push(vec![("optimizer.clip", json!(clip)), ("optimizer.clip_at", json!(0.01))]);
    }
    for changes in settings {
        let mut session = Session::new();
        change(&mut session, &changes);
        let before = weights(&mut session);
        assert_eq!(session.advance(12), 12, "{changes:?}");
        assert!(weights(&mut session) != before, "{changes:?}");
        let reply = ask(&mut session, json!({"do": "frame", "map": 8, "units": 4, "curves": true}));
        assert!(reply.object()["train_loss"].is_number(), "{changes:?}");
    }
}

#[test]
fn the_map_holds_distributions() {
    let mut session = Session::new();
    session.advance(20);
    let reply = ask(&mut session, json!({"do": "frame", "map": 16, "units": 8}));
    for cell in reply.bytes("map").unwrap().chunks_exact(3) {
        let sum: i32 = cell.iter().map(|&p| i32::from(p)).sum();
        assert!((253..=257).contains(&sum), "{cell:?}");
    }
    assert_eq!(reply.bytes("units").unwrap().len(), 8 * 8 * (8 + 8 + 3));
}

#[test]
fn a_run_that_explodes_halts_and_can_be_taken_back() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("model.activation", json!(["identity"])),
            ("optimizer.kind", json!("sgd")),
            ("optimizer.learning_rate", json!(20)),
            ("loss.kind", json!("squared")),
            ("data.source", json!("plane")),
        ],
    );
    assert!(session.advance(1000) < 1000);
    let reply = ask(&mut session, json!({"do": "frame"}));
    let (halted, at) = (reply.object()["halted"].clone(), step(&mut session));
    assert!(halted.as_str().unwrap().starts_with("the gradient of `layers."), "{halted}");
    assert_eq!(session.advance(1), 0);
    ask(&mut session, json!({"do": "seek", "step": at - 3}));
    assert_eq!(ask(&mut session, json!({"do": "frame"})).object()["halted"], Value::Null);
    assert_eq!(session.advance(100), 3);
    assert_eq!(ask(&mut session, json!({"do": "frame"})).object()["halted"], halted);
}

#[test]
fn what_is_wrong_is_said_and_changes_nothing() {
    let mut session = Session::new();
    session.advance(3);
    let (before, good) = (weights(&mut session), setting(&mut session));
    for (changes, expected) in [
        (vec![("data.noise", json!(7))], "data.noise is 7; it must be from 0 to 1"),
        (
            vec![("data.count", json!(1_000_000))],
            "data.count is 1000000; it must be from 10 to 5000",
        ),
        (vec![("model.hidden", json!([8, 0]))], "model.hidden[1] is 0; it must be from 1 to 128"),
        (
            vec![("data.points", json!([[0, 0, 0.5]]))],
            "data.points[0]'s class is 0.5; it must be a whole number",
        ),
        (
            vec![("data.points", json!([[0, 2e3, 0]]))],
            "data.points[0]'s y is 2000; it must be from -1000 to 1000",
        ),
        (vec![("optimizer.batch", json!(0))], "optimizer.batch is 0; it must be from 1 to 5000"),
        (
            vec![("loss.kind", json!("binary"))],
            "a single logit tells two classes apart, but there are 3",
        ),
        (
            vec![("optimizer.kind", json!("lbfgs")), ("model.dropout", json!(0.5))],
            "L-BFGS compares losses, which dropout would blur",
        ),
        (
            vec![("optimizer.kind", json!("lbfgs")), ("optimizer.clip", json!("norm"))],
            "L-BFGS knows neither weight decay nor clipping",
        ),
        (
            vec![("model.activation", json!([]))],
            "the number of model.activation is 0; it must be from 1 to 16",
        ),
        (
            vec![("loss.kind", json!("huber"))],
            "this loss is for values, but the points have classes",
        ),
        (
            vec![("data.source", json!("hills")), ("loss.kind", json!("hinge"))],
            "this loss is for classes, but the points have values",
        ),
        (
            vec![("data.source", json!("table")), ("data.table", json!("nothing"))],
            "`nothing` is neither a table nor the name of one",
        ),
        (
            vec![("data.source", json!("table")), ("data.table", json!("a,b\n1,x\nz,y\n"))],
            "the table: no features beside the target `b`",
        ),
        (
            vec![
                ("data.source", json!("table")),
                ("data.table", json!("iris")),
                ("data.target", json!("petal_length_cm")),
            ],
            "the number of classes in the column `petal_length_cm` is 43",
        ),
        (
            vec![
                ("data.source", json!("table")),
                ("data.table", json!("iris")),
                ("data.columns", json!(["a", "b"])),
            ],
            "the table:1: no column is named `a`",
        ),
    ] {
        let message = json!({"do": "set", "setting": with(good.clone(), &changes)}).to_string();
        let error = error(&mut session, &message);
        assert!(error.starts_with(expected), "{changes:?}: {error}");
    }
    for message in [
        "",
        "{",
        "null",
        "[]",
        "{\"do\":\"fly\"}",
        "{\"do\":\"seek\"}",
        "{\"do\":\"seek\",\"step\":-1}",
        "{\"do\":\"seek\",\"step\":1,\"more\":2}",
        "{\"do\":\"set\",\"setting\":{\"data\":{\"nois\":1}}}",
    ] {
        let error = error(&mut session, message);
        assert!(error.starts_with("the message is not understood: "), "{message}: {error}");
    }
    assert_eq!(
        error(&mut session, r#"{"do":"frame","map":100000}"#),
        "frame.map is 100000; it must be from 0 to 256"
    );
    assert_eq!(step(&mut session), 3);
    assert!(weights(&mut session) == before);
}

#[test]
fn a_large_network_keeps_fewer_states() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("data.count", json!(40)),
            ("data.source", json!("moons")),
            ("model.hidden", json!([64, 64, 64])),
            ("optimizer.kind", json!("lbfgs")),
            ("optimizer.history", json!(30)),
            ("optimizer.batch", json!(5000)),
        ],
    );
    session.advance(50);
    let reply = ask(&mut session, json!({"do": "frame", "curves": true}));
    let kept = reply.floats("curve.step").unwrap().len();
    assert!(kept <= 33, "{kept}");
}

#[test]
fn an_epoch_ends_where_the_points_do() {
    let mut session = Session::new();
    change(&mut session, &[("data.count", json!(100)), ("optimizer.batch", json!(16))]);
    ask(&mut session, json!({"do": "epoch"}));
    assert_eq!(step(&mut session), 5);
    session.advance(2);
    ask(&mut session, json!({"do": "epoch"}));
    assert_eq!(step(&mut session), 10);
}

#[test]
fn the_record_of_a_long_run_stays_short() {
    let mut session = Session::new();
    change(&mut session, &[("data.count", json!(20)), ("model.hidden", json!([2]))]);
    session.advance(5000);
    let reply = ask(&mut session, json!({"do": "frame", "curves": true}));
    let steps = reply.floats("curve.step").unwrap();
    assert!((256..=512).contains(&steps.len()), "{}", steps.len());
    assert!(steps.windows(2).all(|pair| pair[1] - pair[0] == steps[1]), "evenly spaced");
    assert_eq!(reply.floats("curve.gradients.1").unwrap().len(), steps.len());
}

#[test]
fn a_run_that_is_kept_goes_along() {
    let mut session = Session::new();
    let same = weights(&mut session);
    session.advance(50);
    let loss = ask(&mut session, json!({"do": "frame"})).object()["train_loss"].clone();
    ask(&mut session, json!({"do": "keep"}));
    ask(&mut session, json!({"do": "seek", "step": 0}));
    assert!(weights(&mut session) == same);
    change(&mut session, &[("optimizer.kind", json!("sgd"))]);
    session.advance(50);
    let reply = ask(&mut session, json!({"do": "frame", "map": 8, "curves": true}));
    let kept = &reply.object()["kept"];
    assert_eq!((&kept["step"], &kept["train_loss"]), (&json!(50), &loss));
    assert_ne!(reply.object()["train_loss"], loss);
    assert_ne!(reply.bytes("map"), reply.bytes("kept.map"));
    // Beyond where it was kept.
    session.advance(50);
    let mut alone = Session::new();
    alone.advance(100);
    let expected = ask(&mut alone, json!({"do": "frame"})).object()["train_loss"].clone();
    let reply = ask(&mut session, json!({"do": "frame"}));
    assert_eq!(reply.object()["kept"]["train_loss"], expected);
    ask(&mut session, json!({"do": "part"}));
    assert_eq!(ask(&mut session, json!({"do": "frame"})).object().get("kept"), None);
}
