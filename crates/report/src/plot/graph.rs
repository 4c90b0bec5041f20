//! A computation graph as a picture.

use std::collections::BTreeMap;

use dagre::graph::{Graph as Layout, GraphOptions};
use dagre::{Align, EdgeLabel, LayoutOptions, NodeLabel};
use downhill_train::{Graph, Node, NodeKind};
use plotters::prelude::{PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, VPos};

use super::picture::{
    Area, Drawn, GRID, INK, LABEL, MARGIN, MUTED, PAPER, Picture, SERIES, WIDTH, fill, label_style,
    position, stroke, text_width,
};

/// The height of a line of text in a node, and the space between text and border.
const LINE: f64 = 15.0;
const PADDING: f64 = 6.0;
/// The distance of nodes side by side, and of rows of nodes.
const NODE_DISTANCE: f64 = 16.0;
const ROW_DISTANCE: f64 = 34.0;
/// The size of an arrow's head.
const HEAD: f64 = 5.0;
/// The segments that a curve between two rows is drawn with.
const SEGMENTS: usize = 12;

/// A box, by its middle and its size.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A computation graph, with the inputs above and the result below. Parameters are framed in colour.
///
/// ```
/// use downhill_report::plot;
/// use downhill_tensor::Tensor;
/// use downhill_train::Graph;
///
/// let weight = Tensor::parameter(3.0);
/// let graph = Graph::of(&weight.square()).name(&weight, "weight");
/// assert!(plot::graph("A square", &graph).svg().contains("gradient 6"));
/// ```
pub fn graph(title: &str, graph: &Graph) -> Picture {
    let (places, mut curves) = arrange(graph);
    // The layout begins at 0; the picture has a title above, and at least the usual width.
    let right = places.iter().map(|place| place.x + place.width / 2.0).fold(0.0, f64::max);
    let right = curves.iter().flatten().map(|point| point.0).fold(right, f64::max);
    let bottom = places.iter().map(|place| place.y + place.height / 2.0).fold(0.0, f64::max);
    let width = (right + 2.0 * MARGIN).max(WIDTH).ceil();
    let top = Picture::title_height(title, width) + 8.0;
    let left = (width - right) / 2.0;
    curves.iter_mut().flatten().for_each(|(x, y)| (*x, *y) = (*x + left, *y + top));
    Picture::draw(title, (width, (top + bottom + MARGIN).ceil()), |area| {
        for curve in &curves {
            draw_arrow(area, curve)?;
        }
        for (node, place) in graph.nodes().iter().zip(&places) {
            draw_node(area, node, Place { x: place.x + left, y: place.y + top, ..*place })?;
        }
        Ok(())
    })
}

/// A place for each node, and a curve for each edge.
fn arrange(graph: &Graph) -> (Vec<Place>, Vec<Vec<(f64, f64)>>) {
    let mut layout: Layout<NodeLabel, EdgeLabel> =
        Layout::with_options(GraphOptions { directed: true, multigraph: true, compound: false });
    for (index, node) in graph.nodes().iter().enumerate() {
        let (width, height) = size(node);
        let label = NodeLabel { width, height, ..NodeLabel::default() };
        layout.set_node(index.to_string(), Some(label));
    }
    for (index, (from, to)) in graph.edges().iter().enumerate() {
        let (from, to, name) = (from.to_string(), to.to_string(), index.to_string());
        layout.set_edge(from, to, Some(EdgeLabel::default()), Some(&name));
    }
    let options = LayoutOptions {
        // What an operation continues stands straight above it, and not in the middle of all
        // its inputs, so that long graphs do not drift sideways.
        align: Some(Align::DL),
        nodesep: NODE_DISTANCE,
        ranksep: ROW_DISTANCE,
        ..LayoutOptions::default()
    };
    dagre::layout(&mut layout, Some(options));

    let place = |(index, node): (usize, &Node)| {
        let (width, height) = size(node);
        let found = layout.node(&index.to_string());
        let coordinate = |of: fn(&NodeLabel) -> Option<f64>| found.and_then(of).unwrap_or(0.0);
        Place { x: coordinate(|node| node.x), y: coordinate(|node| node.y), width, height }
    };
    let places: Vec<Place> = graph.nodes().iter().enumerate().map(place).collect();
    // The rows that nodes stand in, and the height of each.
    let mut rows: BTreeMap<i64, f64> = BTreeMap::new();
    for place in &places {
        let height = rows.entry(place.y.round() as i64).or_default();
        *height = height.max(place.height);
    }
    // Where an edge passes through rows: between the nodes, straight down.
    let passes: Vec<Vec<[(f64, f64); 2]>> = graph
        .edges()
        .iter()
        .enumerate()
        .map(|(index, (from, to))| {
            let edge = layout.edge(&from.to_string(), &to.to_string(), Some(&index.to_string()));
            let points = edge.map_or(&[][..], |edge| &edge.points);
            let (start, end) = (places[*from].y + 1.0, places[*to].y - 1.0);
            let inside = points.iter().filter(|point| point.y > start && point.y < end);
            inside
                .filter_map(|point| {
                    let height = rows.get(&(point.y.round() as i64))?;
                    let half = height / 2.0;
                    Some([(point.x, point.y - half), (point.x, point.y + half)])
                })
                .collect()
        })
        .collect();
    let starts = ends(graph, &places, &passes, true);
    let ends = ends(graph, &places, &passes, false);
    let curves = passes.iter().enumerate().map(|(edge, passes)| {
        let mut stops = vec![starts[edge]];
        stops.extend(passes.iter().flatten());
        stops.push(ends[edge]);
        stops.chunks(2).flat_map(|pair| curve(pair[0], pair[1])).collect()
    });
    (places.clone(), curves.collect())
}

/// Where the edges leave their nodes, or arrive: spread along the border, in the order of
/// where they come from or go to, so that they do not cross.
fn ends(
    graph: &Graph,
    places: &[Place],
    passes: &[Vec<[(f64, f64); 2]>],
    leaving: bool,
) -> Vec<(f64, f64)> {
    let node_of = |edge: usize| {
        let (from, to) = graph.edges()[edge];
        if leaving { (from, to) } else { (to, from) }
    };
    let toward = |edge: usize| {
        let pass = if leaving { passes[edge].first() } else { passes[edge].last() };
        pass.map_or(places[node_of(edge).1].x, |pass| pass[0].0)
    };
    let mut ends = vec![(0.0, 0.0); passes.len()];
    for (node, place) in places.iter().enumerate() {
        let mut edges: Vec<usize> =
            (0..passes.len()).filter(|&edge| node_of(edge).0 == node).collect();
        edges.sort_by(|a, b| toward(*a).total_cmp(&toward(*b)));
        let count = edges.len() as f64;
        let y = place.y + place.height / if leaving { 2.0 } else { -2.0 };
        for (position, edge) in edges.into_iter().enumerate() {
            let share = (position as f64 + 0.5) / count - 0.5;
            ends[edge] = (place.x + place.width * 0.7 * share, y);
        }
    }
    ends
}

fn size(node: &Node) -> (f64, f64) {
    let lines = node.lines();
    let width = lines.iter().map(|line| text_width(line, LABEL)).fold(0.0, f64::max);
    (width + 2.0 * PADDING, LINE * lines.len() as f64 + 2.0 * PADDING)
}

/// A curve that leaves and arrives straight down: a cubic one by Bézier, whose control points lie
/// halfway down below the start and above the end.
fn curve(start: (f64, f64), end: (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    let middle = (start.1 + end.1) / 2.0;
    (0..=SEGMENTS).map(move |segment| {
        let t = segment as f64 / SEGMENTS as f64;
        let [a, b, c, d] =
            [(1.0 - t).powi(3), 3.0 * t * (1.0 - t).powi(2), 3.0 * t * t * (1.0 - t), t.powi(3)];
        ((a + b) * start.0 + (c + d) * end.0, a * start.1 + (b + c) * middle + d * end.1)
    })
}

fn draw_arrow(area: &Area<'_>, curve: &[(f64, f64)]) -> Drawn {
    let points = curve.iter().copied().map(position).collect::<Vec<_>>();
    area.draw(&PathElement::new(points, stroke(MUTED, 1.0, 1.1)))?;
    let Some(&(x, y)) = curve.last() else { return Ok(()) };
    let head = [(x, y), (x - HEAD * 0.6, y - HEAD * 1.4), (x + HEAD * 0.6, y - HEAD * 1.4)];
    area.draw(&Polygon::new(head.map(position).to_vec(), fill(MUTED, 1.0)))
}

fn draw_node(area: &Area<'_>, node: &Node, place: Place) -> Drawn {
    let (left, top) = (place.x - place.width / 2.0, place.y - place.height / 2.0);
    let corners = [(left, top), (left + place.width, top + place.height)];
    let outline = [0, 1, 2, 3, 0].map(|corner| {
        let x = corners[usize::from(corner == 1 || corner == 2)].0;
        let y = corners[usize::from(corner >= 2)].1;
        position((x, y))
    });
    let (background, border) = match node.kind {
        NodeKind::Parameter => (fill(SERIES[0], 0.12), Some(stroke(SERIES[0], 1.0, 1.6))),
        NodeKind::Constant => (fill(GRID, 0.6), Some(stroke(GRID, 1.0, 1.0))),
        NodeKind::Operation => (fill(PAPER, 1.0), Some(stroke(INK, 1.0, 1.0))),
        NodeKind::Omitted => (fill(PAPER, 1.0), None),
    };
    area.draw(&Rectangle::new(corners.map(position), fill(PAPER, 1.0)))?;
    area.draw(&Rectangle::new(corners.map(position), background))?;
    if let Some(border) = border {
        area.draw(&PathElement::new(outline.to_vec(), border))?;
    }
    for (line, text) in node.lines().iter().enumerate() {
        let color = match (line, node.kind) {
            (0, NodeKind::Omitted) => SERIES[1],
            (0, _) => INK,
            _ => MUTED,
        };
        let at = (place.x, top + PADDING + LINE * (line as f64 + 0.5));
        area.draw_text(text, &label_style(color, HPos::Center, VPos::Center), position(at))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use downhill_losses::CrossEntropy;
    use downhill_tensor::Tensor;

    use super::super::tests::check;
    use super::*;

    /// The neuron of micrograd's demonstration: tanh(x₁w₁ + x₂w₂ + b).
    fn neuron() -> Graph {
        let [x1, x2] = [2.0, 0.0].map(Tensor::<f64>::from);
        let [w1, w2, b] = [-3.0, 1.0, 6.881_373_587_019_543].map(Tensor::parameter);
        let output = (&x1 * &w1 + &x2 * &w2 + &b).tanh();
        let named = [("x1", &x1), ("x2", &x2), ("w1", &w1), ("w2", &w2), ("b", &b)];
        named.into_iter().fold(Graph::of(&output), |graph, (name, x)| graph.name(x, name))
    }

    #[test]
    fn a_picture_shows_every_node_and_edge_with_its_texts_apart() {
        let neuron = neuron();
        let picture = graph("A neuron", &neuron);
        let texts = check(&picture);
        assert_eq!(texts.iter().filter(|text| text.starts_with("value ")).count(), 10);
        assert_eq!(texts.iter().filter(|text| text.starts_with("gradient ")).count(), 8);
        // An arrow's head for each edge.
        assert_eq!(picture.svg().matches("<polygon").count(), 9);
        assert_eq!(picture, graph("A neuron", &neuron), "the same graph is drawn in the same way");
    }

    #[test]
    fn networks_and_cut_graphs_are_drawn_with_their_texts_apart() {
        let weights: Vec<Tensor<f64>> = (0..3)
            .map(|i| Tensor::parameter(ndarray::Array2::from_elem((4, 4), 0.1 * f64::from(i))))
            .collect();
        let mut hidden = Tensor::ones(&[5, 4]);
        for weight in &weights {
            hidden = hidden.matmul(weight).tanh();
        }
        let cross_entropy = CrossEntropy::new().forward(&hidden, &[0, 1, 2, 3, 0]).unwrap();
        let penalty =
            weights.iter().map(|weight| weight.square().sum()).reduce(|a, b| a + b).unwrap();
        let loss = cross_entropy + penalty * 0.01;
        check(&graph("A network with weight decay", &Graph::of(&loss).named(&weights)));
        let cut = graph("A network, cut", &Graph::with_limit(&loss, 6));
        assert!(check(&cut).iter().any(|text| text.contains("more, not shown")));
    }
}
