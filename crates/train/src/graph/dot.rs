//! A graph in Graphviz' language.

use std::fmt::Write;

use super::{Graph, NodeKind};

impl Graph {
    /// The graph in DOT, which [Graphviz](https://graphviz.org) and others draw.
    pub fn dot(&self) -> String {
        let mut dot = String::from(
            "digraph {\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n",
        );
        for (index, node) in self.nodes().iter().enumerate() {
            let lines: Vec<String> = node.lines().iter().map(|line| escape(line)).collect();
            let style = match node.kind {
                NodeKind::Operation => "",
                NodeKind::Parameter => ", color=\"#0072B2\", penwidth=2",
                NodeKind::Constant => ", style=\"rounded,dashed\"",
                NodeKind::Omitted => ", shape=plaintext",
            };
            writeln!(dot, "  n{index} [label=\"{}\"{style}];", lines.join("\\n"))
                .expect("writing into a string does not fail");
        }
        for (from, to) in self.edges() {
            writeln!(dot, "  n{from} -> n{to};").expect("writing into a string does not fail");
        }
        dot + "}\n"
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
