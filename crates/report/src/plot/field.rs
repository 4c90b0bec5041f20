//! A quantity over a plane.

use contour::ContourBuilder;

/// A number for each point of a regular grid over a rectangle, such as a loss over two weights.
///
/// ```
/// use downhill_report::plot::{Chart, Field};
///
/// let bowl = Field::sample((-2.0, 2.0), (-1.0, 1.0), 60, |x, y| x * x + 4.0 * y * y);
/// let picture = Chart::new("A bowl", "x", "y")
///     .contours(&bowl, &[0.1, 0.3, 1.0, 3.0])
///     .path("descent", [(1.5, 0.8), (0.9, 0.1), (0.5, 0.0)])
///     .picture();
/// assert!(picture.svg().contains("<path"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    x_range: (f64, f64),
    y_range: (f64, f64),
    size: usize,
    /// Row by row from the start of the y range.
    values: Vec<f64>,
}

impl Field {
    /// The points of a grid of `size` by `size` cells over the rectangle, each in the middle of
    /// its cell: `[x, y]`, x changing fastest.
    pub fn points(x_range: (f64, f64), y_range: (f64, f64), size: usize) -> Vec<[f64; 2]> {
        let at = |(start, end): (f64, f64), index: usize| {
            start + (end - start) * (index as f64 + 0.5) / size as f64
        };
        (0..size * size).map(|i| [at(x_range, i % size), at(y_range, i / size)]).collect()
    }

    /// From the values at the [points](Self::points) of a grid of `size` by `size` cells, which
    /// may have been computed all at once.
    ///
    /// # Panics
    ///
    /// If there are not `size`² values, or `size` is less than 2.
    #[track_caller]
    pub fn new(x_range: (f64, f64), y_range: (f64, f64), size: usize, values: Vec<f64>) -> Self {
        assert!(size >= 2, "Field: a grid of {size} by {size} points is too coarse");
        assert!(
            size.checked_mul(size) == Some(values.len()),
            "Field: {} values for a grid of {size} by {size}",
            values.len()
        );
        Self { x_range, y_range, size, values }
    }

    /// The values of a function at the [points](Self::points) of a grid of `size` by `size` cells.
    ///
    /// # Panics
    ///
    /// If `size` is less than 2.
    #[track_caller]
    pub fn sample(
        x_range: (f64, f64),
        y_range: (f64, f64),
        size: usize,
        f: impl Fn(f64, f64) -> f64,
    ) -> Self {
        let values = Self::points(x_range, y_range, size).into_iter().map(|[x, y]| f(x, y));
        Self::new(x_range, y_range, size, values.collect())
    }

    /// `count` levels for contours, from the least value up, the closer the smaller: evenly spaced
    /// in the square root of the height above the least. So both the bottom of a valley and its
    /// walls show their shape.
    pub fn levels(&self, count: usize) -> Vec<f64> {
        let finite = || self.values.iter().copied().filter(|value| value.is_finite());
        let min = finite().fold(f64::INFINITY, f64::min);
        let max = finite().fold(f64::NEG_INFINITY, f64::max);
        if min >= max {
            return Vec::new();
        }
        let level = |index: usize| {
            let share = (index as f64 + 1.0) / (count as f64 + 1.0);
            min + (max - min) * share * share
        };
        (0..count).map(level).collect()
    }

    pub(super) fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        (self.x_range, self.y_range)
    }

    /// The polygons where the field is at least `level`: each its outline, and those of its holes.
    /// They reach beyond the rectangle by half a cell, so that no line bends before its edge. What is
    /// not a number counts as infinite.
    #[track_caller]
    pub(super) fn above(&self, level: f64) -> Vec<Vec<Ring>> {
        assert!(level.is_finite(), "contours: the level {level} is not finite");
        let size = self.size + 2;
        let step = |(start, end): (f64, f64)| (end - start) / self.size as f64;
        let (x_step, y_step) = (step(self.x_range), step(self.y_range));
        let contours = ContourBuilder::new(size, size, true)
            .x_origin(self.x_range.0 - x_step)
            .x_step(x_step)
            .y_origin(self.y_range.0 - y_step)
            .y_step(y_step)
            .contours(&self.continued(), &[level])
            .expect("there are as many values as the grid has points");
        let mut polygons = Vec::new();
        for polygon in contours.iter().flat_map(|contour| &contour.geometry().0) {
            let rings = [polygon.exterior()].into_iter().chain(polygon.interiors());
            let points = rings.map(|ring| ring.0.iter().map(|point| (point.x, point.y)).collect());
            polygons.push(points.collect());
        }
        polygons
    }

    /// The values with one more at each end of each row and column, on a line with the two before
    /// it. Contours are interpolated, for which all values must be finite.
    fn continued(&self) -> Vec<f64> {
        let finite = |value: f64| if value.is_nan() { HUGE } else { value.clamp(-HUGE, HUGE) };
        let size = self.size;
        let longer = |line: Vec<f64>| -> Vec<f64> {
            let next = |last: f64, before: f64| finite(last + (last - before));
            let (first, last) = (next(line[0], line[1]), next(line[size - 1], line[size - 2]));
            [&[first], &line[..], &[last]].concat()
        };
        let row = |row: &[f64]| longer(row.iter().copied().map(finite).collect());
        let rows: Vec<Vec<f64>> = self.values.chunks(size).map(row).collect();
        let column = |column: usize| longer(rows.iter().map(|row| row[column]).collect());
        let columns: Vec<Vec<f64>> = (0..size + 2).map(column).collect();
        (0..size + 2).flat_map(|row| columns.iter().map(move |column| column[row])).collect()
    }
}

/// A closed line.
pub(super) type Ring = Vec<(f64, f64)>;

/// More than any level.
const HUGE: f64 = 1e300;

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    use super::*;

    fn area(ring: &[(f64, f64)]) -> f64 {
        ring.windows(2).map(|pair| pair[0].0 * pair[1].1 - pair[1].0 * pair[0].1).sum::<f64>() / 2.0
    }

    #[test]
    fn level_lines_lie_where_the_field_has_the_level_up_to_the_edge() {
        let slope = Field::sample((-1.0, 3.0), (0.0, 2.0), 20, |x, y| x + y);
        let [polygon] = &slope.above(2.0)[..] else { panic!("one polygon") };
        let inside = |&&(x, y): &&(f64, f64)| (-1.0..=3.0).contains(&x) && (0.0..=2.0).contains(&y);
        // What lies inside is the line and no edge.
        let on_line: Vec<_> = polygon[0].iter().filter(inside).collect();
        assert!(on_line.len() >= 20);
        for (x, y) in on_line {
            assert_relative_eq!(x + y, 2.0, epsilon = 1e-12);
        }
    }

    #[test]
    fn a_field_above_the_level_everywhere_fills_the_rectangle() {
        let flat = Field::sample((0.0, 4.0), (1.0, 3.0), 10, |_, _| 5.0);
        let [polygon] = &flat.above(1.0)[..] else { panic!("one polygon") };
        assert!(area(&polygon[0]).abs() >= 8.0);
        assert!(flat.above(6.0).is_empty());
    }

    #[test]
    fn a_valley_is_a_hole() {
        let bowl = Field::sample((-2.0, 2.0), (-2.0, 2.0), 80, |x, y| x * x + y * y);
        let [polygon] = &bowl.above(1.0)[..] else { panic!("one polygon") };
        assert_eq!(polygon.len(), 2);
        assert_relative_eq!(area(&polygon[1]).abs(), std::f64::consts::PI, max_relative = 0.01);
    }

    #[test]
    fn what_is_not_finite_counts_as_huge() {
        let field = Field::sample((0.0, 1.0), (0.0, 1.0), 10, |x, _| match x {
            x if x > 0.8 => f64::NAN,
            x if x > 0.6 => f64::INFINITY,
            x => x,
        });
        let polygons = field.above(0.5);
        let points: Vec<_> = polygons.iter().flatten().flatten().collect();
        assert!(!points.is_empty());
        assert!(points.iter().all(|(x, y)| x.is_finite() && y.is_finite() && *x >= 0.5));
    }

    #[test]
    fn levels_lie_closer_where_the_field_is_low() {
        let slope = Field::sample((0.0, 1.0), (0.0, 1.0), 10, |x, _| x);
        let levels = slope.levels(3);
        // From 0.05 to 0.95, at 1/16, 4/16 and 9/16 of the way.
        for (level, share) in levels.iter().zip([1.0, 4.0, 9.0]) {
            assert_relative_eq!(*level, 0.05 + 0.9 * share / 16.0, max_relative = 1e-12);
        }
        assert!(Field::sample((0.0, 1.0), (0.0, 1.0), 2, |_, _| 1.0).levels(3).is_empty());
    }

    #[test]
    #[should_panic(expected = "Field: 3 values for a grid of 2 by 2")]
    fn a_grid_that_is_not_full_is_refused() {
        let _ = Field::new((0.0, 1.0), (0.0, 1.0), 2, vec![0.0; 3]);
    }
}
