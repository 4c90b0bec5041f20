//! The points that a session can be about.

mod common;

use common::{ask, change, error, step, weights};
use downhill_playground::Session;
use serde_json::json;

#[test]
fn points_can_be_moved_while_the_network_learns() {
    let mut session = Session::new();
    let points = json!([[-0.5, -0.5, 0], [0.5, 0.5, 1], [-0.4, -0.6, 0], [0.6, 0.4, 1]]);
    change(&mut session, &[("data.source", json!("points")), ("data.points", points)]);
    session.advance(10);
    let before = weights(&mut session);
    let moved =
        json!([[-0.5, 0.5, 0], [0.5, 0.5, 1], [-0.4, -0.6, 0], [0.6, 0.4, 1], [0.0, 0.0, 1]]);
    change(&mut session, &[("data.points", moved)]);
    assert_eq!(step(&mut session), 10);
    assert!(weights(&mut session) == before, "nothing begins anew");
    session.advance(10);
    let after = weights(&mut session);
    ask(&mut session, json!({"do": "seek", "step": 5}));
    ask(&mut session, json!({"do": "seek", "step": 20}));
    assert!(weights(&mut session) == after, "points come back with the steps");
    // A new class needs a new output.
    change(&mut session, &[("data.points", json!([[0, 0, 0], [1, 1, 1], [1, 0, 2]]))]);
    assert_eq!(step(&mut session), 0);
    change(&mut session, &[("data.points", json!([]))]);
    assert_eq!(session.advance(1), 0);
    let reply = ask(&mut session, json!({"do": "frame"}));
    assert_eq!(reply.object()["halted"], "there are no points to train on");
}

#[test]
fn a_table_is_read_with_its_columns_or_its_principal_components() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("data.source", json!("table")),
            ("data.table", json!("penguins")),
            ("data.target", json!("species")),
        ],
    );
    let reply = ask(&mut session, json!({"do": "describe"}));
    assert_eq!(reply.object()["classes"], json!(["Adelie", "Chinstrap", "Gentoo"]));
    assert_eq!(reply.object()["dropped"], 2);
    let points = reply.floats("train.points").unwrap();
    let axis = |which: usize| points.iter().skip(which).step_by(2).copied().collect::<Vec<f32>>();
    let product = |a: &[f32], b: &[f32]| -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / a.len() as f32
    };
    let (first, second) = (axis(0), axis(1));
    assert!(product(&first, &first) > product(&second, &second));
    assert!(product(&first, &second).abs() < 1e-3, "components do not vary together");
    change(&mut session, &[("data.columns", json!(["bill_length_mm", "bill_depth_mm"]))]);
    let reply = ask(&mut session, json!({"do": "describe"}));
    assert_ne!(reply.floats("train.points").unwrap(), points);
    let european = "a;b;kind\n1,5;2;x\n2,5;3;y\n3;1,25;x\n4;4;y\n5;1;x\n6;0;y\n";
    change(
        &mut session,
        &[
            ("data.table", json!(european)),
            ("data.target", json!("")),
            ("data.columns", json!(["b", "a"])),
        ],
    );
    let reply = ask(&mut session, json!({"do": "describe"}));
    assert_eq!(reply.object()["numeric"], json!(["a", "b"]));
    assert_eq!(reply.object()["header"], json!(["a", "b", "kind"]));
    let own = "a,b,kind\n1,2,x\n2,3,y\n3,1,x\n4,4,y\n5,1,x\n6,0,y\n";
    change(
        &mut session,
        &[("data.table", json!(own)), ("data.target", json!("")), ("data.columns", json!([]))],
    );
    assert_eq!(ask(&mut session, json!({"do": "describe"})).object()["classes"], json!(["x", "y"]));
}

#[test]
fn digits_are_judged_and_read() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("data.source", json!("digits")),
            ("model.hidden", json!([32])),
            ("optimizer.learning_rate", json!(0.01)),
        ],
    );
    session.advance(100);
    let described = ask(&mut session, json!({"do": "describe"}));
    let (images, answers) =
        (described.bytes("test.images").unwrap(), described.floats("test.answers").unwrap());
    let reply = ask(&mut session, json!({"do": "frame", "worst": 5}));
    let worst = reply.floats("worst").unwrap();
    assert!(!worst.is_empty() && worst.len() <= 15);
    let accuracy = reply.object()["test_accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
    for mistake in worst.chunks_exact(3) {
        let index = mistake[0] as usize;
        assert_ne!(mistake[1], answers[index]);
        let pixels: Vec<f32> =
            images[64 * index..][..64].iter().map(|&p| f32::from(p) * 16.0 / 255.0).collect();
        let reply = ask(&mut session, json!({"do": "classify", "pixels": pixels}));
        let said = reply.object()["said"].as_array().unwrap();
        let own = said[answers[index] as usize].as_f64().unwrap() as f32;
        approx::assert_abs_diff_eq!(own, mistake[2], epsilon = 0.01);
    }
    for (message, expected) in [
        (json!({"do": "classify", "pixels": [1, 2]}), "the number of pixels is 2; it must be 64"),
        (
            json!({"do": "classify", "pixels": vec![17; 64]}),
            "a pixel is 17; it must be from 0 to 16",
        ),
    ] {
        assert_eq!(error(&mut session, &message.to_string()), expected);
    }
    let mut other = Session::new();
    let message = json!({"do": "classify", "pixels": vec![0; 64]}).to_string();
    assert_eq!(error(&mut other, &message), "the points are no images of digits");
}

#[test]
fn one_feature_is_drawn_as_a_line() {
    let mut session = Session::new();
    change(&mut session, &[("data.source", json!("wave")), ("loss.kind", json!("squared"))]);
    let described = ask(&mut session, json!({"do": "describe"}));
    let points = described.floats("train.points").unwrap();
    let values: Vec<f32> = points.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(values, described.floats("train.answers").unwrap());
    session.advance(10);
    let reply = ask(&mut session, json!({"do": "frame", "map": 50, "units": 4}));
    assert_eq!(reply.floats("map.line").unwrap().len(), 50);
    assert_eq!(reply.bytes("units").unwrap().len(), 4 * 4 * (8 + 8 + 1));
}
