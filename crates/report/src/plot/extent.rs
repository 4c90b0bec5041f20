//! How far what is drawn reaches.

use super::layer::Shape;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Coordinate {
    X,
    Y,
}

/// How far values reach.
pub(super) struct Extent {
    logarithmic: bool,
    min: f64,
    max: f64,
    /// Whether there is space wanted beyond the least and the greatest.
    padded: bool,
    /// Whether all are whole numbers.
    pub(super) whole: bool,
}

impl Extent {
    pub(super) fn new(logarithmic: bool) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { logarithmic, min, max, padded: false, whole: true }
    }

    fn add(&mut self, value: f64) {
        if value.is_finite() && (value > 0.0 || !self.logarithmic) {
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.whole &= value.fract() == 0.0;
        }
    }

    pub(super) fn range(&self) -> (f64, f64) {
        let Self { min, max, .. } = *self;
        match () {
            () if min > max && self.logarithmic => (0.1, 1.0),
            () if min > max => (0.0, 1.0),
            () if self.logarithmic => {
                let margin = if min == max { 2.0 } else { (max / min).powf(0.04) };
                let margin = if self.padded || min == max { margin } else { 1.0 };
                (min / margin, (max * margin).min(f64::MAX))
            }
            () => {
                let margin = match max / 2.0 - min / 2.0 {
                    0.0 if min == 0.0 => 0.5,
                    0.0 => min.abs() / 10.0,
                    half if self.padded => half * 0.08,
                    _ => 0.0,
                };
                // Quantities that are never negative do not get a negative axis.
                let start = if min >= 0.0 { (min - margin).max(0.0) } else { min - margin };
                (start.max(f64::MIN), (max + margin).min(f64::MAX))
            }
        }
    }
}

impl Shape {
    /// Takes the coordinates of the shape into account.
    pub(super) fn extend(&self, coordinate: Coordinate, extent: &mut Extent) {
        let of = |&(x, y): &(f64, f64)| if coordinate == Coordinate::X { x } else { y };
        match self {
            Self::Line { points, marked, .. } => {
                points.iter().for_each(|point| extent.add(of(point)));
                extent.padded |= coordinate == Coordinate::Y || *marked;
            }
            Self::Points(points) => {
                points.iter().for_each(|point| extent.add(of(point)));
                extent.padded = true;
            }
            Self::Rectangles(rectangles) => {
                for rectangle in rectangles {
                    rectangle.corners.iter().for_each(|corner| extent.add(of(corner)));
                }
                extent.padded |= coordinate == Coordinate::Y;
            }
            Self::Intervals(intervals) => {
                for &(x, _, (low, high)) in intervals {
                    [(x, low), (x, high)].iter().for_each(|end| extent.add(of(end)));
                }
            }
            Self::Polygons(polygons) => {
                polygons.iter().flatten().flatten().for_each(|point| extent.add(of(point)));
            }
            Self::Texts { texts, upright: false, .. } => {
                texts.iter().for_each(|(place, _)| extent.add(of(place)));
                extent.padded = true;
            }
            Self::Texts { .. } => {}
        }
    }
}
