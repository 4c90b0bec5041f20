//! What lies between the axes of a chart.

use plotters::style::RGBColor;

use super::field::Ring;

/// What is drawn in one colour.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// What the legend calls it.
    pub(super) name: Option<String>,
    pub(super) shape: Shape,
    pub(super) paint: Paint,
    pub(super) opacity: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Paint {
    /// The colour of the series of this index.
    Series(usize),
    Fixed(RGBColor),
}

#[derive(Debug, Clone)]
pub(super) enum Shape {
    Line {
        points: Vec<(f64, f64)>,
        width: f64,
        /// Whether each point is marked, the last one most, and set off from what is below.
        marked: bool,
    },
    Points(Vec<(f64, f64)>),
    /// Opposite corners, and each rectangle's share of the layer's opacity.
    Rectangles(Vec<([(f64, f64); 2], f64)>),
    /// Each its outline and those of its holes.
    Polygons(Vec<Vec<Ring>>),
    Texts(Vec<((f64, f64), String)>),
}

impl Layer {
    /// The index of the series that the layer belongs to, or is like.
    pub(super) fn series(&self) -> usize {
        match self.paint {
            Paint::Series(index) => index,
            Paint::Fixed(_) => 0,
        }
    }
}
