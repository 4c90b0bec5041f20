//! The computation behind a sample's loss, operation by operation.

use std::collections::HashMap;

use downhill_tensor::{Operation, Parameters, Tensor, grad};
use serde_json::{Value, json};

use crate::network::Network;
use crate::reply::single;

/// What tells a tensor from others: its identity, or for constants, which have none, the place of
/// its numbers in memory.
fn key(tensor: &Tensor) -> (u64, usize) {
    match tensor.id() {
        0 => (0, tensor.array().as_ptr() as usize),
        id => (id, 0),
    }
}

/// The most operations and leaves that are shown.
const MOST_NODES: usize = 200;

/// All that a loss was computed from: the loss first, each tensor after those it went into. Every
/// node has a name, a kind, a shape, its numbers and its gradient (a few of them), and the nodes
/// it was computed from.
pub(crate) fn nodes(loss: &Tensor, inputs: &Tensor, network: &Network) -> Value {
    let mut names: HashMap<_, String> =
        network.named().iter().map(|(name, tensor)| (key(tensor), name.clone())).collect();
    names.insert(key(inputs), "x".into());
    let mut tensors = vec![loss.clone()];
    let mut places = HashMap::from([(key(loss), 0)]);
    let mut edges: Vec<Vec<usize>> = Vec::new();
    let mut next = 0;
    while next < tensors.len() {
        let sources = match tensors[next].operation() {
            Some(operation) => Operation::inputs(operation).to_vec(),
            None => Vec::new(),
        };
        let mut from = Vec::new();
        for source in sources {
            if tensors.len() == MOST_NODES && !places.contains_key(&key(&source)) {
                continue;
            }
            let place = *places.entry(key(&source)).or_insert(tensors.len());
            if place == tensors.len() {
                tensors.push(source);
            }
            from.push(place);
        }
        edges.push(from);
        next += 1;
    }
    let wanted: Vec<&Tensor> = tensors.iter().filter(|tensor| tensor.requires_gradient()).collect();
    let mut gradients = grad(loss, &wanted).into_iter();
    tensors
        .iter()
        .zip(edges)
        .map(|(tensor, from)| {
            let (kind, name) = match tensor.operation() {
                Some(operation) => ("operation", operation.name().to_owned()),
                None => {
                    let kind = if tensor.is_parameter() { "parameter" } else { "constant" };
                    (kind, names.get(&key(tensor)).cloned().unwrap_or_else(|| "constant".into()))
                }
            };
            let gradient = tensor.requires_gradient().then(|| gradients.next()).flatten();
            json!({
                "kind": kind,
                "name": name,
                "shape": tensor.shape(),
                "values": few(tensor),
                "gradient": gradient.as_ref().map(few),
                "from": from,
            })
        })
        .collect()
}

/// The numbers, if they are few; the least and the greatest if not.
fn few(tensor: &Tensor) -> Value {
    let values = tensor.to_vec();
    match values.len() {
        0..=4 => values.into_iter().map(single).collect(),
        _ => json!({
            "least": single(values.iter().copied().fold(f32::INFINITY, f32::min)),
            "greatest": single(values.iter().copied().fold(f32::NEG_INFINITY, f32::max)),
        }),
    }
}
