//! Every number on one point's way through the network, and back; and of the step that comes next.
//!
//! All of them are the engine's: what flows forward are the tensors of a forward pass, and what
//! flows back are their gradients.

use std::collections::BTreeMap;

use downhill_nn::Activation;
use downhill_tensor::{Parameters, Tensor, grad};
use serde_json::{Map, Value, json};

use crate::data::{Answers, Batch};
use crate::error::Error;
use crate::graph;
use crate::reply::{Reply, number, single};
use crate::run::Moment;
use crate::setting::{LossKind, OptimizerKind};
use crate::state::State;

/// Which points a sample is one of.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Train,
    Test,
}

fn numbers(tensor: &Tensor) -> Value {
    tensor.array().iter().map(|&value| single(value)).collect()
}

/// A batch of the one point that is meant.
fn point(state: &State, part: Part, index: usize) -> Result<Batch, Error> {
    let data = &state.plan.data;
    let samples = match part {
        Part::Train => &data.train,
        Part::Test => &data.test,
    };
    if index >= samples.len() {
        return Err(Error::Range {
            name: "index".into(),
            value: index.to_string(),
            range: format!("below {}", samples.len()),
        });
    }
    Ok(samples.one(index))
}

/// The way of one sample.
pub(crate) fn sample(
    reply: &mut Reply,
    state: &State,
    part: Part,
    index: usize,
) -> Result<(), Error> {
    let point = point(state, part, index)?;
    // A parameter, so that the gradient comes back as far as the inputs.
    let inputs = Tensor::parameter(point.features.detach());
    let (hidden, logits) = state.network.trace(&inputs);
    let loss = state.plan.loss.forward(&logits, &point.answers)?;

    let mut wanted = vec![&inputs, &logits];
    for layer in &hidden {
        wanted.extend([&layer.sum, &layer.normalized, &layer.activated, &layer.output]);
    }
    let mut gradients = grad(&loss, &wanted).into_iter();
    let mut next = || gradients.next().expect("as many gradients as were asked for");
    reply.set("inputs", numbers(&inputs));
    reply.set("inputs_gradient", numbers(&next()));
    reply.set("logits", numbers(&logits));
    reply.set("logits_gradient", numbers(&next()));
    let layers: Vec<Value> = hidden
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let mut object = Map::new();
            for (name, tensor) in [
                ("sum", &layer.sum),
                ("normalized", &layer.normalized),
                ("activated", &layer.activated),
                ("output", &layer.output),
            ] {
                object.insert(name.into(), numbers(tensor));
                object.insert(format!("{name}_gradient"), numbers(&next()));
            }
            object.insert(
                "slope".into(),
                numbers(&slope(state.network.activation(index), &layer.normalized)),
            );
            object.insert("is_residual".into(), state.network.is_residual(index).into());
            object.into()
        })
        .collect();
    reply.set("layers", layers);
    reply.set("loss", single(loss.item()));
    answer(reply, state, &logits, &point.answers);

    let gradients = loss.backward();
    for (name, parameter) in state.network.named() {
        if let Some(gradient) = gradients.get(&parameter) {
            reply.put_floats(&format!("gradient.{name}"), gradient.to_vec());
        }
    }
    Ok(())
}

/// The computation behind one sample's loss.
pub(crate) fn graph(
    reply: &mut Reply,
    state: &State,
    part: Part,
    index: usize,
) -> Result<(), Error> {
    let point = point(state, part, index)?;
    let logits = state.network.evaluate(&point.features);
    let loss = state.plan.loss.forward(&logits, &point.answers)?;
    reply.set("nodes", graph::nodes(&loss, &point.features, &state.network));
    Ok(())
}

/// The derivative of the activation.
fn slope(activation: Option<Activation>, sums: &Tensor) -> Tensor {
    let Some(activation) = activation else { return Tensor::ones(sums.shape()) };
    let sums = Tensor::parameter(sums.detach());
    grad(&activation.forward(&sums).sum(), &[&sums]).remove(0)
}

/// What stands between the logits and the loss.
fn answer(reply: &mut Reply, state: &State, logits: &Tensor, answers: &Answers) {
    let loss = &state.plan.loss;
    let setting = loss.setting();
    let said = loss.predict(logits);
    reply.set("said", numbers(&said));
    match answers {
        Answers::Values(values) => reply.set("answer", single(values.item())),
        Answers::Labels(labels) => {
            let (label, classes) = (labels[0], said.len());
            reply.set("answer", label);
            if matches!(setting.kind, LossKind::CrossEntropy) {
                let scaled = logits / (setting.temperature as f32);
                reply.set("scaled", numbers(&scaled));
                reply.set("largest", single(scaled.max().item()));
                reply.set("log_sum_exp", single(scaled.log_sum_exp().item()));
            }
            let share = setting.smoothing / classes as f64;
            let target = (0..classes).map(|class| {
                number(share + if class == label { 1.0 - setting.smoothing } else { 0.0 })
            });
            reply.set("target", target.collect::<Value>());
        }
    }
    if let Some(weights) = loss.class_weights() {
        reply.set("class_weights", weights.to_vec());
    }
}

/// The step that comes next: its gradients, what the optimizer remembers before and after it, and
/// the weights that come out.
pub(crate) fn step(reply: &mut Reply, state: &State) -> Result<(), Error> {
    let mut after = state.clone();
    let step = after.advance()?;
    reply.set("learning_rate", number(state.optimizer.learning_rate(state.step)));
    reply.set("batch_points", step.points);
    reply.set("batch_loss", single(step.loss));
    let after_names = after.network.named();
    for (name, parameter) in &after_names {
        if let Some(gradient) = step.gradients.get(parameter) {
            reply.put_floats(&format!("batch.{name}"), gradient.to_vec());
        }
        reply.put_floats(&format!("next.{name}"), parameter.to_vec());
    }
    let mut remembered = Vec::new();
    for (when, state) in [("before", state), ("after", &after)] {
        for (name, tensor) in state.optimizer.state(&state.network)? {
            let what = name.rsplit('.').next().unwrap_or_default().to_owned();
            if !remembered.contains(&what) {
                remembered.push(what);
            }
            reply.put_floats(&format!("{when}.{name}"), tensor.to_vec());
        }
    }
    reply.set("remembered", remembered);
    Ok(())
}

/// How one weight has gone: in each state that is kept its value, its gradient, and what the
/// optimizer remembers of it.
pub(crate) fn history(
    reply: &mut Reply,
    moments: &[Moment],
    name: &str,
    index: usize,
) -> Result<(), Error> {
    let wrong = |value: String, range: &str| {
        Err(Error::Range { name: "a weight's place".into(), value, range: range.into() })
    };
    let named = moments[0].state.network.named();
    let Some(place) = named.iter().position(|(known, _)| known == name) else {
        return wrong(format!("`{name}`"), "the name of a parameter");
    };
    let shape = named[place].1.shape();
    if index >= named[place].1.len() {
        return wrong(format!("{name}[{index}]"), &format!("below {}", named[place].1.len()));
    }
    let mut columns: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for (at, Moment { state, gradients, .. }) in moments.iter().enumerate() {
        let (_, parameter) = state.network.named().swap_remove(place);
        let gradient = gradients.as_ref().and_then(|all| all.get(&parameter)).cloned();
        let mut of_moment = vec![("value".to_owned(), parameter)];
        of_moment.extend(gradient.map(|gradient| ("gradient".to_owned(), gradient)));
        for (full, tensor) in state.optimizer.state(&state.network)? {
            let what = full.strip_prefix(name).and_then(|rest| rest.strip_prefix('.'));
            if let Some(what) = what.filter(|_| tensor.shape() == shape) {
                of_moment.push((what.to_owned(), tensor));
            }
        }
        for (what, tensor) in of_moment {
            let column = columns.entry(what).or_default();
            column.resize(at, f32::NAN);
            column.extend(tensor.array().iter().nth(index));
        }
    }
    for (what, mut column) in columns {
        column.resize(moments.len(), f32::NAN);
        reply.put_floats(&format!("history.{what}"), column);
    }
    Ok(())
}

/// The lines of code by which a step is made, in the words of the program that `rust` writes.
pub(crate) fn code(reply: &mut Reply, state: &State) {
    let setting = &state.plan.setting;
    let optimizer = match setting.optimizer.kind {
        OptimizerKind::Muon => "muon.step(&mut model, &gradients)?;",
        OptimizerKind::Lbfgs => "optimizer.step(&mut model, |model| …)?;",
        _ => "optimizer.step(&mut model, &gradients)?;",
    };
    reply.set(
        "code",
        json!({
            "linear": "let z = layer.forward(&x);",
            "activation": "let a = activation.forward(&z);",
            "loss": crate::rust::loss_line(&state.plan),
            "backward": "let gradients = loss.backward();",
            "step": optimizer,
        }),
    );
}
