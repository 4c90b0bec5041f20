//! Where the values of contours are written.

use super::field::Ring;

/// How far apart the middles of two labels must be, as fractions of the frame: across or along.
const APART: (f64, f64) = (0.17, 0.065);
/// How far from the frame.
const INSIDE: (f64, f64) = (0.09, 0.04);
/// The places along a line that are tried, in their order.
const PLACES: [f64; 9] = [0.5, 0.25, 0.75, 0.1, 0.9, 0.4, 0.6, 0.0, 0.99];

/// The labels so far, none over another.
pub(super) struct Labels {
    ranges: ((f64, f64), (f64, f64)),
    texts: Vec<((f64, f64), String)>,
}

impl Labels {
    /// For lines within a frame with these ranges along x and y.
    pub(super) fn over(ranges: ((f64, f64), (f64, f64))) -> Self {
        Self { ranges, texts: Vec::new() }
    }

    /// Adds a label to the longest of the lines of a level, if there is a place for it.
    pub(super) fn add(&mut self, level: f64, lines: &[Ring]) {
        let inside = |line: &Ring| -> Vec<(f64, f64)> {
            line.iter().copied().filter(|&point| self.is_inside(point)).collect()
        };
        let longest = lines.iter().map(inside).max_by_key(Vec::len).unwrap_or_default();
        if longest.is_empty() {
            return;
        }
        let tried = PLACES.map(|place| longest[(place * longest.len() as f64) as usize]);
        if let Some(place) = tried.into_iter().find(|&point| self.is_free(point)) {
            self.texts.push((place, downhill_train::format_short(level)));
        }
    }

    pub(super) fn into_texts(self) -> Vec<((f64, f64), String)> {
        self.texts
    }

    fn fractions(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let along = |value: f64, (start, end): (f64, f64)| (value - start) / (end - start);
        (along(x, self.ranges.0), along(y, self.ranges.1))
    }

    fn is_inside(&self, point: (f64, f64)) -> bool {
        let (x, y) = self.fractions(point);
        (INSIDE.0..=1.0 - INSIDE.0).contains(&x) && (INSIDE.1..=1.0 - INSIDE.1).contains(&y)
    }

    fn is_free(&self, point: (f64, f64)) -> bool {
        let (x, y) = self.fractions(point);
        self.texts.iter().all(|(other, _)| {
            let (other_x, other_y) = self.fractions(*other);
            (x - other_x).abs() > APART.0 || (y - other_y).abs() > APART.1
        })
    }
}
