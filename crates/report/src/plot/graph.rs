//! A computation graph as a picture.

use downhill_train::{Graph, Node, NodeKind};

use super::picture::{
    GRID, INK, LABEL, MARGIN, MUTED, PAPER, Picture, SERIES, WIDTH, fill, stroke, style, text_width,
};
use super::rows;
use super::svg::{Anchor, Baseline, Drawing};

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
    Picture::draw(title, (width, (top + bottom + MARGIN).ceil()), |drawing| {
        for curve in &curves {
            draw_arrow(drawing, curve);
        }
        for (node, place) in graph.nodes().iter().zip(&places) {
            draw_node(drawing, node, Place { x: place.x + left, y: place.y + top, ..*place });
        }
    })
}

/// A place for each node, and a curve for each edge.
fn arrange(graph: &Graph) -> (Vec<Place>, Vec<Vec<(f64, f64)>>) {
    let sizes: Vec<(f64, f64)> = graph.nodes().iter().map(size).collect();
    let widths: Vec<f64> = sizes.iter().map(|size| size.0 + NODE_DISTANCE).collect();
    let rows = rows::arrange(&widths, graph.edges(), NODE_DISTANCE);
    let mut heights = vec![0.0_f64; rows.row_of.iter().max().map_or(0, |last| last + 1)];
    for (&row, size) in rows.row_of.iter().zip(&sizes) {
        heights[row] = heights[row].max(size.1);
    }
    let mut top = 0.0;
    let middle = |height: &f64| {
        let middle = top + height / 2.0;
        top += height + ROW_DISTANCE;
        middle
    };
    let middles: Vec<f64> = heights.iter().map(middle).collect();
    let place = |(node, &(width, height)): (usize, &(f64, f64))| {
        let x = rows.x[node] - NODE_DISTANCE / 2.0;
        Place { x, y: middles[rows.row_of[node]], width, height }
    };
    let places: Vec<Place> = sizes.iter().enumerate().map(place).collect();
    // Where an edge passes through rows: between the nodes, straight down.
    let through = |(passes, (from, _)): (&Vec<f64>, &(usize, usize))| {
        let pass = |(x, row): (&f64, usize)| {
            let (x, half) = (x - NODE_DISTANCE / 2.0, heights[row] / 2.0);
            [(x, middles[row] - half), (x, middles[row] + half)]
        };
        passes.iter().zip(rows.row_of[*from] + 1..).map(pass).collect()
    };
    let passes: Vec<Vec<[(f64, f64); 2]>> =
        rows.passes.iter().zip(graph.edges()).map(through).collect();
    let starts = ends(graph, &places, &passes, true);
    let ends = ends(graph, &places, &passes, false);
    let curves = passes.iter().enumerate().map(|(edge, passes)| {
        let mut stops = vec![starts[edge]];
        stops.extend(passes.iter().flatten());
        stops.push(ends[edge]);
        stops.chunks(2).flat_map(|pair| curve(pair[0], pair[1])).collect()
    });
    let curves = curves.collect();
    (places, curves)
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

fn draw_arrow(drawing: &mut Drawing, curve: &[(f64, f64)]) {
    drawing.line(curve, stroke(MUTED, 1.0, 1.1), "");
    let Some(&(x, y)) = curve.last() else { return };
    let head = [(x, y), (x - HEAD * 0.6, y - HEAD * 1.4), (x + HEAD * 0.6, y - HEAD * 1.4)];
    drawing.polygon(&head, fill(MUTED, 1.0));
}

fn draw_node(drawing: &mut Drawing, node: &Node, place: Place) {
    let (left, top) = (place.x - place.width / 2.0, place.y - place.height / 2.0);
    let (right, bottom) = (left + place.width, top + place.height);
    let (background, border) = match node.kind {
        NodeKind::Parameter => (fill(SERIES[0], 0.12), Some(stroke(SERIES[0], 1.0, 1.6))),
        NodeKind::Constant => (fill(GRID, 0.6), Some(stroke(GRID, 1.0, 1.0))),
        NodeKind::Operation => (fill(PAPER, 1.0), Some(stroke(INK, 1.0, 1.0))),
        NodeKind::Omitted => (fill(PAPER, 1.0), None),
    };
    drawing.rectangle([(left, top), (right, bottom)], fill(PAPER, 1.0));
    drawing.rectangle([(left, top), (right, bottom)], background);
    if let Some(border) = border {
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        drawing.line(&corners, border, "");
    }
    for (line, text) in node.lines().iter().enumerate() {
        let color = match (line, node.kind) {
            (0, NodeKind::Omitted) => SERIES[1],
            (0, _) => INK,
            _ => MUTED,
        };
        let at = (place.x, top + PADDING + LINE * (line as f64 + 0.5));
        drawing.text(text, at, style(color, Anchor::Middle, Baseline::Middle));
    }
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
