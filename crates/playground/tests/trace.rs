//! The numbers of a sample's way, against sums and products written out here.

mod common;

use approx::assert_relative_eq;
use common::{ask, change, names, weights};
use downhill_playground::{Reply, Session};
use serde_json::{Value, json};

fn numbers(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

/// Within some units in the last place of sums of a few terms.
fn same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert_relative_eq!(found, expected, epsilon = 2e-6, max_relative = 2e-5);
    }
}

/// What a layer of weights makes of its inputs.
fn linear(weights: &Reply, layer: usize, x: &[f32]) -> Vec<f32> {
    let w = weights.floats(&format!("layers.{layer}.weight")).unwrap();
    let b = weights.floats(&format!("layers.{layer}.bias")).unwrap();
    (0..b.len())
        .map(|to| {
            b[to] + x.iter().enumerate().map(|(from, x)| x * w[from * b.len() + to]).sum::<f32>()
        })
        .collect()
}

#[test]
fn each_number_follows_from_those_before_it() {
    for residual in [false, true] {
        let mut session = Session::new();
        change(
            &mut session,
            &[("model.residual", json!(residual)), ("loss.smoothing", json!(0.1))],
        );
        session.advance(100);
        let frame = ask(&mut session, json!({"do": "frame", "weights": true}));
        let reply = ask(&mut session, json!({"do": "trace", "part": "test", "index": 5}));
        let object = reply.object();
        let described = ask(&mut session, json!({"do": "describe"}));
        let x = numbers(&object["inputs"]);
        assert_eq!(x, described.floats("test.points").unwrap()[10..12]);
        assert_eq!(
            object["answer"].as_f64().unwrap() as f32,
            described.floats("test.answers").unwrap()[5]
        );

        let layers = object["layers"].as_array().unwrap();
        let mut inputs = vec![x];
        for (index, layer) in layers.iter().enumerate() {
            let x = inputs.last().unwrap().clone();
            let sum = numbers(&layer["sum"]);
            same(&sum, &linear(&frame, index, &x), "sum");
            let activated: Vec<f32> = sum.iter().map(|z| z.tanh()).collect();
            same(&numbers(&layer["activated"]), &activated, "activation");
            let slope: Vec<f32> = activated.iter().map(|a| 1.0 - a * a).collect();
            same(&numbers(&layer["slope"]), &slope, "slope");
            let adds = residual && x.len() == sum.len();
            assert_eq!(layer["is_residual"], adds);
            let output: Vec<f32> = activated
                .iter()
                .enumerate()
                .map(|(i, a)| if adds { a + x[i] } else { *a })
                .collect();
            same(&numbers(&layer["output"]), &output, "output");
            inputs.push(numbers(&layer["output"]));
        }
        let logits = numbers(&object["logits"]);
        same(&logits, &linear(&frame, layers.len(), inputs.last().unwrap()), "logits");
        let sum: f32 = logits.iter().map(|z| z.exp()).sum();
        same(&[object["log_sum_exp"].as_f64().unwrap() as f32], &[sum.ln()], "log-sum-exp");
        let said: Vec<f32> = logits.iter().map(|z| z.exp() / sum).collect();
        same(&numbers(&object["said"]), &said, "softmax");
        let target = numbers(&object["target"]);
        let loss: f32 = said.iter().zip(&target).map(|(p, q)| -q * p.ln()).sum();
        same(&[object["loss"].as_f64().unwrap() as f32], &[loss], "loss");

        // And back.
        let mut arriving: Vec<f32> = said.iter().zip(&target).map(|(p, q)| p - q).collect();
        same(&numbers(&object["logits_gradient"]), &arriving, "logits' gradient");
        for layer in (0..=layers.len()).rev() {
            let x = &inputs[layer];
            let products: Vec<f32> =
                x.iter().flat_map(|x| arriving.iter().map(move |gradient| x * gradient)).collect();
            same(
                &reply.floats(&format!("gradient.layers.{layer}.weight")).unwrap(),
                &products,
                "weights",
            );
            same(
                &reply.floats(&format!("gradient.layers.{layer}.bias")).unwrap(),
                &arriving,
                "bias",
            );
            let w = frame.floats(&format!("layers.{layer}.weight")).unwrap();
            let width = arriving.len();
            let mut back: Vec<f32> = (0..x.len())
                .map(|from| (0..width).map(|to| w[from * width + to] * arriving[to]).sum())
                .collect();
            // What goes around the layer.
            if layer < layers.len() && layers[layer]["is_residual"] == true {
                let around = numbers(&layers[layer]["output_gradient"]);
                back.iter_mut().zip(around).for_each(|(back, around)| *back += around);
            }
            let Some(before) = layer.checked_sub(1) else {
                same(&numbers(&object["inputs_gradient"]), &back, "inputs");
                break;
            };
            let object = &layers[before];
            same(&numbers(&object["output_gradient"]), &back, "output");
            let slope = numbers(&object["slope"]);
            arriving = back.iter().zip(slope).map(|(gradient, slope)| gradient * slope).collect();
            same(&numbers(&object["sum_gradient"]), &arriving, "sum");
        }
    }
}

#[test]
fn the_next_step_is_the_one_that_comes() {
    for optimizer in ["sgd", "adagrad", "rmsprop", "adam", "adamw", "lion", "muon", "lbfgs"] {
        let is_lbfgs = optimizer == "lbfgs";
        let mut session = Session::new();
        change(
            &mut session,
            &[
                ("optimizer.kind", json!(optimizer)),
                ("optimizer.momentum", json!(0.9)),
                ("optimizer.weight_decay", json!(if is_lbfgs { 0.0 } else { 0.01 })),
                ("model.dropout", json!(if is_lbfgs { 0.0 } else { 0.1 })),
            ],
        );
        session.advance(37);
        let before = weights(&mut session);
        let reply = ask(&mut session, json!({"do": "next"}));
        assert!(weights(&mut session) == before, "nothing has been trained");
        session.advance(1);
        let next: Vec<u32> = names(&mut session)
            .iter()
            .flat_map(|name| reply.floats(&format!("next.{name}")).unwrap())
            .map(f32::to_bits)
            .collect();
        assert!(weights(&mut session) == next, "{optimizer}");
    }
}

#[test]
fn a_step_of_adam_follows_from_what_is_shown_of_it() {
    let mut session = Session::new();
    session.advance(10);
    let now = ask(&mut session, json!({"do": "frame", "weights": true}));
    let reply = ask(&mut session, json!({"do": "next"}));
    let name = "layers.1.weight";
    let of = |what: &str| reply.floats(what).unwrap();
    let gradients = of(&format!("batch.{name}"));
    for (index, &gradient) in gradients.iter().enumerate() {
        let mean = 0.9 * of(&format!("before.{name}.mean"))[index] + 0.1 * gradient;
        let square =
            0.999 * of(&format!("before.{name}.square"))[index] + 0.001 * gradient * gradient;
        assert_relative_eq!(
            mean,
            of(&format!("after.{name}.mean"))[index],
            max_relative = 1e-4,
            epsilon = 1e-9
        );
        assert_relative_eq!(
            square,
            of(&format!("after.{name}.square"))[index],
            max_relative = 1e-4,
            epsilon = 1e-12
        );
        // A count is saved as two digits; the first is 0 below 2²⁴.
        let t = of(&format!("after.{name}.step"))[1] as i32;
        assert_eq!(t, 11);
        let (mean, square) = (mean / (1.0 - 0.9_f32.powi(t)), square / (1.0 - 0.999_f32.powi(t)));
        let next = now.floats(name).unwrap()[index] - 0.05 * mean / (square.sqrt() + 1e-8);
        assert_relative_eq!(
            next,
            of(&format!("next.{name}"))[index],
            max_relative = 1e-5,
            epsilon = 1e-6
        );
    }
}

#[test]
fn the_history_of_a_weight_ends_with_its_value() {
    let mut session = Session::new();
    session.advance(30);
    let frame = ask(&mut session, json!({"do": "frame", "weights": true, "curves": true}));
    let message = json!({"do": "history", "name": "layers.2.weight", "index": 4});
    let reply = ask(&mut session, message);
    let values = reply.floats("history.value").unwrap();
    assert_eq!(values.len(), frame.floats("curve.step").unwrap().len());
    assert_eq!(values[30], frame.floats("layers.2.weight").unwrap()[4]);
    assert!(reply.floats("history.gradient").unwrap()[1..].iter().all(|g| g.is_finite()));
    let next = ask(&mut session, json!({"do": "next"}));
    for what in ["mean", "square"] {
        let history = reply.floats(&format!("history.{what}")).unwrap();
        assert_eq!(history.len(), values.len(), "{what}");
        assert_eq!(
            history.last(),
            next.floats(&format!("before.layers.2.weight.{what}")).unwrap().get(4),
            "{what}"
        );
    }
    for (message, expected) in [
        (
            json!({"do": "history", "name": "layers.9.weight", "index": 0}),
            "a weight's place is `layers.9.weight`; it must be the name of a parameter",
        ),
        (
            json!({"do": "history", "name": "layers.2.bias", "index": 3}),
            "a weight's place is layers.2.bias[3]; it must be below 3",
        ),
        (
            json!({"do": "trace", "part": "train", "index": 240}),
            "index is 240; it must be below 240",
        ),
    ] {
        assert_eq!(session.handle(&message.to_string()).object()["error"], expected);
    }
}

#[test]
fn every_loss_can_be_traced() {
    for (source, losses) in [
        ("moons", vec!["cross_entropy", "binary", "focal", "hinge", "squared"]),
        ("hills", vec!["cross_entropy", "squared", "absolute", "huber"]),
        ("digits", vec!["cross_entropy"]),
    ] {
        for loss in losses {
            let mut session = Session::new();
            change(
                &mut session,
                &[
                    ("data.source", json!(source)),
                    ("loss.kind", json!(loss)),
                    ("model.layer_norm", json!(true)),
                    ("model.activation", json!(["identity"])),
                ],
            );
            session.advance(3);
            let reply = ask(&mut session, json!({"do": "trace", "part": "train", "index": 0}));
            assert!(reply.object()["loss"].is_number(), "{source} {loss}");
            assert!(reply.object()["code"]["loss"].as_str().unwrap().contains("logits"), "{loss}");
        }
    }
}

#[test]
fn the_graph_leads_from_the_loss_to_every_parameter() {
    let mut session = Session::new();
    change(&mut session, &[("model.residual", json!(true)), ("model.layer_norm", json!(true))]);
    session.advance(5);
    let trace = ask(&mut session, json!({"do": "trace", "part": "train", "index": 3}));
    let reply = ask(&mut session, json!({"do": "graph", "part": "train", "index": 3}));
    let nodes = reply.object()["nodes"].as_array().unwrap();
    assert_eq!(nodes[0]["values"], json!([trace.object()["loss"]]));
    assert_eq!(nodes[0]["gradient"], json!([1.0]));
    let named: Vec<&str> = nodes
        .iter()
        .filter(|node| node["kind"] == "parameter")
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    for name in names(&mut session) {
        assert!(named.contains(&name.as_str()), "{name}");
        let node = nodes.iter().find(|node| node["name"] == name.as_str()).unwrap();
        let gradient = trace.floats(&format!("gradient.{name}")).unwrap();
        let least = gradient.iter().copied().fold(f32::INFINITY, f32::min);
        let shown = match &node["gradient"] {
            Value::Array(all) => {
                all.iter().map(|x| x.as_f64().unwrap()).fold(f64::INFINITY, f64::min)
            }
            range => range["least"].as_f64().unwrap(),
        };
        assert_relative_eq!(shown as f32, least, max_relative = 1e-5);
    }
    for (index, node) in nodes.iter().enumerate() {
        for from in node["from"].as_array().unwrap() {
            assert!(from.as_u64().unwrap() < nodes.len() as u64, "{index}");
        }
    }
}
