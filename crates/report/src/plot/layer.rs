//! What lies between the axes of a chart.

use super::field::Ring;
use super::svg::Color;

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
    Fixed(Color),
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
    Rectangles(Vec<Rectangle>),
    /// Along y: an x, a value, and the interval's ends.
    Intervals(Vec<(f64, f64, (f64, f64))>),
    /// Each its outline and those of its holes.
    Polygons(Vec<Vec<Ring>>),
    Texts {
        texts: Vec<((f64, f64), String)>,
        /// Whether they are written upwards, down from their place.
        upright: bool,
        /// Whether they are set off from what lies below.
        halo: bool,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Rectangle {
    /// Opposite ones.
    pub(super) corners: [(f64, f64); 2],
    /// Its share of the layer's opacity.
    pub(super) share: f64,
    /// What is shown while a pointer rests on it.
    pub(super) title: Option<String>,
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
