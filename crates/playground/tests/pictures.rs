//! What is said of a run beyond its numbers: how classes are told apart, and the loss about its way.

mod common;

use common::{ask, change, weights};
use downhill::tensor::Tensor;
use downhill::train::metrics::{Calibration, ConfusionMatrix};
use downhill_playground::{Reply, Session};
use serde_json::json;

/// A run whose classes are told apart in part.
fn trained() -> Session {
    let mut session = Session::new();
    change(&mut session, &[("data.noise", json!(0.1))]);
    session.advance(60);
    session
}

/// Of every point to train on, its class and what is said of it.
fn said(session: &mut Session) -> (Vec<usize>, Vec<f32>) {
    let answers = ask(session, json!({"do": "describe"})).floats("train.answers").unwrap();
    let said = (0..answers.len()).flat_map(|index| {
        let reply = ask(session, json!({"do": "trace", "part": "train", "index": index}));
        let said = reply.object()["said"].as_array().unwrap().clone();
        said.into_iter().map(|p| p.as_f64().unwrap() as f32)
    });
    let said = said.collect();
    (answers.into_iter().map(|answer| answer as usize).collect(), said)
}

#[test]
fn confusion_and_calibration_are_those_of_the_metrics() {
    let mut session = trained();
    let reply = ask(&mut session, json!({"do": "frame", "judged": true}));
    let (labels, said) = said(&mut session);
    let said = Tensor::from_shape_vec(&[labels.len(), 3], said).unwrap();
    let expected = ConfusionMatrix::new(&said.argmax(-1), &labels, 3).unwrap();
    let confusion = reply.floats("train.confusion").unwrap();
    for truth in 0..3 {
        for named in 0..3 {
            assert_eq!(confusion[3 * truth + named], expected.count(truth, named) as f32);
        }
    }
    let expected = Calibration::new(&said, &labels, 10).unwrap();
    let bins = reply.floats("train.calibration").unwrap();
    for (bin, expected) in bins.chunks_exact(3).zip(expected.bins()) {
        assert_eq!(bin[2], expected.count() as f32);
        if let (Some(confidence), Some(accuracy)) = (expected.confidence(), expected.accuracy()) {
            approx::assert_abs_diff_eq!(bin[0], confidence as f32, epsilon = 1e-5);
            approx::assert_abs_diff_eq!(bin[1], accuracy as f32, epsilon = 1e-5);
        }
    }
}

#[test]
fn recall_tells_a_rare_class_from_accuracy() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("data.source", json!("moons")),
            ("data.count", json!(1000)),
            ("data.rarity", json!(0.05)),
            ("data.noise", json!(0.3)),
        ],
    );
    session.advance(200);
    let judged = json!({"do": "frame", "judged": true});
    let plain = ask(&mut session, judged.clone());
    change(&mut session, &[("loss.balanced", json!(true))]);
    session.advance(400);
    let balanced = ask(&mut session, judged);
    let rare = |reply: &Reply| {
        let counts = reply.floats("train.confusion").unwrap();
        counts[3] / (counts[2] + counts[3])
    };
    assert!(plain.object()["train_accuracy"].as_f64().unwrap() > 0.95);
    assert!(rare(&balanced) > rare(&plain) + 0.2, "{} {}", rare(&balanced), rare(&plain));
}

fn surface(session: &mut Session, region: &str) -> Reply {
    ask(session, json!({"do": "surface", "region": region}))
}

/// The loss on the surface at a place, between the nodes about it.
fn loss_at(reply: &Reply, [x, y]: [f64; 2]) -> f64 {
    let cells = reply.object()["cells"].as_u64().unwrap() as usize;
    let extent: Vec<f64> =
        reply.object()["extent"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    let losses = reply.floats("surface").unwrap();
    let last = (cells - 1) as f64;
    let column = (x - extent[0]) / (extent[1] - extent[0]) * last;
    let row = (extent[3] - y) / (extent[3] - extent[2]) * last;
    let at = |row: f64, column: f64| f64::from(losses[row as usize * cells + column as usize]);
    let (u, v) = (column.fract(), row.fract());
    (1.0 - v) * ((1.0 - u) * at(row, column) + u * at(row, column + 1.0))
        + v * ((1.0 - u) * at(row + 1.0, column) + u * at(row + 1.0, column + 1.0))
}

#[test]
fn the_loss_surface_goes_through_the_present_weights_and_changes_nothing() {
    let mut session = trained();
    let before = weights(&mut session);
    for region in ["way", "step"] {
        let reply = surface(&mut session, region);
        let loss = ask(&mut session, json!({"do": "frame"})).object()["train_loss"].clone();
        let here = loss_at(&reply, [0.0, 0.0]);
        approx::assert_relative_eq!(here, loss.as_f64().unwrap(), max_relative = 0.1);
        assert_eq!(reply.floats("taken").unwrap()[2..], [0.0, 0.0], "{region}");
    }
    assert!(weights(&mut session) == before);
    let way = surface(&mut session, "way");
    // Every state that is kept, and the present one once more.
    assert_eq!(way.floats("way").unwrap().len(), 2 * 62);
    assert_eq!(way.object()["passed"], 61);
    let share = way.object()["share"].as_f64().unwrap();
    assert!(share > 0.6 && share <= 1.0, "two principal components show most of it: {share}");
}

#[test]
fn gradient_flow_goes_as_far_as_the_step_and_lower_than_a_step_that_is_too_large() {
    let mut session = Session::new();
    change(
        &mut session,
        &[
            ("optimizer.kind", json!("sgd")),
            ("optimizer.learning_rate", json!(5)),
            ("optimizer.batch", json!(5000)),
        ],
    );
    session.advance(1);
    let reply = surface(&mut session, "step");
    let taken = reply.floats("taken").unwrap();
    let flow = reply.floats("flow").unwrap();
    assert_eq!(flow[..2], taken[..2], "both begin where the step began");
    let (mut length, mut last) = (0.0, f64::INFINITY);
    let points: Vec<[f64; 2]> =
        flow.chunks_exact(2).map(|p| [f64::from(p[0]), f64::from(p[1])]).collect();
    for pair in points.windows(2) {
        length += (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]);
    }
    let step = f64::from(taken[2] - taken[0]).hypot(f64::from(taken[3] - taken[1]));
    assert!(length <= step * 1.0001 && length > 0.3 * step, "{length} {step}");
    // Its end lies in the plane, and lower than the start and than where the step led.
    let end = *points.last().unwrap();
    last = last.min(loss_at(&reply, end));
    assert!(last < loss_at(&reply, points[0]));
    assert!(last < loss_at(&reply, [0.0, 0.0]));
}

#[test]
fn without_a_step_the_surface_is_that_of_the_start() {
    let mut session = Session::new();
    for region in ["way", "step"] {
        let reply = surface(&mut session, region);
        assert!(reply.floats("flow").unwrap().is_empty());
        assert!(reply.floats("surface").unwrap().iter().all(|loss| loss.is_finite()));
    }
    change(&mut session, &[("data.source", json!("points")), ("data.points", json!([]))]);
    let reply = session.handle(r#"{"do":"surface","region":"way"}"#);
    assert_eq!(reply.object()["error"], "there is no loss to look at");
}
