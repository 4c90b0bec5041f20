use downhill_tensor::parameters;

use super::*;

struct Neuron<E: Element> {
    w: [Tensor<E>; 2],
    b: Tensor<E>,
}
parameters!(Neuron<E> { w, b });

/// The neuron of micrograd's demonstration: tanh(x₁w₁ + x₂w₂ + b).
fn neuron() -> (Neuron<f64>, [Tensor<f64>; 2], Tensor<f64>) {
    let w = [Tensor::parameter(-3.0), Tensor::parameter(1.0)];
    let neuron = Neuron { w, b: Tensor::parameter(6.881_373_587_019_543) };
    let x = [Tensor::from(2.0), Tensor::from(0.0)];
    let output = (&x[0] * &neuron.w[0] + &x[1] * &neuron.w[1] + &neuron.b).tanh();
    (neuron, x, output)
}

fn node<'a>(graph: &'a Graph, name: &str) -> &'a Node {
    let found: Vec<_> = graph.nodes().iter().filter(|node| node.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {:?}", graph.nodes());
    found[0]
}

#[test]
fn values_and_gradients_are_those_of_micrograd() {
    let (neuron, [x1, x2], output) = neuron();
    let graph = Graph::of(&output).named(&neuron).name(&x1, "x1").name(&x2, "x2");
    assert_eq!((graph.nodes().len(), graph.edges().len(), graph.omitted()), (10, 9, 0));
    assert_eq!(graph.nodes()[0].name, "tanh");
    // micrograd: data 0.7071, and gradients 1.0, 0.5 …
    for (name, kind, value, gradient) in [
        ("tanh", NodeKind::Operation, "0.707", Some("1")),
        ("w.0", NodeKind::Parameter, "−3", Some("1")),
        ("w.1", NodeKind::Parameter, "1", Some("0")),
        ("b", NodeKind::Parameter, "6.88", Some("0.5")),
        ("x1", NodeKind::Constant, "2", None),
        ("x2", NodeKind::Constant, "0", None),
    ] {
        let node = node(&graph, name);
        assert_eq!((node.kind, node.value.as_str()), (kind, value), "{name}");
        assert_eq!(node.gradient.as_deref(), gradient, "{name}");
    }
}

#[test]
fn a_tensor_that_is_used_twice_is_one_node_with_two_edges() {
    let (weight, x) = (Tensor::parameter(3.0_f32), Tensor::from(2.0));
    let graph = Graph::of(&(&(&weight * &weight) * &x + &x));
    // The sum, the products, the weight and the constant.
    assert_eq!(graph.nodes().len(), 5);
    assert_eq!(graph.edges().len(), 6);
    let weight = graph.nodes().iter().position(|node| node.kind == NodeKind::Parameter).unwrap();
    assert_eq!(graph.edges().iter().filter(|(from, _)| *from == weight).count(), 2);
    assert_eq!(graph.nodes()[weight].gradient.as_deref(), Some("12"));
}

#[test]
fn an_operation_tells_what_it_was_called_with() {
    let x = Tensor::parameter([[1.0_f32, 2.0], [3.0, 4.0]]);
    let graph = Graph::of(&x.leaky_relu(0.5).powi(3).sum_axes(1).reshape(&[2, 1]));
    let lines = |name: &str| node(&graph, name).lines();
    assert_eq!(lines("leaky_relu")[..2], ["leaky_relu [2, 2]", "alpha 0.5"]);
    assert_eq!(lines("powi")[..2], ["powi [2, 2]", "exponent 3.0"]);
    assert_eq!(lines("sum")[..2], ["sum [2]", "keepdims 0, axes [1]"]);
    assert_eq!(lines("reshape")[1], "value [9, 91]");
    assert!(graph.dot().contains(r"sum [2]\nkeepdims 0, axes [1]\nvalue [9, 91]"));
}

#[test]
fn a_large_graph_is_cut_with_a_word() {
    let mut tensor = Tensor::parameter(1.0_f64);
    for _ in 0..3000 {
        tensor = &tensor * 1.0001 + 0.0;
    }
    let graph = Graph::of(&tensor);
    assert_eq!(graph.nodes().len(), 101);
    let last = graph.nodes().last().unwrap();
    assert_eq!(last.kind, NodeKind::Omitted);
    assert_eq!(last.name, format!("… {} more, not shown", graph.omitted()));
    assert!(graph.omitted() >= 5900, "{}", graph.omitted());
    assert!(graph.edges().iter().any(|&(from, _)| from == 100));
    assert!(graph.edges().iter().all(|&(from, to)| from <= 100 && to < 100));
    assert_eq!(Graph::with_limit(&tensor, 7).nodes().len(), 8);
}

#[test]
fn many_values_are_summarised() {
    assert_eq!(summary(&Tensor::from([1.0_f32, -2.5])), "[1, −2.5]");
    assert_eq!(summary(&Tensor::from([1.0, 2.0, 3.0, 4.0, 10.0])), "1 … 10");
    assert_eq!(summary(&Tensor::from([1.0, f64::NAN, 3.0, 4.0, 10.0])), "1 of 5 are NaN");
    assert_eq!(summary(&Tensor::<f64>::zeros(&[0, 2])), "empty");
}

#[test]
fn a_result_of_many_values_is_drawn_without_gradients() {
    let weight = Tensor::parameter([1.0, 2.0]);
    let graph = Graph::of(&(&weight * 2.0));
    assert!(graph.nodes().iter().all(|node| node.gradient.is_none()));
    let constant = Graph::of(&Tensor::from([1.0, 2.0]));
    assert_eq!(constant.nodes()[0].kind, NodeKind::Constant);
}

#[test]
fn dot_lists_nodes_and_edges_and_escapes_names() {
    let weight = Tensor::parameter(2.0);
    let dot = Graph::of(&weight.exp()).name(&weight, "the \"weight\" \\").dot();
    assert_eq!(
        dot,
        r##"digraph {
  node [shape=box, style=rounded, fontname="sans-serif"];
  n0 [label="exp\nvalue 7.39\ngradient 1"];
  n1 [label="the \"weight\" \\\nvalue 2\ngradient 7.39", color="#0072B2", penwidth=2];
  n1 -> n0;
}
"##
    );
}
